"""Tests of `hwshift.simulation`: figures follow from counters, and layers add up."""

import numpy as np
import pytest

from hwshift.config import PRESETS
from hwshift.data import Images, load_data
from hwshift.network.random import csc_network, mixed_network
from hwshift.program.counters import COUNTERS
from hwshift.resolve import prepare
from hwshift.sim.cycle.model import MemoryTiming
from hwshift.simulation import layer_macs, simulate

CONFIG = PRESETS["4x4"]
NETWORK = prepare(csc_network(4, 4, 4, 1, classes=3, seed=1), CONFIG)


def test_macs_by_hand():
    assert layer_macs(NETWORK) == {
        "input": 0,
        "stem": 4 * 4 * 4 * 3 * 9,
        "m0_relu1": 4 * 4 * 4 * 4,
        "m0": 4 * 4 * 4 * 4,
        "pool": 0,
        "classifier": 3 * 4,
    }


def test_figures_follow_from_counters():
    report = simulate(NETWORK, CONFIG, clock_mhz=50.0)
    counters = report.counters
    assert list(counters) == [item.name for item in COUNTERS]
    assert report.macs == sum(layer_macs(NETWORK).values()) == 2252
    assert report.peak == 16
    assert report.utilisation["busy"] == pytest.approx(2252 / (16 * counters["busy"]))
    assert report.utilisation["compute"] == pytest.approx(2252 / (16 * report.compute_cycles))
    assert report.utilisation["total"] == pytest.approx(2252 / (16 * counters["total"]))
    assert counters["busy"] < report.compute_cycles < counters["total"]
    assert report.traffic["loads"] == 8 * counters["load_beats"]
    assert report.traffic["total"] == 8 * sum(
        counters[name] for name in ("fetch_beats", "load_beats", "store_beats")
    )
    assert report.images_per_second == pytest.approx(50e6 / counters["total"])
    assert report.operations is None


@pytest.mark.parametrize("keep", ["all", "outputs"])
def test_layers_add_up(keep):
    network = prepare(mixed_network(1), CONFIG)
    image = Images.of(load_data(None, shape=network.input.shape, limit=1), network.act).codes[0]
    report = simulate(network, CONFIG, image, keep=keep)
    assert (
        sum(layer.steps for layer in report.layers) == report.counters["steps"] == report.operations["steps"]
    )
    assert sum(layer.macs for layer in report.layers) == report.macs
    worked = [layer for layer in report.layers if layer.steps]
    assert all(layer.last - layer.first >= layer.steps - 1 for layer in worked)
    assert all(a.last < b.first for a, b in zip(worked, worked[1:], strict=False))
    assert worked[-1].last < report.counters["total"]
    assert all(0 <= layer.utilisation <= 1 for layer in report.layers)


def test_slower_memory_takes_longer():
    fast = simulate(NETWORK, CONFIG)
    slow = simulate(NETWORK, CONFIG, memory=MemoryTiming(read_latency=90))
    assert fast.counters["total"] < slow.counters["total"]
    assert slow.as_dict()["read_latency"] == 90


def test_keeping_all_maps_writes_more():
    stores = [simulate(NETWORK, CONFIG, keep=keep).traffic["stores"] for keep in ("outputs", "all")]
    assert stores == [16, 4 * 4 * (3 * 4 * 4 + 2)]


def test_image_is_what_the_network_takes():
    with pytest.raises(Exception, match="the input must be integers of the shape"):
        simulate(NETWORK, CONFIG, np.zeros((1, 4, 4), np.int32))
