"""Weight tiles that stay in the ring from their first use to their last, instead of being loaded for each."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import groupby

__all__ = ["Use", "plan_residency"]


@dataclass(frozen=True)
class Use:
    """How one instruction gets its tiles.

    Members
    -------
    load : bool
        They are loaded in front of it.
    keep : bool
        They stay.
    offset : int
        Tiles in the ring before them, all of which stay.
    """

    load: bool = True
    keep: bool = False
    offset: int = 0


def plan_residency(wanted: Sequence[tuple[Hashable, int]], capacity: int) -> list[Use]:
    """Decide for instructions that follow each other, the ring empty before and after.

    The ring is a FIFO: tiles leave it in the order in which they came. So tiles may stay where their last uses are in
    the order of their first uses, and where all that stay at a time fit.

    Parameters
    ----------
    wanted : sequence of (key, tiles)
        Per instruction: which tiles, by any name, and how many.
    capacity : int
        Tiles that the ring holds.

    Returns
    -------
    list of Use
        Where tiles may not stay over other instructions, they stay over those that use them one after the other;
        where that does not fit either, each instruction loads its own.
    """
    found = _fifo(wanted, capacity)
    if found is None:
        groups = groupby(wanted, lambda item: item[0])
        found = _fifo(
            [(number, tiles) for number, (_, own) in enumerate(groups) for _, tiles in own], capacity
        )
    return found or [Use()] * len(wanted)


def _fifo(wanted: Sequence[tuple[Hashable, int]], capacity: int) -> list[Use] | None:
    """All tiles stay until their last use; None where that cannot be."""
    last = {key: index for index, (key, _) in enumerate(wanted)}
    ring: list[tuple[Hashable, int]] = []
    out = []
    for index, (key, tiles) in enumerate(wanted):
        place = next((place for place, (other, _) in enumerate(ring) if other == key), None)
        load, keep = place is None, last[key] > index
        if place is None:
            place = len(ring)
            ring.append((key, tiles))
        fits = sum(count for _, count in ring) <= capacity
        if (place and not keep) or not (fits or (len(ring) == 1 and not keep)):
            return None
        out.append(Use(load, keep, sum(count for _, count in ring[:place])))
        if not keep:
            del ring[0]
    return out
