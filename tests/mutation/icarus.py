"""Runs on Icarus: of the design as it was, and of mutants one after the other."""

import json
import multiprocessing
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from hwshift.errors import SimulationError
from hwshift.sim.rtl_run import RtlResult, RtlRun, build_core, read_results, write_job
from hwshift.sim.runner import Build, run_tests

from ..sim.cases import SMALL as CONFIG
from .netlist import Mutant

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
    _simulate(built, {}, None, folder)
    digests = json.loads((folder / "digests.json").read_text())
    shutil.rmtree(folder)
    return results, digests


def killed(
    built: Build, runs: Sequence[RtlRun], expected: list[str], meets: Mapping[Mutant, Sequence[int]]
) -> dict[Mutant, int]:
    """For each mutant the run that kills it, -1 for none.

    Parameters
    ----------
    built : Build
        Of the mutants.
    runs : sequence of RtlRun
    expected : list of str
        Digests of `reference`.
    meets : mapping of Mutant to sequence of int
        To the indices of the runs that they meet.
    """
    out: dict[Mutant, int] = {}
    while left := {item: indices for item, indices in meets.items() if item not in out}:
        folder = _job(built, runs)
        process = multiprocessing.get_context("fork").Process(
            target=_simulate, args=(built, left, expected, folder)
        )
        process.start()
        process.join()
        path = folder / "killed.txt"
        lines = path.read_text().splitlines() if path.is_file() else []
        out |= {item: int(line) for item, line in zip(left, lines, strict=False)}
        if len(lines) < len(left):  # the simulation does not end, or ends early
            item, indices = list(left.items())[len(lines)]
            out[item] = indices[0]
        shutil.rmtree(folder)
    return out


def _job(built: Build, runs: Sequence[RtlRun]) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="mutants-", dir=built.directory))
    write_job(CONFIG, runs, folder)
    return folder


def _simulate(
    built: Build, meets: Mapping[Mutant, Sequence[int]], expected: list[str] | None, folder: Path
) -> None:
    mutants = [
        [item.number, item.module.split(".")[1:], list(indices), CPU_SECONDS * len(indices)]
        for item, indices in meets.items()
    ]
    (folder / "mutants.json").write_text(json.dumps({"mutants": mutants, "digests": expected}))
    try:
        ran = run_tests(built, test_module="bench_mutants", seed=1, plusargs=[f"+folder={folder}"],
                        python_path=[Path(__file__).parent])  # fmt: skip
    except SimulationError:
        if not meets:
            raise
    else:
        shutil.rmtree(ran.directory)
