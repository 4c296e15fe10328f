"""Depthwise convolutions and average pools as k-tiles of three taps of a row (`hwshift.program.row_taps`)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hwshift.compiler.placement import Tensor, View
from hwshift.compiler.tiles import Pattern
from hwshift.config import AcceleratorConfig
from hwshift.network.depthwise import DepthwiseKernel, depthwise_kernel
from hwshift.network.fixed import FixedLayer
from hwshift.program.row_taps import ROW_TAPS, Window, windows_that_pay

__all__ = ["RowTaps", "row_taps_of", "tap_tiles", "unit_tiles"]


@dataclass(frozen=True)
class RowTaps:
    """The passes of one tile of channels.

    Members
    -------
    offsets : ndarray of int64, shape (passes, 2)
        (dy, dx) of what is read in the step.
    positions : ndarray of int64, shape (passes, ROW_TAPS)
        Kernel position, row by row, of each age; -1 for none.
    """

    offsets: np.ndarray
    positions: np.ndarray


def row_taps_of(
    layer: FixedLayer, view: View, tensors: Sequence[Tensor], config: AcceleratorConfig
) -> RowTaps | None:
    """How a layer's kernel is cut; None where it is not, or where its channels do not lie in their columns' lanes."""
    kernel = depthwise_kernel(layer)
    if not config.row_taps or kernel is None or any(tensor.replicas > 1 for tensor in tensors):
        return None
    channels = np.arange(layer.shape[0])
    if ((view.channel[channels] - channels) % config.columns).any():
        return None
    windows = windows_that_pay(kernel, layer.shape[1:], config.tile_words)
    return _passes(kernel, windows) if windows else None


def _passes(kernel: DepthwiseKernel, windows: tuple[Window, ...]) -> RowTaps:
    offsets, positions = [], []
    for row, dy in enumerate(kernel.rows):
        for window in windows:
            assert window[0] is not None  # what is read in the step is a tap
            offsets.append((dy, kernel.columns[window[0]]))
            positions.append([-1 if tap is None else row * len(kernel.columns) + tap for tap in window])
    return RowTaps(np.array(offsets, np.int64), np.array(positions, np.int64))


def tap_tiles(
    pattern: Pattern, plan: RowTaps, codes: np.ndarray, zero: int, config: AcceleratorConfig
) -> np.ndarray:
    """Weight tiles of an output tile.

    Parameters
    ----------
    pattern : Pattern
        Of taps whose positions are the plan's passes.
    plan : RowTaps
    codes : ndarray of int64, shape (kernel positions, channels)
        Of the channels of the tile's columns, in order.
    zero : int
        The code of zero.

    Returns
    -------
    ndarray of int64, shape (k-tiles, R, C)
    """
    tiles = np.full((pattern.count, config.rows, config.columns), zero, np.int64)
    ktile, lane = np.nonzero(pattern.on)
    number, column = np.divmod(pattern.tap[ktile, lane], codes.shape[1])
    for age in range(ROW_TAPS):
        position = plan.positions[number, age]
        values = np.where(position < 0, zero, codes[position, column])
        tiles[ktile, (lane + age) % config.rows, column] = values
    return tiles


def unit_tiles(
    pattern: Pattern, plan: RowTaps, channels: int, unit: int, zero: int, config: AcceleratorConfig
) -> np.ndarray:
    """Weight tiles that sum taps, for all columns, whichever of them are in use; shape (k-tiles, R, C)."""
    tiles = np.full((pattern.count, config.rows, config.columns), zero, np.int64)
    number = pattern.tap.max(axis=1) // channels
    lane = np.arange(config.rows)
    for age in range(ROW_TAPS):
        values = np.where(plan.positions[number, age] < 0, zero, unit)
        tiles[:, (lane + age) % config.rows, lane % config.columns] = values[:, None]
    return tiles
