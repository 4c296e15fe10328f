"""Networks and configurations side by side: one set of figures for each, and the same layers next to each other."""

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hwshift.cost.analysis import CostAnalysis
from hwshift.cost.energy import PARTS
from hwshift.synthesis.estimate import AreaEstimate
from hwshift.synthesis.resources import Resources

__all__ = [
    "AREA_METRICS",
    "METRICS",
    "Candidate",
    "Metric",
    "as_csv",
    "as_dict",
    "clock_notes",
    "labels",
    "layer_table",
    "ratio",
    "shown",
    "table",
]


@dataclass(frozen=True)
class Candidate:
    """One of those that are compared.

    Members
    -------
    network, config : str
        As they were named.
    note : str
        What else makes the difference.
    analysis : CostAnalysis
    area : AreaEstimate or None
        Of the accelerator; of all candidates or of none.
    """

    network: str
    config: str
    note: str
    analysis: CostAnalysis
    area: AreaEstimate | None = None

    @property
    def name(self) -> str:
        """All of it."""
        place = f"{self.network} on {self.config}"
        return f"{place}, {self.note}" if self.note else place


def labels(candidates: Sequence[Candidate]) -> list[str]:
    """The shortest names that tell the candidates apart: what all have in common is left out."""
    makers: tuple[Callable[[Candidate], str], ...] = (
        lambda item: item.note,
        lambda item: item.network,
        lambda item: item.config,
        lambda item: f"{item.network}, {item.note}",
        lambda item: f"{item.config}, {item.note}",
        lambda item: f"{item.network} on {item.config}",
    )
    for make in makers if len(candidates) > 1 else ():
        names = [make(item) for item in candidates]
        if all(names) and len(set(names)) == len(names):
            return names
    return [item.name for item in candidates]


@dataclass(frozen=True)
class Metric:
    """A figure of a whole image.

    Members
    -------
    key : str
        With its unit, for JSON and CSV.
    title : str
        For people.
    value : function
        Of a `Candidate`.
    whole : bool
        Whether it is an integer.
    """

    key: str
    title: str
    value: Callable[[Candidate], float]
    whole: bool = True


METRICS: tuple[Metric, ...] = (
    Metric("macs", "useful MACs", lambda item: item.analysis.simulation.macs),
    Metric("cycles", "cycles", lambda item: item.analysis.simulation.counters["total"]),
    Metric("idle_cycles", "idle cycles", lambda item: sum(layer.idle for layer in item.analysis.cycles)),
    Metric("latency_us", "latency, µs", lambda item: item.analysis.latency_us, False),
    Metric("images_per_second", "images per second", lambda item: item.analysis.simulation.images_per_second, False),
    Metric("utilisation_percent", "array use, %",
           lambda item: 100 * item.analysis.simulation.utilisation["total"], False),
    Metric("multiplies", "multiplications", lambda item: item.analysis.operations.multiplies),
    Metric("shifts", "shifts", lambda item: item.analysis.operations.shifts),
    Metric("adds", "additions", lambda item: item.analysis.operations.adds),
    Metric("shifted_elements", "shifted elements", lambda item: item.analysis.shift_total.shifted),
    Metric("moved_elements", "of them moved", lambda item: item.analysis.counts.total.moves.shifted_elements),
    Metric("on_chip_bytes", "on-chip accesses, bytes", lambda item: _on_chip_bits(item) // 8),
    Metric("memory_bytes", "external memory, bytes", lambda item: item.analysis.counts.total.memory.total_bits // 8),
    Metric("weight_bytes", "of it weights", lambda item: item.analysis.counts.total.memory.weight_bits // 8),
    Metric("intensity_macs_per_byte", "MACs per byte of the bus", lambda item: item.analysis.roofline.intensity, False),
    Metric("energy_uj", "energy, µJ", lambda item: item.analysis.energy.total_pj / 1e6, False),
    *(
        Metric(f"energy_{part}_uj", f"of it {title}",
               lambda item, part=part: item.analysis.energy.by_part_pj[part] / 1e6, False)  # type: ignore[misc]
        for part, title in PARTS.items()
    ),
)  # fmt: skip
"""What is compared, in order."""

AREA_METRICS: tuple[Metric, ...] = (
    Metric("lut_estimated", "LUTs, estimated", lambda item: _area(item).lut),
    Metric("ff_estimated", "flip-flops, estimated", lambda item: _area(item).ff),
    Metric("dsp_estimated", "DSP blocks, estimated", lambda item: _area(item).dsp),
    Metric("bram_estimated", "block RAMs, estimated", lambda item: _area(item).bram, False),
)
"""What is compared where area is known."""

CLOCK_METRIC = Metric("fmax_estimated_mhz", "clock, estimated, MHz", lambda item: _fmax(item), False)
"""What is compared where every clock is estimated, too."""


def shown(metric: Metric, value: float) -> str:
    """A value as people read it: four digits at least, separators between thousands."""
    return f"{value:,.0f}" if metric.whole or abs(value) >= 1000 else f"{value:.4g}"


def _on_chip_bits(candidate: Candidate) -> int:
    return sum(item.bits for item in candidate.analysis.accesses if item.memory != "external memory")


def table(candidates: Sequence[Candidate]) -> list[tuple[Metric, tuple[float, ...]]]:
    """Every metric with a value for each candidate."""
    return [(metric, tuple(metric.value(item) for item in candidates)) for metric in metrics_of(candidates)]


def metrics_of(candidates: Sequence[Candidate]) -> tuple[Metric, ...]:
    """What is compared of these candidates."""
    areas = [item.area for item in candidates if item.area is not None]
    if len(areas) < len(candidates):
        return METRICS
    clocks = all(area.fmax_mhz is not None for area in areas)
    return (*METRICS, *AREA_METRICS, *((CLOCK_METRIC,) if clocks else ()))


def _area(candidate: Candidate) -> Resources:
    assert candidate.area is not None
    return candidate.area.total


def clock_notes(candidates: Sequence[Candidate]) -> dict[str, str]:
    """By configuration: its estimated clock and what that rests on, or why there is none; empty without an area."""
    return {item.config: str(item.area.clock) for item in candidates if item.area is not None}


def _fmax(candidate: Candidate) -> float:
    assert candidate.area is not None and candidate.area.fmax_mhz is not None
    return candidate.area.fmax_mhz


def ratio(value: float, first: float) -> str:
    """How a value stands to the first candidate's, such as ``0.52x``; empty where there is nothing to divide by."""
    return f"{value / first:.2f}x" if first else ""


def layer_table(candidates: Sequence[Candidate]) -> list[tuple[str, tuple[tuple[int, float] | None, ...]]]:
    """Cycles and energy in µJ of each layer, for each candidate; None where it has no layer of that name.

    In the order of the first candidate; a layer that it has not stands behind the one before it in its own network.
    """
    found = [{layer.name: layer for layer in item.analysis.layers} for item in candidates]
    names: list[str] = []
    for layers in found:
        place = 0
        for name in layers:
            if name not in names:
                names.insert(place, name)
            place = names.index(name) + 1
    return [
        (
            name,
            tuple(
                (layers[name].cycles.total, layers[name].total_pj / 1e6) if name in layers else None
                for layers in found
            ),
        )
        for name in names
    ]


def as_dict(candidates: Sequence[Candidate]) -> list[dict[str, object]]:
    """Plain values for JSON."""
    return [
        {
            "name": item.name,
            "network": item.network,
            "config": item.config,
            "note": item.note,
            "clock_mhz": item.analysis.simulation.clock_mhz,
            "costs": item.analysis.energy.table.name,
            "costs_kind": item.analysis.energy.table.kind,
            "figures": {metric.key: metric.value(item) for metric in metrics_of(candidates)},
            "area": item.area.to_dict() if item.area is not None else None,
            "counters": item.analysis.simulation.counters,
            "layers": [
                {
                    "name": layer.name,
                    "op": layer.op,
                    "macs": layer.macs,
                    "cycles": layer.cycles.causes,
                    "memory_bytes": layer.counts.memory.total_bits // 8,
                    "energy_pj": layer.energy_pj,
                }
                for layer in item.analysis.layers
            ],
        }
        for item in candidates
    ]


def as_csv(candidates: Sequence[Candidate]) -> str:
    """A line for each candidate, units in the titles."""
    out = io.StringIO()
    lines = csv.writer(out, lineterminator="\n")
    lines.writerow(["network", "config", "note", "costs", *(metric.key for metric in metrics_of(candidates))])
    for item in candidates:
        values = [metric.value(item) for metric in metrics_of(candidates)]
        costs = item.analysis.energy.table.name
        lines.writerow([item.network, item.config, item.note, costs, *values])
    return out.getvalue()
