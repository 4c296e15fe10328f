"""cocotb bench: the mutants of one module meet runs, one after the other, in one simulation.

Reads ``mutants.json`` beside the ``job.json`` of `hwshift.sim.benches.bench_core`: the path of the module in the core,
each mutant's number and the indices of its runs, and for every run the digest of what the design as it was gives. A
mutant is left at the first run that gives anything else. A line of ``killed.txt`` per mutant: its number and the index
of that run, or -1. Without digests the runs are made on the design as it was, and their digests go to ``digests.json``.
"""

import hashlib
import json
from pathlib import Path

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge

from hwshift.sim.benches.bench_core import Host

READY = (
    "s_axi_awvalid",
    "s_axi_wvalid",
    "s_axi_bready",
    "s_axi_arvalid",
    "s_axi_rready",
    "arm",
    "load",
    "dump",
)


async def digest(host, folder, index, run):
    """Of everything that the bench sees of a run; what goes wrong in it is something to see."""
    try:
        result = json.dumps(await host.run(index, run), sort_keys=True).encode()
        memory = (folder / f"result_{index}.bin").read_bytes()
    except Exception as error:  # an X where the bench wants a number, a port that does not answer
        return f"{type(error).__name__}"
    return hashlib.sha256(result + memory).hexdigest()


async def begin(tb, host):
    """Reset of core, memory and bench."""
    await FallingEdge(tb.aclk)
    for name in READY:
        getattr(tb, name).value = 0
    await host.reset()


@cocotb.test()
async def mutants(tb):
    folder = Path(str(cocotb.plusargs["folder"]))
    job, chosen = (json.loads((folder / f"{name}.json").read_text()) for name in ("job", "mutants"))
    Clock(tb.aclk, 10, unit="ns", impl="gpi").start()
    host = Host(tb, job)
    if chosen["digests"] is None:
        await begin(tb, host)
        found = [await digest(host, folder, index, run) for index, run in enumerate(job["runs"])]
        (folder / "digests.json").write_text(json.dumps(found))
        return
    module = tb.dut
    for name in chosen["path"]:
        module = getattr(module, name)
    with (folder / "killed.txt").open("a") as killed:
        for number, indices in chosen["mutants"]:
            module.mutant.value = number
            await begin(tb, host)
            at = -1
            for index in indices:
                if await digest(host, folder, index, job["runs"][index]) != chosen["digests"][index]:
                    at = index
                    break
            killed.write(f"{number} {at}\n")
            killed.flush()
