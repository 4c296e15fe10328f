"""Weights as codes in memory: what a tile's entries are, and their packing."""

from dataclasses import dataclass

import numpy as np

from hwshift.config import AcceleratorConfig
from hwshift.errors import CompileError
from hwshift.golden.formats import Pow2Format
from hwshift.network.fixed import FixedWeights, needs_min_code

__all__ = ["Codes", "conv_codes", "pack_tiles", "unit_code", "zero_code"]


@dataclass(frozen=True)
class Codes:
    """Weight codes of one layer.

    Parameters
    ----------
    values : ndarray of int64
        As stored, before they are cut to code width.
    zero : int
        The code that stands for zero.
    keeps_min : bool
        pow2: the code of ``-2**p_min`` occurs and means that value, so nothing can be zero.
    """

    values: np.ndarray
    zero: int
    keeps_min: bool = False


def zero_code(config: AcceleratorConfig) -> int:
    """The code that means zero (pow2: where the layer's flag says so)."""
    fmt = config.arithmetic.weights
    return (1 << fmt.shift_bits) | (fmt.p_max - fmt.p_min) if isinstance(fmt, Pow2Format) else 0


def unit_code(config: AcceleratorConfig, where: str) -> int:
    """The code of the weight 1. Raises CompileError where the format does not hold it."""
    fmt = config.arithmetic.weights
    if isinstance(fmt, Pow2Format):
        return fmt.p_max
    if fmt.max < 1 << fmt.n:
        raise CompileError(
            f"it needs the weight 1.0, the weight format {fmt} holds at most {fmt.to_float(fmt.max)}",
            where=where,
        )
    return 1 << fmt.n


def conv_codes(weights: FixedWeights, config: AcceleratorConfig, where: str) -> Codes:
    """A convolution's weights as codes of the same shape."""
    fmt = config.arithmetic.weights
    if weights.fmt != fmt:
        raise CompileError(
            f"its weights are {weights.fmt}, the accelerator takes {fmt}: bind the network to it", where=where
        )
    if not isinstance(fmt, Pow2Format):
        return Codes(weights.values.astype(np.int64), 0)
    assert weights.powers is not None
    sign, power = weights.values, weights.powers
    code = ((sign < 0).astype(np.int64) << fmt.shift_bits) | (fmt.p_max - power)
    zero = zero_code(config)
    return Codes(np.where(sign == 0, zero, code), zero, needs_min_code(weights))


def pack_tiles(tiles: np.ndarray, config: AcceleratorConfig) -> np.ndarray:
    """Weight tiles as bytes, each padded to whole beats.

    Parameters
    ----------
    tiles : ndarray of int64, shape (tiles, R, C)

    Returns
    -------
    ndarray of uint8, shape (tiles, tile_beats * beat_bytes)
    """
    bits, count = config.code_bits, len(tiles)
    flat = tiles.reshape(count, -1, 1)
    spread = ((flat >> np.arange(bits)) & 1).astype(np.uint8).reshape(count, -1)
    packed = np.packbits(spread, axis=1, bitorder="little")
    out = np.zeros((count, config.tile_beats * config.beat_bytes), np.uint8)
    out[:, : packed.shape[1]] = packed
    return out
