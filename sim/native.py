"""Programs on the accelerator's RTL as fast as Verilator runs them: a C++ main, ``-O3``, one thread, no trace.

`hwshift.sim.rtl_run` runs the same bench from Python; this is for measuring, and for very many runs.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from hwshift.config import AcceleratorConfig
from hwshift.program.registers import REGISTER
from hwshift.sim._host import locked, run_logged
from hwshift.sim.rtl_run import (
    BENCH_SOURCES,
    READS,
    VERILOG,
    RtlResult,
    RtlRun,
    bench_parameters,
    core_file,
    job_of,
    rtl_result,
    write_memory,
)
from hwshift.tools import require, simulator_env

__all__ = ["build_native", "read_natives", "run_native", "run_natives", "write_natives"]

_MAIN = VERILOG / "native.cpp"
_OPTIONS = ("--cc", "--exe", "--build", "--threads", "1", "--x-assign", "fast", "--x-initial", "fast",
            "--noassert", "--no-timing", "-Wno-fatal", "-Wno-lint", "-Wno-style")  # fmt: skip
_MAKEFLAGS = {
    "-O3": ("OPT_FAST=-O3", "OPT_SLOW=-O1", "OPT_GLOBAL=-O3"),
    "-O1": ("OPT_FAST=-O1", "OPT_SLOW=-O0", "OPT_GLOBAL=-O1"),
}
"""For the C++ compiler, by how much is to be optimised: ``-O1`` builds sooner, for short runs."""
_START, _SOFT_RESET, _ALL_BYTES = 1, 2, 0b1111
_MEMBERS = ("read_latency", "write_latency", "max_cycles", "base", "error_base", "error_last")
"""Numbers of a run in the order of ``job.txt``."""
_OPERATIONS = ("write", "read", "cycles", "until", "finish")
"""Operations of a script in the order of their codes in ``job.txt``."""


def build_native(
    config: AcceleratorConfig,
    beats: int,
    build_dir: Path | str,
    *,
    core: Path | None = None,
    optimize: str = "-O3",
) -> Path:
    """The bench as a program, for a memory of at least ``beats`` beats: built, or found in ``build_dir``.

    Parameters
    ----------
    config : AcceleratorConfig
    beats : int
    build_dir : Path or str
    core : Path or None
        Verilog of the module ``hwshift_core``; None generates it.
    optimize : str
        ``-O3`` for speed, ``-O1`` for a build that is done sooner.

    Raises
    ------
    SimulationError
        If the build fails.
    ToolError
        If Verilator cannot be used here.
    """
    env = os.environ | simulator_env("verilator")
    core, parameters = core or core_file(config, Path(build_dir)), bench_parameters(config, beats)
    make_flags, options = _MAKEFLAGS[optimize], (*_OPTIONS, optimize)
    sources = [core, *BENCH_SOURCES, _MAIN]
    key = [require("verilator").version, *options, *make_flags, sorted(parameters.items()),
           *(hashlib.sha256(file.read_bytes()).hexdigest() for file in sources)]  # fmt: skip
    digest = hashlib.sha256(json.dumps(key).encode()).hexdigest()[:16]
    base = Path(build_dir).resolve()
    directory = base / f"native-{digest}"
    program = directory / "Vtb_top"
    with locked(base / f".{directory.name}.lock"):
        if not program.is_file():
            shutil.rmtree(directory, ignore_errors=True)
            directory.mkdir(parents=True)
            command = ["perl", str(Path(env["VERILATOR_ROOT"]) / "bin" / "verilator"), *options, "--top", "tb_top",
                       "-j", str(os.cpu_count() or 1), "-Mdir", str(directory),
                       *(f"-G{name}={value}" for name, value in parameters.items()), *map(str, sources)]  # fmt: skip
            env |= {"MAKEFLAGS": " ".join([env["MAKEFLAGS"], *make_flags])}
            run_logged(command, directory / "build.log", env)
    return program


def run_native(config: AcceleratorConfig, run: RtlRun, *, build_dir: Path | str) -> tuple[RtlResult, float]:
    """Run one program; what it left, and the processor time in seconds from the start to the interrupt.

    Raises as `run_natives`.
    """
    ((result, seconds),) = run_natives(config, [run], build_dir=build_dir)
    return result, seconds


def run_natives(
    config: AcceleratorConfig, runs: Sequence[RtlRun], *, build_dir: Path | str, optimize: str = "-O3"
) -> list[tuple[RtlResult, float]]:
    """Run programs one after the other, as `hwshift.sim.rtl_run.run_rtl` does.

    Parameters
    ----------
    config : AcceleratorConfig
    runs : sequence of RtlRun
    build_dir : Path or str
        Folder that holds builds, which are reused.
    optimize : str
        As of `build_native`.

    Returns
    -------
    list of (RtlResult, float)
        What each left, and the seconds of processor time from the start to the end of its script.

    Raises
    ------
    SimulationError
        If the build or a run fails.
    """
    beats = max(len(run.memory) for run in runs) // config.beat_bytes
    program = build_native(config, beats, build_dir, optimize=optimize)
    with tempfile.TemporaryDirectory(dir=program.parent) as name:
        folder = Path(name)
        write_natives(config, runs, folder)
        run_logged([str(program), f"+folder={folder}"], program.parent / "run.log", os.environ)
        return read_natives(runs, folder)


def write_natives(config: AcceleratorConfig, runs: Sequence[RtlRun], folder: Path) -> None:
    """Write what the program of `build_native` reads in the folder of its plusarg ``folder``."""
    for index, run in enumerate(runs):
        write_memory(config, run, folder, index)
    numbers = [
        len(READS),
        *(REGISTER[item].offset for item in READS),
        REGISTER["IRQ_STATUS"].offset,
        len(runs),
    ]
    numbers += [number for run in runs for number in _job(run)]
    (folder / "job.txt").write_text("\n".join(map(str, numbers)))


def read_natives(runs: Sequence[RtlRun], folder: Path) -> list[tuple[RtlResult, float]]:
    """What the runs left in the folder, and the seconds of each; fewer than the runs if the program ended early."""
    lines = (folder / "result.txt").read_text().splitlines()
    return [
        _result(run, line.split(), (folder / f"result_{index}.bin").read_bytes())
        for index, (run, line) in enumerate(zip(runs, lines, strict=False))
    ]


def _job(run: RtlRun) -> list[int]:
    """The numbers of a run in ``job.txt``."""
    job = job_of(run)
    out = [job[name] for name in _MEMBERS] + [len(job["writes"])]
    for name, value in job["writes"].items():
        out += [REGISTER[name].offset, value]
    operations = _script(run)
    out.append(len(operations))
    for operation, *arguments in operations:
        if operation in ("write", "read", "until"):
            arguments[0] = REGISTER[arguments[0]].offset if isinstance(arguments[0], str) else arguments[0]
        if operation == "write":
            arguments = [*arguments, _ALL_BYTES][:3]
        out += [_OPERATIONS.index(operation), *arguments]
    return out


def _script(run: RtlRun) -> list[tuple]:
    """What the host does."""
    if run.script is not None:
        return list(run.script)
    reset = [] if run.soft_reset is None else [("cycles", run.soft_reset), ("write", "CONTROL", _SOFT_RESET)]
    return [("write", "CONTROL", _START), *reset, ("finish",)]


def _result(run: RtlRun, line: list[str], memory: bytes) -> tuple[RtlResult, float]:
    seconds, numbers = float(line[0]), [int(word) for word in line[1:]]
    irq_cycle, violations, broken, irq, *values = numbers
    returned, log = iter(values[len(READS) :]), []
    for operation, *_ in run.script or ():
        log.append({"write": lambda: next(returned), "read": lambda: [next(returned), next(returned)]}.get(
            operation, lambda: None)())  # fmt: skip
    result = {"registers": dict(zip(READS, values, strict=False)), "interrupted": irq == 1, "irq_cycle": irq_cycle,
              "violations": violations, "broken": broken, "log": log}  # fmt: skip
    return rtl_result(result, memory), seconds
