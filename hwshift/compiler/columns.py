"""A layer of which not one row fits on chip: cut into columns, each a layer of its own from memory to memory."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from hwshift.compiler.lowered import Lowered, Rectangle
from hwshift.compiler.placement import Tensor
from hwshift.compiler.strips import Chain
from hwshift.config import AcceleratorConfig

__all__ = ["Columns", "cut_columns"]


@dataclass(frozen=True, eq=False)
class Columns:
    """Some output columns of a layer.

    Members
    -------
    chain : Chain
        The layer alone, with maps as wide as what it reads and writes of them.
    left : mapping of str to int
        The first column of each of these maps.
    """

    chain: Chain
    left: Mapping[str, int]


def cut_columns(
    low: Lowered, tensors: Mapping[str, Tensor], width: int, config: AcceleratorConfig
) -> list[Columns] | None:
    """The layer in parts of ``width`` output columns; None where that cannot be.

    An upsampled map is written from columns that are shared, and a residual that the array reads, too, would have to
    lie in two places unless both read the same columns. A network's input is loaded in whole rows.
    """
    residual, full = low.layer.residual, low.layer.shape[2]
    if low.spread[1] != 1 or (residual is not None and tensors[residual].is_input):
        return None
    spans = [(first, min(full, first + width)) for first in range(0, full, width)]
    if residual in low.sources and any(_read(low, *span) != span for span in spans):
        return None
    return [_part(low, tensors, *span, config) for span in spans]


def _part(
    low: Lowered, tensors: Mapping[str, Tensor], first: int, end: int, config: AcceleratorConfig
) -> Columns:
    start, stop = (
        (0, low.extent[1]) if any(tensors[name].is_input for name in low.sources) else _read(low, first, end)
    )
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
    maps = {name: _narrow(tensors[name], *span, config) for name, span in spans.items()}
    chain = Chain((narrow,), frozenset({own}), {**tensors, **maps})
    return Columns(chain, {name: span[0] for name, span in spans.items()})


def _read(low: Lowered, first: int, end: int) -> tuple[int, int]:
    """Source columns (first, end) that output columns read; at least one."""
    patterns = [pattern for pattern in set(low.patterns) if pattern.on.any()]
    least = min(int(pattern.dx[pattern.on].min()) for pattern in patterns)
    most = max(int(pattern.dx[pattern.on].max()) for pattern in patterns)
    base = 0 if low.inside[1] else least  # where displacements belong to k-tiles, a lane's own begin at 0
    start = first * low.stride[1] + low.corner[1] + base
    stop = (end - 1) * low.stride[1] + low.corner[1] + most + 1
    start = min(max(0, start), low.extent[1] - 1)
    return start, max(start + 1, min(stop, low.extent[1]))


def _meets(item: Rectangle, first: int, end: int) -> bool:
    return item.columns[0] < end and first < item.columns[1]


def _moved(item: Rectangle, first: int, end: int) -> Rectangle:
    return replace(item, columns=(max(item.columns[0], first) - first, min(item.columns[1], end) - first))


def _narrow(tensor: Tensor, first: int, end: int, config: AcceleratorConfig) -> Tensor:
    """The columns ``first`` to ``end`` of a tensor."""
    pitch = -(-(end - first) // config.sub_banks)
    return replace(tensor, shape=(*tensor.shape[:2], end - first), pitch=pitch)
