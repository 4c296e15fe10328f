"""cocotb bench that plays inputs cycle by cycle and records outputs; run by tests, not by pytest.

Inputs change right after a rising edge, outputs are sampled at the falling edge that follows. An input that is
None is X, and so is an output. Each scenario starts with a reset.
"""

import json
from pathlib import Path

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, RisingEdge


def drive(dut, name, value):
    handle = getattr(dut, name)
    handle.value = "X" * len(handle) if value is None else value


async def scenario(dut, job, index, rows, constants):
    """Reset, load the image, play, and store what the memory holds."""
    for name in [*job["clear"], "aresetn"]:
        drive(dut, name, 0)
    if job["files"]:
        drive(dut, "image", index)
    for name, value in constants.items():
        drive(dut, name, value)
    await RisingEdge(dut.aclk)
    if job["files"]:
        drive(dut, "load", 1)
    await RisingEdge(dut.aclk)
    drive(dut, "aresetn", 1)
    before, recorded = {}, []
    for cycle, row in enumerate(rows):
        drive(dut, "cycle", cycle)
        for name in before | row:
            if before.get(name, 0) != row.get(name, 0):
                drive(dut, name, row.get(name, 0))
        before = row
        await FallingEdge(dut.aclk)
        values = [getattr(dut, name).value for name in job["outputs"]]
        recorded.append([int(value) if value.is_resolvable else None for value in values])
        await RisingEdge(dut.aclk)
    if job["files"]:
        drive(dut, "dump", 1)
        await FallingEdge(dut.aclk)
    return recorded


@cocotb.test()
async def play(dut):
    folder = Path(cocotb.plusargs["folder"])
    job = json.loads((folder / "job.json").read_text())
    Clock(dut.aclk, 10, unit="ns").start()
    recorded = [await scenario(dut, job, index, *item) for index, item in enumerate(job["scenarios"])]
    (folder / "recorded.json").write_text(json.dumps(recorded))
