"""The report as one HTML page that loads nothing."""

import os
from importlib.resources import files

from jinja2 import Environment, FunctionLoader, StrictUndefined

from hwshift.cost.energy import NOT_CHARGED, NOT_INCLUDED, PARTS
from hwshift.program.counters import COUNTERS
from hwshift.reports import figures, flow, graph, markup, timeline
from hwshift.reports.figures import COLOURS
from hwshift.reports.report import Report
from hwshift.reports.text import scaled, size
from hwshift.reports.writers import write_text

__all__ = ["render_html", "write_html"]

_ON_DARK = {
    "#0072B2": "#2F8FD0",
    "#56B4E9": "#A3DAF8",
    "#009E73": "#2BBF95",
    "#D55E00": "#F08A3C",
    "#8A8A8A": "#A8A8A8",
}
"""What stands for some colours on a dark page, where they would be too dark, or too near to each other."""


def render_html(report: Report) -> str:
    """The page: well-formed as XML too, the same text for the same report."""
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=FunctionLoader(_file),
    )
    environment.filters |= {"scaled": scaled, "size": size}
    return environment.get_template("page.html.j2").render(
        report=report,
        simulation=report.simulation,
        energy=report.energy,
        total=report.counts.total,
        drawn=_drawn(report),
        style=_colours() + _file("page.css"),
        script=_file("page.js"),
        parts=PARTS,
        counters=COUNTERS,
        warning=report.energy.table.warning,
        not_charged=NOT_CHARGED,
        not_included=NOT_INCLUDED,
    )


def write_html(report: Report, path: str | os.PathLike) -> None:
    """Write the page; an existing file is replaced at once or not at all.

    Raises
    ------
    DataError
        When the file cannot be written.
    """
    write_text(path, render_html(report))


def _drawn(report: Report) -> dict[str, str]:
    """Every figure as text for the page."""
    return {
        "energy_by_layer": markup.stacks(figures.energy_by_layer(report)),
        "cycles_by_layer": markup.stacks(figures.cycles_by_layer(report)),
        "cycles_by_cause": markup.bars(figures.cycles_by_cause(report)),
        "traffic_by_kind": markup.bars(figures.traffic_by_kind(report)),
        "roofline": markup.roofline(figures.roofline(report)),
        "timeline": timeline.render(report),
        "flow": flow.render(report),
        "graph": graph.render(report),
        "styles": markup.bars(figures.styles(report)) if report.styles else "",
    }


def _colours() -> str:
    """Classes that fill (``c-``) and stroke (``s-``) with each colour, on light and on dark pages."""
    shades = COLOURS | {"busy0": COLOURS["busy"], "busy1": "#66C2A8"}
    lines = []
    for key, colour in shades.items():
        value = f"light-dark({colour}, {_ON_DARK.get(colour, colour)})"
        lines.append(f".c-{key} {{ background: {value}; fill: {value}; }}")
    for key in ("weights", "maps", "control", "sums"):
        value = f"light-dark({COLOURS[key]}, {_ON_DARK.get(COLOURS[key], COLOURS[key])})"
        lines.append(f".s-{key} {{ stroke: {value}; }}")
    return "\n".join(lines) + "\n"


def _file(name: str) -> str:
    return (files("hwshift.reports") / name).read_text(encoding="utf-8")
