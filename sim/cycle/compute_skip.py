"""Cycle model: the compute side, many cycles at a time where that is the same as one at a time.

After a cycle that changed nothing but counters it goes on alike until one of them reaches its end (`alike`) or the
memory side does something that it sees (`hwshift.sim.cycle.memory_skip`). Until then its counters advance by as many
cycles at once (`advance`). What happens in a cycle stands in `compute_side` and `memory_side` alone.
"""

from hwshift.program.counters import Cause
from hwshift.sim.compiled import bare_njit as njit
from hwshift.sim.cycle.axi_memory import FOREVER
from hwshift.sim.cycle.columns import F
from hwshift.sim.cycle.compute_side import (
    PIPELINE,
    issues,
    later_in_pipeline,
    sequencer,
    weight_fetcher,
    weight_record_ends,
)

__all__ = ["advance", "alike"]

_BUSY, _PORT, _DRAIN = int(Cause.BUSY), int(Cause.PORT), int(Cause.DRAIN)


@njit(cache=True)
def alike(s, program, cycle):
    """Cycles from ``cycle`` on in which the compute side does what it did in the one before, which changed nothing.

    The memory side may cut them short. Cycles with `Cause.PORT` are like those with `Cause.BUSY`.
    """
    count = FOREVER
    if issues(s):
        count = s.cur_rows * program[s.cur_work, F.steps] - _steps_done(s, program) - 1
        if s.row == 0 and s.column == 0:
            return 0
    elif s.cause == _DRAIN:
        count = s.raw_distance - s.since
    if s.valid == 0 and s.since < s.retire:
        count = min(count, s.retire - s.since)
    if s.w_loading:
        count = min(count, _rows_alike(s, program))
    if s.push_level > 0:
        count = min(count, s.push_due[s.push_head] - cycle)
    return count


@njit(cache=True, forceinline=True)
def _rows_alike(s, program):
    """Cycles until the tile that the weight fetcher loads matters.

    The sequencer sees it when it is loaded, unless it is in the middle of a pass; then the ring does, when its room
    comes back.
    """
    rows = s.tile_words - s.w_row
    return rows + s.weight_release - 2 if issues(s) and not weight_record_ends(s, program) else rows - 1


@njit(cache=True)
def advance(s, program, cycle, count, at):
    """The compute side goes on for ``count`` cycles, at most those of `alike`, the first of which is ``cycle``.

    ``at`` receives the cycle of every step as far as it reaches.
    """
    if s.w_loading:
        _load_rows(s, program, cycle, count)
    if issues(s) and s.cur_last:
        # what is in the pipeline decides on port B: the last steps one by one, all if they may wait for it
        alone = count if program[s.cur_work, F.residual] else min(count, PIPELINE)
        _issue(s, program, cycle, count - alone, at)
        for later in range(count - alone, count):
            steps = s.steps
            sequencer(s, program, 0, cycle + later)
            at[steps : s.steps] = cycle + later
        return
    s.since = min(s.since + count, s.retire)
    later_in_pipeline(s, count)
    if issues(s):
        _issue(s, program, cycle, count, at)
    else:
        s.causes[s.cause] += count


@njit(cache=True, forceinline=True)
def _load_rows(s, program, cycle, count):
    """The weight fetcher loads rows, as far as its tile has some."""
    rows = s.tile_words - s.w_row
    s.w_row += min(count, rows - 1)
    if count >= rows:
        weight_fetcher(s, program, 0, cycle + rows - 1)
        s.avail -= s.w_release
        s.w_release = 0


@njit(cache=True, forceinline=True)
def _issue(s, program, cycle, count, at):
    """The sequencer issues ``count`` steps of its pass."""
    for step in range(s.steps, min(s.steps + count, len(at))):
        at[step] = cycle + step - s.steps
    s.steps += count
    s.causes[_BUSY] += count
    s.row, s.column = divmod(_steps_done(s, program) + count, program[s.cur_work, F.steps])


@njit(cache=True, forceinline=True)
def _steps_done(s, program):
    """Steps of the current pass that have issued."""
    return s.row * program[s.cur_work, F.steps] + s.column
