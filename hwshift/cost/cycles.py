"""Cycles of a run, shared out over the layers."""

from collections.abc import Sequence
from dataclasses import dataclass

from hwshift.cost.counts import ProgramCounts

__all__ = ["LayerCycles", "layer_cycles"]


@dataclass(frozen=True)
class LayerCycles:
    """One layer's cycles.

    Members
    -------
    name : str
    busy : int
        Cycles in which a step of it issues.
    idle : int or None
        The other cycles since the layer before it issued its last step; None where that is not known.
    """

    name: str
    busy: int
    idle: int | None

    @property
    def total(self) -> int | None:
        """Busy and idle."""
        return None if self.idle is None else self.busy + self.idle


def layer_cycles(counts: ProgramCounts, last: Sequence[int | None], total: int) -> tuple[LayerCycles, ...]:
    """Share out a run's cycles: every cycle belongs to the layer whose last step comes next.

    Parameters
    ----------
    counts : ProgramCounts
    last : sequence of int or None
        The cycle of each layer's last step, for all layers but `PROGRAM`; None for a layer without steps, and for
        all where layers take turns.
    total : int
        Cycles of the run; those after the last step belong to `PROGRAM`.
    """
    out, before = [], -1
    layers = counts.layers[:-1]
    known = all(cycle is not None or not layer.array.steps for layer, cycle in zip(layers, last, strict=True))
    for layer, cycle in zip(layers, last, strict=True):
        busy = layer.array.steps
        if cycle is None:
            out.append(LayerCycles(layer.name, busy, 0 if known else None))
            continue
        out.append(LayerCycles(layer.name, busy, cycle - before - busy if known else None))
        before = cycle
    out.append(LayerCycles(counts.layers[-1].name, 0, total - 1 - before if known else None))
    return tuple(out)
