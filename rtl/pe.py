"""Processing elements: the term an activation and a weight give."""

from dataclasses import dataclass

from amaranth import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hwshift.config import AcceleratorConfig
from hwshift.golden.formats import QFormat
from hwshift.rtl.interfaces import act_shape, code_layout
from hwshift.rtl.primitives import mux4

__all__ = ["Pe", "SplitTerm", "negative_term", "split_term", "term_shape"]


@dataclass(frozen=True)
class SplitTerm:
    """A term before its sign: 0 with ``clear``, else ``body``, or ``-body`` with ``negative``.

    Kept apart so that the sign goes into the adder behind the term's register, which adds or subtracts, and
    ``clear`` becomes the register's synchronous reset. Both depend on the weight alone; None where the PE
    kind has none.
    """

    body: Value
    clear: Value | None = None
    negative: Value | None = None


def term_shape(config: AcceleratorConfig) -> signed:
    """Every term, exactly."""
    if isinstance(config.weights, QFormat):
        return signed(config.act.bits + config.weights.bits - (config.weights.n - config.guard))
    return signed(config.act.bits + config.guard + config.weights.p_max + 1)


def split_term(
    m: Module, platform: object, config: AcceleratorConfig, x: Value, weight: data.View, name: str
) -> SplitTerm:
    """The term of one PE; combinational.

    Parameters
    ----------
    m : Module
    platform : object
        As for `hwshift.rtl.primitives.mux4`.
    config : AcceleratorConfig
    x : signed value
        Any activation code.
    weight : `code_layout`
    name : str
        Beginning of the names of what is added to ``m``.
    """
    if isinstance(config.weights, QFormat):
        return SplitTerm((x * weight.value)[config.weights.n - config.guard :].as_signed())
    zeros, value = config.guard + config.weights.p_max, x
    for bit in range(0, len(weight.q), 2):
        select, step = weight.q[bit : bit + 2], 1 << bit
        zeros, value = _shift_stage(m, platform, zeros, value, select, step, f"{name}_shift_{bit}")
    return SplitTerm(Cat(Const(0, zeros), value).as_signed(), weight.zero, weight.sign)


def negative_term(config: AcceleratorConfig, weight: data.View) -> Value | None:
    """`SplitTerm.negative` of a weight."""
    return None if isinstance(config.weights, QFormat) else weight.sign


def _shift_stage(
    m: Module, platform: object, zeros: int, value: Value, select: Value, step: int, name: str
) -> tuple[int, Value]:
    """A value over so many zeros, moved down by ``select * step``: zeros and value again.

    One multiplexer per bit that is not always 0 or the sign.
    """
    far = step * ((1 << len(select)) - 1)
    below = max(0, zeros - far)
    bits, sign = Cat(Const(0, zeros - below), value), value[-1]
    width = len(bits) - 1
    starts = [min(width, index * step) for index in range(1 << len(select))]
    options = [Cat(bits[start:width], sign.replicate(start)) for start in starts]
    if len(options) == 2:
        moved = Mux(select, options[1], options[0])
    else:
        moved = mux4(m, platform, options, select, name)
    return below, Cat(moved, sign)


class Pe(wiring.Component):
    """The term of one PE, as `hwshift.golden.formats.Arithmetic.term` defines it.

    ``mac``: ``(x * w) >> (n - G)``. ``shift_add``: ``+-((x << (G + p_max)) >> q)`` with the sign after the
    shift, and 0 for a zero weight. Combinational: latency 0, every activation and weight code. The array
    computes its terms with the same `split_term`.

    Members
    -------
    x : In(act_shape)
    weight : In(code_layout)
    term : Out(term_shape)
    """

    latency = 0

    def __init__(self, config: AcceleratorConfig) -> None:
        self._config = config
        super().__init__(
            {
                "x": In(act_shape(config)),
                "weight": In(code_layout(config)),
                "term": Out(term_shape(config)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        split = split_term(m, platform, self._config, self.x, self.weight, "term")
        if split.clear is None:
            m.d.comb += self.term.eq(split.body)
            return m
        body = Signal(split.body.shape())
        m.d.comb += [
            body.eq(Mux(split.clear, 0, split.body)),
            self.term.eq(Mux(split.negative, -body, body)),
        ]
        return m
