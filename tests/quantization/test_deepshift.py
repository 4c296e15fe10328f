"""Tests of DeepShift-PS parameters: weights by hand, names of exporters, and what a file may lack."""

import re

import numpy as np
import pytest

from hwshift.errors import DataError, QuantizeError
from hwshift.golden.formats import Pow2Format
from hwshift.network import ops
from hwshift.network.graph import Network, Node
from hwshift.network.quantize import quantize
from hwshift.quantization import apply_ps, load_ps, quantize_named
from hwshift.quantization.deepshift import module_path

# P is clamped to -14..0 and rounded half to even; S is -1, 0 or 1 with +-0.5 becoming 0.
P = [-2.5, -3.5, -14.7, 0.3, -1.0, -1.0, -1.0, -7.49]
S = [1.0, -0.7, 0.51, -1.2, 0.5, -0.5, 0.0, 2.0]
WEIGHTS = [2.0**-2, -(2.0**-4), 2.0**-14, -1.0, 0.0, 0.0, 0.0, 2.0**-7]


def network(name="conv1"):
    norm = ops.BatchNorm(*(np.array([v, v]) for v in (1.0, 0.0, 0.0, 1.0)))
    nodes = (
        Node("input", ops.Input(2, 3, 3)),
        Node(name, ops.Conv2d(np.ones((2, 2, 1, 1))), ("input",)),
        Node("bn1", norm, (name,)),
        Node("pool", ops.GlobalAveragePool(), ("bn1",)),
        Node("fc", ops.Linear(np.full((2, 2), 0.7)), ("pool",)),
    )
    return Network("ps", nodes, "fc")


def arrays(name="conv1"):
    return {
        f"{name}.shift": np.array(P[:4], np.float32).reshape(2, 2, 1, 1),
        f"{name}.sign": np.array(S[:4], np.float32).reshape(2, 2, 1, 1),
        "fc.shift": np.array(P[4:]).reshape(2, 2),
        "fc.sign": np.array(S[4:]).reshape(2, 2),
        "fc.bias": np.array([0.25, -1.0]),
    }


def test_weights_by_hand():
    changed = apply_ps(network(), arrays())
    assert changed.node("conv1").op.weight.ravel().tolist() == WEIGHTS[:4]
    assert changed.node("fc").op.weight.ravel().tolist() == WEIGHTS[4:]
    assert changed.node("fc").op.bias.tolist() == [0.25, -1.0] and changed.node("conv1").op.bias is None
    rounded = quantize(changed, weight_format=Pow2Format(-14, 0))
    for name, wanted in (("bn1", WEIGHTS[:4]), ("fc", WEIGHTS[4:])):
        weights = rounded.layer(name).op.weights
        assert weights.fmt.to_float(weights.values, weights.powers).ravel().tolist() == wanted


def test_layers_that_are_not_named_keep_their_weights():
    part = {key: value for key, value in arrays().items() if not key.startswith("fc")}
    changed = apply_ps(network(), part)
    assert changed.node("fc").op.weight.tolist() == [[0.7, 0.7], [0.7, 0.7]]


def test_other_powers():
    changed = apply_ps(network(), arrays(), Pow2Format(-15, 0))
    assert changed.node("conv1").op.weight.ravel()[2] == 2.0**-15  # -14.7 is not clamped first


def test_batchnorms():
    more = {"bn1.weight": [2, 1], "bn1.bias": [0, 1], "bn1.running_mean": [3, 0], "bn1.running_var": [4, 1],
            "bn1.num_batches_tracked": 7}  # fmt: skip
    changed = apply_ps(network(), arrays() | {key: np.array(value) for key, value in more.items()})
    norm = changed.node("bn1").op
    assert [array.tolist() for array in (norm.gamma, norm.beta, norm.mean, norm.var)] == [
        [2, 1], [0, 1], [3, 0], [4, 1]
    ]  # fmt: skip
    with pytest.raises(DataError, match=r"^PS: ps has no BatchNorm \(an exporter may have folded it\) of the name "
                                        r"'bn2'; there are bn1$"):  # fmt: skip
        apply_ps(network(), arrays() | {"bn2.running_mean": np.zeros(2)})


@pytest.mark.parametrize(("node", "module"), [
    ("conv1", "conv1"), ("/conv1/Conv", "conv1"), ("/layer1/layer1.0/conv1/Conv", "layer1.0.conv1"),
    ("/layer2/layer2.0/downsample/downsample.0/Conv", "layer2.0.downsample.0"), ("/fc/Gemm", "fc"),
    ("/features/features.1/BatchNormalization", "features.1"), ("/block/conv/Conv_1", "block.conv"),
])  # fmt: skip
def test_names_of_exporters(node, module):
    assert module_path(node) == module


def test_a_network_of_an_exporter():
    changed = apply_ps(network("/conv1/Conv"), arrays())
    assert changed.node("/conv1/Conv").op.weight.ravel().tolist() == WEIGHTS[:4]


def replaced(**changes):
    out = arrays()
    for key, value in changes.items():
        name = key.replace("_", ".")
        out.pop(name, None)
        if value is not None:
            out[name] = value
    return out


@pytest.mark.parametrize(("given", "message"), [
    ({}, "it has no entries NAME.shift and NAME.sign"),
    (replaced(fc_sign=None), "fc: has 'shift' without 'sign'"),
    (replaced(fc_shift=np.zeros((2, 3))), "fc: 'shift' has the shape (2, 3), the layer's weights (2, 2)"),
    (replaced(fc_shift=np.full((2, 2), np.nan)), "fc: values must be finite, not NaN or infinity"),
    (replaced(fc_bias=np.zeros(3)), "fc: bias must have the shape"),
    (arrays("conv2"), "ps has no layer with weights of the name 'conv2'; there are conv1, fc"),
])  # fmt: skip
def test_what_does_not_fit(given, message):
    with pytest.raises(DataError) as error:
        apply_ps(network(), given)
    assert str(error.value).startswith(f"PS: {message}") and "\n" not in str(error.value)


def test_files(tmp_path):
    path = tmp_path / "ps.npz"
    np.savez(path, **arrays())
    rounded, report = quantize_named(network(), "pow2", ps=path)
    assert (report.weight_format, rounded.layer("fc").op.weights.values.ravel().tolist()) == (
        "pow2[-14,0]", [0, 0, 0, 1]
    )  # fmt: skip
    assert (
        quantize_named(network(), "pow2", weight_format="-15..0", ps=path)[1].weight_format == "pow2[-15,0]"
    )
    fixed, _ = quantize_named(network(), "fixed", weight_format="Q2.14", ps=arrays())
    assert fixed.layer("fc").op.weights.values.ravel().tolist() == [0, 0, 0, 128]
    with pytest.raises(QuantizeError, match="^ps: it is quantized already: name a float network$"):
        quantize_named(rounded, "pow2", ps=path)


def test_files_that_are_none(tmp_path):
    for name, message in (("absent.npz", "there is no such file"), ("text.npz", "this is no readable .npz file"),
                          ("array.npy", "this is no readable .npz file"),
                          ("words.npz", "'a.shift' holds no numbers but <U1")):  # fmt: skip
        path = tmp_path / name
        if name == "text.npz":
            path.write_text("P and S")
        if name == "array.npy":
            np.save(path, np.zeros(3))
        if name == "words.npz":
            np.savez(path, **{"a.shift": np.array(["x"])})
        with pytest.raises(DataError, match=f"^{re.escape(str(path))}: {re.escape(message)}$"):
            load_ps(path)
