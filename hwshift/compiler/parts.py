"""A layer of which not one row fits on chip: cut into parts, each a layer of its own from memory to memory.

By columns where that is enough, since then whole pixels are moved; else by slots of its output, of which each needs
some slots of what the layer reads; else by both.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from hwshift.compiler.lowered import Lowered, Rectangle
from hwshift.compiler.placement import Tensor
from hwshift.compiler.strips import Chain
from hwshift.compiler.tiles import Pattern
from hwshift.config import AcceleratorConfig

__all__ = ["Part", "cut_columns", "cut_layer", "cut_slots"]


@dataclass(frozen=True, eq=False)
class Part:
    """Some output columns and slots of a layer.

    Members
    -------
    chain : Chain
        The layer alone, with maps as wide as what it reads and writes of them, and as many slots.
    left, slot : mappings of str to int
        The first column and slot of these maps; 0 where none is given.
    tile : int
        The first output tile.
    """

    chain: Chain
    left: Mapping[str, int] = field(default_factory=dict)
    slot: Mapping[str, int] = field(default_factory=dict)
    tile: int = 0


def cut_layer(
    low: Lowered, tensors: Mapping[str, Tensor], slots: int, width: int, config: AcceleratorConfig
) -> list[Part] | None:
    """The layer in parts of at most ``slots`` slots and ``width`` columns of its output; None where that cannot be."""
    if slots >= tensors[low.layer.name].slots:
        return cut_columns(low, tensors, width, config)
    parts = cut_slots(low, tensors, slots, config)
    if parts is None or width >= low.layer.shape[2]:
        return parts
    both: list[Part] = []
    for part in parts:
        columns = cut_columns(part.chain.layers[0], part.chain.tensors, width, config)
        if columns is None:
            return None
        both += [replace(item, slot=part.slot, tile=part.tile) for item in columns]
    return both


def cut_columns(
    low: Lowered, tensors: Mapping[str, Tensor], width: int, config: AcceleratorConfig
) -> list[Part] | None:
    """The layer in parts of ``width`` output columns; None where that cannot be.

    An upsampled map is written from columns that are shared, and a residual that the array reads, too, would have to
    lie in two places unless both read the same columns. A network's input is no residual here.
    """
    residual, full = low.layer.residual, low.layer.shape[2]
    if low.spread[1] != 1 or (residual is not None and tensors[residual].is_input):
        return None
    spans = [(first, min(full, first + width)) for first in range(0, full, width)]
    if residual in low.sources and any(_columns_read(low, *span) != span for span in spans):
        return None
    return [_some_columns(low, tensors, *span, config) for span in spans]


def cut_slots(
    low: Lowered, tensors: Mapping[str, Tensor], slots: int, config: AcceleratorConfig
) -> list[Part] | None:
    """The layer in parts of ``slots`` slots of its output; None where that cannot be.

    Gates are loaded for all of a layer's tiles, a network's input is loaded in whole pixels, and a residual that the
    array reads, too, lies in one place only if both read the same slots.
    """
    layer, full = low.layer, tensors[low.layer.name].slots
    read = (*low.sources, *([] if layer.residual is None else [layer.residual]))
    if low.gates is not None or any(tensors[name].is_input for name in read):
        return None
    spans = [(first, min(full, first + slots)) for first in range(0, full, slots)]
    parts = [_some_slots(low, tensors, *span, config) for span in spans]
    if any(part is None for part in parts):
        return None
    return [part for part in parts if part is not None]


def _some_columns(
    low: Lowered, tensors: Mapping[str, Tensor], first: int, end: int, config: AcceleratorConfig
) -> Part:
    start, stop = _columns_read(low, first, end)
    layer, own = low.layer, low.layer.name
    narrow = replace(
        low,
        layer=replace(layer, shape=(*layer.shape[:2], end - first)),
        extent=(low.extent[0], stop - start),
        corner=(low.corner[0], low.corner[1] + first * low.stride[1] - start),
        rectangles=[_moved(item, first, end) for item in low.rectangles if _meets(item, first, end)],
    )
    spans = dict.fromkeys(low.sources, (start, stop)) | {own: (first, end)}
    if layer.residual is not None:
        spans[layer.residual] = first, end
    maps = {
        name: replace(
            tensors[name],
            shape=(*tensors[name].shape[:2], last - left),
            pitch=-(-(last - left) // config.sub_banks),
        )
        for name, (left, last) in spans.items()
    }
    chain = Chain((narrow,), frozenset({own}), {**tensors, **maps})
    return Part(chain, {name: span[0] for name, span in spans.items()})


def _columns_read(low: Lowered, first: int, end: int) -> tuple[int, int]:
    """Source columns (first, end) that output columns read; at least one."""
    patterns = [pattern for pattern in set(low.patterns) if pattern.on.any()]
    least = min(int(pattern.dx[pattern.on].min()) for pattern in patterns)
    most = max(int(pattern.dx[pattern.on].max()) for pattern in patterns)
    base = 0 if low.inside[1] else least  # where displacements belong to k-tiles, a lane's own begin at 0
    start = (first - low.lead) * low.stride[1] + low.corner[1] + base
    stop = (end - 1) * low.stride[1] + low.corner[1] + most + 1
    start = min(max(0, start), low.extent[1] - 1)
    return start, max(start + 1, min(stop, low.extent[1]))


def _meets(item: Rectangle, first: int, end: int) -> bool:
    return item.columns[0] < end and first < item.columns[1]


def _moved(item: Rectangle, first: int, end: int) -> Rectangle:
    return replace(item, columns=(max(item.columns[0], first) - first, min(item.columns[1], end) - first))


def _some_slots(
    low: Lowered, tensors: Mapping[str, Tensor], first: int, end: int, config: AcceleratorConfig
) -> Part | None:
    layer, own = low.layer, low.layer.name
    tiles = slice(first * config.groups, min(low.tiles, end * config.groups))
    patterns = low.patterns[tiles]
    spans = {low.sources[index]: span for index, span in _slots_read(patterns).items()}
    if layer.residual is not None and spans.setdefault(layer.residual, (first, end)) != (first, end):
        return None
    spans[own] = first, end
    sources = tuple(name for name in low.sources if name in spans)
    number = np.array([sources.index(name) if name in sources else 0 for name in low.sources])
    begin = np.array([spans[name][0] if name in spans else 0 for name in low.sources])
    fewer = {id(pattern): _fewer_slots(pattern, number, begin) for pattern in patterns}
    channels = slice(tiles.start * config.columns, min(layer.shape[0], tiles.stop * config.columns))
    narrow = replace(
        low,
        layer=replace(layer, shape=(channels.stop - channels.start, *layer.shape[1:])),
        sources=sources,
        patterns=[fewer[id(pattern)] for pattern in patterns],
        weights=low.weights[tiles],
        rectangles=[
            replace(item, m=item.m[channels], s=item.s[channels], b=item.b[channels])
            for item in low.rectangles
        ],
    )
    maps = {name: _part_of(tensors[name], *span, config.rows) for name, span in spans.items()}
    chain = Chain((narrow,), frozenset({own}), {**tensors, **maps})
    return Part(chain, slot={name: span[0] for name, span in spans.items()}, tile=tiles.start)


def _slots_read(patterns: Sequence[Pattern]) -> dict[int, tuple[int, int]]:
    """The slots (first, end) that k-tiles read of each source."""
    source = np.concatenate(
        [np.broadcast_to(item.source[:, None], item.on.shape)[item.on] for item in patterns]
    )
    slot = np.concatenate([item.slot[item.on] for item in patterns])
    return {
        index: (int(slot[source == index].min()), int(slot[source == index].max()) + 1)
        for index in np.unique(source).tolist()
    }


def _fewer_slots(pattern: Pattern, number: np.ndarray, begin: np.ndarray) -> Pattern:
    """The pattern with sources and slots counted anew."""
    slot = np.where(pattern.on, pattern.slot - begin[pattern.source][:, None], 0)
    return Pattern(number[pattern.source], pattern.tap, slot, pattern.dy, pattern.dx)


def _part_of(tensor: Tensor, first: int, end: int, rows: int) -> Tensor:
    """The slots ``first`` to ``end`` of a tensor."""
    channels = min(tensor.shape[0], end * rows) - first * rows
    return replace(tensor, shape=(channels, *tensor.shape[1:]), slots=end - first, room=0)
