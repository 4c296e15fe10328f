"""The performance counters and the causes a cycle can have: one table for RTL, cycle model and reports."""

from dataclasses import dataclass
from enum import IntEnum

__all__ = ["CAUSES", "COUNTERS", "COUNTER_BITS", "Cause", "Counter"]

COUNTER_BITS = 48
"""Width of every counter; they wrap."""


class Cause(IntEnum):
    """Why a cycle of a run was as it was: exactly one per cycle, their counts sum to the total."""

    BUSY = 0
    PORT = 1
    DRAIN = 2
    WEIGHT_LOAD = 3
    WEIGHT_WAIT = 4
    TOKEN_FULL = 5
    WAIT_LOAD = 6
    WAIT_STORE = 7
    SETUP = 8
    FETCH = 9
    TAIL = 10


CAUSES: dict[Cause, str] = {
    Cause.BUSY: "a step issued",
    Cause.PORT: "a residual read would meet a write on port B of the same half",
    Cause.DRAIN: "earlier writes are not visible yet",
    Cause.WEIGHT_LOAD: "the weight tile is being loaded into the array",
    Cause.WEIGHT_WAIT: "the weight tile is not on the chip yet",
    Cause.TOKEN_FULL: "a token counter that the instruction pushes is full",
    Cause.WAIT_LOAD: "the compute instruction waits for a load",
    Cause.WAIT_STORE: "the compute instruction waits for a store",
    Cause.SETUP: "the pass generator prepares the next pass",
    Cause.FETCH: "no compute instruction has arrived yet",
    Cause.TAIL: "the last step has issued; stores and responses finish",
}
"""What each cause means."""


@dataclass(frozen=True)
class Counter:
    """One counter: its name, what it counts, and the cause whose cycles it counts, if it counts cycles."""

    name: str
    doc: str
    cause: Cause | None = None


COUNTERS: tuple[Counter, ...] = (
    Counter("total", "cycles of the run"),
    *(Counter(cause.name.lower(), f"cycles: {doc}", cause) for cause, doc in CAUSES.items()),
    Counter("fetch_beats", "read beats of instructions"),
    Counter("load_beats", "read beats of data"),
    Counter("store_beats", "write beats"),
    Counter("read_bursts", "read addresses accepted"),
    Counter("write_bursts", "write addresses accepted"),
    Counter("steps", "steps issued"),
)
"""Every counter in the order of its registers."""
