"""The control port in tests: registers by name, what a host does to start runs."""

from hwshift.config import PRESETS
from hwshift.program.counters import COUNTERS
from hwshift.program.registers import REGISTER, counter_offset
from hwshift.rtl.axi_lite import OKAY
from hwshift.rtl.control import Control

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


async def request(ctx, dut, bus, value):
    """Write CONTROL; returns in the cycle of the write, with BREADY."""
    await bus.send("aw", awaddr=OFFSET["CONTROL"])
    ctx.set(dut.s_axi.bready, 1)
    await bus.send("w", wdata=value, wstrb=1)
    await ctx.tick()


async def start(ctx, dut, bus):
    """Start a run; returns in its cycle 0."""
    await request(ctx, dut, bus, START)
    assert ctx.get(dut.start)
    await ctx.tick()
    assert ctx.get(dut.running) and ctx.get(dut.s_axi.bvalid)
    assert ctx.get(dut.s_axi.bresp) == OKAY


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
