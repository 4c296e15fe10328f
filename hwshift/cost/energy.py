"""Energy: counts of actions times unit costs."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from hwshift.config import AcceleratorConfig
from hwshift.cost.counts import LayerCounts, ProgramCounts
from hwshift.cost.tables import CostTable
from hwshift.golden.formats import MANTISSA_BITS, QFormat

__all__ = ["NOT_CHARGED", "NOT_INCLUDED", "PARTS", "Energy", "EnergyLine", "Rate", "energy_of", "rates_of"]

PARTS: dict[str, str] = {
    "array": "array",
    "accumulator": "accumulators",
    "shift_buffer": "shift buffer",
    "weight_buffer": "weight buffer",
    "epilogue": "epilogue",
    "tables": "tables",
    "memory": "external memory",
}
"""Parts that energy is told for, in the order of data flow, with their titles."""

NOT_CHARGED: dict[str, str] = {
    "array.steps": "charged as operations, additions and accesses",
    "array.places": "a place without an operation reads a zero and a weight that stays: no switching is assumed",
    "array.nonzero_operations": "part of array.operations: an operation with a zero weight is charged in full",
    "array.weight_tiles": "charged as weight registers and words of the weight buffer",
    "accumulator.sums": "charged as accumulator.adds; the first sum of a pixel is stored without an addition",
    "moves.displaced_reads": "part of the port A reads: a displacement within a read costs no access of its own",
    "moves.shifted_elements": "part of the port A reads and epilogue writes",
    "moves.unshifted_elements": "part of the port A reads and epilogue writes",
}
"""Counts that have no unit cost of their own, and why."""

NOT_INCLUDED: tuple[str, ...] = (
    "clock tree, leakage and idle cycles",
    "pipeline registers between adders and in the epilogue",
    "address generators, instruction queues, sequencer and bus logic",
    "saturation and activation functions, the table of the sigmoid among them",
)
"""What no unit cost covers."""


@dataclass(frozen=True)
class Rate:
    """What one count costs in one part.

    Members
    -------
    part : str
        One of `PARTS`.
    count : str
        Path of the count, as `LayerCounts.value` takes it.
    label : str
        The action with its width, for people.
    energy_pj : float
        Of one.
    """

    part: str
    count: str
    label: str
    energy_pj: float


@dataclass(frozen=True)
class EnergyLine:
    """One layer's energy by one rate, in pJ."""

    layer: str
    rate: Rate
    count: int

    @property
    def energy_pj(self) -> float:
        """Count times unit cost."""
        return self.count * self.rate.energy_pj


@dataclass(frozen=True)
class Energy:
    """Energy of one image.

    Members
    -------
    table : CostTable
    layers : tuple of str
        In the order of the counts.
    rates : tuple of Rate
    lines : tuple of EnergyLine
    """

    table: CostTable
    layers: tuple[str, ...]
    rates: tuple[Rate, ...]
    lines: tuple[EnergyLine, ...]

    @property
    def total_pj(self) -> float:
        """Of everything."""
        return sum(line.energy_pj for line in self.lines)

    @cached_property
    def by_layer_pj(self) -> dict[str, dict[str, float]]:
        """Per layer and part."""
        out = {layer: dict.fromkeys(PARTS, 0.0) for layer in self.layers}
        for line in self.lines:
            out[line.layer][line.rate.part] += line.energy_pj
        return out

    @cached_property
    def by_part_pj(self) -> dict[str, float]:
        """Per part."""
        return {part: sum(parts[part] for parts in self.by_layer_pj.values()) for part in PARTS}

    @cached_property
    def by_rate(self) -> tuple[tuple[Rate, int], ...]:
        """Every rate with its count over all layers."""
        counts = dict.fromkeys(self.rates, 0)
        for line in self.lines:
            counts[line.rate] += line.count
        return tuple(counts.items())


def energy_of(counts: ProgramCounts, config: AcceleratorConfig, table: CostTable) -> Energy:
    """Energy of every layer and part.

    Parameters
    ----------
    counts : ProgramCounts
    config : AcceleratorConfig
        Widths and depths that the unit costs are taken at.
    table : CostTable
    """
    rates = rates_of(config, table)
    lines = tuple(_line(layer, rate) for layer in counts.layers for rate in rates)
    return Energy(table, tuple(layer.name for layer in counts.layers), rates, lines)


def _line(layer: LayerCounts, rate: Rate) -> EnergyLine:
    return EnergyLine(layer.name, rate, layer.value(rate.count))


def rates_of(config: AcceleratorConfig, table: CostTable) -> tuple[Rate, ...]:
    """What each count costs in this configuration: widths and memory sizes put into the table's laws."""
    return (*_array(config, table), *_buffers(config, table), *_epilogue(config, table), *_tables(config, table),
            *_memory(table))  # fmt: skip


def _term_bits(config: AcceleratorConfig) -> int:
    """Width of a term: of the product without the bits that are dropped, or of the shifted activation."""
    weights, guard = config.arithmetic.weights, config.arithmetic.guard
    if isinstance(weights, QFormat):
        return config.act.bits + weights.bits - (weights.n - guard)
    return config.act.bits + guard + weights.p_max


def _array(config: AcceleratorConfig, table: CostTable) -> Iterable[Rate]:
    term, act, weight = _term_bits(config), config.act.bits, config.chip_code_bits
    if config.pe == "mac":
        label, cost = f"multiply, {act} x {weight} bits", table.mult_pj(act, weight)
    else:
        label, cost = f"shift, {term} bits", table.pj("shift", term)
    yield Rate("array", "array.operations", label, cost)
    total = min(term + (config.rows - 1).bit_length(), config.arithmetic.acc_width)
    yield Rate("array", "array.tree_adds", f"add, {total} bits", table.pj("int_add", total))
    yield Rate("array", "array.weight_registers", f"register, {weight} bits", table.pj("register", weight))
    label = f"input register, {act} bits"
    yield Rate("array", "shift_buffer.port_a_reads", label, table.pj("register", act))


def _sram(table: CostTable, words: int, bits: int) -> tuple[str, float]:
    return f"memory, {words} x {bits} bits", table.sram_pj(words, bits)


def _buffers(config: AcceleratorConfig, table: CostTable) -> Iterable[Rate]:
    acc = config.arithmetic.acc_width
    yield Rate("accumulator", "accumulator.adds", f"add, {acc} bits", table.pj("int_add", acc))
    cost = _sram(table, config.acc_depth, config.columns * acc)
    for name in ("words_read", "words_written"):
        yield Rate("accumulator", f"accumulator.{name}", *cost)
    cost = _sram(table, config.feature_depth, config.act.bits)
    for name in ("port_a_reads", "residual_reads", "epilogue_writes", "loader_writes", "storer_reads"):
        yield Rate("shift_buffer", f"shift_buffer.{name}", *cost)
    word = config.weight_rows * config.columns * config.chip_code_bits
    cost = _sram(table, config.weight_tiles * config.tile_words, word)
    for name in ("words_written", "words_read"):
        yield Rate("weight_buffer", f"weight_buffer.{name}", *cost)


def _epilogue(config: AcceleratorConfig, table: CostTable) -> Iterable[Rate]:
    act, acc, digits = config.act.bits, config.arithmetic.acc_width, config.scale_digits
    product, name = acc + MANTISSA_BITS, "epilogue.outputs"
    if digits is None:
        label, cost = f"scale: multiply, {acc} x {MANTISSA_BITS} bits", table.mult_pj(acc, MANTISSA_BITS)
    else:
        label = f"scale: {digits} shifts, {digits - 1} adds, {product} bits"
        cost = digits * table.pj("shift", product) + (digits - 1) * table.pj("int_add", product)
    yield Rate("epilogue", name, label, cost)
    yield Rate("epilogue", name, f"scale: shift right, {product} bits", table.pj("shift", product))
    yield Rate("epilogue", name, f"bias: add, {act} bits", table.pj("int_add", act))
    yield Rate("epilogue", "epilogue.residual_adds", f"add, {act} bits", table.pj("int_add", act))


def _tables(config: AcceleratorConfig, table: CostTable) -> Iterable[Rate]:
    shapes = {
        "lane": (config.lane_rows, config.rows * 32),
        "ktile": (config.ktile_entries * 32 // config.bus_width, config.bus_width),
        "param": (config.param_tiles, config.columns * 64),
    }
    for name, (words, bits) in shapes.items():
        for kind in ("reads", "writes"):
            yield Rate("tables", f"tables.{name}_{kind}", *_sram(table, words, bits))


def _memory(table: CostTable) -> Iterable[Rate]:
    cost = table.pj("dram", 32) / 32
    for kind in ("instruction", "table", "weight", "input", "map_read", "map_write"):
        yield Rate("memory", f"memory.{kind}_bits", "DRAM, per bit", cost)
