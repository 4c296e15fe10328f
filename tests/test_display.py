"""What objects show in notebooks."""

import html
import re
from xml.etree import ElementTree

import pytest

import hwshift
from hwshift.config import PRESETS
from hwshift.cost.analysis import analyse
from hwshift.display import frame, table
from hwshift.resolve import prepare
from hwshift.verification import VerifyReport


def cells(text):
    """Rows of the table as lists of texts."""
    return [["".join(cell.itertext()) for cell in row] for row in ElementTree.fromstring(text).iter("tr")]


def test_table():
    text = table(("a", "b<"), [("x & y", 1234), (None, 0.5)], caption="<c>", total=("sum", 7))
    assert cells(text) == [["a", "b<"], ["x & y", "1,234"], ["", "0.50"], ["sum", "7"]]
    assert ElementTree.fromstring(text).find(".//caption/b").text == "<c>"


def test_a_frame_holds_a_page():
    found = ElementTree.fromstring(frame("<p title='x'>1 < 2 & \"3\"</p>"))
    assert found.tag == "iframe" and found.get("srcdoc") == "<p title='x'>1 < 2 & \"3\"</p>"
    assert found.get("sandbox") == "allow-scripts"


@pytest.fixture(scope="module")
def network():
    return hwshift.load("csc-small")


def test_networks(network):
    rows = cells(network._repr_html_())
    assert [row[0] for row in rows[1:-1]] == [node.name for node in network.nodes]
    assert rows[-1][-2:] == [f"{network.parameters:,}", f"{network.macs:,}"]
    fixed = hwshift.quantize(network)
    rows = cells(fixed._repr_html_())
    assert [row[0] for row in rows[1:]] == [layer.name for layer in fixed.layers]


def test_programs_and_simulations(network):
    program = hwshift.compile(network, "4x4")
    assert [row[0] for row in cells(program._repr_html_())[1:]] == [layer["name"] for layer in program.layers]
    found = hwshift.simulate(network, "4x4")
    rows = cells(found._repr_html_())
    assert rows[-1][4] == f"{found.counters['total']:,}"
    assert f"{found.counters['total']:,} cycles" in found._repr_html_()


def test_evaluations(network):
    rows = cells(hwshift.evaluate(network, limit=2)._repr_html_())
    assert rows[1][0] == "float" and len(rows) == 4


def test_costs(network):
    config = PRESETS["4x4"]
    found = analyse(prepare(network, config), config)
    rows = cells(found._repr_html_())
    total = found.simulation.counters["total"]
    assert [row[0] for row in rows[1:-1]] == [layer.name for layer in found.layers]
    assert int(rows[-1][3].replace(",", "")) + int(rows[-1][4].replace(",", "")) == total
    assert repr(found) == f"<CostAnalysis csc-0 on 4x4: {total:,} cycles>"


def test_reports(network, tmp_path):
    report = hwshift.report(network, tmp_path / "page.html", "4x4", styles=False)
    page = html.unescape(re.search(r'srcdoc="([^"]*)"', report._repr_html_())[1])
    assert page == (tmp_path / "page.html").read_text(encoding="utf-8")
    assert repr(report) == "<Report csc-0 on 4x4>"
    assert re.search(r"<title>csc-\d+ on 4x4: hwshift report</title>", page)


def test_verifications():
    report = VerifyReport(
        "net", "4x4", 1, "icarus", True, 3, 100, 2, ("RTL, image 0: a < b",), (7, 7), 7, True, (1,)
    )
    rows = dict(cells(report._repr_html_())[1:])
    assert rows["agree"] == "NO" and rows["differs"] == "RTL, image 0: a < b"
    assert rows["cycles of the RTL"] == "7"
