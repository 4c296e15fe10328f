"""The shift-add PE equals a multiplication by ±2^p: every activation and weight code, at full width."""

import pytest
from amaranth import Module, Mux, Signal, signed
from amaranth.hdl import Assert, Assume
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hwshift.config import AcceleratorConfig
from hwshift.golden.formats import Pow2Format, QFormat
from hwshift.rtl.interfaces import act_shape, code_layout
from hwshift.rtl.pe import Pe, term_shape
from tests.formal.prover import Refuted, prove

CONFIGS = {
    "exact": AcceleratorConfig(),
    "no guard bits": AcceleratorConfig(guard=0),
    "Q4.12 by 2^-7..2^8": AcceleratorConfig(act=QFormat(4, 12), weights=Pow2Format(-7, 8), guard=3),
}


class Product(wiring.Component):
    """Asserts that ``term * 2^-guard`` is ``x`` times a constant, case by case, rounded down before the sign."""

    def __init__(self, config, pe=None):
        self._config, self._pe = config, pe or Pe(config)
        super().__init__({"x": In(act_shape(config)), "weight": In(code_layout(config))})

    def elaborate(self, _platform):
        m, config, weights = Module(), self._config, self._config.weights
        m.submodules.pe = pe = self._pe
        m.d.comb += [pe.x.eq(self.x), pe.weight.eq(self.weight)]
        product = Signal(signed(config.act.bits + config.guard + weights.p_max - weights.p_min + 2))
        with m.Switch(self.weight.q):
            for p in range(weights.p_min, weights.p_max + 1):
                with m.Case(weights.p_max - p):
                    # x * 2^p on the accumulator's grid 2^-(n + G), with as many places more as p_min needs
                    m.d.comb += product.eq(self.x * (1 << (config.guard + p - weights.p_min)))
        grid = (product >> -weights.p_min).as_signed()
        value = Mux(self.weight.sign, -grid, grid)
        m.d.comb += Assume(self.weight.q <= weights.p_max - weights.p_min)
        m.d.comb += Assert(pe.term == Mux(self.weight.zero, 0, value))
        return m


@pytest.mark.parametrize("name", CONFIGS)
def test_pe_multiplies(name, tmp_path):
    prove(Product(CONFIGS[name]), tmp_path, cycles=1)


class SignFirst(wiring.Component):
    """A PE that negates before it shifts: -(1 >> 1) becomes -1."""

    def __init__(self, config):
        self._inner = Pe(config)
        super().__init__(dict(self._inner.signature.members))

    def elaborate(self, _platform):
        m = Module()
        m.submodules.inner = inner = self._inner
        m.d.comb += [
            inner.x.eq(Mux(self.weight.sign, -self.x, self.x)), inner.weight.eq(self.weight),
            inner.weight.sign.eq(0), self.term.eq(inner.term),
        ]  # fmt: skip
        return m


class LostSign(wiring.Component):
    """A PE that shifts zeros in."""

    def __init__(self, config):
        super().__init__(
            {"x": In(act_shape(config)), "weight": In(code_layout(config)), "term": Out(term_shape(config))}
        )

    def elaborate(self, _platform):
        m = Module()
        shifted = self.x.as_unsigned() >> self.weight.q
        m.d.comb += self.term.eq(Mux(self.weight.zero, 0, Mux(self.weight.sign, -shifted, shifted)))
        return m


@pytest.mark.parametrize("broken", [SignFirst, LostSign])
def test_a_broken_pe_is_refuted(broken, tmp_path):
    config = CONFIGS["no guard bits"]
    with pytest.raises(Refuted):
        prove(Product(config, broken(config)), tmp_path, cycles=1)
