"""The verifier: what must hold of a program before it may run on the accelerator.

1. Every instruction alone: fields, addresses, table places, buffers (`hwshift.program.ranges`).
2. The queues and tokens end without a deadlock (`hwshift.program.token_game`).
3. Instructions of different queues that touch the same thing are ordered by tokens as the program orders them.
4. A COMPUTE that reads what was written too few steps before carries ``drain`` (`hwshift.program.hazards`).
"""

from collections.abc import Iterator

import numpy as np

from hwshift.errors import ProgramError
from hwshift.program.footprint import SPACES, Footprint, Footprints
from hwshift.program.hazards import hazards
from hwshift.program.image import Program
from hwshift.program.isa import Opcode
from hwshift.program.ranges import frame_problems, instruction_problems
from hwshift.program.token_game import QUEUES, Clock, play

__all__ = ["problems", "verify"]

_QUEUE = {Opcode.LOAD: "load", Opcode.COMPUTE: "compute", Opcode.STORE: "store"}


def verify(program: Program) -> Program:
    """Check a program.

    Returns
    -------
    Program
        Itself.

    Raises
    ------
    ProgramError
        With the first problem; further ones are notes.
    """
    found = problems(program)
    if found:
        error = ProgramError(found[0], where=program.name)
        for line in found[1:20]:
            error.add_note(line)
        raise error
    return program


def problems(program: Program) -> list[str]:
    """Everything that is wrong, one line each, naming instructions by index; the kind that is found first only."""
    found = list(frame_problems(program))
    if found:
        return found
    memory = program.constants()
    state = Footprints(program.config, memory, program.regions["write"])
    footprints: list[Footprint] = []
    for index, item in enumerate(program.instructions):
        wrong = [
            f"instruction {index} ({item.opcode.name}): {text}"
            for text in instruction_problems(item, program, state)
        ]
        found += wrong
        footprints.append(Footprint() if wrong else state.of(item))
    if found:
        return found
    outcome = play(program.config, program.instructions)
    if outcome.stuck:
        return [f"deadlock: {'; '.join(outcome.stuck)}"]
    found = [f"left over at the end: {text}" for text in outcome.left]
    found += _unordered(program, footprints, outcome.knows)
    for index in hazards(program, memory):
        found.append(f"instruction {index} (COMPUTE): it reads what is not visible yet and does not drain")
    return found


class _Accesses:
    """Per space and queue, the last instruction that touched each index."""

    def __init__(self, program: Program) -> None:
        config, region = program.config, program.regions["write"]
        sizes = {
            "buffer": config.feature_depth, "KTILES": config.ktile_entries, "LANES": config.lane_rows,
            "PARAMS": config.param_tiles, "memory": (region.limit + 1 - region.base) // config.beat_bytes,
        }  # fmt: skip
        self._last = {
            (kind, space): np.full((len(QUEUES), sizes[space]), -1, np.int32)
            for kind in ("read", "write")
            for space in SPACES
        }

    def last(self, kind: str, space: str, places: np.ndarray) -> np.ndarray:
        """The last instruction of each queue that touched one of the places, -1 for none."""
        return self._last[kind, space][:, places].max(axis=1, initial=-1)

    def add(self, kind: str, space: str, queue: int, places: np.ndarray, index: int) -> None:
        self._last[kind, space][queue, places] = index

    def unwritten(self, space: str, places: np.ndarray) -> bool:
        """Whether any of the places was never written."""
        return bool((self._last["write", space][:, places].max(axis=0, initial=-1) < 0).any())


def _unordered(program: Program, footprints: list[Footprint], knows: dict[int, Clock]) -> Iterator[str]:
    """Conflicts without order, words nobody has written, and reads of what the instruction itself writes."""
    accesses = _Accesses(program)
    for index, (item, footprint) in enumerate(zip(program.instructions, footprints, strict=True)):
        if item.opcode not in _QUEUE:
            continue
        own = QUEUES.index(_QUEUE[item.opcode])
        where = f"instruction {index} ({item.opcode.name})"
        for space, places in footprint.reads.items():
            if accesses.unwritten(space, places):
                yield f"{where}: it reads {space} entries that nothing has written"
        yield from _conflicts(where, own, footprint, accesses, knows[index])
        if item.opcode == Opcode.COMPUTE and _meet(footprint.before, footprint.writes["buffer"]):
            yield f"{where}: it reads words of the shift buffer that it writes itself"
        for kind, spans in (("read", footprint.reads), ("write", footprint.writes)):
            for space, places in spans.items():
                accesses.add(kind, space, own, places, index)


def _meet(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two sets of places, both in order, have one in common; ``other`` has some."""
    place = np.minimum(np.searchsorted(other, one), len(other) - 1)
    return bool((other[place] == one).any())


def _conflicts(
    where: str, own: int, footprint: Footprint, accesses: _Accesses, clock: Clock
) -> Iterator[str]:
    pairs = (("write", footprint.reads, "reads"), ("write", footprint.writes, "writes"),
             ("read", footprint.writes, "writes"))  # fmt: skip
    for kind, spans, does in pairs:
        for space, places in spans.items():
            for queue, last in enumerate(accesses.last(kind, space, places).tolist()):
                if queue != own and last > clock[queue]:
                    did = "writes" if kind == "write" else "reads"
                    yield f"{where}: it {does} {space} entries that instruction {last} {did}, and no token orders them"
