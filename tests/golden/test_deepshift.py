"""What the formats promise about DeepShift, and identities between the ways to write one layer."""

from dataclasses import replace

import numpy as np
import pytest

from hwshift.golden.formats import Arithmetic, Pow2Format, QFormat
from hwshift.golden.model import run, trace
from hwshift.network.fixed import RELU, Conv, Epilogue, FixedLayer, FixedWeights, Shift

from .build import conv_network, network

EXACT = Arithmetic()
PADDED = {"padding": (1, 1, 1, 1)}


def pow2_weights(rng, shape, zeros=False):
    sign = rng.integers(-1, 2, shape) if zeros else rng.choice([-1, 1], shape)
    return FixedWeights(EXACT.weights, sign, np.where(sign == 0, -15, rng.integers(-15, 1, shape)))


def float_conv(x, weights):
    """3x3 with padding 1 in float64, products and sums unrounded."""
    w = np.ldexp(weights.values.astype(float), weights.powers.astype(np.int32))
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1)))
    height, width = x.shape[1:]
    return sum(
        np.einsum("oi,iyx->oyx", w[:, :, u, v], padded[:, u : u + height, v : v + width])
        for u in range(3)
        for v in range(3)
    )


def round_to_fixed(values, bits=16):
    """DeepShift's function in float64: floor to the grid, then clamp."""
    return np.clip(np.floor(values * 2.0**bits) / 2.0**bits, -32768.0, 32767.0)


def test_exact_mode_is_the_float_emulation():
    """Input and bias floored to 16.16, weights powers of two; the next rounding is the next input's floor."""
    rng = np.random.default_rng(0)
    first, second = pow2_weights(rng, (6, 3, 3, 3)), pow2_weights(rng, (4, 6, 3, 3), zeros=True)
    biases = [EXACT.act.floor(rng.normal(size=count)) for count in (6, 4)]
    layers = [Epilogue(np.ones(len(b), np.int64), np.zeros(len(b), np.int64), b) for b in biases]
    net = network(
        EXACT,
        (3, 5, 6),
        FixedLayer("a", Conv(first, **PADDED), ("in",), (6, 5, 6), replace(layers[0], activation=RELU)),
        FixedLayer("b", Conv(second, **PADDED), ("a",), (4, 5, 6), layers[1]),
    )
    for _ in range(5):
        image = rng.normal(size=(3, 5, 6)) * 20
        found = trace(net, EXACT, EXACT.act.floor(image, upper=32767.0))
        emulated = round_to_fixed(image)
        bias = [np.ldexp(b.astype(float), -16)[:, None, None] for b in biases]
        emulated = np.maximum(float_conv(emulated, first) + bias[0], 0)
        assert (found["a"] == round_to_fixed(emulated) * 65536).all()
        emulated = float_conv(round_to_fixed(emulated), second) + bias[1]
        assert (found["b"] == round_to_fixed(emulated) * 65536).all()


def test_without_guard_bits_every_product_is_floored():
    """The bit-shift kernels: add or subtract ``x >> -p``, the shift before the sign, the bias last."""
    rng = np.random.default_rng(1)
    arithmetic = Arithmetic(guard=0)
    weights = pow2_weights(rng, (9, 4, 1, 1))
    bias = rng.integers(-(1 << 20), 1 << 20, 9)
    own = Epilogue(np.ones(9, np.int64), np.zeros(9, np.int64), bias)
    x = rng.integers(-(1 << 24), 1 << 24, (4, 3, 3))
    found = run(conv_network(arithmetic, (4, 3, 3), Conv(weights), own), arithmetic, x)
    differs = False
    for o, y, z in np.ndindex(9, 3, 3):
        total = unsigned = int(bias[o])
        for i in range(4):
            sign, places = int(weights.values[o, i, 0, 0]), -int(weights.powers[o, i, 0, 0])
            value = int(x[i, y, z])
            total = total + (value >> places) if sign > 0 else total - (value >> places)
            unsigned += (sign * value) >> places
        assert found[o, y, z] == total
        differs = differs or total != unsigned
    assert differs, "the order of shift and sign has to matter somewhere"


def test_a_zero_weight_adds_nothing():
    """Not even for negative inputs, where a very long right shift would give -1."""
    weights = FixedWeights(EXACT.weights, np.zeros((8, 2, 1, 1), np.int64), np.full((8, 2, 1, 1), -15))
    for arithmetic in (EXACT, Arithmetic(guard=0)):
        net = conv_network(arithmetic, (2, 2, 2), Conv(weights))
        assert not run(net, arithmetic, np.full((2, 2, 2), -1)).any()


@pytest.mark.parametrize("guard", [0, 7, 15])
def test_a_fused_shift_is_a_one_hot_depthwise_convolution(guard):
    """And the same as a shift of its own."""
    rng = np.random.default_rng(guard)
    arithmetic = Arithmetic(guard=guard)
    offsets = rng.integers(-1, 2, (10, 2))
    sign = np.zeros((10, 1, 3, 3), np.int64)
    sign[np.arange(10), 0, 1 + offsets[:, 0], 1 + offsets[:, 1]] = 1
    one_hot = FixedWeights(arithmetic.weights, sign, np.where(sign == 0, -15, 0))
    weights = pow2_weights(rng, (12, 10, 1, 1), zeros=True)
    x = rng.integers(-(1 << 31), 1 << 31, (2, 10, 5, 6))
    end = FixedLayer("out", Conv(weights, (2, 2)), ("moved",), (12, 3, 3), Epilogue.identity(12))
    depthwise = Conv(one_hot, groups=10, **PADDED)
    as_conv = FixedLayer("moved", depthwise, ("in",), (10, 5, 6), Epilogue.identity(10))
    as_shift = FixedLayer("moved", Shift(offsets), ("in",), (10, 5, 6))
    fused = run(conv_network(arithmetic, (10, 5, 6), Conv(weights, (2, 2), shift=offsets)), arithmetic, x)
    for layer in (as_conv, as_shift):
        np.testing.assert_array_equal(run(network(arithmetic, (10, 5, 6), layer, end), arithmetic, x), fused)


@pytest.mark.parametrize("fmt", [QFormat(2, 15), QFormat(16, 16), QFormat(12, 20)], ids=str)
@pytest.mark.parametrize("groups", [1, 4])
def test_pow2_weights_are_fixed_weights_of_the_same_value(fmt, groups):
    rng = np.random.default_rng(groups)
    pow2 = pow2_weights(rng, (8, 8 // groups, 3, 3), zeros=True)
    values = np.ldexp(pow2.values.astype(float), pow2.powers.astype(np.int32))
    fixed = FixedWeights(fmt, fmt.nearest(values))
    own = Epilogue(rng.integers(-(1 << 17), 1 << 17, 8), rng.integers(10, 40, 8), rng.integers(-99, 99, 8))
    mac = Arithmetic(pe="mac", weights=fmt)
    x = rng.integers(-(1 << 31), 1 << 31, (2, 8, 4, 4))
    outputs = [
        run(conv_network(arithmetic, (8, 4, 4), Conv(weights, groups=groups, **PADDED), own), arithmetic, x)
        for arithmetic, weights in ((EXACT, pow2), (mac, fixed))
    ]
    np.testing.assert_array_equal(*outputs)


def test_ps_range():
    """DeepShift-PS has one exponent less and a true zero: 31 values."""
    fmt = Pow2Format(-14, 0)
    sign, p = fmt.from_ps(np.repeat(np.arange(-20.0, 5), 3), np.tile([-1.0, 0.0, 1.0], 25))
    assert len(set(fmt.to_float(sign, p).tolist())) == 31
