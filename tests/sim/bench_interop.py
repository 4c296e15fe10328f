"""cocotb bench: the accelerator between cocotbext-axi's AXI4-Lite master and its AXI memory; run by test_interop.

Runs what ``job.json`` lists and writes ``results.json`` and the memory afterwards.
"""

import itertools
import json
import random
from pathlib import Path

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge
from cocotbext.axi import AxiBus, AxiLiteBus, AxiLiteMaster, AxiRam

START, SNAPSHOT = 1, 8


def pauses(seed, density):
    """Random cycles in which a channel pauses."""
    rng = random.Random(seed)
    return (rng.random() < density for _ in itertools.count())


def pause(master, ram, seed, density):
    """Back-pressure on every channel of both ports."""
    channels = [
        ram.write_if.aw_channel, ram.write_if.w_channel, ram.write_if.b_channel, ram.read_if.ar_channel,
        ram.read_if.r_channel, master.write_if.aw_channel, master.write_if.w_channel, master.write_if.b_channel,
        master.read_if.ar_channel, master.read_if.r_channel,
    ]  # fmt: skip
    for index, channel in enumerate(channels):
        channel.set_pause_generator(pauses(seed + index, density))


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def runs(dut):
    folder = Path(str(cocotb.plusargs["folder"]))
    job = json.loads((folder / "job.json").read_text())
    offsets = job["registers"]
    Clock(dut.aclk, 10, unit="ns").start()
    master = AxiLiteMaster(
        AxiLiteBus.from_prefix(dut, "s_axi"), dut.aclk, dut.aresetn, reset_active_level=False
    )
    ram = AxiRam(
        AxiBus.from_prefix(dut, "m_axi"), dut.aclk, dut.aresetn, reset_active_level=False, size=job["size"]
    )
    dut.aresetn.value = 0
    await ClockCycles(dut.aclk, 8)
    dut.aresetn.value = 1
    await ClockCycles(dut.aclk, 2)
    results = []
    for index, run in enumerate(job["runs"]):
        pause(master, ram, 100 * index, run["pauses"])
        ram.write(0, (folder / f"memory_{index}.bin").read_bytes())
        for name, value in run["writes"].items():
            await master.write_dword(offsets[name], value)
        await master.write_dword(offsets["CONTROL"], START)
        await master.write_dword(offsets["CONTROL"], SNAPSHOT)
        if not int(dut.irq.value):
            await RisingEdge(dut.irq)
        values = {name: await master.read_dword(offsets[name]) for name in job["reads"]}
        await master.write_dword(offsets["IRQ_STATUS"], 0xFFFFFFFF)
        await ClockCycles(dut.aclk, 2)
        results.append(
            {"registers": values, "irq": int(dut.irq.value), "violations": int(dut.violations.value)}
        )
        (folder / f"result_{index}.bin").write_bytes(bytes(ram.read(0, job["size"])))
    (folder / "results.json").write_text(json.dumps(results))
