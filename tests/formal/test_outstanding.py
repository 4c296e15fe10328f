"""Bursts outstanding and runs that wait: each is in one place, and there are never more than the limit, for ever."""

from dataclasses import replace

import pytest
from amaranth import Module
from amaranth.hdl import Assert, Assume
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from hwshift.config import AcceleratorConfig
from hwshift.rtl import read_master, write_master
from hwshift.rtl.commands import Commands
from hwshift.rtl.read_master import ReadMaster
from hwshift.rtl.write_master import WriteMaster
from hwshift.timing import COMMAND_QUEUE, timing
from tests.formal.prover import Opened, Refuted, counted, flags, prove

CONFIG = AcceleratorConfig(bus_width=32)


class Outstanding(wiring.Component):
    """Bursts of any kind; a slave that answers what it was asked. Every burst decided is in one place."""

    def __init__(self, master, limit):
        self._master, self._limit = master, limit
        super().__init__({name: member for name, member in master.signature.members.items() if member.flow == In} | {
            "arready": In(1), "rvalid": In(1), "rlast": In(1), "awready": In(1), "wready": In(1), "bvalid": In(1),
        })  # fmt: skip

    def elaborate(self, _platform):
        m, master = Module(), self._master
        m.submodules.master = inner = Opened(master)
        for name, member in master.signature.members.items():
            if member.flow == In:
                port = getattr(self, name)
                if member.is_signature:
                    wiring.connect(m, wiring.flipped(port), getattr(master, name))
                else:
                    m.d.comb += getattr(master, name).eq(port)
        outstanding = inner["outstanding"]
        held = self._reads(m, inner) if isinstance(master, ReadMaster) else self._writes(m, inner)
        m.d.comb += [
            Assert(outstanding == held + inner["refused"]), Assert(outstanding <= self._limit),
            Assert(master.drained == (held == 0)), Assert(inner["may"] == (outstanding != self._limit)),
        ]  # fmt: skip
        return m

    def _reads(self, m, inner):
        """In the AR register, or asked for and not answered; the queue of owners has all of them."""
        bus, limit = self._master.bus, self._limit
        m.d.comb += [bus.arready.eq(self.arready), bus.rvalid.eq(self.rvalid), bus.rlast.eq(self.rlast)]
        asked = counted(m, "asked", limit, bus.arvalid & self.arready, -(self.rvalid & self.rlast))
        m.d.comb += [
            Assume(~self.rvalid | (asked != 0)),
            Assert(inner["owners.level"] == asked + bus.arvalid + inner["refused"]),
            Assert(~self.rvalid | (inner["owners.level"] != 0)),
        ]  # fmt: skip
        flags(m, inner, limit, "owners.")
        return asked + bus.arvalid

    def _writes(self, m, inner):
        """In the AW register, addressed and not sent to the end, or sent and not answered."""
        bus, limit = self._master.bus, self._limit
        m.d.comb += [bus.awready.eq(self.awready), bus.wready.eq(self.wready), bus.bvalid.eq(self.bvalid)]
        ends = bus.wvalid & self.wready & bus.wlast
        sent = counted(m, "sent", limit, ends, -self.bvalid)
        level = inner["lengths.level"]
        m.d.comb += [
            Assume(~self.bvalid | (sent != 0)),
            Assert(~(bus.awvalid & self.awready) | (level != limit)),
            Assert(~ends | (level != 0)),
        ]
        flags(m, inner, limit, "lengths.")
        return bus.awvalid + level + sent


def test_outstanding_reads(tmp_path):
    prove(Outstanding(ReadMaster(CONFIG), timing(CONFIG).read_bursts), tmp_path, cycles=2, induction=1)


def test_outstanding_writes(tmp_path):
    prove(Outstanding(WriteMaster(CONFIG), timing(CONFIG).write_bursts), tmp_path, cycles=2, induction=1)


@pytest.mark.parametrize("module, master", [(read_master, ReadMaster), (write_master, WriteMaster)])
def test_a_master_with_one_more_outstanding_is_refuted(module, master, tmp_path, monkeypatch):
    limit = timing(CONFIG).read_bursts
    more = replace(timing(CONFIG), read_bursts=limit + 1, write_bursts=limit + 1)
    monkeypatch.setattr(module, "timing", lambda _: more)
    with pytest.raises(Refuted):
        prove(Outstanding(master(CONFIG), limit), tmp_path, cycles=limit + 3)


class Waiting(wiring.Component):
    """Any requests; runs that wait are those in the queue, as many as it holds at most."""

    def __init__(self, commands):
        self._commands = commands
        super().__init__({"start": In(1), "queue": In(1), "ready": In(1), "drop": In(1)})

    def elaborate(self, _platform):
        m, commands = Module(), self._commands
        m.submodules.commands = inner = Opened(commands)
        level = inner["queue.level"]
        m.d.comb += [
            commands.start_request.eq(self.start), commands.queue_request.eq(self.queue & ~self.start),
            commands.ready.eq(self.ready), commands.drop.eq(self.drop),
            Assert(commands.waiting == level), Assert(level <= COMMAND_QUEUE),
            # a request is met, waits, or is refused: one of the three
            Assert(~(inner["pop"] & (level == 0))),
            Assert(~(inner["push"] & (level == COMMAND_QUEUE))),
            Assert(~commands.refused | self.start | self.queue),
            Assert(~(self.drop & self.start & ~self.ready) | commands.refused),
        ]  # fmt: skip
        return m


class Overbooked(Commands):
    """Lets one run more wait than there are places."""

    def elaborate(self, platform):
        m = super().elaborate(platform)
        m.d.sync += self.waiting.eq(self.waiting + self.queue_request)
        return m


def test_runs_that_wait(tmp_path):
    prove(Waiting(Commands(CONFIG)), tmp_path, cycles=2, induction=1)


def test_too_many_runs_that_wait_are_refuted(tmp_path):
    with pytest.raises(Refuted):
        prove(Waiting(Overbooked(CONFIG)), tmp_path, cycles=4)
