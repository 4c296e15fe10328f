"""Tests of layers' scores: two layers in Q4.4 in plain Python, saturation included, and what is compared."""

import json
import math

import numpy as np
import pytest

from hwshift.data import Dataset, load_data
from hwshift.evaluation import Formats, evaluate, headroom_bits, parse_formats
from hwshift.golden.formats import QFormat
from hwshift.network import ops
from hwshift.network.graph import Network, Node
from hwshift.network.quantize import quantize
from hwshift.network.random import csc_network

FIRST = [[1.5, 0.25], [-1.0, 2.0]]  # exact in Q4.4, not powers of two
SECOND = [[1.0, 1.0], [0.5, -0.5]]
IMAGES = np.array([[1.3, -0.7], [9.0, 0.1], [2.5, 3.9], [-0.2, -8.5]], np.float32)
Q44 = QFormat(4, 4)  # -8 to 7.9375


def network():
    nodes = (
        Node("input", ops.Input(2, 1, 1)),
        Node("hidden", ops.Linear(np.array(FIRST)), ("input",)),
        Node("out", ops.Linear(np.array(SECOND)), ("hidden",)),
    )
    return Network("two", nodes, "out")


def data():
    return Dataset(IMAGES.reshape(-1, 2, 1, 1), None, None, "made here")


def in_floats(image):
    hidden = [sum(w * x for w, x in zip(row, image, strict=True)) for row in FIRST]
    return image, hidden, [sum(w * x for w, x in zip(row, hidden, strict=True)) for row in SECOND]


def in_codes(image):
    """(codes, how many saturated) of each layer; weights in Q4.4 too, so a product has 8 fraction bits."""

    def held(values):
        codes = [min(max(value, -128), 127) for value in values]
        return codes, sum(code != value for code, value in zip(codes, values, strict=True))

    layers = [held([math.floor(x * 16) for x in image])]
    for matrix in (FIRST, SECOND):
        rows = [[round(w * 16) for w in row] for row in matrix]
        layers.append(
            held([sum(w * x for w, x in zip(row, layers[-1][0], strict=True)) >> 4 for row in rows])
        )
    return layers


def test_layers_are_those_of_plain_integers():
    result = evaluate(network(), data(), formats=Formats((Q44,), (Q44,)), layers=True)
    assert list(result.layers) == ["fixed"]
    layers = result.layers["fixed"]
    assert [(layer.name, layer.kind, layer.format, layer.values) for layer in layers] == [
        ("input", "input", "Q4.4", 8), ("hidden", "linear", "Q4.4", 8), ("out", "linear", "Q4.4", 8)
    ]  # fmt: skip
    for i, layer in enumerate(layers):
        floats = np.array([in_floats(image)[i] for image in IMAGES.tolist()])
        codes = np.array([in_codes(image)[i][0] for image in IMAGES.tolist()])
        error = np.abs(codes / 16 - floats)
        assert layer.saturated == sum(in_codes(image)[i][1] for image in IMAGES.tolist())
        assert layer.sqnr_db == pytest.approx(10 * math.log10((floats**2).sum() / (error**2).sum()))
        assert (layer.largest, layer.max_error) == pytest.approx((np.abs(floats).max(), error.max()))
        assert layer.mean_error == pytest.approx(error.mean())
        assert layer.headroom_bits == pytest.approx(math.log2(8 / np.abs(floats).max()))
    assert [layer.saturated for layer in layers] == [2, 2, 2]


def test_headroom():
    assert headroom_bits(QFormat(4, 4), 8.0) == 0 and headroom_bits(QFormat(4, 4), 2.0) == 2
    assert headroom_bits(QFormat(1, 7), 4.0) == -2 and headroom_bits(QFormat(), 0.0) == math.inf


def test_every_arithmetic_has_its_layers_and_batches_do_not_matter():
    net = csc_network(8, 8, 8, modules=1)
    images = load_data(None, shape=(3, 8, 8), limit=67)
    asked = parse_formats(["Q8.8", "Q4.6"], [], ["0", "exact"])
    whole = evaluate(net, images, formats=asked, layers=True)
    assert list(whole.layers) == [item.model for item in whole.scores[1:]] and len(whole.layers) == 8
    halves = [
        evaluate(net, Dataset(images.images[part], None, None, ""), formats=asked, layers=True)
        for part in (slice(0, 30), slice(30, 67))
    ]
    for name, layers in whole.layers.items():
        assert layers[-1].sqnr_db == pytest.approx(
            next(item.sqnr_db for item in whole.scores if item.model == name)
        )
        for i, layer in enumerate(layers):
            assert layer.saturated == sum(half.layers[name][i].saturated for half in halves)
            assert layer.max_error == max(half.layers[name][i].max_error for half in halves)
    assert (
        whole.layers["fixed Q8.8 exact"][0].sqnr_db == whole.layers["pow2 Q8.8 G=0"][0].sqnr_db
    )  # the input
    json.dumps(whole.as_dict(), allow_nan=False)


def test_without_a_float_network_there_are_ranges_only():
    rounded = quantize(network(), act=Q44, weights="fixed", weight_format=Q44)
    layers = evaluate(rounded, data(), layers=True).layers["fixed"]
    assert [layer.saturated for layer in layers] == [2, 2, 2]
    assert [layer.largest for layer in layers] == [8.0, 8.0, 8.0]
    assert all(layer.sqnr_db is layer.max_error is layer.mean_error is None for layer in layers)
    assert layers[0].as_dict()["max_error_lsb"] is None


def test_layers_only_where_asked_for():
    assert evaluate(network(), data()).layers == {}
