"""AXI4-Lite: offers stay, each transfer has one answer, each write takes place once with its own address and data."""

import pytest
from amaranth import Module, Signal
from amaranth.hdl import Assert
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from hwshift.rtl.axi_lite import SLVERR, AxiLiteSlave, axi_lite
from tests.formal.prover import Opened, Refuted, counted, offered, prove, stays

BITS = 12


class Master(wiring.Component):
    """Any master that keeps its offers, in front of registers that answer anything."""

    def __init__(self, slave):
        self._slave = slave
        super().__init__({
            "bus": In(axi_lite(BITS)), "read_data": In(32), "read_error": In(1), "write_error": In(1),
        })  # fmt: skip

    def elaborate(self, _platform):
        m, slave, bus = Module(), self._slave, self.bus
        m.submodules.slave = self._inner = Opened(slave)
        wiring.connect(m, wiring.flipped(bus), slave.s_axi)
        m.d.comb += [
            getattr(slave.access, name).eq(getattr(self, name))
            for name in ("read_data", "read_error", "write_error")
        ]
        for channel, fields in {"aw": ("awaddr",), "w": ("wdata", "wstrb"), "ar": ("araddr",)}.items():
            valid, ready = getattr(bus, f"{channel}valid"), getattr(bus, f"{channel}ready")
            offered(m, valid, ready, self._together(m, channel, fields), channel)
        stays(m, bus.bvalid, bus.bready, bus.bresp, "b")
        stays(m, bus.rvalid, bus.rready, self._together(m, "r", ("rdata", "rresp")), "r")
        self._count(m)
        self._writes(m)
        self._reads(m)
        return m

    def _together(self, m, channel, fields):
        parts = [getattr(self.bus, name) for name in fields]
        value, at = Signal(sum(map(len, parts)), name=f"{channel}_payload"), 0
        for part in parts:
            m.d.comb += value[at : at + len(part)].eq(part)
            at += len(part)
        return value

    def _count(self, m):
        """Transfers without an answer are held in the slave, or their answer is offered."""
        bus, inner = self.bus, self._inner
        answered = {"b": bus.bvalid & bus.bready, "r": bus.rvalid & bus.rready}
        for channel, answer in {"aw": "b", "w": "b", "ar": "r"}.items():
            taken = getattr(bus, f"{channel}valid") & getattr(bus, f"{channel}ready")
            open_ = counted(m, f"{channel}_open", 2, taken, -answered[answer])
            held = inner[f"{channel}_held"]
            m.d.comb += [
                Assert(open_ == held + getattr(bus, f"{answer}valid")),
                Assert(getattr(bus, f"{channel}ready") == ~held),
            ]
        done = counted(m, "writes", 2, self._slave.access.write, -answered["b"])
        m.d.comb += Assert(done == bus.bvalid)  # as many writes as answers

    def _writes(self, m):
        bus, access, inner = self.bus, self._slave.access, self._inner
        address, data, strobes, error = Signal(BITS), Signal(32), Signal(4), Signal()
        with m.If(bus.awvalid & bus.awready):
            m.d.sync += address.eq(bus.awaddr)
        with m.If(bus.wvalid & bus.wready):
            m.d.sync += [data.eq(bus.wdata), strobes.eq(bus.wstrb)]
        with m.If(access.write):
            m.d.sync += error.eq(self.write_error)
        mask, possible = Signal(32), Signal()
        m.d.comb += [
            *(mask.word_select(i, 8).eq(strobes[i].replicate(8)) for i in range(4)),
            Assert(~access.write | (inner["aw_held"] & inner["w_held"])),
            Assert(~inner["aw_held"] | (access.write_address == address[2:])),
            Assert(~inner["w_held"] | ((access.write_data == data) & (access.write_mask == mask))),
            Assert(~bus.bvalid | (bus.bresp == error * SLVERR)),
            Assert(~access.write | ~bus.bvalid),
            # nothing is put off: it was possible in the cycle before
            Assert(access.write == possible),
        ]
        both = inner["aw_held"] & inner["w_held"] & ~access.write
        m.d.sync += possible.eq(both & (~bus.bvalid | bus.bready))

    def _reads(self, m):
        bus, access, inner = self.bus, self._slave.access, self._inner
        address, data, error = Signal(BITS), Signal(32), Signal()
        take = inner["ar_held"] & inner["there"] & (~bus.rvalid | bus.rready)
        with m.If(bus.arvalid & bus.arready):
            m.d.sync += address.eq(bus.araddr)
        with m.If(take):
            m.d.sync += [data.eq(self.read_data), error.eq(self.read_error)]
        held = Signal()  # with the same address, which is there for registers to answer
        m.d.sync += held.eq(inner["ar_held"] & ~take)
        waited = Signal()  # an address that is not taken although answers are
        m.d.sync += waited.eq(bus.arvalid & ~bus.arready & bus.rready & held)
        m.d.comb += [
            Assert(~inner["ar_held"] | (access.read_address == address[2:])),
            Assert(inner["there"] == held), Assert(~held | inner["ar_held"]),
            Assert(~bus.rvalid | ((bus.rdata == data) & (bus.rresp == error * SLVERR))),
            Assert(~waited | bus.arready),
        ]  # fmt: skip


class Forgetful(AxiLiteSlave):
    """Takes an answer back that the master does not take at once."""

    def elaborate(self, platform):
        m = super().elaborate(platform)
        waits = Signal()
        m.d.sync += waits.eq(self.s_axi.bvalid & ~self.s_axi.bready)
        with m.If(waits):
            m.d.sync += self.s_axi.bvalid.eq(0)
        return m


class Eager(AxiLiteSlave):
    """Writes as soon as the address is there, with whatever data it has."""

    def _hold(self, m, channel, take, *fields):
        held, *kept = super()._hold(m, channel, take, *fields)
        return (held | 1 if channel == "w" else held), *kept


class Mixed(AxiLiteSlave):
    """Takes the address of the next write although the one before is still held."""

    def _hold(self, m, channel, take, *fields):
        held, *kept = super()._hold(m, channel, take, *fields)
        if channel == "aw":
            with m.If(self.s_axi.awvalid):
                m.d.sync += kept[0].eq(self.s_axi.awaddr)
        return held, *kept


def test_the_slave_obeys_axi_lite(tmp_path):
    prove(Master(AxiLiteSlave(BITS)), tmp_path, cycles=3, induction=2)


@pytest.mark.parametrize("broken", [Forgetful, Eager, Mixed])
def test_a_broken_slave_is_refuted(broken, tmp_path):
    with pytest.raises(Refuted):
        prove(Master(broken(BITS)), tmp_path, cycles=6)
