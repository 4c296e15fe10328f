"""k-tiles: which channel every lane of the array reads from which neighbour, and with which weights.

A *tap* is one channel of a tensor read at one displacement. The taps of an output tile are packed into k-tiles so
that each k-tile reads one tensor and at most one channel per bank.
"""

from dataclasses import dataclass, field

import numpy as np

from hwshift.compiler.placement import Tensor, View
from hwshift.config import AcceleratorConfig

__all__ = ["Pattern", "Taps", "count_ktiles", "make_taps", "pack", "spread_positions", "tile_weights"]


@dataclass(frozen=True)
class Taps:
    """Taps of one output tile; all arrays are int64, shape (taps,).

    Members
    -------
    position : which of the kernel's positions; taps of different positions do not share a k-tile
    source : index of the tensor
    slot, bank : where the channel lies
    dy, dx : displacement from the output pixel times stride
    """

    position: np.ndarray
    source: np.ndarray
    slot: np.ndarray
    bank: np.ndarray
    dy: np.ndarray
    dx: np.ndarray


@dataclass(frozen=True, eq=False)
class Pattern:
    """The k-tiles of an output tile without their weights.

    Members
    -------
    source : ndarray of int64, shape (k-tiles,)
        Index of the tensor each reads.
    tap : ndarray of int64, shape (k-tiles, R)
        Tap of each lane, -1 for a lane that is off.
    slot, dy, dx : ndarrays of int64, shape (k-tiles, R)
        0 where the lane is off.
    """

    source: np.ndarray
    tap: np.ndarray
    slot: np.ndarray
    dy: np.ndarray
    dx: np.ndarray
    key: bytes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        parts = (self.source, self.tap >= 0, self.slot, self.dy, self.dx)
        object.__setattr__(self, "key", b"".join(part.tobytes() for part in parts))

    @property
    def count(self) -> int:
        """Number of k-tiles."""
        return len(self.source)

    @property
    def on(self) -> np.ndarray:
        """Lanes that read, ndarray of bool, shape (k-tiles, R)."""
        return self.tap >= 0


def make_taps(
    view: View, channels: np.ndarray, offsets: np.ndarray, rows: int, shift: np.ndarray | None = None
) -> Taps:
    """Every channel at every displacement, displacements outermost.

    Parameters
    ----------
    view : View
    channels : ndarray of int64
        Of the view.
    offsets : ndarray of int64, shape (positions, 2)
        (dy, dx) of every kernel position.
    rows : int
        R.
    shift : ndarray of int64, shape (channels of the view, 2), or None
        Further displacement per channel.
    """
    count = len(channels)
    moved = np.zeros((count, 2), np.int64) if shift is None else shift[channels]
    displacement = (offsets[:, None, :] + moved[None]).reshape(-1, 2)
    repeat = len(offsets)
    inner = view.channel[channels]
    return Taps(
        np.repeat(np.arange(repeat), count),
        np.tile(view.source[channels], repeat),
        np.tile(inner // rows, repeat),
        np.tile(inner % rows, repeat),
        displacement[:, 0].copy(),
        displacement[:, 1].copy(),
    )


def spread_positions(taps: Taps, tensors: list[Tensor]) -> Taps:
    """Let several kernel positions share a k-tile where a tensor holds its channels more than once.

    Only for sums: lanes of several positions add up in a column.
    """
    replicas = np.array([tensor.replicas for tensor in tensors])[taps.source]
    channels = np.array([tensor.shape[0] for tensor in tensors])[taps.source]
    return Taps(
        taps.position // replicas,
        taps.source,
        taps.slot,
        taps.bank + taps.position % replicas * channels,
        taps.dy,
        taps.dx,
    )


def pack(taps: Taps, config: AcceleratorConfig) -> Pattern:
    """Assign taps to k-tiles: per position and tensor, the j-th tap of a bank goes to the j-th k-tile."""
    unique, index = _ktile_of(taps)
    shape = (len(unique), config.rows)
    tap = np.full(shape, -1, np.int64)
    tap[index, taps.bank] = np.arange(len(taps.bank))
    fields = []
    for values in (taps.slot, taps.dy, taps.dx):
        table = np.zeros(shape, np.int64)
        table[index, taps.bank] = values
        fields.append(table)
    return Pattern(unique[:, 1].copy(), tap, *fields)


def count_ktiles(taps: Taps) -> int:
    """How many k-tiles `pack` makes."""
    return len(_ktile_of(taps)[0])


def _ktile_of(taps: Taps) -> tuple[np.ndarray, np.ndarray]:
    """The k-tiles as rows (position, source, turn), and every tap's k-tile."""
    order = np.lexsort((np.arange(len(taps.bank)), taps.bank, taps.source, taps.position))
    keys = np.stack((taps.position, taps.source, taps.bank))[:, order]
    new = np.ones(len(order), bool)
    new[1:] = (keys[:, 1:] != keys[:, :-1]).any(axis=0)
    starts = np.flatnonzero(new)
    turn = np.empty(len(order), np.int64)
    turn[order] = np.arange(len(order)) - np.repeat(starts, np.diff(np.append(starts, len(order))))
    rows = np.stack((taps.position, taps.source, turn), axis=1)
    unique, index = np.unique(rows, axis=0, return_inverse=True)
    return unique, index


def tile_weights(pattern: Pattern, codes: np.ndarray, filler: int) -> np.ndarray:
    """Weight tiles of one or more output tiles.

    Parameters
    ----------
    pattern : Pattern
    codes : ndarray of int64, shape (..., taps, C)
    filler : int
        Code of lanes that are off.

    Returns
    -------
    ndarray of int64, shape (..., k-tiles, R, C)
    """
    tiles = codes[..., np.maximum(pattern.tap, 0), :]
    return np.where(pattern.on[..., None], tiles, filler)
