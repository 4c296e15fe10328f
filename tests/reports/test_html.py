import csv
import io
import json
import os
import re
import stat
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from hwshift.config import load_config
from hwshift.cost.tables import ASIC_WARNING
from hwshift.errors import DataError
from hwshift.program.counters import Cause
from hwshift.reports.html import render_html, write_html
from hwshift.reports.make import make_report
from hwshift.reports.writers import csv_text, json_text, write_csv, write_json
from hwshift.resolve import load_network

from .build import SATURATED, report_of, with_everything

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
    analysis = replace(report.analysis, energy=energy)
    assert ASIC_WARNING not in render_html(replace(report, analysis=analysis))


def test_hostile_names():
    report = report_of("csc", "8x8")
    network = replace(report.analysis.network, name="<script>alert(1)</script>")
    text = render_html(replace(report, analysis=replace(report.analysis, network=network)))
    assert "<script>alert" not in text


def test_what_was_asked_for():
    report = with_everything()
    root = page(report)
    text = " ".join("".join(root.itertext()).split())
    assert "top-1: 75.00%" in text and "four" in text
    area = report.area.total
    assert f"{area.lut:,} LUT" in text and "Area of an FPGA, estimated" in text and report.area.source in text
    assert (
        f"about {report.area.fmax_mhz:.0f} MHz, at which an image takes" in text
        and report.area.clock.note in text
    )
    blocks = table(root, "area-table")
    assert (
        sum(int(row[1][1]) for row in blocks) == area.lut
        and sum(float(row[5][1]) for row in blocks) == area.bram
    )
    (row,) = table(root, "saturation")
    assert [value for _, value in row[2:5]] == ["2000", "3", str(3 / 2000)]
    assert row[0][0] == SATURATED.name and row[4][0] == "1500.0"
    rows = table(root, "style-table")
    assert [int(row[2][1]) for row in rows[:2]] == [style.cycles for style in report.styles[:2]]
    assert rows[2][2][0] == "refused: conv: a weight of 3 & more"
    plain = "".join(page(report_of("csc", "8x8")).itertext())
    for heading in (
        "The same network on other hardware",
        "Values and saturation",
        "Accuracy",
        "Area, estimated",
    ):
        assert heading in text and heading not in plain


def test_links_lead_somewhere():
    for report in (report_of("csc", "8x8"), with_everything()):
        root = page(report)
        found = {element.get("id") for element in root.iter()}
        links = [element.get("href") for element in root.iter() if element.tag.rpartition("}")[2] == "a"]
        assert links and {link.removeprefix("#") for link in links} <= found


@pytest.mark.slow
def test_a_page_of_many_layers_stays_small():
    config = load_config("16x16")
    report = make_report(load_network("ResNet110"), config, styles=False)
    assert len(report.rows) > 110
    text = render_html(report)
    assert len(text) < 2_000_000 and text.count("<") < 40_000


def test_writing(tmp_path):
    report, path = report_of("csc", "8x8"), tmp_path / "report.html"
    path.write_text("old")
    write_html(report, path)
    assert path.read_text(encoding="utf-8") == render_html(report)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    write_json(report, tmp_path / "report.json")
    written = json.loads((tmp_path / "report.json").read_text())
    assert [item["topic"] for item in written.pop("findings")][0] == "energy"
    assert written == json.loads(json.dumps(report.as_dict()))
    write_csv(report, tmp_path / "report.csv")
    assert (tmp_path / "report.csv").read_text(encoding="utf-8") == csv_text(report)
    assert sorted(os.listdir(tmp_path)) == ["report.csv", "report.html", "report.json"]


@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_csv(case):
    report = report_of(*case)
    rows = list(csv.DictReader(io.StringIO(csv_text(report))))
    assert [row["layer"] for row in rows] == [row.name for row in report.rows]
    counters = report.simulation.counters
    for cause in Cause:
        name = cause.name.lower()
        assert sum(int(row[f"{name}_cycles"]) for row in rows) == counters[name]
    for part, value in report.energy.by_part_pj.items():
        assert sum(float(row[f"{part}_pj"]) for row in rows) == pytest.approx(value, rel=1e-4)
    assert sum(int(row["memory_bytes"]) for row in rows) * 8 == report.counts.total.memory.total_bits


def test_json_is_plain():
    data = json.loads(json_text(with_everything()))
    assert data["styles"][2]["refused"] == "conv: a weight of 3 & more"
    assert data["saturation"][0]["saturated"] == 3
    assert data["accuracy"]["top-1"] == "75.00%"
    assert data["area"]["target"] == "ecp5" and data["area"]["estimate"] is True
    blocks = data["area"]["blocks"].values()
    assert data["area"]["total"]["lut"] == sum(block["lut"] for block in blocks) > 1000


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
