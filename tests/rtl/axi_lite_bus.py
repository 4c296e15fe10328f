"""Drives AXI4-Lite in benches of Amaranth's simulator."""

import pytest
from amaranth.sim import Simulator

from .axi_lite_watch import watch

__all__ = ["Channels", "simulate"]


def simulate(dut, *benches, limit=20_000, port=None):
    """Run benches to their end, with a passive checker at ``port``, by itself ``dut.s_axi``.

    A clock that goes on past the limit is a failure, and so is a broken rule of the bus.
    """

    async def watchdog(ctx):
        await ctx.delay(limit * 1e-6)
        pytest.fail(f"the bench has not ended after {limit} cycles")

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    for bench in benches:
        sim.add_testbench(bench)
    sim.add_testbench(watchdog, background=True)
    sim.add_testbench(watch(port or dut.s_axi), background=True)
    sim.run()


class Channels:
    """AXI4-Lite master for an idle bus, one transfer at a time."""

    def __init__(self, ctx, port):
        self.ctx, self.port = ctx, port

    async def send(self, channel, **payload):
        """Offer a transfer and return in the cycle after its handshake."""
        for name, value in payload.items():
            self.ctx.set(getattr(self.port, name), value)
        valid = getattr(self.port, f"{channel}valid")
        self.ctx.set(valid, 1)
        await self.ctx.tick().until(getattr(self.port, f"{channel}ready"))
        self.ctx.set(valid, 0)

    async def receive(self, channel, *names):
        """Take a transfer and return its payload, in the cycle after its handshake."""
        ready, port = getattr(self.port, f"{channel}ready"), self.port
        self.ctx.set(ready, 1)
        sampled = self.ctx.tick().sample(*(getattr(port, name) for name in names))
        values = await sampled.until(getattr(port, f"{channel}valid"))
        self.ctx.set(ready, 0)
        return values
