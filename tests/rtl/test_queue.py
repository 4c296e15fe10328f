# amaranth: UnusedElaboratable=no
"""Both queues against the rule that documents them, cycle by cycle."""

import numpy as np
import pytest
from amaranth.hdl import signed
from amaranth.lib import data
from amaranth.sim import Simulator

from hwshift.rtl.queue import BlockQueue, Queue

from ..seeds import seed_of

PAIR = data.StructLayout({"a": signed(5), "b": 3})


class Fallthrough:
    """An entry pushed in cycle t is seen from t + 1 on."""

    def __init__(self, depth):
        self.depth, self.entries = depth, []

    def outputs(self):
        return len(self.entries) < self.depth, self.entries[0] if self.entries else None

    def step(self, push, pop):
        if pop:
            self.entries.pop(0)
        if push is not None:
            self.entries.append(push)


class Prefetching:
    """The memory is read when it holds an entry and the output is empty or popped; the output follows."""

    def __init__(self, depth):
        self.depth, self.stored, self.output = depth, [], None

    def outputs(self):
        return len(self.stored) < self.depth, self.output

    def step(self, push, pop):
        if self.stored and (self.output is None or pop):
            self.output = self.stored.pop(0)
        elif pop:
            self.output = None
        if push is not None:
            self.stored.append(push)


@pytest.mark.parametrize(("queue", "rule"), [(Queue, Fallthrough), (BlockQueue, Prefetching)])
@pytest.mark.parametrize("depth", [2, 3, 8])
@pytest.mark.parametrize(("idle", "stall"), [(0, 0), (0.5, 0.5), (0.1, 0.8), (0.8, 0.1)])
def test_every_cycle(queue, rule, depth, idle, stall):
    rng = np.random.default_rng(seed_of("queue", depth))
    dut, model = queue(PAIR, depth), rule(depth)
    assert (dut.depth, dut.latency) == (depth, 1 if queue is Queue else 2)

    async def bench(ctx):
        waiting = None
        for _ in range(500):
            if waiting is None and rng.random() >= idle:
                waiting = int(rng.integers(-16, 16)), int(rng.integers(8))
            ready = int(rng.random() >= stall)
            ctx.set(dut.i.valid, int(waiting is not None))
            if waiting is not None:
                ctx.set(dut.i.payload, dict(zip("ab", waiting, strict=True)))
            ctx.set(dut.o.ready, ready)
            room, head = model.outputs()
            assert ctx.get(dut.i.ready) == room
            assert ctx.get(dut.o.valid) == (head is not None)
            if head is not None:
                assert (ctx.get(dut.o.payload.a), ctx.get(dut.o.payload.b)) == head
            push = waiting if room else None
            model.step(push, head is not None and bool(ready))
            waiting = None if push is not None else waiting
            await ctx.tick()

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()


@pytest.mark.parametrize("queue", [Queue, BlockQueue])
@pytest.mark.parametrize("depth", [1, 0, 2.0])
def test_depth_is_checked(queue, depth):
    with pytest.raises(ValueError, match=f"^depth must be an integer of 2 or more, not {depth!r}$"):
        queue(8, depth)
