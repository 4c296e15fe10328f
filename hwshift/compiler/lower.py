"""Every layer of a network as k-tiles."""

from collections.abc import Mapping

import numpy as np

from hwshift.compiler.lower_conv import conv_taps, lower_conv
from hwshift.compiler.lower_moves import copy_taps, lower_moves, pool_taps, shift_taps, sum_taps
from hwshift.compiler.lowered import Lowered
from hwshift.compiler.placement import Tensor, View
from hwshift.compiler.tiles import Taps, count_ktiles
from hwshift.config import AcceleratorConfig
from hwshift.errors import CompileError
from hwshift.network.fixed import (
    ChannelScale,
    Concat,
    Conv,
    FixedLayer,
    Pool,
    Shift,
    Shuffle,
    Slice,
    Sum,
    Upsample,
)
from hwshift.program.isa import DESCRIPTORS

__all__ = ["ktiles_of", "lower"]


def lower(
    layer: FixedLayer, views: Mapping[str, View], tensors: Mapping[str, Tensor], config: AcceleratorConfig
) -> Lowered:
    """One computed layer.

    Parameters
    ----------
    layer : FixedLayer
        Not an Input.
    views : mapping of layer name to View
        Of the layer's inputs.
    tensors : mapping of name to Tensor

    Raises
    ------
    CompileError
        For what the accelerator cannot do, naming the layer.
    """
    view, own = _inputs(layer, views, tensors)
    if isinstance(layer.op, Conv):
        return lower_conv(layer, view, own, config)
    return lower_moves(layer, view, own, _taps(layer, views, tensors, config), config)


def ktiles_of(
    layer: FixedLayer, views: Mapping[str, View], tensors: Mapping[str, Tensor], config: AcceleratorConfig
) -> int:
    """k-tiles of all output tiles of a layer, without lowering it."""
    taps = _taps(layer, views, tensors, config)
    counts = {id(item): count_ktiles(item) for item in taps}
    return sum(counts[id(item)] for item in taps)


def _inputs(
    layer: FixedLayer, views: Mapping[str, View], tensors: Mapping[str, Tensor]
) -> tuple[View, list[Tensor]]:
    """What the layer reads, as one view, and the tensors behind it."""
    inputs = layer.inputs[:1] if isinstance(layer.op, ChannelScale) else layer.inputs
    view = View.join([views[name] for name in inputs])
    if len(view.tensors) > DESCRIPTORS:
        raise CompileError(
            f"it reads {len(view.tensors)} maps, an instruction reads at most {DESCRIPTORS}", where=layer.name
        )
    if isinstance(layer.op, Shuffle):
        view = view.pick(layer.op.order)
    elif isinstance(layer.op, Slice):
        view = view.pick(np.arange(layer.op.start, layer.op.stop))
    return view, [tensors[name] for name in view.tensors]


def _taps(
    layer: FixedLayer, views: Mapping[str, View], tensors: Mapping[str, Tensor], config: AcceleratorConfig
) -> list[Taps]:
    """Per output tile; equal ones may be one object."""
    view, own = _inputs(layer, views, tensors)
    match layer.op:
        case Conv():
            return conv_taps(layer, view, own, config)
        case Pool():
            return pool_taps(layer, view, own, config)
        case Shift():
            return shift_taps(layer, view, config)
        case Concat() | Shuffle() | Slice() | Upsample() | ChannelScale():
            return copy_taps(layer, view, config)
        case Sum():
            return sum_taps(layer, [views[name] for name in layer.inputs], config)
    raise CompileError(f"{type(layer.op).__name__} cannot be compiled", where=layer.name)
