"""Counts of a program: from its instructions and tables, without running it."""

from collections import deque
from dataclasses import dataclass
from itertools import islice

import numpy as np

from hwshift.compiler.weights import zero_code
from hwshift.cost.counts import (
    PROGRAM,
    AccumulatorCounts,
    ArrayCounts,
    EpilogueCounts,
    LayerCounts,
    MemoryCounts,
    MoveCounts,
    ProgramCounts,
    ShiftBufferCounts,
    TableCounts,
    WeightBufferCounts,
)
from hwshift.program.image import Program
from hwshift.program.instruction import Instruction
from hwshift.program.isa import INSTRUCTION_BYTES, KTILE_ENTRY, LANE_ENTRY, LoadKind, Opcode
from hwshift.program.ports import lanes_of
from hwshift.program.row_taps import element_ages, lead_steps
from hwshift.program.tables import TableState

__all__ = ["MOVES", "count_program"]

MOVES = ("Shift", "Concat", "Shuffle", "Slice", "Upsample")
"""Operations that move elements and compute nothing."""

_ENABLE = [item.name for item in LANE_ENTRY.fields].index("enable")
_DY, _DX = ([item.name for item in LANE_ENTRY.fields].index(name) for name in ("dy", "dx"))
_LANE_ROW = [item.name for item in KTILE_ENTRY.fields].index("lane_row")
_REACH = 64  # displacements are -64 .. 63
_KINDS = {
    LoadKind.MAP: "map_read_bits",
    LoadKind.INPUT: "input_bits",
    LoadKind.WEIGHTS: "weight_bits",
    LoadKind.PARAMS: "table_bits",
    LoadKind.KTILES: "table_bits",
    LoadKind.LANES: "table_bits",
}


def count_program(program: Program) -> ProgramCounts:
    """Count every action of a program, layer by layer.

    Parameters
    ----------
    program : Program
        Its ``layers`` say which instructions are whose (``instruction_ranges``); the others count as `PROGRAM`.

    Returns
    -------
    ProgramCounts
        The compiler's layers in order, then `PROGRAM`. A layer without instructions counts nothing.
    """
    records = [*program.layers, {"name": PROGRAM}]
    owner = program.owners
    counts = [LayerCounts(record["name"], record.get("op", "")) for record in records]
    counter = _Counter(program)
    for index, item in enumerate(program.instructions):
        number = owner.get(index, len(records) - 1)
        counts[number] += counter.instruction(item, records[number])
    return ProgramCounts(tuple(counts))


@dataclass(frozen=True, eq=False)
class _Work:
    """A COMPUTE with the tables it finds.

    Members
    -------
    pixels : int
        Output pixels that count.
    columns : ndarray of bool, shape (tiles, C)
        Columns that count.
    lanes : ndarray of int64, shape (tiles or 1, k-tiles, R, lane-table fields)
    on : ndarray of bool, shape (tiles or 1, k-tiles, R)
    elements : ndarray of int64, shape (tiles or 1, k-tiles, 1 or C)
        Elements of a column that take what a lane that is on has read.
    used : ndarray of int64, shape (tiles, k-tiles, R)
        Columns that count with a weight other than zero, per row of such elements.
    """

    pixels: int
    columns: np.ndarray
    lanes: np.ndarray
    on: np.ndarray
    elements: np.ndarray
    used: np.ndarray


class _Counter:
    """Follows a program's tables and weight ring, and counts instruction by instruction."""

    def __init__(self, program: Program) -> None:
        self._config = program.config
        self._memory = program.memory_image()
        self._tables = TableState(program.config)
        self._ring: deque[np.ndarray] = deque()
        self._known: dict[tuple[int, int, int], np.ndarray] = {}
        # the lane whose values an element takes with row_taps
        ages = element_ages(self._config.rows, self._config.columns)
        self._lane_of = (np.arange(self._config.rows)[:, None] - ages) % self._config.rows

    def instruction(self, item: Instruction, record: dict) -> LayerCounts:
        """Counts of the next instruction."""
        memory = MemoryCounts(instruction_bits=INSTRUCTION_BYTES * 8)
        counts = LayerCounts("", instructions=1, memory=memory)
        if item.opcode == Opcode.LOAD:
            return counts + self._load(item)
        if item.opcode == Opcode.COMPUTE:
            return counts + self._compute(item, record)
        if item.opcode == Opcode.STORE:
            return counts + self._store(item)
        return counts

    # -- transfers -----------------------------------------------------------------------------------------

    def _bits(self, item: Instruction) -> int:
        return item["rows"] * item["row_beats"] * self._config.bus_width

    def _load(self, item: Instruction) -> LayerCounts:
        config, kind, count = self._config, LoadKind(item["kind"]), item["count"]
        memory = MemoryCounts(**{_KINDS[kind]: self._bits(item)})
        self._tables.load(item, self._memory)
        if kind in (LoadKind.MAP, LoadKind.INPUT):
            vectors = item["rows"] * item["slots"] if kind == LoadKind.MAP else item["count"]
            words = vectors * item["width"] * config.rows
            return LayerCounts("", memory=memory, shift_buffer=ShiftBufferCounts(loader_writes=words))
        if kind == LoadKind.WEIGHTS:
            self._ring.extend(self._nonzero(item))
            words = count * config.tile_words
            return LayerCounts("", memory=memory, weight_buffer=WeightBufferCounts(words_written=words))
        writes = {
            LoadKind.PARAMS: TableCounts(param_writes=count),
            LoadKind.KTILES: TableCounts(ktile_writes=item["row_beats"]),
            LoadKind.LANES: TableCounts(lane_writes=count),
        }
        return LayerCounts("", memory=memory, tables=writes[kind])

    def _store(self, item: Instruction) -> LayerCounts:
        words = item["rows"] * item["width"] * item["slots"] * self._config.rows
        memory = MemoryCounts(map_write_bits=self._bits(item))
        return LayerCounts("", memory=memory, shift_buffer=ShiftBufferCounts(storer_reads=words))

    def _nonzero(self, item: Instruction) -> np.ndarray:
        """Which weights of a load are not zero, shape (tiles, R, C)."""
        config, key = self._config, (item["address"], item["count"], item["zero_code"])
        if key not in self._known:
            size = config.tile_beats * config.beat_bytes
            data = self._memory[item["address"] : item["address"] + item["count"] * size].reshape(-1, size)
            bits = np.unpackbits(data, axis=1, bitorder="little")
            bits = bits[:, : config.rows * config.columns * config.code_bits]
            codes = bits.reshape(item["count"], config.rows, config.columns, config.code_bits)
            zero = zero_code(config) >> np.arange(config.code_bits) & 1
            may_be_zero = config.pe == "mac" or item["zero_code"]
            self._known[key] = (codes != zero).any(axis=3) | (not may_be_zero)
        return self._known[key]

    # -- computation ---------------------------------------------------------------------------------------

    def _compute(self, item: Instruction, record: dict) -> LayerCounts:
        config, work = self._config, self._work(item)
        tiles, ktiles, row_steps = item["tiles"], item["ktile_count"], item["rows"] * item["steps"]
        steps, passes = tiles * ktiles * row_steps, tiles * ktiles * item["chunks"]
        loads = 1 if item["hold_weights"] else passes
        outputs = int(work.columns.sum()) * work.pixels
        products = int((work.columns[:, None] * work.elements).sum())
        sums = int((work.columns[:, None] * np.maximum(work.elements - 1, 0)).sum())
        words = tiles * (ktiles - 1) * row_steps * config.pixels
        corner = record.get("corner", (0, 0))
        displaced = (work.lanes[..., _DY] + corner[0] != 0) | (work.lanes[..., _DX] + corner[1] != 0)
        reads = self._port_a(item, work)
        residuals = outputs if item["residual"] else 0
        return LayerCounts(
            "",
            array=ArrayCounts(
                steps=steps,
                places=steps * config.rows * config.columns * config.pixels,
                operations=products * work.pixels,
                nonzero_operations=int(work.used.sum()) * work.pixels,
                tree_adds=sums * work.pixels,
                weight_tiles=loads,
                weight_registers=2 * loads * config.rows * config.columns,
            ),
            accumulator=AccumulatorCounts(outputs * ktiles, outputs * (ktiles - 1), words, words),
            shift_buffer=ShiftBufferCounts(int(reads.sum()), residuals, outputs),
            weight_buffer=WeightBufferCounts(words_read=loads * config.tile_words),
            epilogue=EpilogueCounts(outputs, residuals),
            tables=TableCounts(lane_reads=steps, ktile_reads=passes, param_reads=tiles * row_steps),
            moves=_moves(work, displaced, int((reads * displaced).sum()), record.get("op") in MOVES),
        )

    def _work(self, item: Instruction) -> _Work:
        config, tiles, ktiles = self._config, item["tiles"], item["ktile_count"]
        own = tiles if item["ktile_advance"] else 1
        entries = self._tables.ktiles[item["ktile_base"] : item["ktile_base"] + own * ktiles, _LANE_ROW]
        lanes = self._tables.lanes[entries].reshape(own, ktiles, config.rows, -1)
        on = lanes[..., _ENABLE] == 1
        mask = np.ones((tiles, config.columns), bool)
        mask[-1] = item["last_columns"] >> np.arange(config.columns) & 1
        if item["hold_weights"]:
            weights = self._weights(item, 1)[None]
        else:
            weights = self._weights(item, tiles * ktiles)
            weights = weights.reshape(tiles, ktiles, config.rows, config.columns)
        taken = on[..., self._lane_of] if item["row_taps"] else on[..., None]
        used = (weights & mask[:, None, None] & taken).sum(axis=3)
        lanes_used = lanes_of(config.pixels, item["out_step"])
        given = item["steps"] - lead_steps(item)
        pixels = item["rows"] * ((given - 1) * lanes_used + item["last_pixels"])
        return _Work(pixels, mask, lanes, on, taken.sum(axis=2), used)

    def _weights(self, item: Instruction, count: int) -> np.ndarray:
        """An instruction's tiles of the ring, which leave it or stay."""
        if item["keep_weights"]:
            first = item["weight_offset"]
            return np.stack(list(islice(self._ring, first, first + count)))
        return np.stack([self._ring.popleft() for _ in range(count)])

    def _port_a(self, item: Instruction, work: _Work) -> np.ndarray:
        """Reads inside the map per k-tile and lane, shape of ``work.on``."""
        row = np.arange(item["rows"])
        chunk, inner = row // item["chunk_rows"], row % item["chunk_rows"]
        y = item["y0"] + chunk * item["chunk_y"] + inner * item["stride_y"]
        x = item["x0"] + np.arange(item["steps"])[:, None] * item["x_step"]
        lanes_used = lanes_of(self._config.pixels, item["out_step"])
        x = (x + np.arange(lanes_used) * item["stride_x"]).ravel()
        x = x[: len(x) - lanes_used + item["last_pixels"]]
        offsets = np.arange(-_REACH, _REACH)[:, None]
        rows_inside = ((y + offsets >= 0) & (y + offsets < item["height"])).sum(axis=1)
        columns_inside = ((x + offsets >= 0) & (x + offsets < item["width"])).sum(axis=1)
        dy, dx = work.lanes[..., _DY], work.lanes[..., _DX]
        repeats = item["tiles"] // len(work.lanes)
        return rows_inside[dy + _REACH] * columns_inside[dx + _REACH] * work.on * repeats


def _moves(work: _Work, displaced: np.ndarray, displaced_reads: int, moves_only: bool) -> MoveCounts:
    if not moves_only:
        return MoveCounts(displaced_reads)
    shifted, unshifted = (int((work.used * which).sum()) * work.pixels for which in (displaced, ~displaced))
    return MoveCounts(displaced_reads, shifted, unshifted)
