"""The epilogue against its formula in plain integers, in both scale styles, over edges and random values."""

import math

import pytest
from amaranth.sim import Simulator

from hwshift.config import AcceleratorConfig
from hwshift.golden.formats import QFormat
from hwshift.golden.scale import digit_count
from hwshift.program.isa import Act
from hwshift.program.params import decode_param, encode_param
from hwshift.rtl.epilogue import Epilogue
from hwshift.timing import timing

from ..seeds import python_random

SMALL = {"act": QFormat(4, 4), "bus_width": 32, "param_tiles": 32}
CONFIGS = {
    "digits": AcceleratorConfig(scale_digits=4, param_tiles=32),
    "multiplier": AcceleratorConfig(pe="mac", param_tiles=32, bus_width=32),
    "shift_add-multiplier-G0": AcceleratorConfig(guard=0, param_tiles=32, bus_width=128),
    "3-digits": AcceleratorConfig(scale_digits=3, pixels=2, guard=2, **SMALL),
    "2-digits-narrow": AcceleratorConfig(scale_digits=2, acc_width=20, guard=5, **SMALL),
    "1-digit": AcceleratorConfig(scale_digits=1, rows=8, columns=8, **SMALL),
    "wide-bus": AcceleratorConfig(pe="mac", rows=16, columns=4, bus_width=512, param_tiles=16, guard=7),
    "no-residual": AcceleratorConfig(pe="mac", residual=False, pixels=2, act=QFormat(8, 8), param_tiles=16),
    "sigmoid": AcceleratorConfig(pe="mac", sigmoid=True, param_tiles=32, bus_width=32),
    "sigmoid-no-residual": AcceleratorConfig(
        pe="mac", sigmoid=True, residual=False, pixels=2, act=QFormat(8, 8)
    ),
    "sigmoid-narrow": AcceleratorConfig(sigmoid=True, scale_digits=2, **SMALL),
    "sigmoid-fraction": AcceleratorConfig(sigmoid=True, scale_digits=2, **(SMALL | {"act": QFormat(1, 15)})),
}


@pytest.fixture(params=CONFIGS)
def config(request):
    return CONFIGS[request.param]


def clip(value, low, high):
    return min(max(value, low), high)


def sigmoid(value, fmt):
    """The middle of the bin of 1/64 in [-8, 8), in floating point: no entry is near a tie."""
    middle = (min(max(value * 64 // 2**fmt.n, -512), 511) + 0.5) / 64
    return min(round(2**fmt.n / (1 + math.exp(-middle))), fmt.max)


def activate(value, act, lo, hi, fmt):
    if act == Act.RELU:
        return max(value, 0)
    if act == Act.SIGMOID:
        return sigmoid(value, fmt)
    return min(max(value, lo), hi) if act == Act.CLAMP else value


def epilogue(config, acc, param, control, residual):
    """The contract, with ``//`` as the floor."""
    m, s, b = param
    value = acc * m // 2 ** (config.guard + s) + b
    value = clip(value, config.act.min, config.act.max)
    value = activate(value, control["act"], control["lo"], control["hi"], config.act)
    if not control["residual"]:
        return value
    value = clip(value + residual, config.act.min, config.act.max)
    return activate(
        value, control["residual_act"], control["residual_lo"], control["residual_hi"], config.act
    )


def random_mantissa(config, rng):
    edges = [1, -1, 0, -(1 << 17), (1 << 17) - 1, 1 << 16, -(1 << 16), 3, 0x15555, -0x12AAB]
    digits = config.scale_digits
    if rng.random() < 0.4:
        m = rng.choice(edges)
    elif digits:
        m = sum(rng.choice([1, -1]) << rng.randint(0, 17) for _ in range(digits))
    else:
        m = rng.randint(-(1 << 17), (1 << 17) - 1)
    allowed = -(1 << 17) <= m < 1 << 17 and (not digits or digit_count(m) <= digits)
    return m if allowed else random_mantissa(config, rng)


def random_param(config, rng):
    top, act = 62 - config.guard, config.act
    s = rng.choice([0, 1, 16, 17, top, top - 1, rng.randint(0, top), rng.randint(0, 20)])
    b = rng.choice([0, 0, 1, -1, act.min, act.max, rng.randint(act.min, act.max)])
    return random_mantissa(config, rng), s, b


def random_acc(config, param, rng):
    """Extremes, anything of any size, and values whose results lie next to a limit of the format."""
    m, s, b = param
    low, high = -(1 << (config.acc_width - 1)), (1 << (config.acc_width - 1)) - 1
    kind = rng.random()
    if kind < 0.15:
        return rng.choice([low, high, 0, 1, -1, low + 1, high - 1])
    if kind < 0.5 or m == 0:
        return rng.randint(low, high) >> rng.randint(0, config.acc_width - 1)
    near = clip(rng.randint(-10 << config.act.n, 10 << config.act.n), config.act.min, config.act.max)
    target = rng.choice(
        [config.act.min, config.act.max, 0, near, rng.randint(config.act.min, config.act.max)]
    )
    return clip(((target - b) << (config.guard + s)) // m + rng.randint(-2, 2), low, high)


def random_bounds(config, rng):
    values = [config.act.min, config.act.max, 0, -1]
    pick = [rng.choice(values + [rng.randint(config.act.min, config.act.max)]) for _ in range(4)]
    return {
        "lo": min(pick[:2]),
        "hi": max(pick[:2]),
        "residual_lo": min(pick[2:]),
        "residual_hi": max(pick[2:]),
    }


def random_control(config, rng, bounds):
    residual = config.residual and rng.getrandbits(1)
    acts = list(Act) if config.sigmoid else [Act.NONE, Act.RELU, Act.CLAMP]
    return bounds | {
        "act": rng.choice([act for act in acts if act != Act.SIGMOID] if residual else acts),
        "residual_act": rng.choice(acts),
        "residual": residual,
    }


async def write_params(ctx, dut, config, table):
    row_bits = config.param_beats * config.bus_width
    for tile, row in enumerate(table):
        word = sum(encode_param(config, *param) << 64 * c for c, param in enumerate(row))
        if row_bits > 64 * config.columns:
            word |= python_random(tile).getrandbits(row_bits) >> 64 * config.columns << 64 * config.columns
        for segment in range(config.param_beats):
            data = word >> segment * config.bus_width & ((1 << config.bus_width) - 1)
            address = tile * config.param_beats + segment
            ctx.set(dut.param_write, {"en": 1, "address": address, "data": data})
            await ctx.tick()
    ctx.set(dut.param_write.en, 0)


def grid(config, values):
    """Nested lists [pixel][column] from a function without arguments."""
    return [[values() for _ in range(config.columns)] for _ in range(config.pixels)]


def random_steps(config, table, rng, phases, length):
    """Steps and bubbles; the bounds change only while the pipeline is empty."""
    bubbles = [None] * Epilogue.latency
    for _ in range(phases):
        bounds = random_bounds(config, rng)
        for _ in range(length):
            if rng.random() < 0.1:
                yield None
            tile = rng.randrange(config.param_tiles)
            acc = [[random_acc(config, param, rng) for param in table[tile]] for _ in range(config.pixels)]
            edges = [config.act.min, config.act.max, 0]
            residual = grid(config, lambda edges=edges: rng.choice([*edges, rng.randint(-99, 99)]))
            yield tile, random_control(config, rng, bounds), acc, residual
        yield from bubbles


def expect(config, table, step):
    tile, control, acc, residual = step
    return [[epilogue(config, acc[p][c], table[tile][c], control, residual[p][c])
             for c in range(config.columns)] for p in range(config.pixels)]  # fmt: skip


def run(config, table, steps):
    """Every step's y, taken `Epilogue.latency` cycles after its stage E."""
    dut, out = Epilogue(config), []
    residual_at = timing(config).residual_stage + 1 - timing(config).epilogue_stage
    noise = python_random(9)

    def at(index):
        return steps[index] if 0 <= index < len(steps) else None

    async def bench(ctx):
        await write_params(ctx, dut, config, table)
        for cycle in range(-2, len(steps) + Epilogue.latency):
            addressed, present, adding = at(cycle + 2), at(cycle), at(cycle - residual_at)
            ctx.set(dut.param, addressed[0] if addressed else noise.randrange(config.param_tiles))
            ctx.set(dut.valid, present is not None)
            ctx.set(dut.acc, present[2] if present else grid(config, lambda: noise.getrandbits(9)))
            if present:
                ctx.set(dut.control, present[1])
            if config.residual:
                ctx.set(dut.residual_data, adding[3] if adding else grid(config, lambda: noise.randrange(99)))
            *_, y = await ctx.tick().sample(dut.y)
            if at(cycle - Epilogue.latency):
                out.append([[y[p][c] for c in range(config.columns)] for p in range(config.pixels)])

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(bench)
    sim.run()
    return out


def random_table(config, rng):
    return [[random_param(config, rng) for _ in range(config.columns)] for _ in range(config.param_tiles)]


def test_values(config):
    rng = python_random(1)
    table = random_table(config, rng)
    steps = list(random_steps(config, table, rng, phases=12, length=2700 // 12 // config.pixels))
    expected = [expect(config, table, step) for step in steps if step]
    assert run(config, table, steps) == expected
    values = [value for pixels in expected for row in pixels for value in row]
    assert len(values) > 10_000 and {config.act.min, config.act.max, 0} < set(values)


def test_saturation_both_ways_before_and_after_the_residual():
    """Each limit is met exactly, passed by one, and passed by far."""
    config = CONFIGS["digits"]
    low, high = config.act.min, config.act.max
    table = [[(1, 0, 0)] * 4] * config.param_tiles
    control = {"act": Act.NONE, "residual_act": Act.NONE, "residual": 1, "lo": 0, "hi": 0, "residual_lo": 0,
               "residual_hi": 0}  # fmt: skip
    rows = [
        ([high, high + 1, high + (1 << 38), high - 1], [0, 0, -1, 2], [high, high, high - 1, high]),
        ([low, low - 1, low - (1 << 38), low + 1], [0, 0, 1, -2], [low, low, low + 1, low]),
    ]
    steps = [
        (0, control, [[acc << config.guard for acc in accs]], [residuals]) for accs, residuals, _ in rows
    ]
    assert run(config, table, steps) == [[values] for _, _, values in rows]


def test_latency(config):
    when = timing(config)
    assert Epilogue.latency == when.write_stage - when.epilogue_stage


def test_a_step_without_residual_has_no_second_activation():
    config = CONFIGS["multiplier"]
    table = [[(1, 0, 0)] * 4] * config.param_tiles
    control = {"act": Act.NONE, "residual_act": Act.RELU, "residual": 0} | dict.fromkeys(
        ("lo", "hi", "residual_lo", "residual_hi"), 0)  # fmt: skip
    steps = [(0, control, [[-5 << config.guard] * 4], [[7] * 4])]
    assert run(config, table, steps) == [[[-5] * 4]]


def test_params_round_trip(config):
    rng = python_random(2)
    for _ in range(500):
        param = random_param(config, rng)
        assert decode_param(config, encode_param(config, *param)) == param
