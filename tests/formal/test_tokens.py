"""Token counters stay in their range, if nobody pops what is not there or reserves at the limit."""

import pytest
from amaranth import Module, Signal
from amaranth.hdl import Assert, Assume
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from hwshift.program.isa import Token
from hwshift.rtl.tokens import TokenCounters
from tests.formal.prover import Opened, Refuted, prove

TOKENS = len(Token)
LIMIT = 15


class Game(wiring.Component):
    """Producers reserve below the limit and push what they reserved; consumers pop what is there."""

    def __init__(self, counters):
        self._counters = counters
        super().__init__({"reserve": In(TOKENS), "push": In(TOKENS), "pop": In(TOKENS)})

    def elaborate(self, _platform):
        m = Module()
        m.submodules.counters = opened = Opened(self._counters)
        m.d.comb += [
            getattr(self._counters, name).eq(getattr(self, name)) for name in ("reserve", "push", "pop")
        ]
        for i in range(TOKENS):
            there, promised = Signal(range(32), name=f"there_{i}"), Signal(range(32), name=f"promised_{i}")
            m.d.sync += [
                there.eq(there + self.push[i] - self.pop[i]),
                promised.eq(promised + self.reserve[i] - self.push[i]),
            ]
            m.d.comb += [
                Assume(~self.reserve[i] | ~self._counters.at_limit[i]),
                Assume(~self.push[i] | self.reserve[i] | (promised != 0)),
                Assume(~self.pop[i] | self._counters.available[i]),
                Assert(there + promised <= LIMIT),
                Assert(self._counters.available[i] == (there != 0)),
                Assert(self._counters.at_limit[i] == (there + promised == LIMIT)),
                Assert(opened[f"count_{i}"] == there),
                Assert(opened[f"owed_{i}"] == there + promised),
            ]
        return m


class NothingOwed(TokenCounters):
    """Is at its limit only when the tokens are there."""

    def elaborate(self, _platform):
        m = Module()
        m.submodules.inner = inner = TokenCounters(self._limit)
        m.d.comb += [
            inner.reserve.eq(self.push), inner.push.eq(self.push), inner.pop.eq(self.pop),
            self.available.eq(inner.available), self.at_limit.eq(inner.at_limit),
        ]  # fmt: skip
        return m


class Blind(Game):
    """The game by what can be seen from outside only."""

    def elaborate(self, _platform):
        m = Module()
        m.submodules.counters = self._counters
        m.d.comb += [
            getattr(self._counters, name).eq(getattr(self, name)) for name in ("reserve", "push", "pop")
        ]
        there, promised = Signal(range(64)), Signal(range(64))
        m.d.sync += [
            there.eq(there + self.push[0] - self.pop[0]),
            promised.eq(promised + self.reserve[0] - self.push[0]),
        ]
        m.d.comb += [
            Assume(~self.reserve[0] | ~self._counters.at_limit[0]),
            Assume(~self.push[0] | self.reserve[0] | (promised != 0)),
            Assume(~self.pop[0] | self._counters.available[0]),
            Assert(there + promised <= LIMIT),
        ]
        return m


def test_counters_stay_in_range(tmp_path):
    prove(Game(TokenCounters(LIMIT)), tmp_path, cycles=3, induction=1)


def test_counters_that_forget_what_is_under_way_are_refuted(tmp_path):
    with pytest.raises(Refuted):
        prove(Blind(NothingOwed(LIMIT)), tmp_path, cycles=LIMIT + 3)
