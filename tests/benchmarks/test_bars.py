"""The bars' figures add up, and a refusal is a result."""

import json

import pytest
from click.testing import CliRunner

from hwshift.benchmarks import bars
from hwshift.cli import root
from hwshift.resolve import load_network
from hwshift.zoo import names


def test_fixed_setting():
    """1.25 MiB are 327 680 values of 4 bytes, over 16 banks of 2 or 8 sub-banks; a pow2 tile is 160 bytes."""
    config = bars.fixed_setting("16x16")
    assert (config.feature_depth, config.weight_tiles, config.acc_depth, config.bus_width) == (
        10240,
        819,
        512,
        128,
    )
    assert bars.fixed_setting("16x16x4").feature_depth == 2560
    assert bars.fixed_setting("16x16-mac").weight_tiles == 512
    assert {bar.network for bar in bars.BARS} <= set(names())


@pytest.fixture(scope="module")
def result():
    return bars.measure_network("ShiftResNet20-1", "16x16")


def test_figures(result):
    figures, counters = result.figures, result.counters
    assert figures["macs"] == load_network("ShiftResNet20-1").macs == pytest.approx(5.95e6, rel=1e-3)
    assert figures["total"] == pytest.approx(sum(result.lost.values()) + figures["macs"] / 256)
    beats = counters["fetch_beats"] + counters["load_beats"] + counters["store_beats"]
    assert figures["dram_bytes"] == 16 * beats
    assert figures["compulsory_bytes"] <= figures["dram_bytes"]
    assert figures["dram_bytes"] == figures["compulsory_bytes"] + sum(result.traffic.values())
    assert result.traffic["weights loaded again"] == 0  # they stay over the strips in which the input arrives
    assert result.traffic["input"] == 0  # pixels lie without gaps
    assert (
        result.traffic["scale and bias"] == figures["table_bytes"] - result.traffic["lane and k-tile tables"]
    )


def test_bars(result):
    met = {bar["figure"]: bar["met"] for bar in result.bars}
    assert met["cycles_over_bound"] and met["utilisation_total"] and not met["dram_over_compulsory"]
    (missed,) = (bar for bar in result.bars if bar["figure"] == "dram_over_compulsory")
    assert missed["missed_by"] == pytest.approx(result.figures["dram_over_compulsory"] - 1.10)


def test_traffic_of_a_network_of_shifts():
    found = bars.measure_network("ShiftNet-C", "16x16")
    assert found.figures["dram_over_compulsory"] == pytest.approx(1.05, abs=0.005)
    assert {bar["figure"]: bar["met"] for bar in found.bars}["dram_over_compulsory"]


def test_a_refusal_is_a_result():
    found = bars.measure_network("ShiftStyle@32", "16x16")
    assert found.refused.startswith("first.relu: InstanceNorm") and not found.figures and not found.bars


def test_command(monkeypatch, result):
    monkeypatch.setattr(bars, "NETWORKS", (("ShiftResNet20-1", "16x16"), ("ShiftStyle@32", "16x16")))
    monkeypatch.setattr(bars, "measure_network", lambda *_: result)
    out = CliRunner().invoke(root, ["bench", "bars", "--json"])
    assert out.exit_code == 0, out.output
    printed = json.loads(out.stdout)
    assert [row["network"] for row in printed["bars"]] == ["ShiftResNet20-1"] * 2
    assert [row["feature_kib"] for row in printed["curve"]] == [64, 128, 256, 512, 1024, 1280, 2048, 4096]
    text = CliRunner().invoke(root, ["bench", "bars"]).stdout
    share = result.traffic["instructions"] / result.figures["compulsory_bytes"]
    assert f"instructions {100 * share:.1f} %" in text
    assert "Bars" in text and "over bound" in text
