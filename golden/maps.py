"""Pools, sums and pure data movement over maps of shape (images, channels, height, width), int32."""

import numpy as np
from numba import njit

from hwshift.network.checks import window_size
from hwshift.network.fixed import Pool

__all__ = ["pool_counts", "pool_max", "pool_sum", "shift_map", "sum_maps", "upsample_map"]


@njit(cache=True, nogil=True)
def pool_kernel(x, kernel, stride, corner, is_max, outside, acc):
    """Sum or maximum per window; ``corner`` is (top, left) padding, ``outside`` what the border reads as."""
    images, channels, height, width = x.shape
    for n in range(images):
        for c in range(channels):
            for oy in range(acc.shape[2]):
                for ox in range(acc.shape[3]):
                    total = np.int64(outside) if is_max else np.int64(0)
                    for u in range(kernel[0]):
                        iy = oy * stride[0] - corner[0] + u
                        for v in range(kernel[1]):
                            ix = ox * stride[1] - corner[1] + v
                            if 0 <= iy < height and 0 <= ix < width:
                                value = np.int64(x[n, c, iy, ix])
                                total = max(total, value) if is_max else total + value
                    acc[n, c, oy, ox] = total


@njit(cache=True, nogil=True)
def shift_kernel(x, offsets, out):
    """``out[c, y, x] = in[c, y + dy, x + dx]``, zero outside."""
    images, channels, height, width = x.shape
    for n in range(images):
        for c in range(channels):
            dy, dx = offsets[c, 0], offsets[c, 1]
            for oy in range(height):
                iy = oy + dy
                for ox in range(width):
                    ix = ox + dx
                    inside = 0 <= iy < height and 0 <= ix < width
                    out[n, c, oy, ox] = x[n, c, iy, ix] if inside else 0


def pool_sum(x: np.ndarray, pool: Pool, guard: int) -> np.ndarray:
    """Accumulators of an average: the exact sum of each window, zero outside the map, on the guarded grid.

    Returns
    -------
    ndarray of int64, shape (images, channels, out pixels)

    Raises
    ------
    TypeError
        If x is not a contiguous int32 array with 4 axes.
    """
    return _pooled(x, pool, is_max=False, outside=0) << guard


def pool_max(x: np.ndarray, pool: Pool, guard: int, lowest: int) -> np.ndarray:
    """Accumulators of a maximum, ``lowest`` outside the map; otherwise as `pool_sum`."""
    return _pooled(x, pool, is_max=True, outside=lowest) << guard


def pool_counts(extent: tuple[int, int], pool: Pool) -> np.ndarray:
    """Number of positions each window counts.

    Parameters
    ----------
    extent : (height, width)
        Of the input.

    Returns
    -------
    ndarray of int64, shape (out pixels,)
        The whole window where borders are included, else the positions inside the map.
    """
    size = window_size(extent, pool.kernel, pool.stride, pool.padding)
    inside = []
    for axis in range(2):
        first = np.arange(size[axis]) * pool.stride[axis] - pool.padding[axis]
        last = first + pool.kernel[axis]
        if not pool.include_border:
            first, last = np.clip(first, 0, extent[axis]), np.clip(last, 0, extent[axis])
        inside.append(last - first)
    return np.outer(*inside).ravel().astype(np.int64)


def sum_maps(maps: list[np.ndarray], guard: int, lifts: tuple[int, ...] = (0, 0)) -> np.ndarray:
    """Accumulators of an element-wise sum of one or two maps of one shape.

    Parameters
    ----------
    maps : list of ndarray of int32
    guard : int
    lifts : tuple of int
        Per map, how many fraction bits it lacks to the finest one.

    Returns
    -------
    ndarray of int64, shape (images, channels, pixels)

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    if any(other.shape != maps[0].shape for other in maps):
        raise ValueError(f"maps to be added must have one shape, not {[other.shape for other in maps]}")
    total = np.zeros(maps[0].shape, np.int64)
    for codes, lift in zip(maps, lifts, strict=False):
        total += codes.astype(np.int64) << lift
    return (total << guard).reshape(*total.shape[:2], -1)


def shift_map(x: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Move each channel: ``out[c, y, x] = in[c, y + dy, x + dx]``, zero outside.

    Parameters
    ----------
    x : ndarray of int32, shape (images, channels, height, width)
    offsets : ndarray of int64, shape (channels, 2)

    Raises
    ------
    TypeError
        If x is not a contiguous int32 array with 4 axes.
    ValueError
        If there is not one offset per channel.
    """
    _check(x)
    if offsets.shape != (x.shape[1], 2):
        raise ValueError(f"offsets must have shape {(x.shape[1], 2)}, not {offsets.shape}")
    out = np.empty_like(x)
    shift_kernel(x, np.ascontiguousarray(offsets, np.int64), out)
    return out


def upsample_map(x: np.ndarray, factor: tuple[int, int]) -> np.ndarray:
    """``out[c, y, x] = in[c, y // rows, x // columns]``.

    Parameters
    ----------
    x : ndarray, shape (images, channels, height, width)
    factor : (rows, columns)
    """
    return x.repeat(factor[0], axis=2).repeat(factor[1], axis=3)


def _pooled(x: np.ndarray, pool: Pool, is_max: bool, outside: int) -> np.ndarray:
    _check(x)
    size = window_size(x.shape[2:], pool.kernel, pool.stride, pool.padding)
    acc = np.empty((*x.shape[:2], *size), np.int64)
    pool_kernel(x, pool.kernel, pool.stride, pool.padding[:2], is_max, outside, acc)
    return acc.reshape(*x.shape[:2], -1)


def _check(x: np.ndarray) -> None:
    if x.dtype != np.int32 or x.ndim != 4 or not x.flags.c_contiguous:
        raise TypeError(f"x must be a contiguous array of int32 with 4 axes, not {x.dtype} with {x.ndim}")
