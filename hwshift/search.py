"""Schedule search: the same network compiled in several ways, and the one that costs least by what the user counts."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

from hwshift.compiler.driver import draft
from hwshift.compiler.fusion import AS_COMPILED, Preference
from hwshift.config import AcceleratorConfig
from hwshift.cost.counting import count_program
from hwshift.cost.energy import energy_of
from hwshift.cost.tables import load_table
from hwshift.errors import CompileError
from hwshift.network.fixed import FixedNetwork
from hwshift.program.image import Program
from hwshift.program.verifier import verify
from hwshift.progress import Progress, silent
from hwshift.sim.cycle.model import MemoryTiming, simulate_cycles

__all__ = ["PREFERENCES", "Found", "Goal", "Trial", "compile_for"]

Goal = Literal["cycles", "dram", "energy"]

PREFERENCES: dict[str, Preference] = {
    "as compiled": AS_COMPILED,
    "long passes": Preference(short=8.0),
    "least traffic": Preference(short=0.0),
    "loads ahead": Preference(overlap=True),
    "copies": Preference(rename=False),
}
"""The schedules that are tried, by name."""

_MEMORY = MemoryTiming(read_latency=40)


@dataclass(frozen=True)
class Trial:
    """One schedule: cycles, bytes on the bus, and pJ where energy is asked for."""

    name: str
    cycles: int
    dram_bytes: int
    energy_pj: float | None = None


@dataclass(frozen=True)
class Found:
    """The best program, its trial, and all trials in the order of `PREFERENCES`; schedules that do not fit, or are the
    same as one before, are not among them.
    """

    program: Program
    best: Trial
    trials: tuple[Trial, ...]


def compile_for(
    goal: Goal,
    network: FixedNetwork,
    config: AcceleratorConfig,
    *,
    keep: Literal["all", "outputs"] = "outputs",
    progress: Progress = silent,
) -> Found:
    """Compile in all ways of `PREFERENCES` and keep the one with the least cycles, memory traffic, or energy.

    Ties go to fewer cycles, then to the schedule that comes first.

    Parameters
    ----------
    goal : "cycles", "dram" or "energy"
        Total cycles by the cycle model with a memory latency of 40 cycles; bytes on the bus; energy by the cost table
        that reports use.
    network : FixedNetwork
        Bound to ``config.arithmetic``.
    config : AcceleratorConfig
    keep : "all" or "outputs"
        As `hwshift.compiler.compile`.
    progress : callable
        Is told what is being done.

    Raises
    ------
    CompileError
        For another goal; when no schedule fits: that of the first.
    """
    if goal not in get_args(Goal):
        raise CompileError(f"minimize must be one of {', '.join(get_args(Goal))}, not {goal!r}")
    found: list[tuple[Trial, Program]] = []
    first: CompileError | None = None
    for name, preference in PREFERENCES.items():
        progress(f"compiling, {name}")
        try:
            program = draft(network, config, keep=keep, preference=preference)
        except CompileError as error:
            first = first or error
            continue
        if all(program.instructions != other.instructions for _, other in found):
            found.append((_trial(name, program, goal == "energy"), program))
    if not found:
        assert first is not None
        raise first
    cost = _COSTS[goal]
    best, program = min(found, key=lambda item: (cost(item[0]), item[0].cycles))
    return Found(verify(program), best, tuple(trial for trial, _ in found))


_COSTS: dict[str, Callable[[Trial], float]] = {
    "cycles": lambda trial: trial.cycles,
    "dram": lambda trial: trial.dram_bytes,
    "energy": lambda trial: trial.energy_pj or 0.0,
}


def _trial(name: str, program: Program, with_energy: bool) -> Trial:
    counters = simulate_cycles(program, _MEMORY)
    beats = sum(counters[kind] for kind in ("fetch_beats", "load_beats", "store_beats"))
    energy = None
    if with_energy:
        energy = energy_of(count_program(program), program.config, load_table()).total_pj
    return Trial(name, counters["total"], beats * program.config.beat_bytes, energy)
