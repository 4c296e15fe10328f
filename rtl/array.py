"""The array: R x C processing elements for P pixels, weight-stationary, with an adder tree per column."""

from amaranth import Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hwshift.config import AcceleratorConfig
from hwshift.rtl.interfaces import act_shape, code_layout
from hwshift.rtl.pe import split_term, term_shape
from hwshift.rtl.weight_buffer import shadow_write
from hwshift.timing import TREE_RADIX, timing

__all__ = ["Array", "map_layout", "sum_shape"]


def map_layout(shape: object, pixels: int, lanes: int) -> data.ArrayLayout:
    """``lanes`` values for each of ``pixels`` pixels: index [pixel][lane]."""
    return data.ArrayLayout(data.ArrayLayout(shape, lanes), pixels)


def sum_shape(config: AcceleratorConfig) -> signed:
    """A column sum: exact, or modulo ``2**acc_width`` where the accumulator is narrower than R terms."""
    return signed(min(term_shape(config).width + (config.rows - 1).bit_length(), config.acc_width))


class Array(wiring.Component):
    """Column sums of R terms each: ``sums[p][c] = sum over r of term(x[p][r], weight[r][c])``.

    Activations presented in ``timing.x_stage`` give sums in ``timing.sum_stage``: latency 1 + tree stages,
    one step per cycle. Every activation and weight code is allowed; `sum_shape` says how far the sums are
    exact, which covers every partial sum of a verified network.

    Weights are double-buffered: at the end of a cycle with ``swap`` the active weights take what the shadow
    registers held in that cycle; rows written in the same cycle belong to the next tile.

    Members
    -------
    x : In(map_layout of act_shape, [P][R])
        From registers; stage 6.
    swap : In(1)
        Stage 5.
    shadow : In(shadow_write)
        Stage 5.
    sums : Out(map_layout of sum_shape, [P][C])
        From registers; stage S.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self._config = config
        self.latency = timing(config).sum_stage - timing(config).x_stage
        super().__init__(
            {
                "x": In(map_layout(act_shape(config), config.pixels, config.rows)),
                "swap": In(1),
                "shadow": In(shadow_write(config)),
                "sums": Out(map_layout(sum_shape(config), config.pixels, config.columns)),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        weights = self._weights(m)
        for c in range(self._config.columns):
            column = [row[c] for row in weights]
            signs = self._signs(m, column, c)
            ones = self._ones(m, signs, c)
            for p in range(self._config.pixels):
                terms = self._terms(m, column, signs, p, c)
                m.d.comb += self.sums[p][c].eq(self._tree(m, terms, ones, f"{p}_{c}"))
        return m

    def _weights(self, m: Module) -> list[list[data.View]]:
        """Shadow and active registers; the active ones, [row][column]."""
        group = self._config.weight_rows
        active = []
        for r in range(self._config.rows):
            row = []
            for c in range(self._config.columns):
                shadow = Signal(code_layout(self._config), name=f"shadow_{r}_{c}", reset_less=True)
                weight = Signal(code_layout(self._config), name=f"weight_{r}_{c}", reset_less=True)
                with m.If(self.shadow.en & (self.shadow.row == r // group)):
                    m.d.sync += shadow.eq(self.shadow.data[r % group][c])
                with m.If(self.swap):
                    m.d.sync += weight.eq(shadow)
                row.append(weight)
            active.append(row)
        return active

    def _signs(self, m: Module, column: list[data.View], c: int) -> list[Signal]:
        """Which terms of a column are to be inverted, registered beside the terms; all pixels share them."""
        out = []
        for r, weight in enumerate(column):
            negative = split_term(self._config, self.x[0][r], weight).negative
            if negative is None:
                return []
            out.append(sign := Signal(name=f"sign_{r}_{c}", reset_less=True))
            m.d.sync += sign.eq(negative)
        return out

    def _ones(self, m: Module, signs: list[Signal], c: int) -> Value | int:
        """The ones that complete a column's inverted terms to negated ones, at the last level of the tree."""
        count: Value | int = sum(signs)
        for level in range(1, timing(self._config).tree_stages if signs else 0):
            delayed = Signal(range(len(signs) + 1), name=f"ones_{c}_{level}", reset_less=True)
            m.d.sync += delayed.eq(count)
            count = delayed
        return count

    def _terms(self, m: Module, column: list[data.View], signs: list[Signal], p: int, c: int) -> list[Value]:
        """The registered terms of one column, inverted where negative but not yet completed."""
        out = []
        for r, weight in enumerate(column):
            split = split_term(self._config, self.x[p][r], weight)
            term = Signal(split.body.shape(), name=f"term_{p}_{r}_{c}", reset_less=True)
            m.d.sync += term.eq(split.body if split.clear is None else Mux(split.clear, 0, split.body))
            out.append((term.as_unsigned() ^ signs[r].replicate(len(term))).as_signed() if signs else term)
        return out

    def _tree(self, m: Module, operands: list[Value], ones: Value | int, name: str) -> Value:
        """Adds radix operands per level, each level registered."""
        level = 0
        while len(operands) > 1:
            level += 1
            groups = [operands[i : i + TREE_RADIX] for i in range(0, len(operands), TREE_RADIX)]
            operands = []
            for i, group in enumerate(groups):
                shape = sum_shape(self._config)
                if len(groups) > 1:
                    shape = signed(min(shape.width, len(group[0]) + (len(group) - 1).bit_length()))
                node = Signal(shape, name=f"sum_{name}_{level}_{i}", reset_less=True)
                m.d.sync += node.eq(sum(group[1:], group[0]) + (ones if len(groups) == 1 else 0))
                operands.append(node)
        return operands[0]
