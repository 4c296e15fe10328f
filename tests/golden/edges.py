"""Accumulators and scales at the edges of the epilogue: where a value just saturates, powers of two, both ends."""

import numpy as np

from hwshift.golden.formats import QFormat

FORMATS = [QFormat(16, 16), QFormat(8, 8), QFormat(4, 12), QFormat(5, 6), QFormat(1, 1), QFormat(32, 0)]


def mantissas(rng, count):
    """18-bit mantissas, edges as often as any others."""
    edges = rng.choice([-(1 << 17), (1 << 17) - 1, -(1 << 16), 1 << 16, -1, 0, 1, 2, 3], count)
    return np.where(rng.integers(0, 2, count) == 0, edges, rng.integers(-(1 << 17), 1 << 17, count))


def biases(rng, count, act):
    """Any bias of the format, its ends and zero as often as any other."""
    edges = rng.choice([act.min, act.max, 0], count)
    return np.where(
        rng.integers(0, 2, count) == 0, edges, rng.integers(act.min, act.max, count, endpoint=True)
    )


def accumulators(rng, m, places, b, act, bits):
    """One accumulator of ``bits`` bits for each scale: powers of two, any width, both ends, rims of saturation."""
    count = len(m)
    powers = (np.int64(1) << rng.integers(0, bits - 1, count)) + rng.integers(-2, 3, count)
    widths = rng.integers(-(1 << (bits - 2)), 1 << (bits - 2), count) >> rng.integers(0, bits - 2, count)
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    ends = rng.choice([low, low + 1, high, high - 1, 0, -1, 1], count)
    rims = []
    bounds = rng.choice([act.min, act.max], count).tolist()
    for bound, one_m, one_places, one_b in zip(bounds, m.tolist(), places.tolist(), b.tolist(), strict=True):
        rim = ((bound - one_b) << one_places) // (one_m or 1)
        rims.append(min(max(rim, low + 2), high - 2))
    rims = np.array(rims, np.int64) + rng.integers(-2, 3, count)
    signs = rng.choice([-1, 1], count)
    return np.clip(np.choose(rng.integers(0, 4, count), [powers * signs, widths, ends, rims]), low, high)


def scaled(acc, m, places, b):
    """The contract's formula for one value in unbounded integers, before it saturates."""
    return ((acc * m) >> places) + b


def clip(value, low, high):
    """The nearest value within the range."""
    return low if value < low else high if value > high else value
