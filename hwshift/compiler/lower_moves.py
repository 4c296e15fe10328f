"""Pools, sums and data movement as diagonal k-tiles: every column copies one lane with the weight 1."""

import numpy as np

from hwshift.compiler.lowered import Lowered, Rectangle, finish, whole
from hwshift.compiler.placement import Tensor, View
from hwshift.compiler.row_taps import row_taps_of, unit_tiles
from hwshift.compiler.tiles import Taps, count_ktiles, make_taps, pack, spread_positions, tile_weights
from hwshift.compiler.weights import unit_code, zero_code
from hwshift.config import AcceleratorConfig
from hwshift.errors import CompileError
from hwshift.golden.scale import average_scale
from hwshift.network.fixed import ChannelScale, FixedLayer, Pool, Shift, Upsample

__all__ = ["copy_taps", "lower_moves", "pool_taps", "shift_taps", "sum_taps"]

_HERE = np.zeros((1, 2), np.int64)


def pool_taps(layer: FixedLayer, view: View, tensors: list[Tensor], config: AcceleratorConfig) -> list[Taps]:
    """Average or maximum: every window position of the tile's channels.

    The positions of an average may share a k-tile. A maximum needs them one after the other, and all channels in
    each: a column without a lane would count as 0.
    """
    op = layer.op
    assert isinstance(op, Pool)
    u, v = (index.ravel() for index in np.indices(op.kernel))
    plan = row_taps_of(layer, view, tensors, config)
    offsets = np.stack((u - op.padding[0], v - op.padding[1]), axis=1) if plan is None else plan.offsets
    taps = _diagonal(layer, view, config, offsets)
    if op.kind == "avg":
        return [spread_positions(item, tensors) for item in taps]
    if any(count_ktiles(item) > len(offsets) for item in taps):
        raise CompileError(
            "a maximum needs all channels of a tile at once, its input's lie apart", where=layer.name
        )
    return taps


def shift_taps(layer: FixedLayer, view: View, config: AcceleratorConfig) -> list[Taps]:
    """A shift that moves data: every channel from its own neighbour."""
    assert isinstance(layer.op, Shift)
    return _diagonal(layer, view, config, _HERE, layer.op.offsets)


def copy_taps(layer: FixedLayer, view: View, config: AcceleratorConfig) -> list[Taps]:
    """Every channel from its own place: ``view`` is the layer's own."""
    return _diagonal(layer, view, config, _HERE)


def sum_taps(layer: FixedLayer, views: list[View], config: AcceleratorConfig) -> list[Taps]:
    """The sum of one or two maps: the tile's channels of the one, then of the other."""
    joined = View.join(views)
    channels, out = layer.shape[0], []
    for first in range(0, channels, config.columns):
        outs = np.arange(first, min(first + config.columns, channels))
        both = np.concatenate([outs + index * channels for index in range(len(views))])
        taps = make_taps(joined, both, _HERE, config.rows)
        turn = np.repeat(np.arange(len(views)), len(outs))
        out.append(Taps(turn, taps.source, taps.slot, taps.bank, taps.dy, taps.dx))
    return out


def lower_moves(
    layer: FixedLayer, view: View, tensors: list[Tensor], all_taps: list[Taps], config: AcceleratorConfig
) -> Lowered:
    """Any of these layers; ``all_taps``: per output tile, the taps of its channels over and over in order."""
    op, extent = layer.op, tensors[0].shape[1:]
    plan, unit, zero = (
        row_taps_of(layer, view, tensors, config),
        unit_code(config, layer.name),
        zero_code(config),
    )
    patterns, weights = [], []
    for tile, taps in enumerate(all_taps):
        channels = min(config.columns, layer.shape[0] - tile * config.columns)
        patterns.append(pack(taps, config))
        if plan is None:
            column = np.arange(len(taps.bank)) % channels
            table = np.full((len(column), config.columns), zero, np.int64)
            table[np.arange(len(column)), column] = unit
            weights.append(tile_weights(patterns[-1], table, 0))
        else:
            weights.append(unit_tiles(patterns[-1], plan, channels, unit, zero, config))
    stride, maximum, rectangles = (1, 1), False, [whole(layer)]
    if isinstance(op, Pool):
        stride, maximum = op.stride, op.kind == "max"
        rectangles = rectangles if maximum else _averages(layer, op, extent, config)
    return finish(
        layer,
        view.tensors,
        extent,
        stride,
        patterns,
        weights,
        True,
        rectangles,
        config,
        maximum=maximum,
        gates=layer.inputs[1] if isinstance(op, ChannelScale) else None,
        spread=op.factor if isinstance(op, Upsample) else (1, 1),
        row_taps=plan is not None,
    )


def _diagonal(
    layer: FixedLayer,
    view: View,
    config: AcceleratorConfig,
    offsets: np.ndarray,
    shift: np.ndarray | None = None,
) -> list[Taps]:
    channels, columns = layer.shape[0], config.columns
    tiles = [np.arange(first, min(first + columns, channels)) for first in range(0, channels, columns)]
    return [make_taps(view, outs, offsets, config.rows, shift) for outs in tiles]


def _averages(
    layer: FixedLayer, op: Pool, extent: tuple[int, int], config: AcceleratorConfig
) -> list[Rectangle]:
    """Rectangles of equal divisor, each with its scale."""
    channels, plain = layer.shape[0], whole(layer)
    counts = []
    for axis in range(2):
        first = np.arange(layer.shape[1 + axis]) * op.stride[axis] - op.padding[axis]
        last = first + op.kernel[axis]
        if not op.include_border:
            first, last = np.clip(first, 0, extent[axis]), np.clip(last, 0, extent[axis])
        counts.append(last - first)
    out = []
    for rows, high in _runs(counts[0]):
        for columns, wide in _runs(counts[1]):
            m, s = average_scale(high * wide, config.scale_digits)
            scales, shifts = np.full(channels, m, np.int64), np.full(channels, s, np.int64)
            out.append(Rectangle(rows, columns, scales, shifts, plain.b))
    return out


def _runs(values: np.ndarray) -> list[tuple[tuple[int, int], int]]:
    """Maximal runs of equal values: ((first, end), value)."""
    edges = [0, *(np.flatnonzero(np.diff(values)) + 1).tolist(), len(values)]
    return [((a, b), int(values[a])) for a, b in zip(edges[:-1], edges[1:], strict=True)]
