"""Which run of a bench tells a mutant from the design as it was: one program of Verilator with all mutants in it.

A simulated cycle costs a hundredth of what it does in Icarus, whose word counts: what is seen here is a run to be
repeated there, what is not seen in any run is a survivor.
"""

import hashlib
import os
import resource
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from hwshift.sim.native import build_native, read_natives, write_natives
from hwshift.sim.rtl_run import RtlResult

from ..sim.cases import SMALL as CONFIG
from .benches import Bench

_SLOWER = 4
_CPU_SECONDS = 5
"""A mutant that takes longer than so many times the design as it was, and these seconds, has hung up."""


@dataclass(frozen=True)
class Reference:
    """A bench in its folder, and what each of its runs leaves on the design as it was."""

    folder: Path
    digests: list[str]
    results: list[RtlResult]
    seconds: int


class Screen:
    """A program with all mutants. Raises SimulationError if it cannot be built."""

    def __init__(self, folder: Path, core: Path) -> None:
        self._folder = folder / "screen"
        self._program = build_native(CONFIG, 0, folder, core=core, optimize="-O1")

    def reference(self, bench: Bench) -> Reference:
        """Run a bench on the design as it was; the models have to confirm what it leaves."""
        folder = self._folder / bench.name.replace(" ", "_")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        write_natives(CONFIG, bench.runs, folder)
        before = _children()
        self._run(folder, 0, None)
        seconds = int(_SLOWER * (_children() - before)) + _CPU_SECONDS
        results = [result for result, _ in read_natives(bench.runs, folder)]
        bench.check(results)
        return Reference(folder, _digests(folder, len(bench.runs)), results, seconds)

    def seen(self, reference: Reference, number: int) -> int | None:
        """The first run of the bench that is different on a mutant; None if all are as they were."""
        self._run(reference.folder, number, reference.seconds)
        found = _digests(reference.folder, len(reference.digests))
        for index, expected in enumerate(reference.digests):
            if index >= len(found) or found[index] != expected:
                return index
        return None

    def _run(self, folder: Path, number: int, seconds: int | None) -> None:
        """One program for one mutant: what it runs into is seen in what it leaves."""
        (folder / "result.txt").unlink(missing_ok=True)
        limit = (
            None if seconds is None else lambda: resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
        )
        command = [str(self._program), f"+folder={folder}", f"+mutant={number}"]
        subprocess.run(command, check=number == 0, capture_output=True, preexec_fn=limit)


def _children() -> float:
    times = os.times()
    return times.children_user + times.children_system


def _digests(folder: Path, count: int) -> list[str]:
    """Of what each run left, without the time it took; as many as there are whole ones."""
    path = folder / "result.txt"
    lines = path.read_text().splitlines(keepends=True) if path.is_file() else []
    out = []
    for index, line in zip(range(count), lines, strict=False):
        if not line.endswith("\n"):
            break
        _, _, numbers = line.partition(" ")
        out.append(
            hashlib.sha256(numbers.encode() + (folder / f"result_{index}.bin").read_bytes()).hexdigest()
        )
    return out
