"""The bound and compulsory traffic against values worked out by hand."""

import numpy as np
import pytest

from hwshift.compiler import compile as compile_network
from hwshift.config import PRESETS, AcceleratorConfig
from hwshift.cost.bound import compulsory_bytes, cycle_bound, layer_works
from hwshift.errors import DataError
from hwshift.golden.formats import Pow2Format, QFormat
from hwshift.network.fixed import (
    Concat,
    Conv,
    Epilogue,
    FixedLayer,
    FixedNetwork,
    FixedWeights,
    Input,
    InstanceNorm,
    Pool,
    Shift,
    Sum,
)
from hwshift.resolve import load_network, prepare
from hwshift.sim.cycle.model import simulate_cycles

CONFIG = AcceleratorConfig(rows=16, columns=16, bus_width=128, feature_depth=8192, weight_tiles=819)


def conv(out, inner, kernel=1, groups=1, fmt=None):
    shape = (out, inner, kernel, kernel)
    fmt = fmt or Pow2Format()
    powers = np.zeros(shape, np.int64) if isinstance(fmt, Pow2Format) else None
    pad = (kernel // 2,) * 4
    return Conv(FixedWeights(fmt, np.ones(shape, np.int64), powers), padding=pad, groups=groups)


def network(shape, *layers):
    """Layers (op, shape, inputs or None for the one before)."""
    out = [FixedLayer("l0", Input(), (), shape)]
    for op, size, *inputs in layers:
        names = tuple(inputs) or (out[-1].name,)
        out.append(FixedLayer(f"l{len(out)}", op, names, size, Epilogue.identity(size[0])))
    return FixedNetwork("hand", QFormat(), tuple(out))


def passes(shape, *layers, config=CONFIG):
    return [(work.passes, work.steps) for work in layer_works(network(shape, *layers), config)]


@pytest.mark.parametrize(("shape", "op", "out", "expected"), [
    ((3, 8, 8), conv(32, 3, 3), (32, 8, 8), (2 * 2, 64)),  # 9 positions, 5 to a k-tile
    ((3, 8, 8), conv(16, 3, 7), (16, 8, 8), (10, 64)),  # 49 positions
    ((1, 8, 8), conv(16, 1, 5), (16, 8, 8), (2, 64)),  # 25 positions, 16 to a k-tile
    ((48, 4, 4), conv(64, 48), (64, 4, 4), (3 * 4, 16)),
    ((50, 4, 4), conv(65, 50), (65, 4, 4), (4 * 5, 16)),
    ((32, 4, 4), conv(32, 32, 3), (32, 4, 4), (2 * 2 * 9, 16)),
    ((240, 4, 4), conv(60, 80, groups=3), (60, 4, 4), (3 * 5 * 2, 16)),
    ((60, 4, 4), conv(60, 1, 3, groups=60), (60, 4, 4), (4 * 9, 16)),
    ((32, 4, 4), conv(32, 4, groups=8), (32, 4, 4), (2, 16)),  # four groups of 4 x 4 side by side
    ((24, 4, 4), Pool("max", (3, 3), (2, 2)), (24, 2, 2), (2 * 9, 4)),
    ((24, 7, 7), Pool("avg", (7, 7), (1, 1)), (24, 1, 1), (2 * 49, 1)),
    ((32, 3, 3), Shift(np.array([[0, 1]] * 17 + [[0, 0]] * 15)), (32, 3, 3), (2, 9)),
])  # fmt: skip
def test_steps_of_a_layer(shape, op, out, expected):
    assert passes(shape, (op, out)) == [expected]


def test_pixel_lanes():
    assert passes((16, 5, 5), (conv(16, 16), (16, 5, 5)), config=CONFIG.with_(pixels=4)) == [(1, 7)]


def test_sum_of_two_and_names():
    layers = (conv(16, 16), (16, 2, 2)), (Sum(), (16, 2, 2), "l0", "l1"), (Concat(), (32, 2, 2), "l1", "l2")
    assert passes((16, 2, 2), *layers) == [(1, 4), (2, 4)]


def test_compute_bound():
    """Two tiles of 100 steps: the first one's 10 beats, then the array works without a pause."""
    bound = cycle_bound(network((32, 10, 10), (conv(16, 32), (16, 10, 10))), CONFIG)
    # the input, 32 * 100 * 4 bytes, takes 800 beats behind the weights: 20 + 800
    assert (bound.cycles, bound.steps, bound.compute, bound.load_beats) == (820, 200, 200, 820)


def test_loading_between_layers():
    """Four pixels: passes last 16 cycles, as long as a tile takes into the array, longer than its 10 beats."""
    layers = (conv(16, 16), (16, 2, 2)), (conv(32, 16), (32, 2, 2))
    bound = cycle_bound(network((16, 2, 2), *layers), CONFIG)
    # first: loaded 10, ended 26; input 16 beats: loaded 26; second layer: loaded 36, 36 + 16; loaded 46, 52 + 16
    assert (bound.cycles, bound.compute, bound.steps) == (68, 48, 12)


def test_load_bound_with_multipliers():
    """32-bit weights: 64 beats of a tile against 16 cycles."""
    fmt = QFormat()
    config = AcceleratorConfig(rows=16, columns=16, pe="mac", bus_width=128, weight_tiles=128)
    net = network((16, 1, 1), (conv(64, 16, fmt=fmt), (64, 1, 1)))
    assert cycle_bound(net, config).cycles == 4 * 64 + 16  # the input's 4 beats hide behind the last pass


def test_fifo():
    """Two places and one in the array: the fourth tile's load begins when the first pass has begun."""
    config = CONFIG.with_(weight_tiles=2)
    net = network((16, 10, 10), (conv(80, 16), (80, 10, 10)))
    # loaded 10 20 30, 4th: max(30, 10) + 10 = 40, 5th: max(40, begun 2nd = 110) + 10 = 120; input behind: 520
    assert cycle_bound(net, config).cycles == 120 + 400
    assert cycle_bound(net, CONFIG).cycles == 10 + 500


def test_constant_tiles_load_once():
    net = network((16, 4, 4), (conv(16, 16), (16, 4, 4)), (Pool("avg", (4, 4), (1, 1)), (16, 1, 1)))
    bound = cycle_bound(net, CONFIG)
    # conv: 10 + 16 = 26; input 64 beats: 74; the pool's tile: 84, a pass of 16, then 15 of one step
    assert bound.cycles == 84 + 16 + 15
    assert bound.load_beats == 10 + 64 + 10 and bound.diagonal_steps == 16


def test_compulsory_bytes():
    net = network((3, 8, 8), (conv(16, 3, 3), (16, 8, 8)), (conv(10, 16), (10, 8, 8)))
    weights = 16 * 27 + 160
    assert compulsory_bytes(net, CONFIG) == weights * 5 // 8 + (3 + 10) * 64 * 4
    narrow = PRESETS["16x16-mac"].with_(act=QFormat(8, 8), weights=QFormat(4, 4))
    assert compulsory_bytes(net, narrow) == weights + (3 + 10) * 64 * 2


def test_refused():
    op = InstanceNorm(np.ones(16), np.zeros(16), 1e-5)
    with pytest.raises(DataError, match="^l1: the engine has no schedule for InstanceNorm$"):
        layer_works(network((16, 2, 2), (op, (16, 2, 2))), CONFIG)


@pytest.mark.parametrize("name", ["ShiftResNet20-1", "ShiftNet-C@64", "ShuffleNet-1x-g3@64", "mixed"])
def test_no_schedule_is_faster(name):
    """A bound that the cycle model beats is none."""
    net = prepare(load_network(name), PRESETS["16x16"])
    cycles = simulate_cycles(compile_network(net, PRESETS["16x16"], keep="outputs"))["total"]
    assert cycle_bound(net, PRESETS["16x16"]).cycles <= cycles
