import json
import os
import re
import stat
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from hwshift.errors import DataError
from hwshift.reports.html import render_html, write_html, write_json
from hwshift.reports.report import ASIC_WARNING

from .build import report_of

CASES = [("csc", "8x8"), ("mixed", "8x8-mac")]


def page(report):
    return ElementTree.fromstring(render_html(report).removeprefix("<!DOCTYPE html>"))


def table(root, name):
    """Rows of a table's body as cells, each (text, data-value or None)."""
    body = next(element for element in root.iter("table") if element.get("id") == name).find("tbody")
    return [[("".join(cell.itertext()).strip(), cell.get("data-value")) for cell in row] for row in body]


@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_the_page_loads_nothing(case):
    text = render_html(report_of(*case))
    root = page(report_of(*case))
    for element in root.iter():
        tag = element.tag.rpartition("}")[2]
        assert tag not in {"link", "img", "image", "iframe", "object", "embed", "base", "video", "audio"}
        for name, value in element.attrib.items():
            if name.rpartition("}")[2] in {"src", "href", "data", "action", "srcset"}:
                assert value.startswith("#")
    assert re.findall(r"url\((?!#)", text) == []
    assert "@import" not in text and "fetch(" not in text and "XMLHttpRequest" not in text
    assert set(re.findall(r"https?://[^\"' <]*", text)) <= {
        "http://www.w3.org/2000/svg"
    }  # a name, not a place


@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_identifiers_are_unique(case):
    found = [element.get("id") for element in page(report_of(*case)).iter() if element.get("id")]
    assert len(set(found)) == len(found)
    text = render_html(report_of(*case))
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', text))
    assert used <= set(found)


@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_the_layer_table_shows_the_counts(case):
    report = report_of(*case)
    rows = table(page(report), "layers")
    counts = {layer.name: layer for layer in report.counts.layers}
    assert [row[0][0] for row in rows] == [row.name for row in report.rows]
    for cells, row in zip(rows, report.rows, strict=True):
        values = [row.macs, row.busy_cycles, row.idle_cycles, row.utilisation, row.operations,
                  row.buffer_accesses, row.memory_bytes, row.energy_pj]  # fmt: skip
        assert [float(value) for _, value in cells[3:11]] == values
        assert int(cells[4][0].replace(",", "")) == counts[row.name].array.steps
        assert int(cells[7][0].replace(",", "")) == counts[row.name].array.operations
        assert int(cells[9][0].replace(",", "")) == counts[row.name].memory.total_bits // 8


def test_other_tables():
    report = report_of("csc", "8x8")
    root = page(report)
    assert [float(row[1][1]) for row in table(root, "parts")] == list(report.energy.by_part_pj.values())
    assert [int(row[3][1]) for row in table(root, "rates")] == [count for _, count in report.energy.by_rate]
    shown = {row[0][0]: int(row[1][1]) for row in table(root, "counters")}
    assert shown == report.simulation.counters
    assert [row[4][0] for row in table(root, "costs")] == [
        point.source for _, point in report.energy.table.lines
    ]


def test_text():
    report = report_of("csc", "8x8")
    text = " ".join("".join(page(report).itertext()).split())
    assert ASIC_WARNING in text
    assert "at 100 MHz, an assumed clock" in text
    assert "make <csc> & go" in text
    assert report.versions["hwshift"] in text
    assert f"{report.simulation.counters['total']:,}" in text
    assert "Accuracy" not in text


def test_a_table_of_an_fpga_needs_no_warning():
    report = report_of("csc", "8x8")
    energy = replace(report.energy, table=replace(report.energy.table, kind="fpga"))
    assert ASIC_WARNING not in render_html(replace(report, energy=energy))


def test_accuracy_and_hostile_names():
    report = replace(
        report_of("csc", "8x8"), accuracy={"top-1": "90.31 %"}, network="<script>alert(1)</script>"
    )
    text = render_html(report)
    assert "<script>alert" not in text
    assert "top-1: <strong>90.31 %</strong>" in text


def test_writing(tmp_path):
    report, path = report_of("csc", "8x8"), tmp_path / "report.html"
    path.write_text("old")
    write_html(report, path)
    assert path.read_text(encoding="utf-8") == render_html(report)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    write_json(report, tmp_path / "report.json")
    assert json.loads((tmp_path / "report.json").read_text()) == json.loads(json.dumps(report.as_dict()))
    assert sorted(os.listdir(tmp_path)) == ["report.html", "report.json"]


def test_a_file_that_cannot_be_written(tmp_path):
    path = tmp_path / "missing" / "report.html"
    with pytest.raises(
        DataError, match=rf"^{re.escape(str(path))}: cannot be written: No such file or directory$"
    ):
        write_html(report_of("csc", "8x8"), path)


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "report.html"
    path.write_text("old")

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(DataError, match=r"cannot be written: No space left on device$"):
        write_html(report_of("csc", "8x8"), path)
    assert os.listdir(tmp_path) == ["report.html"] and path.read_text() == "old"
