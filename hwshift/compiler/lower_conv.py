"""Convolutions of every kind as k-tiles."""

import numpy as np

from hwshift.compiler.lowered import Lowered, finish, whole
from hwshift.compiler.placement import Tensor, View
from hwshift.compiler.row_taps import row_taps_of, tap_tiles
from hwshift.compiler.tiles import Taps, make_taps, pack, spread_positions, tile_weights
from hwshift.compiler.weights import Codes, conv_codes
from hwshift.config import AcceleratorConfig
from hwshift.errors import CompileError
from hwshift.golden.formats import Pow2Format
from hwshift.network.fixed import Conv, FixedLayer

__all__ = ["conv_taps", "lower_conv"]


def conv_taps(layer: FixedLayer, view: View, tensors: list[Tensor], config: AcceleratorConfig) -> list[Taps]:
    """Per output tile, the channels its outputs read at every kernel position; equal ones are one object.

    Of three taps of a row that are summed in one step it is the last that is read. An output tile whose outputs belong
    to several groups reads the channels of all of them.
    """
    op = layer.op
    assert isinstance(op, Conv)
    plan = row_taps_of(layer, view, tensors, config)
    offsets = _offsets(op) if plan is None else plan.offsets
    known: dict[bytes, Taps] = {}
    out = []
    for outs in _tiles(layer, config):
        channels = _channels(op, outs)
        key = channels.tobytes()
        if key not in known:
            taps = make_taps(view, channels, offsets, config.rows, op.shift)
            known[key] = spread_positions(taps, tensors)
        out.append(known[key])
    return out


def lower_conv(layer: FixedLayer, view: View, tensors: list[Tensor], config: AcceleratorConfig) -> Lowered:
    """A convolution; weights between groups that share an output tile are zeros."""
    op = layer.op
    assert isinstance(op, Conv)
    codes = conv_codes(op.weights, config, layer.name)
    all_taps = conv_taps(layer, view, tensors, config)
    packed = {key: pack(taps, config) for key, taps in {id(taps): taps for taps in all_taps}.items()}
    patterns = [packed[id(taps)] for taps in all_taps]
    plan = row_taps_of(layer, view, tensors, config)
    weights, zeros = [], False
    for outs, pattern in zip(_tiles(layer, config), patterns, strict=True):
        if plan is None:
            table, absent = _tile_codes(op, codes, outs, _channels(op, outs), config.columns)
            zeros |= absent
            weights.append(tile_weights(pattern, table, 0))
        else:
            zeros = True  # beside the taps of a column
            own = codes.values[outs].reshape(len(outs), -1).T
            weights.append(tap_tiles(pattern, plan, own, codes.zero, config))
    fmt = op.weights.fmt
    zeros &= isinstance(fmt, Pow2Format)
    if zeros and codes.keeps_min and isinstance(fmt, Pow2Format):
        raise CompileError(
            f"it needs the weight zero and the weight -2**{fmt.p_min}, which share one code: "
            "round the latter away",
            where=layer.name,
        )
    extent = tensors[0].shape[1:]
    return finish(
        layer,
        view.tensors,
        extent,
        op.stride,
        patterns,
        weights,
        zeros,
        [whole(layer)],
        config,
        row_taps=plan is not None,
    )


def _tiles(layer: FixedLayer, config: AcceleratorConfig) -> list[np.ndarray]:
    """Output channels of every output tile."""
    outputs, columns = layer.shape[0], config.columns
    return [np.arange(first, min(first + columns, outputs)) for first in range(0, outputs, columns)]


def _offsets(op: Conv) -> np.ndarray:
    """(dy, dx) of every kernel position, row by row."""
    rows, columns = op.weights.values.shape[2:]
    u, v = (index.ravel() for index in np.indices((rows, columns)))
    return np.stack((u * op.dilation[0] - op.padding[0], v * op.dilation[1] - op.padding[1]), axis=1)


def _channels(op: Conv, outs: np.ndarray) -> np.ndarray:
    """Input channels of the groups that some outputs belong to, ascending."""
    total, per_group = op.weights.values.shape[:2]
    groups = np.unique(outs // (total // op.groups))
    return (groups[:, None] * per_group + np.arange(per_group)).ravel()


def _tile_codes(
    op: Conv, codes: Codes, outs: np.ndarray, channels: np.ndarray, columns: int
) -> tuple[np.ndarray, bool]:
    """Codes of one output tile, shape (taps, C), and whether any of them has to mean zero."""
    total, per_group, rows, width = op.weights.values.shape
    own = outs // (total // op.groups) == channels[:, None] // per_group  # (channels, outputs)
    inner = channels % per_group
    values = codes.values[outs][:, inner].transpose(2, 3, 1, 0)  # (rows, columns, channels, outputs)
    values = np.where(own, values, codes.zero).reshape(rows * width * len(channels), len(outs))
    weights = op.weights.values[outs][:, inner].transpose(2, 3, 1, 0)
    absent = bool((~own).any() or (weights == 0).any())
    table = np.zeros((len(values), columns), np.int64)
    table[:, : len(outs)] = values
    return table, absent
