"""Queues never overflow or underflow, keep order, and hold what they offer."""

import pytest
from amaranth import Module, Signal
from amaranth.hdl import Assert
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hwshift.rtl.queue import BlockQueue, Queue
from tests.formal.prover import Opened, Refuted, prove, stays

WIDTH = 4


class Counted(wiring.Component):
    """A queue with the number of its entries counted outside: pushes less pops."""

    def __init__(self, queue, capacity, register):
        self._queue, self._capacity, self._register = queue, capacity, register
        super().__init__({"i": In(stream.Signature(WIDTH)), "o": Out(stream.Signature(WIDTH))})

    def elaborate(self, _platform):
        m = Module()
        m.submodules.queue = opened = Opened(self._queue)
        wiring.connect(m, wiring.flipped(self.i), self._queue.i)
        wiring.connect(m, self._queue.o, wiring.flipped(self.o))
        count = Signal(range(self._capacity + 4), init=0)
        push, pop = self.i.valid & self.i.ready, self.o.valid & self.o.ready
        m.d.sync += count.eq(count + push - pop)
        held = opened[self._register] + (0 if self._register == "level" else self.o.valid)
        m.d.comb += [
            Assert(count <= self._capacity),
            Assert(count == held),
            Assert(opened[self._register] <= self._queue.depth),
            Assert(~pop | (count != 0)),
            Assert(~push | (count != self._capacity)),
        ]
        if self._register == "stored":
            left = opened["left"]
            m.d.comb += [Assert(left <= self._queue.depth), Assert(opened["some_left"] == (left != 0))]
        return m


class Overflowing(Queue):
    """Says ready one entry too long."""

    def elaborate(self, platform):
        m = super().elaborate(platform)
        full = Signal()
        m.d.sync += full.eq(~self.o.ready)
        m.d.comb += self.o.valid.eq(full)
        return m


@pytest.mark.parametrize("depth", [2, 3, 8])
def test_a_queue_counts_right(depth, tmp_path):
    prove(Counted(Queue(WIDTH, depth), depth, "level"), tmp_path, cycles=4, induction=2)


def test_a_block_queue_counts_right(tmp_path):
    prove(Counted(BlockQueue(WIDTH, 4), 5, "stored"), tmp_path, cycles=4, induction=2)


def test_a_queue_that_offers_what_it_has_not_is_refuted(tmp_path):
    with pytest.raises(Refuted):
        prove(Counted(Overflowing(WIDTH, 3), 3, "level"), tmp_path, cycles=6)


class Ordered(wiring.Component):
    """Marks any one entry; it must come out after those before it, as it went in. Offers must stay."""

    def __init__(self, queue, capacity):
        self._queue, self._capacity = queue, capacity
        super().__init__({"i": In(stream.Signature(WIDTH)), "o": Out(stream.Signature(WIDTH)), "mark": In(1)})

    def elaborate(self, _platform):
        m = Module()
        m.submodules.queue = self._queue
        wiring.connect(m, wiring.flipped(self.i), self._queue.i)
        wiring.connect(m, self._queue.o, wiring.flipped(self.o))
        count, ahead = Signal(range(self._capacity + 2)), Signal(range(self._capacity + 2))
        marked, data = Signal(2), Signal(WIDTH)
        push, pop = self.i.valid & self.i.ready, self.o.valid & self.o.ready
        m.d.sync += count.eq(count + push - pop)
        with m.If((marked == 0) & push & self.mark):
            m.d.sync += [marked.eq(1), data.eq(self.i.payload), ahead.eq(count - pop)]
        with m.If((marked == 1) & pop):
            m.d.sync += ahead.eq(ahead - 1)
            with m.If(ahead == 0):
                m.d.sync += marked.eq(2)
                m.d.comb += Assert(self.o.payload == data)
        stays(m, self.o.valid, self.o.ready, self.o.payload, "o")
        return m


class Careless(BlockQueue):
    """Reads on while its output is stalled."""

    def elaborate(self, _platform):
        m = Module()
        m.submodules.inner = inner = BlockQueue(self._shape, self._depth)
        wiring.connect(m, wiring.flipped(self.i), inner.i)
        m.d.comb += [
            self.o.valid.eq(inner.o.valid), self.o.payload.eq(inner.o.payload), inner.o.ready.eq(1),
        ]  # fmt: skip
        return m


@pytest.mark.parametrize("queue, depth, cycles", [
    (Queue(WIDTH, 2), 2, 9), (Queue(WIDTH, 3), 3, 9), (Queue(WIDTH, 2, 2), 2, 9), (Queue(WIDTH, 3, WIDTH), 3, 9),
    (BlockQueue(WIDTH, 2), 2, 9),
], ids=["2", "3", "2-early", "3-early", "block"])  # fmt: skip
def test_entries_come_out_in_order(queue, depth, cycles, tmp_path):
    prove(Ordered(queue, depth + 1), tmp_path, cycles=cycles)


def test_a_queue_that_drops_entries_is_refuted(tmp_path):
    with pytest.raises(Refuted):
        prove(Ordered(Careless(WIDTH, 2), 3), tmp_path, cycles=6)
