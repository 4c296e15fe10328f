import re
from xml.etree import ElementTree

import pytest

from hwshift.reports.plots import PART_COLOURS, PLOTS, macs_and_cycles

from .build import report_of

OKABE_ITO = {"#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7", "#000000"}
UNITS = {
    "energy_by_layer": "energy per image in nJ",
    "cycles_by_cause": "cycles",
    "traffic_by_kind": "memory traffic per image in KiB",
    "macs_and_cycles": "useful MACs",
}


def texts(svg):
    return [element.text for element in ElementTree.fromstring(svg).iter() if element.tag.endswith("text")]


@pytest.mark.parametrize("name", PLOTS)
@pytest.mark.parametrize("case", [("csc", "8x8"), ("mixed", "8x8-mac")], ids="-".join)
def test_plots(name, case):
    svg = PLOTS[name](report_of(*case))
    assert UNITS[name] in texts(svg)
    prefix = name.replace("_", "-")
    assert all(value.startswith(prefix) for value in re.findall(r'\bid="([^"]*)"', svg))
    assert 'width="100%"' in svg[: svg.index(">")]
    assert svg == PLOTS[name](report_of(*case))


def test_names():
    assert set(UNITS) == set(PLOTS)


def test_colours():
    colours = list(PART_COLOURS.values())
    assert set(colours) <= OKABE_ITO and len(set(colours)) == len(colours)


def test_values_stand_in_the_plots():
    report = report_of("csc", "8x8")
    counters = report.simulation.counters
    bars = texts(PLOTS["cycles_by_cause"](report))
    assert f"{counters['busy']:,} ({counters['busy'] / counters['total']:.1%})" in bars
    named = texts(PLOTS["energy_by_layer"](report))
    assert {row.name for row in report.rows} <= set(named)


def test_without_a_multiplication():
    report = report_of("csc", "8x8")
    rows = tuple(row for row in report.rows if not row.macs)
    assert "no layer multiplies" in texts(macs_and_cycles(type(report)(**{**vars(report), "rows": rows})))
