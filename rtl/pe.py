"""Processing elements: the term an activation and a weight give."""

from dataclasses import dataclass

from amaranth import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hwshift.config import AcceleratorConfig
from hwshift.golden.formats import QFormat
from hwshift.rtl.interfaces import act_shape, code_layout

__all__ = ["Pe", "SplitTerm", "split_term", "term_shape"]


@dataclass(frozen=True)
class SplitTerm:
    """A term before its sign: 0 with ``clear``, else ``body``, or ``-body`` with ``negative``.

    ``-body`` is ``~body + 1``. Kept apart so that the inversion goes into the adder behind the term's
    register, the ones are added once per column, and ``clear`` becomes the register's synchronous reset.
    ``negative`` is 0 with ``clear``. Both depend on the weight alone; None where the PE kind has none.
    """

    body: Value
    clear: Value | None = None
    negative: Value | None = None


def term_shape(config: AcceleratorConfig) -> signed:
    """Every term, exactly."""
    if isinstance(config.weights, QFormat):
        return signed(config.act.bits + config.weights.bits - (config.weights.n - config.guard))
    return signed(config.act.bits + config.guard + config.weights.p_max + 1)


def split_term(config: AcceleratorConfig, x: Value, weight: data.View) -> SplitTerm:
    """The term of one PE; combinational.

    Parameters
    ----------
    x : signed value
        Any activation code.
    weight : `code_layout`
    """
    if isinstance(config.weights, QFormat):
        return SplitTerm((x * weight.value)[config.weights.n - config.guard :].as_signed())
    places = config.guard + config.weights.p_max
    return SplitTerm(
        _shifted(Cat(Const(0, places), x).as_signed(), weight.q), weight.zero, weight.sign & ~weight.zero
    )


def _shifted(value: Value, places: Value) -> Value:
    """Arithmetic shift to the right."""
    return (value >> places).as_signed()


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

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        split = split_term(self._config, self.x, self.weight)
        if split.clear is None:
            m.d.comb += self.term.eq(split.body)
            return m
        body = Signal(split.body.shape())
        m.d.comb += [
            body.eq(Mux(split.clear, 0, split.body)),
            self.term.eq(Mux(split.negative, ~body, body) + split.negative),
        ]
        return m
