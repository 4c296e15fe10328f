"""Weights as bytes, in the order in which tiles of a matrix unit read them.

A tile of weights has one row per output channel and up to 64 bytes a row, one for each tap of a chunk. A weight of
``n`` limbs is ``sum of limb[i] << 8 * i``: the last limb is signed, the others are not.

Few taps leave most of a row empty. There all limbs are signed, and a row holds what belongs to one sum: with inputs of
n limbs, one below the other, sum s takes ``limb[s], limb[s - 1], ... limb[s - n + 1]`` of the weights. These are n
neighbours in the row ``0, 0, 0, limb[last], ... limb[0], 0, 0, 0``, wherever s is.
"""

from dataclasses import dataclass

import numpy as np

__all__ = [
    "MOST_LIMBS",
    "ROW",
    "SPARE",
    "TILE",
    "TILE_ROWS",
    "TileWeights",
    "largest_signed",
    "pack_limbs",
    "split",
]

ROW = 64
"""Bytes of a row of a tile."""
TILE_ROWS = 16
TILE = ROW * TILE_ROWS
"""Bytes of a tile."""

LIMBS = range(2, 4)
"""Of a weight; one more for an input: so many sums as there are tiles beside one of weights and one of inputs."""

MOST_LIMBS = LIMBS[-1] + 1
"""Limbs that hold every int32, unless all of them are signed."""

SPARE = LIMBS[-1]
"""Limbs of zeros on either side of a signed weight's: one less than an input has at most."""

# A 32-bit sum holds the products of a pair of limbs per limb.
_MOST_TAPS = ((1 << 31) - 1) // (LIMBS[-1] * 255 * 255)


@dataclass
class TileWeights:
    """Weights of a convolution ready for tiles.

    Parameters
    ----------
    data : ndarray of uint8
        The unit's configurations in `ROW` bytes each, the first for limbs one by one, the others for all limbs of
        inputs of 2, 3 and 4; then tiles: (groups, blocks, limbs of the block, chunks, TILE), or where limbs are signed
        rows: (groups, blocks, rows, SPARE + limbs of the block + SPARE, chunk).
    blocks : ndarray of int64, shape (groups, blocks, 2)
        Where a block begins in ``data``, and its limbs.
    rows : int
        Output channels of a block; the last of a group may have fewer.
    chunk, chunks : int
        Taps of a tile, a multiple of 4, and tiles that hold all taps; those behind the last have weight 0.
    signed : bool
        Whether all limbs are signed; then there is one chunk.
    at : int
        Where ``data`` begins in the table.
    """

    data: np.ndarray
    blocks: np.ndarray
    rows: int
    chunk: int
    chunks: int
    signed: bool
    at: int = -1

    def padded(self, taps: np.ndarray) -> np.ndarray:
        """What taps read, shape (groups, taps), with so many more that chunks are whole."""
        return np.pad(taps, ((0, 0), (0, self.chunk * self.chunks - taps.shape[1])), mode="edge")


def pack_limbs(weights: np.ndarray) -> TileWeights | None:
    """Pack integers of shape (groups, outputs, taps); None where tiles cannot hold them or their sums."""
    groups, outputs, taps = weights.shape
    if np.abs(weights).max(initial=0) >= 1 << (8 * LIMBS[-1] - 1) or taps > _MOST_TAPS:
        return None
    blocks = -(-outputs // TILE_ROWS)
    rows = -(-outputs // blocks)
    chunks = -(-taps // ROW)
    chunk = -(-taps // (4 * chunks)) * 4
    padded = np.zeros((groups, blocks * rows, chunk * chunks), np.int64)
    padded[:, :outputs, :taps] = weights
    signed = chunks == 1 and 2 * chunk <= ROW and np.abs(weights).max(initial=0) <= largest_signed(LIMBS[-1])
    configurations = [_configuration(rows, chunk), *(_configuration(rows, n * chunk) for n in range(2, 5))]
    parts, table = configurations, np.empty((groups, blocks, 2), np.int64)
    at = ROW * len(parts)
    for group, block in np.ndindex(groups, blocks):
        own = padded[group, block * rows : (block + 1) * rows]
        largest = np.abs(own).max(initial=0)
        limbs = next(
            (n for n in LIMBS if largest <= (largest_signed(n) if signed else (1 << (8 * n - 1)) - 1)), 0
        )
        if not limbs:
            return None
        own = split(own, limbs, signed).reshape(limbs, rows, chunks, chunk)
        if signed:
            tiles = np.pad(own[::-1, :, 0], ((SPARE, SPARE), (0, 0), (0, 0))).swapaxes(0, 1).ravel()
            tiles = np.pad(tiles, (0, -tiles.size % ROW))
        else:
            tiles = np.zeros((limbs, chunks, TILE_ROWS, ROW), np.uint8)
            tiles[:, :, :rows, :chunk] = own.swapaxes(1, 2)
        table[group, block] = at, limbs
        parts.append(tiles.ravel())
        at += tiles.size
    return TileWeights(np.concatenate(parts), table, rows, chunk, chunks, signed)


def largest_signed(limbs: int) -> int:
    """Largest magnitude of integers of so many signed limbs."""
    return 127 * sum(256**i for i in range(limbs))


def split(values: np.ndarray, limbs: int, signed: bool = False) -> np.ndarray:
    """Limbs of integers: ndarray of uint8, lowest first, a signed limb's bits those of a signed byte.

    The last limb is signed, or all of them.
    """
    if signed:
        lower = sum(128 << (8 * i) for i in range(limbs - 1))
        values = (values + lower) ^ lower
    return np.stack([(values >> (8 * i) & 255).astype(np.uint8) for i in range(limbs)])


def _configuration(rows: int, depth: int) -> np.ndarray:
    """Palette 1: tiles 0 to 5 are sums, 6 weights, 7 inputs; of so many bytes a row, so many quads of them."""
    data = np.zeros(ROW, np.uint8)
    if depth <= ROW:
        data[0] = 1
        data[16:32].view(np.uint16)[:8] = [ROW] * 6 + [depth, ROW]
        data[48:56] = [rows] * 7 + [depth // 4]
    return data
