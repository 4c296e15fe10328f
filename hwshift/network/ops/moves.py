"""Operators that only move data."""

from dataclasses import dataclass

import numpy as np

from hwshift.network.checks import Pair, Shape, check_positive
from hwshift.network.ops.base import Op

__all__ = ["ChannelShuffle", "ChannelSlice", "Concat", "Flatten", "SpatialShift", "UpsampleNearest"]


@dataclass(frozen=True, eq=False)
class SpatialShift(Op):
    """``out[c, y, x] = in[c, y + dilation * dy_c, x + dilation * dx_c]``, outside the map zero.

    Parameters
    ----------
    offsets : ndarray of int64, shape (channels, 2)
        (dy, dx) of each channel.
    dilation : int
    """

    offsets: np.ndarray
    dilation: int = 1

    @property
    def moves(self) -> np.ndarray:
        """Offsets with the dilation applied: ndarray of int64, shape (channels, 2)."""
        return self.offsets.astype(np.int64) * self.dilation

    def check(self) -> None:
        """Offsets are integers."""
        offsets = self.offsets
        if not isinstance(offsets, np.ndarray) or offsets.ndim != 2 or offsets.shape[1] != 2:
            raise ValueError(
                f"offsets must be an array of the shape (channels, 2), "
                f"not {getattr(offsets, 'shape', offsets)!r}"
            )
        if offsets.dtype.kind != "i":
            raise ValueError(f"offsets must be signed integers, not {offsets.dtype}")
        if not isinstance(self.dilation, int) or self.dilation < 1:
            raise ValueError(f"dilation must be an integer of at least 1, not {self.dilation!r}")

    def shape(self, inputs: tuple[Shape, ...]) -> Shape:
        """That of the input."""
        if inputs[0][0] != len(self.offsets):
            raise ValueError(
                f"there are offsets for {len(self.offsets)} channels, the input has {inputs[0][0]}"
            )
        return inputs[0]


@dataclass(frozen=True, eq=False)
class Concat(Op):
    """Channel concatenation of the inputs in order."""

    @property
    def arity(self) -> None:
        """One or more inputs."""
        return None

    def shape(self, inputs: tuple[Shape, ...]) -> Shape:
        """Channels add up; rows and columns agree."""
        sizes = {shape[1:] for shape in inputs}
        if len(sizes) > 1:
            raise ValueError(f"all inputs need the same rows and columns, not {sorted(sizes)}")
        return sum(shape[0] for shape in inputs), *inputs[0][1:]


@dataclass(frozen=True, eq=False)
class ChannelShuffle(Op):
    """Channel permutation ``out[i] = in[order[i]]`` (`order`: ndarray of int64, shape (channels,))."""

    order: np.ndarray

    def check(self) -> None:
        """`order` is a permutation."""
        order = self.order
        if not isinstance(order, np.ndarray) or order.ndim != 1 or order.dtype.kind != "i":
            got = order.dtype if isinstance(order, np.ndarray) else type(order).__name__
            raise ValueError(f"order must be a one-dimensional array of signed integers, not {got}")
        if not np.array_equal(np.sort(order), np.arange(order.size)):
            raise ValueError(f"order must be a permutation of 0..{order.size - 1}")

    def shape(self, inputs: tuple[Shape, ...]) -> Shape:
        """That of the input."""
        if inputs[0][0] != self.order.size:
            raise ValueError(f"order names {self.order.size} channels, the input has {inputs[0][0]}")
        return inputs[0]


@dataclass(frozen=True, eq=False)
class ChannelSlice(Op):
    """Channels ``start`` to ``stop - 1`` of the input; a split is one slice per part."""

    start: int
    stop: int

    def check(self) -> None:
        """At least one channel."""
        if not all(isinstance(v, int) for v in (self.start, self.stop)) or not 0 <= self.start < self.stop:
            raise ValueError(
                f"a slice needs integers 0 <= start < stop, not {self.start!r} and {self.stop!r}"
            )

    def shape(self, inputs: tuple[Shape, ...]) -> Shape:
        """(stop - start, height, width)."""
        if self.stop > inputs[0][0]:
            raise ValueError(f"the slice ends at channel {self.stop}, the input has {inputs[0][0]}")
        return self.stop - self.start, *inputs[0][1:]


@dataclass(frozen=True, eq=False)
class UpsampleNearest(Op):
    """``out[c, y, x] = in[c, y // rows, x // columns]`` (`factor`: (rows, columns))."""

    factor: Pair

    def check(self) -> None:
        """Factors are at least 1."""
        check_positive(self.factor, "factor")

    def shape(self, inputs: tuple[Shape, ...]) -> Shape:
        """(channels, rows * height, columns * width)."""
        channels, height, width = inputs[0]
        return channels, self.factor[0] * height, self.factor[1] * width


@dataclass(frozen=True, eq=False)
class Flatten(Op):
    """A map as a vector, in the order channel, row, column."""

    def shape(self, inputs: tuple[Shape, ...]) -> Shape:
        """(channels * height * width, 1, 1)."""
        return inputs[0][0] * inputs[0][1] * inputs[0][2], 1, 1
