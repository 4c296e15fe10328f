"""The epilogue: scale, bias, activation, residual, activation, in 64-bit integers.

``y = floor(acc * m / 2**(G + s)) + b``, saturate, activation, ``+ residual``, saturate, activation.
"""

import numpy as np
from numba import njit

from hwshift.golden.formats import QFormat
from hwshift.golden.integers import saturate

__all__ = ["activation_range", "apply_epilogue", "epilogue_exact"]


def activation_range(kind: str, lo: int, hi: int, act: QFormat) -> tuple[int, int]:
    """Every activation is a clip: the codes it lets through, inside the format ``act``.

    Raises
    ------
    ValueError
        For a kind that is not ``none``, ``relu`` or ``clamp``, or an empty range.
    """
    if kind == "none":
        return act.min, act.max
    if kind == "relu":
        return 0, act.max
    if kind != "clamp":
        raise ValueError(f"activation must be 'none', 'relu' or 'clamp', not {kind!r}")
    if not act.min <= lo <= hi <= act.max:
        raise ValueError(f"a clamp needs {act.min} <= lo <= hi <= {act.max}, not [{lo}, {hi}]")
    return lo, hi


def epilogue_exact(
    acc: int,
    m: int,
    s: int,
    b: int,
    guard: int,
    act: QFormat,
    window: tuple[int, int] | None = None,
    residual: int | None = None,
    residual_window: tuple[int, int] | None = None,
) -> int:
    """One value through the epilogue in unbounded integers: the reference for every implementation.

    Parameters
    ----------
    acc : int
        Accumulator, on the grid ``2**-(act.n + guard)``.
    m, s, b : int
        Mantissa, shift and bias of the channel.
    guard : int
        Guard bits G.
    act : QFormat
    window, residual_window : (low, high) or None
        What the activations let through (`activation_range`); None: everything.
    residual : int or None
        Code of the value added.
    """
    y = saturate((acc * m >> (guard + s)) + b, act.bits)
    if window is not None:
        y = min(max(y, window[0]), window[1])
    if residual is None:
        return y
    y = saturate(y + residual, act.bits)
    return y if residual_window is None else min(max(y, residual_window[0]), residual_window[1])


@njit(cache=True, nogil=True)
def scale_floor(acc: int, m: int, places: int) -> int:
    """``floor(acc * m / 2**places)`` in int64 for ``0 <= places <= 62`` and 18-bit m.

    The product has up to 82 bits, so the accumulator is cut at k = min(places, 32). For places <= 32 the
    upper part is clipped to +-2**45. Beyond that the result is outside every format: the value then differs
    from the exact one, but neither in sign nor in that it saturates.
    """
    k = min(places, 32)
    hi = acc >> k
    lo = acc - (hi << k)
    if places <= 32:
        hi = min(max(hi, -(1 << 45)), 1 << 45)
    return (hi * m + ((lo * m) >> k)) >> max(0, places - 32)


@njit(cache=True, nogil=True)
def epilogue_kernel(acc, m, s, b, guard, limits, residual, out, start, stop):
    """Rows ``start..stop`` of (image, channel); arrays as in `apply_epilogue`.

    ``limits``: int64 (format min, max, activation low, high, residual activation low, high). Returns the
    number of saturated values.
    """
    channels, pixels = acc.shape[1], acc.shape[2]
    step = 0 if m.shape[1] == 1 else 1
    low, high = limits[0], limits[1]
    saturated = 0
    for row in range(start, stop):
        n, c = row // channels, row % channels
        for p in range(pixels):
            y = scale_floor(acc[n, c, p], m[c, step * p], guard + s[c, step * p]) + b[c]
            over = y < low or y > high
            y = min(max(y, limits[2]), limits[3])
            if residual.shape[0]:
                y += residual[n, c, p]
                over = over or y < low or y > high
                y = min(max(y, limits[4]), limits[5])
            saturated += over
            out[n, c, p] = y
    return saturated


def apply_epilogue(
    acc: np.ndarray,
    m: np.ndarray,
    s: np.ndarray,
    b: np.ndarray,
    guard: int,
    act: QFormat,
    windows: tuple[tuple[int, int], tuple[int, int]],
    residual: np.ndarray | None = None,
) -> tuple[np.ndarray, int]:
    """A whole map through the epilogue.

    Parameters
    ----------
    acc : ndarray of int64, shape (images, channels, pixels)
    m, s : ndarray of int64, shape (channels, 1) or (channels, pixels)
    b : ndarray of int64, shape (channels,)
    guard : int
    act : QFormat
    windows : ((low, high), (low, high))
        The two activations (`activation_range`).
    residual : ndarray of int32, shape of acc, or None

    Returns
    -------
    out : ndarray of int32, shape of acc
    saturated : int
        Values that either saturation changed.

    Raises
    ------
    TypeError
        For a wrong dtype or array order.
    ValueError
        For a wrong shape, or ``guard + s`` outside 0..62.
    """
    if residual is None:
        residual = np.empty((0, 1, 1), np.int32)
    elif residual.shape != acc.shape:
        raise ValueError(f"the residual must have the accumulators' shape {acc.shape}, not {residual.shape}")
    channels, pixels = acc.shape[1:]
    for name, array, dtype in (
        ("acc", acc, np.int64),
        ("m", m, np.int64),
        ("s", s, np.int64),
        ("b", b, np.int64),
        ("residual", residual, np.int32),
    ):
        if array.dtype != dtype or not array.flags.c_contiguous:
            raise TypeError(f"{name} must be a contiguous array of {np.dtype(dtype)}, not {array.dtype}")
    if m.shape != s.shape or m.shape not in ((channels, 1), (channels, pixels)) or b.shape != (channels,):
        raise ValueError(
            f"scales must have shape {(channels, 1)} or {(channels, pixels)} and the bias "
            f"{(channels,)}, not {m.shape}, {s.shape} and {b.shape}"
        )
    if s.size and not 0 <= guard <= guard + s.min() <= guard + s.max() <= 62:
        raise ValueError(f"guard + s must lie in 0..62, not {guard + s.min()} to {guard + s.max()}")
    limits = np.array([act.min, act.max, *windows[0], *windows[1]], np.int64)
    out = np.empty(acc.shape, np.int32)
    saturated = epilogue_kernel(acc, m, s, b, guard, limits, residual, out, 0, acc.shape[0] * channels)
    return out, int(saturated)
