import itertools
import math

import numpy as np
import pytest

from hwshift.errors import NetworkError
from hwshift.network import ops
from hwshift.network.float_model import evaluate_all, evaluate_float, evaluate_op, shift_map
from hwshift.network.random import NetworkBuilder, csc_network, mixed_network

from ..seeds import generator

X = generator(7).normal(size=(2, 6, 7, 5))


def at(x, n, c, y, z):
    """A pixel, zero outside."""
    return x[n, c, y, z] if 0 <= y < x.shape[2] and 0 <= z < x.shape[3] else 0.0


def plain_conv(op, x):
    out, depth, rows, cols = op.weight.shape
    height, width = op.shape((x.shape[1:],))[1:]
    y = np.zeros((len(x), out, height, width))
    for n, o, r, c in itertools.product(*map(range, y.shape)):
        first = o // (out // op.groups) * depth
        for i, u, v in itertools.product(range(depth), range(rows), range(cols)):
            row = r * op.stride[0] - op.padding[0] + u * op.dilation[0]
            col = c * op.stride[1] - op.padding[1] + v * op.dilation[1]
            y[n, o, r, c] += op.weight[o, i, u, v] * at(x, n, first + i, row, col)
    return y if op.bias is None else y + op.bias[:, None, None]


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((4, 6, 1, 1), {}),
        ((4, 6, 3, 3), {"padding": (1, 1, 1, 1), "stride": (2, 2)}),
        ((4, 3, 3, 2), {"groups": 2, "padding": (2, 0, 1, 1)}),
        ((6, 1, 3, 3), {"groups": 6, "dilation": (2, 1), "padding": (1, 2, 1, 0)}),
        ((12, 1, 2, 2), {"groups": 6, "stride": (1, 2)}),
        ((3, 2, 2, 3), {"groups": 3, "dilation": (3, 2)}),
    ],
)
@pytest.mark.parametrize("bias", [False, True])
def test_conv_equals_plain_loops(shape, options, bias):
    rng = generator(1)
    op = ops.Conv2d(rng.normal(size=shape), rng.normal(size=shape[0]) if bias else None, **options)
    np.testing.assert_allclose(evaluate_op(op, X), plain_conv(op, X), atol=1e-12)


def test_shift_map_equals_its_definition():
    moves = np.array([[0, 0], [1, -1], [-2, 3], [6, 4], [7, 0], [-1, 0]])
    y = shift_map(X, moves)
    for n, c, r, z in itertools.product(*map(range, X.shape)):
        assert y[n, c, r, z] == at(X, n, c, r + moves[c, 0], z + moves[c, 1])


def test_spatial_shift_dilates():
    offsets = np.array([[0, 1]] * 6)
    y = evaluate_op(ops.SpatialShift(offsets, 2), X)
    np.testing.assert_array_equal(y, shift_map(X, 2 * offsets))


@pytest.mark.parametrize("border", [True, False])
def test_average_pool(border):
    op = ops.AveragePool((3, 2), (2, 2), (1, 1, 1, 0), border)
    y = evaluate_op(op, X)
    assert y.shape == (2, 6, 4, 3)
    for n, c, r, z in itertools.product(*map(range, y.shape)):
        window = [(2 * r - 1 + u, 2 * z - 1 + v) for u in range(3) for v in range(2)]
        inside = [(a, b) for a, b in window if 0 <= a < 7 and 0 <= b < 5]
        total = sum(X[n, c, a, b] for a, b in inside)
        assert y[n, c, r, z] == pytest.approx(total / (6 if border else len(inside)))


def test_max_pool_ignores_the_outside():
    y = evaluate_op(ops.MaxPool((3, 3), (2, 2), (1, 1, 1, 1)), X - 100)
    assert y[0, 0, 0, 0] == (X - 100)[0, 0, :2, :2].max()
    assert y.max() < 0


def test_plain_ops():
    np.testing.assert_array_equal(evaluate_op(ops.ReLU(), X), np.where(X > 0, X, 0))
    np.testing.assert_array_equal(evaluate_op(ops.Clamp(-0.5, 0.25), X), np.clip(X, -0.5, 0.25))
    np.testing.assert_array_equal(evaluate_op(ops.Add(), X, X), 2 * X)
    np.testing.assert_array_equal(evaluate_op(ops.Concat(), X, X)[:, 6:], X)
    order = np.array([5, 4, 3, 2, 1, 0])
    np.testing.assert_array_equal(evaluate_op(ops.ChannelShuffle(order), X), X[:, ::-1])
    np.testing.assert_allclose(evaluate_op(ops.GlobalAveragePool(), X)[..., 0, 0], X.mean((2, 3)))


def test_linear_flattens_channel_row_column():
    weight = np.zeros((1, 210))
    weight[0, 2 * 35 + 3 * 5 + 4] = 1.0
    linear = ops.Linear(weight, np.array([0.5]))
    assert evaluate_op(linear, X)[1, 0, 0, 0] == X[1, 2, 3, 4] + 0.5
    flat = evaluate_op(ops.Flatten(), X)
    assert flat.shape == (2, 210, 1, 1)
    np.testing.assert_array_equal(evaluate_op(linear, flat), evaluate_op(linear, X))


def test_batchnorm():
    rng = generator(3)
    gamma, beta, mean = rng.normal(size=(3, 6))
    var = rng.uniform(0.5, 2, 6)
    expected = gamma[:, None, None] * (X - mean[:, None, None]) / np.sqrt(var + 1e-3)[:, None, None]
    y = evaluate_op(ops.BatchNorm(gamma, beta, mean, var, 1e-3), X)
    np.testing.assert_allclose(y, expected + beta[:, None, None])


def test_sigmoid_does_not_overflow():
    x = np.array([-1e4, -2.0, 0.0, 2.0, 1e4]).reshape(1, 1, 1, 5)
    expected = [0.0, 1 / (1 + math.exp(2)), 0.5, 1 / (1 + math.exp(-2)), 1.0]
    np.testing.assert_allclose(evaluate_op(ops.Sigmoid(), x).ravel(), expected, rtol=1e-15)


def test_channel_scale():
    gate = np.arange(12.0).reshape(2, 6, 1, 1)
    y = evaluate_op(ops.ChannelScale(), X, gate)
    for n, c in itertools.product(range(2), range(6)):
        np.testing.assert_array_equal(y[n, c], X[n, c] * gate[n, c, 0, 0])


def test_instance_norm():
    rng = generator(4)
    gamma, beta = rng.normal(size=(2, 6))
    y = evaluate_op(ops.InstanceNorm(gamma, beta, 0.25), X)
    for n, c in itertools.product(range(2), range(6)):
        values = X[n, c].ravel().tolist()
        mean = math.fsum(values) / 35
        variance = math.fsum((value - mean) ** 2 for value in values) / 35
        expected = [gamma[c] * (value - mean) / math.sqrt(variance + 0.25) + beta[c] for value in values]
        np.testing.assert_allclose(y[n, c].ravel(), expected, rtol=1e-12, atol=1e-12)
    assert evaluate_op(ops.InstanceNorm(gamma, beta), X.astype(np.float32)).dtype == np.float32


def test_upsample_and_slice():
    y = evaluate_op(ops.UpsampleNearest((2, 3)), X)
    assert y.shape == (2, 6, 14, 15)
    for r, z in itertools.product(range(14), range(15)):
        np.testing.assert_array_equal(y[:, :, r, z], X[:, :, r // 2, z // 3])
    np.testing.assert_array_equal(evaluate_op(ops.ChannelSlice(2, 5), X), X[:, 2:5])


@pytest.mark.parametrize("size", [(8, 6), (2, 2), (10, 4)])
def test_factorized_reduction(size):
    """Published form: conv1(x) beside conv2(x[:, :, 1:, 1:]), both 1x1 with stride 2, on maps of even sizes."""
    build = NetworkBuilder(5, 3, *size)
    build.halved("reduction", "input", 5)
    net = build.network("net")
    x = generator(6).normal(size=(2, 3, *size))
    even, odd = (net.node(f"reduction_{name}").op.weight[:, :, 0, 0] for name in ("even", "odd"))
    assert (len(even), len(odd)) == (3, 2)
    first = np.einsum("oc,nchw->nohw", even, x[:, :, ::2, ::2])
    second = np.einsum("oc,nchw->nohw", odd, x[:, :, 1:, 1:][:, :, ::2, ::2])
    assert second.shape[2:] == (size[0] // 2, size[1] // 2)
    np.testing.assert_allclose(evaluate_float(net, x), np.concatenate([first, second], axis=1), atol=1e-12)


def test_networks_in_both_types():
    for net, shape in ((csc_network(8, 8, 8, 2, stride2=(1,)), (3, 8, 8)), (mixed_network(), (3, 18, 17))):
        x = generator(0).uniform(-1, 1, (3, *shape))
        maps = evaluate_all(net, x)
        assert {name: value.shape[1:] for name, value in maps.items()} == net.shapes()
        np.testing.assert_array_equal(evaluate_float(net, x), maps[net.output])
        single = evaluate_float(net, x, dtype=np.float32)
        assert single.dtype == np.float32
        np.testing.assert_allclose(single, maps[net.output], rtol=1e-3, atol=1e-3)


def test_refuses_a_wrong_input():
    with pytest.raises(
        NetworkError, match=r"^input: an input of the shape \(batch, 3, 8, 8\) is needed, not \(3, 8, 8\)$"
    ):
        evaluate_float(csc_network(8, 8, 8, 1), np.zeros((3, 8, 8)))


def test_refuses_an_unknown_operator():
    with pytest.raises(NetworkError, match="^no float evaluation of Op$"):
        evaluate_op(ops.Op(), X)
