"""Loads and stores of maps: which instructions move rows of a map, or of a part of it, between memory and the chip."""

from collections.abc import Iterator, Mapping
from itertools import pairwise, product

from hwshift.compiler.buffers import Block, Group
from hwshift.compiler.memory_map import MemoryMap
from hwshift.compiler.operations import Operation, Span
from hwshift.compiler.placement import Tensor
from hwshift.config import AcceleratorConfig
from hwshift.program.instruction import Instruction
from hwshift.program.isa import LoadKind, Opcode

__all__ = ["MapMoves", "spans"]


class MapMoves:
    """The maps of a group, or of a part of it.

    Parameters
    ----------
    group : Group
    tensors : mapping of name to Tensor
        As they lie in memory.
    memory : MemoryMap
    config : AcceleratorConfig
    """

    def __init__(
        self, group: Group, tensors: Mapping[str, Tensor], memory: MemoryMap, config: AcceleratorConfig
    ) -> None:
        self._group, self._tensors, self._memory, self._config = group, tensors, memory, config
        self._local = group.chain.tensors

    def loads(self, name: str, first: int, end: int) -> Iterator[Operation]:
        """Rows ``first`` to ``end`` of a map or input; nothing where there are none."""
        if self._tensors[name].is_input:
            whole = self._local[name].shape == self._tensors[name].shape
            rows = [(first, end)] if whole else pairwise(range(first, end + 1))
            found = (self._input(name, fields) for span in rows for fields in self._moves(name, *span))
        else:
            found = (fields | {"kind": LoadKind.MAP} for fields in self._moves(name, first, end))
        for fields in found:
            yield self._operation(Opcode.LOAD, name, fields, first, end)

    def stores(self, name: str, first: int, end: int) -> Iterator[Operation]:
        """Rows ``first`` to ``end`` of a layer: as a map, and as gates, where memory has a place for them."""
        tensor = self._local[name]
        lanes = (1 << tensor.shape[0] - (tensor.slots - 1) * self._config.rows) - 1
        if name in self._memory.tensors:
            for fields in self._moves(name, first, end):
                yield self._operation(Opcode.STORE, name, fields | {"last_lanes": lanes}, first, end)
        if name in self._memory.gates:
            segment, address = self._memory.gates[name]
            beats, size = self._config.gate_beats, self._config.gate_beats * self._config.beat_bytes
            fields = self._place(name, 0) | {
                "rows": 1,
                "row_beats": tensor.slots * beats,
                "row_stride": tensor.slots * size,
                "address": address + self._group.slot.get(name, 0) * size,
                "last_lanes": lanes,
                "gates": 1,
            }
            inside, outside = spans(self._group.blocks[name], 0, 1), [Span(f"gates {name}", 0, 1)]
            yield Operation(Instruction(Opcode.STORE, fields), inside, outside, segment)

    def _operation(
        self, opcode: Opcode, name: str, fields: Mapping[str, int], first: int, end: int
    ) -> Operation:
        inside, outside = spans(self._group.blocks[name], first, end), [Span(f"map {name}", first, end)]
        reads, writes = (outside, inside) if opcode == Opcode.LOAD else (inside, outside)
        return Operation(Instruction(opcode, fields), reads, writes, self._memory.tensors[name][0])

    def _moves(self, name: str, first: int, end: int) -> Iterator[dict[str, int]]:
        """Fields of one instruction, or of one for each run of pixels of which only some slots are moved: those of a
        column, or those of a row that lie in one sub-bank.
        """
        if first >= end:
            return
        tensor, block, sub = self._local[name], self._group.blocks[name], self._config.sub_banks
        width, pixel_bytes = tensor.shape[2], self._memory.pixel_bytes(self._tensors[name])
        own_bytes, row_bytes = self._memory.pixel_bytes(tensor), self._tensors[name].shape[2] * pixel_bytes
        address = self._memory.tensors[name][1] + first * row_bytes
        address += self._group.left.get(name, 0) * pixel_bytes
        address += self._group.slot.get(name, 0) * own_bytes // tensor.slots
        pixel = self._place(name, first) | {"row_beats": own_bytes // self._config.beat_bytes, "width": 1}
        column = pixel | {"rows": end - first, "row_stride": row_bytes}
        if own_bytes == pixel_bytes:
            yield column | {"row_beats": width * pixel["row_beats"], "width": width, "address": address}
        elif width <= (end - first) * sub:
            for x in range(width):
                yield column | {"x0": x, "address": address + x * pixel_bytes}
        else:
            for row, x in product(range(first, end), range(min(sub, width))):
                yield pixel | {
                    "rows": -(-(width - x) // sub),
                    "row_stride": sub * pixel_bytes,
                    "row_step": 1 % block.length,
                    "offset": block.offset(row),
                    "x0": x,
                    "address": address + (row - first) * row_bytes + x * pixel_bytes,
                }

    def _input(self, name: str, fields: dict[str, int]) -> dict[str, int]:
        """Pixels of the network's input lie one behind the other, and begin anywhere in a beat."""
        beat, pixels = self._config.beat_bytes, fields["rows"] * fields["width"]
        size = pixels * self._memory.pixel_bytes(self._tensors[name])
        beats = -(-(fields["address"] % beat + size) // beat)
        return fields | {
            "kind": LoadKind.INPUT,
            "channels": self._tensors[name].shape[0],
            "count": fields["rows"],
            "rows": 1,
            "row_beats": beats,
            "row_stride": beats * beat,
        }

    def _place(self, name: str, first: int) -> dict[str, int]:
        """Fields that say where the rows of a map from ``first`` on lie on chip."""
        block = self._group.blocks[name]
        return {
            "base": block.base,
            "length": block.length,
            "offset": block.offset(first),
            "row_step": block.row_words % block.length,
            "pitch": block.pitch,
            "slots": block.slots,
            "width": self._local[name].shape[2],
        }


def spans(block: Block, start: int, end: int) -> list[Span]:
    """Words of rows ``start`` to ``end`` of a map."""
    return [Span("buffer", a, b) for a, b in block.words(start, end)] if start < end else []
