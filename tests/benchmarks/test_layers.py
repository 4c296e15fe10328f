"""Where cycles go: by kind of operation, all of them, beside the papers' figures."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from hwshift.benchmarks import layers
from hwshift.benchmarks.bars import fixed_setting
from hwshift.benchmarks.studies import STUDIES, Case, Study
from hwshift.cli import root
from hwshift.network import ops
from hwshift.network.fixed import Conv
from hwshift.progress import silent
from hwshift.resolve import load_network, prepare

SMALL = Study(
    "small",
    "nowhere",
    (
        Case("moved", "ShiftNet-C@32", "moved", paper={"CPU %": 3.6}),
        Case("fused", "ShiftNet-C@32", "fused", paper={"CPU %": 1.2}),
        Case("depthwise", "ShiftNet-C@32,spatial=depthwise"),
        Case("refused", "ShiftStyle@32"),
    ),
    times=True,
)


@pytest.fixture(scope="module")
def rows():
    return {row.label: row for row in layers.study_results(silent, [SMALL])}


def test_every_cycle_has_one_kind(rows):
    for row in rows.values():
        assert sum(row.kinds.values()) == row.cycles and set(row.kinds) <= set(layers.KINDS)
        assert all(cycles > 0 for cycles in row.kinds.values())
    assert "shifts" not in rows["fused"].kinds and "depthwise" not in rows["moved"].kinds


def test_shifts_take_cycles_where_they_move(rows):
    moved, fused = rows["moved"], rows["fused"]
    assert moved.spatial_share == pytest.approx(moved.kinds["shifts"] / moved.cycles)
    assert fused.spatial_share == 0 < moved.spatial_share < rows["depthwise"].spatial_share
    assert fused.ratio == pytest.approx(fused.cycles / moved.cycles) and moved.ratio == 1
    assert fused.paper_ratio == {"CPU %": pytest.approx(1 / 3)}


def test_a_refusal_is_a_row(rows):
    assert rows["refused"].refused.startswith("first.relu: InstanceNorm") and not rows["refused"].kinds


def test_a_depthwise_layer_takes_its_taps():
    """3x3 on a whole map: nine passes over ceil(channels / 16) groups of channels, and little else."""
    config = fixed_setting("16x16")
    network = prepare(load_network("ShiftNet-C@64,spatial=depthwise"), config)
    expected = 0
    for layer in network.layers:
        if isinstance(layer.op, Conv) and layer.op.groups > 1:
            channels, height, width = layer.shape
            expected += 9 * -(-channels // 16) * height * width
    _, kinds = layers.layer_times(network, config)
    assert expected <= kinds["depthwise"] <= 1.3 * expected + 16 * 9 * 16


def test_studies_name_what_the_papers_print():
    by_title = {study.title: study for study in STUDIES}
    printed = [case.paper for case in by_title["what the shift takes"].cases]
    assert printed == [{}, {"CPU %": 3.6, "GPU %": 28.1}, {}, {"GPU %": 79.2}, {"GPU %": 62.1}]
    sizes = [case.paper["ARM ms"] for case in by_title["ShuffleNet by size"].cases]
    assert sizes == [15.2, 37.8, 108.8, 87.4, 222.2, 617.0, 260.1, 684.5, 1857.6]
    assert [case.paper["GPU ms"] for case in by_title["shift or depthwise"].cases][:3] == [16.1, 21.4, 21.8]


def test_removed_shift_layers():
    """The sparsest go first; the last to stay is the second of the second group, as the paper says."""
    cases = {case.label: case for study in STUDIES for case in study.cases}
    moving = []
    for removed in (0, 4, 6, 8, 9):
        network = load_network(cases[f"{removed} removed"].network)
        shifts = [node for node in network.nodes if isinstance(node.op, ops.SpatialShift)]
        moving.append([index for index, node in enumerate(shifts) if np.any(node.op.offsets)])
    assert [len(each) for each in moving] == [8, 5, 3, 1, 0]  # one of the nine moves nothing as printed
    assert moving[3] == [4]


def test_ratios_are_to_rows_that_come_before():
    for study in STUDIES:
        seen = set()
        for case in study.cases:
            seen.add(case.label)
            assert case.against is None or case.against in seen, case.label


def test_every_network_of_the_studies_exists():
    for study in STUDIES:
        for case in study.cases:
            load_network(case.network, outline=True)


def test_command(monkeypatch, rows):
    monkeypatch.setattr(layers, "study_results", lambda *_: iter(rows.values()))
    out = CliRunner().invoke(root, ["bench", "layers", "--json"])
    assert out.exit_code == 0, out.output
    printed = json.loads(out.stdout)["layers"]
    assert [row["label"] for row in printed] == list(rows)
    assert printed[0]["kinds"] == rows["moved"].kinds
    text = CliRunner().invoke(root, ["bench", "layers"]).stdout
    assert "shifts %" in text and "paper: CPU %" in text and "refused cannot be compiled: first.relu" in text
