"""The schedule: every layer's loads, computations and stores in an order in which one after the other is right.

Queues overlap what does not conflict, so a load stands in the list where it may begin: tables, then input rows, then
weights in front of the computation that needs them; while that one runs, the next one's are already under way.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hwshift.compiler.buffers import Block, Plan
from hwshift.compiler.lowered import Lowered, Rectangle
from hwshift.compiler.memory_map import MemoryMap
from hwshift.compiler.operations import Operation, Span
from hwshift.compiler.passes import Piece, Source, compute_fields, descriptor_fields, pieces_of
from hwshift.compiler.placement import Tensor
from hwshift.compiler.tables import Run, Section, TableSpace, ktile_words, param_bytes, split_layer
from hwshift.compiler.weights import pack_tiles
from hwshift.config import AcceleratorConfig
from hwshift.network.fixed import Activation, FixedLayer
from hwshift.program.hazards import total_steps
from hwshift.program.instruction import Instruction
from hwshift.program.isa import LoadKind, Opcode

__all__ = ["Scheduler"]

_INPUT_STRIPS = 8
"""Parts at most in which the first layer follows the arrival of its input."""
_LEAST_STEPS = 64
"""Steps of such a part at least, for each k-tile."""


@dataclass(frozen=True)
class _Held:
    """A tensor's rows on chip: row ``first`` lies at offset 0 of ``block``."""

    block: Block
    first: int

    def spans(self, start: int, end: int) -> list[Span]:
        return (
            [Span("buffer", a, b) for a, b in self.block.words(start, end, self.first)] if start < end else []
        )


class Scheduler:
    """Writes the list of operations, layer by layer.

    Parameters
    ----------
    config : AcceleratorConfig
    tensors : mapping of name to Tensor
    plan : Plan
    memory : MemoryMap
        Tensors that are loaded or stored have their place there.

    Members
    -------
    operations : list of Operation
    layers : list of dict
        What was done, for people.
    """

    def __init__(
        self, config: AcceleratorConfig, tensors: Mapping[str, Tensor], plan: Plan, memory: MemoryMap
    ) -> None:
        self._config, self._tensors, self._plan, self._memory = config, tensors, plan, memory
        self.operations: list[Operation] = []
        self.layers: list[dict] = []
        self._held: dict[str, _Held] = {}
        self._arrived = 0  # rows of a resident network input that are on chip
        self._descriptors: dict[int, dict[str, int]] = {}
        self._bounds: tuple[int, ...] | None = None
        self._spaces = {
            LoadKind.KTILES: TableSpace(config.ktile_entries, config.bus_width // 32),
            LoadKind.LANES: TableSpace(config.lane_rows, 1),
            LoadKind.PARAMS: TableSpace(config.param_tiles, 1),
        }

    def layer(self, low: Lowered) -> None:
        """Everything one layer takes."""
        buffers = self._plan.layers[low.layer.name]
        own = {name: blocks[0] for name, blocks in buffers.blocks.items()}
        sections = split_layer(low, own, self._config)
        weights = self._store_weights(low)
        height, rows = low.layer.shape[1], self._strip_rows(low)
        before = len(self.operations)
        for turn, first in enumerate(range(0, height, rows)):
            end = min(height, first + rows)
            self._provide(low, buffers.blocks, turn, first, end)
            for section in sections:
                self._section(low, section, weights, first, end)
            self._store(low.layer.name, first, end)
        self._describe(low, before, sections, -(-height // rows))

    def _strip_rows(self, low: Lowered) -> int:
        """Output rows at a time: all, or what fits on chip, or less to compute while the input still arrives."""
        rows, (_, height, width) = self._plan.layers[low.layer.name].strip_rows, low.layer.shape
        late = [name for name in low.sources if self._is_input(name) and name in self._plan.resident]
        late = [name for name in late if name not in self._held]
        if rows < height or not late:
            return rows
        beats = sum(self._tensors[name].shape[1] * self._row_beats(name) for name in late)
        tiles = 1 if low.constant is not None else sum(map(len, low.weights))
        steps = -(-width // self._config.pixels)
        least = -(-max(_LEAST_STEPS, 4 * self._config.tile_words) // steps)
        strips = min(_INPUT_STRIPS, beats // (tiles * self._config.tile_beats), height // least)
        return -(-height // max(1, strips))

    # -- maps ----------------------------------------------------------------------------------------------

    def _provide(
        self, low: Lowered, blocks: Mapping[str, tuple[Block, ...]], turn: int, first: int, end: int
    ) -> None:
        """Have the rows of every tensor of this strip on chip, and room for those that are computed."""
        for name, choices in blocks.items():
            whole = self._plan.resident.get(name)
            if whole is not None:
                self._held[name] = _Held(whole, 0)
                if self._is_input(name):
                    height = self._tensors[name].shape[1]
                    wanted = height if end == low.layer.shape[1] else low.rows_of(name, first, end)[1]
                    if wanted > self._arrived:
                        self._load_rows(name, self._arrived, wanted)
                        self._arrived = wanted
                continue
            start, stop = low.rows_of(name, first, end)
            self._held[name] = _Held(choices[turn % len(choices)], start)
            if name != low.layer.name and start < stop:
                self._load_rows(name, start, stop)

    def _is_input(self, name: str) -> bool:
        return self._memory.tensors.get(name, ("",))[0] == "input"

    def _row_beats(self, name: str) -> int:
        """Beats of one row in memory."""
        tensor = self._tensors[name]
        return tensor.shape[2] * self._memory.pixel_bytes(tensor) // self._config.beat_bytes

    def _transfer(
        self, name: str, first: int, end: int
    ) -> tuple[dict[str, int], str, list[Span], list[Span]]:
        """Fields that LOAD and STORE of rows share; segment; spans on chip and in memory."""
        tensor, held = self._tensors[name], self._held[name]
        segment, address = self._memory.tensors[name]
        row_bytes = tensor.shape[2] * self._memory.pixel_bytes(tensor)
        block = held.block
        fields = {
            "rows": end - first,
            "row_beats": row_bytes // self._config.beat_bytes,
            "row_stride": row_bytes,
            "address": address + first * row_bytes,
            "base": block.base,
            "length": block.length,
            "offset": block.offset(first, held.first),
            "row_step": block.row_words % block.length,
            "pitch": block.pitch,
            "slots": block.slots,
            "width": tensor.shape[2],
        }
        outside = [Span(f"map {name}", first, end)]
        return fields, segment, held.spans(first, end), outside

    def _load_rows(self, name: str, first: int, end: int) -> None:
        tensor = self._tensors[name]
        fields, segment, inside, outside = self._transfer(name, first, end)
        if tensor.is_input:
            fields |= {"kind": LoadKind.INPUT, "channels": tensor.shape[0]}
        else:
            fields |= {"kind": LoadKind.MAP}
        self.operations.append(Operation(Instruction(Opcode.LOAD, fields), outside, inside, segment))

    def _store(self, name: str, first: int, end: int) -> None:
        if name not in self._memory.tensors:
            return
        fields, segment, inside, outside = self._transfer(name, first, end)
        lanes = self._tensors[name].shape[0] - (self._tensors[name].slots - 1) * self._config.rows
        fields["last_lanes"] = (1 << lanes) - 1
        self.operations.append(Operation(Instruction(Opcode.STORE, fields), inside, outside, segment))

    # -- tables and weights --------------------------------------------------------------------------------

    def _table(self, kind: LoadKind, content: bytes, count: int, beats: int) -> int:
        """Have table entries on chip; returns the first."""
        base, missing = self._spaces[kind].place(content, count)
        if missing:
            beat = self._config.beat_bytes
            fields = {
                "kind": kind,
                "rows": 1,
                "row_beats": count * beats if beats else -(-len(content) // beat),
                "row_stride": len(content),
                "address": self._memory.add("tables", content),
                "dest": base,
                "count": count,
            }
            padded = -(-count // (beat // 4)) * (beat // 4) if kind == LoadKind.KTILES else count
            self.operations.append(
                Operation(
                    Instruction(Opcode.LOAD, fields), [], [Span(kind.name, base, base + padded)], "tables"
                )
            )
        return base

    def _store_weights(self, low: Lowered) -> list[int]:
        """Put a layer's weight tiles into memory; returns every output tile's address, and the end."""
        size = self._config.tile_beats * self._config.beat_bytes
        if low.constant is not None:
            content = pack_tiles(low.constant[None], self._config)
            return [self._memory.add("weights", content.tobytes())] * (low.tiles + 1)
        content = pack_tiles(np.concatenate(low.weights), self._config)
        ends = np.cumsum([0, *(len(tiles) for tiles in low.weights)]) * size
        return (self._memory.add("weights", content.tobytes()) + ends).tolist()

    def _load_weights(self, low: Lowered, address: int, tiles: int) -> None:
        """In front of a computation: its weight tiles in the order of its passes."""
        flag = int(low.zero_code and self._config.pe == "shift_add")
        size = self._config.tile_beats
        while tiles:
            count = min(tiles, (1 << 16) - 1)
            fields = {
                "kind": LoadKind.WEIGHTS,
                "zero_code": flag,
                "rows": 1,
                "row_beats": count * size,
                "row_stride": count * size * self._config.beat_bytes,
                "address": address,
                "count": count,
            }
            self.operations.append(Operation(Instruction(Opcode.LOAD, fields), segment="weights"))
            address, tiles = address + count * size * self._config.beat_bytes, tiles - count

    # -- computation ---------------------------------------------------------------------------------------

    def _section(self, low: Lowered, section: Section, weights: list[int], first: int, end: int) -> None:
        """All output tiles of a section for the output rows ``first`` to ``end``."""
        lanes = self._table(
            LoadKind.LANES, section.lanes.tobytes(), len(section.lanes), self._config.lane_beats
        )
        per_beat = self._config.bus_width // 32
        count = -(-len(section.offset) // per_beat) * per_beat
        words = ktile_words(section, lanes, count)
        ktiles = self._table(LoadKind.KTILES, words.tobytes(), len(section.offset), 0)
        tables = [
            Span("LANES", lanes, lanes + len(section.lanes)),
            Span("KTILES", ktiles, ktiles + len(section.offset)),
        ]
        for rectangle in low.rectangles:
            rows = max(first, rectangle.rows[0]), min(end, rectangle.rows[1])
            if rows[0] < rows[1]:
                self._rectangle(low, section, weights, rectangle, rows, tables, ktiles)

    def _rectangle(
        self,
        low: Lowered,
        section: Section,
        weights: list[int],
        rectangle: Rectangle,
        rows: tuple[int, int],
        tables: list[Span],
        ktiles: int,
    ) -> None:
        content = param_bytes(self._config, rectangle, section.first, section.end)
        params = self._table(LoadKind.PARAMS, content, section.end - section.first, self._config.param_beats)
        spans = [*tables, Span("PARAMS", params, params + section.end - section.first)]
        self._set_bounds(low.activation, low.residual_activation)
        for run in section.runs:
            for piece in pieces_of(low, run, rows, rectangle.columns, self._config):
                base = {"ktile_base": ktiles + run.entry, "param_base": params + run.first - section.first}
                self._compute(low, run, piece, base, spans, weights)

    def _compute(self, low: Lowered, run: Run, piece: Piece, base: dict[str, int], tables: list[Span],
                 weights: list[int]) -> None:  # fmt: skip
        held = self._held[low.layer.name]
        sources = [Source(self._held[name].block, self._held[name].first) for name in low.sources]
        residual = None
        reads = list(tables)
        start, stop = low.source_rows(*piece.rows)
        for name in low.sources:
            reads += self._held[name].spans(start, stop)
        if low.layer.residual is not None:
            other = self._held[low.layer.residual]
            residual = Source(other.block, other.first)
            reads += other.spans(*piece.rows)
        fields = base | compute_fields(
            low, run, piece, Source(held.block, held.first), residual, self._config
        )
        tiles = 1 if low.constant is not None else (run.end - run.first) * run.count
        self._load_weights(low, weights[run.first], tiles)
        for index, source in enumerate(sources):
            wanted = {"id": index, **descriptor_fields(low, piece, source)}
            if self._descriptors.get(index) != wanted:
                self._descriptors[index] = wanted
                self.operations.append(Operation(Instruction(Opcode.DESCRIPTOR, wanted)))
        self.operations.append(Operation(Instruction(Opcode.COMPUTE, fields), reads, held.spans(*piece.rows)))

    def _set_bounds(self, first: Activation, second: Activation) -> None:
        """ACTIVATION where a clamp needs other bounds than those that hold."""
        wanted = [0, 0, 0, 0] if self._bounds is None else list(self._bounds)
        if first.kind == "clamp":
            wanted[:2] = first.lo, first.hi
        if second.kind == "clamp":
            wanted[2:] = second.lo, second.hi
        if "clamp" in (first.kind, second.kind) and tuple(wanted) != self._bounds:
            self._bounds = tuple(wanted)
            names = ("lo", "hi", "residual_lo", "residual_hi")
            fields = dict(zip(names, wanted, strict=True))
            self.operations.append(Operation(Instruction(Opcode.ACTIVATION, fields)))

    def renamed(self, layer: FixedLayer) -> None:
        """A layer that is only another name for channels."""
        self.layers.append(
            {
                "name": layer.name,
                "op": type(layer.op).__name__,
                "shape": list(layer.shape),
                "where": "renamed",
            }
        )

    def _describe(self, low: Lowered, before: int, sections: list[Section], strips: int) -> None:
        computes = [
            item.instruction for item in self.operations[before:] if item.instruction.opcode == Opcode.COMPUTE
        ]
        self.layers.append(
            {
                "name": low.layer.name,
                "op": type(low.layer.op).__name__,
                "shape": list(low.layer.shape),
                "tiles": low.tiles,
                "ktiles": max(pattern.count for pattern in low.patterns),
                "sections": len(sections),
                "strips": strips,
                "instructions": len(computes),
                "instruction_range": [before + 1, len(self.operations) + 1],  # the header stands in front
                "corner": list(low.corner),
                "chunks": sum(item["chunks"] for item in computes),
                "steps": sum(total_steps(item) for item in computes),
                "cycles": sum(self._least_cycles(item) for item in computes),
                "weights": "constant" if low.constant is not None else "streamed",
                "where": "on chip" if low.layer.name in self._plan.resident else "through memory",
            }
        )

    def _least_cycles(self, item: Instruction) -> int:
        """A pass takes its steps, or as long as its weight tile takes to load."""
        if item["hold_weights"]:
            return total_steps(item)
        full, rest = divmod(item["rows"], item["chunk_rows"])
        sizes = [item["chunk_rows"] * item["steps"]] * full + ([rest * item["steps"]] if rest else [])
        passes = sum(max(size, self._config.tile_words) for size in sizes)
        return passes * item["tiles"] * item["ktile_count"]
