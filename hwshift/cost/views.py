"""Counts of a layer as a designer asks for them: operations by kind, accesses by memory and port, elements that shift.

Still counts alone: nothing here knows a unit cost.
"""

from dataclasses import dataclass
from typing import Literal

from hwshift.config import AcceleratorConfig
from hwshift.cost.counts import LayerCounts, Summed
from hwshift.network.fixed import Conv, FixedNetwork, Shift

__all__ = ["ACCESSES", "Access", "Operations", "ShiftElements", "accesses", "operations", "shift_elements"]


@dataclass(frozen=True)
class Operations(Summed):
    """Operations by kind, in array, accumulators and epilogue.

    Members
    -------
    multiplies : int
        By multipliers: of a ``mac`` array, and of an epilogue that scales with one.
    shifts : int
        By a variable amount: of a ``shift_add`` array, and of the epilogue (each digit of a scale, and the scale's
        own shift).
    adds : int
        In adder trees, accumulators (a comparison of max pooling counts as one) and epilogue (digits, bias, residual).
    register_writes : int
        Weights written into the array's two sets of registers, and activations into its input registers.
    """

    multiplies: int = 0
    shifts: int = 0
    adds: int = 0
    register_writes: int = 0


def operations(counts: LayerCounts, config: AcceleratorConfig) -> Operations:
    """Operations of a layer, or of a total.

    Parameters
    ----------
    counts : LayerCounts
    config : AcceleratorConfig
        Says what an operation of the array is, and how the epilogue scales.
    """
    array, outputs, digits = counts.array.operations, counts.epilogue.outputs, config.scale_digits
    mac = config.pe == "mac"
    return Operations(
        multiplies=(array if mac else 0) + (outputs if digits is None else 0),
        shifts=(0 if mac else array) + outputs * (1 + (digits or 0)),
        adds=counts.array.tree_adds
        + counts.accumulator.adds
        + outputs * (1 if digits is None else digits)
        + counts.epilogue.residual_adds,
        register_writes=counts.array.weight_registers + counts.shift_buffer.port_a_reads,
    )


Kind = Literal["read", "write"]

ACCESSES: tuple[tuple[str, str, Kind, str, str], ...] = (
    ("shift buffer", "port A: array", "read", "shift_buffer.port_a_reads", "act"),
    ("shift buffer", "port B: residual", "read", "shift_buffer.residual_reads", "act"),
    ("shift buffer", "port B: epilogue", "write", "shift_buffer.epilogue_writes", "act"),
    ("shift buffer", "port B: loader", "write", "shift_buffer.loader_writes", "act"),
    ("shift buffer", "port B: storer", "read", "shift_buffer.storer_reads", "act"),
    ("weight buffer", "array", "read", "weight_buffer.words_read", "weights"),
    ("weight buffer", "loader", "write", "weight_buffer.words_written", "weights"),
    ("accumulators", "array", "read", "accumulator.words_read", "accumulators"),
    ("accumulators", "array", "write", "accumulator.words_written", "accumulators"),
    ("lane table", "array", "read", "tables.lane_reads", "lanes"),
    ("lane table", "loader", "write", "tables.lane_writes", "lanes"),
    ("k-tile table", "sequencer", "read", "tables.ktile_reads", "bus"),
    ("k-tile table", "loader", "write", "tables.ktile_writes", "bus"),
    ("parameter buffer", "epilogue", "read", "tables.param_reads", "params"),
    ("parameter buffer", "loader", "write", "tables.param_writes", "params"),
    ("external memory", "instructions", "read", "memory.instruction_bits", "bit"),
    ("external memory", "tables", "read", "memory.table_bits", "bit"),
    ("external memory", "weights", "read", "memory.weight_bits", "bit"),
    ("external memory", "input", "read", "memory.input_bits", "bit"),
    ("external memory", "maps", "read", "memory.map_read_bits", "bit"),
    ("external memory", "maps", "write", "memory.map_write_bits", "bit"),
)
"""Memory, port or user, kind, path of the count and name of the word's width; one line per way to access a memory."""


@dataclass(frozen=True)
class Access:
    """Accesses of one memory by one port.

    Members
    -------
    memory, port : str
    kind : "read" or "write"
    words : int
        Accesses; of the external memory bits.
    width : int
        Bits of a word.
    """

    memory: str
    port: str
    kind: Kind
    words: int
    width: int

    @property
    def bits(self) -> int:
        """Bits read or written."""
        return self.words * self.width


def accesses(counts: LayerCounts, config: AcceleratorConfig) -> tuple[Access, ...]:
    """Accesses of a layer, or of a total, in the order of `ACCESSES`.

    Parameters
    ----------
    counts : LayerCounts
    config : AcceleratorConfig
        Gives the widths.
    """
    widths = {
        "act": config.act.bits,
        "weights": config.weight_rows * config.columns * config.chip_code_bits,
        "accumulators": config.columns * config.arithmetic.acc_width,
        "lanes": config.rows * 32,
        "bus": config.bus_width,
        "params": config.columns * 64,
        "bit": 1,
    }
    return tuple(
        Access(memory, port, kind, counts.value(path), widths[width])
        for memory, port, kind, path, width in ACCESSES
    )


@dataclass(frozen=True)
class ShiftElements(Summed):
    """Elements of a spatial shift: channels times pixels, with and without a displacement.

    Members
    -------
    shifted, unshifted : int
    """

    shifted: int = 0
    unshifted: int = 0

    @property
    def sparsity(self) -> float:
        """Share of elements that stay where they are; 0 without a shift."""
        total = self.shifted + self.unshifted
        return self.unshifted / total if total else 0.0


def shift_elements(network: FixedNetwork) -> dict[str, ShiftElements]:
    """What the network shifts, whether in the reads of a convolution or as a layer.

    Returns
    -------
    dict of str to ShiftElements
        For every layer with a spatial shift, by the name of the layer that carries it. Elements are those of the map
        that is shifted.
    """
    shapes = {layer.name: layer.shape for layer in network.layers}
    out = {}
    for layer in network.layers:
        offsets = layer.op.shift if isinstance(layer.op, Conv) else None
        offsets = layer.op.offsets if isinstance(layer.op, Shift) else offsets
        if offsets is None:
            continue
        _, height, width = shapes[layer.inputs[0]]
        moved = int((offsets != 0).any(axis=1).sum())
        out[layer.name] = ShiftElements(moved * height * width, (len(offsets) - moved) * height * width)
    return out
