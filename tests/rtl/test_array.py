"""The array against sums in plain integers: every shape, weights swapped in every order, latency."""

import pytest
from amaranth.sim import Simulator

from hwshift.config import AcceleratorConfig
from hwshift.golden.formats import Pow2Format, QFormat
from hwshift.rtl.array import Array, sum_shape
from hwshift.timing import timing

from ..seeds import python_random

SMALL = {"act": QFormat(4, 4), "bus_width": 32}
CONFIGS = {
    "4x4": AcceleratorConfig(bus_width=32),
    "4x4-mac": AcceleratorConfig(pe="mac", bus_width=32, weight_rows=2),
    "4x4x4-w4": AcceleratorConfig(pixels=4, weight_rows=4, **SMALL),
    "8x4x2": AcceleratorConfig(rows=8, columns=4, pixels=2, guard=3, **SMALL),
    "8x8x2-mac": AcceleratorConfig(
        rows=8, columns=8, pixels=2, pe="mac", weights=QFormat(2, 6), weight_rows=4, **SMALL
    ),
    "16x4x4": AcceleratorConfig(rows=16, columns=4, pixels=4, weights=Pow2Format(-7, 2), **SMALL),
    "16x16": AcceleratorConfig(rows=16, columns=16, weight_rows=2, **SMALL),
    "4x4-taps": AcceleratorConfig(row_taps=True, **SMALL),
    "8x4-taps-mac": AcceleratorConfig(rows=8, pe="mac", weights=QFormat(2, 6), row_taps=True, **SMALL),
    "32x4": AcceleratorConfig(rows=32, columns=4, weight_rows=4, guard=0, **SMALL),
    "32x8-mac": AcceleratorConfig(rows=32, columns=8, pe="mac", weights=QFormat(4, 4), guard=0, **SMALL),
}


LARGE = ("16x4x4", "16x16", "32x4", "32x8-mac")


@pytest.fixture(
    params=[pytest.param(name, marks=[pytest.mark.slow] if name in LARGE else []) for name in CONFIGS]
)
def config(request):
    return CONFIGS[request.param]


def random_code(config, rng):
    if config.pe == "mac":
        fmt = config.weights
        return {"value": rng.choice([fmt.min, fmt.max, 0, rng.randint(fmt.min, fmt.max)])}
    q = rng.randint(0, config.weights.p_max - config.weights.p_min)
    return {"q": q, "sign": rng.getrandbits(1), "zero": int(rng.random() < 0.2)}


def random_rows(config, rng, rows):
    return [[random_code(config, rng) for _ in range(config.columns)] for _ in range(rows)]


def random_x(config, rng):
    low, high = config.act.min, config.act.max
    return [[rng.choice([low, high, 0, -1, rng.randint(low, high)]) for _ in range(config.rows)]
            for _ in range(vectors(config))]  # fmt: skip


def vectors(config):
    """Of the pixel lanes, then what elements of age 1 and 2 take."""
    return config.pixels + 2 * config.row_taps


def term(config, x, code):
    if config.pe == "mac":
        return (x * code["value"]) >> (config.weights.n - config.guard)
    if code["zero"]:
        return 0
    shifted = (x << (config.guard + config.weights.p_max)) >> code["q"]
    return -shifted if code["sign"] else shifted


def element(config, x, p, r, c):
    """What an element takes: with row taps, the rows one and two below a column's lanes take what is older."""
    for age, older in enumerate(x[config.pixels :], 1):
        if (r - age) % config.columns == c:
            return older[r]
    return x[p][r]


def column_sums(config, x, tile):
    """Modulo 2**width, which is exact unless acc_width is narrower than R terms."""
    half = 1 << (sum_shape(config).width - 1)
    sums = [[sum(term(config, element(config, x, p, r, c), tile[r][c]) for r in range(config.rows))
             for c in range(config.columns)] for p in range(config.pixels)]  # fmt: skip
    return [[(value + half) % (2 * half) - half for value in row] for row in sums]


def latency(config):
    return timing(config).sum_stage - timing(config).x_stage


def run(config, cycles):
    """Present one (x, swap, shadow row or None, shadow data) per cycle; the sums seen in every cycle."""
    dut = Array(config)
    assert dut.latency == latency(config) == 1 + timing(config).tree_stages
    seen = []
    idle = [[0] * config.rows] * vectors(config)

    async def bench(ctx):
        for x, swap, row, rows in cycles + [(idle, 0, None, None)] * latency(config):
            ctx.set(dut.x, x[: config.pixels])
            if config.row_taps:
                ctx.set(dut.aged, x[config.pixels :])
            ctx.set(dut.swap, swap)
            ctx.set(dut.shadow.en, row is not None)
            if row is not None:
                ctx.set(dut.shadow.row, row)
                ctx.set(dut.shadow.data, rows)
            *_, sums = await ctx.tick().sample(dut.sums)
            seen.append([[sums[p][c] for c in range(config.columns)] for p in range(config.pixels)])

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(bench)
    sim.run()
    return seen


def load(config, tile):
    """(row, data) of the shadow writes of one tile."""
    group = config.weight_rows
    return [(i, tile[i * group : (i + 1) * group]) for i in range(config.tile_words)]


def test_random_swaps_and_writes(config):
    """Any row written and any swap in any cycle."""
    rng = python_random(1)
    columns = config.columns
    zero = {"value": 0} if config.pe == "mac" else {"q": 0, "sign": 0, "zero": 0}
    shadow = [[zero] * columns for _ in range(config.rows)]
    active, cycles, expected = [row[:] for row in shadow], [], []
    for _ in range(120):
        x, swap = random_x(config, rng), int(rng.random() < 0.3)
        row = rng.randrange(config.tile_words) if rng.random() < 0.7 else None
        rows = random_rows(config, rng, config.weight_rows)
        cycles.append((x, swap, row, rows))
        expected.append(column_sums(config, x, active))
        if swap:
            active = [line[:] for line in shadow]
        if row is not None:
            shadow[row * config.weight_rows : (row + 1) * config.weight_rows] = rows
    seen = run(config, cycles)
    assert seen[latency(config) :] == expected


def test_tiles_follow_each_other_every_tile_words_cycles(config):
    """The first row of the next tile is written in the cycle of the swap; every step has its own tile."""
    rng = python_random(2)
    words, tiles = config.tile_words, [random_rows(config, rng, config.rows) for _ in range(6)]
    xs = [random_x(config, rng) for _ in range(words * len(tiles))]
    cycles, expected = [], []
    for k in range(len(tiles) + 2):
        writes = load(config, tiles[k]) if k < len(tiles) else [(None, None)] * words
        for i, (row, rows) in enumerate(writes):
            at = (k - 1) * words + i - 1  # swap in stage 6 belongs to the x of the next cycle
            x = xs[at] if 0 <= at < len(xs) else random_x(config, rng)
            cycles.append((x, int(i == 0 and 1 <= k <= len(tiles)), row, rows))
            if 0 <= at < len(xs):
                expected.append(column_sums(config, x, tiles[at // words]))
    seen = run(config, cycles)
    start = words + 1 + latency(config)
    assert seen[start : start + len(expected)] == expected


def test_measured_latency(config):
    one = {"value": config.weights.max} if config.pe == "mac" else {"q": 0, "sign": 0, "zero": 0}
    tile = [[one] * config.columns] * config.rows
    still, pulse = [[0] * config.rows] * vectors(config), [[config.act.max] * config.rows] * vectors(config)
    cycles = [(still, 0, row, rows) for row, rows in load(config, tile)] + [(still, 1, None, None)]
    cycles += [(pulse, 0, None, None)] + [(still, 0, None, None)] * 8
    seen = run(config, cycles)
    nonzero = [i for i, sums in enumerate(seen) if sums[0][0]]
    assert nonzero == [config.tile_words + 1 + latency(config)]


def test_extreme_sums(config):
    """All terms at their extremes: no level of the tree is too narrow."""
    if config.pe == "mac":
        codes = [{"value": config.weights.min}, {"value": config.weights.max}]
    else:
        codes = [{"q": 0, "sign": sign, "zero": 0} for sign in (0, 1)]
    cycles, expected = [], []
    still = [[0] * config.rows] * vectors(config)
    for code in codes:
        tile = [[code] * config.columns] * config.rows
        cycles += [(still, 0, row, rows) for row, rows in load(config, tile)] + [(still, 1, None, None)]
        expected += [None] * (config.tile_words + 1)
        for x in (config.act.min, config.act.max, -1):
            values = [[x] * config.rows] * vectors(config)
            cycles.append((values, 0, None, None))
            expected.append(column_sums(config, values, tile))
    seen = run(config, cycles)[latency(config) :]
    assert [got for got, want in zip(seen, expected, strict=True) if want] == [
        want for want in expected if want
    ]
