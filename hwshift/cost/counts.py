"""What a program does, as numbers of actions: per layer, and per part of the accelerator."""

from dataclasses import dataclass, field, fields, replace
from functools import reduce
from operator import add
from typing import TYPE_CHECKING, Self, cast

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = [
    "PROGRAM",
    "AccumulatorCounts",
    "ArrayCounts",
    "EpilogueCounts",
    "LayerCounts",
    "MemoryCounts",
    "MoveCounts",
    "ProgramCounts",
    "ShiftBufferCounts",
    "Summed",
    "TableCounts",
    "WeightBufferCounts",
]

PROGRAM = "(program)"
"""Stands for a layer where instructions belong to none: the header and the end."""


class Summed:
    """A record of counts that can be added."""

    def __add__(self, other: Self) -> Self:
        names = [item.name for item in fields(cast("DataclassInstance", self))]
        return type(self)(**{name: getattr(self, name) + getattr(other, name) for name in names})


@dataclass(frozen=True)
class ArrayCounts(Summed):
    """The array of R x C places for P pixels.

    Members
    -------
    steps : int
        Cycles in which it works.
    places : int
        R * C * P for every step: what could have worked.
    operations : int
        Multiplications (mac) or shifts (shift_add) of lanes that are on, columns and pixels that count.
    nonzero_operations : int
        Those among them whose weight is not zero.
    tree_adds : int
        Additions that make a column's products one sum.
    weight_tiles : int
        Weight tiles moved into the array.
    weight_registers : int
        Weights written into a register: every tile into the shadow registers and from there into the active ones.
    """

    steps: int = 0
    places: int = 0
    operations: int = 0
    nonzero_operations: int = 0
    tree_adds: int = 0
    weight_tiles: int = 0
    weight_registers: int = 0


@dataclass(frozen=True)
class AccumulatorCounts(Summed):
    """The accumulators. A word holds the C accumulators of one pixel lane.

    Members
    -------
    sums : int
        Column sums of pixels that count.
    adds : int
        Column sums that are added to (or compared with) an accumulator: all but those of first k-tiles.
    words_read, words_written : int
    """

    sums: int = 0
    adds: int = 0
    words_read: int = 0
    words_written: int = 0


@dataclass(frozen=True)
class ShiftBufferCounts(Summed):
    """The memory of feature maps, in words of one activation, by port and user.

    Members
    -------
    port_a_reads : int
        Of the array, inside the map.
    residual_reads, epilogue_writes, loader_writes, storer_reads : int
        On port B.
    """

    port_a_reads: int = 0
    residual_reads: int = 0
    epilogue_writes: int = 0
    loader_writes: int = 0
    storer_reads: int = 0


@dataclass(frozen=True)
class WeightBufferCounts(Summed):
    """The weight ring, in words of W_r rows of C weights.

    Members
    -------
    words_written, words_read : int
        By the loader; into the array.
    """

    words_written: int = 0
    words_read: int = 0


@dataclass(frozen=True)
class EpilogueCounts(Summed):
    """The epilogue.

    Members
    -------
    outputs : int
        Values scaled, biased, saturated and written.
    residual_adds : int
    """

    outputs: int = 0
    residual_adds: int = 0


@dataclass(frozen=True)
class TableCounts(Summed):
    """The tables on the chip.

    Members
    -------
    lane_reads, lane_writes : int
        Rows of R entries; one read per step.
    ktile_reads, ktile_writes : int
        Bus-wide words; one read per pass.
    param_reads, param_writes : int
        Rows of C channels; one read per last step.
    """

    lane_reads: int = 0
    lane_writes: int = 0
    ktile_reads: int = 0
    ktile_writes: int = 0
    param_reads: int = 0
    param_writes: int = 0


@dataclass(frozen=True)
class MemoryCounts(Summed):
    """The memory behind the bus, in bits of whole beats.

    Members
    -------
    instruction_bits, table_bits, weight_bits, input_bits, map_read_bits : int
        Read.
    map_write_bits : int
        Written.
    """

    instruction_bits: int = 0
    table_bits: int = 0
    weight_bits: int = 0
    input_bits: int = 0
    map_read_bits: int = 0
    map_write_bits: int = 0

    @property
    def load_bits(self) -> int:
        """Read as data: everything but instructions."""
        return self.table_bits + self.weight_bits + self.input_bits + self.map_read_bits

    @property
    def read_bits(self) -> int:
        """All that is read."""
        return self.instruction_bits + self.load_bits

    @property
    def total_bits(self) -> int:
        """Read and written."""
        return self.read_bits + self.map_write_bits


@dataclass(frozen=True)
class MoveCounts(Summed):
    """Elements of maps that move, which the counts of the other parts contain.

    Members
    -------
    displaced_reads : int
        Port A reads at another position than the output's: a shift within the reads, or a window.
    shifted_elements, unshifted_elements : int
        Written by a layer that only moves (shift, concatenation, shuffle), with and without a displacement.
    """

    displaced_reads: int = 0
    shifted_elements: int = 0
    unshifted_elements: int = 0


@dataclass(frozen=True)
class LayerCounts:
    """One layer.

    Members
    -------
    name, op : str
        As the compiler names them; `PROGRAM` and an empty operation for what belongs to no layer.
    instructions : int
    array, accumulator, shift_buffer, weight_buffer, epilogue, tables, memory, moves
        Counts of the parts.
    """

    name: str
    op: str = ""
    instructions: int = 0
    array: ArrayCounts = field(default_factory=ArrayCounts)
    accumulator: AccumulatorCounts = field(default_factory=AccumulatorCounts)
    shift_buffer: ShiftBufferCounts = field(default_factory=ShiftBufferCounts)
    weight_buffer: WeightBufferCounts = field(default_factory=WeightBufferCounts)
    epilogue: EpilogueCounts = field(default_factory=EpilogueCounts)
    tables: TableCounts = field(default_factory=TableCounts)
    memory: MemoryCounts = field(default_factory=MemoryCounts)
    moves: MoveCounts = field(default_factory=MoveCounts)

    def __add__(self, other: "LayerCounts") -> "LayerCounts":
        """Every count added; the names stay."""
        names = [item.name for item in fields(self) if item.name not in ("name", "op")]
        return replace(self, **{name: getattr(self, name) + getattr(other, name) for name in names})

    def value(self, path: str) -> int:
        """A count by its path, such as ``"array.operations"``."""
        return reduce(getattr, path.split("."), self)  # type: ignore[return-value]

    def paths(self) -> tuple[str, ...]:
        """Paths of all counts of parts."""
        parts = (item.name for item in fields(self) if item.name not in ("name", "op", "instructions"))
        return tuple(f"{part}.{item.name}" for part in parts for item in fields(getattr(self, part)))


@dataclass(frozen=True)
class ProgramCounts:
    """All layers in the order of the program, `PROGRAM` last."""

    layers: tuple[LayerCounts, ...]

    @property
    def total(self) -> LayerCounts:
        """Of the whole program."""
        return reduce(add, self.layers, LayerCounts("total"))

    def layer(self, name: str) -> LayerCounts:
        """The layer of that name. Raises KeyError."""
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise KeyError(name)
