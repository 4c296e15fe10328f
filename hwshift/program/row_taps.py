"""Three taps of a row in a step: what a COMPUTE with ``row_taps`` reads where, and which kernels it is good for.

A depthwise layer uses one lane of each column. With ``row_taps`` two more elements of the column take what that lane
read one and two steps ago, so that a pass sums three neighbours of a row. The first two steps of every row only read:
what they would compute has no place.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from hwshift.network.depthwise import DepthwiseKernel
from hwshift.program.instruction import Instruction

__all__ = [
    "LEAD_STEPS",
    "ROW_TAPS",
    "Window",
    "element_ages",
    "lead_steps",
    "row_windows",
    "share_a_tile",
    "windows_that_pay",
]

ROW_TAPS = 3
"""Taps of a row that a step sums."""

LEAD_STEPS = ROW_TAPS - 1
"""First steps of a row that only read."""

Window = tuple[int | None, ...]
"""Kernel columns of a pass: what is read in the step, one step before, two before; None where there is none."""


def lead_steps(fields: Mapping[str, int] | Instruction) -> int:
    """Steps at the beginning of every row of a COMPUTE that give no pixels."""
    return LEAD_STEPS if fields["row_taps"] else 0


def element_ages(rows: int, columns: int) -> np.ndarray:
    """How many steps ago the element of a row and column takes its value with ``row_taps``; int64, shape (R, C).

    An element of age a takes what lane ``row - a`` (modulo R) read a steps ago. The lanes of a column are those that
    write to its banks: ``lane mod C = column``.
    """
    behind = (np.arange(rows)[:, None] - np.arange(columns)) % columns
    return np.where(behind < ROW_TAPS, behind, 0)


def row_windows(displacements: Sequence[int], stride: int) -> tuple[Window, ...]:
    """Passes for the taps of one kernel row: the fewest.

    Parameters
    ----------
    displacements : sequence of int
        Source columns of the taps, each once.
    stride : int
        Source columns from one step to the next.
    """
    left = {column: index for index, column in enumerate(displacements)}
    windows = []
    while left:
        newest = max(left)
        windows.append(tuple(left.pop(newest - age * stride, None) for age in range(ROW_TAPS)))
    return tuple(windows)


def windows_that_pay(kernel: DepthwiseKernel, size: tuple[int, int], tile_words: int) -> tuple[Window, ...]:
    """`row_windows` of a kernel where they take fewer cycles than a pass for each tap; else none.

    Parameters
    ----------
    kernel : DepthwiseKernel
    size : (rows, columns)
        Of the output.
    tile_words : int
        Cycles that the weight tile of a pass takes to load.
    """
    rows, columns = size
    windows = row_windows(kernel.columns, kernel.stride)
    each = len(kernel.columns) * max(rows * columns, 0 if kernel.alike else tile_words)
    own = 0 if share_a_tile(kernel, windows) else tile_words
    together = len(windows) * max(rows * (columns + LEAD_STEPS), own)
    return windows if together < each else ()


def share_a_tile(kernel: DepthwiseKernel, windows: Sequence[Window]) -> bool:
    """Whether one weight tile serves all passes: weights are alike, and every pass has the same taps."""
    return kernel.alike and len({tuple(tap is None for tap in window) for window in windows}) == 1
