"""Numbers of a configuration that its area depends on: widths of terms, sums and multiplexers, bits of adders."""

from dataclasses import dataclass

from hwshift.config import AcceleratorConfig
from hwshift.golden.formats import MANTISSA_BITS, Pow2Format
from hwshift.timing import PART_BITS, TREE_RADIX

__all__ = ["Column", "column", "log2", "partial_bits", "product_bits", "scale_parts"]


def log2(count: int) -> int:
    """Bits of a number below ``count``, one at least."""
    return max(1, (count - 1).bit_length())


@dataclass(frozen=True)
class Column:
    """A column of the array, for one pixel.

    Members
    -------
    code : int
        Bits of a weight in a register.
    term, total : int
        Bits of a term and of the column's sum.
    multiplexers, choices : int
        Bits of the 4:1 multiplexers that shift, of one PE, and how many signals they choose from beyond one for each
        bit; zeros for multipliers.
    adders, stored : int
        Bits of the adders of the tree, and of its registers.
    """

    code: int
    term: int
    total: int
    multiplexers: int
    choices: int
    adders: int
    stored: int


def column(config: AcceleratorConfig) -> Column:
    """The widths of a column, as `hwshift.rtl.array` and `hwshift.rtl.adder_tree` make them."""
    weights, act = config.weights, config.act.bits
    if isinstance(weights, Pow2Format):
        term = act + config.guard + weights.p_max + 1
        multiplexers, choices = _shifter(config, weights)
        signed = True
    else:
        multiplexers, choices = 0, 0
        term, signed = act + weights.bits - (weights.n - config.guard), False
    total = min(term + (config.rows - 1).bit_length(), config.acc_width)
    adders, stored = _tree(config.rows, term, total, signed)
    return Column(config.chip_code_bits, term, total, multiplexers, choices, adders, stored)


def _shifter(config: AcceleratorConfig, weights: Pow2Format) -> tuple[int, int]:
    """Multiplexed bits of all stages, two bits of the exponent each, and the signals they choose from beyond one."""
    zeros, value, bits, choices = config.guard + weights.p_max, config.act.bits, 0, 0
    for bit in range(0, weights.shift_bits, 2):
        steps = [index << bit for index in range(1 << min(2, weights.shift_bits - bit))]
        below = max(0, zeros - steps[-1])
        moved = zeros - below + value - 1  # the highest bit is the sign, whatever is chosen
        for place in range(moved):
            signals = {min(moved, place + step) for step in steps}
            choices += max(0, len([signal for signal in signals if signal >= zeros - below]) - 1)
        bits += moved
        zeros, value = below, moved + 1
    return bits, choices


def _tree(operands: int, term: int, total: int, signed: bool) -> tuple[int, int]:
    """Bits of the adders and registers of the tree."""
    adders, stored, widths = 0, 0, [term] * operands
    while len(widths) > 1:
        groups = [widths[i : i + TREE_RADIX] for i in range(0, len(widths), TREE_RADIX)]
        widths = []
        for group in groups:
            grown = group[0] + (len(group) - 1).bit_length()
            adders += sum(group[0] + 1 + (i > 2) for i in range(1, len(group)))
            widths.append(min(total, grown))
        if len(groups) == 1 and signed:
            adders += total
        stored += sum(widths)
    return adders, stored


def product_bits(config: AcceleratorConfig) -> int:
    """Bits of an accumulator times a scale."""
    return config.acc_width + MANTISSA_BITS


def scale_parts(config: AcceleratorConfig) -> int:
    """Parts of an accumulator that are multiplied by a scale; the last one takes a bit more, its sign."""
    return -(-(config.acc_width - 1) // PART_BITS)


def partial_bits(first: int, second: int) -> int:
    """Bits of the adders that put a product together which Yosys makes of parts of 18 bits."""
    return (-(-first // 18) * -(-second // 18) - 1) * (first + second)
