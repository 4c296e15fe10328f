"""The array: R x C processing elements for P pixels, weight-stationary, with an adder tree per column."""

from amaranth import Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hwshift.config import AcceleratorConfig
from hwshift.program.row_taps import element_ages
from hwshift.rtl.adder_tree import ColumnSigns, column_sum
from hwshift.rtl.interfaces import act_shape, code_layout
from hwshift.rtl.pe import negative_term, split_term, term_shape
from hwshift.rtl.row_taps import aged_layout
from hwshift.rtl.weight_buffer import shadow_write
from hwshift.timing import timing

__all__ = ["Array", "Column", "map_layout", "sum_shape"]


def map_layout(shape: object, pixels: int, lanes: int) -> data.ArrayLayout:
    """``lanes`` values for each of ``pixels`` pixels: index [pixel][lane]."""
    return data.ArrayLayout(data.ArrayLayout(shape, lanes), pixels)


def sum_shape(config: AcceleratorConfig) -> signed:
    """A column sum: exact, or modulo ``2**acc_width`` where the accumulator is narrower than R terms."""
    return signed(min(term_shape(config).width + (config.rows - 1).bit_length(), config.acc_width))


class Column(wiring.Component):
    """One column of the array: R weights and, for each pixel, the sum of its R terms. See `Array`.

    Members
    -------
    x : In(map_layout of act_shape, [P][R])
    swap, en : In(1), row : In, weights : In(array [W_r] of code_layout)
        ``en``, ``row`` and this column's part of the shadow write.
    sums : Out(array [P] of sum_shape)
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self._config = config
        shadow = shadow_write(config).members
        super().__init__(
            {
                "x": In(map_layout(act_shape(config), config.pixels, config.rows)),
                "swap": In(1),
                "en": In(1),
                "row": In(shadow["row"]),
                "weights": In(data.ArrayLayout(code_layout(config), config.weight_rows)),
                "sums": Out(data.ArrayLayout(sum_shape(config), config.pixels)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        weights = self._weights(m)
        negative = self._negative(weights)
        signs = None if negative[0] is None else ColumnSigns(m, negative)
        width = sum_shape(self._config).width
        for p in range(self._config.pixels):
            terms = self._terms(m, platform, weights, p)
            m.d.comb += self.sums[p].eq(column_sum(m, platform, terms, signs, width, str(p)))
        return m

    def _weights(self, m: Module) -> list[data.View]:
        """Shadow and active registers; the active ones."""
        group = self._config.weight_rows
        active = []
        for r in range(self._config.rows):
            shadow = Signal(code_layout(self._config), name=f"shadow_{r}", reset_less=True)
            weight = Signal(code_layout(self._config), name=f"weight_{r}", reset_less=True)
            with m.If(self.en & (self.row == r // group)):
                m.d.sync += shadow.eq(self.weights[r % group])
            with m.If(self.swap):
                m.d.sync += weight.eq(shadow)
            active.append(weight)
        return active

    def _negative(self, weights: list[data.View]) -> list[Value]:
        """Which terms are negative; None each, where no term is to be negated."""
        return [negative_term(self._config, weight) for weight in weights]

    def _terms(self, m: Module, platform: object, weights: list[data.View], p: int) -> list[Value]:
        """The registered terms of one pixel, without their signs."""
        out = []
        for r, weight in enumerate(weights):
            split = split_term(m, platform, self._config, self.x[p][r], weight, f"pe_{p}_{r}")
            term = Signal(split.body.shape(), name=f"term_{p}_{r}", reset_less=True)
            m.d.sync += term.eq(split.body if split.clear is None else Mux(split.clear, 0, split.body))
            out.append(term)
        return out


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
        From registers; stage 7.
    aged : In(aged_layout)
        Likewise, with ``row_taps``: x of the elements that `hwshift.program.row_taps.element_ages` names.
    swap : In(1)
        Stage 6.
    shadow : In(shadow_write)
        Stage 6.
    sums : Out(map_layout of sum_shape, [P][C])
        From registers; stage S.
    """

    column = Column
    """What makes a column."""

    def __init__(self, config: AcceleratorConfig) -> None:
        self._config = config
        self.latency = timing(config).sum_stage - timing(config).x_stage
        members = {
            "x": In(map_layout(act_shape(config), config.pixels, config.rows)),
            "swap": In(1),
            "shadow": In(shadow_write(config)),
            "sums": Out(map_layout(sum_shape(config), config.pixels, config.columns)),
        }
        super().__init__(members | ({"aged": In(aged_layout(config))} if config.row_taps else {}))

    def elaborate(self, platform: object) -> Module:  # noqa: ARG002
        m = Module()
        ages = element_ages(self._config.rows, self._config.columns) * self._config.row_taps
        for c in range(self._config.columns):
            m.submodules[f"column_{c}"] = column = self.column(self._config)
            m.d.comb += [
                column.swap.eq(self.swap),
                column.en.eq(self.shadow.en),
                column.row.eq(self.shadow.row),
            ]
            for group in range(self._config.weight_rows):
                m.d.comb += column.weights[group].eq(self.shadow.data[group][c])
            for p in range(self._config.pixels):
                m.d.comb += self.sums[p][c].eq(column.sums[p])
                for r, age in enumerate(ages[:, c].tolist()):
                    m.d.comb += column.x[p][r].eq(self.aged[age - 1][r] if age else self.x[p][r])
        return m
