"""Queues: every FIFO of the engine is one of these two."""

from amaranth import Module, Mux, ShapeLike, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

__all__ = ["BlockQueue", "Queue"]


def _next(pointer: Signal, depth: int) -> Mux:
    """The place after ``pointer`` in a ring of ``depth`` places."""
    return Mux(pointer == depth - 1, 0, pointer + 1)


class _Fifo(wiring.Component):
    """What both queues are from outside."""

    def __init__(self, shape: ShapeLike, depth: int) -> None:
        if not isinstance(depth, int) or depth < 2:
            raise ValueError(f"depth must be an integer of 2 or more, not {depth!r}")
        self._shape, self._depth = shape, depth
        super().__init__({"i": In(stream.Signature(shape)), "o": Out(stream.Signature(shape))})

    @property
    def depth(self) -> int:
        """Entries its memory holds."""
        return self._depth


class Queue(_Fifo):
    """A FIFO in registers or distributed RAM.

    Latency 1: an entry pushed in cycle t can be popped from t + 1 on. One push and one pop per cycle. A pop in
    cycle t frees its place from t + 1 on; no combinational path leads from one side to the other.

    Parameters
    ----------
    shape : ShapeLike
        Of an entry.
    depth : int
        Entries it holds, at least 2.

    Members
    -------
    i, o : streams of ``shape``
    """

    latency = 1

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        m.submodules.entries = entries = Memory(shape=self._shape, depth=self._depth, init=[])
        # asynchronous: the entry at the head is there in the cycle after it was pushed
        write = entries.write_port()
        read = entries.read_port(domain="comb")
        level = Signal(range(self._depth + 1))
        push, pop = Signal(), Signal()
        m.d.comb += [
            self.i.ready.eq(level != self._depth), push.eq(self.i.valid & self.i.ready),
            self.o.valid.eq(level != 0), pop.eq(self.o.valid & self.o.ready),
            write.en.eq(push), write.data.eq(self.i.payload), self.o.payload.eq(read.data),
        ]  # fmt: skip
        m.d.sync += level.eq(level + push - pop)
        with m.If(push):
            m.d.sync += write.addr.eq(_next(write.addr, self._depth))
        with m.If(pop):
            m.d.sync += read.addr.eq(_next(read.addr, self._depth))
        return m


class BlockQueue(_Fifo):
    """A FIFO in block RAM that reads ahead into the memory's output register.

    Latency 2: an entry pushed into an empty queue in cycle t can be popped from t + 2 on. One push and one pop
    per cycle. The memory is read when it holds an entry and the output register is empty or popped, and that
    frees the entry's place from the next cycle on. No combinational path leads from one side to the other.

    Parameters
    ----------
    shape : ShapeLike
        Of an entry.
    depth : int
        Entries the memory holds, at least 2; the output register holds one more.

    Members
    -------
    i, o : streams of ``shape``
    """

    latency = 2

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        m.submodules.entries = entries = Memory(shape=self._shape, depth=self._depth, init=[])
        write, read = entries.write_port(), entries.read_port(transparent_for=())
        stored = Signal(range(self._depth + 1))
        push, fetch = Signal(), Signal()
        head, tail = Signal(range(self._depth)), Signal(range(self._depth))
        m.d.comb += [
            self.i.ready.eq(stored != self._depth), push.eq(self.i.valid & self.i.ready),
            fetch.eq((stored != 0) & (~self.o.valid | self.o.ready)),
            write.en.eq(push), write.addr.eq(tail), write.data.eq(self.i.payload),
            read.en.eq(fetch), read.addr.eq(head), self.o.payload.eq(read.data),
        ]  # fmt: skip
        m.d.sync += [
            stored.eq(stored + push - fetch),
            self.o.valid.eq(fetch | (self.o.valid & ~self.o.ready)),
        ]
        with m.If(push):
            m.d.sync += tail.eq(_next(tail, self._depth))
        with m.If(fetch):
            m.d.sync += head.eq(_next(head, self._depth))
        return m
