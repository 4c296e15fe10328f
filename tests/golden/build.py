"""Random layers and small networks for the tests."""

import math

import numpy as np

from hwshift.golden.formats import Arithmetic, Pow2Format, QFormat
from hwshift.golden.scale import restrict_scale
from hwshift.network.fixed import Activation, Epilogue, FixedLayer, FixedNetwork, FixedWeights, Input

Q16_16, Q8_8, Q4_12, Q5_6 = QFormat(16, 16), QFormat(8, 8), QFormat(4, 12), QFormat(5, 6)

ARITHMETICS = [
    Arithmetic(),
    Arithmetic(guard=0),
    Arithmetic(guard=7, scale_digits=4),
    Arithmetic(act=Q5_6, weights=Pow2Format(-7, 2), scale_digits=1),
    Arithmetic(act=Q4_12, weights=Pow2Format(-14, 0), guard=3),
    Arithmetic(act=Q8_8, weights=Pow2Format(-31, 0)),
    Arithmetic(act=Q8_8, weights=Pow2Format(-23, 8), guard=11),
    Arithmetic(pe="mac", weights=Q16_16),
    Arithmetic(pe="mac", weights=Q16_16, guard=0),
    Arithmetic(pe="mac", act=Q8_8, weights=Q4_12, guard=5),
    Arithmetic(pe="mac", act=Q4_12, weights=Q8_8, scale_digits=2),
    Arithmetic(pe="mac", act=Q5_6, weights=QFormat(3, 8), guard=1),
]


def codes(rng, fmt, shape):
    """Codes of a format, small ones and both ends more often than not."""
    wide = rng.integers(fmt.min, fmt.max, shape, endpoint=True)
    small = rng.integers(-4, 5, shape)
    edge = rng.choice([fmt.min, fmt.min + 1, fmt.max, -1, 0, 1], shape)
    return np.choose(rng.integers(0, 3, shape), [wide, small, edge]).clip(fmt.min, fmt.max)


def weights(rng, arithmetic, shape):
    """Random weights of the array's kind, both ends of the range included.

    Fixed weights are limited so that no sum of ``shape[1:]`` terms leaves 64 bits.
    """
    fmt = arithmetic.weights
    if isinstance(fmt, QFormat):
        largest = (1 << 62) // (math.prod(shape[1:]) << (arithmetic.act.bits - 1)) << (
            fmt.n - arithmetic.guard
        )
        return FixedWeights(fmt, codes(rng, fmt, shape).clip(-largest, largest))
    sign = rng.integers(-1, 2, shape)
    power = rng.choice([fmt.p_min, fmt.p_max, *range(fmt.p_min, fmt.p_max + 1)], shape)
    return FixedWeights(fmt, sign, np.where(sign == 0, fmt.p_min, power))


def epilogue(rng, arithmetic, channels, kind="none", residual_kind="none"):
    """Random scales, biases and activations that satisfy the arithmetic."""
    m = rng.choice([-(1 << 17), (1 << 17) - 1, 1, 0, *rng.integers(-(1 << 17), 1 << 17, 4)], channels)
    s = rng.choice([0, 62 - arithmetic.guard, *rng.integers(1, 62 - arithmetic.guard, 6)], channels)
    if arithmetic.scale_digits is not None:
        s = np.maximum(s, 1)
        pairs = [
            restrict_scale(*pair, arithmetic.scale_digits)
            for pair in zip(m.tolist(), s.tolist(), strict=True)
        ]
        m, s = np.array(pairs).T.copy()
    b = codes(rng, arithmetic.act, channels)
    lo, hi = sorted(codes(rng, arithmetic.act, 2).tolist())
    activations = [
        Activation(name, lo, hi) if name == "clamp" else Activation(name) for name in (kind, residual_kind)
    ]
    return Epilogue(m.astype(np.int64), s.astype(np.int64), b, *activations)


def network(arithmetic, shape, *layers):
    """The layers behind an input ``in`` of this shape."""
    return FixedNetwork("test", arithmetic.act, (FixedLayer("in", Input(), (), shape), *layers))


def conv_network(arithmetic, shape, op, layer_epilogue=None, residual=None):
    """Input and one convolution ``out``; the epilogue defaults to the identity."""
    outputs, _, *kernel = op.weights.values.shape
    room = [
        shape[1 + i] + op.padding[i] + op.padding[i + 2] - op.dilation[i] * (kernel[i] - 1) - 1
        for i in range(2)
    ]
    size = [room[i] // op.stride[i] + 1 for i in range(2)]
    own = layer_epilogue or Epilogue.identity(outputs)
    return network(arithmetic, shape, FixedLayer("out", op, ("in",), (outputs, *size), own, residual))
