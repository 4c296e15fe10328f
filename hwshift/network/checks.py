"""Sizes of sliding windows, and checks of operator parameters."""

import math

import numpy as np

__all__ = [
    "MAX_MAP",
    "Padding",
    "Pair",
    "Shape",
    "check_array",
    "check_map",
    "check_padding",
    "check_positive",
    "window_size",
]

Shape = tuple[int, int, int]
Pair = tuple[int, int]
Padding = tuple[int, int, int, int]


MAX_MAP = 1 << 28
"""Elements of a map in a network that comes from a file."""

_AXES = ("rows", "columns")


def window_size(size: Pair, kernel: Pair, stride: Pair, padding: Padding, dilation: Pair = (1, 1)) -> Pair:
    """Rows and columns of the output of a sliding window.

    Parameters
    ----------
    size, kernel, stride, dilation : (rows, columns)
    padding : (top, left, bottom, right)

    Raises
    ------
    ValueError
        When the window is larger than the padded map.
    """
    result = []
    for axis in (0, 1):
        room = size[axis] + padding[axis] + padding[axis + 2]
        extent = dilation[axis] * (kernel[axis] - 1) + 1
        if room < extent:
            raise ValueError(f"a window of {extent} does not fit {room} padded {_AXES[axis]}")
        result.append((room - extent) // stride[axis] + 1)
    return result[0], result[1]


def check_map(shape: Shape) -> None:
    """Check that a map has at most `MAX_MAP` elements. Raises ValueError."""
    if math.prod(shape) > MAX_MAP:
        raise ValueError(f"a map of the shape {shape} is too large: {MAX_MAP} elements are allowed")


def check_positive(pair: Pair, name: str) -> None:
    """Check that `pair` is two integers of at least 1. Raises ValueError."""
    if len(pair) != 2 or not all(isinstance(v, int) and v >= 1 for v in pair):
        raise ValueError(f"{name} must be two integers of at least 1, not {pair!r}")


def check_padding(padding: Padding) -> None:
    """Check that `padding` is four integers of at least 0. Raises ValueError."""
    if len(padding) != 4 or not all(isinstance(v, int) and v >= 0 for v in padding):
        raise ValueError(f"padding must be four integers of at least 0, not {padding!r}")


def check_array(values: np.ndarray | None, name: str, *shape: int | None) -> None:
    """Check that `values` is a finite float array of that shape (None: any length). Raises ValueError."""
    if not isinstance(values, np.ndarray) or values.dtype not in (np.float32, np.float64):
        got = values.dtype if isinstance(values, np.ndarray) else type(values).__name__
        raise ValueError(f"{name} must be a float32 or float64 array, not {got}")
    if values.ndim != len(shape) or any(
        want not in (None, got) for want, got in zip(shape, values.shape, strict=True)
    ):
        wanted = ", ".join("any" if want is None else str(want) for want in shape)
        raise ValueError(f"{name} must have the shape ({wanted}), not {values.shape}")
    if values.size == 0:
        raise ValueError(f"{name} must not be empty, not of shape {values.shape}")
    if not np.isfinite(values).all():
        raise ValueError(f"{name} must be finite, not NaN or infinity")
