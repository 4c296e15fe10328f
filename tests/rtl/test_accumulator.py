"""The accumulators against a list of integers: sums, maxima, forwarding, latency."""

import pytest
from amaranth.sim import Simulator

from hwshift.config import AcceleratorConfig
from hwshift.golden.formats import QFormat
from hwshift.rtl.accumulator import Accumulator
from hwshift.rtl.array import sum_shape
from hwshift.timing import timing

from ..seeds import python_random

SMALL = {"act": QFormat(4, 4), "bus_width": 32, "guard": 2, "acc_depth": 16}
CONFIGS = {
    "4x4": AcceleratorConfig(acc_depth=8),
    "8x8x2-mac": AcceleratorConfig(rows=8, columns=8, pixels=2, pe="mac", **SMALL | {"guard": 16}),
    "4x4x4": AcceleratorConfig(pixels=4, **SMALL),
    "4x4x2-sum": AcceleratorConfig(pixels=2, max_pool=False, **SMALL),
    "4x4-narrow": AcceleratorConfig(acc_width=24, **SMALL),
}
IDLE = {"valid": 0, "first": 0, "last": 0, "maximum": 0, "index": 0}


@pytest.fixture(params=CONFIGS)
def config(request):
    return CONFIGS[request.param]


def random_sums(config, rng):
    """Small enough for a few of them to fit."""
    bits = min(sum_shape(config).width, config.acc_width - 4)
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    return [[rng.choice([low, high, 0, rng.randint(low, high)]) for _ in range(config.columns)]
            for _ in range(config.pixels)]  # fmt: skip


def run(config, steps):
    """Present one step per cycle; `acc` seen in every cycle."""
    dut = Accumulator(config)
    seen = []

    async def bench(ctx):
        steps.append(IDLE | {"sums": [[0] * config.columns] * config.pixels})
        for step, following in zip(steps, steps[1:] + steps[:1], strict=True):
            ctx.set(dut.address, step["index"])
            ctx.set(dut.address_next, following["index"])
            ctx.set(dut.sums, step["sums"])
            for name in ("valid", "first", "last", "maximum"):
                ctx.set(getattr(dut, name), step[name])
            *_, acc = await ctx.tick().sample(dut.acc)
            seen.append([[acc[p][c] for c in range(config.columns)] for p in range(config.pixels)])

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(bench)
    sim.run()
    return seen


def check(config, steps):
    """Every last step's result, one cycle later, and held until the next."""
    stored, expected, held = {}, [], [[0] * config.columns for _ in range(config.pixels)]
    for step in steps:
        expected.append(held)
        if not step["valid"]:
            continue
        value = step["sums"]
        if not step["first"]:
            op = max if step["maximum"] else lambda a, b: a + b
            value = [[op(a, b) for a, b in zip(*rows, strict=True)]
                     for rows in zip(stored[step["index"]], value, strict=True)]  # fmt: skip
        if step["last"]:
            held = value
        else:
            stored[step["index"]] = value
    assert run(config, steps) == expected + [held]
    return sum(step["valid"] and step["last"] for step in steps)


def chunk(config, rng, indices, ktiles, maximum):
    """The steps of one chunk: every k-tile over every pixel."""
    return [{"valid": 1, "first": int(k == 0), "last": int(k == ktiles - 1), "maximum": maximum,
             "index": index, "sums": random_sums(config, rng)}
            for k in range(ktiles) for index in indices]  # fmt: skip


def bubble(config, rng):
    return {name: rng.getrandbits(1) for name in ("first", "last", "maximum")} | {
        "valid": 0, "index": rng.randrange(config.acc_depth), "sums": random_sums(config, rng)}  # fmt: skip


def test_one_pixel_chunks_every_cycle(config):
    """The same accumulator in every cycle: each step reads what the one before it writes."""
    rng = python_random(1)
    steps = [step for _ in range(20) for step in chunk(config, rng, [3], 5, 0)]
    assert check(config, steps) == 20


def test_chunks_of_every_length_with_bubbles(config):
    rng = python_random(2)
    steps = []
    for _ in range(30):
        length = rng.choice([1, 2, 3, config.acc_depth])
        for step in chunk(config, rng, range(length), rng.randint(1, 5), 0):
            steps += [bubble(config, rng) for _ in range(rng.choice([0, 0, 0, 1, 2]))] + [step]
    assert check(config, steps) >= 30


def test_maximum(config):
    if not config.max_pool:
        pytest.skip("the configuration has no maximum")
    rng = python_random(3)
    steps = []
    for _ in range(30):
        length = rng.choice([1, 2, 4])
        steps += chunk(config, rng, range(length), rng.randint(1, 9), rng.getrandbits(1))
        steps += [bubble(config, rng)] * rng.choice([0, 1])
    check(config, steps)


def test_the_first_step_ignores_what_is_stored(config):
    rng = python_random(4)
    full = chunk(config, rng, range(config.acc_depth), 2, 0)[: config.acc_depth]
    check(config, full + chunk(config, rng, range(config.acc_depth), 1, 0))


def test_latency(config):
    when = timing(config)
    assert Accumulator.latency == when.epilogue_stage - when.sum_stage == 1
