"""Weights as signed bytes and bytes, in the order in which tiles of a matrix unit read them.

A tile of weights has one row per output channel and up to 64 bytes a row, one for each tap of a chunk. A weight of
``n`` limbs is ``sum of limb[i] << 8 * i``: the last limb is signed, the others are not.
"""

from dataclasses import dataclass

import numpy as np

__all__ = ["ROW", "TILE", "TILE_ROWS", "TileWeights", "pack_limbs", "split"]

ROW = 64
"""Bytes of a row of a tile."""
TILE_ROWS = 16
TILE = ROW * TILE_ROWS
"""Bytes of a tile."""

LIMBS = range(2, 4)
"""Of a weight; one more for an input: so many sums as there are tiles beside one of weights and one of inputs."""

# A 32-bit sum holds the products of a pair of limbs per limb.
_MOST_TAPS = ((1 << 31) - 1) // (LIMBS[-1] * 255 * 255)


@dataclass
class TileWeights:
    """Weights of a convolution ready for tiles.

    Parameters
    ----------
    data : ndarray of uint8
        The unit's configuration in `ROW` bytes, then tiles: (groups, blocks, limbs of the block, chunks, TILE).
    blocks : ndarray of int64, shape (groups, blocks, 2)
        Where a block begins in ``data``, and its limbs.
    rows : int
        Output channels of a block; the last of a group may have fewer.
    chunk, chunks : int
        Taps of a tile, a multiple of 4, and tiles that hold all taps; those behind the last have weight 0.
    at : int
        Where ``data`` begins in the table.
    """

    data: np.ndarray
    blocks: np.ndarray
    rows: int
    chunk: int
    chunks: int
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
    parts, at, table = [_configuration(rows, chunk)], ROW, np.empty((groups, blocks, 2), np.int64)
    for group, block in np.ndindex(groups, blocks):
        own = padded[group, block * rows : (block + 1) * rows]
        limbs = next(n for n in LIMBS if np.abs(own).max(initial=0) < 1 << (8 * n - 1))
        tiles = np.zeros((limbs, chunks, TILE_ROWS, ROW), np.uint8)
        tiles[:, :, :rows, :chunk] = split(own, limbs).reshape(limbs, rows, chunks, chunk).swapaxes(1, 2)
        table[group, block] = at, limbs
        parts.append(tiles.ravel())
        at += tiles.size
    return TileWeights(np.concatenate(parts), table, rows, chunk, chunks)


def split(values: np.ndarray, limbs: int) -> np.ndarray:
    """Limbs of integers of ``8 * limbs`` bits: ndarray of uint8, lowest first, the last one's bits a signed byte's."""
    return np.stack([(values >> (8 * i) & 255).astype(np.uint8) for i in range(limbs)])


def _configuration(rows: int, chunk: int) -> np.ndarray:
    """Palette 1: tiles 0 to 5 are sums, 6 weights, 7 inputs."""
    data = np.zeros(ROW, np.uint8)
    data[0] = 1
    data[16:32].view(np.uint16)[:8] = [ROW] * 6 + [chunk, ROW]
    data[48:56] = [rows] * 7 + [chunk // 4]
    return data
