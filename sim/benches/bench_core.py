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
PATIENCE = 2000  # cycles that a transfer on the control port may take


class AxiLite:
    """Accesses registers; signals are driven and sampled at falling edges, halfway between transfers."""

    def __init__(self, tb: Any) -> None:
        self._tb = tb

    async def write(self, offset: int, value: int, strobes: int = 0b1111) -> int:
        """Write a register and return the response."""
        tb = self._tb
        await FallingEdge(tb.aclk)
        tb.s_axi_awaddr.value, tb.s_axi_wdata.value, tb.s_axi_wstrb.value = offset, value, strobes
        await self._send(tb.s_axi_awvalid, tb.s_axi_awready)
        await self._send(tb.s_axi_wvalid, tb.s_axi_wready)
        return (await self._receive(tb.s_axi_bvalid, tb.s_axi_bready, tb.s_axi_bresp))[0]

    async def answer(self, offset: int) -> list[int]:
        """Response and data of a read."""
        tb = self._tb
        await FallingEdge(tb.aclk)
        tb.s_axi_araddr.value = offset
        await self._send(tb.s_axi_arvalid, tb.s_axi_arready)
        return await self._receive(tb.s_axi_rvalid, tb.s_axi_rready, tb.s_axi_rresp, tb.s_axi_rdata)

    async def read(self, offset: int) -> int:
        """Read a register."""
        response, data = await self.answer(offset)
        assert response == 0, f"reading register 0x{offset:x} fails"
        return data

    async def _send(self, valid: Any, ready: Any) -> None:
        """Hold VALID until the edge after which READY is seen; leaves at a falling edge."""
        valid.value = 1
        await Timer(1, "ns")
        await self._wait(ready)
        await FallingEdge(self._tb.aclk)
        valid.value = 0

    async def _receive(self, valid: Any, ready: Any, *payload: Any) -> list[int]:
        """Wait for VALID, take the transfer and return its payload."""
        await self._wait(valid)
        values = [int(item.value) for item in payload]
        ready.value = 1
        await FallingEdge(self._tb.aclk)
        ready.value = 0
        return values

    async def _wait(self, signal: Any) -> None:
        for _ in range(PATIENCE):
            if int(signal.value):
                return
            await FallingEdge(self._tb.aclk)
        raise AssertionError(f"the control port keeps {signal._name} at 0")


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
        for name in ("read_latency", "write_latency", "base", "error_base", "error_last", "max_cycles"):
            getattr(tb, name).value = run[name]
        await self._trigger(tb.load)
        assert not int(tb.failed.value), f"image {index} cannot be loaded"
        for name, value in run["writes"].items():
            assert await self._bus.write(registers[name], value) == 0, f"writing {name} fails"
        tb.arm.value = 1
        log: list = []
        if run["script"] is None:
            assert await self._bus.write(registers["CONTROL"], START) == 0, "START is refused"
            if run["soft_reset"] is not None:
                await ClockCycles(tb.aclk, run["soft_reset"])
                await self._bus.write(registers["CONTROL"], SOFT_RESET)
            await self._finish()
        else:
            for operation, *arguments in run["script"]:
                log.append(await getattr(self, f"_{operation}")(*arguments))
        result = await self._result() | {"log": log}
        await self._trigger(tb.dump)
        assert not int(tb.failed.value), f"result {index} cannot be written"
        await FallingEdge(tb.aclk)
        tb.arm.value = 0
        await FallingEdge(tb.aclk)
        return result

    # -- operations of a script ------------------------------------------------------------------------

    async def _finish(self) -> None:
        """Wait for irq, or for the cycle in which the run is given up."""
        if not int(self._tb.finished.value):
            await RisingEdge(self._tb.finished)

    async def _cycles(self, count: int) -> None:
        await ClockCycles(self._tb.aclk, count)

    async def _write(self, register: str | int, value: int, strobes: int = 0b1111) -> int:
        return await self._bus.write(self._registers.get(register, register), value, strobes)

    async def _read(self, register: str | int) -> list[int]:
        return await self._bus.answer(self._registers.get(register, register))

    async def _until(self, register: str, mask: int, value: int) -> None:
        """Read a register until its bits of ``mask`` are ``value``, or the run has been given up."""
        while await self._bus.read(self._registers[register]) & mask != value:
            if int(self._tb.finished.value):
                return

    # -- around a run ------------------------------------------------------------------------------------

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
