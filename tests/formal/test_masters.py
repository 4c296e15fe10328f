"""AXI rules of the masters: offers stay, bursts are legal, nothing is outstanding that was not asked for."""

import pytest
from amaranth import Const, Module, Mux, Signal
from amaranth.hdl import Assert, Assume
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hwshift.config import AcceleratorConfig
from hwshift.rtl.axi import axi_read, axi_write, burst_layout
from hwshift.rtl.bursts import Bursts, transfer_layout
from hwshift.rtl.read_master import ReadMaster
from hwshift.rtl.write_master import WriteMaster
from hwshift.timing import timing
from tests.formal.prover import Opened, Refuted, offered, prove, stays

CONFIG = AcceleratorConfig(bus_width=32)
BEAT = CONFIG.beat_bytes
PAGE = 4096
WIDTHS = (32, 256, 512)
"""Of the bus: 64 beats are a 16th of a page, half of one, a whole one."""


def legal(burst, beat=BEAT):
    """One to 64 whole beats that do not cross a multiple of 4096."""
    return (
        (burst.beats != 0) & (burst.beats <= 64) & (burst.address[: beat.bit_length() - 1] == 0)
        & (burst.address[:12] + burst.beats * beat <= PAGE)
    )  # fmt: skip


class CutRows(wiring.Component):
    """Any transfer of one row or more, of one beat or more, gives legal bursts only, each as long as may be."""

    def __init__(self, bursts, config):
        self._bursts, self._beat = bursts, config.beat_bytes
        super().__init__({"start": In(1), "transfer": In(transfer_layout()), "ready": In(1)})

    def elaborate(self, _platform):
        m = Module()
        m.submodules.bursts = Opened(self._bursts)
        bursts, beat = self._bursts, self._beat
        bits = beat.bit_length() - 1
        place = bursts._address[bits:12]  # of the burst's first beat in its page
        to_page, left = PAGE // beat - place, bursts._left
        longest = Mux(to_page > 64, 64, to_page)
        m.d.comb += [
            bursts.start.eq(self.start & ~bursts.active), bursts.transfer.eq(self.transfer),
            bursts.o.ready.eq(self.ready), Assume(self.transfer.rows != 0), Assume(self.transfer.row_beats != 0),
            Assert(~bursts.o.valid | legal(bursts.o.payload, beat)), Assert(bursts._waits != bursts.active),
            Assert(~bursts.active | ((left != 0) & (bursts._rows != 0) & (bursts._row_beats != 0))),
            # what is kept of the next burst, so that nothing need be computed
            Assert(~bursts.active | (bursts.o.payload.beats == Mux(left > longest, longest, left))),
            Assert(~bursts.active | (bursts._row_ends == (left <= longest))),
            Assert(~bursts.active | (bursts._last_row == (bursts._rows == 1))),
            Assert(~bursts.active | (bursts._low == place[:6])),
            Assert(bursts.o.payload.last == (bursts._row_ends & bursts._last_row)),
            Assert(~bursts.active | (bursts._rows_far == (bursts._row_beats >= 512))),
            Assert(~bursts.active | Mux(bursts._far, left >= 448, left < 512)),
        ]  # fmt: skip
        m.d.comb += [
            Assert(getattr(bursts, name)[:bits] == 0) for name in ("_address", "_row_address", "_stride")
        ]
        stays(m, bursts.o.valid, bursts.o.ready, bursts.o.payload, "o")
        return m


class Uncut(Bursts):
    """Bursts of 64 beats, wherever they begin."""

    def elaborate(self, platform):
        m = super().elaborate(platform)
        whole = Signal.like(self.o.payload.beats)
        m.d.comb += [whole.eq(64), self.o.payload.beats.eq(whole)]
        return m


class Pageless(Bursts):
    """Bursts as long as their row has beats, up to 64."""

    def _cut(self, m, near, low, left, more):  # noqa: ARG002
        super()._cut(m, Const(0), low, left, more)


@pytest.mark.parametrize("width", WIDTHS)
def test_bursts_are_legal(width, tmp_path):
    config = AcceleratorConfig(rows=16, bus_width=width)
    prove(CutRows(Bursts(config), config), tmp_path, cycles=4, induction=2)


@pytest.mark.parametrize("broken", [Uncut, Pageless])
def test_bursts_over_a_page_are_refuted(broken, tmp_path):
    with pytest.raises(Refuted, match="refuted within"):
        prove(CutRows(broken(CONFIG), CONFIG), tmp_path, cycles=3)


class Reads(wiring.Component):
    """The read master before an AXI slave that answers what it was asked, in order."""

    def __init__(self, master):
        self._master = master
        burst = stream.Signature(burst_layout(CONFIG))
        super().__init__({
            "fetch": In(burst), "load": In(burst), "bus": Out(axi_read(CONFIG)), "halt": In(1),
            "program_base": In(40), "program_limit": In(40), "read_base": In(40), "read_limit": In(40),
        })  # fmt: skip

    def elaborate(self, _platform):
        m, master = Module(), self._master
        m.submodules.master = master
        wiring.connect(m, wiring.flipped(self.fetch), master.fetch)
        wiring.connect(m, wiring.flipped(self.load), master.load)
        wiring.connect(m, master.bus, wiring.flipped(self.bus))
        bus, limit = self.bus, timing(CONFIG).read_bursts
        regions = ("program_base", "program_limit", "read_base", "read_limit")
        for name in regions:
            held = Signal(40, name=f"{name}_before")
            begun = Signal(name=f"{name}_begun")
            m.d.sync += [held.eq(getattr(self, name)), begun.eq(1)]
            m.d.comb += [getattr(master, name).eq(getattr(self, name)),
                         Assume(~begun | (held == getattr(self, name)))]  # fmt: skip
        m.d.comb += master.halt.eq(self.halt)
        for name in ("fetch", "load"):
            port = getattr(self, name)
            offered(m, port.valid, port.ready, port.payload, name)
            m.d.comb += Assume(legal(port.payload))
        # bursts asked for and not yet answered to the end
        asked = Signal(8)
        ends = bus.rvalid & bus.rlast
        m.d.sync += asked.eq(asked + (bus.arvalid & bus.arready) - ends)
        last = bus.araddr + (bus.arlen + 1) * BEAT - 1
        within = [(bus.araddr >= getattr(self, f"{name}_base")) & (last <= getattr(self, f"{name}_limit"))
                  for name in ("program", "read")]  # fmt: skip
        m.d.comb += [
            Assume(~bus.rvalid | (asked != 0)),
            Assert(asked <= limit),
            Assert(~bus.arvalid | ((bus.araddr[:12] + (bus.arlen + 1) * BEAT <= PAGE) & (bus.arlen < 64))),
            Assert(~bus.arvalid | within[0] | within[1]),
            Assert(bus.rready),
            Assert(~master.drained | (asked == 0)),
            Assert(~(master.fetch_beats.valid & master.load_beats.valid)),
            Assert(~bus.rvalid | master.fetch_beats.valid | master.load_beats.valid),
        ]
        address = bus.araddr, bus.arlen, bus.arsize, bus.arburst
        waited, before = Signal(), Signal(sum(map(len, address)))
        now = Signal(len(before))
        at = 0
        for part in address:
            m.d.comb += now[at : at + len(part)].eq(part)
            at += len(part)
        m.d.sync += [waited.eq(bus.arvalid & ~bus.arready), before.eq(now)]
        m.d.comb += Assert(~waited | (bus.arvalid & (now == before)))
        return m


@pytest.mark.slow
def test_the_read_master_obeys_axi(tmp_path):
    prove(Reads(ReadMaster(CONFIG)), tmp_path, cycles=7)


class Restless(ReadMaster):
    """Moves on to the next address although the one before waits."""

    def elaborate(self, platform):
        m = super().elaborate(platform)
        m.d.comb += self.bus.araddr.eq(self.load.payload.address)
        return m


def test_an_address_that_does_not_stay_is_refuted(tmp_path):
    with pytest.raises(Refuted):
        prove(Reads(Restless(CONFIG)), tmp_path, cycles=4)


class Writes(wiring.Component):
    """The write master before an AXI slave that answers each burst once."""

    def __init__(self, master):
        self._master = master
        super().__init__({
            "burst": In(stream.Signature(burst_layout(CONFIG))), "beats": In(stream.Signature(CONFIG.bus_width)),
            "bus": Out(axi_write(CONFIG)), "halt": In(1), "write_base": In(40), "write_limit": In(40),
        })  # fmt: skip

    def elaborate(self, _platform):
        m, master = Module(), self._master
        m.submodules.master = master
        for name in ("burst", "beats"):
            port = getattr(self, name)
            wiring.connect(m, wiring.flipped(port), getattr(master, name))
            offered(m, port.valid, port.ready, port.payload, name)
        wiring.connect(m, master.bus, wiring.flipped(self.bus))
        bus = self.bus
        m.d.comb += [
            master.halt.eq(self.halt), master.write_base.eq(self.write_base),
            master.write_limit.eq(self.write_limit), Assume(legal(self.burst.payload)),
        ]  # fmt: skip
        # beats that the bursts on the address channel have promised, less those that have gone
        owed, asked, done, halted = Signal(12), Signal(8), Signal(8), Signal()
        beat, address = bus.wvalid & bus.wready, bus.awvalid & bus.awready
        m.d.sync += [
            halted.eq(halted | self.halt),
            owed.eq(owed + _if(address, bus.awlen + 1) - beat),
            asked.eq(asked + address - bus.bvalid), done.eq(done + (beat & bus.wlast) - bus.bvalid),
        ]  # fmt: skip
        m.d.comb += [
            Assume(~bus.bvalid | (done != 0)),
            Assert(asked <= timing(CONFIG).write_bursts),
            Assert(~bus.wvalid | (owed != 0)),  # no beat before its address
            Assert(~bus.wvalid | (owed != 1) | bus.wlast),
            Assert(bus.wstrb.all() | (halted & ~bus.wstrb.any())),
            Assert(bus.bready),
            Assert(~master.drained | (asked == 0)),
            Assert(~bus.awvalid | (bus.awaddr[:12] + (bus.awlen + 1) * BEAT <= PAGE)),
        ]
        stays(m, bus.awvalid, bus.awready, bus.awaddr, "aw")
        stays(m, bus.awvalid, bus.awready, bus.awlen, "awlen")
        stays(m, bus.wvalid, bus.wready, bus.wdata, "w")
        stays(m, bus.wvalid, bus.wready, bus.wlast, "wlast")
        stays(m, bus.wvalid, bus.wready, bus.wstrb, "wstrb")
        return m


def _if(condition, value):
    """The value, or 0."""
    return (value & condition.replicate(len(value))).as_unsigned()


class Eager(WriteMaster):
    """Sends beats without waiting for their address."""

    def _send(self, m, register):
        super()._send(m, register)
        early = Signal(init=1)
        m.d.comb += [self.bus.wvalid.eq(self.beats.valid & early)]


@pytest.mark.slow
def test_the_write_master_obeys_axi(tmp_path):
    prove(Writes(WriteMaster(CONFIG)), tmp_path, cycles=8)


def test_beats_before_their_address_are_refuted(tmp_path):
    with pytest.raises(Refuted):
        prove(Writes(Eager(CONFIG)), tmp_path, cycles=4)
