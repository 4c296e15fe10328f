"""Where two sets of maps first differ: by layer, image, channel and pixel."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

__all__ = ["Difference", "compare"]


@dataclass(frozen=True)
class Difference:
    """The first value in which two models disagree.

    Parameters
    ----------
    layer : str
    image, channel, y, x : int
        Position in the layer's output; image is 0 for a single map.
    expected, actual : int
        The two codes.
    count, total : int
        How many values of this layer differ, and how many it has.
    """

    layer: str
    image: int
    channel: int
    y: int
    x: int
    expected: int
    actual: int
    count: int
    total: int

    def __str__(self) -> str:
        return (
            f"layer {self.layer!r}, image {self.image}, channel {self.channel}, "
            f"pixel (y={self.y}, x={self.x}): expected {self.expected}, got {self.actual}; "
            f"{self.count} of {self.total} values differ"
        )


def compare(expected: Mapping[str, np.ndarray], actual: Mapping[str, np.ndarray]) -> Difference | None:
    """The first difference, in the order of ``expected``.

    Parameters
    ----------
    expected : mapping of layer name to integer array, shape (channels, height, width) or with images in front
        For example the maps of a `Trace`.
    actual : mapping, likewise
        May hold fewer layers (those that reach memory), but at least one.

    Returns
    -------
    Difference or None
        None: all layers of ``actual`` are equal, value by value.

    Raises
    ------
    ValueError
        If ``actual`` is empty, holds a layer that ``expected`` lacks, or a map of another shape.
    """
    if not actual:
        raise ValueError("there is nothing to compare: actual holds no layer")
    unknown = sorted(set(actual) - set(expected))
    if unknown:
        raise ValueError(f"actual holds layers that expected lacks: {', '.join(unknown)}")
    for name in expected:
        if name in actual:
            difference = _first(name, np.asarray(expected[name]), np.asarray(actual[name]))
            if difference is not None:
                return difference
    return None


def _first(name: str, expected: np.ndarray, actual: np.ndarray) -> Difference | None:
    if expected.shape != actual.shape or expected.ndim not in (3, 4):
        raise ValueError(
            f"maps of layer {name!r} must have one shape of 3 or 4 axes, not {expected.shape} "
            f"and {actual.shape}"
        )
    wrong = expected != actual
    count = int(np.count_nonzero(wrong))
    if count == 0:
        return None
    index = tuple(int(i) for i in np.unravel_index(int(np.argmax(wrong)), wrong.shape))
    image, channel, y, x = (0, *index) if expected.ndim == 3 else index
    values = int(expected[index]), int(actual[index])
    return Difference(name, image, channel, y, x, *values, count, expected.size)
