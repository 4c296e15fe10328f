"""Bursts against a plain cut of the rows."""

import numpy as np
import pytest
from amaranth.sim import Simulator

from hwshift.config import AcceleratorConfig
from hwshift.rtl.bursts import Bursts

from ..seeds import seed_of


def cut(config, fields):
    """(address, beats, last) of every burst."""
    out, size = [], config.beat_bytes
    for row in range(fields["rows"]):
        address, left = fields["address"] + row * fields["row_stride"], fields["row_beats"]
        while left:
            beats = min(64, left, (4096 - address % 4096) // size)
            out.append((address, beats, 0))
            address, left = address + beats * size, left - beats
    return [*out[:-1], (*out[-1][:2], 1)]


def run(config, fields, stall=0.0, limit=5000):
    dut, bursts = Bursts(config), []
    rng = np.random.default_rng(seed_of("bursts", 0))

    async def bench(ctx):
        ctx.set(dut.start, 1)
        ctx.set(dut.transfer, fields)
        assert not ctx.get(dut.active)
        await ctx.tick()
        ctx.set(dut.start, 0)
        for _ in range(limit):
            assert ctx.get(dut.o.valid) == ctx.get(dut.active)
            ctx.set(dut.o.ready, int(rng.random() >= stall))
            if not ctx.get(dut.active):
                return
            if ctx.get(dut.o.ready):
                burst = ctx.get(dut.o.payload)
                bursts.append((int(burst.address), int(burst.beats), int(burst.last), int(burst.beyond)))
            await ctx.tick()
        raise AssertionError("does not end")

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return bursts


@pytest.mark.parametrize("bus", [32, 64, 128, 256, 512])
def test_random_rows(bus):
    config = AcceleratorConfig(rows=16, bus_width=bus)
    rng = np.random.default_rng(seed_of("bursts", bus))
    for _ in range(30):
        beats = int(rng.choice([1, 63, 64, 65, int(rng.integers(1, 400))]))
        fields = {
            "rows": int(rng.integers(1, 5)), "row_beats": beats,
            "row_stride": (beats + int(rng.integers(4))) * config.beat_bytes,
            "address": int(rng.integers(1 << 30)) // config.beat_bytes * config.beat_bytes,
        }  # fmt: skip
        bursts = run(config, fields, stall=float(rng.choice([0, 0.6])))
        assert bursts == [(*burst, 0) for burst in cut(config, fields)]


def test_without_stalls_there_is_a_burst_in_every_cycle():
    fields = {"rows": 9, "row_beats": 3, "row_stride": 64, "address": 0}
    assert len(run(AcceleratorConfig(), fields, limit=10)) == 9


@pytest.mark.parametrize(("fields", "beyond"), [
    ({"rows": 1, "row_beats": 2, "row_stride": 0, "address": 1 << 40}, [1]),
    ({"rows": 1, "row_beats": 2, "row_stride": 0, "address": 1 << 63}, [1]),
    ({"rows": 1, "row_beats": 600, "row_stride": 0, "address": (1 << 40) - 4096}, [0] * 8 + [1, 1]),
    ({"rows": 3, "row_beats": 1, "row_stride": 4096, "address": (1 << 40) - 4096}, [0, 1, 1]),
    ({"rows": 3, "row_beats": 1, "row_stride": 0xFFFFFFF8, "address": (1 << 40) - 8}, [0, 1, 1]),
])  # fmt: skip
def test_addresses_beyond_the_bus_are_marked(fields, beyond):
    assert [burst[3] for burst in run(AcceleratorConfig(), fields)] == beyond
