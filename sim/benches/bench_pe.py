"""cocotb bench of one processing element: seeded random and edge values against `Arithmetic.term`."""

import random

import cocotb
from cocotb.triggers import Timer

from hwshift.golden.formats import Pow2Format
from hwshift.rtl.interfaces import code_layout
from hwshift.sim.benches.common import bench_config, pack

_COUNT = 2000


def _activation(fmt):
    edges = [fmt.min, fmt.min + 1, -1, 0, 1, fmt.max - 1, fmt.max]
    return random.choice([*edges, random.randint(fmt.min, fmt.max), random.randint(-9, 9)])


def _weight(config):
    """(fields of the code, weight as `Arithmetic.term` takes it)"""
    fmt = config.weights
    if not isinstance(fmt, Pow2Format):
        value = random.choice([fmt.min, fmt.max, random.randint(fmt.min, fmt.max), random.randint(-9, 9)])
        return {"value": value}, value
    q, sign, zero = random.randint(0, fmt.p_max - fmt.p_min), random.getrandbits(1), random.random() < 0.1
    return {"q": q, "sign": sign, "zero": int(zero)}, (0 if zero else 1 - 2 * sign, fmt.p_max - q)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def terms(dut):
    """Every term is the one the number formats define."""
    config = bench_config()
    layout = code_layout(config)
    for _ in range(_COUNT):
        x = _activation(config.act)
        fields, weight = _weight(config)
        dut.x.value = x & ((1 << config.act.bits) - 1)
        dut.weight.value = pack(layout, fields)
        await Timer(1, unit="ns")
        assert dut.term.value.to_signed() == config.arithmetic.term(x, weight), (x, fields)
