"""The report as one HTML page that loads nothing."""

import os
from collections.abc import Callable, Iterator
from importlib.resources import files

from jinja2 import Environment, FunctionLoader, StrictUndefined, Template

from hwshift import palette
from hwshift.cost.energy import NOT_CHARGED, NOT_INCLUDED, PARTS
from hwshift.program.counters import COUNTERS
from hwshift.reports import figures, flow, graph, markup, timeline
from hwshift.reports.figures import SHADES
from hwshift.reports.findings import findings
from hwshift.reports.flow import TITLES
from hwshift.reports.report import Report
from hwshift.reports.text import scaled, size
from hwshift.reports.writers import write_text

__all__ = ["render_html", "template", "write_html"]

_ON_DARK = {
    palette.BLUE: "#2F8FD0",
    palette.SKY: "#A3DAF8",
    palette.GREEN: "#2BBF95",
    palette.RED: "#F08A3C",
    palette.GREY: "#A8A8A8",
}
"""What stands for some colours on a dark page, where they would be too dark, or too near to each other."""


_PAGE = {
    "ink": ("#1b1f24", "#e3e7eb"),
    "soft": ("#57606a", "#9aa4ae"),
    "line": ("#d0d7de", "#3a424b"),
    "thin": ("#e7ebef", "#2a3138"),
    "pale": ("#f6f8fa", "#1d2329"),
    "page": ("#ffffff", "#14181c"),
    "blue": (palette.BLUE, "#4fa8dd"),
    "mark": ("#8c959f", "#6a737d"),
    "warn": ("#fff4e0", "#33280f"),
}
"""The page's own colours, light and dark."""


def render_html(report: Report) -> str:
    """The page: well-formed as XML too, the same text for the same report."""
    return template("page.html.j2").render(
        report=report,
        simulation=report.simulation,
        energy=report.energy,
        total=report.counts.total,
        drawn=_drawn(report),
        findings=findings(report),
        style=_colours() + _file("page.css"),
        script=_file("page.js"),
        parts=PARTS,
        counters=COUNTERS,
        warning=report.energy.table.warning,
        not_charged=NOT_CHARGED,
        not_included=NOT_INCLUDED,
    )


def template(name: str) -> Template:
    """One of the pages in this folder, as text to fill in: strict, and with text escaped."""
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=FunctionLoader(_file),
    )
    environment.filters |= {"scaled": scaled, "size": size}
    return environment.get_template(name)


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
    """Rules for every colour, for light pages, and for both where the browser can choose."""
    light = "\n".join(_rules(lambda light, dark: light))  # noqa: ARG005
    both = "\n".join(_rules(lambda light, dark: f"light-dark({light}, {dark})"))
    return f"{light}\n@supports (color: light-dark(#fff, #000)) {{\n{both}\n}}\n"


def _rules(choose: Callable[[str, str], str]) -> Iterator[str]:
    """Variables of the page, and classes that fill (``c-``) and stroke (``s-``)."""
    page = "; ".join(f"--{name}: {choose(*pair)}" for name, pair in _PAGE.items())
    yield f":root {{ {page}; }}"
    for key, colour in SHADES.items():
        value = choose(colour, _ON_DARK.get(colour, colour))
        yield f".c-{key} {{ background: {value}; fill: {value}; }}"
        if key in TITLES:
            yield f".s-{key} {{ stroke: {value}; }}"


def _file(name: str) -> str:
    return (files("hwshift.reports") / name).read_text(encoding="utf-8")
