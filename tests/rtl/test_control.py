"""Tests of the control port: registers, the run's beginning and end, counters."""

import random

from hwshift.config import PRESETS
from hwshift.program.counters import COUNTERS, Cause
from hwshift.program.isa import ISA_VERSION
from hwshift.program.registers import APERTURE, REGISTER, REGISTERS, Access, ErrorCode, counter_offset
from hwshift.rtl.axi_lite import OKAY, SLVERR
from hwshift.rtl.control import Control, event_layout
from hwshift.timing import COMMAND_QUEUE

from .axi_lite_bus import Channels, simulate

CONFIG = PRESETS["4x4"]
START, SOFT_RESET, QUEUE, SNAPSHOT = 1, 2, 4, 8
DONE, ERROR, ABORTED = 1, 2, 4  # bits of IRQ_STATUS
OFFSET = {name: item.offset for name, item in REGISTER.items()}


class Bus(Channels):
    """Registers by name or offset."""

    async def write(self, register, value, strobes=0b1111):
        """Write a register, by name or offset, and return the response."""
        offset = OFFSET.get(register, register)
        await self.send("aw", awaddr=offset)
        await self.send("w", wdata=value, wstrb=strobes)
        return (await self.receive("b", "bresp"))[0]

    async def read(self, register):
        """Value and response of a register, by name or offset."""
        await self.send("ar", araddr=OFFSET.get(register, register))
        return await self.receive("r", "rdata", "rresp")

    async def value(self, register):
        """Value of a register that can be read."""
        value, response = await self.read(register)
        assert response == OKAY
        return value

    async def status(self):
        """Fields of STATUS that are not 0."""
        fields = REGISTER["STATUS"].unpack(await self.value("STATUS"))
        return {name: value for name, value in fields.items() if value}

    async def counters(self):
        """Counters that are not 0."""
        values = {}
        for index, counter in enumerate(COUNTERS):
            low, high = [await self.value(counter_offset(index) + word) for word in (0, 4)]
            values[counter.name] = low | high << 32
        return {name: value for name, value in values.items() if value}


def on_control(body):
    """Decorator: a test that runs the function on a new `Control` and its bus."""

    def test():
        dut = Control(CONFIG)

        async def bench(ctx):
            await body(ctx, dut, Bus(ctx, dut.s_axi))

        simulate(dut, bench)

    test.__name__ = body.__name__
    return test


async def start(ctx, dut, bus):
    """Start a run; returns in its cycle 0."""
    await bus.send("aw", awaddr=OFFSET["CONTROL"])
    ctx.set(dut.s_axi.bready, 1)
    await bus.send("w", wdata=START, wstrb=1)
    assert ctx.get(dut.start)
    await ctx.tick()
    assert ctx.get(dut.running) and ctx.get(dut.s_axi.bvalid)
    assert ctx.get(dut.s_axi.bresp) == OKAY


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


def numbers(run):
    """Settings of a run: addresses that differ in every field."""
    names = ("program_base", "program_limit", "read_base", "read_limit", "write_base", "write_limit")
    values = {name: (0x10 * run + index) << 32 | 0x01020300 + index for index, name in enumerate(names)}
    return values | {"program_count": 99 + run}


async def set_up(bus, run):
    """Write the settings of a run."""
    for name, value in numbers(run).items():
        if name == "program_count":
            await bus.write("PROGRAM_COUNT", value)
        else:
            await bus.write(f"{name.upper()}_LO", value & 0xFFFFFFFF)
            await bus.write(f"{name.upper()}_HI", value >> 32)


def settings(ctx, port):
    """Values of a settings port."""
    return {name: ctx.get(getattr(port, name)) for name in numbers(0)}


@on_control
async def test_settings(ctx, dut, bus):
    """Those of the run stay while the host writes others; in the cycle of start they are there early."""
    await set_up(bus, 1)
    await bus.send("aw", awaddr=OFFSET["CONTROL"])
    ctx.set(dut.s_axi.bready, 1)
    await bus.send("w", wdata=START, wstrb=1)
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
    rng = random.Random(1)
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
async def test_the_engine_is_reset_but_for_the_cycle_of_start(ctx, dut, bus):
    seen = []

    async def step():
        seen.append((ctx.get(dut.reset_engine), ctx.get(dut.start), ctx.get(dut.running), ctx.get(dut.halt)))
        await ctx.tick()

    await bus.send("aw", awaddr=OFFSET["CONTROL"])
    await bus.send("w", wdata=START, wstrb=1)
    ctx.set(dut.done, 1)
    for _ in range(4):
        await step()
    assert seen == [(0, 1, 0, 0), (0, 0, 1, 0), (1, 0, 0, 0), (1, 0, 0, 0)]


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
        assert (ctx.get(dut.reset_engine), ctx.get(dut.start)) == ((1, 0) if last else (0, 1))
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
    await bus.send("aw", awaddr=OFFSET["CONTROL"])
    ctx.set(dut.s_axi.bready, 1)
    await bus.send("w", wdata=QUEUE, wstrb=1)
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
    await bus.send("aw", awaddr=OFFSET["CONTROL"])
    ctx.set(dut.s_axi.bready, 1)
    await bus.send("w", wdata=START, wstrb=1)
    for channel, fields in (("aw", {"awaddr": OFFSET["CONTROL"]}), ("w", {"wdata": SNAPSHOT, "wstrb": 1})):
        ctx.set(getattr(dut.s_axi, f"{channel}valid"), 1)
        for name, value in fields.items():
            ctx.set(getattr(dut.s_axi, name), value)
    await ctx.tick()  # cycle 0: both are taken in the first cycle in which the slave is free
    written = None
    for cycle in range(12):
        if written is None and ctx.get(dut.s_axi.awready):
            written = cycle + 1
            await ctx.tick()
            ctx.set(dut.s_axi.awvalid, 0)
            ctx.set(dut.s_axi.wvalid, 0)
        else:
            await ctx.tick()
    ctx.set(dut.s_axi.bready, 0)
    assert (await bus.counters())["total"] == written
