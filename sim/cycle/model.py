"""The cycle model: every counter of the accelerator, exactly, without computing a single activation."""

from dataclasses import dataclass

import numpy as np

from hwshift.errors import SimulationError
from hwshift.program.counters import COUNTERS
from hwshift.program.image import Program
from hwshift.sim.compiled import bare_njit as njit
from hwshift.sim.cycle.axi_memory import new_axi_state
from hwshift.sim.cycle.columns import program_table
from hwshift.sim.cycle.compute_side import commit, compute_cycle, port_b
from hwshift.sim.cycle.compute_skip import advance, alike
from hwshift.sim.cycle.compute_state import new_compute_state
from hwshift.sim.cycle.memory_side import (
    cycle_is_seen,
    instructions_ready,
    memory_cycle,
    memory_idle,
    memory_rests,
)
from hwshift.sim.cycle.memory_skip import memory_cycles
from hwshift.sim.cycle.memory_state import new_memory_state
from hwshift.sim.cycle.timeline import MARKS, Timeline, mark_compute, mark_memory
from hwshift.sim.stalls import StallPattern
from hwshift.timing import timing

__all__ = ["MemoryTiming", "simulate_cycles"]

_NO_STALLS = StallPattern.none().masks()
_EVENTS = ("fetch_beats", "load_beats", "store_beats", "read_bursts", "write_bursts")


@dataclass(frozen=True)
class MemoryTiming:
    """How the memory behaves.

    Parameters
    ----------
    read_latency, write_latency : int
        Cycles from an AR handshake to the burst's first beat, and from the last W handshake to its response.
    stalls : StallPattern or None
    """

    read_latency: int = 16
    write_latency: int = 8
    stalls: StallPattern | None = None


@njit(cache=True)
def _run(computes, memories, axis, program, stalls, max_cycles, issues, marks, stepped):
    """Until the engine is idle. Returns the number of cycles, or -1 if that is never.

    The first three are arrays of one record each, as a record takes longer to hand over. ``issues`` receives the cycle
    of every step as far as it reaches, ``marks`` what `timeline` says.
    """
    cycle, compute, memory, axi = 0, computes[0], memories[0], axis[0]
    while cycle < max_cycles:
        load_head = compute.load_queue[compute.load_head] if compute.load_level > 0 else -1
        store_head = compute.store_queue[compute.store_head] if compute.store_level > 0 else -1
        available, at_limit, steps, work = (
            compute.available,
            compute.at_limit,
            compute.steps,
            compute.cur_work,
        )
        busy = load_head >= 0 or store_head >= 0 or memory.reads > 0 or not memory_idle(memory)
        fetched = instructions_ready(memory)
        idle = compute_cycle(compute, program, fetched, cycle)
        issues[steps : compute.steps] = cycle
        if len(marks) > 0:
            mark_compute(marks, compute, cycle, work if compute.steps > steps else -1)
        if compute.end and idle and not busy:
            return cycle + 1
        if stepped or len(stalls) > 1 or not memory_rests(
            memory, axi, cycle, load_head, store_head, compute.fetched_pop, available, at_limit, compute.room
        ):  # fmt: skip
            memory_cycle(memory, axi, program, stalls, cycle, load_head, store_head, compute.fetched_pop,
                         available, at_limit, compute.room, port_b(compute, 0))  # fmt: skip
        _commit(compute, memory, cycle, marks, load_head, store_head)
        cycle += 1
        if stepped or compute.changed or instructions_ready(memory) != fetched or cycle_is_seen(memory):
            continue
        count = min(alike(compute, program, cycle), max_cycles - cycle)
        if count > 0:
            count = memory_cycles(compute, memory, axi, program, stalls, cycle, count, load_head, store_head)
            advance(compute, program, cycle, count, issues)
            cycle += count
            _commit(compute, memory, cycle - 1, marks, load_head, store_head)
    return -1


@njit(cache=True, forceinline=True)
def _commit(compute, memory, cycle, marks, load_head, store_head):
    if len(marks) > 0:
        mark_memory(marks, memory, cycle, load_head, store_head)
    compute.load_pop, compute.store_pop = memory.load_pop, memory.store_pop
    commit(compute, cycle, memory.load_tokens | memory.store_tokens, memory.load_pushes | memory.store_reserves,
           memory.load_pushes | memory.store_pushes, memory.take_room, memory.tile_done)  # fmt: skip


def simulate_cycles(
    program: Program,
    memory: MemoryTiming | None = None,
    *,
    max_cycles: int = 1 << 40,
    issues: np.ndarray | None = None,
    timeline: Timeline | None = None,
    stepped: bool = False,
) -> dict[str, int]:
    """Predict the counters of one run.

    Parameters
    ----------
    program : Program
    memory : MemoryTiming or None
        None: the defaults of `MemoryTiming`.
    max_cycles : int
        Give up then.
    issues : ndarray of int64, filled with -1, or None
        Receives the cycle in which each step issued, as far as it reaches.
    timeline : Timeline or None
        Receives when every instruction ran.
    stepped : bool
        Take every cycle by itself: the slow definition of what is returned.

    Returns
    -------
    dict of str to int
        Every counter of `hwshift.program.counters.COUNTERS`, in that order.

    Raises
    ------
    SimulationError
        If the run has not ended after ``max_cycles``.
    """
    memory = memory or MemoryTiming()
    times, config = timing(program.config), program.config
    words = program.words()
    compute = new_compute_state(config, times)
    memories = new_memory_state(config, times, len(words))
    axi = new_axi_state(memory.read_latency, memory.write_latency)
    stalls = _NO_STALLS if memory.stalls is None else memory.stalls.masks()
    issues = np.zeros(0, np.int64) if issues is None else issues
    marks = np.zeros((0, MARKS), np.int64) if timeline is None else timeline.marks
    total = _run(compute, memories, axi, program_table(words), stalls, max_cycles, issues, marks, stepped)
    if total < 0:
        raise SimulationError(f"the run has not ended after {max_cycles} cycles", where=program.name)
    values = {"total": total, "steps": int(compute["steps"][0])}
    values |= {name: int(memories[name][0]) for name in _EVENTS}
    causes = compute["causes"][0]
    return {
        counter.name: values[counter.name] if counter.cause is None else int(causes[counter.cause])
        for counter in COUNTERS
    }
