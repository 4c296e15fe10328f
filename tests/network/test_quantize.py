import math
import re

import numpy as np
import pytest

from hwshift.errors import NetworkError, QuantizeError
from hwshift.golden.formats import Arithmetic, Pow2Format, QFormat
from hwshift.golden.model import run
from hwshift.network import fixed, ops
from hwshift.network.bind import bind
from hwshift.network.float_model import evaluate_float
from hwshift.network.graph import Network, Node
from hwshift.network.passes import RoundWeights
from hwshift.network.quantize import WORST_GUARD, quantize
from hwshift.network.random import csc_network, gated_network, mixed_network

from ..seeds import generator

MAC = Arithmetic("mac", weights=QFormat())
NETWORKS = {
    "csc": csc_network(16, 16, 16, 3, stride2=(1,), seed=3),
    "contiguous": csc_network(12, 8, 10, 2, kernel=5, shifts="contiguous", expansion=2, seed=4),
    "mixed": mixed_network(1),
}


def network(*ops_in_a_row, shape=(1, 2, 2)):
    nodes = [Node("input", ops.Input(*shape))]
    for i, op in enumerate(ops_in_a_row):
        nodes.append(Node(f"n{i}", op, (nodes[-1].name,)))
    return Network("net", tuple(nodes), nodes[-1].name, {"classes": ["a"]})


def conv(*values, bias=None):
    return ops.Conv2d(np.array(values).reshape(-1, 1, 1, 1), bias)


def norm(gamma, beta, mean, var):
    return ops.BatchNorm(*(np.array([float(v)]) for v in (gamma, beta, mean, var)), 0.0)


def test_pow2_by_hand():
    """Weight 0.7 becomes 2**-1 (below sqrt(1/2)), 0.75 becomes 1; scale 3/2 = 98304 / 2**16."""
    net = network(conv(0.7, bias=np.array([2.0])), norm(3, 5, 7, 4), ops.ReLU())
    layer = quantize(net).layers[1]
    assert (layer.name, layer.inputs, layer.shape) == ("n2", ("input",), (1, 2, 2))
    assert layer.op.weights.fmt == Pow2Format()
    assert (layer.op.weights.values.item(), layer.op.weights.powers.item()) == (1, -1)
    epilogue = layer.epilogue
    assert (epilogue.m.tolist(), epilogue.s.tolist()) == ([98304], [16])
    assert epilogue.b.tolist() == [round((5 + (2 - 7) * 1.5) * 65536)]
    assert epilogue.activation == fixed.RELU
    assert quantize(network(conv(0.75))).layers[1].op.weights.powers.item() == 0


def test_fixed_by_hand():
    """BatchNorm goes into weights and bias; ties round to even."""
    net = network(conv(0.5), norm(3, 5, 7, 4), ops.Clamp(-1.0, 6.0))
    layer = quantize(net, weights="fixed", weight_format=QFormat(4, 4), act=QFormat(8, 8)).layers[1]
    assert layer.op.weights.values.item() == 12
    assert layer.op.weights.powers is None
    assert layer.epilogue.b.tolist() == [-5.5 * 256]
    assert (layer.epilogue.m.item(), layer.epilogue.s.item()) == (1, 0)
    assert layer.epilogue.activation == fixed.Activation("clamp", -256, 1536)
    codes = quantize(
        network(conv(0.5 / 16, 1.5 / 16, -2.5 / 16)), weights="fixed", weight_format=QFormat(4, 4)
    )
    assert codes.layers[1].op.weights.values.ravel().tolist() == [0, 2, -2]


def test_without_batchnorm_the_scale_is_unused():
    epilogue = quantize(network(conv(0.5, 1.0))).layers[1].epilogue
    assert (epilogue.m.tolist(), epilogue.s.tolist(), epilogue.b.tolist()) == ([1, 1], [0, 0], [0, 0])
    assert epilogue.activation == epilogue.residual_activation == fixed.NONE


def test_scales_fit_every_guard():
    scales = [2.0**-40, 2.0**-20, 0.3, 100.0, -0.3, 0.0]
    ones = np.ones(6)
    batchnorm = ops.BatchNorm(np.array(scales), 0 * ones, 0 * ones, ones, 0.0)
    epilogue = quantize(network(conv(*ones), batchnorm)).layers[1].epilogue
    assert epilogue.s.max() + WORST_GUARD <= 62
    for m, s, scale in zip(epilogue.m.tolist(), epilogue.s.tolist(), scales, strict=True):
        assert m / 2**s == pytest.approx(scale, rel=2**-17, abs=2**-32)


def test_stand_alone_ops():
    net = network(norm(3, 5, 7, 4), ops.ReLU())
    (layer,) = quantize(net).layers[1:]
    assert layer.op == fixed.Sum()
    assert (layer.name, layer.epilogue.m.item(), layer.epilogue.s.item()) == ("n1", 98304, 16)
    assert layer.epilogue.b.item() == -5.5 * 65536
    (layer,) = quantize(network(norm(3, 5, 7, 4)), weights="fixed").layers[1:]
    assert (layer.epilogue.m.item(), layer.epilogue.s.item()) == (98304, 16)


def test_clamp_is_cut_to_the_format():
    (layer,) = quantize(network(ops.Clamp(-math.inf, 6.0)), act=QFormat(2, 6)).layers[1:]
    assert layer.epilogue.activation == fixed.Activation("clamp", -128, 127)


def test_linear_becomes_a_convolution_over_the_map():
    weight = np.arange(24.0).reshape(2, 12) / 32
    net = network(ops.Flatten(), ops.Linear(weight, np.array([1.0, -2.0])), shape=(3, 2, 2))
    (layer,) = quantize(net, weights="fixed").layers[1:]
    assert (layer.name, layer.shape) == ("n1", (2, 1, 1))
    np.testing.assert_array_equal(layer.op.weights.values, (weight * 65536).reshape(2, 3, 2, 2))
    assert layer.epilogue.b.tolist() == [65536, -131072]


def test_pools():
    net = network(
        ops.MaxPool((2, 2), (1, 1), (1, 0, 0, 0)),
        ops.AveragePool((1, 2), (2, 1), (0, 1, 0, 0), False),
        ops.GlobalAveragePool(),
        shape=(2, 4, 3),
    )
    _, first, second, third = (layer.op for layer in quantize(net).layers)
    assert first == fixed.Pool("max", (2, 2), (1, 1), (1, 0, 0, 0))
    assert second == fixed.Pool("avg", (1, 2), (2, 1), (0, 1, 0, 0), False)
    assert third == fixed.Pool("avg", (2, 2), (1, 1))


def test_depthwise_one_hot_is_a_fused_shift():
    weight = np.zeros((2, 1, 3, 3))
    weight[0, 0, 0, 1] = weight[1, 0, 1, 2] = 1.0
    net = network(
        ops.Conv2d(weight, padding=(1, 1, 1, 1), groups=2),
        ops.Conv2d(np.ones((2, 2, 1, 1)), stride=(2, 2)),
        shape=(2, 5, 5),
    )
    (layer,) = quantize(net).layers[1:]
    assert layer.op.shift.tolist() == [[-1, 0], [0, 1]]
    shift, layer = quantize(net, shift="moved").layers[1:]
    assert (shift.name, shift.op.offsets.tolist()) == ("n0", [[-1, 0], [0, 1]])
    assert layer.op.shift is None


def test_dead_and_identical_nodes_disappear():
    net = network(ops.Concat(), conv(1.0), ops.ReLU())
    net = net.with_nodes([*net.nodes, Node("dead", ops.ReLU(), ("n1",))])
    assert [layer.name for layer in quantize(net).layers] == ["input", "n2"]
    assert quantize(net).meta == {"classes": ["a"]}


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: quantize(network(conv(8.0)), weights="fixed", weight_format=QFormat(4, 4)),
            QuantizeError,
            "n0: weight: value 8.0 is outside Q4.4: allowed -8.0 to 7.9375",
        ),
        (
            lambda: quantize(network(conv(1.0, bias=np.array([-9.0])), ops.ReLU()), act=QFormat(4, 4)),
            QuantizeError,
            "n1: bias: value -9.0 is outside Q4.4: allowed -8.0 to 7.9375",
        ),
        (
            lambda: quantize(network(conv(1.0), norm(1e6, 0, 0, 1))),
            QuantizeError,
            "n1: a scale must be smaller than 2**17 in magnitude, not 1000000.0",
        ),
        (
            lambda: quantize(network(conv(1.0)), weights="ternary"),
            QuantizeError,
            "weights must be 'pow2' or 'fixed', not 'ternary'",
        ),
        (
            lambda: quantize(network(conv(1.0)), weight_format=QFormat()),
            QuantizeError,
            "pow2 weights need a Pow2Format, not Q16.16",
        ),
        (
            lambda: quantize(network(conv(1.0)), weights="fixed", weight_format=Pow2Format()),
            QuantizeError,
            "fixed weights need a QFormat, not pow2[-15,0]",
        ),
        (
            lambda: quantize(network(conv(1.0)), shift="free"),
            QuantizeError,
            "shift must be 'fused' or 'moved', not 'free'",
        ),
        (
            lambda: quantize(network(ops.Op())),
            NetworkError,
            "n0: Op has no fixed-point form",
        ),
        (
            lambda: quantize(network(conv(np.nan))),
            NetworkError,
            "n0: weight must be finite, not NaN or infinity",
        ),
    ],
)
def test_refusals(call, error, message):
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        call()


def sqnr(net, quantized, arithmetic):
    """Signal to quantisation noise in dB: the fixed-point result against the float one."""
    x = generator(9).uniform(-1, 1, (2, *quantized.input.shape))
    result = arithmetic.act.to_float(run(bind(quantized, arithmetic), arithmetic, arithmetic.act.floor(x)))
    expected = evaluate_float(net, x)
    return 10 * math.log10((expected**2).sum() / ((result - expected) ** 2).sum())


@pytest.mark.parametrize("name", NETWORKS)
def test_fixed_is_close_to_float(name):
    net = NETWORKS[name]
    assert sqnr(net, quantize(net, weights="fixed"), MAC) > 75
    narrow = Arithmetic("mac", act=QFormat(8, 8), weights=QFormat(4, 12))
    quantized = quantize(net, weights="fixed", act=narrow.act, weight_format=narrow.weights)
    assert sqnr(net, quantized, narrow) > 30


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("weight_format", [Pow2Format(), Pow2Format(-6, 1)], ids=str)
def test_pow2_is_close_to_the_float_network_with_rounded_weights(name, weight_format):
    net = NETWORKS[name]
    arithmetic = Arithmetic(weights=weight_format)
    rounded = RoundWeights(weight_format).run(net)
    quantized = quantize(net, weight_format=weight_format)
    assert sqnr(rounded, quantized, arithmetic) > 75
    assert sqnr(rounded, quantize(rounded, weight_format=weight_format), arithmetic) > 75


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("weights", ["pow2", "fixed"])
def test_moved_shifts_give_the_same_bits(name, weights):
    arithmetic = Arithmetic() if weights == "pow2" else MAC
    x = arithmetic.act.floor(generator(2).normal(size=(2, *NETWORKS[name].nodes[0].op.shape(()))))
    fused, moved = (
        run(bind(quantize(NETWORKS[name], weights=weights, shift=mode), arithmetic), arithmetic, x)
        for mode in ("fused", "moved")
    )
    np.testing.assert_array_equal(fused, moved)


def test_gated_network():
    """Bins of the sigmoid are 1/64 wide, so their error of up to 1/512 is what is left."""
    net = gated_network(2)
    quantized = quantize(net, weights="fixed")
    kinds = {layer.name: type(layer.op).__name__ for layer in quantized.layers}
    assert {kinds[name] for name in ("left", "right")} == {"Slice"}
    assert (kinds["gate"], quantized.layer("gate").epilogue.activation) == ("Conv", fixed.SIGMOID)
    scaled = quantized.layer("excited")  # ChannelScale, Add and ReLU in one layer
    assert (scaled.op, scaled.inputs, scaled.residual) == (fixed.ChannelScale(), ("shuffle", "gate"), "stem")
    assert scaled.epilogue.residual_activation == fixed.RELU
    normed = quantized.layer("normed")
    assert isinstance(normed.op, fixed.InstanceNorm)
    assert normed.epilogue.activation == fixed.RELU
    assert (kinds["upsample"], kinds["alone"]) == ("Upsample", "Sum")
    assert quantized.layer("alone").epilogue.activation == fixed.SIGMOID
    assert 45 < sqnr(net, quantized, MAC)
    rounded = RoundWeights().run(net)
    assert 45 < sqnr(rounded, quantize(rounded), Arithmetic())


def test_formats_of_layers():
    """Each named layer gets its format; the others, and what moves data, follow."""
    net = network(conv(0.5, bias=np.array([0.25])), ops.UpsampleNearest((2, 2)), conv(0.5), ops.ReLU())
    formats = {"input": QFormat(2, 14), "n0": QFormat(4, 20), "n3": QFormat(8, 8)}
    quantized = quantize(net, weights="fixed", formats=formats)
    assert [layer.act for layer in quantized.layers] == [QFormat(2, 14), QFormat(4, 20), None, QFormat(8, 8)]
    first, last = quantized.layer("n0").epilogue, quantized.layer("n3").epilogue
    assert first.b.tolist() == [1 << 18]
    # 6 fraction bits more: the scale 1 as 2**6 / 2**6, which 6 places further right leave at 1
    assert (first.m.tolist(), first.s.tolist()) == ([64], [6])
    assert (last.m.tolist(), last.s.tolist()) == ([1], [0])
    x = np.array([[[[0.75, -0.5], [0.25, 1.0]]]])
    result = run(bind(quantized, MAC), MAC, QFormat(2, 14).floor(x))
    np.testing.assert_array_equal(QFormat(8, 8).to_float(result), np.maximum(evaluate_float(net, x), 0))


def test_scales_between_formats():
    net = network(conv(1.0), norm(3, 0, 0, 4))
    for fmt in (QFormat(4, 28), QFormat(16, 2), QFormat(4, 16)):
        quantized = quantize(net, formats={"n1": fmt})
        x = np.array([[[[1.5, -2.0], [0.25, 1.0]]]])
        arithmetic = Arithmetic()
        found = run(bind(quantized, arithmetic), arithmetic, arithmetic.act.floor(x))
        np.testing.assert_array_equal(found, fmt.floor(1.5 * x))


def test_scales_between_formats_fit_every_guard():
    """A small scale and many fraction bits lost: G + s + n_in - n_out stays at 62 with the most guard bits."""
    net = network(conv(1.0), norm(2.0**-12, 0, 0, 1))
    quantized = quantize(net, formats={"n1": QFormat(16, 2)})
    arithmetic = Arithmetic(weights=Pow2Format(-31, 0), acc_width=64)
    assert arithmetic.guard == WORST_GUARD
    layer = bind(quantized, arithmetic).layer("n1")
    assert layer.epilogue.s.item() + WORST_GUARD + 14 == 62
    assert layer.epilogue.m.item() / 2 ** layer.epilogue.s.item() == 2.0**-12


@pytest.mark.parametrize(
    ("formats", "message"),
    [
        ({"x": QFormat()}, "x: there is no layer of this name to give a format, only input, n0, n1"),
        ({"n0": "Q8.8"}, "n0: its map needs a QFormat, not 'Q8.8'"),
        ({"n1": QFormat(8, 8)}, "n1: Upsample keeps the format of its input, Q16.16, not Q8.8"),
        (
            {"input": QFormat(8, 0), "n0": QFormat(2, 17)},
            "n0: its map may have at most 16 fraction bits more than its input, not 17",
        ),
    ],
)
def test_refused_formats(formats, message):
    with pytest.raises(QuantizeError, match=f"^{re.escape(message)}$"):
        quantize(network(conv(0.5), ops.UpsampleNearest((2, 2))), formats=formats)
