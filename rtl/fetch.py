"""Fetch: instructions from memory, ahead of dispatch."""

from amaranth import Cat, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hwshift.config import AcceleratorConfig
from hwshift.program.isa import INSTRUCTION_BYTES
from hwshift.rtl.axi import beats_strobe, burst_layout
from hwshift.rtl.bursts import exceeds
from hwshift.rtl.instruction import EARLY, INSTRUCTION
from hwshift.rtl.queue import Queue
from hwshift.timing import timing

__all__ = ["Fetch"]


class Fetch(wiring.Component):
    """Asks for bursts of up to ``timing.fetch_burst`` instructions while the queue has room for them.

    The first burst is asked for in the cycle after the last with ``start``. What ``start`` loads is no part of a
    reset, so both may be 1; from the second cycle of a row on they must be, since a burst is offered then. Beats are
    taken whenever they come; an instruction whose last beat comes in cycle t can be popped from t + 1 on.

    Members
    -------
    start : In(1), base : In(address_width), count : In(32)
        Begin; in a row of such cycles, in the last; all has been popped. ``base`` is a multiple of 256; lower bits
        are ignored.
    burst : Out(stream of burst_layout)
    beats : In(beats_strobe)
    o : stream of instructions
    exhausted : Out(1)
        Nothing is left to fetch or to pop.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self._config = config
        super().__init__({
            "start": In(1), "base": In(config.address_width), "count": In(32),
            "burst": Out(stream.Signature(burst_layout(config))), "beats": In(beats_strobe(config)),
            "o": Out(stream.Signature(INSTRUCTION)), "exhausted": Out(1),
        })  # fmt: skip

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        times = timing(self._config)
        m.submodules.queue = queue = Queue(INSTRUCTION, times.instruction_queue, EARLY)
        wiring.connect(m, queue.o, wiring.flipped(self.o))
        # instructions of the next burst, of the one after it, and behind both
        asked, after = (
            Signal(range(times.fetch_burst + 1), name=name, reset_less=True) for name in ("asked", "after")
        )
        beyond = Signal(32, reset_less=True)
        taken = Signal()
        self._count(m, asked, after, taken)
        with m.If(self.start):
            m.d.sync += [
                asked.eq(_first(self.count, times.fetch_burst)),
                after.eq(_second(self.count, times.fetch_burst)),
                beyond.eq(_rest(self.count, 2 * times.fetch_burst)),
            ]  # fmt: skip
        with m.Elif(taken):
            m.d.sync += [
                asked.eq(after), after.eq(_first(beyond, times.fetch_burst)),
                beyond.eq(_rest(beyond, times.fetch_burst)),
            ]  # fmt: skip
        self._address(m, asked, taken, after)
        self._collect(m, queue)
        return m

    def _count(self, m: Module, asked: Signal, after: Signal, taken: Signal) -> None:
        """The instructions that are owed, and whether those of the next burst would have a place: a register."""
        places = timing(self._config).instruction_queue
        owed = Signal(range(places + 1))  # asked for and not popped
        more = Signal(range(2 * places))
        offers = Signal(reset_less=True)
        popped = Signal()
        m.d.comb += [
            self.burst.valid.eq(offers), taken.eq(self.burst.valid & self.burst.ready),
            popped.eq(self.o.valid & self.o.ready), more.eq(owed + asked),
            self.exhausted.eq((asked == 0) & (owed == 0)),
        ]  # fmt: skip

        def fits(total: Value) -> Value:
            return Mux(popped, total <= places + 1, total <= places)

        then = Mux(taken, (after != 0) & fits(more + after), (asked != 0) & fits(more))
        m.d.sync += [
            owed.eq(Mux(taken, Mux(popped, more - 1, more), Mux(popped, owed - 1, owed))),
            offers.eq(Mux(self.start, self.count != 0, then)),
        ]  # fmt: skip

    def _address(self, m: Module, asked: Signal, taken: Signal, after: Signal) -> None:
        burst = self.burst.payload
        block = timing(self._config).fetch_burst * INSTRUCTION_BYTES
        split = (block - 1).bit_length()
        # bursts before the last are whole blocks, so the address counts blocks; one bit more: beyond the bus
        address = Signal(self._config.address_width - split + 1, reset_less=True)
        with m.If(self.start):
            m.d.sync += address.eq(self.base[split:])
        with m.Elif(taken):
            m.d.sync += address.eq((address + 1) | (address[-1] << (len(address) - 1)))
        m.d.comb += [
            burst.address.eq(address[:-1] << split), burst.beyond.eq(address[-1]),
            burst.beats.eq(asked * (INSTRUCTION_BYTES // self._config.beat_bytes)),
            burst.last.eq(after == 0),
        ]  # fmt: skip

    def _collect(self, m: Module, queue: Queue) -> None:
        """The last beat of an instruction pushes it, together with those that came before."""
        count = INSTRUCTION_BYTES // self._config.beat_bytes
        word = self.beats.payload
        last = Signal(init=count == 1)
        if count > 1:
            before = Signal((count - 1) * self._config.bus_width)
            beat = Signal(range(count))
            m.d.comb += last.eq(beat == count - 1)
            with m.If(self.beats.valid):
                m.d.sync += [
                    before.eq(Cat(before, word)[self._config.bus_width :]),
                    beat.eq(Mux(last, 0, beat + 1)),
                ]
            word = Cat(before, word)
        m.d.comb += [queue.i.valid.eq(self.beats.valid & last), queue.i.payload.eq(word)]


def _first(count: Value, most: int) -> Value:
    """At most so many of them."""
    return Mux(exceeds(count, most), most, count)


def _rest(count: Value, most: int) -> Value:
    """Those behind the first so many."""
    return Mux(exceeds(count, most), count - most, 0)


def _second(count: Value, most: int) -> Value:
    """At most so many of those behind the first so many."""
    some = Mux(exceeds(count, most), (count - most)[: most.bit_length()], 0)
    return Mux(exceeds(count, 2 * most), most, some)
