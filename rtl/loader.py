"""Loader: LOAD instructions to read bursts, and their data into the engine."""

from amaranth import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hwshift.config import AcceleratorConfig
from hwshift.program import isa
from hwshift.program.isa import LoadKind, Token
from hwshift.program.registers import ErrorCode
from hwshift.rtl.axi import beats_strobe, burst_layout
from hwshift.rtl.bursts import Bursts, transfer_layout
from hwshift.rtl.instruction import INSTRUCTION, layout_of
from hwshift.rtl.load_writer import LoadWriter, early_bits, job_layout, load_targets
from hwshift.rtl.pixel_walk import region_layout
from hwshift.rtl.queue import BlockQueue, Queue
from hwshift.timing import timing

__all__ = ["Loader"]


class Loader(wiring.Component):
    """Two sides that run apart: addresses, and `LoadWriter`, with a job queue and the data FIFO between them.

    Addresses: with no bursts left and the head of ``i`` there, its tokens available and room in the job queue,
    the head is popped; its first burst is asked for in the next cycle. A burst is asked for while the data FIFO
    has places for all its beats that are neither filled nor promised, so beats are never refused.

    Members
    -------
    i : stream of instructions (LOAD)
    burst : Out(stream of burst_layout)
    beats : In(beats_strobe)
    available, at_limit : In(5), pop, push : Out(5)
        Token counters above zero and at their limits; tokens taken and given. A given token is reserved in the
        same cycle.
    idle : Out(1)
        Nothing waits, no burst is left, all data has been written.
    error : Out(1), error_code : Out(8)
        The head is a LOAD of an unknown kind; it is not popped.
    port, lane_write, ktile_write, param_write, weight_write, has_room, take_room, tile_done
        See `hwshift.rtl.load_writer.load_targets`.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self._config = config
        tokens = len(Token)
        super().__init__({
            "i": In(stream.Signature(INSTRUCTION)),
            "burst": Out(stream.Signature(burst_layout(config))), "beats": In(beats_strobe(config)),
            "available": In(tokens), "at_limit": In(tokens), "pop": Out(tokens), "push": Out(tokens),
            "idle": Out(1), "error": Out(1), "error_code": Out(8), **load_targets(config),
        })  # fmt: skip

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        config, times = self._config, timing(self._config)
        m.submodules.bursts = bursts = Bursts(config)
        m.submodules.jobs = jobs = Queue(job_layout(config), times.job_queue, early_bits(config))
        m.submodules.fifo = fifo = BlockQueue(config.bus_width, times.load_fifo)
        m.submodules.writer = writer = LoadWriter(config)
        connect(m, jobs.o, writer.i)
        connect(m, fifo.o, writer.beats)
        self._connect_targets(m, writer)
        self._accept(m, bursts, jobs)
        self._ask(m, bursts, fifo)
        m.d.comb += [
            fifo.i.valid.eq(self.beats.valid), fifo.i.payload.eq(self.beats.payload),
            writer.at_limit.eq(self.at_limit), self.push.eq(writer.push),
            self.idle.eq(~(self.i.valid | bursts.active | jobs.o.valid | writer.busy)),
        ]  # fmt: skip
        return m

    def _accept(self, m: Module, bursts: Bursts, jobs: Queue) -> None:
        load = data.View(layout_of(isa.LOAD), self.i.payload)
        job = jobs.i.payload
        start = Signal()
        known = Signal()
        storage_bytes, beat_bytes = (
            (size // 8 - 1).bit_length() for size in (self._config.act.storage_bits, self._config.bus_width)
        )
        m.d.comb += [
            known.eq(load.kind <= max(LoadKind)),
            start.eq(self.i.valid & known & ~bursts.active & jobs.i.ready & ((load.pop & ~self.available) == 0)),
            self.i.ready.eq(start), jobs.i.valid.eq(start), bursts.start.eq(start),
            self.pop.eq(Mux(start, load.pop, 0)),
            job.first.eq(load.address[storage_bytes:beat_bytes]),
            self.error.eq(self.i.valid & ~known), self.error_code.eq(ErrorCode.BAD_OPCODE),
        ]  # fmt: skip
        for name in transfer_layout().members:
            m.d.comb += getattr(bursts.transfer, name).eq(getattr(load, name))
        for name in region_layout().members:
            m.d.comb += getattr(job.region, name).eq(getattr(load, name))
        for name in ("kind", "zero_code", "channels", "push", "dest", "count"):
            m.d.comb += getattr(job, name).eq(getattr(load, name))

    def _ask(self, m: Module, bursts: Bursts, fifo: BlockQueue) -> None:
        depth = timing(self._config).load_fifo
        credit = Signal(range(depth + 1), init=depth)
        asked = bursts.o.payload
        affordable = Signal()
        m.d.comb += [
            affordable.eq(credit >= asked.beats),
            self.burst.valid.eq(bursts.o.valid & affordable), self.burst.payload.eq(asked),
            bursts.o.ready.eq(self.burst.ready & affordable),
        ]  # fmt: skip
        taken, popped = self.burst.valid & self.burst.ready, fifo.o.valid & fifo.o.ready
        m.d.sync += credit.eq(credit - Mux(taken, asked.beats, 0) + popped)

    def _connect_targets(self, m: Module, writer: LoadWriter) -> None:
        connect(m, writer.port, flipped(self.port))
        connect(m, writer.lane_write, flipped(self.lane_write))
        m.d.comb += [
            self.ktile_write.eq(writer.ktile_write), self.param_write.eq(writer.param_write),
            self.weight_write.eq(writer.weight_write), writer.has_room.eq(self.has_room),
            self.take_room.eq(writer.take_room), self.tile_done.eq(writer.tile_done),
        ]  # fmt: skip
