"""Storer: STORE instructions from the shift buffer to write bursts."""

from amaranth import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hwshift.config import AcceleratorConfig
from hwshift.golden.formats import MANTISSA_BITS
from hwshift.golden.scale import GATE_SHIFT
from hwshift.program import isa
from hwshift.program.isa import Token
from hwshift.rtl.axi import burst_layout
from hwshift.rtl.bursts import Bursts, transfer_layout
from hwshift.rtl.delay import delay
from hwshift.rtl.instruction import INSTRUCTION, layout_of
from hwshift.rtl.interfaces import act_shape, store_request
from hwshift.rtl.pixel_walk import PixelWalk, region_layout
from hwshift.rtl.queue import Queue
from hwshift.timing import timing

__all__ = ["Storer"]


class Storer(wiring.Component):
    """Reads a map from port B, a beat per cycle, and asks for the bursts that write it.

    With no place left to read and no burst left to ask for, the head of ``i`` is popped when its tokens are
    available; reads and bursts begin in the next cycle and run apart. A read granted in cycle t is in the data FIFO
    for t + 1 + ``timing.store_data``; reads are made while the FIFO has places neither filled nor promised. The last
    burst of an instruction reserves the tokens that it pushes, and waits while one is at its limit; its response
    pushes them.

    With ``gates`` (if the configuration has them) a vector goes out as epilogue parameters of its R channels.

    Members
    -------
    i : stream of instructions (STORE)
    port : Out(stream of store_request), store_data : In(array [R] of activations)
        Port B; data ``timing.store_data`` cycles after the grant.
    burst : Out(stream of burst_layout), beats : Out(stream of beats), responded : In(1)
        The write master; responses come in the order of the bursts.
    available, at_limit : In(5), pop, reserve, push : Out(5)
        Token counters above zero and at their limits; tokens taken, promised and given.
    idle : Out(1)
        Nothing waits, and every burst has its response.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self._config = config
        tokens = len(Token)
        super().__init__({
            "i": In(stream.Signature(INSTRUCTION)),
            "port": Out(stream.Signature(store_request(config))),
            "store_data": In(data.ArrayLayout(act_shape(config), config.rows)),
            "burst": Out(stream.Signature(burst_layout(config))), "beats": Out(stream.Signature(config.bus_width)),
            "responded": In(1),
            "available": In(tokens), "at_limit": In(tokens),
            "pop": Out(tokens), "reserve": Out(tokens), "push": Out(tokens), "idle": Out(1),
        })  # fmt: skip

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        m.submodules.bursts = bursts = Bursts(self._config)
        m.submodules.walk = walk = PixelWalk(self._config)
        m.submodules.fifo = fifo = Queue(self._config.bus_width, timing(self._config).store_fifo)
        m.submodules.pushes = pushes = Queue(len(Token), timing(self._config).write_bursts)
        connect(m, fifo.o, flipped(self.beats))
        reading = Signal()
        start = Signal()
        granted = Signal()
        store = data.View(layout_of(isa.STORE), self.i.payload)
        m.d.comb += [
            start.eq(self.i.valid & ~reading & ~bursts.active & ((store.pop & ~self.available) == 0)),
            self.i.ready.eq(start), bursts.start.eq(start), self.pop.eq(Mux(start, store.pop, 0)),
            walk.start.eq(~reading), walk.advance.eq(granted | ~reading),  # its registers need not wait for start
            walk.last_beat.eq(self._last_beat(store)),
            self.idle.eq(~(self.i.valid | reading | bursts.active | pushes.o.valid)),
        ]  # fmt: skip
        for name in transfer_layout().members:
            m.d.comb += getattr(bursts.transfer, name).eq(getattr(store, name))
        for name in region_layout().members:
            m.d.comb += getattr(walk.region, name).eq(getattr(store, name))
        lanes = Signal.like(store.last_lanes)
        push = Signal.like(store.push)
        gates: Value = Const(0)
        with m.If(start):
            m.d.sync += [reading.eq(1), lanes.eq(store.last_lanes), push.eq(store.push)]
            if self._config.gates:
                gates = Signal()
                m.d.sync += gates.eq(store.gates)
        with m.Elif(granted & walk.last):
            m.d.sync += reading.eq(0)
        self._read(m, walk, fifo, reading, granted, lanes, gates)
        self._ask(m, bursts, pushes, push)
        return m

    def _last_beat(self, store: data.View) -> Value:
        vector = Const(self._config.vector_beats - 1)
        return Mux(store.gates, self._config.gate_beats - 1, vector) if self._config.gates else vector

    def _read(
        self,
        m: Module,
        walk: PixelWalk,
        fifo: Queue,
        reading: Signal,
        granted: Signal,
        lanes: Signal,
        gates: Value,
    ) -> None:
        """One beat per grant, its data ``late`` cycles later; one later ``lanes``, ``gates`` are still its own."""
        config = self._config
        late = timing(config).store_data
        credit = Signal(range(fifo.depth + 1), init=fifo.depth)
        m.d.comb += [
            self.port.valid.eq(reading & (credit != 0)), self.port.payload.eq(walk.place),
            granted.eq(self.port.valid & self.port.ready), fifo.i.valid.eq(delay(m, granted, late, "granted")),
        ]  # fmt: skip
        m.d.sync += credit.eq(credit - granted + (fifo.o.valid & fifo.o.ready))
        beat = delay(m, walk.beat, late, "beat", reset_less=True)
        masked = delay(m, walk.last_slot, 1, "last_slot", reset_less=True)
        own = lanes | (~masked).replicate(config.rows)
        there = delay(m, own, late - 1, "there", reset_less=True)
        elements = data.View(data.ArrayLayout(config.act.storage_bits, config.beat_elements), fifo.i.payload)
        vector = [Mux(there[bank], self.store_data[bank], 0) for bank in range(config.rows)]
        with m.Switch(beat):
            for index in range(config.vector_beats):
                with m.Case(index):
                    for element in range(config.beat_elements):
                        m.d.comb += elements[element].eq(vector[index * config.beat_elements + element])
        if config.gates:
            with m.If(delay(m, gates, late - 1, "gates", reset_less=True)), m.Switch(beat):
                for index, value in enumerate(gate_beats(vector, config)):
                    with m.Case(index):
                        m.d.comb += fifo.i.payload.eq(value)

    def _ask(self, m: Module, bursts: Bursts, pushes: Queue, push: Signal) -> None:
        asked = bursts.o.payload
        may = Signal()
        taken = self.burst.valid & self.burst.ready
        m.d.comb += [
            may.eq(~(asked.last & (push & self.at_limit).any())),
            self.burst.valid.eq(bursts.o.valid & may), self.burst.payload.eq(asked),
            bursts.o.ready.eq(self.burst.ready & may),
            self.reserve.eq(Mux(taken & asked.last, push, 0)),
            pushes.i.valid.eq(taken), pushes.i.payload.eq(self.reserve),
            pushes.o.ready.eq(self.responded), self.push.eq(Mux(self.responded, pushes.o.payload, 0)),
        ]  # fmt: skip


def gate_beats(vector: list[Value], config: AcceleratorConfig) -> list[Value]:
    """A vector of R activations as epilogue parameters: the beats of R / C tiles."""
    entries = [_gate_entry(value, config) for value in vector]
    beats = []
    for first in range(0, config.rows, config.columns):
        row = Cat(entries[first : first + config.columns])
        beats += [row[low : low + config.bus_width]
                  for low in range(0, config.param_beats * config.bus_width, config.bus_width)]  # fmt: skip
    return beats


def _gate_entry(value: Value, config: AcceleratorConfig) -> Value:
    """PARAM of a scale that is the value: its code at 16 fraction bits as m."""
    offsets, drop = isa.PARAM_ENTRY.offsets, config.act.n - GATE_SHIFT
    code = value[drop:].as_signed() if drop >= 0 else value << -drop
    m = Cat(code, code[-1].replicate(MANTISSA_BITS))[:MANTISSA_BITS]
    low = Const(0, offsets["scale"])
    middle = Const(0, offsets["shift"] - offsets["scale"] - MANTISSA_BITS)
    return Cat(low, m, middle, Const(GATE_SHIFT, isa.PARAM_ENTRY.bits - offsets["shift"]))
