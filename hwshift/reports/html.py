"""The report as one HTML page that loads nothing."""

import json
import os
from importlib.resources import files

from jinja2 import Environment, StrictUndefined

from hwshift.cost.energy import NOT_CHARGED, NOT_INCLUDED, PARTS
from hwshift.errors import DataError
from hwshift.program.counters import COUNTERS
from hwshift.reports.plots import PART_COLOURS, PLOTS
from hwshift.reports.report import ASIC_WARNING, Report
from hwshift.reports.text import scaled, size
from hwshift.writing import replace_file

__all__ = ["render_html", "write_html", "write_json"]


def render_html(report: Report) -> str:
    """The page: well-formed as XML too, the same text for the same report."""
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"scaled": scaled, "size": size}
    return environment.from_string(_file("page.html.j2")).render(
        report=report,
        simulation=report.simulation,
        energy=report.energy,
        total=report.counts.total,
        plots={name: draw(report) for name, draw in PLOTS.items()},
        style=_file("page.css"),
        script=_file("page.js"),
        parts=PARTS,
        colours=PART_COLOURS,
        counters=COUNTERS,
        warning=ASIC_WARNING,
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
    _write(path, render_html(report))


def write_json(report: Report, path: str | os.PathLike) -> None:
    """Write `Report.as_dict` likewise."""
    _write(path, json.dumps(report.as_dict(), indent=2) + "\n")


def _write(path: str | os.PathLike, text: str) -> None:
    try:
        replace_file(path, text.encode("utf-8"))
    except OSError as error:
        raise DataError(f"cannot be written: {error.strerror or error}", where=os.fspath(path)) from None


def _file(name: str) -> str:
    return (files("hwshift.reports") / name).read_text(encoding="utf-8")
