"""Cycle model: cycles taken many at a time, where that is the same as one at a time.

After a cycle that changed nothing but counters, the compute side goes on alike until one of them reaches its end
(`alike`) or the memory side does something that it sees (`memory_cycles`). Until then its counters advance by as
many cycles at once (`advance`). What happens in a cycle stands in `compute_side` and `memory_side` alone.
"""

from numba import njit

from hwshift.program.counters import Cause
from hwshift.sim.cycle.axi_memory import FOREVER, axi_rest
from hwshift.sim.cycle.columns import F
from hwshift.sim.cycle.compute_side import PIPELINE, later_in_pipeline, port_b, sequencer
from hwshift.sim.cycle.memory_side import (
    cycle_is_seen,
    instructions_ready,
    memory_cycle,
    memory_idle,
    wants_port_b,
)

__all__ = ["advance", "alike", "memory_cycles"]

_BUSY, _PORT, _DRAIN = int(Cause.BUSY), int(Cause.PORT), int(Cause.DRAIN)


@njit(cache=True)
def alike(s, program, cycle):
    """Cycles from ``cycle`` on in which the compute side does what it did in the one before, which changed nothing.

    The memory side may cut them short. Cycles with `Cause.PORT` are like those with `Cause.BUSY`.
    """
    count = FOREVER
    if s.cause == _BUSY or s.cause == _PORT:
        count = s.cur_rows * program[s.cur_work, F.steps] - _steps_done(s, program) - 1
        if s.row == 0 and s.column == 0:
            return 0
    elif s.cause == _DRAIN:
        count = s.raw_distance - s.since
    if s.valid == 0 and s.since < s.retire:
        count = min(count, s.retire - s.since)
    if s.w_loading:
        count = min(count, s.tile_words - 1 - s.w_row)
    if s.push_level > 0:
        count = min(count, s.push_due[s.push_head] - cycle)
    if s.release_level > 0:
        count = min(count, s.release_due[s.release_head] - cycle)
    return count


@njit(cache=True)
def advance(s, program, cycle, count, issues):
    """The compute side goes on for ``count`` cycles, at most those of `alike`, the first of which is ``cycle``.

    ``issues`` receives the cycle of every step as far as it reaches.
    """
    if s.w_loading:
        s.w_row += count
    issuing = s.cause == _BUSY or s.cause == _PORT
    if issuing and s.cur_last:
        # what is in the pipeline decides on port B: the last steps one by one, all if they may wait for it
        alone = count if program[s.cur_work, F.residual] else min(count, PIPELINE)
        _issue(s, program, cycle, count - alone, issues)
        for later in range(count - alone, count):
            steps = s.steps
            sequencer(s, program, 0, cycle + later)
            issues[steps : s.steps] = cycle + later
        return
    s.since = min(s.since + count, s.retire)
    later_in_pipeline(s, count)
    if issuing:
        _issue(s, program, cycle, count, issues)
    else:
        s.causes[s.cause] += count


@njit(cache=True)
def _issue(s, program, cycle, count, issues):
    """The sequencer issues ``count`` steps of its pass."""
    for step in range(s.steps, min(s.steps + count, len(issues))):
        issues[step] = cycle + step - s.steps
    s.steps += count
    s.causes[_BUSY] += count
    s.row, s.column = divmod(_steps_done(s, program) + count, program[s.cur_work, F.steps])


@njit(cache=True)
def _steps_done(s, program):
    """Steps of the current pass that have issued."""
    return s.row * program[s.cur_work, F.steps] + s.column


@njit(cache=True)
def memory_cycles(s, memory, axi, program, stalls, cycle, count, load_head, store_head):
    """Up to ``count`` cycles of the memory side beside a compute side ``s`` that goes on alike, from ``cycle`` on.

    Returns how many. The last may be one that the compute side sees; no other is.
    """
    done, waiting = 0, load_head >= 0 or store_head >= 0
    fetched = instructions_ready(memory)
    known = s.residual_stage if s.cur_last else FOREVER  # cycles until steps to come are on port B
    while done < count and (done < known or not wants_port_b(memory, program)):
        memory_cycle(memory, axi, program, stalls, cycle + done, load_head, store_head, 0,
                     s.available, s.at_limit, s.room, port_b(s, done + 1))  # fmt: skip
        done += 1
        if cycle_is_seen(memory) or instructions_ready(memory) != fetched:
            break
        if s.end and not waiting and memory_idle(memory):
            break
        if memory.moves == 0 and len(stalls) == 1:
            done += min(count - done, axi_rest(axi, cycle + done))
    return done
