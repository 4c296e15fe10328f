"""The report's figures as data: what is drawn, with its units, whatever draws it."""

from collections.abc import Callable
from dataclasses import dataclass, field

from hwshift import palette
from hwshift.cost.energy import PARTS
from hwshift.program.counters import CAUSES, Cause
from hwshift.reports.report import Report
from hwshift.reports.text import size

__all__ = [
    "CAUSE_GROUPS",
    "COLOURS",
    "FIGURES",
    "SHADES",
    "Bars",
    "Figure",
    "Point",
    "Roofline",
    "Series",
    "Stacks",
    "area_by_block",
    "cycles_by_cause",
    "cycles_by_layer",
    "energy_by_layer",
    "roofline",
    "styles",
    "traffic_by_kind",
]

COLOURS: dict[str, str] = {
    **dict(zip(PARTS, palette.COLOURS, strict=True)),
    "busy": palette.GREEN,
    "compute_side": palette.ORANGE,
    "memory_wait": palette.BLUE,
    "fetch": palette.PURPLE,
    "tail": palette.GREY,
    "read": palette.BLUE,
    "write": palette.RED,
    "weights": palette.ORANGE,
    "maps": palette.SKY,
    "control": palette.PURPLE,
    "sums": palette.GREEN,
    "cycles": palette.SKY,
    "energy": palette.RED,
    "luts": palette.ORANGE,
    "array_limit": palette.GREEN,
    "bus_limit": palette.RED,
}
"""Colour of everything that figures show, by its key."""

SHADES: dict[str, str] = COLOURS | {"busy0": COLOURS["busy"], "busy1": palette.tint(palette.GREEN, 0.6)}
"""These, and two for layers that take turns in the timeline."""

CAUSE_GROUPS: dict[str, tuple[str, tuple[Cause, ...]]] = {
    "busy": ("array works", (Cause.BUSY,)),
    "compute_side": (
        "compute side",
        (Cause.PORT, Cause.DRAIN, Cause.WEIGHT_LOAD, Cause.TOKEN_FULL, Cause.SETUP),
    ),
    "memory_wait": ("waits for memory", (Cause.WEIGHT_WAIT, Cause.WAIT_LOAD, Cause.WAIT_STORE)),
    "fetch": ("waits for instructions", (Cause.FETCH,)),
    "tail": ("tail", (Cause.TAIL,)),
}
"""Causes of cycles in groups that a colour can stand for: title and causes."""

_GROUP_OF = {cause: group for group, (_, causes) in CAUSE_GROUPS.items() for cause in causes}


@dataclass(frozen=True)
class Series:
    """A part of every stack.

    Members
    -------
    key : str
        Of `COLOURS`.
    title : str
    values : tuple of float
        One per stack.
    """

    key: str
    title: str
    values: tuple[float, ...]


@dataclass(frozen=True)
class Stacks:
    """Stacked horizontal bars.

    Members
    -------
    name, title, unit : str
        The unit is that of the axis, with what is measured.
    labels : tuple of str
    series : tuple of Series
    notes : tuple of str
        What each bar says on a closer look.
    """

    name: str
    title: str
    unit: str
    labels: tuple[str, ...]
    series: tuple[Series, ...]
    notes: tuple[str, ...]

    @property
    def totals(self) -> list[float]:
        """Length of each bar."""
        return [sum(item.values[i] for item in self.series) for i in range(len(self.labels))]


@dataclass(frozen=True)
class Bars:
    """Horizontal bars with a text at each end; members as `Stacks`, ``keys`` are of `COLOURS`.

    Members
    -------
    legend : dict of str to str
        Title of each key.
    """

    name: str
    title: str
    unit: str
    labels: tuple[str, ...]
    values: tuple[float, ...]
    texts: tuple[str, ...]
    keys: tuple[str, ...]
    legend: dict[str, str]


@dataclass(frozen=True)
class Point:
    """A layer: MACs per byte, MACs per cycle, its share of all cycles, and the key of its limit."""

    label: str
    x: float
    y: float
    share: float
    key: str


@dataclass(frozen=True)
class Roofline:
    """Points below a roof, on logarithmic axes.

    Members
    -------
    name, title, x_unit, y_unit : str
    points : tuple of Point
    whole : Point or None
        The image as one point.
    peak : float
        MACs per cycle of the array.
    slope : float
        Bytes per cycle of the bus, in one direction.
    hidden : int
        Layers that multiply without any traffic.
    """

    name: str
    title: str
    x_unit: str
    y_unit: str
    points: tuple[Point, ...]
    whole: Point | None
    peak: float
    slope: float
    hidden: int = 0
    legend: dict[str, str] = field(
        default_factory=lambda: {"array_limit": "limited by the array", "bus_limit": "limited by the bus"}
    )


Figure = Stacks | Bars | Roofline


def energy_by_layer(report: Report) -> Stacks:
    """Energy of every layer that takes any, stacked by part, in nJ."""
    energy = report.energy.by_layer_pj
    names = tuple(row.name for row in report.rows if row.energy_pj)
    series = tuple(
        Series(part, title, tuple(energy[name][part] / 1e3 for name in names))
        for part, title in PARTS.items()
    )
    notes = tuple(
        ", ".join(f"{item.title} {item.values[i]:,.1f} nJ" for item in series if item.values[i])
        for i in range(len(names))
    )
    return Stacks(
        "energy-by-layer", "Energy by layer and part", "energy per image in nJ", names, series, notes
    )


def cycles_by_layer(report: Report) -> Stacks:
    """Cycles of every layer that takes any, stacked by groups of causes."""
    layers = [layer for layer in report.analysis.cycles if layer.total]
    series = tuple(
        Series(
            group,
            title,
            tuple(sum(layer.causes.get(cause.name.lower(), 0) for cause in causes) for layer in layers),
        )
        for group, (title, causes) in CAUSE_GROUPS.items()
    )
    notes = tuple(
        ", ".join(f"{name.replace('_', ' ')} {value:,} cycles" for name, value in layer.causes.items())
        for layer in layers
    )
    names = tuple(layer.name for layer in layers)
    return Stacks("cycles-by-layer", "Cycles and stalls by layer", "cycles per image", names, series, notes)


def cycles_by_cause(report: Report) -> Bars:
    """Cycles of the run by their cause; causes that do not occur are left out."""
    counters = report.simulation.counters
    causes = [cause for cause in CAUSES if counters[cause.name.lower()]]
    values = [counters[cause.name.lower()] for cause in causes]
    keys = tuple(_GROUP_OF[cause] for cause in causes)
    return Bars(
        "cycles-by-cause",
        "Cycles by cause",
        "cycles",
        tuple(cause.name.lower().replace("_", " ") for cause in causes),
        tuple(map(float, values)),
        tuple(f"{value:,} ({value / counters['total']:.1%})" for value in values),
        keys,
        {key: CAUSE_GROUPS[key][0] for key in dict.fromkeys(keys)},
    )


def traffic_by_kind(report: Report) -> Bars:
    """Traffic to and from the memory behind the bus, in KiB."""
    memory = report.counts.total.memory
    kinds = {
        "instructions": memory.instruction_bits,
        "tables": memory.table_bits,
        "weights": memory.weight_bits,
        "input": memory.input_bits,
        "maps, read": memory.map_read_bits,
        "maps, written": memory.map_write_bits,
    }
    return Bars(
        "traffic-by-kind",
        "Memory traffic by kind",
        "memory traffic per image in KiB",
        tuple(kinds),
        tuple(bits / 8192 for bits in kinds.values()),
        tuple(f"{size(bits / 8)} ({bits / memory.total_bits:.1%})" for bits in kinds.values()),
        ("read",) * 5 + ("write",),
        {"read": "read", "write": "written"},
    )


def roofline(report: Report) -> Roofline:
    """Useful MACs per cycle of every layer that multiplies, over its MACs per byte of memory traffic."""
    total = report.simulation.counters["total"]
    points, hidden = [], 0
    for layer in report.analysis.layers:
        where = layer.roofline
        if not where.macs or not where.cycles:
            continue
        if not where.intensity:
            hidden += 1
            continue
        key = "bus_limit" if where.memory_bound else "array_limit"
        points.append(Point(layer.name, where.intensity, where.achieved, where.cycles / total, key))
    whole = report.analysis.roofline
    image = (
        Point("whole image", whole.intensity, whole.achieved, 1.0, "array_limit") if whole.intensity else None
    )
    return Roofline(
        "roofline",
        "Roofline",
        "useful MACs per byte of memory traffic",
        "useful MACs per cycle",
        tuple(points),
        image if whole.macs else None,
        float(whole.peak),
        float(whole.bytes_per_cycle),
        hidden,
    )


def styles(report: Report) -> Bars:
    """Cycles, energy and LUTs of the other styles, relative to this design."""
    labels: list[str] = []
    values: list[float] = []
    texts: list[str] = []
    keys: list[str] = []
    first = report.styles[0] if report.styles else None
    for style in report.styles:
        if first is None or style.cycles is None or style.energy_pj is None:
            continue
        for key, value, base in (
            ("cycles", style.cycles, first.cycles),
            ("energy", style.energy_pj, first.energy_pj),
            *([("luts", style.lut, first.lut)] if style.lut is not None else []),
        ):
            ratio = value / base if base else 0.0
            labels.append(style.title if key == "cycles" else "")
            values.append(ratio)
            texts.append(f"{ratio:.2f} ×")
            keys.append(key)
    return Bars("styles", "Other styles of hardware", "relative to this design", tuple(labels), tuple(values),
                tuple(texts), tuple(keys), {key: _RELATIVE[key] for key in dict.fromkeys(keys)})  # fmt: skip


def area_by_block(report: Report) -> Bars:
    """Look-up tables of every block of the accelerator, estimated; largest first."""
    assert report.area is not None
    blocks = sorted(report.area.blocks.items(), key=lambda item: -item[1].lut)
    total = report.area.total.lut
    return Bars(
        "area-by-block",
        "LUTs by block, estimated",
        f"look-up tables of {report.area.device}",
        tuple(name for name, _ in blocks),
        tuple(block.lut for _, block in blocks),
        tuple(f"{block.lut:,.0f} ({block.lut / total:.1%})" for _, block in blocks),
        tuple(_PATH if name in _DATAPATH else "control" for name, _ in blocks),
        {_PATH: "data path", "control": "control and memory side"},
    )


_PATH = "array_limit"
_DATAPATH = ("shift buffer", "weight buffer", "row taps", "array", "accumulator", "epilogue", "pipeline")

_RELATIVE = {"cycles": "cycles", "energy": "energy", "luts": "LUTs, estimated"}

FIGURES: dict[str, Callable[[Report], Figure]] = {
    "energy_by_layer": energy_by_layer,
    "cycles_by_layer": cycles_by_layer,
    "cycles_by_cause": cycles_by_cause,
    "traffic_by_kind": traffic_by_kind,
    "roofline": roofline,
    "styles": styles,
    "area_by_block": area_by_block,
}
"""Every figure that is bars or points, by name."""
