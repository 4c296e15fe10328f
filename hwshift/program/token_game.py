"""The token game: a program's queues and tokens without time, to see whether it ends and what is ordered.

Depths are those of the hardware. Each unit finishes an instruction before it takes the next; the hardware looks
further ahead, which can only take tokens and free places earlier. So a program that ends here ends there.
"""

from collections import deque
from dataclasses import dataclass, field

from hwshift.config import AcceleratorConfig
from hwshift.program.instruction import Instruction
from hwshift.program.isa import LoadKind, Opcode, Token
from hwshift.timing import timing

__all__ = ["QUEUES", "Outcome", "play"]

QUEUES = ("load", "compute", "store")
_QUEUE = {Opcode.LOAD: "load", Opcode.DESCRIPTOR: "compute", Opcode.ACTIVATION: "compute", Opcode.COMPUTE: "compute",
          Opcode.STORE: "store"}  # fmt: skip

Clock = tuple[int, ...]
"""Per queue, the last instruction (index in the program) known to have retired, -1 for none."""


@dataclass
class Outcome:
    """How the game ended.

    Members
    -------
    knows : dict of int to Clock
        Per instruction that started, what had surely retired then.
    stuck : list of str
        Empty if the program ends; else one line per unit that waits.
    left : list of str
        Tokens and weight tiles that are left over at the end.
    """

    knows: dict[int, Clock] = field(default_factory=dict)
    stuck: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


@dataclass
class _Unit:
    """One queue and the instruction that is being executed."""

    name: str
    waiting: deque[int] = field(default_factory=deque)
    current: int | None = None
    remaining: int = 0  # weight tiles still to be loaded or used
    known: list[int] = field(default_factory=lambda: [-1, -1, -1])


def play(config: AcceleratorConfig, instructions: tuple[Instruction, ...]) -> Outcome:
    """Run the game to its end, or until nothing can move."""
    return _Game(config, instructions).run()


class _Game:
    def __init__(self, config: AcceleratorConfig, instructions: tuple[Instruction, ...]) -> None:
        self._config, self._items, self._timing = config, instructions, timing(config)
        self._next = 0
        self._units = {name: _Unit(name) for name in QUEUES}
        self._tokens: dict[Token, deque[Clock]] = {token: deque() for token in Token}
        self._ring = 0
        self._outcome = Outcome()

    def run(self) -> Outcome:
        moved = True
        while moved:
            moved = self._dispatch()
            for unit in self._units.values():
                moved |= self._begin(unit) or self._work(unit)
        idle = all(unit.current is None and not unit.waiting for unit in self._units.values())
        if self._next < len(self._items) - 1 or not idle:
            self._outcome.stuck = self._reasons()
        else:
            self._outcome.left = self._leftovers()
        return self._outcome

    def _leftovers(self) -> list[str]:
        """Tokens and weight tiles that nobody took, and which instruction gave the last."""
        items = list(enumerate(self._items))
        given = {
            f"{len(held)} {token.name}": [
                index for index, item in items if item.fields.get("push", 0) & token
            ]
            for token, held in self._tokens.items()
            if held
        }
        if self._ring:
            loads = [index for index, item in items if item.opcode == Opcode.LOAD and _weight_tiles(item)]
            given[f"{self._ring} weight tiles"] = loads
        return [f"{text}, the last from instruction {found[-1]}" for text, found in given.items()]

    def _dispatch(self) -> bool:
        """Instructions go to their queues in order; one without room holds up all behind it."""
        moved = False
        while self._next < len(self._items) and self._items[self._next].opcode != Opcode.END:
            name = _QUEUE.get(self._items[self._next].opcode)
            if name is not None:
                if len(self._units[name].waiting) >= self._timing.unit_queue:
                    break
                self._units[name].waiting.append(self._next)
            self._next += 1
            moved = True
        return moved

    def _begin(self, unit: _Unit) -> bool:
        """Take the head of the queue if its tokens are there."""
        if unit.current is not None or not unit.waiting:
            return False
        index = unit.waiting[0]
        item = self._items[index]
        if item.opcode in (Opcode.DESCRIPTOR, Opcode.ACTIVATION):
            unit.waiting.popleft()
            return True
        if any(not self._tokens[token] for token in Token if token & item.pop):
            return False
        for token in Token:
            if token & item.pop:
                clock = self._tokens[token].popleft()
                unit.known = [max(pair) for pair in zip(unit.known, clock, strict=True)]
        unit.waiting.popleft()
        unit.current, unit.remaining = index, _weight_tiles(item)
        self._outcome.knows[index] = tuple(unit.known)
        return True

    def _work(self, unit: _Unit) -> bool:
        """Move weight tiles, and retire when all is done and no token is at its limit."""
        if unit.current is None:
            return False
        item = self._items[unit.current]
        moved = self._move_tiles(unit, item)
        full = any(
            len(self._tokens[token]) >= self._timing.token_limit for token in Token if token & item.push
        )
        if unit.remaining or full:
            return moved
        clock = list(unit.known)
        clock[QUEUES.index(unit.name)] = unit.current
        for token in Token:
            if token & item.push:
                self._tokens[token].append(tuple(clock))
        unit.current = None
        return True

    def _move_tiles(self, unit: _Unit, item: Instruction) -> bool:
        if not unit.remaining:
            return False
        if item.opcode == Opcode.LOAD:
            count = min(unit.remaining, self._config.weight_tiles - self._ring)
            self._ring += count
        elif item["keep_weights"]:
            count = unit.remaining if self._ring >= item["weight_offset"] + unit.remaining else 0
        elif item["chunks"] > 1 and not item["hold_weights"]:
            count = min(self._ring, unit.remaining) // item["ktile_count"] * item["ktile_count"]
            self._ring -= count
        else:
            count = min(unit.remaining, self._ring)
            self._ring -= count
        unit.remaining -= count
        return count > 0

    def _reasons(self) -> list[str]:
        out = []
        for unit in self._units.values():
            if unit.current is not None:
                item, index = self._items[unit.current], unit.current
                if not unit.remaining:
                    why = f"cannot give {self._names(item.push, full=True)}"
                elif item.opcode == Opcode.LOAD:
                    taken = f"{self._ring} of {self._config.weight_tiles} taken"
                    why = f"waits for room for {unit.remaining} weight tiles ({taken})"
                else:
                    why = f"waits for {unit.remaining} weight tiles ({self._ring} loaded)"
            elif unit.waiting:
                index = unit.waiting[0]
                why = f"waits for {self._names(self._items[index].pop, full=False)}"
            else:
                continue
            out.append(f"{unit.name}: instruction {index} {why}")
        if self._next < len(self._items) - 1:
            out.append(f"dispatch: instruction {self._next} finds its queue full")
        return out

    def _names(self, mask: Token, *, full: bool) -> str:
        limit = self._timing.token_limit
        held = {token: len(self._tokens[token]) for token in Token if token & mask}
        return "+".join(
            str(token.name) for token, count in held.items() if (count >= limit if full else not count)
        )


def _weight_tiles(item: Instruction) -> int:
    """Tiles that a load brings or a computation uses up."""
    if item.opcode == Opcode.LOAD:
        return item["count"] if item["kind"] == LoadKind.WEIGHTS else 0
    if item.opcode == Opcode.COMPUTE:
        return 1 if item["hold_weights"] else item["tiles"] * item["ktile_count"]
    return 0
