"""A shift as a pass of its own moves only the channels that are shifted; the others stay where they are.

The channels that move are made the first ones of the layer before, whose output order is free, so that they lie side
by side in both tensors. A k-tile reads one tensor: what follows reads one k-tile more where the channels that move do
not fill their last slot. All other layers that appear here (slices, a concatenation, shuffles) only name channels.
"""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from hwshift.compiler.in_place import reordered
from hwshift.network.fixed import Concat, Conv, FixedLayer, Shift, Shuffle, Slice

__all__ = ["split_shifts"]


def split_shifts(layers: Iterable[FixedLayer]) -> list[FixedLayer]:
    """The layers with each shift ``s`` split into the pass ``s.moved`` and names; ``s`` keeps its channels.

    A shift that moves every channel, that is the network's output or that is added as a residual stays as it is. A
    convolution that only the shift reads, ``c``, becomes ``c.grouped``, of which ``c`` is another name.
    """
    found = {layer.name: layer for layer in layers}
    output = next(reversed(found))
    residuals = {layer.residual for layer in found.values()}
    readers: dict[str, int] = dict.fromkeys(found, 0)
    for layer in found.values():
        for name in (*layer.inputs, *([layer.residual] if layer.residual is not None else [])):
            readers[name] += 1
    out: list[FixedLayer] = []
    for layer in found.values():
        still = _still(layer)
        if still is None or not still.any() or layer.name == output or layer.name in residuals:
            out.append(layer)
            continue
        source = found[layer.inputs[0]]
        order = np.argsort(still, kind="stable")
        if _is_free(source) and readers[source.name] == 1:
            place = next(index for index, item in enumerate(out) if item.name == source.name)
            out[place : place + 1] = _grouped(source, order)
            group = f"{source.name}.grouped"
        else:
            group = f"{layer.name}.grouped"
            out.append(FixedLayer(group, Shuffle(order), (source.name,), layer.shape))
        out += _split(layer, group, order, int((~still).sum()))
    return out


def _still(layer: FixedLayer) -> np.ndarray | None:
    """Which channels a shift does not move: ndarray of bool; None for other layers."""
    return (layer.op.offsets == 0).all(axis=1) if isinstance(layer.op, Shift) else None


def _is_free(layer: FixedLayer) -> bool:
    """Whether the order of a layer's channels is the compiler's choice."""
    return isinstance(layer.op, Conv) and layer.op.groups == 1 and layer.residual is None


def _grouped(layer: FixedLayer, order: np.ndarray) -> list[FixedLayer]:
    """A convolution whose channels come in that order, and its old name for them in the old order."""
    name = f"{layer.name}.grouped"
    return [
        replace(reordered(layer, order), name=name),
        FixedLayer(layer.name, Shuffle(np.argsort(order)), (name,), layer.shape),
    ]


def _split(layer: FixedLayer, group: str, order: np.ndarray, moving: int) -> list[FixedLayer]:
    """The pass over the first channels of a group, and the shift's old name for all of them in the old order."""
    op, name, (channels, height, width) = layer.op, layer.name, layer.shape
    assert isinstance(op, Shift)
    back = Shuffle(np.argsort(order))
    if moving == 0:
        return [FixedLayer(name, back, (group,), layer.shape)]
    part, rest = (moving, height, width), (channels - moving, height, width)
    return [
        FixedLayer(f"{name}.moving", Slice(0, moving), (group,), part),
        FixedLayer(f"{name}.moved", Shift(op.offsets[order[:moving]]), (f"{name}.moving",), part),
        FixedLayer(f"{name}.still", Slice(moving, channels), (group,), rest),
        FixedLayer(f"{name}.joined", Concat(), (f"{name}.moved", f"{name}.still"), layer.shape),
        FixedLayer(name, back, (f"{name}.joined",), layer.shape),
    ]
