"""Addresses of the lanes lie in their buffer, and what is outside the map reads as 0 or the format's minimum."""

import pytest
from amaranth import Module, Mux, Signal, signed
from amaranth.hdl import Assert, Assume
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from hwshift.config import AcceleratorConfig
from hwshift.golden.formats import QFormat
from hwshift.program import isa
from hwshift.rtl.delay import delay
from hwshift.rtl.instruction import layout_of
from hwshift.rtl.interfaces import act_shape
from hwshift.rtl.lane_address import LaneAddress, lane_pixels, lane_region, lane_step
from hwshift.rtl.shift_buffer import Bank, bank_port
from tests.formal.prover import Refuted, prove

CONFIG = AcceleratorConfig(pixels=2)
SMALL = AcceleratorConfig(act=QFormat(4, 4), bus_width=32, feature_depth=16)


class Addressed(wiring.Component):
    """Every coordinate, displacement, map and buffer."""

    def __init__(self, lane, config):
        self._lane, self._config = lane, config
        super().__init__({
            "entry": In(layout_of(isa.LANE_ENTRY)), "step": In(lane_step(config)), "region": In(lane_region(config)),
        })  # fmt: skip

    def elaborate(self, _platform):
        m, config = Module(), self._config
        m.submodules.lane = lane = self._lane
        m.d.comb += [lane.entry.eq(self.entry), lane.step.eq(self.step), lane.region.eq(self.region)]
        depth, subs = config.feature_depth, config.sub_banks
        row = self.step.y + self.entry.dy
        row_inside = (row >= 0) & (row < self.step.height)
        begun = Signal(2)
        with m.If(begun != 3):
            m.d.sync += begun.eq(begun + 1)
        base, length = self.region.base, self.region.length
        m.d.comb += [
            Assume(length != 0), Assume(base + length <= depth),
            Assume(self.region.wrapped == (base - length)[: len(self.region.wrapped)]),
        ]  # fmt: skip
        for p in range(config.pixels):
            column = Signal(signed(20), name=f"column_{p}")
            m.d.comb += column.eq(self.step.x[p] + self.entry.dx)
            inside = self.entry.enable & row_inside & (column >= 0) & (column < self.step.width)
            total = Signal(20, name=f"total_{p}")
            m.d.comb += total.eq(self.step.offset + self.entry.offset + (column // subs).as_unsigned())
            held = delay(m, inside, 1, f"inside_{p}")
            summed = delay(m, total, 1, f"total_{p}")
            word = Mux(summed >= length, summed - length, summed) + base
            pixel = lane.pixels[p]
            m.d.comb += Assume(~held | (summed < 2 * length))
            expected = delay(m, word, 1, f"word_{p}")
            first, last = delay(m, base, 1, f"first_{p}"), delay(m, base + length, 1, f"last_{p}")
            then = delay(m, held, 1, f"then_{p}")
            filled = delay(m, self.entry.enable & ~inside & self.step.pad_min, 2, f"filled_{p}")
            m.d.comb += [
                Assert((begun < 2) | (pixel.inside == then)),
                Assert((begun < 2) | ~then | (pixel.word == expected)),
                Assert((begun < 2) | ~then | ((pixel.word >= first) & (pixel.word < last))),
                Assert((begun < 2) | (pixel.fill == filled)),
            ]
        return m


class NoWrap(LaneAddress):
    """Forgets that the buffer is circular."""

    def _origin(self, offset):  # noqa: ARG002
        return self.region.base


@pytest.mark.slow
def test_addresses_are_in_range(tmp_path):
    prove(Addressed(LaneAddress(CONFIG), CONFIG), tmp_path, cycles=4)


def test_an_address_that_does_not_wrap_is_refuted(tmp_path):
    with pytest.raises(Refuted):
        prove(Addressed(NoWrap(CONFIG), CONFIG), tmp_path, cycles=4)


class Outside(wiring.Component):
    """What a bank gives for pixels outside the map, whatever it holds."""

    def __init__(self, bank):
        self._bank = bank
        super().__init__({
            "en": In(1), "pixels": In(lane_pixels(SMALL)), "relu": In(1), "port": In(bank_port(SMALL)),
        })  # fmt: skip

    def elaborate(self, _platform):
        m = Module()
        m.submodules.bank = bank = self._bank
        wiring.connect(m, wiring.flipped(self.port), bank.port)
        m.d.comb += [bank.en.eq(self.en), bank.pixels.eq(self.pixels), bank.relu.eq(self.relu)]
        begun, outside = Signal(2), delay(m, ~self.pixels[0].inside, 3, "outside")
        fill, relu = delay(m, self.pixels[0].fill, 3, "fill"), delay(m, self.relu, 1, "relu")
        with m.If(begun != 3):
            m.d.sync += begun.eq(begun + 1)
        value = Mux(fill & ~relu, SMALL.act.min, 0)
        x = Signal(act_shape(SMALL))
        m.d.comb += [
            x.eq(bank.x[0]),
            Assert((begun < 3) | ~outside | (x == value)),
            Assert((begun < 3) | ~relu | (x >= 0)),
        ]
        return m


class Leaking(Bank):
    """Gives what its memory gives, inside the map or not."""

    def _activation(self, m, pixel, fetched, x):
        always = Signal.like(pixel)
        m.d.comb += [always.eq(pixel), always.inside.eq(1)]
        super()._activation(m, always, fetched, x)


def test_outside_the_map_is_zero_or_the_minimum(tmp_path):
    prove(Outside(Bank(SMALL)), tmp_path, cycles=6)


def test_a_bank_that_leaks_is_refuted(tmp_path):
    with pytest.raises(Refuted):
        prove(Outside(Leaking(SMALL)), tmp_path, cycles=6)
