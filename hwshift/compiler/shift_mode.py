"""Spatial shifts as part of the reads that follow, or as layers that move data."""

from dataclasses import replace
from typing import Literal

import numpy as np

from hwshift.compiler.sigmoids import split_sigmoids
from hwshift.compiler.sparse_shift import split_shifts
from hwshift.errors import CompileError
from hwshift.network.fixed import Conv, FixedLayer, FixedNetwork, Shift

__all__ = ["ShiftMode", "with_shifts"]

ShiftMode = Literal["fused", "moved"]


def with_shifts(network: FixedNetwork, mode: ShiftMode | None) -> FixedNetwork:
    """The same function with shifts of one kind.

    Parameters
    ----------
    network : FixedNetwork
    mode : "fused", "moved" or None
        ``fused``: a shift that only pointwise convolutions read becomes part of their reads. ``moved``: a shift in
        the reads becomes a layer ``<name>.shift``, and only channels that are shifted are moved: `split_shifts`.
        None: as the network is.

    Sigmoids in front of residuals become layers of their own: `split_sigmoids`.
    """
    if mode is None:
        return split_sigmoids(network)
    if mode not in ("fused", "moved"):
        raise CompileError(f"shift must be 'fused', 'moved' or absent, not {mode!r}")
    layers = split_shifts(_moved(network)) if mode == "moved" else _fused(network)
    return split_sigmoids(replace(network, layers=tuple(layers)))


def _moved(network: FixedNetwork) -> list[FixedLayer]:
    out = []
    for layer in network.layers:
        op = layer.op
        if isinstance(op, Conv) and op.shift is not None:
            source = network.layer(layer.inputs[0])
            shift = FixedLayer(f"{layer.name}.shift", Shift(op.shift), layer.inputs, source.shape)
            out.append(shift)
            layer = replace(layer, op=replace(op, shift=None), inputs=(shift.name,))
        out.append(layer)
    return out


def _fused(network: FixedNetwork) -> list[FixedLayer]:
    readers: dict[str, list[FixedLayer]] = {layer.name: [] for layer in network.layers}
    for layer in network.layers:
        for name in (*layer.inputs, *([] if layer.residual is None else [layer.residual])):
            readers[name].append(layer)
    gone: dict[str, tuple[np.ndarray, tuple[str, ...]]] = {}
    for layer in network.layers[:-1]:
        own = readers[layer.name]
        if isinstance(layer.op, Shift) and own and all(_can_carry(reader, layer.name) for reader in own):
            gone[layer.name] = layer.op.offsets, layer.inputs
    out = []
    for layer in network.layers:
        if layer.name in gone:
            continue
        if isinstance(layer.op, Conv) and layer.inputs[0] in gone:
            offsets, inputs = gone[layer.inputs[0]]
            layer = replace(layer, op=replace(layer.op, shift=offsets), inputs=inputs)
        out.append(layer)
    return out


def _can_carry(layer: FixedLayer, source: str) -> bool:
    """Whether the layer's reads of ``source`` can be displaced channel by channel."""
    op = layer.op
    if not isinstance(op, Conv) or op.shift is not None or layer.residual == source:
        return False
    return op.weights.values.shape[2:] == (1, 1) and not any(op.padding)
