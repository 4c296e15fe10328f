"""The pixel cutter gives the values of a load pixel by pixel, wherever they begin, one beat and one pixel per cycle."""

import numpy as np
import pytest
from amaranth.sim import Simulator

from hwshift.config import AcceleratorConfig
from hwshift.golden.formats import QFormat
from hwshift.rtl import pixel_cutter
from hwshift.rtl.pixel_cutter import PixelCutter

from ..seeds import seed_of

CONFIGS = [
    AcceleratorConfig(rows=8, bus_width=32),  # a value per beat
    AcceleratorConfig(bus_width=64),  # 2
    AcceleratorConfig(bus_width=128),  # 4
    AcceleratorConfig(rows=8, act=QFormat(5, 6), bus_width=32),  # 2 of 16 bits
    AcceleratorConfig(rows=16, bus_width=256),  # 8
    AcceleratorConfig(rows=16, act=QFormat(4, 4), bus_width=128),  # 16
    AcceleratorConfig(rows=32, act=QFormat(8, 8), bus_width=512),  # 32
]


def run(dut, config, loads, idle, stall, seed):
    """Pixels of every load (channels, place of the first value, count), and the cycles in which they came."""
    rng = np.random.default_rng(seed_of("pixel cutter", seed))
    elements, mask = config.beat_elements, (1 << config.act.storage_bits) - 1
    wanted, found, cycles, taken = [], [], [], []

    async def bench(ctx):
        for channels, first, count in loads:
            values = rng.integers(0, mask, -(-(first + count * channels) // elements) * elements)
            wanted.extend(values[first:][: count * channels].reshape(count, channels).tolist())
            beats = [sum(int(value) << place * config.act.storage_bits for place, value in enumerate(beat))
                     for beat in values.reshape(-1, elements)]  # fmt: skip
            ctx.set(dut.start, 1)
            ctx.set(dut.first, first)
            ctx.set(dut.channels, channels)
            await ctx.tick()
            ctx.set(dut.start, 0)
            valid, cycle, done = False, 0, 0
            while done < count and cycle < 40 * (count + len(beats)):
                valid = bool(beats) and (valid or rng.random() >= idle)
                ctx.set(dut.i.valid, int(valid))
                ctx.set(dut.i.payload, beats[0] if valid else int(rng.integers(1 << 62)))
                ctx.set(dut.last, int(done == count - 1))
                ctx.set(dut.o.ready, int(rng.random() >= stall))
                accepted = valid and ctx.get(dut.i.ready)
                if ctx.get(dut.o.valid) and ctx.get(dut.o.ready):
                    pixel = ctx.get(dut.o.payload)
                    found.append([int(pixel[channel]) for channel in range(channels)])
                    done += 1
                if accepted:
                    beats.pop(0)
                    valid = False
                await ctx.tick()
                cycle += 1
            ctx.set(dut.i.valid, 0)
            cycles.append(cycle)
            taken.append(len(beats))

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return wanted, found, cycles, taken


def draw(config, rng, count):
    """Loads of every number of channels that begin anywhere in a beat."""
    return [(channels, int(rng.integers(config.beat_elements)), int(rng.integers(1, 40)))
            for channels in [1, 2, 3, 4, *rng.integers(1, 5, count).tolist()]]  # fmt: skip


def ids(config):
    return f"{config.beat_elements}x{config.act.storage_bits}"


@pytest.mark.parametrize("config", CONFIGS, ids=ids)
@pytest.mark.parametrize(("idle", "stall"), [(0, 0), (0.5, 0.5), (0, 0.8), (0.8, 0)])
def test_pixels(config, idle, stall):
    loads = draw(config, np.random.default_rng(7), 6)
    wanted, found, _, left = run(PixelCutter(config), config, loads, idle, stall, 3)
    assert found == wanted
    assert not any(left), "a load takes all its beats"


@pytest.mark.parametrize("config", CONFIGS, ids=ids)
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("inside", [False, True])
def test_without_stalls_the_longer_side_sets_the_pace(config, channels, inside):
    """A cycle for every beat in which no pixel ends, and one for every pixel."""
    first = config.beat_elements - 1 if inside else 0
    ends = [(first + (pixel + 1) * channels - 1) // config.beat_elements for pixel in range(50)]
    (cycles,) = run(PixelCutter(config), config, [(channels, first, 50)], 0, 0, 5)[2]
    assert cycles == 50 + ends[-1] + 1 - len(set(ends))


class ForgetsWhatIsHeld(PixelCutter):
    """Gives the values of the beat that is there, also for those of the beat before."""

    def _select(self, m, window, place):
        super()._select(m, window[len(window) - len(self.i.payload) :], place)


def test_can_fail():
    config = AcceleratorConfig(bus_width=128)
    wanted, found, *_ = run(ForgetsWhatIsHeld(config), config, [(3, 0, 20)], 0, 0, 3)
    assert found != wanted


def test_holds_what_a_pixel_can_have_in_earlier_beats():
    """With a value less a pixel of four values on a bus of one loses its first."""
    config = AcceleratorConfig(rows=8, bus_width=32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pixel_cutter, "_HELD", 2)
        wanted, found, *_ = run(PixelCutter(config), config, [(4, 0, 5)], 0, 0, 3)
    assert found != wanted
