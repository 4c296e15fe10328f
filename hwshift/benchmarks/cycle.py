"""How fast the cycle model is: beside Verilator on the same program, and per pass from small networks to large."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import numpy as np

from hwshift.compiler.driver import compile as compile_network
from hwshift.config import PRESETS, AcceleratorConfig
from hwshift.errors import SimulationError
from hwshift.network.fixed import FixedNetwork
from hwshift.program.expected import launch_of
from hwshift.program.image import Program
from hwshift.program.isa import Opcode
from hwshift.progress import Progress, silent
from hwshift.resolve import load_network, prepare
from hwshift.sim.cycle.model import MemoryTiming, simulate_cycles

__all__ = [
    "CONFIG",
    "MEMORY",
    "CycleRow",
    "NativeRun",
    "measure_native",
    "measure_program",
    "run_cycle_benchmarks",
]

CONFIG: AcceleratorConfig = PRESETS["16x16"].with_(
    name="16x16, 128 KiB of weights", weight_tiles=819, acc_width=64
)
"""The setting that speed is stated for: 128-bit bus, chunks of 512 steps, 1 MiB of features."""
MEMORY = MemoryTiming(read_latency=40, write_latency=40)
"""Latencies in cycles, no stalls."""


@dataclass(frozen=True)
class NativeRun:
    """Verilator on the same program: one thread, ``-O3``, a C++ main, no trace, the whole core with its memory.

    Members
    -------
    seconds : float
        Of processor time from the start of the accelerator to its interrupt, without loading of the memory image.
    ratio : float
        ``seconds`` over the cycle model's, measured right before.
    """

    seconds: float
    ratio: float


@dataclass(frozen=True)
class CycleRow:
    """One program.

    Members
    -------
    network, config : str
    cycles, steps, passes : int
        Predicted cycles and steps; passes are k-tiles over chunks.
    compile_seconds : float
        Of processor time from the bound network to the program.
    seconds : tuple of float
        Of processor time of each run of the cycle model, which was compiled before.
    native : NativeRun or None
    """

    network: str
    config: str
    cycles: int
    steps: int
    passes: int
    compile_seconds: float
    seconds: tuple[float, ...]
    native: NativeRun | None = None

    @property
    def median_seconds(self) -> float:
        """Of the cycle model."""
        return median(self.seconds)

    def as_dict(self) -> dict[str, object]:
        """All members and what follows from them, for JSON."""
        time_ = self.median_seconds
        return asdict(self) | {"median_seconds": time_, "cycles_per_second": self.cycles / time_,
                               "microseconds_per_pass": 1e6 * time_ / self.passes}  # fmt: skip


def passes_of(program: Program) -> int:
    """Passes that the program's instructions make: k-tiles times chunks times output tiles."""
    items = [item for item in program.instructions if item.opcode == Opcode.COMPUTE]
    return sum(item["ktile_count"] * item["chunks"] * item["tiles"] for item in items)


def measure_program(program: Program, compile_seconds: float = 0.0, repeats: int = 5) -> CycleRow:
    """The cycle model alone.

    Parameters
    ----------
    program : Program
    compile_seconds : float
        Is passed on.
    repeats : int
        Counted runs, after one that warms up.
    """
    counters = simulate_cycles(program, MEMORY)
    seconds = []
    for _ in range(repeats):
        start = time.process_time()
        simulate_cycles(program, MEMORY)
        seconds.append(time.process_time() - start)
    return CycleRow(program.name, program.config.name, counters["total"], counters["steps"], passes_of(program),
                    compile_seconds, tuple(seconds))  # fmt: skip


def measure_native(program: Program, row: CycleRow, build_dir: Path | str) -> CycleRow:
    """``row`` with Verilator beside it, on a memory of zeros; both must count the same.

    Raises
    ------
    SimulationError
        If a counter differs.
    """
    from hwshift.sim.native import run_native
    from hwshift.sim.rtl_run import RtlRun

    image = program.memory_image(np.zeros(program.tensors[0].shape, np.int64)).tobytes()
    run = RtlRun(launch_of(program), image, MEMORY.read_latency, MEMORY.write_latency)
    result, seconds = run_native(program.config, run, build_dir=build_dir)
    expected = simulate_cycles(program, MEMORY)
    for name, value in result.check().counters.items():
        if value != expected[name]:
            raise SimulationError(
                f"{name} is {value} in the RTL, {expected[name]} in the model", where=program.name
            )
    return CycleRow(**(vars(row) | {"native": NativeRun(seconds, seconds / row.median_seconds)}))


def run_cycle_benchmarks(
    networks: Sequence[str],
    *,
    native: str | None = None,
    build_dir: Path | str = "build/bench",
    repeats: int = 5,
    progress: Progress = silent,
    load: Callable[[str], FixedNetwork] | None = None,
) -> list[CycleRow]:
    """Measure some networks on `CONFIG`.

    Parameters
    ----------
    networks : sequence of str
        Names or files, as `hwshift.resolve.load_network` takes them.
    native : str or None
        The one of them that Verilator runs too, which takes it a thousand times as long.
    build_dir : Path or str
        Folder that holds the build of the core, which takes a minute or two and is reused.
    repeats : int
        Counted runs of the cycle model.
    progress : callable
        Is told what is being done.
    load : callable or None
        Gives the bound network of a name; None: `hwshift.resolve`.
    """
    load = load or (lambda name: prepare(load_network(name), CONFIG))
    rows = []
    for name in networks:
        progress(f"compiling {name}")
        network = load(name)
        start = time.process_time()
        program = compile_network(network, CONFIG, keep="outputs")
        row = measure_program(program, time.process_time() - start, repeats)
        if name == native:
            progress(f"Verilator runs {row.cycles:,} cycles of {name}")
            row = measure_native(program, row, build_dir)
        rows.append(row)
    return rows
