"""The gearbox cuts the bits of a tile into words, whatever the ratio, and as fast as documented."""

import numpy as np
import pytest
from amaranth.sim import Simulator

from hwshift.config import AcceleratorConfig
from hwshift.golden.formats import Pow2Format, QFormat
from hwshift.rtl.gearbox import Gearbox

from ..seeds import seed_of

CONFIGS = [
    AcceleratorConfig(),  # 20 of 64
    AcceleratorConfig(weight_rows=4, bus_width=32),  # 80 of 32: one word per tile
    AcceleratorConfig(rows=8, pe="mac", bus_width=32),  # 128 of 32
    AcceleratorConfig(rows=8, pe="mac", weights=QFormat(3, 4), bus_width=64),  # 28 of 64
    AcceleratorConfig(rows=8, columns=8, weight_rows=2, bus_width=128),  # 80 of 128
    AcceleratorConfig(rows=4, pe="mac", weights=QFormat(9, 4), bus_width=32, weight_rows=2),  # 104 of 32
    AcceleratorConfig(
        rows=8, weights=Pow2Format(-3, 0), guard=3, bus_width=256
    ),  # 12 of 256: one beat per tile
]


def run(config, tiles, idle, stall, seed):
    """Words with their flags, and the cycles in which beats were taken and words came."""
    rng = np.random.default_rng(seed_of("gearbox", seed))
    dut = Gearbox(config)
    beats = [int.from_bytes(rng.bytes(config.beat_bytes), "little") for _ in range(tiles * config.tile_beats)]
    words, taken, cycles = [], [], []

    async def bench(ctx):
        ctx.set(dut.start, 1)
        ctx.set(dut.tiles, tiles)
        await ctx.tick()
        ctx.set(dut.start, 0)
        valid = False
        for cycle in range(40 * len(beats) + 40 * tiles * config.tile_words):
            valid = len(taken) < len(beats) and (valid or rng.random() >= idle)
            ctx.set(dut.i.valid, int(valid))
            ctx.set(dut.i.payload, beats[min(len(taken), len(beats) - 1)])
            ctx.set(dut.o.ready, int(rng.random() >= stall))
            out = dut.o.payload
            if ctx.get(dut.o.valid) and ctx.get(dut.o.ready):
                words.append(
                    tuple(
                        int(ctx.get(getattr(out, name))) for name in ("codes", "first", "tile_last", "last")
                    )
                )
                cycles.append(cycle)
            if valid and ctx.get(dut.i.ready):
                taken.append(cycle)
                valid = False
            await ctx.tick()

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return beats, words, taken, cycles


def expected(config, beats):
    width, count = config.weight_word_bits, config.tile_words
    tiles = [beats[first : first + config.tile_beats] for first in range(0, len(beats), config.tile_beats)]
    words = []
    for index, tile in enumerate(tiles):
        bits = sum(beat << config.bus_width * place for place, beat in enumerate(tile))
        for word in range(count):
            last = word == count - 1
            words.append((bits >> word * width & ((1 << width) - 1), int(word == 0), int(last),
                          int(last and index == len(tiles) - 1)))  # fmt: skip
    return words


@pytest.mark.parametrize(
    "config", CONFIGS, ids=lambda config: f"{config.weight_word_bits}of{config.bus_width}"
)
@pytest.mark.parametrize(("idle", "stall"), [(0, 0), (0.5, 0.5), (0, 0.8), (0.8, 0)])
def test_words(config, idle, stall):
    beats, words, taken, _ = run(config, 7, idle, stall, 3)
    assert len(taken) == len(beats)
    assert words == expected(config, beats)


@pytest.mark.parametrize(
    "config", CONFIGS, ids=lambda config: f"{config.weight_word_bits}of{config.bus_width}"
)
def test_without_stalls_the_wider_side_sets_the_pace(config):
    _, _, taken, cycles = run(config, 6, 0, 0, 3)
    first = -(-config.weight_word_bits // config.bus_width)
    assert taken[0] == 0 and cycles[0] == first, (
        "a word is there in the cycle after the beat that completes it"
    )
    per_tile = (cycles[-1] - cycles[config.tile_words - 1]) / 5
    assert per_tile <= max(config.tile_words, config.tile_beats) + 1
