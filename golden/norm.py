"""Scales that depend on the image: the gates of squeeze-and-excite and instance normalisation."""

import math

import numpy as np
from numba import njit

from hwshift.errors import QuantizeError
from hwshift.golden.formats import QFormat
from hwshift.golden.scale import MAX_GATE, gate_mantissa, scale_from_float
from hwshift.network.fixed import InstanceNorm

__all__ = ["affine", "gate_mantissas", "moments_kernel", "norm_scales", "statistics"]


def gate_mantissas(gate: np.ndarray, fmt: QFormat) -> np.ndarray:
    """A gate's codes as mantissas: brought to 16 fraction bits, left exactly, right by floor.

    Parameters
    ----------
    gate : ndarray of int32, shape (images, channels, 1, 1)
    fmt : QFormat

    Returns
    -------
    ndarray of int64, shape (images, channels)

    Raises
    ------
    QuantizeError
        If one is 2 or more in magnitude, which binding a network excludes.
    """
    codes = gate.reshape(gate.shape[:2]).astype(np.int64)
    m = gate_mantissa(codes, fmt.n)
    if np.abs(m).max() > MAX_GATE:
        worst = fmt.to_float(codes.flat[np.abs(m).argmax()])
        raise QuantizeError(f"gates must be smaller than 2, not {worst}; bind the network first")
    return m


@njit(cache=True, nogil=True)
def moments_kernel(x, sums):
    """Per image and channel: the sum, and the sum of squares as upper and lower parts (``upper * 2**32 + lower``)."""
    images, channels, height, width = x.shape
    for n in range(images):
        for c in range(channels):
            total, upper, lower = np.int64(0), np.int64(0), np.int64(0)
            for iy in range(height):
                for ix in range(width):
                    value = np.int64(x[n, c, iy, ix])
                    square = value * value
                    total += value
                    upper += square >> 32
                    lower += square & 0xFFFFFFFF
            sums[n, c, 0], sums[n, c, 1], sums[n, c, 2] = total, upper, lower


def norm_scales(
    x: np.ndarray, op: InstanceNorm, fmt: QFormat, out: QFormat, guard: int, digits: int | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scales and biases of an instance normalisation (the contract is `InstanceNorm`'s).

    Parameters
    ----------
    x : ndarray of int32, shape (images, channels, height, width)
        Contiguous; fewer than 2**31 pixels.
    op : InstanceNorm
    fmt, out : QFormat
        Of the input and of the output.
    guard : int
        Guard bits G.
    digits : int or None
        Signed digits a mantissa may have.

    Returns
    -------
    m, s, b : ndarrays of int64, shape (images, channels)
    """
    sums = np.empty((*x.shape[:2], 3), np.int64)
    moments_kernel(x, sums)
    count = x.shape[2] * x.shape[3]
    found = np.empty((3, *x.shape[:2]), np.int64)
    for n, c in np.ndindex(*x.shape[:2]):
        total, upper, lower = sums[n, c].tolist()
        mean, variance = statistics(count, total, (upper << 32) + lower, fmt.n)
        scale, offset = affine(mean, variance, float(op.gamma[c]), float(op.beta[c]), op.eps)
        m, s = scale_from_float(scale, guard + fmt.n - out.n, digits)
        found[:, n, c] = m, s, round(math.ldexp(offset, out.n))
    return found[0], found[1], found[2]


def statistics(count: int, total: int, squares: int, fraction: int) -> tuple[float, float]:
    """Mean and variance as floats, from exact sums of codes and of their squares."""
    spread = count * squares - total * total
    variance = math.ldexp(float(spread) / float(count * count), -2 * fraction)
    return math.ldexp(float(total) / float(count), -fraction), variance


def affine(mean: float, variance: float, gamma: float, beta: float, eps: float) -> tuple[float, float]:
    """Scale and offset, each step rounded to float64."""
    scale = gamma / math.sqrt(variance + eps)
    return scale, beta - mean * scale
