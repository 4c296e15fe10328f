"""A layer as k-tiles: what every operation is turned into before anything gets an address."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from hwshift.compiler.tiles import Pattern
from hwshift.config import AcceleratorConfig
from hwshift.errors import CompileError
from hwshift.network.fixed import Activation, Epilogue, FixedLayer
from hwshift.program.row_taps import LEAD_STEPS

__all__ = ["OFFSET_HIGH", "OFFSET_LOW", "Lowered", "Rectangle", "finish", "whole"]

OFFSET_LOW, OFFSET_HIGH = -64, 63
"""Displacements a lane-table entry holds."""


@dataclass(frozen=True)
class Rectangle:
    """Output rows and columns (first, end) that share epilogue parameters, and these per channel."""

    rows: tuple[int, int]
    columns: tuple[int, int]
    m: np.ndarray = field(repr=False)
    s: np.ndarray = field(repr=False)
    b: np.ndarray = field(repr=False)

    def between(self, first: int, end: int) -> tuple[int, int]:
        """Its rows (first, end) among the rows ``first`` to ``end``; none where end <= first."""
        return max(first, self.rows[0]), min(end, self.rows[1])


@dataclass(frozen=True, eq=False)
class Lowered:
    """One layer.

    Parameters
    ----------
    layer : FixedLayer
    sources : tuple of str
        Tensors that k-tiles read.
    extent : (height, width)
        Of all sources.
    stride : (rows, columns)
    corner : (row, column)
        Source position of output position (0, 0); displacements in the patterns are relative to it.
    patterns : list of Pattern
        Per output tile; equal patterns are one object.
    weights : list of ndarray of int64, shape (k-tiles, R, C)
        Codes per output tile.
    constant : ndarray of int64, shape (R, C), or None
        One tile that serves every pass.
    zero_code : bool
        pow2: whether the code of ``-2**p_min`` means zero.
    rectangles : list of Rectangle
        Cover the output.
    activation, residual_activation : Activation
    maximum : bool
    inside : (rows, columns)
        Whether no read leaves the map along that axis and all lanes of a k-tile move alike: the displacement then
        belongs to the k-tile, and needs no lane-table row of its own.
    gates : str or None
        Tensor of one pixel whose channels are the scales; the rectangle's are unused.
    spread : (rows, columns)
        How often every row and column is written.
    row_taps : bool
        Whether a step sums three taps of a row; the patterns hold the one that is read in it.
    """

    layer: FixedLayer
    sources: tuple[str, ...]
    extent: tuple[int, int]
    stride: tuple[int, int]
    corner: tuple[int, int]
    patterns: list[Pattern]
    weights: list[np.ndarray]
    constant: np.ndarray | None
    zero_code: bool
    rectangles: list[Rectangle]
    activation: Activation
    residual_activation: Activation
    maximum: bool = False
    inside: tuple[bool, bool] = (False, False)
    gates: str | None = None
    spread: tuple[int, int] = (1, 1)
    row_taps: bool = False

    @property
    def lead(self) -> int:
        """First steps of every row that give no pixels."""
        return LEAD_STEPS if self.row_taps else 0

    @property
    def tiles(self) -> int:
        """Output tiles."""
        return len(self.patterns)

    @cached_property
    def reach(self) -> tuple[int, int]:
        """Least and greatest row displacement, corner not included."""
        low = min(int(p.dy[p.on].min()) for p in set(self.patterns) if p.on.any())
        high = max(int(p.dy[p.on].max()) for p in set(self.patterns) if p.on.any())
        return low, high

    def source_rows(self, first: int, end: int) -> tuple[int, int]:
        """Rows of the sources that output rows ``first`` to ``end`` read, as (first, end) inside the map."""
        first, end = first // self.spread[0], -(-end // self.spread[0])
        low, high = self.reach
        base = self.corner[0]
        start = max(0, first * self.stride[0] + base + low)
        stop = min(self.extent[0], (end - 1) * self.stride[0] + base + high + 1)
        return (start, stop) if start < stop else (0, 0)

    def needs(self, name: str, end: np.ndarray) -> np.ndarray:
        """Rows of a tensor, from the first, that output rows up to each of ``end`` read."""
        rows = end if name == self.layer.residual else np.zeros_like(end)
        if name == self.gates:
            rows = np.maximum(rows, 1)
        if name in self.sources:
            last = (-(-end // self.spread[0]) - 1) * self.stride[0] + self.corner[0] + self.reach[1]
            rows = np.maximum(rows, np.minimum(last + 1, self.extent[0]))
        return np.where(end > 0, rows, 0)

    def lowest(self, name: str, first: np.ndarray) -> np.ndarray:
        """The first row of a tensor that output rows from each of ``first`` on read."""
        rows = []
        if name in self.sources:
            row = first // self.spread[0] * self.stride[0] + self.corner[0] + self.reach[0]
            rows.append(np.maximum(row, 0))
        if name == self.layer.residual:
            rows.append(first)
        if name == self.gates:
            rows.append(np.zeros_like(first))
        return np.minimum.reduce(rows)


def finish(
    layer: FixedLayer,
    sources: tuple[str, ...],
    extent: tuple[int, int],
    stride: tuple[int, int],
    patterns: list[Pattern],
    weights: list[np.ndarray],
    zero_code: bool,
    rectangles: list[Rectangle],
    config: AcceleratorConfig,
    maximum: bool = False,
    gates: str | None = None,
    spread: tuple[int, int] = (1, 1),
    row_taps: bool = False,
) -> Lowered:
    """Put a layer together: share equal patterns, centre displacements, find a constant weight tile."""
    shared: dict[bytes, Pattern] = {}
    patterns = [shared.setdefault(pattern.key, pattern) for pattern in patterns]
    own = list(shared.values())
    size = layer.shape[1] // spread[0], layer.shape[2] // spread[1]
    inside = (
        _inside(own, "dy", extent[0], (size[0] - 1) * stride[0]),
        not row_taps and _inside(own, "dx", extent[1], (size[1] - 1) * stride[1]),
    )
    corner = (
        0 if inside[0] else _corner(own, "dy", layer.name),
        0 if inside[1] else _corner(own, "dx", layer.name),
    )
    if any(corner):
        moved = {key: _moved(pattern, corner) for key, pattern in shared.items()}
        patterns = [moved[pattern.key] for pattern in patterns]
    constant = None
    if sum(map(len, weights)) > 1:
        constant = _same_tile(weights) if row_taps else _constant(patterns, weights)
    epilogue = layer.epilogue
    stride = 1 if size[0] == 1 else stride[0], 1 if size[1] == 1 else stride[1]
    none = Activation()
    _check_stride(stride, layer.name)
    if maximum and not config.max_pool:
        raise CompileError("it needs max_pool, which the configuration leaves out", where=layer.name)
    if layer.residual is not None and not config.residual:
        raise CompileError("it needs residual, which the configuration leaves out", where=layer.name)
    return Lowered(
        layer,
        sources,
        extent,
        stride,
        corner,
        patterns,
        weights,
        constant,
        zero_code,
        rectangles,
        epilogue.activation if epilogue else none,
        epilogue.residual_activation if epilogue else none,
        maximum,
        inside,
        gates,
        spread,
        row_taps,
    )


def whole(layer: FixedLayer) -> Rectangle:
    """The whole output with the layer's own parameters; identity where it has none."""
    channels = layer.shape[0]
    epilogue = layer.epilogue or Epilogue.identity(channels)
    return Rectangle((0, layer.shape[1]), (0, layer.shape[2]), epilogue.m, epilogue.s, epilogue.b)


def _check_stride(stride: tuple[int, int], where: str) -> None:
    if max(stride) > 255:
        raise CompileError(f"its stride is {max(stride)}, an instruction holds at most 255", where=where)


def _inside(patterns: list[Pattern], axis: str, extent: int, last: int) -> bool:
    """Whether the windows from 0 to ``last`` stay inside, each k-tile with one displacement."""
    for pattern in patterns:
        values = getattr(pattern, axis)
        low = np.where(pattern.on, values, extent).min(axis=1)
        high = np.where(pattern.on, values, -1).max(axis=1)
        if (low != high).any() or low.min() < 0 or last + high.max() >= extent:
            return False
    return True


def _corner(patterns: list[Pattern], axis: str, where: str) -> int:
    values = np.concatenate([getattr(pattern, axis)[pattern.on] for pattern in patterns])
    low, high = int(values.min()), int(values.max())
    if OFFSET_LOW <= low and high <= OFFSET_HIGH:
        return 0
    if high - low > OFFSET_HIGH - OFFSET_LOW:
        what = "rows" if axis == "dy" else "columns"
        raise CompileError(
            f"its window spans {high - low + 1} {what}, a lane reaches {OFFSET_HIGH - OFFSET_LOW + 1}",
            where=where,
        )
    return low - OFFSET_LOW


def _moved(pattern: Pattern, corner: tuple[int, int]) -> Pattern:
    on = pattern.on
    return Pattern(
        pattern.source,
        pattern.tap,
        pattern.slot,
        np.where(on, pattern.dy - corner[0], 0),
        np.where(on, pattern.dx - corner[1], 0),
    )


def _same_tile(weights: list[np.ndarray]) -> np.ndarray | None:
    """The tile that all k-tiles have, if they have one."""
    first = weights[0][0]
    return first if all((tiles == first).all() for tiles in weights) else None


def _constant(patterns: list[Pattern], weights: list[np.ndarray]) -> np.ndarray | None:
    """One tile that gives every lane that is on the row it needs, if there is one."""
    rows = weights[0].shape[1]
    merged = np.zeros(weights[0].shape[1:], np.int64)
    known = np.zeros(rows, bool)
    for pattern, tiles in zip(patterns, weights, strict=True):
        on = pattern.on
        for lane in range(rows):
            own = tiles[on[:, lane], lane]
            if not len(own):
                continue
            if not known[lane]:
                merged[lane], known[lane] = own[0], True
            if (own != merged[lane]).any():
                return None
    return merged
