"""Contents of the on-chip tables, and which part of each table holds what."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from hwshift.compiler.buffers import Block
from hwshift.compiler.limits import raise_to
from hwshift.compiler.lowered import Lowered, Rectangle
from hwshift.compiler.tiles import Pattern
from hwshift.config import AcceleratorConfig
from hwshift.errors import CompileError
from hwshift.program.isa import KTILE_ENTRY, LANE_ENTRY, Layout
from hwshift.program.params import encode_params, pack_params

__all__ = ["Run", "Section", "TableSpace", "ktile_words", "lane_words", "param_bytes", "split_layer"]


@dataclass(frozen=True)
class Run:
    """Output tiles ``first`` to ``end`` of one instruction; ``advance``: each has its own k-tile entries."""

    first: int
    end: int
    count: int
    advance: bool
    entry: int


@dataclass(frozen=True)
class Section:
    """Consecutive output tiles whose tables are on chip together.

    Members
    -------
    first, end : output tiles
    lanes : ndarray of uint32, shape (rows, R)
    offset, descriptor, row : ndarrays of int64, shape (entries,)
        The k-tile entries; rows are counted from the section's first.
    runs : tuple of Run
    """

    first: int
    end: int
    lanes: np.ndarray = field(repr=False)
    offset: np.ndarray = field(repr=False)
    descriptor: np.ndarray = field(repr=False)
    row: np.ndarray = field(repr=False)
    runs: tuple[Run, ...]


def pack_words(layout: Layout, **values: np.ndarray) -> np.ndarray:
    """Table entries of at most 32 bits from arrays of fields, as uint32; values must fit."""
    word = np.zeros(np.broadcast_shapes(*(np.shape(value) for value in values.values())), np.int64)
    for name, value in values.items():
        item = layout.by_name[name]
        value = np.asarray(value, np.int64)
        if value.size and not (item.low <= value.min() and value.max() <= item.high):
            raise ValueError(f"{layout.name}.{name} must lie in {item.low}..{item.high}")
        word |= (value & ((1 << item.width) - 1)) << layout.offsets[name]
    return word.astype(np.uint32)


def lane_words(
    pattern: Pattern, blocks: list[Block], inside: tuple[bool, bool], sub_banks: int
) -> tuple[np.ndarray, np.ndarray]:
    """Lane-table rows of every k-tile, and each k-tile's own offset.

    A k-tile's offset is that of its first slot and, along axes where nothing leaves the map, of its rows and of
    whole words; the lanes' offsets are what remains.

    Returns
    -------
    rows : ndarray of uint32, shape (k-tiles, R)
    offset : ndarray of int64, shape (k-tiles,)
    """
    on = pattern.on
    row_words, length, pitch = (
        np.array([getattr(block, name) for block in blocks])[pattern.source]
        for name in ("row_words", "length", "pitch")
    )
    slot = np.where(on, pattern.slot, 1 << 16).min(axis=1)
    rows = pattern.dy.max(axis=1) if inside[0] else np.zeros(pattern.count, np.int64)
    words = pattern.dx.max(axis=1) // sub_banks if inside[1] else np.zeros(pattern.count, np.int64)
    dy = np.where(on, pattern.dy - rows[:, None], 0)
    dx = np.where(on, pattern.dx - words[:, None] * sub_banks, 0)
    inner = dy * row_words[:, None] + (pattern.slot - slot[:, None]) * pitch[:, None]
    offset = np.where(on, inner % length[:, None], 0)
    own = (slot * pitch + words + rows * row_words) % length
    return pack_words(LANE_ENTRY, offset=offset, dy=dy, dx=dx, enable=on), own


def ktile_words(section: Section, lane_base: int, count: int) -> np.ndarray:
    """The section's k-tile entries, padded with zeros to ``count``; uint32."""
    words = pack_words(
        KTILE_ENTRY, offset=section.offset, descriptor=section.descriptor, lane_row=section.row + lane_base
    )
    return np.concatenate((words, np.zeros(count - len(words), np.uint32)))


def param_bytes(config: AcceleratorConfig, rectangle: Rectangle, first: int, end: int) -> bytes:
    """Parameter tiles of output tiles ``first`` to ``end``, each padded to a whole beat."""
    channels = slice(first * config.columns, end * config.columns)
    entries = encode_params(config, rectangle.m[channels], rectangle.s[channels], rectangle.b[channels])
    tiles = np.zeros((end - first, config.columns), np.uint64)
    tiles.ravel()[: len(entries)] = entries
    return pack_params(config, tiles).tobytes()


def split_layer(low: Lowered, blocks: Mapping[str, Block], config: AcceleratorConfig) -> list[Section]:
    """Cut a layer into sections whose tables fit, into half the tables where possible.

    Raises
    ------
    CompileError
        When the tables of a single output tile do not fit.
    """
    own = [blocks[name] for name in low.sources]
    words = {
        id(pattern): lane_words(pattern, own, low.inside, config.sub_banks) for pattern in set(low.patterns)
    }
    sections, first = [], 0
    while first < low.tiles:
        end = _section_end(low, first, words, config)
        sections.append(_section(low, first, end, words))
        first = end
    return sections


def _section_end(low: Lowered, first: int, words: dict, config: AcceleratorConfig) -> int:
    """The tile after the last that fits, at least one tile further."""
    limits = {
        "lane_rows": config.lane_rows,
        "ktile_entries": config.ktile_entries,
        "param_tiles": config.param_tiles,
    }
    rows: set[bytes] = set()
    entries, patterns = 0, set()
    allowed: dict[str, int] = {}
    for tile in range(first, low.tiles):
        pattern = low.patterns[tile]
        rows |= {row.tobytes() for row in words[id(pattern)][0]}
        patterns.add(id(pattern))
        entries += pattern.count
        used = {
            "lane_rows": len(rows),
            "ktile_entries": pattern.count if len(patterns) == 1 else entries,
            "param_tiles": tile - first + 1,
        }
        if tile == first:
            for name, limit in limits.items():
                if used[name] > limit:
                    raise CompileError(
                        f"one output tile needs {used[name]} {name.replace('_', ' ')}, {name} is {limit}: "
                        + raise_to(name, used[name]),
                        where=low.layer.name,
                    )
            allowed = {name: max(limits[name] // 2, used[name]) for name in limits}
        elif any(used[name] > allowed[name] for name in limits):
            return tile
    return low.tiles


def _section(low: Lowered, first: int, end: int, words: dict) -> Section:
    lanes: dict[bytes, int] = {}
    offset, descriptor, row = [], [], []
    shared = len({id(pattern) for pattern in low.patterns[first:end]}) == 1
    for tile in range(first, first + 1 if shared else end):
        pattern = low.patterns[tile]
        rows, offsets = words[id(pattern)]
        offset.append(offsets)
        descriptor.append(pattern.source)
        row.append([lanes.setdefault(item.tobytes(), len(lanes)) for item in rows])
    table = np.frombuffer(b"".join(lanes), np.uint32).reshape(len(lanes), -1)
    return Section(
        first,
        end,
        table,
        np.concatenate(offset),
        np.concatenate(descriptor),
        np.concatenate(row).astype(np.int64),
        tuple(_runs(low, first, end, shared)),
    )


def _runs(low: Lowered, first: int, end: int, shared: bool) -> list[Run]:
    if shared:
        return [Run(first, end, low.patterns[first].count, False, 0)]
    runs, entry, start = [], 0, first
    for tile in range(first, end):
        count = low.patterns[start].count
        if low.patterns[tile].count != count:
            runs.append(Run(start, tile, count, True, entry))
            entry += (tile - start) * count
            start = tile
    return [*runs, Run(start, end, low.patterns[start].count, True, entry)]


class TableSpace:
    """Places in one table, handed out in a circle; what is still there is not loaded again."""

    def __init__(self, depth: int, align: int) -> None:
        self._depth, self._align = depth, align
        self._next = 0
        self._held: dict[bytes, tuple[int, int]] = {}

    def place(self, content: bytes, count: int) -> tuple[int, bool]:
        """Where ``count`` entries lie, and whether they have to be loaded."""
        if content in self._held:
            return self._held[content][0], False
        count = -(-count // self._align) * self._align
        base = self._next if self._next + count <= self._depth else 0
        self._held = {
            key: span for key, span in self._held.items() if span[1] <= base or base + count <= span[0]
        }
        self._held[content] = base, base + count
        self._next = base + count
        return base, True
