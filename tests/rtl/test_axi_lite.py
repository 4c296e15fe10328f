"""Tests of the AXI4-Lite slave: latency, and channels that do not wait for each other."""

import random

import pytest
from amaranth import Module

from hwshift.rtl.axi_lite import OKAY, SLVERR, AxiLiteSlave, axi_lite

from ..seeds import seed_of
from .axi_lite_bus import Channels, simulate


def test_slave_latency():
    dut = AxiLiteSlave(12)

    async def bench(ctx):
        bus, port = Channels(ctx, dut.s_axi), dut.s_axi
        await bus.send("aw", awaddr=0x124)
        assert not ctx.get(dut.access.write)
        await bus.send("w", wdata=5, wstrb=0b0101)  # accepted in cycle t
        assert not ctx.get(dut.access.write)  # t + 1
        await ctx.tick()
        assert ctx.get(dut.access.write)  # t + 2
        assert (ctx.get(dut.access.write_address), ctx.get(dut.access.write_data)) == (0x124 // 4, 5)
        assert ctx.get(dut.access.write_mask) == 0x00FF00FF
        assert not ctx.get(port.bvalid)
        await ctx.tick()
        assert ctx.get(port.bvalid) and not ctx.get(dut.access.write)  # t + 3
        await bus.send("ar", araddr=0x120)  # not held up by the response that waits
        assert ctx.get(dut.access.read_address) == 0x120 // 4 and not ctx.get(port.rvalid)  # t + 1
        ctx.set(dut.access.read_data, 1)
        await ctx.tick()
        assert not ctx.get(port.rvalid)  # t + 2, the answer
        ctx.set(dut.access.read_data, 2)
        await ctx.tick()
        ctx.set(dut.access.read_data, 3)
        assert ctx.get(port.rvalid) and ctx.get(port.rdata) == 2 and ctx.get(port.bvalid)  # t + 3

    simulate(dut, bench)


@pytest.mark.parametrize("address_bits", [2, 65])
def test_address_bits(address_bits):
    with pytest.raises(ValueError, match=rf"^address_bits must lie in 3\.\.64, not {address_bits}$"):
        axi_lite(address_bits)


@pytest.mark.parametrize("pause", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("seed", range(3))
def test_slave_with_independent_channels(seed, pause):
    """Every channel pauses at random; writes arrive once and in order, reads see the register's value."""
    rng, dut, count = random.Random(seed_of("AXI4-Lite", seed)), AxiLiteSlave(12), 40
    writes = [(4 * rng.randrange(8), rng.getrandbits(32)) for _ in range(count)]
    reads = [4 * rng.randrange(8) for _ in range(count)]
    seen, answers, data = [], [], []
    access, m = dut.access, Module()
    m.submodules.dut = dut
    m.d.comb += access.write_error.eq(access.write_address >= 4)
    m.d.sync += [
        access.read_data.eq(access.read_address + 100),
        access.read_error.eq(access.read_address >= 4),
    ]

    async def idle(ctx):
        while rng.random() < pause:
            await ctx.tick()

    def sender(channel, items, *names):
        async def bench(ctx):
            for item in items:
                await idle(ctx)
                await Channels(ctx, dut.s_axi).send(channel, **dict(zip(names, item, strict=True)))

        return bench

    def receiver(channel, got, *names):
        async def bench(ctx):
            for _ in range(count):
                await idle(ctx)
                got.append(tuple(await Channels(ctx, dut.s_axi).receive(channel, *names)))

        return bench

    async def registers(ctx):
        while len(seen) < count:
            *_, write, address, word = await ctx.tick().sample(
                access.write, access.write_address, access.write_data
            )
            if write:
                seen.append((4 * address, word))

    simulate(
        m,
        sender("aw", [(address,) for address, _ in writes], "awaddr"),
        sender("w", [(word, 15) for _, word in writes], "wdata", "wstrb"),
        sender("ar", [(address,) for address in reads], "araddr"),
        receiver("b", answers, "bresp"),
        receiver("r", data, "rdata", "rresp"),
        registers,
        port=dut.s_axi,
    )
    assert seen == writes
    assert answers == [(SLVERR if address >= 16 else OKAY,) for address, _ in writes]
    assert data == [(address // 4 + 100, SLVERR if address >= 16 else OKAY) for address in reads]
