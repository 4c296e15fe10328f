"""cocotb bench of the shift buffer's Verilog: plays the traces of `hwshift.sim.models.shift_buffer`.

Inputs change right after a rising edge; outputs and the ready signals are sampled at the falling edge after
it, in the same cycle.
"""

import random
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import FallingEdge, RisingEdge

from hwshift.config import AcceleratorConfig
from hwshift.rtl.interfaces import (
    load_request,
    residual_request,
    step_layout,
    store_request,
    write_data,
    write_request,
)
from hwshift.sim.benches.common import bench_config, pack, start
from hwshift.sim.models.shift_buffer import Cycle, contention_trace, reading_trace

__all__ = ["Bench"]

LAYOUTS = {
    "cmd": step_layout,
    "write": write_request,
    "residual": residual_request,
    "load": load_request,
    "store": store_request,
}


class Bench:
    """Driver, monitor and checker of one trace."""

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        self.config = bench_config()
        self.layouts = {port: layout(self.config) for port, layout in LAYOUTS.items()}
        self.random = np.random.default_rng(random.getrandbits(32))
        self.checked = 0

    async def play(self, trace: list[Cycle]) -> None:
        """Reset, then drive and check every cycle."""
        inputs = [f"{port}__{name}" for port in self.layouts for name in ("valid", "payload")]
        await start(
            self.dut, *inputs, "write_data", "lane_write__en", "lane_write__address", "lane_write__data"
        )
        for number, cycle in enumerate(trace):
            self.drive(cycle)
            await FallingEdge(self.dut.clk)
            self.check(number, cycle)
            await RisingEdge(self.dut.clk)

    def drive(self, cycle: Cycle) -> None:
        """All inputs of one cycle; payloads of idle ports keep their value."""
        for port, layout in self.layouts.items():
            request = cycle.requests.get(port)
            getattr(self.dut, f"{port}__valid").value = int(request is not None)
            if request is not None:
                getattr(self.dut, f"{port}__payload").value = pack(layout, request)
        if "write_data" in cycle.requests:
            self.dut.write_data.value = pack(write_data(self.config), cycle.requests["write_data"])
        request = cycle.requests.get("lane_write")
        self.dut.lane_write__en.value = int(request is not None)
        if request is not None:
            self.dut.lane_write__address.value = request["address"]
            self.dut.lane_write__data.value = request["data"]

    def check(self, number: int, cycle: Cycle) -> None:
        """Compare the outputs that the trace expects in this cycle."""
        for port, ready in cycle.ready.items():
            granted = int(getattr(self.dut, f"{port}__ready").value)
            assert granted == ready, f"cycle {number}: {port} ready is {granted}"
            self.checked += 1
        for name, (expected, known) in cycle.outputs.items():
            found = unpack(getattr(self.dut, name).value.to_unsigned(), self.config.act.bits, expected.shape)
            wrong = known & (found != expected)
            assert not wrong.any(), f"cycle {number}: {name} is {found}, not {expected}"
            self.checked += 1


def unpack(bits: int, width: int, shape: tuple[int, ...]) -> np.ndarray:
    """The signed numbers of an array port."""
    count = int(np.prod(shape))
    codes = np.array([bits >> index * width & ((1 << width) - 1) for index in range(count)], np.int64)
    return (codes - (codes >> (width - 1) << width)).reshape(shape)


@cocotb.test(timeout_time=200, timeout_unit="us")
async def reads_any_displacement(dut: Any) -> None:
    """Every lane reads its own neighbour; rows of any length."""
    bench = Bench(dut)
    await bench.play(reading_trace(bench.config, bench.random, (2, 5, 11), steps=300))
    assert bench.checked > 300


@cocotb.test(timeout_time=200, timeout_unit="us")
async def reads_circular_buffers(dut: Any) -> None:
    """A buffer holds a few rows of a tall map."""
    bench = Bench(dut)
    await bench.play(reading_trace(bench.config, bench.random, (2, 30, 7), rows_held=5, steps=300))
    assert bench.checked > 300


@cocotb.test(timeout_time=200, timeout_unit="us")
async def shares_port_b(dut: Any) -> None:
    """All users of port B at once, priorities, and every word read back."""
    bench = Bench(dut)
    fill = [Cycle({"load": zeros(bench.config, sub, word)}) for sub in range(bench.config.sub_banks)
            for word in range(bench.config.feature_depth)]  # fmt: skip
    await bench.play(fill + contention_trace(bench.config, bench.random, 600))
    assert bench.checked > 600


def zeros(config: AcceleratorConfig, sub: int, word: int) -> dict:
    """A load that clears a word of every bank: earlier tests leave the memories full."""
    return {"sub": sub, "word": word, "banks": (1 << config.rows) - 1, "data": [0] * config.rows}
