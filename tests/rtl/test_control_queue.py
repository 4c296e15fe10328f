"""Tests of the control port while a run goes on: runs that wait for it, snapshots of its counters."""

from hwshift.program.counters import Cause
from hwshift.program.registers import ErrorCode
from hwshift.rtl.axi_lite import OKAY, SLVERR
from hwshift.timing import COMMAND_QUEUE

from .control_bus import (
    DONE,
    OFFSET,
    QUEUE,
    SNAPSHOT,
    SOFT_RESET,
    START,
    numbers,
    on_control,
    request,
    set_up,
    settings,
    start,
)

# -- runs that wait --------------------------------------------------------------------------------


@on_control
async def test_runs_that_wait_start_two_cycles_after_the_one_before(ctx, dut, bus):
    """In order, each with its settings and counters; without one more word from the host."""
    await bus.write("IRQ_ENABLE", DONE)
    for run in range(1 + COMMAND_QUEUE):
        await set_up(bus, run)
        assert await bus.write("CONTROL", QUEUE) == OKAY
        waiting = {"queued": run} if run else {}
        assert await bus.status() == {"busy": 1} | waiting
    await set_up(bus, 15)
    assert await bus.write("CONTROL", QUEUE) == SLVERR
    assert await bus.write("CONTROL", START) == SLVERR
    assert await bus.status() == {"busy": 1, "refused": 1, "queued": COMMAND_QUEUE}
    for run in range(1 + COMMAND_QUEUE):
        assert ctx.get(dut.running) and settings(ctx, dut.settings) == numbers(run)
        ctx.set(dut.done, 1)
        await ctx.tick()
        ctx.set(dut.done, 0)
        await ctx.delay(0)
        assert (ctx.get(dut.running), ctx.get(dut.reset_engine), ctx.get(dut.start), ctx.get(dut.irq)) == (
            0,
            1,
            0,
            1,
        )
        await ctx.tick()
        last = run == COMMAND_QUEUE
        assert (ctx.get(dut.reset_engine), ctx.get(dut.start)) == (1, int(not last))
        if not last:
            assert settings(ctx, dut.next) == numbers(run + 1)
        await ctx.tick()
        assert ctx.get(dut.running) == (not last)
        ctx.set(dut.cause, Cause.TAIL)
        await ctx.tick().repeat(run + 1)
    assert await bus.status() == {"done": 1}
    assert await bus.value("RUNS") == 1 + COMMAND_QUEUE
    assert await bus.counters() == {"total": COMMAND_QUEUE + 1, "tail": COMMAND_QUEUE + 1}


@on_control
async def test_a_queued_run_starts_at_once_if_none_goes_on(ctx, dut, bus):
    await set_up(bus, 3)
    await request(ctx, dut, bus, QUEUE)
    assert ctx.get(dut.start) and settings(ctx, dut.next) == numbers(3)
    await ctx.tick()
    assert ctx.get(dut.running) and settings(ctx, dut.settings) == numbers(3)


async def _fill(ctx, bus, dut):
    await start(ctx, dut, bus)
    await ctx.tick()
    ctx.set(dut.s_axi.bready, 0)
    for _ in range(2):
        assert await bus.write("CONTROL", QUEUE) == OKAY


@on_control
async def test_an_error_drops_what_waits(ctx, dut, bus):
    await _fill(ctx, bus, dut)
    ctx.set(dut.error, 1)
    ctx.set(dut.error_code, ErrorCode.BAD_OPCODE)
    await ctx.tick()
    ctx.set(dut.error, 0)
    await ctx.tick()
    assert await bus.status() == {"busy": 1, "halting": 1, "error": ErrorCode.BAD_OPCODE}
    assert await bus.write("CONTROL", QUEUE) == SLVERR
    ctx.set(dut.drained, 1)
    await ctx.tick().repeat(10)
    assert ctx.get(dut.reset_engine)
    assert await bus.status() == {"refused": 1, "error": ErrorCode.BAD_OPCODE}
    assert await bus.value("RUNS") == 0


@on_control
async def test_a_soft_reset_drops_what_waits(ctx, dut, bus):
    await _fill(ctx, bus, dut)
    assert await bus.write("CONTROL", SOFT_RESET | QUEUE) == OKAY
    ctx.set(dut.drained, 1)
    await ctx.tick().repeat(10)
    assert ctx.get(dut.reset_engine) and await bus.status() == {"aborted": 1}


@on_control
async def test_a_soft_reset_between_two_runs_drops_the_second(ctx, dut, bus):
    """Its write takes place in the cycle in which the second would start."""
    await _fill(ctx, bus, dut)
    await bus.send("aw", awaddr=OFFSET["CONTROL"])
    ctx.set(dut.s_axi.bready, 1)
    ctx.set(dut.s_axi.wvalid, 1)
    ctx.set(dut.s_axi.wdata, SOFT_RESET)
    ctx.set(dut.s_axi.wstrb, 1)
    ctx.set(dut.done, 1)
    await ctx.tick()  # the run's last cycle
    ctx.set(dut.s_axi.wvalid, 0)
    ctx.set(dut.done, 0)
    await ctx.tick().repeat(12)
    assert ctx.get(dut.reset_engine) and not ctx.get(dut.start)
    ctx.set(dut.s_axi.bready, 0)
    assert "busy" not in await bus.status()


# -- snapshot --------------------------------------------------------------------------------------


@on_control
async def test_snapshot(ctx, dut, bus):
    """All counters as they were before the cycle of the write; they stay while the run counts on."""
    ctx.set(dut.cause, Cause.DRAIN)
    ctx.set(dut.events, {"steps": 1})
    await start(ctx, dut, bus)  # in cycle 0
    ctx.set(dut.s_axi.bready, 0)
    assert await bus.counters() == {}
    before = None
    for _ in range(3):
        await bus.write("CONTROL", SNAPSHOT)
        first = await bus.counters()
        assert first["total"] == first["drain"] == first["steps"] > 0
        assert await bus.counters() == first
        assert before is None or first["total"] > before["total"]
        before = first
    ctx.set(dut.done, 1)
    await ctx.tick()
    ctx.set(dut.done, 0)
    await ctx.tick()
    last = await bus.counters()
    assert last["total"] == last["drain"] == last["steps"] > before["total"]
    await bus.write("CONTROL", SNAPSHOT)  # outside of a run nothing changes
    assert await bus.counters() == last


@on_control
async def test_snapshot_of_a_cycle(ctx, dut, bus):
    """Written in cycle n, it shows cycles 0 to n - 1."""
    await request(ctx, dut, bus, START)
    for channel, fields in (("aw", {"awaddr": OFFSET["CONTROL"]}), ("w", {"wdata": SNAPSHOT, "wstrb": 1})):
        ctx.set(getattr(dut.s_axi, f"{channel}valid"), 1)
        for name, value in fields.items():
            ctx.set(getattr(dut.s_axi, name), value)
    await ctx.tick()  # cycle 0: both are taken in the first cycle in which the slave is free
    written = None
    for cycle in range(12):
        if written is None and ctx.get(dut.s_axi.awready):
            written = cycle + 2  # the write takes place two cycles after it was accepted
            await ctx.tick()
            ctx.set(dut.s_axi.awvalid, 0)
            ctx.set(dut.s_axi.wvalid, 0)
        else:
            await ctx.tick()
    ctx.set(dut.s_axi.bready, 0)
    assert (await bus.counters())["total"] == written
