"""When every instruction of a run was dispatched, began and ended, and what the cycles until then were spent on."""

import numpy as np

from hwshift.program.counters import Cause
from hwshift.sim.compiled import bare_njit as njit

__all__ = ["MARKS", "Timeline", "mark_compute", "mark_memory"]

_DISPATCHED, _BEGIN, _END, _CAUSES = 0, 1, 2, 3
MARKS = _CAUSES + len(Cause)
"""Columns of `Timeline.marks`."""


class Timeline:
    """Filled by `hwshift.sim.cycle.model.simulate_cycles`; cycles are -1 for what did not happen.

    Parameters
    ----------
    instructions : int
        Of the program.

    Members
    -------
    dispatched : ndarray of int64, shape (instructions,)
        Cycle in which it went to a queue.
    begin : ndarray of int64, shape (instructions,)
        COMPUTE: cycle of the first step. LOAD, STORE: cycle in which it took its tokens and left the queue.
    end : ndarray of int64, shape (instructions,)
        COMPUTE: cycle of the last step. LOAD: of the last write. STORE: of the last response.
    causes : ndarray of int64, shape (instructions, causes)
        COMPUTE: cycles of each `Cause` up to ``end``, this one included.
    """

    def __init__(self, instructions: int) -> None:
        self.marks = np.full((instructions, MARKS), -1, np.int64)
        self.dispatched, self.begin, self.end = (self.marks[:, column] for column in range(_CAUSES))
        self.causes = self.marks[:, _CAUSES:]


@njit(cache=True, forceinline=True)
def mark_compute(marks, compute, cycle, work):
    """After `compute_cycle`, in which a step of the instruction ``work`` issued, -1: none."""
    if compute.fetched_pop:
        marks[compute.next, _DISPATCHED] = cycle
    if work >= 0:
        if marks[work, _BEGIN] < 0:
            marks[work, _BEGIN] = cycle
        marks[work, _END] = cycle
        for cause in range(len(compute.causes)):
            marks[work, _CAUSES + cause] = compute.causes[cause]


@njit(cache=True, forceinline=True)
def mark_memory(marks, memory, cycle, load_head, store_head):
    """After `memory_cycle`, which was given these heads of the queues."""
    if memory.load_pop:
        marks[load_head, _BEGIN] = cycle
    if memory.store_pop:
        marks[store_head, _BEGIN] = cycle
    if memory.load_end >= 0:
        marks[memory.load_end, _END] = cycle
    if memory.store_end >= 0:
        marks[memory.store_end, _END] = cycle
