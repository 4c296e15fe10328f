"""The bench command, on what is quick."""

import json
from itertools import groupby

import pytest

from hwshift.benchmarks.measure import Measurement, measure, rows_of
from hwshift.benchmarks.networks import network_rows
from hwshift.benchmarks.products import multiply_peak
from hwshift.cli import main
from hwshift.progress import silent


def test_models_as_json(capsys):
    assert main(["bench", "models", "--repeats", "1", "--json", "--quiet"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [(row["name"], row["unit"]) for row in rows] == [
        ("cycle model", "cycles"),
        ("functional simulator", "MACs"),
        ("golden model, 16 images", "MACs"),
    ]
    assert all(row["rate"] > 0 and len(row["seconds"]) == 1 for row in rows)


def test_as_a_table(capsys):
    assert main(["bench", "models", "--repeats", "1", "--threads", "1", "--quiet"]) == 0
    assert capsys.readouterr().out == ""
    assert main(["bench", "models", "--repeats", "1", "--threads", "1"]) == 0
    assert "functional simulator" in capsys.readouterr().out


def test_unknown_topic(capsys):
    assert main(["bench", "nothing"]) == 2
    assert "'nothing' is not one of" in capsys.readouterr().err


def test_networks_beside_onnx_runtime():
    """A small network: all its ways are there, and the ratio is to the faster export."""
    rows = list(
        network_rows(2, 1, silent, cases=(("csc-small", "fixed"), ("csc-small", "pow2")), batches=(1, 3))
    )
    groups = {group: list(own) for group, own in groupby(rows, lambda row: row.group)}
    assert list(groups) == [f"csc-small{kind}, batch {batch}" for kind in ("", " pow2") for batch in (1, 3)]
    for golden, *others in groups.values():
        exports = [row for row in others if row.name.startswith("ONNX Runtime")]
        best = max(exports, key=lambda row: row.rate)
        assert len(exports) == 2
        assert golden.against == best.name and golden.ratio == pytest.approx(golden.rate / best.rate)


def test_measurements_take_turns_after_a_warm_up():
    order = []
    measured = measure({name: lambda n=name: order.append(n) for name in "ab"}, "runs", 1.0, 2)
    assert order == ["a", "b", "a", "b", "a", "b"]
    assert [(m.name, len(m.seconds)) for m in measured] == [("a", 2), ("b", 2)]


def test_ratios():
    rows = rows_of(
        "g", [Measurement("x", "u", 6.0, (1.0, 3.0, 2.0)), Measurement("y", "u", 6.0, (4.0,))], "y"
    )
    assert [(row.rate, row.ratio) for row in rows] == [(3.0, 2.0), (1.5, None)]


def test_the_peak_multiplies():
    """What is timed depends on every product: twelve chains of powers of 3, cut to 32 bits between."""
    assert isinstance(multiply_peak(), int)
