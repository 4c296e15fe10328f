"""Convolutions of every kind into int64 accumulators, as a sum over taps.

A tap is one input channel read at one offset:
``acc[o, y, x] = sum over k of term(in[c_k, y*sy + dy_k, x*sx + dx_k], w[o, k])``, zero outside the map.
Kernel position, padding, dilation and a fused spatial shift all end up in (dy_k, dx_k), so a shifted map is
never built. Every term is written as ``sign * ((x * factor) >> right)``: mac has sign 1, factor w and
right = n - G; shift_add has factor ``2**(G + p_max)`` and right = q. Where nothing is shifted out the term is
one product.

Accumulators never overflow (whoever bound the network has proven it), so the order of the sum is irrelevant.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache

import numpy as np
from numba import njit

from hwshift.golden.formats import Arithmetic, QFormat
from hwshift.golden.integers import fits
from hwshift.network.checks import window_size
from hwshift.network.fixed import Conv, FixedWeights

__all__ = ["Terms", "convolve", "convolve_taps", "taps_of"]

_TILE = 64  # pixels gathered at once
_WIDTH = 32  # output channels accumulated at once
_DIRECT = 8  # groups with fewer outputs than this go without gathering
_WORTH_THREADS = 1 << 20  # multiplications below which one thread is quicker


@dataclass(frozen=True)
class Terms:
    """The weights of one convolution as ``sign * ((x * factor) >> right)``.

    Parameters
    ----------
    factor : ndarray of int64, shape (outputs, taps)
    right, sign : ndarray of int64, same shape, or None
        None: the term is ``x * factor`` and every factor has 32 bits.
    """

    factor: np.ndarray
    right: np.ndarray | None = None
    sign: np.ndarray | None = None

    @classmethod
    def of(cls, weights: FixedWeights, arithmetic: Arithmetic) -> "Terms":
        """The terms of checked weights on the array of ``arithmetic``."""
        fmt = arithmetic.weights
        values = np.ascontiguousarray(weights.values.reshape(len(weights.values), -1), np.int64)
        if isinstance(fmt, QFormat):
            if arithmetic.exact:
                return cls(values)
            right = np.full(values.shape, fmt.n - arithmetic.guard, np.int64)
            return cls(values, right, np.ones_like(values))
        assert weights.powers is not None
        powers = np.ascontiguousarray(weights.powers.reshape(values.shape), np.int64)
        left, right = arithmetic.guard + fmt.p_max, fmt.p_max - powers
        if arithmetic.exact and (left - right).max(initial=0) < 31:
            return cls(values << (left - right))
        return cls(np.full(values.shape, 1 << left, np.int64), right, values)

    def rows(self, start: int, stop: int) -> "Terms":
        """The terms of some outputs."""
        if self.right is None or self.sign is None:
            return Terms(self.factor[start:stop])
        return Terms(self.factor[start:stop], self.right[start:stop], self.sign[start:stop])


@njit(cache=True, nogil=True)
def gather_tile(x, taps, stride, size, first, count, tile):
    """Fill ``tile[k, r]`` with what tap k reads for output pixel ``first + r`` (counted over all images)."""
    height, width = x.shape[2], x.shape[3]
    pixels = size[0] * size[1]
    for k in range(len(taps)):
        c, dy, dx = taps[k, 0], taps[k, 1], taps[k, 2]
        n, p = first // pixels, first % pixels
        oy, ox = p // size[1], p % size[1]
        for r in range(count):
            iy, ix = oy * stride[0] + dy, ox * stride[1] + dx
            inside = 0 <= iy < height and 0 <= ix < width
            tile[k, r] = x[n, c, iy, ix] if inside else 0
            ox += 1
            if ox == size[1]:
                ox, oy = 0, oy + 1
                if oy == size[0]:
                    oy, n = 0, n + 1


@njit(cache=True, nogil=True)
def product_tile(tile, weights, sums):
    """``sums[r, j] += sum over k of tile[k, r] * weights[k, j]``, four pixels by four taps at a time.

    ``sums`` and ``weights`` are flat, with _WIDTH columns. The slices let the compiler see that no index is
    negative, without which it would not vectorise.
    """
    taps, rows = tile.shape
    for r in range(0, rows, 4):
        out = sums[_WIDTH * r : _WIDTH * (r + 4)]
        for k in range(0, taps, 4):
            a0, a1, a2, a3 = tile[k, r], tile[k + 1, r], tile[k + 2, r], tile[k + 3, r]
            b0, b1, b2, b3 = tile[k, r + 1], tile[k + 1, r + 1], tile[k + 2, r + 1], tile[k + 3, r + 1]
            c0, c1, c2, c3 = tile[k, r + 2], tile[k + 1, r + 2], tile[k + 2, r + 2], tile[k + 3, r + 2]
            d0, d1, d2, d3 = tile[k, r + 3], tile[k + 1, r + 3], tile[k + 2, r + 3], tile[k + 3, r + 3]
            w = weights[_WIDTH * k : _WIDTH * (k + 4)]
            for j in range(_WIDTH):
                w0, w1 = np.int64(w[j]), np.int64(w[_WIDTH + j])
                w2, w3 = np.int64(w[2 * _WIDTH + j]), np.int64(w[3 * _WIDTH + j])
                out[j] += a0 * w0 + a1 * w1 + a2 * w2 + a3 * w3
                out[_WIDTH + j] += b0 * w0 + b1 * w1 + b2 * w2 + b3 * w3
                out[2 * _WIDTH + j] += c0 * w0 + c1 * w1 + c2 * w2 + c3 * w3
                out[3 * _WIDTH + j] += d0 * w0 + d1 * w1 + d2 * w2 + d3 * w3


@njit(cache=True, nogil=True)
def term_tile(tile, factor, right, sign, sums):
    """As `product_tile` with ``sign * ((x * factor) >> right)`` for the product."""
    taps, rows = tile.shape
    for r in range(rows):
        out = sums[_WIDTH * r : _WIDTH * (r + 1)]
        for k in range(taps):
            x = np.int64(tile[k, r])
            f = factor[_WIDTH * k : _WIDTH * (k + 1)]
            q = right[_WIDTH * k : _WIDTH * (k + 1)]
            s = sign[_WIDTH * k : _WIDTH * (k + 1)]
            for j in range(_WIDTH):
                out[j] += s[j] * ((x * f[j]) >> q[j])


@njit(cache=True, nogil=True)
def store_tile(sums, acc, first, count, channel, channels):
    """Copy a tile's sums to their places in ``acc`` of shape (images, channels, pixels)."""
    pixels = acc.shape[2]
    for j in range(channels):
        n, p = first // pixels, first % pixels
        for r in range(count):
            acc[n, channel + j, p] = sums[_WIDTH * r + j]
            p += 1
            if p == pixels:
                p, n = 0, n + 1


@njit(cache=True, nogil=True)
def gathered_kernel(
    x, taps, stride, size, weights, factor, right, sign, exact, acc, channel, channels, start, stop
):
    """Tiles ``start..stop`` of one group; weights packed by `_pack`, the unused kind empty."""
    total = acc.shape[0] * acc.shape[2]
    tile = np.zeros((len(taps), _TILE), np.int32)
    sums = np.empty(_TILE * _WIDTH, np.int64)
    for t in range(start, stop):
        first = _TILE * t
        count = min(_TILE, total - first)
        gather_tile(x, taps, stride, size, first, count, tile)
        for block in range((channels + _WIDTH - 1) // _WIDTH):
            sums[:] = 0
            if exact:
                product_tile(tile, weights[block], sums)
            else:
                term_tile(tile, factor[block], right[block], sign[block], sums)
            begin = _WIDTH * block
            store_tile(sums, acc, first, count, channel + begin, min(_WIDTH, channels - begin))


@njit(cache=True, nogil=True)
def direct_kernel(x, taps, stride, size, factor, right, sign, exact, acc, start, stop):
    """Rows ``start..stop`` of (image, output channel), one tap after the other.

    ``taps`` has shape (groups, taps, 3), ``factor`` (outputs, taps).
    """
    height, width = x.shape[2], x.shape[3]
    outputs = acc.shape[1]
    per_group = outputs // len(taps)
    for row in range(start, stop):
        n, o = row // outputs, row % outputs
        group = o // per_group
        for p in range(acc.shape[2]):
            acc[n, o, p] = 0
        for k in range(taps.shape[1]):
            c, dy, dx = taps[group, k, 0], taps[group, k, 1], taps[group, k, 2]
            left = max(0, -(dx // stride[1]))
            end = min(size[1], (width - 1 - dx) // stride[1] + 1)
            for y in range(size[0]):
                iy = y * stride[0] + dy
                if not 0 <= iy < height:
                    continue
                base = y * size[1]
                if exact:
                    w = factor[o, k]
                    for i in range(left, end):
                        acc[n, o, base + i] += np.int64(x[n, c, iy, i * stride[1] + dx]) * w
                else:
                    w, q, f = factor[o, k], right[o, k], sign[o, k]
                    for i in range(left, end):
                        acc[n, o, base + i] += f * ((np.int64(x[n, c, iy, i * stride[1] + dx]) * w) >> q)


def taps_of(conv: Conv) -> np.ndarray:
    """What each tap reads.

    Returns
    -------
    ndarray of int64, shape (groups, taps, 3)
        Input channel, dy, dx; taps in the order of the weights (channel, kernel row, kernel column).
    """
    _, inputs, rows, columns = conv.weights.values.shape
    channel, u, v = (index.ravel() for index in np.indices((inputs, rows, columns)))
    groups = []
    for group in range(conv.groups):
        c = group * inputs + channel
        dy, dx = u * conv.dilation[0] - conv.padding[0], v * conv.dilation[1] - conv.padding[1]
        if conv.shift is not None:
            dy, dx = dy + conv.shift[c, 0], dx + conv.shift[c, 1]
        groups.append(np.stack((c, dy, dx), axis=1))
    return np.stack(groups).astype(np.int64)


def convolve(x: np.ndarray, conv: Conv, arithmetic: Arithmetic) -> np.ndarray:
    """Accumulators of a convolution whose weights are of the array's kind.

    Parameters
    ----------
    x : ndarray of int32, shape (images, channels, height, width)
    conv : Conv
    arithmetic : Arithmetic

    Returns
    -------
    ndarray of int64, shape (images, out channels, out pixels)

    Raises
    ------
    TypeError, ValueError
        As `convolve_taps`.
    """
    kernel = conv.weights.values.shape[2:]
    size = window_size(x.shape[2:], kernel, conv.stride, conv.padding, conv.dilation)
    return convolve_taps(x, taps_of(conv), conv.stride, size, Terms.of(conv.weights, arithmetic))


def convolve_taps(
    x: np.ndarray, taps: np.ndarray, stride: tuple[int, int], size: tuple[int, int], terms: Terms
) -> np.ndarray:
    """Accumulators of any sum over taps.

    Parameters
    ----------
    x : ndarray of int32, shape (images, channels, height, width)
    taps : ndarray of int64, shape (groups, taps, 3)
        As from `taps_of`.
    stride, size : (rows, columns)
        Of the output.
    terms : Terms
        Shape (outputs, taps); outputs are divided evenly among the groups.

    Returns
    -------
    ndarray of int64, shape (images, outputs, size[0] * size[1])

    Raises
    ------
    TypeError
        If x or taps have a wrong dtype or are not contiguous.
    ValueError
        If the shapes do not belong together, or a shift leaves 0..63.
    """
    _check(x, taps, size, terms)
    outputs = len(terms.factor)
    acc = np.empty((len(x), outputs, size[0] * size[1]), np.int64)
    per_group = outputs // len(taps)
    exact = terms.right is None
    work = acc.size * taps.shape[1]
    if per_group < _DIRECT:
        rounding = (np.zeros((1, 1), np.int64),) * 2 if exact else (terms.right, terms.sign)
        common = (x, taps, stride, size, terms.factor, *rounding, exact, acc)
        _in_threads(direct_kernel, common, len(x) * outputs, work)
        return acc
    for group, group_taps in enumerate(taps):
        first = group * per_group
        own, packed = _pack(group_taps, terms.rows(first, first + per_group))
        common = (x, own, stride, size, *packed, exact, acc, first, per_group)
        _in_threads(gathered_kernel, common, -(-len(x) * acc.shape[2] // _TILE), work // len(taps))
    return acc


def _check(x: np.ndarray, taps: np.ndarray, size: tuple[int, int], terms: Terms) -> None:
    for name, array, dtype, axes in (("x", x, np.int32, 4), ("taps", taps, np.int64, 3)):
        if array.dtype != dtype or array.ndim != axes or not array.flags.c_contiguous:
            raise TypeError(
                f"{name} must be a contiguous array of {np.dtype(dtype)} with {axes} axes, "
                f"not {array.dtype} with {array.ndim}"
            )
    outputs, count = terms.factor.shape
    if taps.shape[1:] != (count, 3) or outputs % len(taps):
        raise ValueError(f"{outputs} x {count} terms do not belong to taps of shape {taps.shape}")
    low, high = taps[..., 0].min(), taps[..., 0].max()
    if low < 0 or high >= x.shape[1]:
        raise ValueError(f"taps read channels 0..{x.shape[1] - 1} only, not {low}..{high}")
    if min(size) < 1:
        raise ValueError(f"the output needs at least one row and one column, not {size[0]} x {size[1]}")
    if terms.right is None:
        if not fits(terms.factor, 32):
            raise ValueError("factors of exact terms must have 32 bits")
    elif terms.right.min() < 0 or terms.right.max() > 63:
        raise ValueError(f"shifts must lie in 0..63, not {terms.right.min()} to {terms.right.max()}")


def _pack(taps: np.ndarray, terms: Terms) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
    """Taps and terms of a group padded to fours of taps and whole blocks of outputs, in the kernels' order.

    Returns the taps and (weights as int32, factor, right, sign), each of shape (blocks, taps * _WIDTH), or
    (0, 0) where unused.
    """
    outputs, count = terms.factor.shape
    extra, blocks = -count % 4, -(-outputs // _WIDTH)

    def packed(values: np.ndarray, dtype: type) -> np.ndarray:
        padded = np.zeros((blocks * _WIDTH, count + extra), dtype)
        padded[:outputs, :count] = values
        return padded.reshape(blocks, _WIDTH, -1).swapaxes(1, 2).reshape(blocks, -1)

    taps = np.concatenate((taps, np.repeat(taps[:1], extra, axis=0)))
    none = np.zeros((0, 0), np.int64)
    if terms.right is None or terms.sign is None:
        return taps, (packed(terms.factor, np.int32), none, none, none)
    rest = tuple(packed(values, np.int64) for values in (terms.factor, terms.right, terms.sign))
    return taps, (np.zeros((0, 0), np.int32), *rest)


@cache
def _executor() -> tuple[ThreadPoolExecutor, int]:
    workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return ThreadPoolExecutor(workers, "golden"), workers


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_executor.cache_clear)  # threads do not survive a fork


def _in_threads(kernel: Callable, arguments: tuple, total: int, work: int) -> None:
    """``kernel(*arguments, start, stop)`` over parts of 0..total, in threads where the work is worth it."""
    if work < _WORTH_THREADS or total < 2:
        kernel(*arguments, 0, total)
        return
    executor, workers = _executor()
    edges = np.linspace(0, total, workers + 1).astype(int).tolist()
    parts = zip(edges[:-1], edges[1:], strict=True)
    for future in [executor.submit(kernel, *arguments, start, stop) for start, stop in parts]:
        future.result()
