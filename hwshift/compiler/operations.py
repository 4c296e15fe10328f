"""Instructions with what they touch, so that tokens and drains can be found instead of being planned."""

from dataclasses import dataclass, field

from hwshift.program.instruction import Instruction
from hwshift.program.isa import Opcode

__all__ = ["QUEUES", "Operation", "Span"]

QUEUES = ("load", "compute", "store")

_QUEUE = {Opcode.LOAD: "load", Opcode.COMPUTE: "compute", Opcode.STORE: "store"}


@dataclass(frozen=True)
class Span:
    """Entries ``first`` to ``end`` of ``space``: buffer words, table entries or bytes of a tensor in memory."""

    space: str
    first: int
    end: int


@dataclass
class Operation:
    """One instruction of the schedule.

    Members
    -------
    instruction : Instruction
        An address is relative to ``segment`` where that is given.
    reads, writes : lists of Span
    segment : str or None
    """

    instruction: Instruction
    reads: list[Span] = field(default_factory=list)
    writes: list[Span] = field(default_factory=list)
    segment: str | None = None

    @property
    def queue(self) -> str | None:
        """load, compute or store; None for instructions that take no part in tokens."""
        return _QUEUE.get(self.instruction.opcode)
