"""Three taps of a row in a step: windows, elements, what is compiled, and what is refused."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from hwshift.compiler import compile as compile_network
from hwshift.config import PRESETS, AcceleratorConfig
from hwshift.cost.bound import cycle_bound, layer_works
from hwshift.cost.counting import count_program
from hwshift.errors import ConfigError, ProgramError, SimulationError
from hwshift.golden.model import run
from hwshift.network import ops
from hwshift.network.bind import bind
from hwshift.network.quantize import quantize
from hwshift.network.random import NetworkBuilder
from hwshift.program.isa import Opcode
from hwshift.program.row_taps import element_ages, row_windows
from hwshift.program.verifier import verify
from hwshift.sim.cycle.model import simulate_cycles
from hwshift.sim.functional import run_program

from ..seeds import generator
from ..sim.drawn import draw_row_taps, first_good

CONFIG = PRESETS["16x16"].with_(row_taps=True)


def build(add, channels=16, size=(8, 8), config=CONFIG):
    builder = NetworkBuilder(3, channels, *size)
    add(builder)
    return bind(quantize(builder.network("row taps")), config.arithmetic)


def depthwise(channels=16, kernel=(3, 3), **options):
    return lambda b: b.conv("dw", "input", channels, kernel, groups=channels, bias=True, **options)


def pool(kernel=3, stride=2, border=True):
    op = ops.AveragePool((kernel, kernel), (stride, stride), (1, 1, 1, 1), include_border=border)
    return lambda b: b.add("pool", op, "input")


def computes(program):
    return [item for item in program.instructions if item.opcode == Opcode.COMPUTE]


def check(network, config=CONFIG, seed=1):
    """Compile and run; the program. Bits, counts and steps agree."""
    program = compile_network(network, config)
    x = generator(seed).integers(-2 << 16, 2 << 16, network.input.shape)
    memory, counts = run_program(program, x)
    expected = run(network, config.arithmetic, x[None])[0]
    np.testing.assert_array_equal(program.read_tensor(memory, program.output), expected)
    assert simulate_cycles(program)["steps"] == counts.steps
    return program


# -- the two rules ---------------------------------------------------------------------------------------------------


def fewest(displacements, stride):
    """The size of the smallest cover by sets {n, n - stride, n - 2 stride}, by trying all."""
    starts = sorted({d + age * stride for d in displacements for age in range(3)})
    for size in range(1, len(displacements) + 1):
        for chosen in combinations(starts, size):
            if set(displacements) <= {n - age * stride for n in chosen for age in range(3)}:
                return size
    raise AssertionError


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("dilation", [1, 2, 3])
@pytest.mark.parametrize("taps", range(1, 8))
def test_windows_cover_every_tap_once_in_as_few_passes_as_there_are(taps, dilation, stride):
    displacements = [index * dilation - 2 for index in range(taps)]
    windows = row_windows(displacements, stride)
    assert sorted(tap for window in windows for tap in window if tap is not None) == list(range(taps))
    for window in windows:
        for age, tap in enumerate(window):
            assert tap is None or displacements[tap] == displacements[window[0]] - age * stride
    assert len(windows) == fewest(displacements, stride)


@pytest.mark.parametrize("shape", [(4, 4), (8, 4), (16, 4), (8, 8), (32, 16)])
def test_elements_take_the_lanes_above_them(shape):
    rows, columns = shape
    expected = {}
    for column in range(columns):
        for lane in range(column, rows, columns):  # the lanes of the banks that the column writes
            expected[(lane + 1) % rows, column] = 1
            expected[(lane + 2) % rows, column] = 2
    ages = element_ages(rows, columns)
    assert {(r, c): int(ages[r, c]) for r in range(rows) for c in range(columns) if ages[r, c]} == expected


# -- what is compiled ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("add", "passes", "columns"),
    [
        (depthwise(), 3, 8),  # three windows of three
        (depthwise(kernel=(5, 5)), 10, 8),  # 3 + 2 of five
        (depthwise(stride=2), 6, 8),  # columns -1 and 1, then 0
        (depthwise(kernel=(1, 3), dilation=(1, 2)), 2, 8),  # two steps apart: the outer ones, then the middle
        (pool(3, 2), 6, 8),
        (pool(3, 1), 3, 8),
    ],
)
def test_steps(add, passes, columns):
    """Each pass takes two steps more than the row has pixels."""
    stride2 = passes == 6
    program = check(build(add, size=(6, 16) if stride2 else (6, 8)))
    (item,) = computes(program)
    rows = 3 if stride2 else 6
    assert item["row_taps"] == 1
    assert item["ktile_count"] == passes
    assert item["steps"] == columns + 2
    assert simulate_cycles(program)["steps"] == passes * rows * (columns + 2)


def test_products():
    """All elements work on pixels that count; of those of a column nine in all have weights."""
    program = check(build(depthwise()))
    counts = count_program(program).total
    assert counts.array.operations == 3 * 64 * 16 * 16
    assert counts.array.nonzero_operations == 9 * 64 * 16
    assert counts.array.tree_adds == 3 * 64 * 16 * 15
    assert counts.shift_buffer.epilogue_writes == 64 * 16


def test_one_weight_tile_serves_an_average_of_three_by_three():
    (item,) = computes(compile_network(build(pool(3, 1)), CONFIG))
    assert item["hold_weights"] == 1
    (item,) = computes(compile_network(build(pool(3, 2), size=(16, 16)), CONFIG))
    assert item["hold_weights"] == 0  # two taps, then one


@pytest.mark.parametrize(
    "add",
    [
        depthwise(kernel=(3, 1)),  # one tap in a row
        pool(8, 8, border=False),  # one pixel: a row of windows takes longer
        lambda b: b.conv("full", "input", 16, (3, 3)),
        lambda b: b.conv("twice", "input", 32, (3, 3), groups=16),  # two columns for a lane
    ],
)
def test_others_are_as_before(add):
    network = build(add)
    with_taps, without = check(network), compile_network(network, PRESETS["16x16"])
    assert not any(item["row_taps"] for item in computes(with_taps))
    assert simulate_cycles(with_taps)["total"] == simulate_cycles(without)["total"]


@pytest.mark.parametrize("first", [5, 16])
def test_channels_that_lie_beside_their_columns_take_one_lane_each(first):
    """Two taps are not worth a copy of what is read."""

    def add(b):
        b.add("part", ops.ChannelSlice(first, first + 16), "input")
        b.conv("dw", "part", 16, (1, 2), groups=16)

    (item,) = computes(check(build(add, channels=32)))
    assert item["row_taps"] == (first == 16)


@pytest.mark.parametrize("border", [True, False])
@pytest.mark.parametrize("depth", [64, 32])
def test_chunks_strips_and_borders(border, depth):
    """Rows in chunks of few accumulators, maps in strips, averages with divisors of their own at the border."""
    config = PRESETS["8x8"].with_(row_taps=True, acc_depth=16, feature_depth=depth)

    def add(b):
        b.conv("dw", "input", 16, (3, 3), groups=16)
        op = ops.AveragePool((3, 3), (1, 1), (1, 1, 1, 1), include_border=border)
        b.add("pool", op, "dw")

    program = check(build(add, size=(9, 11), config=config), config)
    assert sum(item["row_taps"] for item in computes(program)) > 1


def test_columns_of_a_map_that_is_too_wide():
    config = PRESETS["8x8"].with_(row_taps=True, feature_depth=16)
    program = check(build(depthwise(8), 8, (5, 40), config), config)
    assert program.layers[-1]["parts"] > 1
    assert all(item["row_taps"] for item in computes(program))


def test_drawn_programs():
    """Bits and counts, over kernels of any size, strides, dilations, residuals, formats and array shapes."""
    rng = generator(11)
    for _ in range(40):
        program, network = first_good(lambda: draw_row_taps(rng, 2))
        act = program.config.act
        x = rng.integers(act.min // 4, act.max // 4, network.input.shape)
        memory, counts = run_program(program, x)
        expected = run(network, program.config.arithmetic, x[None])[0]
        np.testing.assert_array_equal(program.read_tensor(memory, program.output), expected)
        total = count_program(program).total
        assert total.array.operations == counts.operations
        assert total.array.nonzero_operations == counts.nonzero_operations
        assert total.accumulator.sums == counts.accumulations
        assert total.shift_buffer.port_a_reads == counts.port_a_reads


def test_the_bound_knows_them():
    """Steps of the bound are those of the program; 16 * 9 weights are 9 useful products of each pixel and column."""
    network = build(depthwise(48), channels=48)
    (work,) = layer_works(network, CONFIG)
    assert (work.passes, work.steps, work.diagonal, work.macs) == (9, 80, True, 9 * 48 * 64)
    program = compile_network(network, CONFIG)
    assert simulate_cycles(program)["total"] >= cycle_bound(network, CONFIG).cycles


# -- what is refused -------------------------------------------------------------------------------------------------


def changed(program, config=CONFIG, **fields):
    """The program with fields of its COMPUTE replaced, on a configuration."""
    items = tuple(
        item.with_(**fields) if item.opcode == Opcode.COMPUTE else item for item in program.instructions
    )
    items = (items[0].with_(config_hash=config.hash), *items[1:])
    return replace(program, instructions=items, config=config)


def test_the_bit_matters():
    network = build(depthwise())
    program = compile_network(network, CONFIG)
    x = generator(2).integers(-1 << 16, 1 << 16, network.input.shape)
    good, bad = (run_program(item, x)[0] for item in (program, changed(program, row_taps=0)))
    assert (program.read_tensor(good, program.output) != program.read_tensor(bad, program.output)).any()


def test_a_program_for_a_core_without_them():
    program, plain = compile_network(build(depthwise()), CONFIG), PRESETS["16x16"]
    with pytest.raises(ProgramError, match="leaves out row_taps"):
        verify(changed(program, plain))
    with pytest.raises(SimulationError, match="leaves out row_taps"):
        run_program(changed(program, plain), np.zeros((16, 8, 8), np.int64))


def test_rows_without_a_pixel():
    program = compile_network(build(depthwise()), CONFIG)
    with pytest.raises(
        ProgramError, match=r"first 2 steps of a row give no pixels: steps must be more, not 2"
    ):
        verify(changed(program, steps=2))


@pytest.mark.parametrize("pixels", [2, 4])
def test_one_pixel_lane(pixels):
    with pytest.raises(ConfigError, match=f"row_taps.*pixels must be 1, not {pixels}"):
        AcceleratorConfig(pixels=pixels, row_taps=True)


def test_the_hash_of_a_configuration_without_them_is_what_it_was():
    assert PRESETS["16x16"].hash == PRESETS["16x16"].with_(row_taps=False).hash != CONFIG.hash
