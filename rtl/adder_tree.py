"""The adder tree of a column: terms and their signs in, the column's sum out, registers between the levels."""

from amaranth import Const, Module, Signal, Value, signed

from hwshift.rtl.delay import delay
from hwshift.rtl.primitives import add_sub
from hwshift.timing import TREE_RADIX

__all__ = ["ColumnSigns", "column_sum"]


class ColumnSigns:
    """Signs of a column's terms, as the levels of its tree need them; all pixels of the column share them.

    A sum of terms carries the sign of its first term: sum and sign give the value. So two sums are added
    where their signs agree and else subtracted, in one adder each, and only the column's sum is negated.

    Parameters
    ----------
    m : Module
    negative : list of values of one bit
        Which terms are negative, one cycle before the terms are in their registers.
    """

    def __init__(self, m: Module, negative: list[Value]) -> None:
        self._m = m
        self._negative = negative
        self._known: dict[str, Value] = {}

    def unlike(self, first: int, second: int, level: int) -> Value:
        """Whether the terms of two rows differ in sign, at a level of the tree, from 1 on."""
        return self._late(self._negative[first] ^ self._negative[second], f"unlike_{first}_{second}", level)

    def first(self, level: int) -> Value:
        """The sign of row 0 at a level of the tree."""
        return self._late(self._negative[0], "sign_0", level)

    def _late(self, value: Value, name: str, level: int) -> Value:
        name = f"{name}_{level}"
        if name not in self._known:
            self._known[name] = delay(self._m, value, level, name, reset_less=True)
        return self._known[name]


def column_sum(
    m: Module, platform: object, terms: list[Value], signs: ColumnSigns | None, width: int, name: str
) -> Value:
    """The sum of a column's terms, each with its sign, ``tree_stages`` cycles later.

    Parameters
    ----------
    m : Module
    platform : object
        As for `add_sub`.
    terms : list of signed values
        From registers.
    signs : ColumnSigns or None
        None: no term is negated.
    width : int
        Bits of the sum, which is taken modulo ``2**width``.
    name : str
        The registers are called ``sum_<name>_<level>_<number>``.
    """
    level, span, operands = 0, 1, terms

    def add(part: list[Value], first: int, where: str) -> Value:
        """Adds in pairs; ``first`` is the row of the first term."""
        if len(part) == 1:
            return part[0]
        half = (len(part) + 1) // 2
        middle = first + half * span
        left, right = add(part[:half], first, f"{where}_0"), add(part[half:], middle, f"{where}_1")
        if signs is None:
            return left + right
        return add_sub(m, platform, left, right, signs.unlike(first, middle, level), where)

    while len(operands) > 1:
        level += 1
        groups = [operands[i : i + TREE_RADIX] for i in range(0, len(operands), TREE_RADIX)]
        operands = []
        for i, group in enumerate(groups):
            total = add(group, i * TREE_RADIX * span, f"part_{name}_{level}_{i}")
            if len(groups) == 1 and signs is not None:
                zero = Const(0, signed(len(total)))
                total = add_sub(m, platform, zero, total, signs.first(level), f"signed_{name}")
            shape = signed(width if len(groups) == 1 else min(width, len(total)))
            node = Signal(shape, name=f"sum_{name}_{level}_{i}", reset_less=True)
            m.d.sync += node.eq(total)
            operands.append(node)
        span *= TREE_RADIX
    return operands[0]
