"""The memory side alone, for tests: fetch, loader and storer behind the masters, as the engine ties them together."""

from amaranth import Module, Mux
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hwshift.config import AcceleratorConfig
from hwshift.program.isa import Token
from hwshift.rtl.axi import axi_master, axi_read, axi_write
from hwshift.rtl.fetch import Fetch
from hwshift.rtl.instruction import INSTRUCTION
from hwshift.rtl.interfaces import act_shape, store_request
from hwshift.rtl.load_writer import load_targets
from hwshift.rtl.loader import Loader
from hwshift.rtl.read_master import ReadMaster
from hwshift.rtl.storer import Storer
from hwshift.rtl.write_master import WriteMaster

__all__ = ["MemorySide", "memory_settings"]

_EVENTS = ("fetch_beats", "load_beats", "store_beats", "read_bursts", "write_bursts")


def memory_settings(config: AcceleratorConfig) -> data.StructLayout:
    """Regions a run may touch, first and last byte, and the length of its program."""
    names = ("program_base", "program_limit", "read_base", "read_limit", "write_base", "write_limit")
    return data.StructLayout({**dict.fromkeys(names, config.address_width), "program_count": 32})


class MemorySide(wiring.Component):
    """Fetch, loader and storer behind the read and the write master.

    Members
    -------
    bus : Out(axi_master)
    settings : In(memory_settings), start : In(1)
        ``start`` begins to fetch at ``program_base``; everything else starts by itself.
    o : stream of instructions, in order
    exhausted : Out(1)
        All instructions have been popped.
    load, store : In(stream of instructions)
    available, at_limit : In(5), pop, reserve, push : Out(5)
        Token counters above zero and at their limits; tokens taken, promised and given by loader and storer.
    store_port : Out(stream of store_request), store_data : In(array [R] of activations)
        The storer's port B.
    port, lane_write, ktile_write, param_write, weight_write, has_room, take_room, tile_done
        The loader's; see `hwshift.rtl.load_writer.load_targets`; ``has_room`` is that of ``room``.
    halt : In(1), drained : Out(1)
        No new AR or AW; no burst is outstanding.
    idle : Out(1)
        Loader and storer have nothing left to do.
    error : Out(1), error_code : Out(8)
    fetch_beats, load_beats, store_beats, read_bursts, write_bursts : Out(1)
        Handshakes of this cycle, for the counters.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self._config = config
        tokens = len(Token)
        super().__init__({
            "bus": Out(axi_master(config)), "settings": In(memory_settings(config)), "start": In(1),
            "o": Out(stream.Signature(INSTRUCTION)), "exhausted": Out(1),
            "load": In(stream.Signature(INSTRUCTION)), "store": In(stream.Signature(INSTRUCTION)),
            "available": In(tokens), "at_limit": In(tokens),
            "pop": Out(tokens), "reserve": Out(tokens), "push": Out(tokens),
            "store_port": Out(stream.Signature(store_request(config))),
            "store_data": In(data.ArrayLayout(act_shape(config), config.rows)),
            **load_targets(config), "room": In(16),
            "halt": In(1), "drained": Out(1), "idle": Out(1), "error": Out(1), "error_code": Out(8),
            **dict.fromkeys(_EVENTS, Out(1)),
        })  # fmt: skip

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        config = self._config
        m.submodules.reads = reads = ReadMaster(config)
        m.submodules.writes = writes = WriteMaster(config)
        m.submodules.fetch = fetch = Fetch(config)
        m.submodules.loader = loader = Loader(config)
        m.submodules.storer = storer = Storer(config)
        self._connect_bus(m, reads, writes)
        self._connect_reads(m, reads, fetch, loader)
        self._connect_writes(m, writes, storer)
        self._connect_tokens(m, loader, storer)
        self._connect_targets(m, loader)
        m.d.comb += [
            self.drained.eq(reads.drained & writes.drained), self.idle.eq(loader.idle & storer.idle),
            self.error.eq(reads.error | writes.error | loader.error),
            self.error_code.eq(
                Mux(reads.error, reads.error_code, Mux(writes.error, writes.error_code, loader.error_code))
            ),
        ]  # fmt: skip
        return m

    def _connect_bus(self, m: Module, reads: ReadMaster, writes: WriteMaster) -> None:
        for signature, bus in ((axi_read(self._config), reads.bus), (axi_write(self._config), writes.bus)):
            for name, member in signature.members.items():
                mine, theirs = getattr(self.bus, name), getattr(bus, name)
                m.d.comb += mine.eq(theirs) if member.flow is Out else theirs.eq(mine)
        m.d.comb += [
            self.read_bursts.eq(self.bus.arvalid & self.bus.arready),
            self.write_bursts.eq(self.bus.awvalid & self.bus.awready),
            self.store_beats.eq(self.bus.wvalid & self.bus.wready),
            self.fetch_beats.eq(reads.fetch_beats.valid), self.load_beats.eq(reads.load_beats.valid),
        ]  # fmt: skip

    def _connect_reads(self, m: Module, reads: ReadMaster, fetch: Fetch, loader: Loader) -> None:
        connect(m, fetch.burst, reads.fetch)
        connect(m, reads.fetch_beats, fetch.beats)
        connect(m, loader.burst, reads.load)
        connect(m, reads.load_beats, loader.beats)
        connect(m, fetch.o, flipped(self.o))
        connect(m, flipped(self.load), loader.i)
        for name in ("program_base", "program_limit", "read_base", "read_limit"):
            m.d.comb += getattr(reads, name).eq(getattr(self.settings, name))
        m.d.comb += [
            reads.halt.eq(self.halt), fetch.start.eq(self.start), fetch.base.eq(self.settings.program_base),
            fetch.count.eq(self.settings.program_count), self.exhausted.eq(fetch.exhausted),
        ]  # fmt: skip

    def _connect_writes(self, m: Module, writes: WriteMaster, storer: Storer) -> None:
        connect(m, flipped(self.store), storer.i)
        connect(m, storer.burst, writes.burst)
        connect(m, storer.beats, writes.beats)
        connect(m, storer.port, flipped(self.store_port))
        m.d.comb += [
            storer.store_data.eq(self.store_data), storer.responded.eq(writes.responded), writes.halt.eq(self.halt),
            writes.write_base.eq(self.settings.write_base), writes.write_limit.eq(self.settings.write_limit),
        ]  # fmt: skip

    def _connect_tokens(self, m: Module, loader: Loader, storer: Storer) -> None:
        for unit in (loader, storer):
            m.d.comb += [unit.available.eq(self.available), unit.at_limit.eq(self.at_limit)]
        m.d.comb += [
            self.pop.eq(loader.pop | storer.pop), self.push.eq(loader.push | storer.push),
            self.reserve.eq(loader.push | storer.reserve),
        ]  # fmt: skip

    def _connect_targets(self, m: Module, loader: Loader) -> None:
        connect(m, loader.port, flipped(self.port))
        connect(m, loader.lane_write, flipped(self.lane_write))
        m.d.comb += loader.has_room.eq(self.room != 0)
        for name in ("ktile_write", "param_write", "weight_write", "take_room", "tile_done"):
            m.d.comb += getattr(self, name).eq(getattr(loader, name))
