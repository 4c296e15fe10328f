"""Tokens from what instructions touch: an instruction waits for the last one of another queue it conflicts with.

The order of the list is an order in which executing one instruction after the other is right; queues only overlap
what does not conflict. Every token so points forward in the list, which rules out cycles.
"""

from collections import defaultdict
from dataclasses import dataclass, field

from hwshift.compiler.operations import QUEUES, Operation, Span
from hwshift.program.isa import Token

__all__ = ["assign_tokens"]

_TOKEN = {
    ("load", "compute"): Token.LOAD_COMPUTE,
    ("compute", "load"): Token.COMPUTE_LOAD,
    ("compute", "store"): Token.COMPUTE_STORE,
    ("store", "compute"): Token.STORE_COMPUTE,
    ("store", "load"): Token.STORE_LOAD,
}
_OPEN = 8  # tokens of one kind that may wait at a time; well below what a counter holds


@dataclass
class _Use:
    """Accesses of one queue to one space: disjoint pieces, each with the number of its last access."""

    pieces: list[tuple[int, int, int]] = field(default_factory=list)

    def last(self, first: int, end: int) -> int:
        return max((number for a, b, number in self.pieces if a < end and first < b), default=-1)

    def add(self, first: int, end: int, number: int) -> None:
        kept = [(first, end, number)]
        for a, b, old in self.pieces:
            if a < first:
                kept.append((a, min(b, first), old))
            if end < b:
                kept.append((max(a, end), b, old))
        self.pieces = kept


def assign_tokens(operations: list[Operation]) -> None:
    """Set ``pop`` and ``push`` of every operation.

    Raises
    ------
    ValueError
        For a conflict that no token can order (a store that has to wait for a load).
    """
    pairs = _reduce(_needs(operations), operations)
    masks: dict[int, list[int]] = defaultdict(lambda: [0, 0])
    for (producer_queue, consumer_queue), list_ in pairs.items():
        token = _TOKEN.get((producer_queue, consumer_queue), Token(0))
        if not token and list_:
            raise ValueError(f"no token orders a {consumer_queue} after a {producer_queue}")
        for producer, consumer in _bounded(list_):
            masks[producer][1] |= token
            masks[consumer][0] |= token
    for position, (pop, push) in masks.items():
        operation = operations[position]
        operation.instruction = operation.instruction.with_(pop=pop, push=push)


def _needs(operations: list[Operation]) -> list[dict[str, int]]:
    """Per operation and other queue, the position of the last operation there that it conflicts with."""
    written: dict[tuple[str, str], _Use] = defaultdict(_Use)
    read: dict[tuple[str, str], _Use] = defaultdict(_Use)
    out = []
    for position, operation in enumerate(operations):
        need: dict[str, int] = {}
        queue = operation.queue
        if queue is not None:
            for other in QUEUES:
                if other != queue:
                    need[other] = _conflict(operation, other, written, read)
            for uses, spans in ((read, operation.reads), (written, operation.writes)):
                for span in spans:
                    uses[span.space, queue].add(span.first, span.end, position)
        out.append(need)
    return out


def _conflict(operation: Operation, other: str, written: dict, read: dict) -> int:
    def last(uses: dict, spans: list[Span]) -> int:
        return max((uses[span.space, other].last(span.first, span.end) for span in spans
                    if (span.space, other) in uses), default=-1)  # fmt: skip

    return max(last(written, operation.reads), last(written, operation.writes), last(read, operation.writes))


def _reduce(
    needs: list[dict[str, int]], operations: list[Operation]
) -> dict[tuple[str, str], list[tuple[int, int]]]:
    """Pairs (producer, consumer) per pair of queues, without those that follow from others.

    ``knows[i]`` is, per queue, the last position that has retired when operation i starts.
    """
    nothing = dict.fromkeys(QUEUES, -1)
    knows: list[dict[str, int]] = [{} for _ in operations]
    latest = {queue: dict(nothing) for queue in QUEUES}
    pairs: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
    for position, (operation, need) in enumerate(zip(operations, needs, strict=True)):
        queue = operation.queue
        if queue is None:
            continue
        known = latest[queue]
        for other in sorted(need, key=lambda name: -need[name]):
            producer = need[other]
            if producer <= known[other]:
                continue
            pairs[other, queue].append((producer, position))
            for name in QUEUES:
                known[name] = max(known[name], knows[producer][name])
            known[other] = max(known[other], producer)
        knows[position] = dict(known)
    return pairs


def _bounded(pairs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Merge tokens where too many would wait: an early consumer waits for a later producer instead."""
    out = list(pairs)
    index = 0
    while index + _OPEN < len(out):
        if out[index + _OPEN][0] < out[index][1]:
            out[index : index + 2] = [(out[index + 1][0], out[index][1])]
            index = max(0, index - 1)
        else:
            index += 1
    return out
