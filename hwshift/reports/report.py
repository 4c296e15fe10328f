"""A report's content: the analysis of one image, its layers as rows, and what else was asked for."""

import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from typing import Any

from hwshift import __version__
from hwshift.config import AcceleratorConfig
from hwshift.cost.analysis import CostAnalysis
from hwshift.cost.counts import LayerCounts, ProgramCounts
from hwshift.cost.cycles import LayerCycles
from hwshift.cost.energy import NOT_CHARGED, NOT_INCLUDED, Energy
from hwshift.display import frame
from hwshift.evaluation.layers import LayerScore
from hwshift.hls.estimates import Estimate
from hwshift.network.fixed import Input
from hwshift.program.counters import Cause
from hwshift.reports.variants import Variant
from hwshift.simulation import SimulationReport
from hwshift.synthesis.estimate import AreaEstimate

__all__ = ["LayerRow", "Report", "build_report"]


@dataclass(frozen=True)
class LayerRow:
    """One layer of the report's table.

    Members
    -------
    name, op : str
    shape : tuple of int
        Channels, height and width of the output; empty for what belongs to no layer.
    macs : int
        Useful multiplications.
    busy_cycles : int
        Cycles in which the array works for it.
    idle_cycles : int
        The others in front of one of its steps.
    utilisation : float
        Useful multiplications over the array's peak in busy and idle cycles.
    operations : int
        Of the array, those with a zero weight included.
    buffer_accesses : int
        Words read from and written to the shift buffer.
    memory_bytes : int
        Read from and written to the memory behind the bus.
    energy_pj : float
    limit : str
        What took most of the cycles that the array did not use: a cause's name; empty where there are none.
    note : str
        Why a layer takes nothing, if it does.
    """

    name: str
    op: str
    shape: tuple[int, ...]
    macs: int
    busy_cycles: int
    idle_cycles: int
    utilisation: float
    operations: int
    buffer_accesses: int
    memory_bytes: int
    energy_pj: float
    limit: str = ""
    note: str = ""


@dataclass(frozen=True)
class Report:
    """One image of one network on one accelerator.

    Members
    -------
    analysis : CostAnalysis
        Counts, cycles and energy.
    rows : tuple of LayerRow
        Every layer of the network but the input, also those that take nothing; the program's own row last.
    styles : tuple of Variant
        The same network on other accelerators, this one first; empty where it was not asked for.
    stream : Estimate, str or None
        The network as one process per layer in C++, or why it cannot be; None where it was not asked for.
    accuracy : mapping of str to value, or None
        For people, such as ``{"images": 1000, "top-1": "90.30%"}``.
    saturation : tuple of LayerScore
        Of every layer's values on those images.
    area : AreaEstimate or None
        What the accelerator takes of an FPGA; None where it was not asked for.
    command : str
        What makes this report again.
    versions : dict of str to str
    """

    analysis: CostAnalysis
    rows: tuple[LayerRow, ...]
    styles: tuple[Variant, ...] = ()
    stream: Estimate | str | None = None
    accuracy: Mapping[str, object] | None = None
    saturation: tuple[LayerScore, ...] = ()
    area: AreaEstimate | None = None
    command: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def network(self) -> str:
        """The network's name."""
        return self.analysis.network.name

    @property
    def config(self) -> AcceleratorConfig:
        """The accelerator."""
        return self.analysis.config

    @property
    def simulation(self) -> SimulationReport:
        """Counters and what follows from them."""
        return self.analysis.simulation

    @property
    def counts(self) -> ProgramCounts:
        """Actions by layer."""
        return self.analysis.counts

    @property
    def energy(self) -> Energy:
        """Of the image."""
        return self.analysis.energy

    @property
    def latency_us(self) -> float:
        """Of one image at the simulation's clock, in microseconds."""
        return self.analysis.latency_us

    def __repr__(self) -> str:
        """Short."""
        return f"<Report {self.network} on {self.config.name}>"

    def _repr_html_(self) -> str:
        """In notebooks: the page."""
        from hwshift.reports.html import render_html  # which reads this module

        return frame(render_html(self))

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON, units in the names."""
        table = self.energy.table
        return {
            "network": self.network,
            "config": self.config.to_dict(),
            "config_hash": f"0x{self.config.hash:08x}",
            "batch": 1,
            "simulation": self.simulation.as_dict(),
            "latency_us": self.latency_us,
            "layers": [asdict(row) for row in self.rows],
            "cycles": [asdict(layer) for layer in self.analysis.cycles],
            "counts": [asdict(layer) for layer in self.counts.layers],
            "accesses": [asdict(item) | {"bits": item.bits} for item in self.analysis.accesses],
            "energy_pj": {
                "total": self.energy.total_pj,
                "by_part": self.energy.by_part_pj,
                "by_layer": self.energy.by_layer_pj,
            },
            "unit_costs": {
                "name": table.name,
                "title": table.title,
                "kind": table.kind,
                "warning": table.warning,
                "lines": [{"action": action, **asdict(point)} for action, point in table.lines],
                "rates": [{**asdict(rate), "total": count} for rate, count in self.energy.by_rate],
                "not_charged": NOT_CHARGED,
                "not_included": list(NOT_INCLUDED),
            },
            "styles": [asdict(style) for style in self.styles],
            "stream": self.stream.as_dict() if isinstance(self.stream, Estimate) else self.stream,
            "accuracy": dict(self.accuracy) if self.accuracy is not None else None,
            "saturation": [layer.as_dict() for layer in self.saturation],
            "area": self.area.to_dict() if self.area is not None else None,
            "command": self.command,
            "versions": dict(self.versions),
        }


def build_report(
    analysis: CostAnalysis,
    *,
    styles: tuple[Variant, ...] = (),
    stream: Estimate | str | None = None,
    accuracy: Mapping[str, object] | None = None,
    saturation: tuple[LayerScore, ...] = (),
    area: AreaEstimate | None = None,
    command: str = "",
) -> Report:
    """Put a report together; parameters as the members of `Report`."""
    return Report(analysis, _rows(analysis), styles, stream, accuracy, saturation, area, command, _versions())


def _rows(analysis: CostAnalysis) -> tuple[LayerRow, ...]:
    """In the order of the network; then what the program has beside its layers."""
    network, simulation, energy = analysis.network, analysis.simulation, analysis.energy
    macs = {layer.name: layer.macs for layer in simulation.layers}
    counted = {layer.name: layer for layer in analysis.counts.layers}
    shared = {item.name: item for item in analysis.cycles}
    out = []
    shapes = {layer.name: layer.shape for layer in network.layers if not isinstance(layer.op, Input)}
    kinds = {layer.name: type(layer.op).__name__ for layer in network.layers}
    for name in [*shapes, *(name for name in counted if name not in shapes)]:
        count = counted.get(name, LayerCounts(name, kinds.get(name, "")))
        spent = shared.get(name, LayerCycles(name, {}))
        span = spent.total
        useful = macs.get(name, 0)
        out.append(
            LayerRow(
                name=name,
                op=count.op,
                shape=tuple(shapes.get(name, ())),
                macs=useful,
                busy_cycles=spent.busy,
                idle_cycles=spent.idle,
                utilisation=useful / (simulation.peak * span) if span else 0.0,
                operations=count.array.operations,
                buffer_accesses=sum(vars(count.shift_buffer).values()),
                memory_bytes=count.memory.total_bits // 8,
                energy_pj=sum(energy.by_layer_pj.get(name, {}).values()),
                limit=_limit(spent),
                note=_note(count, name in shapes),
            )
        )
    return tuple(out)


def _limit(spent: LayerCycles) -> str:
    """The cause of most idle cycles."""
    idle = {name: value for name, value in spent.causes.items() if name != Cause.BUSY.name.lower()}
    return max(idle, key=idle.__getitem__) if any(idle.values()) else ""


def _note(count: LayerCounts, in_network: bool) -> str:
    if not in_network:
        return "header and end of the program, and the cycles after the last step"
    return "" if count.instructions else "another name for channels of its inputs: no instruction, no cost"


def _versions() -> dict[str, str]:
    packages = {name: version(name) for name in ("numpy", "numba", "amaranth", "matplotlib")}
    return {"hwshift": __version__, "Python": platform.python_version(), **packages}
