"""Fixed-width integer steps written out, for plain Python integers and for int64 arrays alike.

numba widens every integer to int64 and NumPy wraps at the width of its arrays, so what a register of a given
width does is never left to either: it is one of these functions.
"""

from typing import TypeVar

import numpy as np

__all__ = ["Integers", "fits", "rshift", "saturate", "signed_range", "wrap"]

Integers = TypeVar("Integers", int, np.ndarray)


def signed_range(bits: int) -> tuple[int, int]:
    """Smallest and largest two's complement value of ``bits`` bits."""
    return -(1 << (bits - 1)), (1 << (bits - 1)) - 1


def fits(value: int | np.ndarray, bits: int) -> bool:
    """Whether every value is a two's complement number of ``bits`` bits."""
    low, high = signed_range(bits)
    return bool(np.all((np.asarray(value) >= low) & (np.asarray(value) <= high)))


def saturate(value: Integers, bits: int) -> Integers:
    """Clip to the two's complement range of ``bits`` bits (at most 64 for arrays)."""
    low, high = signed_range(bits)
    if isinstance(value, np.ndarray):
        return np.clip(value, low, high)
    return min(max(value, low), high)


def wrap(value: Integers, bits: int) -> Integers:
    """Keep the low ``bits`` bits, read as two's complement, as a register does (at most 63 for arrays)."""
    half = 1 << (bits - 1)
    return ((value + half) & (2 * half - 1)) - half


def rshift(value: Integers, places: int) -> Integers:
    """``floor(value / 2**places)`` for ``places >= 0`` (at most 63 for int64 arrays).

    Raises
    ------
    ValueError
        For negative ``places``.
    """
    if places < 0:
        raise ValueError(f"places must be >= 0, not {places!r}")
    return value >> places
