"""The epilogue in full: sigmoids, and residuals of any format; in NumPy, for the layers that need it."""

import numpy as np

from hwshift.golden.formats import QFormat
from hwshift.golden.sigmoid import sigmoid
from hwshift.network.fixed import Activation

__all__ = ["aligned", "apply_general"]


def aligned(codes: np.ndarray, fmt: QFormat, to: QFormat) -> np.ndarray:
    """Codes of one format with the fraction bits of another: left exactly, right by floor.

    Parameters
    ----------
    codes : ndarray of integers

    Returns
    -------
    ndarray of int64, same shape
    """
    wide, places = codes.astype(np.int64), to.n - fmt.n
    return wide << places if places >= 0 else wide >> -places


def apply_general(
    acc: np.ndarray,
    m: np.ndarray,
    places: np.ndarray,
    b: np.ndarray,
    act: QFormat,
    activations: tuple[Activation, Activation],
    residual: np.ndarray | None = None,
) -> tuple[np.ndarray, int]:
    """A whole map through the epilogue, with any activation.

    Parameters
    ----------
    acc : ndarray of int64, shape (images, channels, pixels)
    m : ndarray of int64, shape (channels, 1) or (channels, pixels)
    places : ndarray of int64, shape of m
        How far the product is shifted right: 0..62.
    b : ndarray of int64, shape (channels,)
    act : QFormat
        Of the output.
    activations : (Activation, Activation)
        Before and after the residual.
    residual : ndarray of int64, shape of acc, or None
        With the output's fraction bits.

    Returns
    -------
    out : ndarray of int32, shape of acc
    saturated : int
        Values that either saturation changed.

    Raises
    ------
    ValueError
        For shifts outside 0..62.
    """
    if not 0 <= places.min() <= places.max() <= 62:
        raise ValueError(f"shifts must lie in 0..62, not {places.min()} to {places.max()}")
    y = _scaled(acc, m, places) + b[:, None]
    over = (y < act.min) | (y > act.max)
    y = _activated(np.clip(y, act.min, act.max), activations[0], act)
    if residual is not None:
        y = y + residual
        over |= (y < act.min) | (y > act.max)
        y = _activated(np.clip(y, act.min, act.max), activations[1], act)
    return y.astype(np.int32), int(np.count_nonzero(over))


def _scaled(acc: np.ndarray, m: np.ndarray, places: np.ndarray) -> np.ndarray:
    """``floor(acc * m / 2**places)``, as `hwshift.golden.epilogue.scale_floor`."""
    k = np.minimum(places, 32)
    hi = acc >> k
    lo = acc - (hi << k)
    hi = np.where(places <= 32, np.clip(hi, -(1 << 45), 1 << 45), hi)
    return (hi * m + ((lo * m) >> k)) >> np.maximum(places - 32, 0)


def _activated(y: np.ndarray, activation: Activation, act: QFormat) -> np.ndarray:
    match activation.kind:
        case "none":
            return y
        case "relu":
            return np.maximum(y, 0)
        case "clamp":
            return np.clip(y, activation.lo, activation.hi)
    return sigmoid(y, act)
