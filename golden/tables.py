"""The tables of a plan: arrays joined to one, and lists of positions with room behind their ends."""

import numpy as np

from hwshift.golden.blocks import COLUMNS
from hwshift.golden.limbs import ROW
from hwshift.golden.llvm import LANES
from hwshift.golden.x86 import PIXELS

__all__ = ["MOST_PANELS", "Tables", "aligned", "padded", "strides"]

MOST_PANELS = 8
"""Panels of COLUMNS positions that a part takes."""


class Tables:
    """Arrays joined to one, with the index at which each begins."""

    def __init__(self, dtype: type) -> None:
        self._dtype = dtype
        self._parts: list[np.ndarray] = []
        self._length = 0

    def add(self, values: np.ndarray | list) -> int:
        """Index of the first value."""
        part: np.ndarray = np.asarray(values, self._dtype).ravel()
        start = self._length
        self._parts.append(part)
        self._length += part.size
        return start

    def array(self) -> np.ndarray:
        """All of them."""
        return np.concatenate([*self._parts, np.zeros(1, self._dtype)])


def aligned(data: np.ndarray) -> np.ndarray:
    """A copy that begins with a cache line."""
    room = np.empty(data.size + ROW, np.uint8)
    start = -room.ctypes.data % ROW
    room[start : start + data.size] = data
    return room[start : start + data.size]


def strides(reads: np.ndarray) -> np.ndarray:
    """The stride of each 16 positions that begin with a multiple of LANES: 1, 2, or 0 for any other."""
    steps = np.lib.stride_tricks.sliding_window_view(np.diff(reads), PIXELS - 1)[::LANES]
    even = (steps == steps[:, :1]).all(axis=1) & (steps[:, 0] >= 1) & (steps[:, 0] <= 2)
    return np.where(even, steps[:, 0], 0)


def padded(values: np.ndarray, edge: bool = False) -> np.ndarray:
    """With so many more values, zeros or the last one, that a whole part may read past the end."""
    return np.pad(values, (0, MOST_PANELS * COLUMNS), mode="edge" if edge else "constant")
