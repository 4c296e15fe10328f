"""Processing elements against the definition of a term, in plain integers."""

import pytest
from amaranth.sim import Simulator

from hwshift.config import AcceleratorConfig
from hwshift.golden.formats import Pow2Format, QFormat
from hwshift.rtl.pe import Pe, term_shape

from ..seeds import python_random

SHIFT_ADD = [
    AcceleratorConfig(),
    AcceleratorConfig(guard=0),
    AcceleratorConfig(act=QFormat(4, 4), guard=7, bus_width=32),
    AcceleratorConfig(act=QFormat(8, 8), weights=Pow2Format(-31, 0)),
    AcceleratorConfig(act=QFormat(4, 12), weights=Pow2Format(-7, 8), guard=3),
    AcceleratorConfig(act=QFormat(2, 6), weights=Pow2Format(0, 0), bus_width=32),
]
MAC = [
    AcceleratorConfig(pe="mac"),
    AcceleratorConfig(pe="mac", guard=0),
    AcceleratorConfig(pe="mac", act=QFormat(4, 4), weights=QFormat(2, 6), guard=5, bus_width=32),
    AcceleratorConfig(pe="mac", act=QFormat(8, 8), weights=QFormat(8, 0)),
]
MINUS_HALF = {"q": 1, "sign": 1, "zero": 0}


def name(config):
    return f"{config.pe}-{config.act}-{config.weights}-G{config.guard}"


def edges(fmt, rng, count):
    fixed = [
        0,
        1,
        2,
        3,
        -1,
        -2,
        -3,
        fmt.min,
        fmt.min + 1,
        fmt.max,
        fmt.max - 1,
        fmt.min // 2,
        fmt.max // 2 + 1,
    ]
    values = {value for value in fixed if fmt.min <= value <= fmt.max}
    return sorted(values) + [rng.randint(fmt.min, fmt.max) for _ in range(count)]


def cases(config, rng):
    """(x, fields of the weight, term)"""
    if config.pe == "mac":
        for x in edges(config.act, rng, 20):
            for w in edges(config.weights, rng, 20):
                yield x, {"value": w}, (x * w) >> (config.weights.n - config.guard)
        return
    low, high = config.weights.p_min, config.weights.p_max
    for x in edges(config.act, rng, 10):
        for p in range(low, high + 1):
            shifted = (x << (config.guard + high)) >> (high - p)
            yield x, {"q": high - p, "sign": 0, "zero": 0}, shifted
            yield x, {"q": high - p, "sign": 1, "zero": 0}, -shifted
            yield x, {"q": high - p, "sign": rng.getrandbits(1), "zero": 1}, 0


@pytest.mark.parametrize("config", SHIFT_ADD + MAC, ids=name)
def test_terms(config):
    dut = Pe(config)
    checked = 0

    async def bench(ctx):
        nonlocal checked
        for x, weight, expected in cases(config, python_random(1)):
            ctx.set(dut.x, x)
            ctx.set(dut.weight, weight)
            await ctx.delay(1e-9)
            assert ctx.get(dut.term) == expected, (x, weight)
            checked += 1

    sim = Simulator(dut)
    sim.add_testbench(bench)
    sim.run()
    assert checked > 50


@pytest.mark.parametrize("config", SHIFT_ADD + MAC, ids=name)
def test_the_definition_agrees(config):
    """`Arithmetic.term` and the formulas of this file."""
    for x, weight, expected in cases(config, python_random(2)):
        if config.pe == "mac":
            assert config.arithmetic.term(x, weight["value"]) == expected
        else:
            sign = 0 if weight["zero"] else 1 - 2 * weight["sign"]
            assert config.arithmetic.term(x, (sign, config.weights.p_max - weight["q"])) == expected


def test_the_sign_comes_after_the_shift():
    """-(1 >> 1) is 0; (-1) >> 1 would be -1."""
    config = AcceleratorConfig(guard=0)
    terms = {term for x, weight, term in cases(config, python_random(3)) if x == 1 and weight == MINUS_HALF}
    assert terms == {-(1 >> 1)} == {0}


@pytest.mark.parametrize("config", SHIFT_ADD + MAC, ids=name)
def test_the_shape_is_tight(config):
    """One bit less would not hold every term."""
    terms = [term for _, _, term in cases(config, python_random(4))]
    width = term_shape(config).width
    assert all(-(1 << (width - 1)) <= term < 1 << (width - 1) for term in terms)
    assert not all(-(1 << (width - 2)) <= term < 1 << (width - 2) for term in terms)


def test_latency():
    assert Pe.latency == 0
