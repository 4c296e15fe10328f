"""What reshapes, transposes, pads, slices and concatenations of maps amount to.

These operators only place elements. So a value of the graph is a view: an array that says for each of its elements
which element of which nodes' outputs it is, or that it is a zero. A view that is read as a map is traced back to what
the hardware has: a choice of channels, a spatial shift of each, a stride, nearest upsampling, and padding.
"""

from dataclasses import dataclass, replace

import numpy as np

from hwshift.network.checks import Pair

__all__ = ["ZERO", "Trace", "View", "trace"]

ZERO = -1
"""Index of an element that is zero."""


@dataclass(frozen=True, eq=False)
class View:
    """A value for batch size 1.

    Parameters
    ----------
    sources : tuple of str
        The nodes whose outputs it shows.
    shape : tuple of int
        As the graph sees it, the batch's 1 included.
    index : ndarray of int32, or None
        In that shape: position in the sources' (channels, height, width) outputs, laid out one after the other, or
        `ZERO`. None: the only source's elements in order.
    origin : str
        The graph's node that made it, for messages.
    """

    sources: tuple[str, ...]
    shape: tuple[int, ...]
    index: np.ndarray | None = None
    origin: str = ""

    @property
    def elements(self) -> np.ndarray:
        """The index, also where it is not stored."""
        if self.index is not None:
            return self.index
        return np.arange(int(np.prod(self.shape)), dtype=np.int32).reshape(self.shape)

    def reshaped(self, shape: tuple[int, ...], origin: str = "") -> "View":
        """The same elements in another shape of the same size."""
        index = None if self.index is None else self.index.reshape(shape)
        return replace(self, shape=tuple(shape), index=index, origin=origin or self.origin)


@dataclass(frozen=True, eq=False)
class Trace:
    """A map as a function of its sources: ``out[c, y, x] = in[channels[c], s_y * (y // u_y) + dy_c, ...]``.

    Parameters
    ----------
    channels : ndarray of int64, shape (channels,)
        Which of the sources' channels, counted through all of them; `ZERO` for a map of zeros.
    moves : ndarray of int64, shape (channels, 2)
        (dy, dx); outside the source zero.
    size : (rows, columns)
        Before the upsampling.
    stride, upsample : (rows, columns)
    """

    channels: np.ndarray
    moves: np.ndarray
    size: Pair
    stride: Pair
    upsample: Pair

    @property
    def uniform(self) -> bool:
        """Whether all channels that are not zero move alike."""
        moves = self.moves[self.channels != ZERO]
        return bool((moves == moves[:1]).all())


def trace(index: np.ndarray, source: Pair) -> Trace | None:
    """Trace a map.

    Parameters
    ----------
    index : ndarray of int, shape (channels, rows, columns)
    source : (rows, columns)
        Of every source.

    Returns
    -------
    Trace or None
        None where the elements stand in another order.
    """
    upsample = _repeats(index, source)
    found = _trace(index[:, :: upsample[0], :: upsample[1]], source)
    return None if found is None else replace(found, upsample=upsample)


def _repeats(index: np.ndarray, source: Pair) -> Pair:
    """By how much each pixel is repeated, if the whole source is."""
    size = index.shape[1:]
    if size == source or size[0] % source[0] or size[1] % source[1]:
        return 1, 1
    factor = size[0] // source[0], size[1] // source[1]
    blocks = index.reshape(len(index), source[0], factor[0], source[1], factor[1])
    return factor if (blocks == blocks[:, :, :1, :, :1]).all() and (index != ZERO).all() else (1, 1)


def _trace(index: np.ndarray, source: Pair) -> Trace | None:
    count, rows, columns = index.shape
    pixels = source[0] * source[1]
    valid = index != ZERO
    flat = index.reshape(count, -1)
    first = valid.reshape(count, -1).argmax(axis=1)  # each channel's first element of the source
    start = flat[np.arange(count), first].astype(np.int64)
    channels = np.where(start == ZERO, ZERO, start // pixels)
    stride = _strides(index, valid, source)
    if stride is None:
        return None
    place = start % pixels
    dy = place // source[1] - stride[0] * (first // columns)
    dx = place % source[1] - stride[1] * (first % columns)
    moves = np.where(channels[:, None] == ZERO, 0, np.stack([dy, dx], axis=1))
    y = stride[0] * np.arange(rows) + moves[:, :1]
    x = stride[1] * np.arange(columns) + moves[:, 1:]
    inside = ((y >= 0) & (y < source[0]))[:, :, None] & ((x >= 0) & (x < source[1]))[:, None, :]
    inside &= (channels != ZERO)[:, None, None]
    expected = (channels * pixels)[:, None, None] + (y * source[1])[:, :, None] + x[:, None, :]
    if not np.array_equal(np.where(inside, expected, ZERO), index):
        return None
    return Trace(channels, moves, (rows, columns), stride, (1, 1))


def _strides(index: np.ndarray, valid: np.ndarray, source: Pair) -> Pair | None:
    """Rows and columns of the source between neighbours of the map."""
    down = _distance(index[:, :-1], index[:, 1:], valid[:, :-1] & valid[:, 1:])
    right = _distance(index[:, :, :-1], index[:, :, 1:], valid[:, :, :-1] & valid[:, :, 1:])
    if down is not None and (down % source[1] or down < 1) or right is not None and right < 1:
        return None
    row = None if down is None else down // source[1]
    return (
        row or _guess(index.shape[1], source[0], right),
        right or _guess(index.shape[2], source[1], row),
    )


def _distance(one: np.ndarray, next_one: np.ndarray, both: np.ndarray) -> int | None:
    position = int(both.argmax()) if both.size else 0
    if not both.size or not both.flat[position]:
        return None
    return int(next_one.flat[position]) - int(one.flat[position])


def _guess(size: int, source: int, other: int | None) -> int:
    """The stride along an axis that shows a single line of the source, which any stride explains."""
    if size != 1 or source == 1:
        return 1
    return other if other is not None and other > 1 and (source - 1) // other == 0 else source
