import csv
import io
import xml.dom.minidom

import pytest

from hwshift.compiler.shift_mode import with_shifts
from hwshift.cost.analysis import analyse
from hwshift.cost.compare import METRICS, Candidate, as_csv, as_dict, labels, layer_table, ratio, shown, table
from hwshift.cost.energy import PARTS
from hwshift.reports.compare import render_comparison

from .examples import analysis


@pytest.fixture(scope="module")
def pair():
    return [Candidate("csc", name, "", analysis("csc", name, "outputs")) for name in ("8x8", "8x8-mac")]


def test_figures_are_those_of_the_analyses(pair):
    rows = {metric.key: values for metric, values in table(pair)}
    assert list(rows) == [metric.key for metric in METRICS]
    for number, item in enumerate(pair):
        found = item.analysis
        assert rows["cycles"][number] == found.simulation.counters["total"]
        assert (
            rows["idle_cycles"][number]
            == found.simulation.counters["total"] - found.simulation.counters["busy"]
        )
        assert rows["energy_uj"][number] == pytest.approx(found.energy.total_pj / 1e6)
        parts = [rows[f"energy_{part}_uj"][number] for part in PARTS]
        assert sum(parts) == pytest.approx(rows["energy_uj"][number])
        memory = found.simulation.traffic["total"]
        assert rows["memory_bytes"][number] == memory
        assert rows["latency_us"][number] == pytest.approx(1e6 / rows["images_per_second"][number])
    assert rows["multiplies"][0] == 0 < rows["multiplies"][1]


def test_layers_stand_next_to_each_other(pair):
    rows = dict(layer_table(pair))
    assert list(rows)[: len(pair[0].analysis.layers)] == [layer.name for layer in pair[0].analysis.layers]
    for number, item in enumerate(pair):
        cycles = sum(cells[number][0] for cells in rows.values())
        assert cycles == item.analysis.simulation.counters["total"]
    other = Candidate("mixed", "8x8", "", analysis("mixed", "8x8", "outputs"))
    both = dict(layer_table([pair[0], other]))
    assert any(cells[0] is None for cells in both.values()) and any(
        cells[1] is None for cells in both.values()
    )
    moved = with_shifts(pair[0].analysis.network, "moved")
    shifts = Candidate("csc", "8x8", "moved", analyse(moved, pair[0].analysis.config))
    order = [name for name, _ in layer_table([pair[0], shifts])]
    own = [layer.name for layer in shifts.analysis.layers]
    assert [name for name in order if name in own] == own


def test_names_tell_only_what_differs(pair):
    one, two = pair
    assert labels(pair) == ["8x8", "8x8-mac"]
    assert labels([one]) == ["csc on 8x8"]
    other = Candidate("mixed", "8x8-mac", "", two.analysis)
    assert labels([one, other]) == ["csc", "mixed"]
    assert labels([one, two, other]) == ["csc on 8x8", "csc on 8x8-mac", "mixed on 8x8-mac"]
    moved = [Candidate("csc", "8x8", note, one.analysis) for note in ("fused", "moved")]
    assert labels(moved) == ["fused", "moved"]
    assert labels([one, one]) == ["csc on 8x8", "csc on 8x8"]
    assert moved[0].name == "csc on 8x8, fused"


def test_numbers():
    whole, real = METRICS[0], METRICS[3]
    assert (whole.whole, real.whole) == (True, False)
    assert [shown(whole, 12345), shown(real, 12345.6), shown(real, 12.3456)] == ["12,345", "12,346", "12.35"]
    assert [ratio(1, 2), ratio(3, 0)] == ["0.50x", ""]


def test_csv_and_json(pair):
    rows = list(csv.DictReader(io.StringIO(as_csv(pair))))
    assert [row["config"] for row in rows] == ["8x8", "8x8-mac"]
    assert {row["costs"] for row in rows} == {"45nm"}
    data = as_dict(pair)
    for row, item in zip(rows, data, strict=True):
        assert int(row["cycles"]) == item["counters"]["total"] == item["figures"]["cycles"]
        assert sum(sum(layer["cycles"].values()) for layer in item["layers"]) == item["counters"]["total"]


def test_page(pair):
    text = render_comparison(pair, "hwshift compare <csc>")
    assert text == render_comparison(pair, "hwshift compare <csc>")
    page = xml.dom.minidom.parseString(text.removeprefix("<!DOCTYPE html>"))
    headings = [node.firstChild.data for node in page.getElementsByTagName("h2")]
    assert headings == ["Energy by part, µJ", "Figures", "Layers"]
    assert "hwshift compare &lt;csc&gt;" in text
    assert pair[0].analysis.energy.table.warning in text
    assert "http" not in text
    rows = page.getElementsByTagName("table")[1].getElementsByTagName("tr")
    assert len(rows) == 1 + len(METRICS)
