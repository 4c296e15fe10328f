"""Compiled programs, run by the functional simulator, give the golden model's bits in every stored layer."""

import numpy as np
import pytest

from hwshift.compiler import compile as compile_network
from hwshift.compiler import explain
from hwshift.config import PRESETS, AcceleratorConfig
from hwshift.errors import CompileError, ConfigError
from hwshift.golden.formats import Pow2Format, QFormat
from hwshift.network.bind import bind
from hwshift.network.fixed import Conv, Epilogue, FixedLayer, FixedNetwork, FixedWeights, Input, Pool, Sum
from hwshift.network.quantize import quantize
from hwshift.network.random import csc_network, mixed_network
from hwshift.program.isa import Opcode

from .networks import OPS, Builder, check, random_config, random_network

CONFIGS = {
    "4x4": PRESETS["4x4"],
    "8x8": PRESETS["8x8"],
    "8x8-mac": PRESETS["8x8-mac"],
    "16x16x4": PRESETS["16x16x4"],
    "8x4 P2": AcceleratorConfig(rows=8, columns=4, pixels=2, scale_digits=4),
    "8x4 P4 Q8.8": AcceleratorConfig(rows=8, columns=4, pixels=4, act=QFormat(8, 8), bus_width=32),
    "16x4 128": AcceleratorConfig(rows=16, columns=4, bus_width=128, weight_rows=4),
    "small tables": AcceleratorConfig(
        acc_depth=8, bus_width=128, weight_tiles=4, param_tiles=2, lane_rows=32
    ),
    "strips": AcceleratorConfig(feature_depth=256, scale_digits=4),
    "strips P2": AcceleratorConfig(rows=8, columns=4, pixels=2, feature_depth=64, scale_digits=2),
    "guard 3": AcceleratorConfig(rows=8, columns=8, guard=3, weights=Pow2Format(-7, 1)),
    "mac Q4.12": AcceleratorConfig(
        rows=8, columns=4, pe="mac", act=QFormat(4, 12), weights=QFormat(4, 12), guard=7
    ),
}


def csc(config, **options):
    kind = {"weights": "fixed", "weight_format": config.weights} if config.pe == "mac" else {}
    if config.pe != "mac":
        kind["weight_format"] = config.weights
    network = csc_network(8, 8, 9, 2, stride2=(1,), seed=3)
    return bind(quantize(network, act=config.act, **kind, **options), config.arithmetic)


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("shift", ["fused", "moved"])
def test_shift_network(name, shift):
    config = CONFIGS[name]
    check(csc(config, shift=shift), config)
    check(csc(config), config, keep="outputs", shift=shift)


@pytest.mark.parametrize("name", [name for name in CONFIGS if name not in ("guard 3", "mac Q4.12")])
def test_every_operation(name):
    config = CONFIGS[name]
    network = bind(quantize(mixed_network(1), act=config.act), config.arithmetic)
    check(network, config)


@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize("seed", range(6))
def test_single_operations(op, seed):
    config = CONFIGS[list(CONFIGS)[seed * 2]]
    check(random_network(seed, config.arithmetic, layers=2, ops=(op,)), config, seed)


def fuzz(seed):
    try:
        config = random_config(seed)
    except ConfigError:
        return None
    network = random_network(seed, config.arithmetic)
    try:
        program, _ = check(network, config, seed, keep=("all", "outputs")[seed % 2],
                           shift=(None, "moved", "fused")[seed % 3])  # fmt: skip
    except CompileError as error:
        names = {layer.name for layer in network.layers}
        parts = {"shift", "grouped", "moving", "moved", "still", "joined"}
        assert error.where.split(".")[0] in names and parts.issuperset(error.where.split(".")[1:])
        return None
    return program


@pytest.mark.parametrize("block", range(10))
def test_random_networks(block):
    programs = [fuzz(seed) for seed in range(20 * block, 20 * block + 20)]
    assert sum(program is not None for program in programs) >= 8


@pytest.mark.soak
@pytest.mark.parametrize("block", range(40))
def test_many_random_networks(block):
    for seed in range(1000 + 50 * block, 1050 + 50 * block):
        fuzz(seed)


def test_the_cases_are_covered():
    """Strips, renamed layers, sections, advancing k-tiles, constant weights, several chunks, all occur."""
    seen = set()
    for seed in range(60):
        program = fuzz(seed)
        if program is None:
            continue
        for layer in program.layers:
            seen |= {"renamed"} if layer["where"] == "renamed" else set()
            seen |= {
                name for name in ("strips", "sections", "chunks", "instructions") if layer.get(name, 1) > 1
            }
        for item in program.instructions:
            if item.opcode == Opcode.COMPUTE:
                names = ("drain", "maximum", "hold_weights", "residual", "ktile_advance", "group0")
                seen |= {name for name in names if item[name]}
                seen |= {"lanes"} if item["out_step"] > 1 else set()
    assert seen == {"renamed", "strips", "sections", "chunks", "instructions", "drain", "maximum", "hold_weights",
                    "residual", "ktile_advance", "group0", "lanes"}  # fmt: skip


def test_steps_of_a_dense_network():
    """16 x 16 x 4: utilisation and steps of a network whose channels fill the array."""
    config = PRESETS["16x16x4"]
    network = bind(quantize(csc_network(16, 32, 32, 3, stride2=(1,))), config.arithmetic)
    program, counts = check(network, config, keep="outputs")
    assert counts.steps == sum(layer["steps"] for layer in program.layers)
    assert sum(item["drain"] for item in program.instructions if item.opcode == Opcode.COMPUTE) <= 2
    stem = program.layers[0]
    assert stem["steps"] == 2 * 32 * 8  # 9 taps of 3 channels, 5 taps to a k-tile


def test_keep_outputs_stores_less():
    config = PRESETS["8x8"]
    network = csc(config)
    everything, outputs = compile_network(network, config), compile_network(network, config, keep="outputs")
    assert [record.layer for record in everything.tensors] == [layer.name for layer in network.layers]
    assert [record.layer for record in outputs.tensors] == ["input", network.output.name]
    assert outputs.size < everything.size


def test_equal_inputs_give_equal_programs():
    config = PRESETS["8x8"]
    first, second = (compile_network(csc(config), config) for _ in range(2))
    np.testing.assert_array_equal(first.memory_image(), second.memory_image())


def test_explain():
    config = CONFIGS["strips"]
    text = explain(compile_network(bind(quantize(mixed_network(1)), config.arithmetic), config))
    lines = text.splitlines()
    assert lines[0].split()[:3] == ["layer", "operation", "map"]
    assert any("renamed" in line for line in lines) and any("through memory" in line for line in lines)
    assert lines[-1].endswith("bytes of memory")


# -- refusals ----------------------------------------------------------------------------------------------


def one_layer(config, shape, op, out, residual=None):
    epilogue = Epilogue.identity(out[0])
    layers = (FixedLayer("in", Input(), (), shape), FixedLayer("out", op, ("in",), out, epilogue, residual))
    return FixedNetwork("one", config.act, layers)


def pow2_conv(out, channels, kernel, sign=1, power=-1, **options):
    shape = (out, channels, *kernel)
    weights = FixedWeights(Pow2Format(), np.full(shape, sign), np.full(shape, power))
    return Conv(weights, **options)


def refusal(network, config, **options):
    with pytest.raises(CompileError) as caught:
        compile_network(network, config, **options)
    return str(caught.value)


def test_refused_map():
    config = AcceleratorConfig(feature_depth=16)
    network = one_layer(config, (80, 3, 40), pow2_conv(4, 80, (1, 1)), (4, 3, 40))
    # 20 words hold a pixel of the input, 1 word one of the output
    assert refusal(network, config) == (
        "out: one output pixel needs 21 words per sub-bank, feature_depth is 16: raise it to 32"
    )
    network = one_layer(config, (80, 3, 40), pow2_conv(8, 80, (1, 1)), (8, 3, 40))
    assert refusal(network, config) == (
        "out: one output pixel of 4 channels needs 21 words per sub-bank, feature_depth is 16: raise it to 32"
    )


def test_refused_zero_and_minimum():
    config = PRESETS["8x8"]
    op = pow2_conv(4, 4, (1, 1), -1, -15)
    op.weights.values[0, 0], op.weights.powers[0, 0] = 0, -15
    assert refusal(one_layer(config, (4, 2, 2), op, (4, 2, 2)), config) == (
        "out: it needs the weight zero and the weight -2**-15, which share one code: round the latter away"
    )


def test_refused_ktiles():
    config = AcceleratorConfig(ktile_entries=16)
    network = one_layer(config, (20, 4, 4), pow2_conv(4, 20, (4, 4)), (4, 1, 1))
    assert refusal(network, config) == (
        "out: one output tile needs 80 ktile entries, ktile_entries is 16: raise it to 128"
    )


def test_refused_lane_rows():
    config = AcceleratorConfig(lane_rows=8)
    network = one_layer(config, (8, 4, 4), pow2_conv(4, 8, (3, 3), padding=(1, 1, 1, 1)), (4, 4, 4))
    assert (
        refusal(network, config) == "out: one output tile needs 9 lane rows, lane_rows is 8: raise it to 16"
    )


def test_refused_window():
    config = PRESETS["4x4"]
    op = Pool("max", (1, 129), (1, 1), (0, 1, 0, 0))
    assert refusal(one_layer(config, (1, 1, 130), op, (1, 1, 3)), config) == (
        "out: its window spans 129 columns, a lane reaches 128"
    )


def test_wide_window_is_centred():
    config = PRESETS["8x8"]
    check(one_layer(config, (2, 1, 130), Pool("max", (1, 128), (1, 1), (0, 1, 0, 0)), (2, 1, 4)), config)


def test_windows_inside_the_map_take_few_lane_rows():
    """Global pools and dense layers of any size: rows and whole words belong to the k-tile."""
    config = AcceleratorConfig(rows=8, columns=4, pixels=2, lane_rows=8, ktile_entries=1024)
    check(one_layer(config, (9, 15, 31), Pool("avg", (15, 31), (1, 1)), (9, 1, 1)), config)
    check(one_layer(config, (9, 16, 18), pow2_conv(5, 9, (16, 18)), (5, 1, 1)), config)
    check(one_layer(config, (4, 1, 200), Pool("max", (1, 199), (1, 1)), (4, 1, 2)), config)


def test_refused_weight_one():
    config = AcceleratorConfig(pe="mac", weights=QFormat(1, 7))
    network = one_layer(config, (1, 1, 1), Sum(), (1, 1, 1))
    assert refusal(network, config) == (
        "out: it needs the weight 1.0, the weight format Q1.7 holds at most 0.9921875"
    )


@pytest.mark.parametrize("option", ["max_pool", "residual"])
def test_refused_options(option):
    config = AcceleratorConfig(**{option: False})
    op, residual = (Pool("max", (1, 1), (1, 1)), None) if option == "max_pool" else (Sum(), "in")
    network = one_layer(config, (1, 2, 2), op, (1, 2, 2), residual)
    assert refusal(network, config) == f"out: it needs {option}, which the configuration leaves out"


def test_refused_stride():
    config = PRESETS["4x4"]
    network = one_layer(config, (1, 1, 520), Pool("max", (1, 1), (1, 256)), (1, 1, 3))
    assert refusal(network, config) == "out: its stride is 256, an instruction holds at most 255"


def test_large_strides():
    config = AcceleratorConfig(rows=8, columns=8, pixels=4)
    for stride in (3, 4, 8, 15, 16, 100):
        size = (520 - 1) // stride + 1
        check(one_layer(config, (1, 1, 520), Pool("max", (1, 1), (1, stride)), (1, 1, size)), config)


def test_refused_other_arithmetic():
    config = PRESETS["4x4"]
    network = one_layer(config, (4, 2, 2), pow2_conv(4, 4, (1, 1)), (4, 2, 2))
    assert refusal(network, PRESETS["4x4-mac"]) == (
        "out: its weights are pow2[-15,0], the accelerator takes Q16.16: bind the network to it"
    )
    assert refusal(network, config.with_(act=QFormat(8, 8))) == (
        "one: its maps are in Q16.16, the accelerator works in Q8.8"
    )


def test_refused_words():
    config = PRESETS["4x4"]
    network = one_layer(config, (4, 2, 2), pow2_conv(4, 4, (1, 1)), (4, 2, 2))
    assert refusal(network, config, keep="some") == "keep must be 'all' or 'outputs', not 'some'"
    assert (
        refusal(network, config, shift="sideways")
        == "shift must be 'fused', 'moved' or absent, not 'sideways'"
    )
    alone = FixedNetwork("alone", config.act, network.layers[:1])
    assert refusal(alone, config) == "alone: there is no layer to compute"


def test_too_many_maps():
    config = PRESETS["4x4"]
    build = Builder(0, config.arithmetic, (2, 3, 3))
    layers = [build.add(Sum(), [build.layers[0]], (2, 3, 3)) for _ in range(9)]
    from hwshift.network.fixed import Concat

    build.add(Concat(), layers, (18, 3, 3), scaled=False)
    build.add(Sum(), [build.layers[-1]], (18, 3, 3))
    assert refusal(build.network(), config) == "l10_concat: it reads 9 maps, an instruction reads at most 8"
