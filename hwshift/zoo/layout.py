"""Places of a directed graph's boxes: layers from top to bottom, few crossings, in columns where it gets long."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

__all__ = ["Layout", "Point", "curve", "place"]

Point = tuple[float, float]

_GAP_X, _GAP_Y = 22.0, 26.0
_BEND = 12.0  # width of the place an edge takes where it passes a layer
_GUTTER = 56.0  # between columns


@dataclass
class _Item:
    """A box, or a bend of an edge that passes a layer."""

    rank: int
    width: float
    box: str | None = None
    above: list["_Item"] = field(default_factory=list)
    below: list["_Item"] = field(default_factory=list)
    x: float = 0.0


@dataclass(frozen=True)
class Layout:
    """Where everything is.

    Members
    -------
    centres : dict of str to Point
        Of each box.
    routes : list of list of list of Point
        For each edge its pieces: one, or one for each column it runs through.
    width, height : float
    columns : dict of str to int
        The column of each box.
    """

    centres: dict[str, Point]
    routes: list[list[list[Point]]]
    width: float
    height: float
    columns: dict[str, int]


def place(
    sizes: Mapping[str, tuple[float, float]], edges: Sequence[tuple[str, str]], *, longest: float = 1800.0
) -> Layout:
    """Lay out a graph.

    Parameters
    ----------
    sizes : dict of str to (width, height)
        The boxes; an edge leads from an earlier one to a later one.
    edges : sequence of (box, box)
    longest : float
        Height that a column should not exceed; it ends where no more than two maps are cut.
    """
    items, chains = _items(sizes, edges)
    layers: list[list[_Item]] = [[] for _ in range(max(item.rank for item in items) + 1)]
    for item in items:
        layers[item.rank].append(item)
    _order(layers)
    _spread(layers)
    return _columns(sizes, layers, chains, longest)


def _items(
    sizes: Mapping[str, tuple[float, float]], edges: Sequence[tuple[str, str]]
) -> tuple[list[_Item], list[list[_Item]]]:
    """Boxes and bends, and for each edge what it runs through."""
    ranks = _ranks(list(sizes), edges)
    boxes = {name: _Item(ranks[name], size[0], name) for name, size in sizes.items()}
    items, chains = list(boxes.values()), []
    for source, target in edges:
        chain = [boxes[source]]
        chain += [_Item(rank, _BEND) for rank in range(ranks[source] + 1, ranks[target])]
        items += chain[1:]
        chain.append(boxes[target])
        for upper, lower in zip(chain, chain[1:], strict=False):
            upper.below.append(lower)
            lower.above.append(upper)
        chains.append(chain)
    return items, chains


def _ranks(names: Sequence[str], edges: Sequence[tuple[str, str]]) -> dict[str, int]:
    """The layer of each box: below all it reads, but no further up than it has to be for one input."""
    sources: dict[str, list[str]] = {name: [] for name in names}
    targets: dict[str, list[str]] = {name: [] for name in names}
    for source, target in edges:
        sources[target].append(source)
        targets[source].append(target)
    ranks: dict[str, int] = {}
    for name in names:
        ranks[name] = max((ranks[source] + 1 for source in sources[name]), default=0)
    for name in reversed(names):
        if targets[name] and 0 < len(sources[name]) <= len(targets[name]):
            ranks[name] = min(ranks[target] for target in targets[name]) - 1
    return ranks


def _order(layers: list[list[_Item]]) -> None:
    """Sort each layer by where its neighbours stand, downwards and upwards in turn."""
    for layer in layers:
        for index, item in enumerate(layer):
            item.x = index
    for sweep in range(8):
        down = sweep % 2 == 0
        for layer in layers if down else reversed(layers):
            keys = {id(item): _mean(item.above if down else item.below, item.x) for item in layer}
            layer.sort(key=lambda item: keys[id(item)])
            for index, item in enumerate(layer):
                item.x = index - (len(layer) - 1) / 2


def _mean(neighbours: Sequence[_Item], otherwise: float) -> float:
    return sum(item.x for item in neighbours) / len(neighbours) if neighbours else otherwise


def _spread(layers: list[list[_Item]]) -> None:
    """Coordinates: each item near its neighbours, bends most of all, in the layer's order and without overlap."""
    for layer in layers:
        x = -sum(item.width + _GAP_X for item in layer) / 2
        for item in layer:
            item.x = x + item.width / 2
            x += item.width + _GAP_X
    for sweep in range(24):
        for layer in layers if sweep % 2 == 0 else reversed(layers):
            wish = [_mean(item.above if sweep % 2 == 0 else item.below, item.x) for item in layer]
            if sweep >= 16:
                wish = [_mean([*item.above, *item.below], item.x) for item in layer]
            _settle(layer, wish)


def _settle(layer: list[_Item], wish: list[float]) -> None:
    """Move to the wishes; neighbours that would overlap share a block about their mean."""
    blocks: list[tuple[float, float, list[int]]] = []  # (sum of wished offsets, members, ...)
    offsets = [0.0]
    for left, right in zip(layer, layer[1:], strict=False):
        offsets.append(offsets[-1] + (left.width + right.width) / 2 + _GAP_X)
    for index, wished in enumerate(wish):
        blocks.append((wished - offsets[index], 1.0, [index]))
        while len(blocks) > 1 and blocks[-2][0] / blocks[-2][1] > blocks[-1][0] / blocks[-1][1]:
            total, count, members = blocks.pop()
            before = blocks.pop()
            blocks.append((before[0] + total, before[1] + count, before[2] + members))
    for total, count, members in blocks:
        for index in members:
            layer[index].x = total / count + offsets[index]


def _columns(
    sizes: Mapping[str, tuple[float, float]],
    layers: list[list[_Item]],
    chains: list[list[_Item]],
    longest: float,
) -> Layout:
    heights = [max((sizes[i.box][1] for i in layer if i.box), default=_BEND) for layer in layers]
    starts = _cuts(layers, heights, longest)
    column_of, y_of = [], []
    for rank, height in enumerate(heights):
        if rank in starts:
            y = _GUTTER / 2
        column_of.append(sum(start <= rank for start in starts) - 1)
        y_of.append(y + height / 2)
        y += height + _GAP_Y
    shift, right = [], _GUTTER / 2
    for column in range(len(starts)):
        members = [item for rank, layer in enumerate(layers) if column_of[rank] == column for item in layer]
        left = min(item.x - item.width / 2 for item in members)
        shift.append(right - left)
        right += max(item.x + item.width / 2 for item in members) - left + _GUTTER
    total = max(y + height / 2 for y, height in zip(y_of, heights, strict=True)) + _GUTTER / 2

    def point(item: _Item) -> Point:
        return item.x + shift[column_of[item.rank]], y_of[item.rank]

    routes = []
    for chain in chains:
        pieces: list[list[Point]] = [[]]
        for item, following in zip(chain, [*chain[1:], None], strict=True):
            pieces[-1].append(point(item))
            if following is not None and column_of[following.rank] != column_of[item.rank]:
                pieces[-1].append((point(item)[0], total - _GUTTER / 4))
                pieces.append([(point(following)[0], _GUTTER / 4)])
        routes.append(pieces)
    boxes = [item for layer in layers for item in layer if item.box is not None]
    return Layout(
        {item.box: point(item) for item in boxes if item.box},
        routes,
        right - _GUTTER / 2,
        total,
        {item.box: column_of[item.rank] for item in boxes if item.box},
    )


def _cuts(layers: list[list[_Item]], heights: list[float], longest: float) -> list[int]:
    """Ranks that begin a column: about equally long ones, cut where one map is all that leads on, or else two."""
    left = sum(heights) + _GAP_Y * len(heights)
    fair = left / math.ceil(left / longest)
    starts, used = [0], 0.0
    for rank, height in enumerate(heights):
        crossing = len({id(item) for item in layers[rank - 1] if item.below}) if rank else 3
        if used > 0.95 * fair and left > 0.3 * fair and crossing <= (1 if used < 1.2 * longest else 2):
            starts.append(rank)
            used = 0.0
        used += height + _GAP_Y
        left -= height + _GAP_Y
    return starts


def curve(points: Sequence[Point]) -> str:
    """An SVG path through points from top to bottom."""
    x, y = points[0]
    out = [f"M{x:.1f},{y:.1f}"]
    for nx, ny in points[1:]:
        middle = (y + ny) / 2
        out.append(f"C{x:.1f},{middle:.1f} {nx:.1f},{middle:.1f} {nx:.1f},{ny:.1f}")
        x, y = nx, ny
    return " ".join(out)
