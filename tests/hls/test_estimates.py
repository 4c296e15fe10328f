"""Estimates of streaming designs against figures worked out by hand."""

import numpy as np
import pytest

import hwshift
from hwshift.config import PRESETS
from hwshift.hls import estimate
from hwshift.hls.estimates import LABEL
from hwshift.hls.plan import plan_stream
from hwshift.hls.process import LATENCY, ROW_OVERHEAD
from hwshift.network.fixed import Conv, Epilogue, FixedLayer, FixedNetwork, FixedWeights, Input
from hwshift.network.random import csc_network
from hwshift.resolve import prepare

CONFIG = PRESETS["4x4-mac"]


def one_conv(channels, out, size, kernel=1):
    """A convolution with weight 1 everywhere."""
    weights = FixedWeights(CONFIG.weights, np.full((out, channels, kernel, kernel), 1 << 16, np.int64))
    pad = (kernel // 2,) * 4
    layers = (
        FixedLayer("in", Input(), (), (channels, size, size)),
        FixedLayer("out", Conv(weights, padding=pad), ("in",), (out, size, size), Epilogue.identity(out)),
    )
    return prepare(FixedNetwork("one", CONFIG.act, layers), CONFIG)


def test_a_pointwise_layer_by_hand():
    """8 channels to 8 on 6 x 6 pixels: 2304 products. 16 elements take 144 cycles, each pixel 4."""
    found = estimate(one_conv(8, 8, 6), CONFIG)
    assert (found.target_ii, found.initiation_interval) == (144, 144)
    assert found.multipliers == 16
    assert found.utilisation == pytest.approx(1.0)
    # the last word goes out LATENCY cycles after the last of 144 iterations
    assert found.latency == 143 + LATENCY["matrix"]
    # 32 x 32 bits: four DSP blocks of 27 x 18 each; the epilogue's 47 x 18 takes two, its 34 x 18 two
    (row,) = found.processes
    assert row.dsp == found.dsp == 16 * 4 + row.out_lanes * 4


def test_a_window_by_hand():
    """3 x 3 on 5 x 5 pixels, one channel: 225 taps at one per cycle, and the start of every row."""
    found = estimate(one_conv(1, 1, 5, 3), CONFIG)
    window, matrix = found.processes
    assert matrix.cycles == 225
    # before row 0 two rows of 5 pixels, then five rows of 45 taps
    assert window.cycles == (2 * 5 + ROW_OVERHEAD) + 5 * (45 + ROW_OVERHEAD)
    assert found.initiation_interval == 5 * (45 + ROW_OVERHEAD)
    # in use: three rows, and one that is read meanwhile
    assert window.memory_bits == 4 * 5 * 32


def test_it_says_what_it_is():
    found = estimate(one_conv(4, 4, 3), CONFIG)
    assert found.label == LABEL == "estimates from hwshift's own models; no tool has measured them"
    values = found.as_dict()
    assert values["processes"][0]["kind"] == "matrix"
    assert sum(row["lut"] for row in values["processes"]) <= values["lut"]
    assert hwshift.hls.estimate is estimate


def test_shift_add_needs_no_dsp():
    config = PRESETS["4x4"]
    found = estimate(prepare(csc_network(4, 6, 6, 1), config), config)
    assert found.dsp == 0
    assert found.ramb36 >= 0
    assert found.memory_bits > 0


def test_more_cycles_take_less():
    config = PRESETS["8x8"]
    network = prepare(csc_network(8, 8, 8, 1), config)
    fast, slow = (estimate(network, config, target) for target in (1000, 8000))
    assert fast.initiation_interval < slow.initiation_interval <= 8000
    assert fast.multipliers > slow.multipliers
    assert fast.lut > slow.lut


def test_the_interval_is_that_of_the_slowest_process():
    """With the slack that FIFOs get, nothing else holds a stream of images up."""
    config = PRESETS["8x8"]
    network = prepare(csc_network(8, 12, 12, 2, stride2=(1,)), config)
    plan = plan_stream(network, config)
    found = estimate(network, config)
    assert found.initiation_interval <= 1.02 * max(row.cycles for row in found.processes)
    assert found.fifo_words == sum(c.depth for c in plan.channels[2:] if c.depth > c.pixel_words + 1)
