"""Tests of what is told about rounding: figures by hand, and on images against the golden model."""

import json
import math

import numpy as np
import pytest

from hwshift.data import Dataset, load_data, to_codes
from hwshift.errors import DataError, QuantizeError
from hwshift.evaluation import own_arithmetic
from hwshift.golden import trace
from hwshift.golden.formats import QFormat
from hwshift.network import ops
from hwshift.network.bind import bind
from hwshift.network.float_model import evaluate_all
from hwshift.network.graph import Network, Node
from hwshift.network.quantize import quantize
from hwshift.network.random import csc_network, mixed_network
from hwshift.quantization import quantize_network


def linear(weight, bias=None):
    nodes = (
        Node("input", ops.Input(weight.shape[1], 1, 1)),
        Node("classifier", ops.Linear(weight, bias), ("input",)),
    )
    return Network("linear", nodes, "classifier")


def test_weights_by_hand():
    weight = np.array([[0.5, -1.0, 0.75, 0.0], [2.0, 2.0**-17, -1.5, 1.4]])
    _, report = quantize_network(linear(weight))
    layer = report.layers[1]
    assert (layer.name, layer.kind, layer.weights, layer.low, layer.high) == (
        "classifier",
        "linear",
        8,
        -1.5,
        2.0,
    )
    assert (layer.clamped, layer.raised) == (2, 1)  # 2.0 and -1.5 beyond sqrt(2); 2**-17 becomes 2**-15
    rounded = np.array([[0.5, -1.0, 1.0, 0.0], [1.0, 2.0**-15, -1.0, 1.0]])
    expected = 10 * math.log10((weight**2).sum() / ((weight - rounded) ** 2).sum())
    assert layer.weight_sqnr_db == pytest.approx(expected)
    assert report.warnings == ["classifier: 2 of 8 weights are beyond pow2[-15,0] and become its largest"]
    assert (report.layers[0].kind, report.layers[0].weights, report.layers[0].low) == ("input", 0, None)


def test_exact_weights():
    _, report = quantize_network(linear(np.array([[0.5, -1.0]])))
    assert report.layers[1].weight_sqnr_db == math.inf and report.warnings == []
    assert report.as_dict()["layers"][1]["weight_sqnr_db"] is None


def test_fixed_weights_are_those_with_batchnorm_folded():
    network = csc_network(8, 8, 8, modules=1)
    rounded, report = quantize_network(network, weights="fixed", weight_format=QFormat(4, 8))
    by_name = {layer.name: layer for layer in report.layers}
    conv, norm = network.node("stem_conv").op, network.node("stem_bn").op
    weight = conv.weight * norm.affine[0].reshape(-1, 1, 1, 1)
    assert by_name["stem"].low == pytest.approx(weight.min()) and by_name["stem"].high == pytest.approx(
        weight.max()
    )
    noise = weight - np.rint(weight * 256) / 256
    expected = 10 * math.log10((weight**2).sum() / (noise**2).sum())
    assert by_name["stem"].weight_sqnr_db == pytest.approx(expected)
    assert [layer.name for layer in report.layers] == [layer.name for layer in rounded.layers]


@pytest.mark.parametrize("kind", ["pow2", "fixed"])
@pytest.mark.parametrize("network", [csc_network(8, 8, 8, modules=1), mixed_network()], ids=["csc", "mixed"])
def test_every_layer_on_images(network, kind):
    images = load_data(None, shape=network.nodes[0].op.shape(()), limit=5, seed=3)
    rounded, report = quantize_network(network, weights=kind, data=images)
    arithmetic = own_arithmetic(rounded)
    found = trace(bind(rounded, arithmetic), arithmetic, to_codes(images.images, QFormat()))
    wanted = evaluate_all(network, images.images)
    assert (report.images, report.origin) == (5, "seeded noise, seed 3")
    for layer in report.layers:
        value = wanted[layer.name].ravel()
        noise = found[layer.name].ravel() / 65536 - value
        expected = 10 * math.log10((value**2).sum() / (noise**2).sum())
        assert layer.output.sqnr_db == pytest.approx(expected, rel=1e-6)
        assert (layer.output.name, layer.output.kind) == (layer.name, layer.kind)
        assert (layer.output.values, layer.output.saturated) == (value.size, 0)
        assert layer.output.largest == pytest.approx(np.abs(value).max(), rel=1e-6)
        assert layer.output.max_error == pytest.approx(np.abs(noise).max(), rel=1e-6)
    assert [item.model for item in report.scores] == ["float", kind]
    assert report.scores[1].agreeing == sum(wanted[network.output].reshape(5, -1).argmax(1)
                                            == found.output.reshape(5, -1).argmax(1))  # fmt: skip


def test_saturation_is_counted_and_warned_of():
    """Q3.5 holds -4 to 3.96875: two inputs and, out of four outputs x0 + x1, one saturate."""
    values = np.array([[5.0, 0.0], [-4.5, 0.0], [1.0, 1.0], [3.0, 2.0]], np.float32).reshape(4, 2, 1, 1)
    data = Dataset(values, np.array([0, 0, 0, 0]), None, "made here")
    _, report = quantize_network(linear(np.ones((1, 2))), act=QFormat(3, 5), data=data)
    assert [layer.output.saturated for layer in report.layers] == [2, 1]
    assert [layer.output.values for layer in report.layers] == [8, 4]
    assert report.layers[0].output.headroom_bits == pytest.approx(2 - math.log2(5))
    assert report.warnings == [
        "input: 2 of 8 values saturate in Q3.5",
        "classifier: 1 of 4 values saturate in Q3.5",
    ]


def test_the_network_is_the_same_as_without_a_report():
    network = csc_network(8, 8, 8, modules=1)
    rounded, _ = quantize_network(network)
    for ours, theirs in zip(rounded.layers, quantize(network).layers, strict=True):
        if ours.epilogue is not None:
            np.testing.assert_array_equal(ours.epilogue.m, theirs.epilogue.m)


def test_errors():
    network = csc_network(8, 8, 8, modules=1)
    with pytest.raises(QuantizeError, match=r"^csc-0: it is quantized already: name a float network$"):
        quantize_network(quantize(network))
    with pytest.raises(DataError, match=r"^here: image 0 has the label 10: allowed 0..9$"):
        images = np.zeros((1, 3, 8, 8), np.float32)
        quantize_network(network, data=Dataset(images, np.array([10]), None, "here"))


def test_bits_in_the_place_of_formats():
    """The largest weight is 3, the largest value 3 * 2 + 1 = 7, which 1.25 times is 8.75."""
    network = linear(np.array([[3.0, 0.5]]))
    images = Dataset(np.array([2.0, 2.0], np.float32).reshape(1, 2, 1, 1), None, None, "made here")
    rounded, report = quantize_network(network, weights="fixed", act=8, weight_format=8, data=images)
    assert (rounded.act, rounded.layer("classifier").op.weights.fmt) == (QFormat(5, 3), QFormat(3, 5))
    assert (report.act, report.weight_format, report.calibration.act) == ("Q5.3", "Q3.5", QFormat(5, 3))
    assert report.layers[1].weight_format == "Q3.5"
    tighter, _ = quantize_network(network, weights="fixed", act=8, margin=1, data=images)
    assert tighter.act == QFormat(4, 4)
    powers, report = quantize_network(network, weight_format=4)
    assert (report.weight_format, report.calibration) == ("pow2[-5,2]", None)
    assert powers.layer("classifier").op.weights.powers.tolist() == [[[[2]], [[-1]]]]
    with pytest.raises(QuantizeError, match="^linear: images are needed to choose a format of 8 bits from$"):
        quantize_network(network, act=8)


def test_zero_and_the_smallest_power():
    network = linear(np.array([[0.0, -(2.0**-15), 1.0]]))
    _, report = quantize_network(network)
    assert report.layers[1].conflict
    text = "its weights hold 0 and the negative smallest power, which share a code: free the zero code for"
    assert report.warnings == [f"classifier: {text} a shift_add array"]
    rounded, report = quantize_network(network, free_zero_code=True)
    assert (report.layers[1].conflict, report.layers[1].moved, report.warnings) == (False, 1, [])
    assert rounded.layer("classifier").op.weights.values.ravel().tolist() == [0, 0, 1]


def test_dict_is_plain():
    images = Dataset(np.ones((2, 2, 1, 1), np.float32), np.array([0, 1]), None, "made here")
    _, report = quantize_network(linear(np.array([[3.0, 0.5], [0, 1]])), act=12, weight_format=5, data=images)
    entry = json.loads(json.dumps(report.as_dict(), allow_nan=False))
    assert entry["layers"][1]["output"]["saturated"] == 0 and entry["layers"][0]["output"]["sqnr_db"] is None
    assert entry["calibration"]["act"] == entry["act"] == "Q4.8"
    assert entry["calibration"]["layers"][1] == {
        "name": "classifier", "low": 1.0, "high": 3.5, "reach": 4.375, "format": "Q4.8"
    }  # fmt: skip
    assert entry["scores"][0]["top1"] == 0.5
