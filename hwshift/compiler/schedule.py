"""The schedule: every layer's loads, computations and stores in an order in which one after the other is right.

Queues overlap what does not conflict, so a load stands in the list where it may begin: tables, then input rows, then
weights in front of the computation that needs them; while that one runs, the next one's are already under way.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

import numpy as np

from hwshift.compiler.buffers import Block, Group, Plan
from hwshift.compiler.describe import describe
from hwshift.compiler.lowered import Lowered, Rectangle
from hwshift.compiler.memory_map import MemoryMap
from hwshift.compiler.operations import Operation, Span
from hwshift.compiler.passes import Piece, compute_fields, descriptor_fields, pieces_of
from hwshift.compiler.placement import Tensor
from hwshift.compiler.resident import Use, plan_residency
from hwshift.compiler.tables import Run, Section, TableSpace, ktile_words, param_bytes, split_layer
from hwshift.compiler.transfers import MapMoves, spans
from hwshift.compiler.weights import pack_tiles
from hwshift.config import AcceleratorConfig
from hwshift.network.fixed import Activation
from hwshift.program.instruction import Instruction
from hwshift.program.isa import LoadKind, Opcode

__all__ = ["Scheduler"]


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
        self._blocks: Mapping[str, Block] = {}
        self._descriptors: dict[int, dict[str, int]] = {}
        self._bounds: tuple[int, ...] | None = None
        self._parameters: dict[tuple, bytes] = {}
        self._uses: Iterator[Use] = iter(())
        self._spaces = {
            LoadKind.KTILES: TableSpace(config.ktile_entries, config.bus_width // 32),
            LoadKind.LANES: TableSpace(config.lane_rows, 1),
            LoadKind.PARAMS: TableSpace(config.param_tiles, 1),
        }

    def group(self, group: Group) -> None:
        """Everything that layers which are computed together take."""
        layers = group.chain.layers
        weights = [self._store_weights(low) for low in layers]
        ranges: list[list[tuple[int, int]]] = [[] for _ in layers]
        for part in group.parts or (group,):
            sections = self._part(part, weights, ranges)
        for low, own, count in zip(layers, ranges, sections, strict=True):
            self._describe(low, group, own, count)

    def _part(
        self, group: Group, weights: Sequence[list[int]], ranges: list[list[tuple[int, int]]]
    ) -> list[int]:
        """A group, or a part of it; adds to each layer's ranges of instructions, returns its sections."""
        layers = group.chain.layers
        weights = [own[group.tile :] for own in weights]
        self._blocks, moves = group.blocks, MapMoves(group, self._tensors, self._memory, self._config)
        sections = [split_layer(low, group.blocks, self._config) for low in layers]
        strips = list(pairwise([[0] * len(layers), *group.ends]))
        works = [
            [
                _works(low, parts, first, end, self._config)
                for low, parts, first, end in zip(layers, sections, *strip, strict=True)
            ]
            for strip in strips
        ]
        self._uses = iter(plan_residency(_weight_uses(layers, works), self._config.weight_tiles))
        arrived = dict.fromkeys(group.loaded, 0)
        for (before, ends), strip in zip(strips, works, strict=True):
            for name in group.loaded:
                start = len(self.operations)
                wanted = self._wanted(group, name, arrived[name], before, ends)
                self.operations += moves.loads(name, *wanted)
                arrived[name] = wanted[1]
                ranges[group.chain.readers[name][0]].append((start + 1, len(self.operations) + 1))
            for index, low in enumerate(layers):
                first, start = before[index], len(self.operations)
                if first < ends[index]:
                    for _, computed in groupby(strip[index], key=lambda work: id(work.section)):
                        self._section(low, list(computed), weights[index])
                    self.operations += moves.stores(low.layer.name, first, ends[index])
                ranges[index].append((start + 1, len(self.operations) + 1))  # the header stands in front
        return [len(parts) for parts in sections]

    # -- maps ----------------------------------------------------------------------------------------------

    def _wanted(
        self, group: Group, name: str, arrived: int, before: list[int], ends: list[int]
    ) -> tuple[int, int]:
        """The rows (first, end) of a tensor that a strip needs and that are not there; none where both are the same."""
        chain, final = group.chain, group.ends[-1]
        wanted = int(chain.needed(name, np.array([ends]))[0])
        if name in self._plan.whole:
            if ends == final:
                wanted = self._tensors[name].shape[1]
        else:
            arrived = max(
                arrived, min(wanted, int(chain.lowest(name, np.array([before]), np.array(final))[0]))
            )
        return arrived, max(arrived, wanted)

    def _load_gates(self, name: str, first: int, end: int) -> int:
        """Have the gates of output tiles ``first`` to ``end`` on chip as parameters; returns the first."""
        base, missing = self._spaces[LoadKind.PARAMS].place(
            f"gates {name} {first} {end}".encode(), end - first
        )
        if missing:
            size = self._config.param_beats
            segment, address = self._memory.gates[name]
            fields = {
                "kind": LoadKind.PARAMS,
                "rows": 1,
                "row_beats": (end - first) * size,
                "row_stride": (end - first) * size * self._config.beat_bytes,
                "address": address + first * size * self._config.beat_bytes,
                "dest": base,
                "count": end - first,
            }
            reads, writes = [Span(f"gates {name}", 0, 1)], [Span("PARAMS", base, base + end - first)]
            self.operations.append(Operation(Instruction(Opcode.LOAD, fields), reads, writes, segment))
        return base

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

    def _section(self, low: Lowered, works: Sequence["_Work"], weights: list[int]) -> None:
        """Computations of one section."""
        section = works[0].section
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
        for _, own in groupby(works, key=lambda work: id(work.rectangle)):
            self._rectangle(low, list(own), weights, tables, ktiles)

    def _rectangle(
        self, low: Lowered, works: Sequence["_Work"], weights: list[int], tables: list[Span], ktiles: int
    ) -> None:
        """Computations of one section that share epilogue parameters."""
        section, rectangle = works[0].section, works[0].rectangle
        if low.gates is not None:
            params = self._load_gates(low.gates, section.first, section.end)
        else:
            params = self._table(
                LoadKind.PARAMS,
                self._params(low, section, rectangle),
                section.end - section.first,
                self._config.param_beats,
            )
        spans = [*tables, Span("PARAMS", params, params + section.end - section.first)]
        self._set_bounds(low.activation, low.residual_activation)
        for work in works:
            run = work.run
            base = {"ktile_base": ktiles + run.entry, "param_base": params + run.first - section.first}
            self._compute(low, run, work.piece, base, spans, weights)

    def _params(self, low: Lowered, section: Section, rectangle: Rectangle) -> bytes:
        """The section's parameters, which are the same in every strip."""
        key = (low.layer.name, id(rectangle.m), id(rectangle.s), id(rectangle.b), section.first, section.end)
        if key not in self._parameters:
            self._parameters[key] = param_bytes(self._config, rectangle, section.first, section.end)
        return self._parameters[key]

    def _compute(self, low: Lowered, run: Run, piece: Piece, base: dict[str, int], tables: list[Span],
                 weights: list[int]) -> None:  # fmt: skip
        out = self._blocks[low.layer.name]
        sources = [self._blocks[name] for name in low.sources]
        residual = None
        reads = list(tables)
        start, stop = low.source_rows(*piece.out_rows)
        for block in sources:
            reads += spans(block, start, stop)
        if low.layer.residual is not None:
            residual = self._blocks[low.layer.residual]
            reads += spans(residual, *piece.out_rows)
        fields = base | compute_fields(low, run, piece, out, residual, self._config)
        use = next(self._uses)
        fields |= {"keep_weights": int(use.keep), "weight_offset": use.offset}
        if use.load:
            self._load_weights(low, weights[run.first], _weight_tiles(low, run))
        for index, source in enumerate(sources):
            wanted = {"id": index, **descriptor_fields(low, piece, source)}
            if self._descriptors.get(index) != wanted:
                self._descriptors[index] = wanted
                self.operations.append(Operation(Instruction(Opcode.DESCRIPTOR, wanted)))
        written = spans(out, *piece.out_rows)
        self.operations.append(Operation(Instruction(Opcode.COMPUTE, fields), reads, written))

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

    def _describe(self, low: Lowered, group: Group, ranges: list[tuple[int, int]], sections: int) -> None:
        items = [self.operations[index - 1].instruction for a, b in ranges for index in range(a, b)]
        over = self._tensors[low.layer.name].takes
        record = describe(low, group, items, self._config, self._plan.whole, self._memory.tensors, over)
        record |= {"sections": sections, "instruction_ranges": [list(item) for item in ranges]}
        self.layers.append(record)


def _weight_tiles(low: Lowered, run: Run) -> int:
    """Tiles that the instructions of a run use."""
    return 1 if low.constant is not None else (run.end - run.first) * run.count


@dataclass(frozen=True)
class _Work:
    """One COMPUTE to be written: a piece of the output of a run of output tiles."""

    section: Section
    rectangle: Rectangle
    run: Run
    piece: Piece


def _works(
    low: Lowered, sections: Sequence[Section], first: int, end: int, config: AcceleratorConfig
) -> list[_Work]:
    """Computations of a layer for the output rows ``first`` to ``end``, in order; none where end <= first."""
    return [
        _Work(section, rectangle, run, piece)
        for section in sections
        for rectangle in low.rectangles
        for rows in [rectangle.between(first, end)]
        if rows[0] < rows[1]
        for run in section.runs
        for piece in pieces_of(low, run, rows, rectangle.columns, config)
    ]


def _weight_uses(
    layers: Sequence[Lowered], works: Iterable[Sequence[Sequence[_Work]]]
) -> list[tuple[tuple[int, int], int]]:
    """Per computation, by strip and layer, which weight tiles it uses: layer and first output tile, and how many."""
    return [
        ((index, 0 if low.constant is not None else work.run.first), _weight_tiles(low, work.run))
        for strip in works
        for index, low in enumerate(layers)
        for work in strip[index]
    ]
