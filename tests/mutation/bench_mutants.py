"""cocotb bench: mutants meet runs, one after the other, in one simulation.

Reads ``mutants.json`` beside the ``job.json`` of `hwshift.sim.benches.bench_core`: each mutant's number, the path of
its module in the core, the indices of its runs and the seconds of CPU it may take; and for every run the digest of what
the design as it was gives. A mutant is left at the first run that gives anything else. A line of ``killed.txt`` per
mutant: the index of that run, or -1. Without digests the runs are made on the design as it was, and their digests go to
``digests.json``.
"""

import hashlib
import json
import resource
from pathlib import Path
from time import process_time

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
    with (folder / "killed.txt").open("a") as killed:
        for number, path, indices, seconds in chosen["mutants"]:
            module = tb.dut
            for name in path:
                module = getattr(module, name)
            resource.setrlimit(resource.RLIMIT_CPU, (int(process_time()) + seconds, resource.RLIM_INFINITY))
            module.mutant.value = number
            await begin(tb, host)
            at = -1
            for index in indices:
                if await digest(host, folder, index, job["runs"][index]) != chosen["digests"][index]:
                    at = index
                    break
            killed.write(f"{at}\n")
            killed.flush()
            module.mutant.value = 0
