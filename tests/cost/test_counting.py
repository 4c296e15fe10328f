import numpy as np
import pytest

from hwshift.compiler import compile as compile_network
from hwshift.compiler.shift_mode import with_shifts
from hwshift.config import PRESETS
from hwshift.cost.counting import MOVES, count_program
from hwshift.cost.counts import (
    PROGRAM,
    AccumulatorCounts,
    ArrayCounts,
    EpilogueCounts,
    MemoryCounts,
    MoveCounts,
    ShiftBufferCounts,
    TableCounts,
    WeightBufferCounts,
)  # fmt: skip
from hwshift.golden.formats import Pow2Format, QFormat
from hwshift.network.bind import bind
from hwshift.network.fixed import Conv, Epilogue, FixedLayer, FixedNetwork, FixedWeights, Input
from hwshift.program.isa import LoadKind
from hwshift.sim.cycle.model import simulate_cycles
from hwshift.sim.functional import run_program

from .examples import CASES, example

SAME = {
    "steps": "array.steps",
    "weight_tiles": "array.weight_tiles",
    "operations": "array.operations",
    "nonzero_operations": "array.nonzero_operations",
    "array_slots": "array.places",
    "accumulations": "accumulator.sums",
    "port_a_reads": "shift_buffer.port_a_reads",
    "residual_reads": "shift_buffer.residual_reads",
    "epilogue_writes": "shift_buffer.epilogue_writes",
    "loader_writes": "shift_buffer.loader_writes",
    "storer_reads": "shift_buffer.storer_reads",
}
KINDS = {
    "table_bits": ("PARAMS", "KTILES", "LANES"),
    "weight_bits": ("WEIGHTS",),
    "input_bits": ("INPUT",),
    "map_read_bits": ("MAP",),
}


@pytest.mark.parametrize("keep", ["all", "outputs"])
@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_totals_equal_the_functional_simulator(case, keep):
    _, program, codes = example(*case, keep)
    total = count_program(program).total
    expected = run_program(program, codes)[1]
    assert total.instructions == expected.instructions
    assert {name: total.value(path) for name, path in SAME.items()} == {
        name: getattr(expected, name) for name in SAME
    }
    bus = program.config.bus_width
    assert total.memory.instruction_bits == expected.fetch_beats * bus
    assert total.memory.map_write_bits == expected.store_beats * bus
    for name, kinds in KINDS.items():
        assert getattr(total.memory, name) == sum(expected.load_beats[kind] for kind in kinds) * bus
    assert sorted(kind for kinds in KINDS.values() for kind in kinds) == sorted(
        kind.name for kind in LoadKind
    )


@pytest.mark.parametrize("case", CASES[:6], ids="-".join)
def test_totals_equal_the_cycle_model(case):
    _, program, _ = example(*case)
    total, counters = count_program(program).total, simulate_cycles(program)
    bus = program.config.bus_width
    assert total.array.steps == counters["steps"] == counters["busy"]
    assert total.memory.load_bits == counters["load_beats"] * bus
    assert total.memory.map_write_bits == counters["store_beats"] * bus
    assert total.memory.instruction_bits == counters["fetch_beats"] * bus


@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_layers(case):
    network, program, _ = example(*case)
    counts = count_program(program)
    names = [layer.name for layer in counts.layers]
    assert names == [*(record["name"] for record in program.layers), PROGRAM]
    assert counts.layer(PROGRAM).instructions == 2  # the header and the end
    for record, layer in zip(program.layers, counts.layers, strict=False):
        assert layer.array.steps == record.get("steps", 0)
        values = int(np.prod(network.layer(layer.name).shape))
        assert layer.epilogue.outputs == (0 if record["where"] == "renamed" else values)
        assert layer.epilogue.outputs == layer.shift_buffer.epilogue_writes


def test_instructions_without_a_layer_belong_to_the_program():
    _, program, _ = example("csc", "8x8")
    nameless = type(program)(**{**vars_of(program), "layers": ()})
    counts = count_program(nameless)
    assert [layer.name for layer in counts.layers] == [PROGRAM]
    known = count_program(program).total
    assert counts.total.array == known.array
    assert counts.total.memory == known.memory


def vars_of(program):
    return {name: getattr(program, name) for name in program.__dataclass_fields__}


def tiny():
    """A 1x1 convolution of 3 to 4 channels on 2 x 2 pixels; two of its weights are zero."""
    signs = np.array([[1, -1, 1], [0, 1, 1], [1, 1, 0], [-1, -1, 1]]).reshape(4, 3, 1, 1)
    weights = FixedWeights(Pow2Format(), signs, np.where(signs, -3, -15))
    layers = (
        FixedLayer("input", Input(), (), (3, 2, 2)),
        FixedLayer("conv", Conv(weights), ("input",), (4, 2, 2), Epilogue.identity(4)),
    )
    config = PRESETS["4x4"]
    return compile_network(bind(FixedNetwork("tiny", QFormat(), layers), config.arithmetic), config)


def test_by_hand():
    layer, rest = count_program(tiny()).layers
    assert (layer.name, layer.op) == ("conv", "Conv")
    # four pixels, a step each: 3 lanes are on, 4 columns count; 10 of 12 weights are not zero
    assert layer.array == ArrayCounts(
        steps=4,
        places=4 * 16,
        operations=4 * 12,
        nonzero_operations=4 * 10,
        tree_adds=4 * 4 * 2,
        weight_tiles=1,
        weight_registers=2 * 16,
    )
    assert layer.accumulator == AccumulatorCounts(sums=16)  # one k-tile: nothing is added or stored
    assert layer.shift_buffer == ShiftBufferCounts(4 * 3, 0, 4 * 4, loader_writes=4 * 4, storer_reads=4 * 4)
    assert layer.weight_buffer == WeightBufferCounts(4, 4)  # a row of 4 weights per word
    assert layer.epilogue == EpilogueCounts(16, 0)
    assert layer.tables == TableCounts(4, 1, 1, 1, 4, 1)
    # 64-bit beats: 4 pixels of 3 values; 16 codes of 5 bits in 2 beats; 1 lane row, 1 k-tile beat, 4 parameters
    assert layer.memory == MemoryCounts(
        instruction_bits=8 * 512,  # 5 loads, DESCRIPTOR, COMPUTE, STORE
        table_bits=128 + 64 + 256,
        weight_bits=128,
        input_bits=4 * 3 * 32,
        map_write_bits=4 * 4 * 32,
    )
    assert layer.moves == MoveCounts()
    assert (rest.name, rest.instructions, rest.memory) == (PROGRAM, 2, MemoryCounts(2 * 512))


def test_memory_sums():
    memory = MemoryCounts(1, 2, 4, 8, 16, 32)
    assert (memory.load_bits, memory.read_bits, memory.total_bits) == (30, 31, 63)


def test_a_fused_shift_moves_nothing():
    network, program, _ = example("csc", "8x8")
    total = count_program(program).total.moves
    assert total.displaced_reads > 0
    assert (total.shifted_elements, total.unshifted_elements) == (0, 0)


def test_a_moved_shift_writes_what_is_shifted():
    """16 and 32 expanded channels, generated modulo 9: those without displacement are not touched."""
    network, _, _ = example("csc", "8x8")
    moved = with_shifts(network, "moved")
    counts = count_program(compile_network(moved, PRESETS["8x8"]))
    shifts = [layer for layer in counts.layers if layer.op == "Shift"]
    assert len(shifts) == 2
    assert all(
        layer.epilogue.outputs == 0 for layer in counts.layers if layer.op in MOVES and layer not in shifts
    )
    for layer in shifts:
        source = moved.layer(layer.name)
        still = int((source.op.offsets == 0).all(axis=1).sum())
        pixels = source.shape[1] * source.shape[2]
        assert (still, layer.moves.unshifted_elements) == (0, 0)
        assert layer.moves.shifted_elements == source.shape[0] * pixels == layer.epilogue.outputs
