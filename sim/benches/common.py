"""What the unit benches share: the configuration, values of layouts, the clock."""

import json
import os
from typing import Any

from amaranth.lib import data
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, RisingEdge, Timer
from cocotb.types import LogicArray

from hwshift.config import AcceleratorConfig

__all__ = ["CONFIG_VARIABLE", "bench_config", "config_env", "cycle", "pack", "start", "unpack_map"]

CONFIG_VARIABLE = "HWSHIFT_BENCH_CONFIG"
"""Environment variable that carries the configuration of the design under test, as JSON."""


def config_env(config: AcceleratorConfig) -> dict[str, str]:
    """The environment a bench needs."""
    return {CONFIG_VARIABLE: json.dumps(config.to_dict())}


def bench_config() -> AcceleratorConfig:
    """The configuration of the design under test."""
    return AcceleratorConfig.from_dict(json.loads(os.environ[CONFIG_VARIABLE]))


def pack(layout: data.Layout, value: object) -> int:
    """Nested fields and elements as the bits of a port."""
    return layout.const(value).as_bits()


def unpack_map(value: LogicArray, bits: int, pixels: int, lanes: int) -> list[list[int]]:
    """The signed elements [pixel][lane] of a port."""
    half, word = 1 << (bits - 1), value.to_unsigned()
    elements = [((word >> i * bits) + half) % (2 * half) - half for i in range(pixels * lanes)]
    return [elements[p * lanes:(p + 1) * lanes] for p in range(pixels)]  # fmt: skip


async def start(dut: Any, *inputs: str) -> None:
    """Drive inputs with 0, start the clock and reset; drive them on from here, just behind a rising edge."""
    for name in inputs:
        getattr(dut, name).value = 0
    dut.clk.value, dut.rst.value = 0, 1
    await Timer(1, unit="ns")  # else the first edge comes before the inputs, and registers take X
    Clock(dut.clk, 10, unit="ns").start()
    for _ in range(2):
        await RisingEdge(dut.clk)
    dut.rst.value = 0


async def cycle(dut: Any, output: str) -> LogicArray:
    """Let the cycle pass whose inputs were just driven; an output in that cycle.

    Outputs are sampled at the falling edge, half a cycle before the registers take the inputs. Data registers
    that no reset clears may be X in Icarus until they are first loaded.
    """
    await FallingEdge(dut.clk)
    value = getattr(dut, output).value
    await RisingEdge(dut.clk)
    return value
