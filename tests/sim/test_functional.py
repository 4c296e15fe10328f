"""The functional simulator: literal on-chip state, faults it must not pass over, and what it counts."""

import numpy as np
import pytest

from hwshift.compiler import compile as compile_network
from hwshift.config import PRESETS, AcceleratorConfig
from hwshift.errors import SimulationError
from hwshift.golden.formats import Pow2Format
from hwshift.golden.model import trace
from hwshift.network.bind import bind
from hwshift.network.fixed import Activation, Conv, Epilogue, FixedLayer, FixedNetwork, FixedWeights, Input
from hwshift.network.quantize import quantize
from hwshift.network.random import csc_network
from hwshift.program.instruction import encode
from hwshift.program.isa import LoadKind, Opcode
from hwshift.sim.functional import FunctionalSimulator, run_program

from ..seeds import generator


def network_of(config, size=8):
    return bind(quantize(csc_network(8, size, size, 2, stride2=(1,))), config.arithmetic)


def images(network, seed=0):
    return generator(seed).integers(-(1 << 16), 1 << 16, network.input.shape)


def run(program, x, change=None):
    """Run a program whose instructions in memory are changed first."""
    memory = program.memory_image(x)
    if change is not None:
        index, fields = change
        words = encode(program.instructions[index].with_(**fields)).astype("<u4")
        memory[program.program_base + 64 * index :][:64] = words.view(np.uint8)
    simulator = FunctionalSimulator(program.config, memory)
    simulator.run(program.program_base)
    return simulator


def test_one_pixel_by_hand():
    """Two channels, one output: 3 * 2**-1 - 5 * 2**0 + 1, doubled, clamped."""
    config = AcceleratorConfig(weights=Pow2Format(-3, 1))
    weights = FixedWeights(config.weights, np.array([[1, -1]]).reshape(1, 2, 1, 1),
                           np.array([[-1, 0]]).reshape(1, 2, 1, 1))  # fmt: skip
    one = 1 << 16
    ones = np.ones(1, np.int64)
    epilogue = Epilogue(2 * ones, 0 * ones, one * ones, Activation("clamp", -4 * one, 0))
    layers = (
        FixedLayer("in", Input(), (), (2, 1, 1)),
        FixedLayer("out", Conv(weights), ("in",), (1, 1, 1), epilogue),
    )
    program = compile_network(FixedNetwork("one", config.act, layers), config)
    memory, _ = run_program(program, np.array([3 * one, 5 * one]).reshape(2, 1, 1))
    assert program.read_tensor(memory, "out").tolist() == [[[-4 * one]]]
    memory, _ = run_program(program, np.array([3 * one, 2 * one]).reshape(2, 1, 1))
    assert program.read_tensor(memory, "out").tolist() == [[[0]]]


def test_counts():
    config = PRESETS["8x8"]
    network = network_of(config)
    program = compile_network(network, config, keep="outputs")
    _, counts = run_program(program, images(network))
    items = program.instructions
    assert counts.instructions == len(items)
    assert counts.fetch_beats == 8 * len(items)
    assert counts.steps == sum(layer["steps"] for layer in program.layers)
    assert counts.array_slots == counts.steps * 64
    assert counts.nonzero_operations <= counts.operations <= counts.array_slots
    outputs = sum(int(np.prod(layer.shape)) for layer in network.layers[1:])
    assert counts.epilogue_writes == outputs
    residuals = [layer for layer in network.layers if layer.residual]
    assert counts.residual_reads == sum(int(np.prod(layer.shape)) for layer in residuals)
    stores = [item for item in items if item.opcode == Opcode.STORE]
    assert counts.store_beats == sum(item["rows"] * item["row_beats"] for item in stores)
    assert counts.load_beats["INPUT"] == 8 * 8 * 3 // 2  # three values of 32 bits a pixel, two a beat
    weights = [
        item["count"] for item in items if item.opcode == Opcode.LOAD and item["kind"] == LoadKind.WEIGHTS
    ]
    assert counts.load_beats["WEIGHTS"] == sum(weights) * config.tile_beats


def test_strips_move_more():
    small, large = (AcceleratorConfig(rows=8, columns=8, feature_depth=depth) for depth in (64, 4096))
    network = network_of(large)
    x = images(network)
    beats = []
    for config in (small, large):
        program = compile_network(network, config, keep="outputs")
        memory, counts = run_program(program, x)
        np.testing.assert_array_equal(
            program.read_tensor(memory, program.output), trace(network, config.arithmetic, x).output
        )
        beats.append(counts.load_beats["MAP"])
    assert beats[0] > beats[1] == 0


@pytest.fixture(scope="module")
def program():
    config = AcceleratorConfig(rows=8, columns=8, feature_depth=64)
    return compile_network(network_of(config), config)


def find(program, opcode, **fields):
    return next(i for i, item in enumerate(program.instructions)
                if item.opcode == opcode and all(item[name] == value for name, value in fields.items()))  # fmt: skip


@pytest.mark.parametrize(("opcode", "which", "change", "message"), [
    (Opcode.HEADER, {}, {"magic": 1}, "the header's magic is 0x1, expected 0x54485348"),
    (Opcode.LOAD, {}, {"kind": 6}, "unknown kind of LOAD 6"),
    (Opcode.LOAD, {"kind": LoadKind.WEIGHTS}, {"rows": 2}, "2 rows of .* beats are not .* bytes"),
    (Opcode.LOAD, {"kind": LoadKind.LANES}, {"dest": 255}, "entries 255 to .* of a table of 256"),
    (Opcode.LOAD, {"kind": LoadKind.INPUT}, {"width": 1}, "1 rows of .* beats do not hold .* bytes"),
    (Opcode.LOAD, {"kind": LoadKind.INPUT}, {"channels": 0}, "pixels of 0 channels"),
    (Opcode.LOAD, {"kind": LoadKind.MAP}, {"width": 1}, "a row of .* beats does not hold .* bytes"),
    (Opcode.LOAD, {"kind": LoadKind.INPUT}, {"x0": 9999}, "a word outside its buffer or the memory is accessed"),
    (Opcode.COMPUTE, {"drain": 1}, {"drain": 0}, "a word is read whose write is not visible yet: a drain is missing"),
    (Opcode.COMPUTE, {}, {"act": 3}, "the configuration leaves out sigmoid"),
    (Opcode.STORE, {}, {"gates": 1}, "the configuration leaves out gates"),
    (Opcode.COMPUTE, {}, {"chunk_rows": 600}, "a chunk of 600 x .* steps exceeds 512"),
    (Opcode.COMPUTE, {}, {"hold_weights": 0, "ktile_count": 4000}, "4000 weight tiles are needed, .* are loaded"),
    (Opcode.COMPUTE, {}, {"out_base": 60000}, "a word outside its buffer or the memory is accessed"),
    (Opcode.DESCRIPTOR, {}, {"base": 60000}, "a word outside its buffer or the memory is accessed"),
    (Opcode.DESCRIPTOR, {}, {"length": 1}, "a word outside its buffer or the memory is accessed"),
])  # fmt: skip
def test_faults(program, opcode, which, change, message):
    x = np.zeros(program.tensors[0].shape, np.int64)
    with pytest.raises(SimulationError, match=rf"^instruction \d+: {message}"):
        run(program, x, (find(program, opcode, **which), change))


def test_weights_left_over(program):
    index = find(program, Opcode.LOAD, kind=LoadKind.WEIGHTS)
    item = program.instructions[index]
    beats = program.config.tile_beats
    change = {"count": item["count"] + 1, "row_beats": item["row_beats"] + beats}
    with pytest.raises(SimulationError, match="^1 weight tiles are left at the end$"):
        run(program, np.zeros(program.tensors[0].shape, np.int64), (index, change))


def test_wrong_offsets_change_the_result(program):
    """State is literal: an offset that is off by a row gives other bits, not an error."""
    network = network_of(program.config)
    x = images(network)
    good, index = run(program, x), find(program, Opcode.DESCRIPTOR)
    item = program.instructions[index]
    moved = (item["offset"] + item["row_step"]) % item["length"]
    bad = run(program, x, (index, {"offset": moved}))
    layer = network.layers[1].name
    assert (program.read_tensor(good.memory, layer) != program.read_tensor(bad.memory, layer)).any()


def test_accumulator_overflow():
    config = AcceleratorConfig(acc_width=49)
    op = Conv(FixedWeights(config.weights, np.ones((1, 4, 1, 1), np.int64), np.zeros((1, 4, 1, 1), np.int64)))
    layers = (
        FixedLayer("in", Input(), (), (4, 1, 1)),
        FixedLayer("out", op, ("in",), (1, 1, 1), Epilogue.identity(1)),
    )
    program = compile_network(FixedNetwork("one", config.act, layers), config)
    run_program(program, np.full((4, 1, 1), 1 << 30))
    with pytest.raises(SimulationError, match="an accumulator exceeds its width"):
        run_program(program, np.full((4, 1, 1), -(1 << 31)))
