"""What the formats promise about DeepShift: the emulation behind its accuracies, and its bit-shift kernels."""

from dataclasses import replace

import numpy as np
import pytest

from hwshift.golden.formats import Arithmetic, Pow2Format
from hwshift.golden.model import run, trace
from hwshift.network.fixed import RELU, Activation, Conv, Epilogue, FixedLayer, FixedWeights

from ..seeds import generator
from .build import conv_network, network

EXACT = Arithmetic()
PADDED = {"padding": (1, 1, 1, 1)}


def pow2_weights(rng, shape, zeros=False):
    sign = rng.integers(-1, 2, shape) if zeros else rng.choice([-1, 1], shape)
    return FixedWeights(EXACT.weights, sign, np.where(sign == 0, -15, rng.integers(-15, 1, shape)))


def floats(weights):
    return np.ldexp(weights.values.astype(float), weights.powers.astype(np.int32))


def float_conv(x, w):
    """3x3 with padding 1 in float64, products and sums unrounded."""
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
    rng = generator(0)
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
        emulated = np.maximum(float_conv(emulated, floats(first)) + bias[0], 0)
        assert (found["a"] == round_to_fixed(emulated) * 65536).all()
        emulated = float_conv(round_to_fixed(emulated), floats(second)) + bias[1]
        assert (found["b"] == round_to_fixed(emulated) * 65536).all()


def test_without_guard_bits_every_product_is_floored():
    """The bit-shift kernels: add or subtract ``x >> -p``, the shift before the sign, the bias last."""
    rng = generator(1)
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


def weights_of_q(rng, shape):
    """DeepShift-Q: ``sgn(w) * 2**round(log2(|w|))``, |w| clamped into [2**-15, 1]; as it computes them, and packed."""
    w = rng.normal(size=shape) * 2.0 ** rng.integers(-18, 2, shape)
    powers = np.round(np.log2(np.clip(np.abs(w), 2.0**-15, 1.0)))
    return np.sign(w) * 2.0**powers, FixedWeights(EXACT.weights, *EXACT.weights.from_float(w))


def weights_of_ps(rng, shape):
    """DeepShift-PS: ``sgn(round(S)) * 2**round(P)``, P clamped into [-14, 0]."""
    fmt = Pow2Format(-14, 0)
    p, s = rng.uniform(-17, 2, shape), rng.uniform(-1, 1, shape)
    s.flat[:2] = 0.5, -0.5
    sign, powers = fmt.from_ps(p, s)
    emulated = np.sign(np.round(s)) * 2.0 ** np.round(np.clip(p, -14, 0))
    return emulated, FixedWeights(EXACT.weights, sign, np.where(sign == 0, -15, powers))


@pytest.mark.parametrize("scale", [20, 20000], ids=["inside", "saturating"])
@pytest.mark.parametrize("weights_of", [weights_of_q, weights_of_ps], ids=["Q", "PS"])
@pytest.mark.parametrize("linear", [False, True], ids=["conv", "linear"])
def test_modules_in_exact_mode(linear, weights_of, scale):
    """``y = W * round_to_fixed(x) + b`` in unrounded float64, and round_to_fixed of y at the next module's input.

    Of Conv2dShift, Conv2dShiftQ, LinearShift and LinearShiftQ, with inputs and biases on the 16.16 grid: the linear
    modules round not all of theirs. What DeepShift clips at 32767.0 is a clamp here.
    """
    rng = generator(linear, scale)
    shape, kernel = ((40, 1, 1), (1, 1)) if linear else ((5, 5, 7), (3, 3))
    emulated_weights, packed = weights_of(rng, (9, shape[0], *kernel))
    bias = EXACT.act.floor(rng.normal(size=9) * scale)
    window = Activation("clamp", EXACT.act.min, 32767 << 16)
    own = Epilogue(np.ones(9, np.int64), np.zeros(9, np.int64), bias, window)
    op = Conv(packed, **({} if linear else PADDED))
    net = conv_network(EXACT, shape, op, own)
    x = rng.normal(size=(4, *shape)) * scale
    found = run(net, EXACT, EXACT.act.floor(x, upper=32767.0))
    for image, out in zip(round_to_fixed(x), found, strict=True):
        if linear:
            y = (emulated_weights[:, :, 0, 0] @ image[:, 0, 0])[:, None, None]
        else:
            y = float_conv(image, emulated_weights)
        y = y + np.ldexp(bias.astype(float), -16)[:, None, None]
        assert out.tolist() == (round_to_fixed(y) * 65536).tolist()
    ends = np.isin(found, [EXACT.act.min, 32767 << 16])
    assert ends.any() == (scale > 20) and not ends.all()


def test_ps_range():
    """DeepShift-PS has one exponent less and a true zero: 31 values."""
    fmt = Pow2Format(-14, 0)
    sign, p = fmt.from_ps(np.repeat(np.arange(-20.0, 5), 3), np.tile([-1.0, 0.0, 1.0], 25))
    assert len(set(fmt.to_float(sign, p).tolist())) == 31
