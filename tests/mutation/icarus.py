"""Runs on Icarus: of the design as it was, and of the mutants of a module one after the other."""

import json
import multiprocessing
import resource
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from hwshift.errors import SimulationError
from hwshift.sim.rtl_run import RtlResult, RtlRun, build_core, read_results, write_job
from hwshift.sim.runner import Build, run_tests

from ..sim.cases import SMALL as CONFIG

CPU_SECONDS = 20
"""Per run of a mutant; a simulation that takes longer has been hung up by one."""


def build(core: Path, folder: Path) -> Build:
    """A core with the bench around it."""
    return build_core(CONFIG, 0, simulator="icarus", build_dir=folder, core=core)


def reference(built: Build, runs: Sequence[RtlRun]) -> tuple[list[RtlResult], list[str]]:
    """Results of runs on the design as it was, and digests of what the bench of the mutants sees of them."""
    folder = _job(built, runs)
    run_tests(built, test_module="hwshift.sim.benches.bench_core", seed=1, plusargs=[f"+folder={folder}"])
    results = read_results(folder)
    _simulate(built, [], {}, None, folder)
    digests = json.loads((folder / "digests.json").read_text())
    shutil.rmtree(folder)
    return results, digests


def killed(
    built: Build, runs: Sequence[RtlRun], expected: list[str], module: str, meets: Mapping[int, Sequence[int]]
) -> dict[int, int]:
    """For each mutant of a module the run that kills it, -1 for none.

    Parameters
    ----------
    built : Build
        Of the module's mutants.
    runs : sequence of RtlRun
    expected : list of str
        Digests of `reference`.
    module : str
        Names of the instances from the core to the module, joined by dots.
    meets : mapping of int to sequence of int
        Numbers of mutants to the indices of the runs that they meet.
    """
    out: dict[int, int] = {}
    while left := {number: indices for number, indices in meets.items() if number not in out}:
        folder = _job(built, runs)
        process = multiprocessing.get_context("fork").Process(
            target=_simulate, args=(built, module.split(".")[1:], left, expected, folder)
        )
        process.start()
        process.join()
        lines = (folder / "killed.txt").read_text().splitlines() if (folder / "killed.txt").is_file() else []
        out |= {int(number): int(run) for number, run in (line.split() for line in lines)}
        if len(lines) < len(left):  # the simulation does not end, or ends early
            number, indices = list(left.items())[len(lines)]
            out[number] = indices[0]
        shutil.rmtree(folder)
    return out


def _job(built: Build, runs: Sequence[RtlRun]) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="mutants-", dir=built.directory))
    write_job(CONFIG, runs, folder)
    return folder


def _simulate(
    built: Build,
    path: list[str],
    meets: Mapping[int, Sequence[int]],
    expected: list[str] | None,
    folder: Path,
) -> None:
    if meets:
        limit = CPU_SECONDS * sum(len(indices) for indices in meets.values())
        resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))
    wanted = {"path": path, "mutants": [[number, list(indices)] for number, indices in meets.items()]}
    (folder / "mutants.json").write_text(json.dumps(wanted | {"digests": expected}))
    try:
        ran = run_tests(built, test_module="bench_mutants", seed=1, plusargs=[f"+folder={folder}"],
                        python_path=[Path(__file__).parent])  # fmt: skip
    except SimulationError:
        if not meets:
            raise
    else:
        shutil.rmtree(ran.directory)
