"""Accumulators: the first term, the sum or the larger one, of what was last written to the index, at full width."""

import pytest
from amaranth import Module, Mux, Signal, signed
from amaranth.hdl import Assert, Assume
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from hwshift.config import AcceleratorConfig
from hwshift.golden.formats import QFormat
from hwshift.rtl import accumulator
from hwshift.rtl.accumulator import Accumulator, AccumulatorLane
from hwshift.rtl.array import sum_shape
from hwshift.rtl.interfaces import acc_shape
from tests.formal.prover import PLAIN, Refuted, prove

CONFIGS = {"shift_add": AcceleratorConfig(), "mac": AcceleratorConfig(pe="mac")}
DEPTH = 4
SMALL = AcceleratorConfig(acc_depth=DEPTH)
NARROW = AcceleratorConfig(
    acc_depth=DEPTH, pe="mac", act=QFormat(2, 2), weights=QFormat(1, 1), guard=1, acc_width=8, bus_width=32
)


@pytest.fixture(params=["other", "xilinx"])
def device(request, monkeypatch):
    """The proofs hold for both of what `by_device` chooses from."""
    if request.param == "xilinx":
        monkeypatch.setattr(accumulator, "by_device", lambda _m, _platform, xilinx, _other, _name: xilinx)
    return request.param


class Lane(wiring.Component):
    """Any steps. Beyond acc_width a sum wraps and is never reached by a verified network; a maximum is always exact.

    What the memory holds comes in a stage before the sums, on Xilinx with them.
    """

    def __init__(self, config, lane, device):
        self._config, self._lane, self._device = config, lane, device
        super().__init__({
            "sums": In(sum_shape(config)), "memory": In(acc_shape(config)), "late": In(1),
            "follows": In(1), "first_next": In(1), "maximum": In(1), "finish": In(1),
        })  # fmt: skip

    def elaborate(self, _platform):
        m, lane, width = Module(), self._lane, self._config.acc_width
        m.submodules.lane = lane
        # a reset, which may come at any time, leaves the lane as it is
        begun, finished, forward, first = (Signal(reset_less=True) for _ in range(4))
        before, taken = (Signal(signed(width), reset_less=True) for _ in range(2))
        for name in ("sums", "memory", "late", "follows", "first_next", "maximum", "finish"):
            m.d.comb += getattr(lane, name).eq(getattr(self, name))
        m.d.comb += [lane.forward.eq(forward), lane.first.eq(first)]
        m.d.sync += [
            begun.eq(1), before.eq(lane.value), finished.eq(self.finish), forward.eq(self.follows),
            first.eq(self.first_next), taken.eq(Mux(self.follows, lane.value, Mux(self.late, before, self.memory))),
        ]  # fmt: skip
        stored, total = Signal(signed(width)), Signal(signed(width + 1))
        larger = Mux(self.sums > stored, self.sums, stored)
        expected = Mux(first, self.sums, Mux(self.maximum, larger, total[:width].as_signed()))
        at_once = Mux(forward, before, self.memory)
        m.d.comb += [
            stored.eq(at_once if self._device == "xilinx" else taken), total.eq(self.sums + stored),
            Assert(~begun | (lane.value == expected)),
            Assert(~finished | (lane.acc == before)),
        ]  # fmt: skip
        return m


class Forgetting(AccumulatorLane):
    """Takes what the memory held before the last writes."""

    def _value(self, m, platform, stored, before):  # noqa: ARG002
        held = Signal.like(self.memory, name="held", reset_less=True)
        m.d.sync += held.eq(self.memory)
        old = accumulator.by_device(m, platform, self.memory, held, "old").as_signed()
        return super()._value(m, platform, Mux(self.first, 0, old).as_signed(), before)


class Unsigned(AccumulatorLane):
    """Compares without a sign."""

    def _value(self, m, platform, stored, before):
        larger = Mux(self.sums.as_unsigned() > stored.as_unsigned(), self.sums, stored)
        return Mux(self.maximum & ~self.first, larger, super()._value(m, platform, stored, before))


@pytest.mark.parametrize("name", ["shift_add", pytest.param("mac", marks=pytest.mark.slow)])
def test_a_lane(name, device, tmp_path):
    config = CONFIGS[name]
    prove(Lane(config, AccumulatorLane(config), device), tmp_path, cycles=3, induction=2, options=PLAIN)


@pytest.mark.parametrize("broken", [Forgetting, Unsigned])
def test_a_broken_lane_is_refuted(broken, device, tmp_path):
    config = CONFIGS["shift_add"]
    with pytest.raises(Refuted, match="refuted within"):
        prove(Lane(config, broken(config), device), tmp_path, cycles=3, options=PLAIN)


class Indexed(wiring.Component):
    """Any order of indices. One index, whichever, is followed: a step on it finds what the last one left."""

    def __init__(self, config, block):
        self._config, self._block = config, block
        super().__init__({
            "ahead": In(range(DEPTH)), "followed": In(range(DEPTH)), "sums": In(sum_shape(config)),
            "valid_next": In(1), "first_next": In(1), "last_next": In(1),
        })  # fmt: skip

    def elaborate(self, _platform):
        m, block = Module(), self._block
        m.submodules.block = block
        # a reset, which may come at any time, leaves the memory as it is: so it leaves what is known of it
        coming, now, followed = (Signal(range(DEPTH), reset_less=True) for _ in range(3))
        kept, left = (Signal(acc_shape(self._config), reset_less=True) for _ in range(2))
        # a step is valid once its index has come in, two cycles before it
        begun, read, first, done = (Signal(reset_less=True) for _ in range(4))
        value = Mux(first, self.sums, (kept + self.sums)[: self._config.acc_width].as_signed())
        valid, last = Signal(), Signal()
        mine = valid & (now == self.followed)
        m.d.sync += [
            coming.eq(self.ahead), now.eq(coming), first.eq(self.first_next), begun.eq(1), read.eq(begun),
            followed.eq(self.followed), done.eq(mine & last),
            valid.eq(self.valid_next), last.eq(self.last_next),
        ]  # fmt: skip
        with m.If(mine & last):
            m.d.sync += left.eq(value)
        with m.Elif(mine):
            m.d.sync += kept.eq(value)
        m.d.comb += [
            block.address_ahead.eq(self.ahead), block.address_next.eq(coming), block.address.eq(now),
            block.first_next.eq(self.first_next), block.first.eq(first), block.valid.eq(valid),
            block.last.eq(last), block.writes_next.eq(self.valid_next & ~self.last_next),
            block.sums[0][0].eq(self.sums),
            Assume(~begun | (followed == self.followed)), Assume(read | ~valid),
            Assert(~done | (block.acc[0][0] == left)),
        ]  # fmt: skip
        return m


class Unforwarded(Accumulator):
    """Never takes the value of the cycle before, or of the one before that."""

    def __init__(self, config, forgotten):
        self._forgotten = forgotten
        super().__init__(config)

    def elaborate(self, platform):
        m = super().elaborate(platform)
        for c in range(self._config.columns):
            m.d.comb += getattr(getattr(m.submodules, f"lane_0_{c}"), self._forgotten).eq(0)
        return m


@pytest.mark.parametrize(
    "config, cycles",
    [(NARROW, 8), pytest.param(SMALL, 7, marks=pytest.mark.slow)],
    ids=["8 bits", "full width"],
)
def test_a_step_finds_what_the_last_one_left(config, cycles, device, tmp_path):  # noqa: ARG001
    prove(Indexed(config, Accumulator(config)), tmp_path, cycles=cycles)


@pytest.mark.parametrize(
    "device, forgotten", [("other", "follows"), ("other", "late"), ("xilinx", "forward")], indirect=["device"]
)
def test_without_forwarding_it_is_refuted(device, forgotten, tmp_path):  # noqa: ARG001
    with pytest.raises(Refuted, match="refuted within"):
        prove(Indexed(SMALL, Unforwarded(SMALL, forgotten)), tmp_path, cycles=7)
