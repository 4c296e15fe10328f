"""On-chip memory: which maps stay in the shift buffer, where, and the strips of those that do not."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from hwshift.compiler.fusion import (
    AS_COMPILED,
    Lives,
    NotInPlace,
    Piece,
    Pieces,
    Preference,
    Unplaced,
    partition,
    strip_heights,
)
from hwshift.compiler.limits import raise_to
from hwshift.compiler.lowered import Lowered
from hwshift.compiler.parts import Part
from hwshift.compiler.placement import Tensor
from hwshift.compiler.strips import Chain, touched
from hwshift.config import AcceleratorConfig
from hwshift.errors import CompileError

__all__ = ["Block", "Group", "Plan", "plan_buffers"]


@dataclass(frozen=True)
class Block:
    """Words ``base`` to ``base + rows * row_words`` of every sub-bank: ``rows`` rows of one map, circular.

    Row r of the map lies at offset ``r * row_words`` modulo the length.
    """

    base: int
    rows: int
    row_words: int
    pitch: int
    slots: int

    @property
    def length(self) -> int:
        """Words."""
        return self.rows * self.row_words

    def offset(self, row: int) -> int:
        """Offset of a map's row."""
        return row * self.row_words % self.length

    def words(self, start: int, end: int) -> list[tuple[int, int]]:
        """Words of rows ``start`` to ``end`` as intervals (first, end)."""
        if end - start >= self.rows:
            return [(self.base, self.base + self.length)]
        low, size = self.offset(start), (end - start) * self.row_words
        head = min(size, self.length - low)
        out = [(self.base + low, self.base + low + head)]
        return [*out, (self.base, self.base + size - head)] if size > head else out


@dataclass(frozen=True)
class Group:
    """Layers that are computed together.

    Members
    -------
    chain : Chain
    ends : list of list of int
        Per strip, the rows of each layer that are computed by its end.
    blocks : mapping of name to Block
        Of every tensor that a layer reads or writes.
    loaded : tuple of str
        Tensors that come from memory here.
    left, slot : mappings of str to int
        First column and slot of maps of which only some are read or written; 0 where none is given.
    tile : int
        The first output tile, where a part of a layer is computed.
    parts : tuple of Group
        The same layer by columns or slots, instead of this group.
    """

    chain: Chain
    ends: list[list[int]]
    blocks: Mapping[str, Block]
    loaded: tuple[str, ...]
    left: Mapping[str, int] = field(default_factory=dict)
    slot: Mapping[str, int] = field(default_factory=dict)
    tile: int = 0
    parts: tuple["Group", ...] = ()


@dataclass(frozen=True)
class Plan:
    """What is computed together, which tensors stay on chip as a whole, and which go through memory."""

    groups: tuple[Group, ...]
    whole: frozenset[str]
    through_memory: frozenset[str]


def plan_buffers(
    lowered: list[Lowered],
    tensors: Mapping[str, Tensor],
    config: AcceleratorConfig,
    outputs: tuple[str, ...],
    keep_all: bool = False,
    preference: Preference = AS_COMPILED,
) -> Plan:
    """Decide what is computed together and where every map lies.

    Maps between layers that are computed together need a few rows, others a place for their whole life. Where that is
    not to be had, the largest map that lies on chip at that time goes through memory; this repeats until all fits.

    Parameters
    ----------
    lowered : list of Lowered
        In execution order.
    tensors : mapping of name to Tensor
    config : AcceleratorConfig
    outputs : tuple of str
        Tensors that hold the network's output.
    keep_all : bool
        Whether every layer has to be computed in full.
    preference : Preference

    Raises
    ------
    CompileError
        When the least part of a layer alone does not fit.
    NotInPlace
        When a map that is to be written over in part does not stay on chip.
    """
    lives, depth = Lives.of(lowered, outputs), config.feature_depth
    pieces = Pieces(lowered, tensors, lives, config, keep_all, preference)
    while True:
        try:
            return _Placer(pieces, tensors, lives, depth, preference.overlap).plan(
                partition(pieces, len(lowered), depth)
            )
        except Unplaced as error:
            if error.fused:
                pieces.refused.add((error.start, error.end))
            else:
                _make_room(lowered, tensors, pieces, error, config)


def _make_room(
    lowered: list[Lowered],
    tensors: Mapping[str, Tensor],
    pieces: Pieces,
    error: Unplaced,
    config: AcceleratorConfig,
) -> None:
    """Send a map to memory so that layers fit: the largest, rather one that they do not touch. Where none is left, cut
    the layer into parts.
    """
    whole = pieces.whole(error.start, error.end)
    if whole:
        own = {name for low in lowered[error.start : error.end + 1] for name in touched(low)}
        others = [name for name in whole if name not in own]
        pieces.in_memory.add(max(others or whole, key=lambda name: tensors[name].words))
    elif pieces.cut(error.start):
        pieces.in_memory |= set(touched(lowered[error.start])) - {lowered[error.start].gates}
    else:
        what, needed = pieces.least(error.start)
        raise CompileError(
            f"one output {what} needs {needed} words per sub-bank, feature_depth is {config.feature_depth}: "
            + raise_to("feature_depth", needed),
            where=lowered[error.start].layer.name,
        )


def _overlap(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return one[0] <= other[1] and other[0] <= one[1]


def _block(base: int, tensor: Tensor, rows: int) -> Block:
    return Block(base, rows, tensor.row_words, tensor.pitch, tensor.slots)


def _first_fit(taken: Iterable[Block], words: int, depth: int) -> int | None:
    base = 0
    for block in sorted(taken, key=lambda block: block.base):
        if block.base - base >= words:
            break
        base = max(base, block.base + block.length)
    return base if base + words <= depth else None


class _Placer:
    """Gives the tensors of a partition their places."""

    def __init__(
        self, pieces: Pieces, tensors: Mapping[str, Tensor], lives: Lives, depth: int, overlap: bool
    ) -> None:
        self._pieces, self._tensors, self._lives, self._depth = pieces, tensors, lives, depth
        self._overlap = overlap

    def plan(self, partition: list[Piece]) -> Plan:
        """Places for whole tensors, then for the rows of the others. Raises Unplaced."""
        crossing: dict[str, tuple[int, int]] = {}
        for number, piece in enumerate(partition):
            for name in self._pieces.whole(piece.start, piece.end):
                first, _ = crossing.get(name, (number, number))
                crossing[name] = first, number
        replaced: dict[str, str] = {}
        whole = self._whole(partition, crossing, replaced)
        groups = []
        seen: set[str] = set()
        for number, piece in enumerate(partition):
            alive = {
                name: block
                for name, block in whole.items()
                if crossing[name][0] <= number <= crossing[name][1]
            }
            if piece.start in self._pieces.in_parts:
                groups.append(self._in_parts(piece.start, alive))
            else:
                groups.append(self._group(piece, alive, replaced, seen))
            seen |= set(groups[-1].blocks) & set(whole)
        through = frozenset(
            name
            for name in self._pieces.in_memory
            for piece in partition
            if piece.start <= self._lives.first[name] <= piece.end and self._lives.last[name] > piece.end
        )
        return Plan(tuple(groups), frozenset(whole), through)

    def _whole(
        self, partition: list[Piece], crossing: Mapping[str, tuple[int, int]], replaced: dict[str, str]
    ) -> dict[str, Block]:
        """First fit in order of birth; a tensor may lie where one that dies with its birth lies."""
        placed: dict[str, Block] = {}
        for name in sorted(crossing, key=lambda name: crossing[name][0]):
            tensor, (born, _) = self._tensors[name], crossing[name]
            others = {o: b for o, b in placed.items() if _overlap(crossing[name], crossing[o])}
            old = (
                self._replaceable(name, partition[born], others, crossing, replaced)
                if tensor.takes is None
                else self._taken(tensor, partition[born], others)
            )
            if old is not None:
                replaced[name] = old
                placed[name] = _block(others[old].base, tensor, tensor.shape[1])
                continue
            base = _first_fit(others.values(), tensor.words, self._depth)
            if base is None:
                raise Unplaced(partition[born].start, partition[born].end)
            placed[name] = _block(base, tensor, tensor.shape[1])
        for tensor in self._tensors.values():
            if tensor.takes is not None and tensor.name not in placed:
                raise NotInPlace(tensor.name)
        return placed

    def _taken(self, tensor: Tensor, piece: Piece, others: Mapping[str, Block]) -> str:
        """The tensor whose place another takes, which goes on to hold what is not written over."""
        chain = self._pieces.chain(piece.start, piece.end)
        old = tensor.takes
        if old is None or old not in others or not chain.replaces(tensor.name, old, chain.ends(piece.rows)):
            raise NotInPlace(tensor.name)
        return old

    def _replaceable(
        self,
        name: str,
        piece: Piece,
        others: Mapping[str, Block],
        crossing: Mapping[str, tuple[int, int]],
        replaced: Mapping[str, str],
    ) -> str | None:
        """A tensor that dies where this one is born and in whose place it may lie."""
        chain = self._pieces.chain(piece.start, piece.end)
        ends = chain.ends(piece.rows)
        born, words = crossing[name][0], self._tensors[name].words
        for old, block in others.items():
            if crossing[old][1] != born or crossing[old][0] == born or old in replaced.values():
                continue
            clear = all(
                other == old or b.base + b.length <= block.base or block.base + words <= b.base
                for other, b in others.items()
            )
            if clear and chain.replaces(name, old, ends):
                return old
        return None

    def _group(
        self, piece: Piece, alive: Mapping[str, Block], replaced: Mapping[str, str], seen: set[str]
    ) -> Group:
        """The rows of one piece's other tensors: strips as high as fit."""
        chain = self._pieces.chain(piece.start, piece.end)
        own = chain.touched
        loaded = tuple(
            name for name in own if name not in chain.producers and name not in (seen & set(alive))
        )
        most = piece.rows
        if any(name not in self._lives.produced for name in loaded):
            most = min(most, self._pieces.arrival_rows(chain))
        heights = [rows for rows in strip_heights(chain.height) if rows <= most]
        tries = [(rows, ahead) for rows in heights for ahead in (1, 0)]
        if self._overlap:
            tries.sort(key=lambda item: -item[1])
        for rows, ahead in tries:
            ends = chain.ends(rows)
            if not all(
                chain.replaces(new, old, ends) for new, old in replaced.items() if new in chain.producers
            ):
                continue
            windows = self._pieces.windows(chain, ends, list(alive), ahead)
            blocks = self._rows({name: int(rows) for name, (rows,) in windows.items()}, alive, self._tensors)
            if blocks is not None:
                return Group(chain, ends.rows.tolist(), {name: blocks[name] for name in own}, loaded)
        raise Unplaced(piece.start, piece.end, piece.start < piece.end)

    def _in_parts(self, index: int, alive: Mapping[str, Block]) -> Group:
        """A layer in as few parts as fit. Raises Unplaced."""
        for parts in self._pieces.parts(index):
            groups: list[Group] = []
            for part in parts:
                group = self._part(part, alive)
                if group is None:
                    break
                groups.append(group)
            else:
                chain, first = self._pieces.chain(index, index), groups[0]
                return Group(chain, first.ends, first.blocks, first.loaded, parts=tuple(groups))
        raise Unplaced(index, index)

    def _part(self, part: Part, alive: Mapping[str, Block]) -> Group | None:
        """The rows of the maps of a part: strips as high as fit."""
        chain = part.chain
        own = touched(chain.layers[0])
        loaded = tuple(name for name in own if name not in chain.producers and name not in alive)
        ends = chain.ends(*strip_heights(chain.height))
        rows = [self._pieces.windows(chain, ends, list(alive), ahead) for ahead in (1, 0)]
        words = [sum(chain.tensors[name].row_words * count for name, count in item.items()) for item in rows]
        for height in range(len(ends.starts)):
            for windows, needed in zip(rows, words, strict=True):
                if np.broadcast_to(needed, len(ends.starts))[height] > self._depth:
                    continue
                counts = {name: int(count[height]) for name, count in windows.items()}
                blocks = self._rows(counts, alive, chain.tensors)
                if blocks is not None:
                    done = ends.only(height).rows.tolist()
                    placed = {name: blocks[name] for name in own}
                    return Group(chain, done, placed, loaded, part.left, part.slot, part.tile)
        return None

    def _rows(
        self, windows: Mapping[str, int], alive: Mapping[str, Block], tensors: Mapping[str, Tensor]
    ) -> dict[str, Block] | None:
        blocks = dict(alive)
        for name, rows in sorted(windows.items(), key=lambda item: -tensors[item[0]].row_words * item[1]):
            base = _first_fit(blocks.values(), tensors[name].row_words * rows, self._depth)
            if base is None:
                return None
            blocks[name] = _block(base, tensors[name], rows)
        return blocks
