"""Queues: every FIFO of the engine is one of these two."""

from amaranth import Cat, Module, Mux, ShapeLike, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

__all__ = ["BlockQueue", "Queue", "stepped"]


def _next(pointer: Signal, depth: int) -> Mux:
    """The place after ``pointer`` in a ring of ``depth`` places."""
    return Mux(pointer == depth - 1, 0, pointer + 1)


def stepped(count: Value, up: Value, down: Value) -> Value:
    """``count + up - down`` for counts that stay in range, with both neighbours ready before the strobes are."""
    return Mux(up == down, count, Mux(up, count + 1, count - 1))[: len(count)]


def _above_zero(count: Value, up: Value, down: Value) -> Value:
    """Whether ``stepped`` is above 0, ready as early."""
    return Mux(up == down, count != 0, up | (count != 1))


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
    early : int
        So many low bits of the entry at the head are in registers, since decisions follow from them.

    Members
    -------
    i, o : streams of ``shape``
    """

    latency = 1

    def __init__(self, shape: ShapeLike, depth: int, early: int = 0) -> None:
        self._early = early
        super().__init__(shape, depth)

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        m.submodules.entries = entries = Memory(shape=self._shape, depth=self._depth, init=[])
        # asynchronous: the entry at the head is there in the cycle after it was pushed
        write = entries.write_port()
        read = entries.read_port(domain="comb")
        level = Signal(range(self._depth + 1))
        push = Signal()
        pop = Signal()
        room = Signal(init=1)
        some = Signal()
        m.d.comb += [
            self.i.ready.eq(room), push.eq(self.i.valid & room), self.o.valid.eq(some), pop.eq(some & self.o.ready),
            write.en.eq(push), write.data.eq(self.i.payload), self.o.payload.eq(read.data),
        ]  # fmt: skip
        if self._early:
            early = self._early_bits(m, level, push, pop)
            m.d.comb += Value.cast(self.o.payload).eq(Cat(early, Value.cast(read.data)[self._early :]))
        m.d.sync += [
            level.eq(stepped(level, push, pop)),
            room.eq(Mux(push == pop, level != self._depth, pop | (level != self._depth - 1))),
            some.eq(_above_zero(level, push, pop)),
        ]  # fmt: skip
        with m.If(push):
            m.d.sync += write.addr.eq(_next(write.addr, self._depth))
        with m.If(pop):
            m.d.sync += read.addr.eq(_next(read.addr, self._depth))
        return m

    def _early_bits(self, m: Module, level: Signal, push: Signal, pop: Signal) -> Signal:
        """Low bits of the head: a register that takes those of the entry behind it, or of what is pushed."""
        m.submodules.behind = behind = Memory(shape=self._early, depth=self._depth, init=[])
        write, read = behind.write_port(), behind.read_port(domain="comb")
        bits = Value.cast(self.i.payload)[: self._early]
        early = Signal(self._early, reset_less=True)
        few = Signal(init=1)  # at most one entry
        place = Signal(range(self._depth), init=1)  # behind the head
        m.d.comb += [write.en.eq(push), write.data.eq(bits), read.addr.eq(place)]
        m.d.sync += few.eq(Mux(push == pop, level <= 1, Mux(push, level == 0, level <= 2)))
        with m.If(push):
            m.d.sync += write.addr.eq(_next(write.addr, self._depth))
        with m.If(pop):
            m.d.sync += place.eq(_next(place, self._depth))
        with m.If(pop | (level == 0)):
            m.d.sync += early.eq(Mux(few, bits, read.data))
        return early


class BlockQueue(_Fifo):
    """A FIFO in block RAM that reads ahead into registers.

    Latency 2: an entry pushed into an empty queue in cycle t can be popped from t + 2 on. One push and one pop
    per cycle. An entry goes to the output register when that is empty or popped, and that frees its place
    from the next cycle on. No combinational path leads from one side to the other, and none from the memory out:
    it is read a cycle ahead, or what is pushed goes around it. Nor does the memory's side wait for pops: behind the
    output register is another, for an entry that was read before it could go on.

    Parameters
    ----------
    shape : ShapeLike
        Of an entry.
    depth : int
        Entries behind the output register, at least 2.

    Members
    -------
    i, o : streams of ``shape``
    """

    latency = 2

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        m.submodules.entries = entries = Memory(shape=self._shape, depth=self._depth, init=[])
        write, read = entries.write_port(), entries.read_port(transparent_for=())
        left = Signal(range(self._depth + 1))  # in the memory
        some_left = Signal()
        push = Signal()
        fetch = Signal()  # an entry leaves the memory
        head = Signal(range(self._depth))
        tail = Signal(range(self._depth))
        late = Signal(self._shape, reset_less=True)  # what was pushed ...
        around = Signal()  # ... and it is the next one
        m.d.comb += [
            push.eq(self.i.valid & self.i.ready),
            write.en.eq(push), write.addr.eq(tail), write.data.eq(self.i.payload),
            read.en.eq(1), read.addr.eq(Mux(fetch, _next(head, self._depth), head)),
        ]  # fmt: skip
        m.d.sync += [
            Value.cast(late).eq(Value.cast(self.i.payload)),
            around.eq(push & Mux(fetch, _next(head, self._depth) == tail, head == tail)),
            left.eq(stepped(left, push, fetch)),
            some_left.eq(_above_zero(left, push, fetch)),
        ]  # fmt: skip
        with m.If(push):
            m.d.sync += tail.eq(_next(tail, self._depth))
        with m.If(fetch):
            m.d.sync += head.eq(_next(head, self._depth))
        fetched = Mux(around, Value.cast(late), Value.cast(read.data))
        self._offer(m, left, some_left, fetch, fetched)
        return m

    def _offer(self, m: Module, left: Signal, some_left: Signal, fetch: Signal, fetched: Value) -> None:
        """The output register, and the one for an entry that was fetched before the output could take it."""
        spare, output = (
            Signal(self._shape, name=name, reset_less=True) for name in ("spare", "output_register")
        )
        ahead = Signal()  # there is one
        stored = Signal(range(self._depth + 1))
        room = Signal()
        some = Signal()
        moves = Signal()
        m.d.comb += [
            stored.eq(left + ahead), room.eq(stored != self._depth), some.eq(some_left | ahead),
            self.i.ready.eq(room), fetch.eq(some_left & ~ahead), moves.eq(some & (~self.o.valid | self.o.ready)),
            Value.cast(self.o.payload).eq(Value.cast(output)),
        ]  # fmt: skip
        m.d.sync += [
            ahead.eq(~moves & some), self.o.valid.eq(moves | (self.o.valid & ~self.o.ready)),
        ]  # fmt: skip
        with m.If(~ahead):
            m.d.sync += Value.cast(spare).eq(fetched)
        with m.If(moves):
            m.d.sync += Value.cast(output).eq(Mux(ahead, Value.cast(spare), fetched))
