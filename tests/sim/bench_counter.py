"""cocotb tests of the counter in ``test_runner.py``; run by it, not by pytest."""

import os
import random

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, RisingEdge


async def _reset(dut):
    dut.rst.value = 1
    dut.en.value = 0
    Clock(dut.clk, 10, unit="ns").start()
    for _ in range(2):
        await RisingEdge(dut.clk)
    dut.rst.value = 0


@cocotb.test(timeout_time=10, timeout_unit="us")
async def counts_when_enabled(dut):
    """The count follows the enable input."""
    await _reset(dut)
    expected = 0
    for _ in range(50):
        enable = random.getrandbits(1)
        dut.en.value = enable
        await RisingEdge(dut.clk)
        expected = (expected + enable) % 16
        await FallingEdge(dut.clk)
        assert dut.count.value.to_unsigned() == expected


@cocotb.test(timeout_time=10, timeout_unit="us", skip="COUNTER_FAILS" not in os.environ)
async def fails(dut):
    """Expects a count that is wrong, to show that a failure is seen."""
    await _reset(dut)
    await FallingEdge(dut.clk)
    assert dut.count.value.to_unsigned() == 5, "the counter is not at five"
