"""Every built-in network: exported and imported again, and its fixed-point layers against ONNX Runtime.

Two float32 evaluations of a network, or a float and a fixed-point one, drift apart by amounts for which only useless
worst-case bounds exist over many layers. So ONNX Runtime computes single layers of the exported network from the
golden model's own input maps, and every element must lie within a bound that is proved for the layer:

- ``q``, the quantization: weights are off by half a step, the scale's mantissa by 2**-17 of itself, the product is
  floored to the maps' grid (one step) and the bias rounded to it (half a step);
- ``r``, the float32 arithmetic: ``gamma(k) = k u / (1 - k u)`` with ``u = 2**-24`` times the sum of the magnitudes,
  for k roundings in a row (Higham, Accuracy and Stability of Numerical Algorithms, 2002, section 3.1), whatever the
  order of the sum.
"""

import math
from dataclasses import replace
from functools import partial

import numpy as np
import onnx
import onnxruntime
import pytest

from hwshift import golden, zoo
from hwshift.evaluation import own_arithmetic
from hwshift.exporters import to_onnx
from hwshift.importers import from_onnx
from hwshift.network import ops
from hwshift.network.bind import bind
from hwshift.network.float_model import evaluate_float, evaluate_op
from hwshift.network.graph import Network
from hwshift.network.passes import RoundWeights
from hwshift.network.quantize import float_layers, quantize
from hwshift.network.random import gated_network

from ..seeds import generator

QUICK = ("ShiftResNet20-3", "ShiftNet-C", "ShuffleNet-0.25x-g3-SE", "MobileNetV2")

BUILDERS = {
    **{name: partial(zoo.build, name, size=32) for name in zoo.names()},
    **{name: make for name, make in zoo.NETWORKS.items() if isinstance(make(), Network)},
}
"""Name to a function that gives the network, the published ones for a small image."""

NAMES = [
    pytest.param(name, marks=() if name in zoo.NETWORKS or name in QUICK else pytest.mark.soak)
    for name in BUILDERS
]
FORMS = ("depthwise", "slices")

MANTISSA = 2.0**-17  # a scale's or average's, relative
SIGMOID_BIN = 2.0**-9  # half of the table's 1/64 times the greatest slope of 1/4; beyond +-8 less
SIGMOID_FLOAT = 2.0**-20  # assumed of ONNX Runtime, which uses a rational function


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", NAMES)
def test_import_of_the_export_is_the_same_function(name, form):
    """The same operators on the same float32 parameters, so the same bits."""
    network = in_float32(BUILDERS[name]())
    again = from_onnx(to_onnx(network, shift=form))
    shape = network.shapes()[network.nodes[0].name]
    x = generator(0).normal(size=(1, *shape)).astype(np.float32)
    np.testing.assert_array_equal(
        evaluate_float(again, x, dtype=np.float32), evaluate_float(network, x, dtype=np.float32)
    )
    if form == "depthwise" and name in zoo.NETWORKS:
        moved = {ops.SpatialShift}
        left = [type(node.op) for node in network.nodes if type(node.op) not in moved | {ops.Flatten}]
        assert [type(node.op) for node in again.nodes if type(node.op) not in moved] == left


def in_float32(network):
    """The network with parameters that an export keeps."""

    def single(value):
        return (
            value.astype(np.float32) if isinstance(value, np.ndarray) and value.dtype.kind == "f" else value
        )

    def rounded(op):
        changed = {key: single(value) for key, value in vars(op).items()}
        if "eps" in changed:
            changed["eps"] = float(np.float32(changed["eps"]))
        return replace(op, **changed)

    return network.with_nodes(replace(node, op=rounded(node.op)) for node in network.nodes)


class Layers:
    """The exported network, cut into the layers of the fixed-point one."""

    def __init__(self, network, weights):
        if weights == "pow2":
            network = RoundWeights().run(network)
        self.network, self.chains = float_layers(network, weights)
        model = onnx.shape_inference.infer_shapes(to_onnx(self.network, batch=1), data_prop=True)
        self.extractor = onnx.utils.Extractor(model)
        self.shapes = {value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim]
                       for value in (*model.graph.value_info, *model.graph.input, *model.graph.output)}  # fmt: skip

    def run(self, chain, maps):
        """A layer's map in ONNX Runtime, from the maps it reads."""
        names = list(dict.fromkeys(self.reads(chain)))
        model = self.extractor.extract_model(names, [chain.name])
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        feed = {name: maps[name].astype(np.float32).reshape(self.shapes[name]) for name in names}
        return session.run(None, feed)[0].astype(np.float64).reshape(maps[chain.name].shape)

    def reads(self, chain):
        """Names of the values at the layer's beginning, a residual included."""
        return (*chain.inputs, *([] if chain.residual is None else [chain.residual]))


def gamma(k):
    """Bound of the relative error of k float32 roundings."""
    return k * 2.0**-24 / (1 - k * 2.0**-24)


def root_bounds(chain, inputs, maps, weight_step, step):
    """(magnitude, quantization, float32) bounds of what is summed, from the magnitudes it reads."""
    op = chain.root.op
    match op:
        case ops.Conv2d() | ops.Linear():
            weight, bias = np.abs(op.weight), None if op.bias is None else np.abs(op.bias)
            magnitude = evaluate_op(replace(op, weight=weight, bias=bias), inputs[0])
            ones = replace(op, weight=np.ones_like(weight), bias=None)
            return (
                magnitude,
                weight_step * evaluate_op(ones, inputs[0]),
                gamma(weight[0].size + 4) * magnitude,
            )
        case ops.GlobalAveragePool() | ops.AveragePool():
            size = inputs[0][0, 0].size if isinstance(op, ops.GlobalAveragePool) else math.prod(op.kernel)
            magnitude = evaluate_op(op, inputs[0])
            return magnitude, magnitude * MANTISSA, gamma(size + 4) * magnitude
        case ops.MaxPool():
            magnitude = evaluate_op(op, inputs[0])
            return magnitude, 0.0, gamma(1) * magnitude
        case ops.ChannelScale():
            magnitude = inputs[0] * inputs[1]
            return magnitude, inputs[0] * max(0.0, 2.0**-16 - step), gamma(3) * magnitude
        case ops.InstanceNorm():
            return instance_norm_bounds(op, maps[chain.inputs[0]])
    magnitude = sum(inputs[1:], inputs[0])
    if isinstance(op, ops.BatchNorm):  # it is among the norms too
        return magnitude, 0.0, gamma(1) * magnitude
    return magnitude, 0.0, gamma(3) * magnitude


def instance_norm_bounds(op, x):
    """Errors of mean and variance, carried through the formula to first order."""
    count = x[0, 0].size
    mean, variance = x.mean(axis=(2, 3), keepdims=True), x.var(axis=(2, 3), keepdims=True)
    off = gamma(count + 3) * np.abs(x).max(axis=(2, 3), keepdims=True)  # of x, rounded, minus the mean
    distance = np.abs(x - mean)
    off_variance = gamma(count + 4) * variance + 2 * off * distance.mean(axis=(2, 3), keepdims=True) + off**2
    gain = np.abs(op.gamma).reshape(1, -1, 1, 1) / np.sqrt(variance + op.eps)
    rest = distance * gain + np.abs(op.beta).reshape(1, -1, 1, 1)
    rounded = gain * off + distance * gain * off_variance / (variance + op.eps) + gamma(8) * rest
    return rest, (np.abs(x) * gain) * MANTISSA, rounded


def bounds(chain, maps, layer, n, weight_step):
    """(quantization, float32) bound of each element of a layer.

    Parameters
    ----------
    chain : Chain
    maps : dict of name to ndarray of float64
    layer : FixedLayer
    n : int
        Fraction bits of the maps.
    weight_step : float
        By how much a weight may be off.
    """
    op, step = chain.root.op, 2.0**-n
    if layer.epilogue is None:  # it only moves what was rounded to float32 before
        return 0.0, gamma(1) * np.abs(maps[layer.name])
    inputs = [np.abs(maps[name]) for name in chain.inputs]
    if chain.shift is not None:
        inputs = [evaluate_op(chain.shift, inputs[0])]
    magnitude, error, rounded = root_bounds(chain, inputs, maps, weight_step, step)
    for norm in chain.norms:
        scale, shift, mean = (
            np.abs(value).reshape(1, -1, 1, 1) for value in (norm.affine[0], norm.beta, norm.mean)
        )
        magnitude = magnitude * scale + mean * scale + shift
        error, rounded = error * scale + magnitude * MANTISSA, rounded * scale + gamma(12) * magnitude
    error = error + (0.0 if isinstance(op, ops.MaxPool) else 1.5 * step)
    activations = [chain.activation, chain.residual_activation]
    if chain.residual is not None:
        magnitude = magnitude + np.abs(maps[chain.residual])
        rounded = rounded + gamma(2) * magnitude
    error = error + 0.5 * step * sum(isinstance(each, ops.Clamp) for each in activations)
    if any(isinstance(each, ops.Sigmoid) for each in activations):
        error, rounded = error + SIGMOID_BIN + 0.5 * step, rounded + SIGMOID_FLOAT
    return error, rounded


def check_layers(network, weights, fixed=None):
    """Every layer in ONNX Runtime against the golden model's; returns the largest share of its bound."""
    fixed = quantize(network, weights=weights) if fixed is None else fixed
    arithmetic = own_arithmetic(fixed)
    fixed = bind(fixed, arithmetic)
    x = generator(3).uniform(-1, 1, (1, *fixed.input.shape))
    codes = golden.trace(fixed, arithmetic, fixed.act.floor(x))
    maps = {name: np.ldexp(codes[name].astype(np.float64), -fixed.act.n) for name in codes}
    layers = Layers(network, weights)
    assert [chain.name for chain in layers.chains] == [layer.name for layer in fixed.layers]
    weight_step = 0.0 if weights == "pow2" else 2.0 ** -(arithmetic.weights.n + 1)
    shares = []
    for chain, layer in list(zip(layers.chains, fixed.layers, strict=True))[1:]:
        assert np.abs(maps[layer.name]).max() < 2.0 ** (fixed.act.m - 2)  # nothing saturates
        error, rounded = bounds(chain, maps, layer, fixed.act.n, weight_step)
        difference = np.abs(layers.run(chain, maps) - maps[layer.name])
        bound = np.broadcast_to(error + rounded, difference.shape)
        assert (difference <= bound).all(), (layer.name, float((difference - bound).max()))
        shares.append(float((difference[bound > 0] / bound[bound > 0]).max(initial=0)))
    return max(shares)


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        pytest.param(*each.values, weights, marks=each.marks)
        for each in NAMES
        for weights in ("fixed", "pow2")
    ],
)
def test_layers_in_onnx_runtime_within_the_proved_bound(name, weights):
    assert check_layers(BUILDERS[name](), weights) > 0.1  # the bound is no matter of course


@pytest.mark.parametrize("weights", ["fixed", "pow2"])
def test_gates_and_statistics(weights):
    check_layers(gated_network(0), weights)


def test_a_wrong_weight_is_seen():
    """One weight is off by 2**-7, where the bound allows half a step of 2**-16."""
    network = zoo.NETWORKS["csc-small"]()
    fixed = quantize(network, weights="fixed")
    fixed.layer("m0_relu1").op.weights.values[0, 0, 0, 0] += 1 << 9
    with pytest.raises(AssertionError, match="m0_relu1"):
        check_layers(network, "fixed", fixed)
