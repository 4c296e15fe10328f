"""One program on the accelerator's RTL as fast as Verilator runs it: a C++ main, ``-O3``, one thread, no trace.

`hwshift.sim.rtl_run` runs the same bench from Python; this is for measuring.
"""

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from hwshift.config import AcceleratorConfig
from hwshift.errors import SimulationError
from hwshift.program.registers import REGISTER
from hwshift.sim._host import locked
from hwshift.sim.rtl_run import (
    BENCH_SOURCES,
    ENABLE_ALL,
    READS,
    VERILOG,
    RtlResult,
    RtlRun,
    bench_parameters,
    core_file,
    rtl_result,
    write_memory,
)
from hwshift.tools import require, simulator_env

__all__ = ["build_native", "run_native"]

_MAIN = VERILOG / "native.cpp"
_OPTIONS = ("--cc", "--exe", "--build", "-O3", "--threads", "1", "--x-assign", "fast", "--x-initial", "fast",
            "--noassert", "--no-timing", "-Wno-fatal", "-Wno-lint", "-Wno-style")  # fmt: skip
_MAKEFLAGS = ("OPT_FAST=-O3", "OPT_SLOW=-O1", "OPT_GLOBAL=-O3")
_START = 1


def build_native(config: AcceleratorConfig, beats: int, build_dir: Path | str) -> Path:
    """The bench as a program, for a memory of at least ``beats`` beats: built, or found in ``build_dir``.

    Raises
    ------
    SimulationError
        If the build fails.
    ToolError
        If Verilator cannot be used here.
    """
    env = os.environ | simulator_env("verilator")
    core, parameters = core_file(config, Path(build_dir)), bench_parameters(config, beats)
    sources = [core, *BENCH_SOURCES, _MAIN]
    key = [require("verilator").version, *_OPTIONS, *_MAKEFLAGS, sorted(parameters.items()),
           *(hashlib.sha256(file.read_bytes()).hexdigest() for file in sources)]  # fmt: skip
    digest = hashlib.sha256(json.dumps(key).encode()).hexdigest()[:16]
    base = Path(build_dir).resolve()
    directory = base / f"native-{digest}"
    program = directory / "Vtb_top"
    with locked(base / f".{directory.name}.lock"):
        if not program.is_file():
            shutil.rmtree(directory, ignore_errors=True)
            directory.mkdir(parents=True)
            command = ["perl", str(Path(env["VERILATOR_ROOT"]) / "bin" / "verilator"), *_OPTIONS, "--top", "tb_top",
                       "-j", str(os.cpu_count() or 1), "-Mdir", str(directory),
                       *(f"-G{name}={value}" for name, value in parameters.items()), *map(str, sources)]  # fmt: skip
            env |= {"MAKEFLAGS": " ".join([env["MAKEFLAGS"], *_MAKEFLAGS])}
            _run(command, env, directory / "build.log")
    return program


def run_native(config: AcceleratorConfig, run: RtlRun, *, build_dir: Path | str) -> tuple[RtlResult, float]:
    """Run one program; what it left, and the seconds from the start to the interrupt.

    Parameters
    ----------
    config : AcceleratorConfig
    run : RtlRun
        Without ``error_range``, ``soft_reset``, ``script`` and ``base``.
    build_dir : Path or str
        Folder that holds builds, which are reused.

    Raises
    ------
    ValueError
        If the run has what this bench does not know.
    SimulationError
        If the build or the run fails.
    """
    for name in ("error_range", "soft_reset", "script", "base"):
        if getattr(run, name):
            raise ValueError(f"{name} must be left out, not {getattr(run, name)!r}")
    program = build_native(config, len(run.memory) // config.beat_bytes, build_dir)
    with tempfile.TemporaryDirectory(dir=program.parent) as name:
        folder = Path(name)
        write_memory(config, run, folder, 0)
        (folder / "job.txt").write_text("\n".join(map(str, _job(run))))
        _run([str(program), f"+folder={folder}"], dict(os.environ), program.parent / "run.log")
        seconds, irq_cycle, violations, irq, *values = (folder / "result.txt").read_text().split()
        memory = (folder / "result_0.bin").read_bytes()
    registers = dict(zip(READS, map(int, values), strict=True))
    result = {"registers": registers, "interrupted": irq == "1", "irq_cycle": int(irq_cycle),
              "violations": int(violations), "broken": 0}  # fmt: skip
    return rtl_result(result, memory), float(seconds)


def _job(run: RtlRun) -> list[int]:
    """The numbers of ``job.txt``."""
    writes = {**run.launch.registers(), "IRQ_ENABLE": ENABLE_ALL, "CONTROL": _START}
    out = [run.read_latency, run.write_latency, run.max_cycles, len(writes)]
    for name, value in writes.items():
        out += [REGISTER[name].offset, value]
    return [*out, len(READS), *(REGISTER[name].offset for name in READS)]


def _run(command: list[str], env: dict[str, str], log: Path) -> None:
    with log.open("w") as file:
        done = subprocess.run(command, env=env, stdout=file, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        lines = log.read_text(errors="replace").splitlines()[-40:]
        error = SimulationError(f"{Path(command[0]).name} ends with status {done.returncode}; see {log}")
        error.add_note("\n".join(lines))
        raise error
