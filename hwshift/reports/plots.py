"""The report's plots, each as an SVG element that needs nothing else."""

import io
import re
from collections.abc import Callable
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from hwshift.cost.energy import PARTS
from hwshift.program.counters import CAUSES, Cause
from hwshift.reports.report import LayerRow, Report
from hwshift.reports.text import size
from hwshift.simulation import COMPUTE_CAUSES

__all__ = [
    "PART_COLOURS",
    "PLOTS",
    "cycles_by_cause",
    "energy_by_layer",
    "macs_and_cycles",
    "traffic_by_kind",
]

# Okabe and Ito's colours, told apart by colour-blind readers too.
_ORANGE, _SKY, _GREEN, _YELLOW = "#E69F00", "#56B4E9", "#009E73", "#F0E442"
_BLUE, _RED, _PURPLE, _GREY = "#0072B2", "#D55E00", "#CC79A7", "#8A8A8A"

PART_COLOURS = dict(zip(PARTS, (_ORANGE, _SKY, _GREEN, _YELLOW, _RED, _PURPLE, _BLUE), strict=True))
"""Colour of each part of the accelerator."""

_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "hwshift",
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#666666",
    "axes.axisbelow": True,
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.7,
}
_HALF, _FULL = 6.0, 12.3  # widths in inches
_LOW = 0.9  # utilisation below which a layer is named


def _svg(name: str, draw: Callable[[Axes], None], width: float, height: float) -> str:
    """Draw into axes of that size; the identifiers of the result start with ``name``."""
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        draw(figure.add_subplot())
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None}, transparent=True)
    body = text.getvalue()
    body = body[body.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>\s*", "", body, flags=re.DOTALL)
    body = body.replace("xlink:href", "href").replace(' xmlns:xlink="http://www.w3.org/1999/xlink"', "")
    body = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", body)
    return re.sub(r'<svg\b(.*?) width="[^"]*pt"', rf'<svg\1 role="img" aria-label="{name}" width="100%"',
                  re.sub(r'(<svg\b[^>]*?) height="[^"]*pt"', r"\1", body, count=1), count=1)  # fmt: skip


def _bars(axes: Axes, labels: list[str], values: list[float], colours: list[str], texts: list[str]) -> None:
    """Horizontal bars from top to bottom with a text at each end."""
    positions = range(len(labels))
    axes.barh(positions, values, color=colours, height=0.7)
    axes.set_yticks(positions, labels)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x")
    axes.set_xlim(0, max([*values, 1e-12]) * 1.28)
    for position, value, text in zip(positions, values, texts, strict=True):
        axes.annotate(
            text, (value, position), (4, 0), textcoords="offset points", va="center", color="#333333"
        )


def _legend(axes: Axes, colours: dict[str, str]) -> None:
    for label, colour in colours.items():
        axes.barh([0], [0], color=colour, label=label)
    axes.legend(loc="lower right", frameon=False, handlelength=1)


def energy_by_layer(report: Report) -> str:
    """Energy of every layer that takes any, stacked by part."""
    energy = report.energy.by_layer_pj
    names = [row.name for row in report.rows if row.energy_pj]

    def draw(axes: Axes) -> None:
        left = [0.0] * len(names)
        for part, title in PARTS.items():
            values = [energy[name][part] / 1e3 for name in names]
            axes.barh(names, values, left=left, color=PART_COLOURS[part], label=title, height=0.74,
                      edgecolor="white", linewidth=0.4)  # fmt: skip
            left = [a + b for a, b in zip(left, values, strict=True)]
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x")
        axes.set_xlabel("energy per image in nJ")
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        axes.legend(ncols=len(PARTS), loc="lower left", bbox_to_anchor=(0, 1), frameon=False, borderpad=0,
                    handlelength=1, columnspacing=1.4)  # fmt: skip

    return _svg("energy-by-layer", draw, _FULL, 1.1 + (0.25 if len(names) <= 24 else 0.19) * len(names))


def cycles_by_cause(report: Report) -> str:
    """Cycles of the run by their cause; causes that do not occur are left out."""
    counters = report.simulation.counters
    causes = [cause for cause in CAUSES if counters[cause.name.lower()]]
    values = [counters[cause.name.lower()] for cause in causes]

    def colour(cause: Cause) -> str:
        if cause == Cause.BUSY:
            return _GREEN
        return _ORANGE if cause in COMPUTE_CAUSES else _BLUE

    def draw(axes: Axes) -> None:
        labels = [cause.name.lower().replace("_", " ") for cause in causes]
        texts = [f"{value:,} ({value / counters['total']:.1%})" for value in values]
        _bars(axes, labels, [float(value) for value in values], [colour(cause) for cause in causes], texts)
        axes.set_xlabel("cycles")
        _legend(axes, {"array works": _GREEN, "compute side": _ORANGE, "memory, instructions": _BLUE})
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))

    return _svg("cycles-by-cause", draw, _HALF, 1.0 + 0.27 * max(len(causes), 6))


def traffic_by_kind(report: Report) -> str:
    """Traffic to and from the memory behind the bus."""
    memory = report.counts.total.memory
    kinds = {
        "instructions": memory.instruction_bits,
        "tables": memory.table_bits,
        "weights": memory.weight_bits,
        "input": memory.input_bits,
        "maps, read": memory.map_read_bits,
        "maps, written": memory.map_write_bits,
    }

    def draw(axes: Axes) -> None:
        values = [bits / 8192 for bits in kinds.values()]
        texts = [f"{size(bits / 8)} ({bits / memory.total_bits:.1%})" for bits in kinds.values()]
        _bars(axes, list(kinds), values, [_BLUE] * 5 + [_RED], texts)
        axes.set_xlabel("memory traffic per image in KiB")
        _legend(axes, {"read": _BLUE, "written": _RED})

    return _svg("traffic-by-kind", draw, _HALF, 1.0 + 0.27 * len(kinds))


def macs_and_cycles(report: Report) -> str:
    """Useful multiplications over cycles of every layer that multiplies, with what the array could do."""
    rows = [row for row in report.rows if row.macs and row.busy_cycles]
    peak = report.simulation.peak

    def cycles(row: LayerRow) -> int:
        return row.busy_cycles + row.idle_cycles

    def draw(axes: Axes) -> None:
        if not rows:
            axes.text(0.5, 0.5, "no layer multiplies", ha="center", transform=axes.transAxes)
            return
        ends = [min(map(cycles, rows)) / 2, max(map(cycles, rows)) * 2]
        axes.plot(ends, [peak * end for end in ends], color=_GREY, linestyle="--", linewidth=1)
        axes.annotate(f"peak: {peak:,} MACs per cycle", (ends[1], peak * ends[1]), (-6, 0), ha="right",
                      textcoords="offset points", color="#555555", va="bottom")  # fmt: skip
        axes.scatter([cycles(row) for row in rows], [row.macs for row in rows], color=_BLUE, s=26, zorder=3,
                     edgecolor="white", linewidth=0.6)  # fmt: skip
        low = [row for row in rows if row.utilisation < _LOW]
        for row in sorted(low, key=lambda row: row.utilisation)[:3]:
            right = cycles(row) > (ends[0] * ends[1]) ** 0.5
            axes.annotate(f"{row.name} ({row.utilisation:.0%})", (cycles(row), row.macs), (22 if right else 7, -7),
                          va="top", ha="right" if right else "left", textcoords="offset points",
                          color="#333333")  # fmt: skip
        axes.set(xscale="log", yscale="log", xlabel="cycles (idle ones included)", ylabel="useful MACs")
        axes.margins(y=0.12)
        axes.grid()

    return _svg("macs-and-cycles", draw, _HALF, 1.0 + 0.27 * 8)


PLOTS: dict[str, Callable[[Report], str]] = {
    "energy_by_layer": energy_by_layer,
    "cycles_by_cause": cycles_by_cause,
    "traffic_by_kind": traffic_by_kind,
    "macs_and_cycles": macs_and_cycles,
}
"""Every plot, by the name that the page uses."""
