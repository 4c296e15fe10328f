"""Tests of ranges and the formats chosen from them: by hand, and against sorted values."""

import math

import numpy as np
import pytest

from hwshift.data import Dataset, load_data
from hwshift.errors import ConfigError, QuantizeError
from hwshift.golden.formats import QFormat
from hwshift.network import ops
from hwshift.network.float_model import evaluate_all
from hwshift.network.graph import Network, Node
from hwshift.network.layer_formats import layer_formats
from hwshift.network.quantize import float_layers
from hwshift.network.random import csc_network
from hwshift.quantization import calibrate, quantize_network

from ..seeds import generator


def images(*values):
    return Dataset(np.array(values, np.float32).reshape(-1, 1, 1, 1), None, None, "made here")


def residual(weight=-3.0, bias=None):
    """x, then weight * x + bias + x, then ReLU."""
    offset = None if bias is None else np.array([bias])
    nodes = (
        Node("input", ops.Input(1, 1, 1)),
        Node("conv", ops.Conv2d(np.full((1, 1, 1, 1), weight), offset), ("input",)),
        Node("add", ops.Add(), ("conv", "input")),
        Node("relu", ops.ReLU(), ("add",)),
    )
    return Network("residual", nodes, "relu")


def test_by_hand():
    """The layer gives relu(-2x), 4 at most, but holds -3x before the addition: -3 to 6."""
    found = calibrate(residual(), images(1, -2), bits=8, margin=1.0)
    assert [(layer.name, layer.low, layer.high, layer.reach, layer.format) for layer in found.layers] == [
        ("input", -2.0, 1.0, 2.0, "Q3.5"), ("relu", -3.0, 6.0, 6.0, "Q4.4")
    ]  # fmt: skip
    assert (found.act, found.bits, found.images, found.origin) == (QFormat(4, 4), 8, 2, "made here")


def test_layers_that_need_one_format():
    """x and 10x are concatenated, moved and pooled: all have the format of 10x; the convolution after has its own."""
    nodes = (
        Node("input", ops.Input(1, 2, 2)),
        Node("large", ops.Conv2d(np.full((1, 1, 1, 1), 10.0)), ("input",)),
        Node("both", ops.Concat(), ("input", "large")),
        Node("shift", ops.SpatialShift(np.array([[0, 1], [1, 0]])), ("both",)),
        Node("pool", ops.MaxPool((2, 2), (2, 2)), ("shift",)),
        Node("small", ops.Conv2d(np.full((1, 2, 1, 1), 0.125)), ("pool",)),
    )
    data = Dataset(np.ones((1, 1, 2, 2), np.float32), None, None, "made here")
    network = Network("n", nodes, "small")
    found = calibrate(network, data, bits=8, margin=1)
    reaches = {layer.name: (layer.reach, layer.format) for layer in found.layers}
    assert reaches == {
        "input": (1.0, "Q5.3"), "large": (10.0, "Q5.3"), "both": (10.0, "Q5.3"), "shift": (10.0, "Q5.3"),
        "pool": (10.0, "Q5.3"), "small": (1.375, "Q2.6"),
    }  # fmt: skip
    rounded, report = quantize_network(network, act=8, per_layer=True, margin=1, weights="fixed", data=data)
    assert layer_formats(rounded)["small"].output == QFormat(2, 6)
    assert [layer.output.format for layer in report.layers] == ["Q5.3"] * 5 + ["Q2.6"]
    assert report.layers[-1].output.sqnr_db == math.inf  # 1.375 is on both grids
    assert report.layers[-1].output.lsb == report.scores[1].lsb == 2.0**-6


def test_margin_and_bias():
    found = calibrate(residual(), images(1, -2), bits=8, margin=1.5)
    assert [layer.reach for layer in found.layers] == [3.0, 9.0] and found.act == QFormat(5, 3)
    found = calibrate(residual(0.0, -100.0), images(1, -2), bits=8)
    assert found.layers[1].reach == 125.0  # the values are the bias, with margin
    found = calibrate(residual(0.0, -100.0), images(1, -2), bits=8, percentile=1)
    assert found.act == QFormat(8, 0)


def test_the_bias_counts_alone():
    """On these images -40x - 80 is 0, but the bias of 80 has to be stored."""
    found = calibrate(residual(-40.0, -80.0), images(-2, -2), bits=16, margin=1)
    assert found.layers[1].reach == 80.0 and found.act == QFormat(8, 8)


def test_batchnorms_make_biases():
    """gamma / sqrt(var) = 4: the bias 3 becomes 12 + 1."""
    norm = ops.BatchNorm(np.array([8.0]), np.array([1.0]), np.zeros(1), np.array([4.0]), 0.0)
    nodes = (
        Node("input", ops.Input(1, 1, 1)),
        Node("conv", ops.Conv2d(np.zeros((1, 1, 1, 1)), np.array([3.0])), ("input",)),
        Node("bn", norm, ("conv",)),
    )
    for weights in ("pow2", "fixed"):
        found = calibrate(Network("n", nodes, "bn"), images(0.5), bits=16, weights=weights, margin=1)
        assert found.layers[1].reach == 13.0


@pytest.mark.parametrize("percentile", [1.0, 50.0, 99.0, 99.9])
def test_percentiles_are_those_of_sorted_values(percentile):
    """The magnitude that so many values do not exceed, rounded up to one of 128 steps per power of two."""
    rng = generator(3)
    nodes = (
        Node("input", ops.Input(3, 8, 8)),
        Node("conv", ops.Conv2d(rng.normal(size=(4, 3, 3, 3))), ("input",)),
        Node("relu", ops.ReLU(), ("conv",)),  # half of its values are 0
    )
    network = Network("n", nodes, "relu")
    data = Dataset(rng.normal(size=(70, 3, 8, 8)).astype(np.float32), None, None, "made here")
    found = calibrate(network, data, bits=16, percentile=percentile, margin=1)
    maps = evaluate_all(network, data.images)
    for layer in found.layers:
        values = np.sort(np.abs(maps[layer.name]).ravel())
        exact = values[math.ceil(percentile / 100 * values.size) - 1]
        assert exact * (1 - 2.0**-24) <= layer.reach <= exact * (1 + 1 / 128) + 2.0**-126
        assert (layer.low, layer.high) == (maps[layer.name].min(), maps[layer.name].max())


def test_all_values_is_the_largest():
    network = csc_network(8, 8, 8, modules=1)
    data = load_data(None, shape=(3, 8, 8), limit=70, seed=2)
    found = calibrate(network, data, bits=16, margin=2)
    largest = np.abs(evaluate_all(float_layers(network, "pow2")[0], data.images)["stem"]).max()
    assert next(layer for layer in found.layers if layer.name == "stem").reach == pytest.approx(2 * largest)


def test_too_few_bits():
    message = "^relu: values reach 375, a format of 8 bits holds at most 127: use more$"  # 3 * 100 * 1.25
    with pytest.raises(QuantizeError, match=message):
        calibrate(residual(), images(-100.0), bits=8)


@pytest.mark.parametrize(("arguments", "message"), [
    ({"bits": 1}, "a format has 2 to 32 bits, not 1"),
    ({"bits": 8, "percentile": 0.0}, "percentile: must be more than 0 and at most 100, not 0.0"),
    ({"bits": 8, "percentile": math.nan}, "percentile: must be more than 0 and at most 100, not nan"),
    ({"bits": 8, "margin": 0.5}, "margin: must be 1 or more, not 0.5"),
    ({"bits": 8, "margin": math.inf}, "margin: must be 1 or more, not inf"),
])  # fmt: skip
def test_choices_that_cannot_be(arguments, message):
    with pytest.raises(ConfigError, match=f"^{message}$"):
        calibrate(residual(), images(1), **arguments)
