"""Credits: what is promised and what is there never exceed what holds it, in every state that can be reached.

Each proof states where every unit of a credit is, and that the places sum to the whole. By induction from reset this is
so for ever, so that no counter goes below 0 or wraps, and no queue is offered what it cannot take.
"""

from dataclasses import replace

import pytest
from amaranth import Cat, Module, Mux, Signal
from amaranth.hdl import Assert, Assume
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In

from hwshift.config import AcceleratorConfig
from hwshift.program.isa import INSTRUCTION_BYTES, LoadKind, Token
from hwshift.rtl import storer as rtl_storer
from hwshift.rtl.axi import beats_strobe
from hwshift.rtl.dispatch import weight_record
from hwshift.rtl.fetch import Fetch
from hwshift.rtl.instruction import INSTRUCTION
from hwshift.rtl.loader import Loader
from hwshift.rtl.storer import Storer
from hwshift.rtl.weight_fetch import WeightFetch
from hwshift.timing import timing
from tests.formal.prover import Opened, Refuted, counted, falls, flags, in_order, prove, stays

CONFIG = AcceleratorConfig(bus_width=32)
RINGS = {
    "words": AcceleratorConfig(weight_tiles=3),
    "one word": AcceleratorConfig(weight_tiles=5, weight_rows=4),
}


def kept(m, component, *names):
    """Each of these streams keeps what it offers until it is taken."""
    for name in names:
        port = getattr(component, name)
        stays(m, port.valid, port.ready, port.payload, name)


class Ring(wiring.Component):
    """Any COMPUTEs, any moments in which the sequencer takes tiles, a loader that writes a tile after the other.

    A tile is free, being written, there, or released and not yet free again. One that is being written is never one
    that is read, until the read has reached the memory, ``timing.weight_stage`` cycles after its command.
    """

    def __init__(self, config, fetcher):
        self._config, self._fetcher = config, fetcher
        super().__init__({
            "i": In(stream.Signature(weight_record())), "take": In(1), "begin": In(1), "finish": In(1),
        })  # fmt: skip

    def elaborate(self, _platform):
        m, config, fetcher = Module(), self._config, self._fetcher
        m.submodules.fetcher = inner = Opened(fetcher)
        tiles, words = config.weight_tiles, config.tile_words
        wiring.connect(m, wiring.flipped(self.i), fetcher.i)
        writing, written = Signal(), Signal(range(tiles))
        begins, ends = Signal(), Signal()
        m.d.comb += [
            begins.eq(self.begin & ~writing & (fetcher.room != 0)),
            ends.eq(self.finish & ((writing | begins) if words == 1 else writing)),
            fetcher.take_room.eq(begins), fetcher.tile_done.eq(ends), fetcher.take.eq(self.take & fetcher.full),
        ]  # fmt: skip
        m.d.sync += writing.eq((writing | begins) & ~ends)
        with m.If(ends):
            m.d.sync += written.eq(Mux(written == tiles - 1, 0, written + 1))
        room, avail, released = fetcher.room, inner["avail"], self._released(m, inner["release"])
        m.d.comb += [
            Assert(room + writing + avail + sum(released) == tiles),
            Assert(~inner["release"] | (avail != 0)),
            Assert(~begins | (room != 0)),
            Assert(fetcher.has_room == (room != 0)),
            Assert(inner["head"] < tiles),
            Assert(written < tiles),
            Assert(self._ahead(written, inner["head"]) == Mux(avail == tiles, 0, avail)),
            Assert(fetcher.loading == (inner["row"] != 0)),
            Assert(inner["row"] < words),
            Assert(inner["last_of_tile"] == (inner["row"] == words - 1)),
            Assert(~fetcher.loading | inner["there"]),
            Assert(~(fetcher.loading & fetcher.full)),
        ]
        self._reads(m, avail, released, written, writing | begins)
        return m

    def _released(self, m, release):
        """Whether a tile was released 1, 2, ... cycles ago and is not free yet."""
        line = []
        for stage in range(1, timing(self._config).weight_release):
            late = Signal(name=f"released_{stage}")
            m.d.sync += late.eq(line[-1] if line else release)
            line.append(late)
        return line

    def _ahead(self, tile, of):
        """How many tiles further on in the ring."""
        return Mux(tile >= of, tile - of, self._config.weight_tiles + tile - of)

    def _reads(self, m, avail, released, written, busy):
        """A tile whose read is under way is one of those there, or of those released since its command."""
        fetcher, tiles = self._fetcher, self._config.weight_tiles
        valid, tile = fetcher.command_valid, fetcher.command.tile
        for stage in range(timing(self._config).weight_stage + 1):
            behind = self._ahead(written, tile)  # 0: all round
            distance = Mux(behind == 0, tiles, behind)
            m.d.comb += [
                Assert(~valid | (tile < tiles)),
                Assert(~valid | (distance <= avail + sum(released[:stage]))),
                Assert(~(valid & busy & (tile == written))),
            ]
            after_valid, after = Signal(name=f"valid_{stage}"), Signal.like(tile, name=f"tile_{stage}")
            m.d.sync += [after_valid.eq(valid), after.eq(tile)]
            valid, tile = after_valid, after


class Hasty(WeightFetch):
    """Frees a tile with its last row command, before the row is read."""

    def _account(self, m, release, head, avail):
        with m.If(release):
            m.d.sync += head.eq(Mux(head == self._config.weight_tiles - 1, 0, head + 1))
        m.d.sync += [
            avail.eq(avail + self.tile_done - release), self.room.eq(self.room + release - self.take_room),
            self.has_room.eq(self.room + release != self.take_room),
        ]  # fmt: skip


@pytest.mark.parametrize("name", RINGS)
def test_the_weight_ring(name, tmp_path):
    prove(Ring(RINGS[name], WeightFetch(RINGS[name])), tmp_path, cycles=2, induction=1)


def test_a_tile_that_is_free_too_early_is_refuted(tmp_path):
    with pytest.raises(Refuted):
        prove(Ring(RINGS["one word"], Hasty(RINGS["one word"])), tmp_path, cycles=6)


class Loads(wiring.Component):
    """Any LOADs; the memory answers what it was asked, whenever it likes."""

    def __init__(self, loader):
        self._loader = loader
        super().__init__({
            "i": In(stream.Signature(INSTRUCTION)), "beats": In(beats_strobe(CONFIG)), "ready": In(1),
            "port_ready": In(1), "has_room": In(1), "available": In(len(Token)), "at_limit": In(len(Token)),
        })  # fmt: skip

    def elaborate(self, _platform):
        m, loader = Module(), self._loader
        m.submodules.loader = inner = Opened(loader)
        wiring.connect(m, wiring.flipped(self.i), loader.i)
        asked, taken, depth = loader.burst.payload.beats, Signal(), timing(CONFIG).load_fifo
        m.d.comb += [
            loader.beats.valid.eq(self.beats.valid), loader.beats.payload.eq(self.beats.payload),
            loader.burst.ready.eq(self.ready), loader.port.ready.eq(self.port_ready),
            loader.has_room.eq(self.has_room), loader.available.eq(self.available), loader.at_limit.eq(self.at_limit),
            taken.eq(loader.burst.valid & self.ready), Assume(~taken | (asked != 0)),
        ]  # fmt: skip
        promised = counted(m, "promised", depth, Mux(taken, asked, 0), -self.beats.valid)
        m.d.comb += [
            Assume(~self.beats.valid | (promised != 0)),
            Assert(inner["credit"] + promised + inner["fifo.stored"] + inner["fifo.o__valid"] == depth),
            Assert(inner["credit"] <= depth),
            Assert(~taken | (asked <= inner["credit"])),
            Assert(~self.beats.valid | (inner["fifo.stored"] != depth)),
            Assert(inner["fifo.room"] == (inner["fifo.stored"] != depth)),
            Assert(inner["fifo.some"] == (inner["fifo.stored"] != 0)),
            Assert(inner["fifo.left"] <= depth),
            Assert(inner["fifo.some_left"] == (inner["fifo.left"] != 0)),
            Assert(inner["bursts._waits"] != inner["bursts.active"]),
        ]
        flags(m, inner, timing(CONFIG).job_queue, "jobs.")
        self._agree(m, inner)
        falls(m, self.at_limit, loader.push)
        kept(m, loader, "burst", "port")
        return m

    def _agree(self, m, inner):
        """Registers of the writer that say the same."""
        does = {kind: inner[f"writer.does_{kind.name.lower()}"] for kind in LoadKind}
        tables = does[LoadKind.LANES] | does[LoadKind.PARAMS] | does[LoadKind.KTILES]
        ends = Cat(
            inner[f"writer.walk.{name}"] for name in ("at_last_beat", "last_slot", "last_column", "last_row")
        )
        m.d.comb += [
            Assert(sum(does.values()) <= inner["writer.busy"]),
            Assert(inner["writer.walks"] == (does[LoadKind.MAP] | does[LoadKind.INPUT])),
            Assert(inner["writer.writes_table"] == tables),
            Assert(~inner["writer.busy"] | (inner["writer.spreads"] == does[LoadKind.INPUT])),
            Assert(inner["writer.walk.last"] == ends.all()),
        ]


class Generous(Loader):
    """Asks for a burst with as many credits as it has beats but one."""

    def _ask(self, m, bursts, fifo):
        super()._ask(m, bursts, fifo)
        m.d.comb += [self.burst.valid.eq(bursts.o.valid), bursts.o.ready.eq(self.burst.ready)]


@pytest.mark.slow
def test_load_credits(tmp_path):
    prove(Loads(Loader(CONFIG)), tmp_path, cycles=2, induction=1)


@pytest.mark.slow
def test_a_loader_that_asks_for_too_much_is_refuted(tmp_path):
    with pytest.raises(Refuted):
        prove(Loads(Generous(CONFIG)), tmp_path, cycles=9)


class Stores(wiring.Component):
    """Any STOREs; port B grants and the bus takes whenever they like, responses answer bursts."""

    def __init__(self, storer):
        self._storer = storer
        super().__init__({
            "i": In(stream.Signature(INSTRUCTION)), "grant": In(1), "ready": In(1), "beats_ready": In(1),
            "responded": In(1), "available": In(len(Token)), "at_limit": In(len(Token)),
        })  # fmt: skip

    def elaborate(self, _platform):
        m, storer, times = Module(), self._storer, rtl_storer.timing(CONFIG)
        m.submodules.storer = inner = Opened(storer)
        wiring.connect(m, wiring.flipped(self.i), storer.i)
        taken, popped = Signal(), Signal()
        m.d.comb += [
            storer.port.ready.eq(self.grant), storer.burst.ready.eq(self.ready),
            storer.beats.ready.eq(self.beats_ready), storer.responded.eq(self.responded),
            storer.available.eq(self.available), storer.at_limit.eq(self.at_limit),
            taken.eq(storer.burst.valid & self.ready), popped.eq(storer.beats.valid & self.beats_ready),
        ]  # fmt: skip
        bursts = counted(m, "bursts", times.write_bursts, taken, -self.responded)
        level = inner["fifo.level"]
        under_way = [inner[f"granted_{cycle}"] for cycle in range(1, times.store_data + 1)]
        m.d.comb += [
            Assume(~self.responded | (bursts != 0)),
            Assume(~self.ready | (bursts != times.write_bursts)),
            Assert(inner["credit"] + sum(under_way) + level == times.store_fifo),
            Assert(inner["credit"] <= times.store_fifo),
            Assert(inner["bursts._waits"] != inner["bursts.active"]),
            Assert(~under_way[-1] | (level != times.store_fifo)),
            Assert(~popped | (level != 0)),
            Assert(inner["pushes.level"] == bursts),
            Assert(bursts <= times.write_bursts),
            Assert(~taken | (inner["pushes.level"] != times.write_bursts)),
        ]
        falls(m, self.at_limit, storer.reserve)
        in_order(m, inner, times.store_fifo, "fifo.")
        flags(m, inner, times.write_bursts, "pushes.")
        kept(m, storer, "burst", "port", "beats")
        return m


class Blind(Storer):
    """Reads on without a place for what it reads."""

    def _read(self, m, walk, fifo, reading, granted, lanes, gates):
        super()._read(m, walk, fifo, reading, granted, lanes, gates)
        m.d.comb += self.port.valid.eq(reading)


@pytest.mark.slow
def test_store_credits(tmp_path):
    prove(Stores(Storer(CONFIG)), tmp_path, cycles=2, induction=1)


def test_a_storer_that_reads_without_a_place_is_refuted(tmp_path, monkeypatch):
    monkeypatch.setattr(rtl_storer, "timing", lambda config: replace(timing(config), store_fifo=2))
    with pytest.raises(Refuted):
        prove(Stores(Blind(CONFIG)), tmp_path, cycles=7)


class Fetches(wiring.Component):
    """A run of any length, popped at any moment."""

    def __init__(self, fetch):
        self._fetch = fetch
        super().__init__({
            "start": In(1), "count": In(32), "base": In(CONFIG.address_width), "ready": In(1),
            "beats": In(beats_strobe(CONFIG)), "pop": In(1),
        })  # fmt: skip

    def elaborate(self, _platform):
        m, fetch, times = Module(), self._fetch, timing(CONFIG)
        m.submodules.fetch = inner = Opened(fetch)
        begun, taken, ends = Signal(), Signal(), Signal()
        per = INSTRUCTION_BYTES // CONFIG.beat_bytes
        m.d.sync += begun.eq(1)
        m.d.comb += [
            fetch.start.eq(self.start), fetch.count.eq(self.count), fetch.base.eq(self.base),
            fetch.burst.ready.eq(self.ready), fetch.o.ready.eq(self.pop),
            fetch.beats.valid.eq(self.beats.valid), fetch.beats.payload.eq(self.beats.payload),
            taken.eq(fetch.burst.valid & self.ready), ends.eq(self.beats.valid & inner["last"]),
            Assume(begun == ~self.start),  # reset or not, what comes first is a start
            Assume(begun | ~inner["offers"]),  # what is offered in reset is none
        ]  # fmt: skip
        asked, after, most = inner["asked"], inner["after"], times.fetch_burst
        fits = inner["owed"] + asked <= times.instruction_queue
        promised = counted(
            m, "promised", times.instruction_queue * per, Mux(taken, asked * per, 0), -self.beats.valid
        )
        m.d.comb += [
            Assume(~self.beats.valid | (promised != 0)),
            Assert(inner["owed"] * per == promised + inner["beat"] + inner["queue.level"] * per),
            Assert(~begun | (asked <= most)),
            Assert(~begun | (after <= most)),
            Assert(~begun | (after == 0) | (asked == most)),
            Assert(~begun | (inner["beyond"] == 0) | (after == most)),
            Assert(~begun | (inner["offers"] == ((asked != 0) & fits))),
            Assert(begun | ((promised == 0) & (inner["owed"] == 0))),
            Assert(inner["owed"] <= times.instruction_queue),
            Assert(inner["queue.level"] <= times.instruction_queue),
            Assert(~ends | (inner["queue.level"] != times.instruction_queue)),
        ]
        in_order(m, inner, times.instruction_queue, "queue.")
        kept(m, fetch, "burst", "o")
        return m


class Greedy(Fetch):
    """Asks on while the queue is full."""

    def elaborate(self, platform):
        m = super().elaborate(platform)
        m.d.comb += self.burst.valid.eq(1)
        return m


def test_fetch_credits(tmp_path):
    prove(Fetches(Fetch(CONFIG)), tmp_path, cycles=2, induction=1)


def test_a_fetch_without_room_is_refuted(tmp_path):
    with pytest.raises(Refuted):
        prove(Fetches(Greedy(CONFIG)), tmp_path, cycles=5)
