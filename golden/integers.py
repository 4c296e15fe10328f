"""What a register of a given width does to a number, for plain Python integers and for int64 arrays alike.

numba widens every integer to int64 and NumPy wraps at the width of its arrays, so it is never left to either.
"""

from typing import TypeVar

import numpy as np

__all__ = ["Integers", "saturate"]

Integers = TypeVar("Integers", int, np.ndarray)


def saturate(value: Integers, bits: int) -> Integers:
    """Clip to the two's complement range of ``bits`` bits (at most 64 for arrays)."""
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    if isinstance(value, np.ndarray):
        return np.clip(value, low, high)
    return min(max(value, low), high)
