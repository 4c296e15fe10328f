"""Generators of spatial shifts: per channel (dy, dx), as the published networks choose them."""

import numpy as np

__all__ = ["contiguous_shifts", "learned_shifts", "modulo_shifts"]


def modulo_shifts(channels: int, kernel: int = 3) -> np.ndarray:
    """Interleaved shifts of the published ShiftResNet code (CIFAR).

    Channel c gets ``dx = c mod K - K // 2`` and ``dy = (c // K) mod K - K // 2``; the last
    ``channels mod K**2`` channels are not shifted.

    Parameters
    ----------
    channels : int
    kernel : int
        K, the side of the neighbourhood.

    Returns
    -------
    ndarray of int64, shape (channels, 2)
        (dy, dx).

    Raises
    ------
    ValueError
        For a kernel or channel count below 1.
    """
    _check(channels, kernel)
    index = np.arange(channels, dtype=np.int64)
    offsets = _grid(index % (kernel * kernel), kernel)
    offsets[channels - channels % (kernel * kernel) :] = 0
    return offsets


def contiguous_shifts(channels: int, kernel: int = 3, remainder: str = "spread") -> np.ndarray:
    """Shifts by contiguous groups of channels, one group per neighbour.

    Parameters
    ----------
    channels : int
    kernel : int
        K, the side of the neighbourhood.
    remainder : "spread" or "centre"
        ``spread``: channel c is in group ``floor(c * K**2 / channels)``; group sizes differ by at most 1.
        ``centre``: groups of ``floor(channels / K**2)``; the channels left over at the end are not shifted.

    Returns
    -------
    ndarray of int64, shape (channels, 2)
        (dy, dx).

    Raises
    ------
    ValueError
        For a kernel or channel count below 1 or another `remainder`.
    """
    _check(channels, kernel)
    if remainder not in ("spread", "centre"):
        raise ValueError(f"remainder must be 'spread' or 'centre', not {remainder!r}")
    index = np.arange(channels, dtype=np.int64)
    positions = kernel * kernel
    if remainder == "spread":
        return _grid(index * positions // channels, kernel)
    size = channels // positions
    offsets = _grid(np.minimum(index // max(size, 1), positions - 1), kernel)
    offsets[size * positions :] = 0
    return offsets


def learned_shifts(values: np.ndarray) -> np.ndarray:
    """Shifts of a trained sparse shift layer (SSL): rounded half away from zero.

    Parameters
    ----------
    values : ndarray of float, shape (channels, 2)
        Learned (rows, columns) displacements.

    Returns
    -------
    ndarray of int64, shape (channels, 2)

    Raises
    ------
    ValueError
        For another shape, NaN or infinity.
    """
    data = np.asarray(values, dtype=np.float64)
    if data.ndim != 2 or data.shape[1] != 2:
        raise ValueError(f"learned shifts need the shape (channels, 2), not {data.shape}")
    if not np.isfinite(data).all():
        raise ValueError("learned shifts must be finite, not NaN or infinity")
    whole = np.trunc(data)
    return (whole + np.sign(data) * (np.abs(data - whole) >= 0.5)).astype(np.int64)


def _check(channels: int, kernel: int) -> None:
    if channels < 1 or kernel < 1:
        raise ValueError(f"channels and kernel must be at least 1, not {channels!r} and {kernel!r}")


def _grid(position: np.ndarray, kernel: int) -> np.ndarray:
    """(dy, dx) of row-major neighbourhood positions, the centre being ``K // 2``."""
    return np.stack([position // kernel, position % kernel], axis=1) - kernel // 2
