"""Accumulators: the first term, the sum or the larger one, of what was last written to the index, at full width."""

import pytest
from amaranth import Module, Mux, Signal, signed
from amaranth.hdl import Assert, Assume
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from hwshift.config import AcceleratorConfig
from hwshift.rtl.accumulator import Accumulator, AccumulatorLane
from hwshift.rtl.array import sum_shape
from hwshift.rtl.interfaces import acc_shape
from tests.formal.prover import PLAIN, Refuted, prove

CONFIGS = {"shift_add": AcceleratorConfig(), "mac": AcceleratorConfig(pe="mac")}
DEPTH = 4
SMALL = AcceleratorConfig(acc_depth=DEPTH)


class Lane(wiring.Component):
    """Any steps. Beyond acc_width a sum wraps and is never reached by a verified network; a maximum is always exact."""

    def __init__(self, config, lane):
        self._config, self._lane = config, lane
        super().__init__({
            "sums": In(sum_shape(config)), "memory": In(acc_shape(config)),
            "forward": In(1), "first": In(1), "maximum": In(1), "finish": In(1),
        })  # fmt: skip

    def elaborate(self, _platform):
        m, lane, width = Module(), self._lane, self._config.acc_width
        m.submodules.lane = lane
        for name in ("sums", "memory", "forward", "first", "maximum", "finish"):
            m.d.comb += getattr(lane, name).eq(getattr(self, name))
        begun, before, finished = Signal(), Signal(signed(width)), Signal()
        m.d.sync += [begun.eq(1), before.eq(lane.value), finished.eq(self.finish)]
        stored, total = Signal(signed(width)), Signal(signed(width + 1))
        larger = Mux(self.sums > stored, self.sums, stored)
        expected = Mux(self.first, self.sums, Mux(self.maximum, larger, total[:width].as_signed()))
        m.d.comb += [
            stored.eq(Mux(self.forward, before, self.memory)), total.eq(self.sums + stored),
            Assume(begun | ~self.forward),
            Assert(lane.value == expected),
            Assert(~finished | (lane.acc == before)),
        ]  # fmt: skip
        return m


class Forgetting(AccumulatorLane):
    """Takes what the memory held before the last write."""

    def _value(self, m, platform, before):  # noqa: ARG002
        return super()._value(m, platform, self.memory)


class Unsigned(AccumulatorLane):
    """Compares without a sign."""

    def _value(self, m, platform, before):
        stored = Mux(self.forward, before, self.memory)
        larger = Mux(self.sums.as_unsigned() > stored.as_unsigned(), self.sums, stored)
        return Mux(self.maximum & ~self.first, larger, super()._value(m, platform, before))


@pytest.mark.parametrize("name", ["shift_add", pytest.param("mac", marks=pytest.mark.slow)])
def test_a_lane(name, tmp_path):
    prove(Lane(CONFIGS[name], AccumulatorLane(CONFIGS[name])), tmp_path, cycles=3, options=PLAIN)


@pytest.mark.parametrize("broken", [Forgetting, Unsigned])
def test_a_broken_lane_is_refuted(broken, tmp_path):
    config = CONFIGS["shift_add"]
    with pytest.raises(Refuted):
        prove(Lane(config, broken(config)), tmp_path, cycles=3, options=PLAIN)


class Indexed(wiring.Component):
    """Any order of indices. One index, whichever, is followed: a step on it finds what the last one left."""

    def __init__(self, accumulator):
        self._accumulator = accumulator
        super().__init__({
            "next": In(range(DEPTH)), "followed": In(range(DEPTH)), "sums": In(sum_shape(SMALL)),
            "valid": In(1), "first": In(1), "last": In(1),
        })  # fmt: skip

    def elaborate(self, _platform):
        m, block = Module(), self._accumulator
        m.submodules.block = block
        # a reset, which may come at any time, leaves the memory as it is: so it leaves what is known of it
        now, followed = (Signal(range(DEPTH), reset_less=True) for _ in range(2))
        kept, left = (Signal(acc_shape(SMALL), reset_less=True) for _ in range(2))
        begun, done = Signal(reset_less=True), Signal(reset_less=True)
        value = Mux(self.first, self.sums, (kept + self.sums)[: SMALL.acc_width].as_signed())
        mine = self.valid & (now == self.followed)
        m.d.sync += [now.eq(self.next), begun.eq(1), followed.eq(self.followed), done.eq(mine & self.last)]
        with m.If(mine & self.last):
            m.d.sync += left.eq(value)
        with m.Elif(mine):
            m.d.sync += kept.eq(value)
        m.d.comb += [
            block.address_next.eq(self.next), block.address.eq(now), block.valid.eq(self.valid),
            block.first.eq(self.first), block.last.eq(self.last), block.sums[0][0].eq(self.sums),
            Assume(~begun | (followed == self.followed)), Assume(begun | ~self.valid),
            Assert(~done | (block.acc[0][0] == left)),
        ]  # fmt: skip
        return m


class Unforwarded(Accumulator):
    """Never takes the value of the cycle before."""

    def elaborate(self, platform):
        m = super().elaborate(platform)
        for c in range(self._config.columns):
            m.d.comb += getattr(m.submodules, f"lane_0_{c}").forward.eq(0)
        return m


def test_a_step_finds_what_the_last_one_left(tmp_path):
    prove(Indexed(Accumulator(SMALL)), tmp_path, cycles=5)


def test_without_forwarding_it_is_refuted(tmp_path):
    with pytest.raises(Refuted):
        prove(Indexed(Unforwarded(SMALL)), tmp_path, cycles=5)
