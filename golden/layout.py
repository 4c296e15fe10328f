"""Where the maps of a network lie while it is computed.

A map is a set of planes, one per channel, in one int32 array, the arena. All planes of one size (height, width)
share a geometry: rows with a gap of zeros after each, zero rows above and below, so that a read beside the map
is a plain read that finds zero. Several images lie one below the other and share the rows between them. Planes
of one size come from one region and are given back to it, so gaps that were zero once stay zero.

A concatenation, a slice or a channel permutation is a list of planes that exist already: nothing is copied.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

__all__ = ["Geometry", "Region"]


@dataclass(frozen=True)
class Geometry:
    """How a plane of one size lies in memory.

    Parameters
    ----------
    height, width : int
    above, beside : int
        Rows and columns of zeros that reads need around the map.
    images : int
        Images in a plane.
    """

    height: int
    width: int
    above: int
    beside: int
    images: int

    @property
    def pitch(self) -> int:
        """From one row to the next."""
        return self.width + self.beside

    @property
    def image_step(self) -> int:
        """From one image to the next."""
        return (self.height + self.above) * self.pitch

    @property
    def first(self) -> int:
        """Position of the first image's first pixel."""
        return self.above * self.pitch + self.beside

    @property
    def count(self) -> int:
        """From the first pixel to the last, gaps included."""
        return (self.images - 1) * self.image_step + (self.height - 1) * self.pitch + self.width

    @property
    def pixels(self) -> int:
        """Pixels of all images."""
        return self.images * self.height * self.width

    @property
    def size(self) -> int:
        """Words of a plane, rounded up to whole cache lines."""
        words = self.first + self.images * self.image_step + self.beside
        return -(-words // 16) * 16

    def positions(self, stride: tuple[int, int] = (1, 1), size: tuple[int, int] | None = None) -> np.ndarray:
        """Positions of pixels (y * stride, x * stride), image by image and row by row.

        Parameters
        ----------
        stride : (rows, columns)
        size : (rows, columns) or None
            How many; None: the map's own size. Reads may leave the map by `above` and `beside`.

        Returns
        -------
        ndarray of int64, shape (images * rows * columns,)
        """
        rows, columns = size or (self.height, self.width)
        image, row, column = np.ogrid[: self.images, :rows, :columns]
        at = self.first + image * self.image_step + row * stride[0] * self.pitch + column * stride[1]
        return at.ravel().astype(np.int64)

    @cached_property
    def inside(self) -> np.ndarray:
        """1.0 for each pixel among the `count` positions, 0.0 for the gaps."""
        mask = np.zeros(self.count)
        mask[self.positions() - self.first] = 1.0
        return mask


class Region:
    """The planes of one geometry: taken in runs, given back, taken again.

    Parameters
    ----------
    geometry : Geometry
    """

    def __init__(self, geometry: Geometry) -> None:
        self.geometry = geometry
        self.planes = 0
        self._free: list[tuple[int, int]] = []

    def take(self, count: int) -> int:
        """Number of the first of ``count`` neighbouring planes."""
        for i, (start, length) in enumerate(self._free):
            if length >= count:
                self._free[i : i + 1] = [(start + count, length - count)] if length > count else []
                return start
        start = self.planes
        if self._free and sum(self._free[-1]) == self.planes:  # the last run reaches the end: it grows
            start, _ = self._free.pop()
        self.planes = start + count
        return start

    def give_back(self, start: int, count: int) -> None:
        """Return planes; neighbouring runs become one."""
        runs: list[tuple[int, int]] = []
        for first, length in sorted([*self._free, (start, count)]):
            if runs and sum(runs[-1]) == first:
                runs[-1] = (runs[-1][0], runs[-1][1] + length)
            else:
                runs.append((first, length))
        self._free = runs
