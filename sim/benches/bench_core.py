"""cocotb bench of the accelerator in ``tb_top``: runs what ``job.json`` lists and writes ``results.json``.

It needs cocotb and nothing else. Both files lie in the folder of the plusarg ``folder``, beside the memory
images. The simulated cycles of a run do not touch Python.
"""

import json
from pathlib import Path
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, FallingEdge, RisingEdge, Timer

START = 1
SOFT_RESET = 2
RESET_CYCLES = 8


class AxiLite:
    """Accesses registers; signals are driven and sampled at falling edges, halfway between transfers."""

    def __init__(self, tb: Any) -> None:
        self._tb = tb

    async def write(self, offset: int, value: int) -> int:
        """Write a register and return the response."""
        tb = self._tb
        await FallingEdge(tb.aclk)
        tb.s_axi_awaddr.value, tb.s_axi_wdata.value = offset, value
        await self._send(tb.s_axi_awvalid, tb.s_axi_awready)
        await self._send(tb.s_axi_wvalid, tb.s_axi_wready)
        return (await self._receive(tb.s_axi_bvalid, tb.s_axi_bready, tb.s_axi_bresp))[0]

    async def read(self, offset: int) -> int:
        """Read a register."""
        tb = self._tb
        await FallingEdge(tb.aclk)
        tb.s_axi_araddr.value = offset
        await self._send(tb.s_axi_arvalid, tb.s_axi_arready)
        response, data = await self._receive(tb.s_axi_rvalid, tb.s_axi_rready, tb.s_axi_rresp, tb.s_axi_rdata)
        assert response == 0, f"reading register 0x{offset:x} fails"
        return data

    async def _send(self, valid: Any, ready: Any) -> None:
        """Hold VALID until the edge after which READY is seen; leaves at a falling edge."""
        valid.value = 1
        await Timer(1, "ns")
        while not int(ready.value):
            await FallingEdge(self._tb.aclk)
        await FallingEdge(self._tb.aclk)
        valid.value = 0

    async def _receive(self, valid: Any, ready: Any, *payload: Any) -> list[int]:
        """Wait for VALID, take the transfer and return its payload."""
        while not int(valid.value):
            await FallingEdge(self._tb.aclk)
        values = [int(item.value) for item in payload]
        ready.value = 1
        await FallingEdge(self._tb.aclk)
        ready.value = 0
        return values


class Host:
    """What the software of the accelerator does."""

    def __init__(self, tb: Any, job: dict) -> None:
        self._tb = tb
        self._job = job
        self._bus = AxiLite(tb)
        self._registers = job["registers"]

    async def reset(self) -> None:
        """Reset core and memory."""
        self._tb.aresetn.value = 0
        for _ in range(RESET_CYCLES):
            await FallingEdge(self._tb.aclk)
        self._tb.aresetn.value = 1
        await FallingEdge(self._tb.aclk)

    async def run(self, index: int, run: dict) -> dict:
        """One run: load its image, start, wait, read the registers, write the memory."""
        tb, registers = self._tb, self._registers
        tb.image.value = index
        for name in ("read_latency", "write_latency", "error_base", "error_last", "max_cycles"):
            getattr(tb, name).value = run[name]
        await self._trigger(tb.load)
        assert not int(tb.failed.value), f"image {index} cannot be loaded"
        for name, value in run["writes"].items():
            assert await self._bus.write(registers[name], value) == 0, f"writing {name} fails"
        tb.arm.value = 1
        assert await self._bus.write(registers["CONTROL"], START) == 0, "START is refused"
        if run["soft_reset"] is not None:
            await ClockCycles(tb.aclk, run["soft_reset"])
            await self._bus.write(registers["CONTROL"], SOFT_RESET)
        if not int(tb.finished.value):
            await RisingEdge(tb.finished)
        result = await self._result()
        await self._trigger(tb.dump)
        assert not int(tb.failed.value), f"result {index} cannot be written"
        await FallingEdge(tb.aclk)
        tb.arm.value = 0
        await FallingEdge(tb.aclk)
        return result

    async def _trigger(self, signal: Any) -> None:
        await FallingEdge(self._tb.aclk)
        signal.value = 1
        await FallingEdge(self._tb.aclk)
        signal.value = 0

    async def _result(self) -> dict:
        tb, registers = self._tb, self._registers
        interrupted = bool(int(tb.irq.value))
        values = {name: await self._bus.read(registers[name]) for name in self._job["reads"]}
        await self._bus.write(registers["IRQ_STATUS"], 0xFFFFFFFF)
        return {
            "registers": values,
            "interrupted": interrupted,
            "irq_cycle": int(tb.irq_cycle.value),
            "violations": int(tb.violations.value),
            "broken": int(tb.broken.value),
        }


@cocotb.test()
async def runs(tb: Any) -> None:
    """Every run of the job, one after the other."""
    folder = Path(str(cocotb.plusargs["folder"]))
    job = json.loads((folder / "job.json").read_text())
    Clock(tb.aclk, 10, unit="ns", impl="gpi").start()
    host = Host(tb, job)
    await host.reset()
    results = []
    for index, run in enumerate(job["runs"]):
        results.append(await host.run(index, run))
        if not results[-1]["interrupted"]:
            await host.reset()
    (folder / "results.json").write_text(json.dumps(results))
