from xml.etree import ElementTree

import pytest

from hwshift.errors import DataError
from hwshift.program.counters import Cause
from hwshift.reports import flow, timeline
from hwshift.reports.figures import CAUSE_GROUPS, COLOURS, FIGURES, cycles_by_layer, energy_by_layer, roofline
from hwshift.reports.plots import PLOTS, write_figures

from .build import report_of, with_everything

OKABE_ITO = {
    "#E69F00",
    "#56B4E9",
    "#009E73",
    "#F0E442",
    "#0072B2",
    "#D55E00",
    "#CC79A7",
    "#000000",
    "#8A8A8A",
}
UNITS = {
    "energy_by_layer": "energy per image in nJ",
    "cycles_by_layer": "cycles per image",
    "cycles_by_cause": "cycles",
    "traffic_by_kind": "memory traffic per image in KiB",
    "roofline": "useful MACs per cycle",
    "styles": "relative to this design",
    "area_by_block": "look-up tables of Lattice ECP5",
    "timeline": "cycles since start",
    "flow": "bytes per image",
}
CASES = [("csc", "8x8"), ("mixed", "8x8-mac")]


def test_names():
    assert set(UNITS) == set(PLOTS)


def test_colours_can_be_told_apart():
    assert set(COLOURS.values()) <= OKABE_ITO
    for figure in (energy_by_layer, cycles_by_layer):
        keys = [item.key for item in figure(report_of("csc", "8x8")).series]
        assert len({COLOURS[key] for key in keys}) == len(keys)


def test_every_cause_has_one_group():
    causes = [cause for _, group in CAUSE_GROUPS.values() for cause in group]
    assert sorted(causes) == sorted(Cause)


def test_svg_files(tmp_path):
    report = with_everything()
    files = write_figures(report, tmp_path / "new")
    assert [path.name for path in files] == [f"{name}.svg" for name in PLOTS]
    for path in files:
        texts = [e.text for e in ElementTree.parse(path).iter() if e.tag.endswith("text")]
        assert UNITS[path.stem] in texts, path.name
    before = [path.read_bytes() for path in files]
    assert [path.read_bytes() for path in write_figures(report, tmp_path / "new")] == before


def test_png_files(tmp_path):
    files = write_figures(report_of("csc", "8x8"), tmp_path, "png")
    unasked = {"styles", "area_by_block"}
    assert [path.stem for path in files] == [name for name in PLOTS if name not in unasked]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in files)


def test_a_folder_that_cannot_be_made(tmp_path):
    with pytest.raises(DataError, match=r"missing/new: cannot be written: No such file or directory$"):
        write_figures(report_of("csc", "8x8"), tmp_path / "missing" / "new")


def test_area_adds_up():
    report = with_everything()
    bars = FIGURES["area_by_block"](report)
    assert sum(bars.values) == report.area.total.lut > 0
    assert list(bars.values) == sorted(bars.values, reverse=True)
    assert set(bars.labels) == set(report.area.blocks)


@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_stacks_add_up(case):
    report = report_of(*case)
    assert sum(energy_by_layer(report).totals) == pytest.approx(report.energy.total_pj / 1e3)
    assert sum(cycles_by_layer(report).totals) == report.simulation.counters["total"]
    bars = FIGURES["cycles_by_cause"](report)
    assert sum(bars.values) == report.simulation.counters["total"]
    traffic = FIGURES["traffic_by_kind"](report)
    assert sum(traffic.values) * 8192 == report.counts.total.memory.total_bits


def test_roofline_by_hand():
    """8 x 8 places and a bus of 8 bytes: 64 MACs per cycle, from 8 MACs per byte on."""
    report = report_of("csc", "8x8")
    figure = roofline(report)
    assert (figure.peak, figure.slope) == (64, 8)
    macs = {layer.name: layer.macs for layer in report.simulation.layers}
    cycles = {layer.name: layer.total for layer in report.analysis.cycles}
    for point in figure.points:
        memory = report.counts.layer(point.label).memory
        busier = max(memory.read_bits, memory.map_write_bits) / 8
        assert point.x == pytest.approx(macs[point.label] / busier)
        assert point.y == pytest.approx(macs[point.label] / cycles[point.label])
        assert (point.key == "bus_limit") == (point.x < 8)
    assert len(figure.points) + figure.hidden == sum(1 for value in macs.values() if value)


@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_flow(case):
    report = report_of(*case)
    links = flow.links(report)
    into, out = flow.bits_of(links)
    memory = report.counts.total.memory
    assert out["external"] == memory.read_bits and into["external_out"] == memory.map_write_bits
    boxes, bands = flow.geometry(links)
    for name, box in boxes.items():
        assert box.taken_in <= box.height + 1e-6 and box.taken_out <= box.height + 1e-6, name
        assert box.y + box.height <= flow.HEIGHT
    thick = {round(band[4] / link.bits, 12) for link, band in bands}
    assert len(thick) == 1  # one scale for all


def test_timeline():
    report = report_of("csc", "8x8")
    found = timeline.spans(report)
    total = report.simulation.counters["total"]
    assert {span.track for span in found} == set(timeline.TRACKS)
    assert all(0 <= span.begin < span.end <= total for span in found)
    computed = [span for span in found if span.track == "compute"]
    assert {span.label for span in computed} == {
        layer.name for layer in report.simulation.layers if layer.steps
    }
    idle = sum(span.height * (span.end - span.begin) for span in found if span.track == "stalls")
    counters = report.simulation.counters
    assert idle == pytest.approx(counters["total"] - counters["busy"] - counters["tail"], abs=1)


def test_many_spans_are_merged():
    spans = [timeline.Span("load", "weights", f"w{i}", 10 * i, 10 * i + 4) for i in range(5000)]
    few = timeline.merged(spans, 50_000, 100)
    assert len(few) <= 100 and few[0].begin == 0 and few[-1].end == 49_994
    assert timeline.merged(spans[:50], 50_000, 100) == spans[:50]
    stalls = [
        timeline.Span("stalls", "fetch", f"{i}", 10 * i, 10 * i + 10, (i % 10) / 9) for i in range(5000)
    ]
    few = timeline.merged(stalls, 50_000, 100)
    assert len(few) <= 100
    assert sum(span.height * (span.end - span.begin) for span in few) == pytest.approx(25_000, rel=0.02)
