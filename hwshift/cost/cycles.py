"""Cycles of a run, shared out over the layers."""

from dataclasses import dataclass

from hwshift.cost.counts import ProgramCounts
from hwshift.program.counters import Cause
from hwshift.simulation import SimulationReport

__all__ = ["LayerCycles", "layer_cycles"]


@dataclass(frozen=True)
class LayerCycles:
    """One layer's cycles: every cycle belongs to the layer whose step comes next, and has one cause.

    Members
    -------
    name : str
    causes : dict of str to int
        Cycles by `hwshift.program.counters.Cause`, with the counters' names; no entry means none.
    """

    name: str
    causes: dict[str, int]

    @property
    def busy(self) -> int:
        """Cycles in which a step of it issues."""
        return self.causes.get(Cause.BUSY.name.lower(), 0)

    @property
    def idle(self) -> int:
        """Cycles without a step in front of one of its steps."""
        return self.total - self.busy

    @property
    def total(self) -> int:
        """Busy and idle."""
        return sum(self.causes.values())


def layer_cycles(counts: ProgramCounts, simulation: SimulationReport) -> tuple[LayerCycles, ...]:
    """Share out a run's cycles.

    Parameters
    ----------
    counts : ProgramCounts
    simulation : SimulationReport
        Of the same program.

    Returns
    -------
    tuple of LayerCycles
        In the order of ``counts.layers``; the cycles after the last step belong to `hwshift.cost.counts.PROGRAM`.
        Cause by cause the sum is the run's counter.
    """
    out = [
        LayerCycles(layer.name, {name: value for name, value in figures.causes.items() if value})
        for layer, figures in zip(counts.layers[:-1], simulation.layers, strict=True)
    ]
    names = [cause.name.lower() for cause in Cause]
    rest = {name: simulation.counters[name] - sum(item.causes.get(name, 0) for item in out) for name in names}
    program = LayerCycles(counts.layers[-1].name, {name: value for name, value in rest.items() if value})
    return (*out, program)
