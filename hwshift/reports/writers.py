"""The report as JSON and CSV, and files that are replaced at once or not at all."""

import csv
import io
import json
import os
from dataclasses import asdict

from hwshift.cost.energy import PARTS
from hwshift.errors import DataError
from hwshift.program.counters import Cause
from hwshift.reports.findings import findings
from hwshift.reports.report import Report
from hwshift.writing import refusals_as, replace_file

__all__ = ["csv_text", "json_text", "write_csv", "write_json", "write_text"]


def json_text(report: Report) -> str:
    """`Report.as_dict` and what the page says in sentences, as text."""
    told = [asdict(item) for item in findings(report)]
    return json.dumps(report.as_dict() | {"findings": told}, indent=2) + "\n"


def csv_text(report: Report) -> str:
    """The layer table: a line of titles with units, then one line per layer; cycles by cause, energy by part."""
    cycles = {layer.name: layer.causes for layer in report.analysis.cycles}
    energy = report.energy.by_layer_pj
    causes = [cause.name.lower() for cause in Cause]
    text = io.StringIO()
    out = csv.writer(text, lineterminator="\n")
    out.writerow(
        ["layer", "operation", "channels", "height", "width", "useful_macs"]
        + [f"{name}_cycles" for name in causes]
        + ["utilisation", "array_operations", "shift_buffer_accesses", "memory_bytes"]
        + [f"{part}_pj" for part in PARTS]
        + ["energy_pj"]
    )
    for row in report.rows:
        own, spent = cycles.get(row.name, {}), energy.get(row.name, {})
        out.writerow(
            [row.name, row.op, *(row.shape or ("", "", "")), row.macs]
            + [own.get(name, 0) for name in causes]
            + [f"{row.utilisation:.6f}", row.operations, row.buffer_accesses, row.memory_bytes]
            + [f"{spent.get(part, 0.0):.6g}" for part in PARTS]
            + [f"{row.energy_pj:.6g}"]
        )
    return text.getvalue()


def write_json(report: Report, path: str | os.PathLike) -> None:
    """Write `json_text`; raises as `write_text`."""
    write_text(path, json_text(report))


def write_csv(report: Report, path: str | os.PathLike) -> None:
    """Write `csv_text`; raises as `write_text`."""
    write_text(path, csv_text(report))


def write_text(path: str | os.PathLike, text: str) -> None:
    """Write a file; an existing one is replaced at once or not at all.

    Raises
    ------
    DataError
        When the file cannot be written.
    """
    with refusals_as(DataError, path):
        replace_file(path, text.encode("utf-8"))
