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
    idle : int
        Cycles without a step in front of one of its steps.
    """

    name: str
    busy: int
    idle: int

    @property
    def total(self) -> int:
        """Busy and idle."""
        return self.busy + self.idle


def layer_cycles(counts: ProgramCounts, cycles: Sequence[int], total: int) -> tuple[LayerCycles, ...]:
    """Share out a run's cycles: every cycle belongs to the layer whose step comes next.

    Parameters
    ----------
    counts : ProgramCounts
    cycles : sequence of int
        Of all layers but `PROGRAM`, as `hwshift.simulation.LayerFigures`.
    total : int
        Cycles of the run; those after the last step belong to `PROGRAM`.
    """
    layers, program = counts.layers[:-1], counts.layers[-1]
    out = [
        LayerCycles(layer.name, layer.array.steps, own - layer.array.steps)
        for layer, own in zip(layers, cycles, strict=True)
    ]
    return (*out, LayerCycles(program.name, 0, total - sum(cycles)))
