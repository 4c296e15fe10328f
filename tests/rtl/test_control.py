"""Tests of the control port: registers, the run's beginning and end, counters."""

from hwshift.program.counters import Cause
from hwshift.program.isa import ISA_VERSION
from hwshift.program.registers import APERTURE, REGISTERS, Access, ErrorCode
from hwshift.rtl.axi_lite import OKAY, SLVERR
from hwshift.rtl.control import event_layout

from ..seeds import python_random
from .control_bus import (
    ABORTED,
    CONFIG,
    DONE,
    ERROR,
    OFFSET,
    SOFT_RESET,
    START,
    numbers,
    on_control,
    request,
    set_up,
    settings,
    start,
)

# -- registers -------------------------------------------------------------------------------------


@on_control
async def test_values_after_reset(_ctx, _dut, bus):
    fixed = {"ISA_VERSION": ISA_VERSION, "CONFIG_HASH": CONFIG.hash}
    for item in REGISTERS:
        assert await bus.read(item.offset) == (fixed.get(item.name, item.reset), OKAY), item.name


@on_control
async def test_unmapped_addresses(_ctx, _dut, bus):
    known = {item.offset for item in REGISTERS}
    unknown = [0x60, max(known) + 4, APERTURE - 4]
    assert not known & set(unknown)
    for offset in unknown:
        assert await bus.read(offset) == (0, SLVERR)
        assert await bus.write(offset, 1) == SLVERR


@on_control
async def test_writes(_ctx, _dut, bus):
    """Read-only registers refuse; others keep the bits that have storage; strobes select bytes."""
    for item in REGISTERS:
        before = await bus.value(item.name)
        if item.access is Access.RO:
            assert await bus.write(item.name, before ^ 1) == SLVERR
            assert await bus.value(item.name) == before
        elif item.access is Access.RW:
            wide = 0xFF if item.name.endswith("_HI") else item.mask  # 40 address bits
            assert await bus.write(item.name, 0xFFFFFFFF) == OKAY
            assert await bus.value(item.name) == wide
            assert await bus.write(item.name, 0, 0b0010) == OKAY
            assert await bus.value(item.name) == wide & 0xFFFF00FF
    assert await bus.value("CONTROL") == 0


@on_control
async def test_settings(ctx, dut, bus):
    """Those of the run stay while the host writes others; in the cycle of start they are there early."""
    await set_up(bus, 1)
    await request(ctx, dut, bus, START)
    assert ctx.get(dut.start) and settings(ctx, dut.next) == numbers(1)
    await ctx.tick()
    assert settings(ctx, dut.settings) == numbers(1)
    await ctx.tick()
    ctx.set(dut.s_axi.bready, 0)
    await set_up(bus, 2)
    assert settings(ctx, dut.settings) == numbers(1)
    assert await bus.write("WATCHDOG", 1 << 20) == OKAY
    assert await bus.value("WATCHDOG") == 1 << 20


# -- runs ------------------------------------------------------------------------------------------


async def play(ctx, dut, script):
    """One cycle per entry: (cause, events)."""
    for cause, events in script:
        ctx.set(dut.cause, cause)
        ctx.set(dut.events, events)
        await ctx.tick()
    ctx.set(dut.events, {})


@on_control
async def test_run(ctx, dut, bus):
    """Cycles are counted from cycle 0 to the one of done; irq rises in the next."""
    rng = python_random(1)
    names = list(event_layout().members)
    await bus.write("IRQ_ENABLE", DONE)
    for length in (1, 2, 50):
        ctx.set(dut.cause, Cause.TAIL)
        ctx.set(dut.events, dict.fromkeys(names, 1))  # outside of runs nothing counts
        assert ctx.get(dut.reset_engine)
        await start(ctx, dut, bus)
        script = [
            (rng.choice(list(Cause)), {name: rng.getrandbits(1) for name in names}) for _ in range(length)
        ]
        expected = {"total": length}
        for cause, events in script:
            for name in (cause.name.lower(), *(name for name, value in events.items() if value)):
                expected[name] = expected.get(name, 0) + 1
        await play(ctx, dut, script[:-1])
        ctx.set(dut.cause, script[-1][0])
        ctx.set(dut.events, script[-1][1])
        ctx.set(dut.done, 1)
        await ctx.delay(0)
        assert ctx.get(dut.running) and not ctx.get(dut.irq) and not ctx.get(dut.reset_engine)
        await ctx.tick()
        assert ctx.get(dut.irq) and not ctx.get(dut.running) and ctx.get(dut.reset_engine)
        ctx.set(dut.done, 0)
        ctx.set(dut.s_axi.bready, 0)
        assert await bus.status() == {"done": 1}
        assert await bus.counters() == expected
        assert await bus.value("IRQ_STATUS") == DONE
        assert await bus.write("IRQ_STATUS", ERROR | ABORTED) == OKAY
        assert ctx.get(dut.irq)
        assert await bus.write("IRQ_STATUS", DONE, 0b1110) == OKAY
        assert ctx.get(dut.irq)
        assert await bus.write("IRQ_STATUS", DONE) == OKAY
        assert not ctx.get(dut.irq)


@on_control
async def test_the_engine_is_reset_up_to_the_cycle_of_start(ctx, dut, bus):
    seen = []

    async def step():
        seen.append((ctx.get(dut.reset_engine), ctx.get(dut.start), ctx.get(dut.running), ctx.get(dut.halt)))
        await ctx.tick()

    await bus.send("aw", awaddr=OFFSET["CONTROL"])
    await bus.send("w", wdata=START, wstrb=1)
    ctx.set(dut.done, 1)
    for _ in range(5):
        await step()
    assert seen == [(1, 0, 0, 0), (1, 1, 0, 0), (0, 0, 1, 0), (1, 0, 0, 0), (1, 0, 0, 0)]


@on_control
async def test_irq_that_is_not_enabled(ctx, dut, bus):
    await start(ctx, dut, bus)
    ctx.set(dut.done, 1)
    await ctx.tick().repeat(2)
    assert await bus.value("IRQ_STATUS") == DONE and not ctx.get(dut.irq)
    await bus.write("IRQ_ENABLE", DONE)
    assert ctx.get(dut.irq)


@on_control
async def test_start_during_a_run_is_refused(ctx, dut, bus):
    await start(ctx, dut, bus)
    await ctx.tick()
    assert await bus.write("CONTROL", START) == SLVERR
    assert await bus.status() == {"busy": 1, "refused": 1}
    ctx.set(dut.done, 1)
    await ctx.tick()
    ctx.set(dut.done, 0)
    assert await bus.status() == {"done": 1, "refused": 1}
    await start(ctx, dut, bus)
    await ctx.tick()
    assert await bus.status() == {"busy": 1}


@on_control
async def test_error(ctx, dut, bus):
    """The first error counts, goes before done, and ends the run once the engine is drained."""
    await bus.write("IRQ_ENABLE", ERROR)
    await start(ctx, dut, bus)
    await ctx.tick().repeat(4)
    for code in (ErrorCode.READ_REGION, ErrorCode.WRITE_RESPONSE):
        ctx.set(dut.error, 1)
        ctx.set(dut.error_code, code)
        ctx.set(dut.done, 1)
        await ctx.tick()
        ctx.set(dut.error, 0)
        assert (ctx.get(dut.halt), ctx.get(dut.running), ctx.get(dut.irq)) == (1, 0, 0)
    assert await bus.status() == {"busy": 1, "halting": 1, "error": ErrorCode.READ_REGION}
    assert await bus.write("CONTROL", START) == SLVERR
    assert ctx.get(dut.halt) and not ctx.get(dut.reset_engine)
    ctx.set(dut.drained, 1)
    await ctx.tick()
    assert (ctx.get(dut.halt), ctx.get(dut.reset_engine), ctx.get(dut.irq)) == (0, 1, 1)
    assert await bus.status() == {"refused": 1, "error": ErrorCode.READ_REGION}
    assert await bus.value("IRQ_STATUS") == ERROR
    assert (await bus.counters())["total"] == 5


@on_control
async def test_soft_reset(ctx, dut, bus):
    await bus.write("IRQ_ENABLE", ABORTED)
    await start(ctx, dut, bus)
    await ctx.tick()
    assert await bus.write("CONTROL", SOFT_RESET | START) == OKAY
    assert await bus.status() == {"busy": 1, "halting": 1, "aborted": 1}
    assert not ctx.get(dut.irq)
    ctx.set(dut.drained, 1)
    await ctx.tick()
    assert ctx.get(dut.irq) and ctx.get(dut.reset_engine)
    assert await bus.status() == {"aborted": 1}
    assert await bus.value("IRQ_STATUS") == ABORTED
    assert await bus.write("CONTROL", SOFT_RESET | START) == OKAY  # outside of a run it clears STATUS
    assert await bus.status() == {}


@on_control
async def test_second_soft_reset_does_not_wait(ctx, dut, bus):
    await start(ctx, dut, bus)
    await ctx.tick()
    await bus.write("CONTROL", SOFT_RESET)
    await ctx.tick().repeat(100)
    assert await bus.status() == {"busy": 1, "halting": 1, "aborted": 1}
    await bus.write("CONTROL", SOFT_RESET)
    assert await bus.status() == {"aborted": 1, "undrained": 1}


@on_control
async def test_watchdog(ctx, dut, bus):
    """Progress starts the count again; the limit's cycles without it end the run with the next."""
    await bus.write("WATCHDOG", 10)
    await start(ctx, dut, bus)
    for _ in range(3):
        ctx.set(dut.progress, 1)
        await ctx.tick()
        ctx.set(dut.progress, 0)
        await ctx.tick().repeat(9)
    ctx.set(dut.progress, 1)
    await ctx.tick()
    ctx.set(dut.progress, 0)
    await ctx.tick().repeat(10)
    assert ctx.get(dut.running)
    await ctx.tick()
    assert ctx.get(dut.halt)
    ctx.set(dut.drained, 1)
    await ctx.tick()
    assert await bus.status() == {"error": ErrorCode.WATCHDOG}
    assert (await bus.counters())["total"] == 30 + 1 + 11


@on_control
async def test_watchdog_ends_a_halt(ctx, dut, bus):
    await bus.write("WATCHDOG", 10)
    await bus.write("IRQ_ENABLE", ERROR)
    await start(ctx, dut, bus)
    await ctx.tick().repeat(11)
    assert ctx.get(dut.halt)
    ctx.set(dut.progress, 1)
    await ctx.tick().repeat(30)
    assert ctx.get(dut.halt)  # what is under way still moves
    ctx.set(dut.progress, 0)
    await ctx.tick().repeat(10)
    assert ctx.get(dut.halt)
    await ctx.tick()
    assert ctx.get(dut.irq) and ctx.get(dut.reset_engine)
    assert await bus.status() == {"error": ErrorCode.WATCHDOG, "undrained": 1}


@on_control
async def test_no_watchdog(ctx, dut, bus):
    await start(ctx, dut, bus)
    await ctx.tick().repeat(500)
    assert ctx.get(dut.running)


@on_control
async def test_cycle_limit(ctx, dut, bus):
    """A run that ends in the last cycle it may take ends well; one that does not is halted."""
    await bus.write("CYCLE_LIMIT", 30)
    for last, status in ((29, {"done": 1}), (30, {"error": ErrorCode.CYCLE_LIMIT})):
        await start(ctx, dut, bus)
        ctx.set(dut.progress, 1)
        ctx.set(dut.cause, Cause.TAIL)
        for cycle in range(60):
            ctx.set(dut.done, int(cycle == last))
            await ctx.tick()
            ctx.set(dut.drained, int(cycle == 40))
        ctx.set(dut.s_axi.bready, 0)
        assert await bus.status() == status
        assert (await bus.counters())["total"] == 30
