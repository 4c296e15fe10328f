"""The weight buffer, alone and in front of the array."""

import pytest
from amaranth import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator

from hwshift.config import AcceleratorConfig
from hwshift.golden.formats import QFormat
from hwshift.rtl.array import Array
from hwshift.rtl.weight_buffer import WeightBuffer, weight_word
from hwshift.timing import timing

from ..seeds import python_random

CONFIGS = {
    "4x4": AcceleratorConfig(weight_tiles=6),
    "4x4-w4-mac": AcceleratorConfig(weight_tiles=3, weight_rows=4, pe="mac"),
    "8x4-w2": AcceleratorConfig(rows=8, weight_tiles=5, weight_rows=2, act=QFormat(4, 4)),
}


@pytest.fixture(params=CONFIGS)
def config(request):
    return CONFIGS[request.param]


def simulate(dut, bench):
    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(bench)
    sim.run()


def test_random_reads_and_writes(config):
    dut = WeightBuffer(config)
    rng = python_random(1)
    bits = weight_word(config).size
    words = [0] * (config.weight_tiles * config.tile_words)

    async def bench(ctx):
        expected = [(None, 0)] * WeightBuffer.latency
        for _ in range(400):
            read, tile, row = (
                rng.random() < 0.7,
                rng.randrange(config.weight_tiles),
                rng.randrange(config.tile_words),
            )
            address, value, write = rng.randrange(len(words)), rng.getrandbits(bits), rng.random() < 0.6
            write = write and not (read and address == tile * config.tile_words + row)
            ctx.set(dut.read_valid, read)
            ctx.set(dut.read, {"tile": tile, "row": row})
            ctx.set(dut.write.en, write)
            ctx.set(dut.write.address, address)
            ctx.set(dut.write.data, weight_word(config).from_bits(value))
            *_, shadow = await ctx.tick().sample(dut.shadow)
            expected_row, data = expected.pop(0)
            assert shadow.en == (expected_row is not None)
            if expected_row is not None:
                assert shadow.row == expected_row
                assert shadow.data.as_bits() == data
            expected.append((row if read else None, words[tile * config.tile_words + row]))
            if write:
                words[address] = value

    simulate(dut, bench)


def test_latency(config):
    when = timing(config)
    assert WeightBuffer.latency == when.swap_stage - when.weight_stage == 2


class Loader(wiring.Component):
    """A weight buffer and the array it fills."""

    def __init__(self, config):
        self.buffer, self.array = WeightBuffer(config), Array(config)
        names = {"write": self.buffer, "read": self.buffer, "read_valid": self.buffer, "x": self.array}
        members = {name: In(getattr(owner, name).shape()) for name, owner in names.items()}
        super().__init__(members | {"swap": In(1), "sums": Out(self.array.sums.shape())})

    def elaborate(self, platform):  # noqa: ARG002
        m = Module()
        m.submodules.buffer, m.submodules.array = self.buffer, self.array
        for name in ("write", "read", "read_valid"):
            m.d.comb += getattr(self.buffer, name).eq(getattr(self, name))
        m.d.comb += [self.array.shadow.eq(self.buffer.shadow), self.array.x.eq(self.x),
                     self.array.swap.eq(self.swap), self.sums.eq(self.array.sums)]  # fmt: skip
        return m


def test_a_tile_reaches_the_array(config):
    """Weights +-1: column c adds the rows r with (r + c) even and subtracts the others."""
    dut = Loader(config)

    def code(r, c):
        if config.pe == "mac":
            return {"value": (1 - 2 * ((r + c) % 2)) << config.weights.n}
        return {"q": 0, "sign": (r + c) % 2, "zero": 0}

    async def bench(ctx):
        group, tile = config.weight_rows, config.weight_tiles - 1
        for row in range(config.tile_words):
            data = [[code(row * group + i, c) for c in range(config.columns)] for i in range(group)]
            ctx.set(dut.write, {"en": 1, "address": tile * config.tile_words + row, "data": data})
            await ctx.tick()
        ctx.set(dut.write.en, 0)
        ctx.set(dut.read_valid, 1)
        for row in range(config.tile_words):
            ctx.set(dut.read, {"tile": tile, "row": row})
            await ctx.tick()
        ctx.set(dut.read_valid, 0)
        await ctx.tick().repeat(WeightBuffer.latency)
        ctx.set(dut.swap, 1)
        await ctx.tick()
        ctx.set(dut.swap, 0)
        xs = [3 * r + 1 for r in range(config.rows)]
        ctx.set(dut.x, [xs])
        await ctx.tick().repeat(dut.array.latency)
        for c in range(config.columns):
            expected = sum(x * (1 - 2 * ((r + c) % 2)) for r, x in enumerate(xs))
            assert ctx.get(dut.sums[0][c]) == expected << config.guard

    simulate(dut, bench)
