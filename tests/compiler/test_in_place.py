"""Units that work on a part of a map write it back where it lies: no pass, no copy, the same bits."""

import numpy as np
import pytest

from hwshift.compiler.in_place import find_in_place
from hwshift.config import PRESETS
from hwshift.network import ops
from hwshift.network.bind import bind
from hwshift.network.quantize import quantize
from hwshift.network.random import NetworkBuilder
from hwshift.resolve import load_network, prepare
from hwshift.verification import verify

from .networks import check, random_input

CONFIG = PRESETS["4x4-mac"]


def bound(network, config=CONFIG):
    fixed = quantize(network, act=config.act, weights="fixed", weight_format=config.weights)
    return bind(fixed, config.arithmetic)


def unit(b, name, x, width=8):
    """``conv(relu(conv(x))) + x``."""
    inner = b.relu(f"{name}.relu", b.conv(f"{name}.conv1", x, width))
    return b.sum(f"{name}.add", b.conv(f"{name}.conv2", inner, b.shapes[x][0]), x)


def block(channels=16, units=3, size=6, config=CONFIG):
    """An FE-Block as of Figure 3 of Chen et al., CVPR 2019, all units narrow: the last takes half the channels."""
    b = NetworkBuilder(3, 3, size, size)
    x = b.conv("stem", "input", channels)
    first = channels - channels // 2**units
    y = b.add("unit1.slice", ops.ChannelSlice(first, channels), x)
    for number in range(1, units + 1):
        y = unit(b, f"unit{number}", y)
        start = channels - (channels - first) * 2
        rest = b.add(f"unit{number + 1}.slice", ops.ChannelSlice(start, first), x)
        y = b.add(f"unit{number + 1}.concat", ops.Concat(), rest, y)
        first = start
    b.conv("out", y, 5)
    return bound(b.network("block"), config)


def steps(program):
    return {layer["name"]: layer.get("steps", 0) for layer in program.layers}


@pytest.mark.parametrize("preset", ["4x4-mac", "8x8-mac"])
@pytest.mark.parametrize("keep", ["all", "outputs"])
def test_a_block_takes_the_steps_of_its_convolutions(preset, keep):
    """2, 4, 8 of 16 channels, 8 between, on 36 pixels: ceil(k / R) lanes times ceil(8 / C) columns, and back."""
    config = PRESETS[preset]
    program, _ = check(block(config=config), config, keep=keep)
    found = steps(program)
    r = config.rows
    for number, channels in ((1, 2), (2, 4), (3, 8)):
        tiles = -(-channels // r) * -(-8 // r)
        assert found[f"unit{number}.slice"] == found[f"unit{number + 1}.concat"] == 0
        assert found[f"unit{number}.relu"] == found[f"unit{number}.add"] == 36 * tiles
    assert find_in_place(block(config=config)).takes == {
        "unit1.add": "stem", "unit2.add": "unit1.add", "unit3.add": "unit2.add",
    }  # fmt: skip


def test_each_map_is_in_memory_although_the_next_one_lay_over_it():
    program, _ = check(block(), CONFIG, keep="all")
    stored = {record.layer for record in program.tensors}
    assert {"stem", "unit1.slice", "unit1.add", "unit2.concat", "unit2.add", "unit3.add", "out"} <= stored


def test_the_order_of_channels_is_the_networks_again_in_memory():
    """The channels that are written most often come first on chip: 14, 15, then 12, 13, and so on."""
    orders = find_in_place(block()).orders
    assert orders["stem"].tolist() == [14, 15, 12, 13, 8, 9, 10, 11, 0, 1, 2, 3, 4, 5, 6, 7]
    assert orders["unit2.add"].tolist() == [2, 3, 0, 1]
    assert "unit1.add" not in orders


def test_what_is_read_later_is_not_written_over():
    b = NetworkBuilder(3, 3, 6, 6)
    x = b.conv("stem", "input", 8)
    y = unit(b, "unit", b.add("part", ops.ChannelSlice(4, 8), x))
    b.conv("out", b.add("both", ops.Concat(), x, y), 4)
    network = bound(b.network("net"))
    assert find_in_place(network).takes == {}
    check(network, CONFIG)


def test_a_map_that_is_added_elsewhere_keeps_its_order():
    b = NetworkBuilder(3, 3, 6, 6)
    x = b.conv("stem", "input", 8)
    z = b.sum("whole", b.conv("conv", "input", 8), x)
    y = unit(b, "unit", b.add("part", ops.ChannelSlice(4, 8), x))
    b.conv("out", b.add("both", ops.Concat(), z, y), 4)
    network = bound(b.network("net"))
    assert find_in_place(network).takes == {}
    check(network, CONFIG)


def test_parts_that_do_not_contain_each_other():
    """Channels 0 to 3, then 2 to 5: of the same width, so that only one of them can lie first."""
    b = NetworkBuilder(3, 3, 6, 6)
    x = b.conv("stem", "input", 8)
    one = unit(b, "one", b.add("a", ops.ChannelSlice(0, 4), x))
    rest = b.add("rest", ops.ChannelSlice(4, 6), x)
    two = unit(b, "two", b.add("b", ops.Concat(), b.add("end", ops.ChannelSlice(2, 4), one), rest))
    b.conv("out", two, 4)
    network = bound(b.network("net"))
    assert len(find_in_place(network).takes) < 2
    check(network, CONFIG)


def test_a_map_that_does_not_stay_on_chip_is_copied():
    small = PRESETS["4x4-mac"].with_(feature_depth=64)
    program, _ = check(block(), small, keep="outputs")
    found = steps(program)
    assert found["unit1.slice"] > 0 and not [
        layer for layer in program.layers if layer["where"] == "in place"
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "depth"), [("FE-Net-1.0x", 512), ("FE-Net-1.375x-SE1", 4096), ("FE-Net-1.0x", 288)]
)
def test_published_blocks(name, depth):
    """With gates too, and with less room on chip."""
    config = PRESETS["8x8-mac"].with_(feature_depth=depth)
    check(prepare(load_network(f"{name}@32,classes=10"), config), config, keep="outputs")


@pytest.mark.slow
def test_rtl():
    """A block on the RTL, every map in memory and the last one only."""
    for keep in ("all", "outputs"):
        found = verify(block(), CONFIG, random_input(block(), 3)[None], simulator="icarus", keep=keep)
        assert found.ok, found


def random_blocks(seed):
    """Units on random parts of random maps of one size, some of which read what was written over."""
    rng = np.random.default_rng(seed)
    b = NetworkBuilder(seed, 3, 4, 5)
    values = [b.conv("stem", "input", int(rng.integers(5, 12)))]
    for number in range(int(rng.integers(2, 6))):
        name = values[-1] if rng.random() < 0.8 else values[int(rng.integers(len(values)))]
        channels = b.shapes[name][0]
        if rng.random() < 0.3:
            name = b.add(f"shuffle{number}", ops.ChannelShuffle(rng.permutation(channels)), name)
        first = int(rng.integers(channels)) if rng.random() < 0.5 else 0
        end = int(rng.integers(first + 1, channels + 1))
        parts = [(0, first), (first, end), (end, channels)]
        parts = [
            b.add(f"part{number}.{index}", ops.ChannelSlice(*part), name) if part[0] < part[1] else None
            for index, part in enumerate(parts)
        ]
        values += [part for part in parts if part]
        parts[1] = unit(b, f"unit{number}", parts[1], int(rng.integers(1, 6)))
        parts = [part for part in parts if part]
        if len(parts) > 1 and rng.random() < 0.8:
            values.append(b.add(f"concat{number}", ops.Concat(), *parts))
        else:
            values.append(parts[-1])
    b.conv("out", values[-1], 3)
    return b.network(f"blocks{seed}")


def check_blocks(seeds):
    count = 0
    for seed in seeds:
        rng = np.random.default_rng(seed)
        config = PRESETS[str(rng.choice(["4x4-mac", "8x8-mac"]))].with_(
            columns=4,
            pixels=int(rng.choice([1, 2])),
            feature_depth=int(rng.choice([48, 96, 4096])),
        )
        program, _ = check(
            bound(random_blocks(seed), config), config, seed, keep=str(rng.choice(["all", "outputs"]))
        )
        count += any(layer["where"] == "in place" for layer in program.layers)
    return count


def test_random_blocks():
    assert check_blocks(range(60)) > 15


@pytest.mark.soak
def test_many_random_blocks():
    assert check_blocks(range(1000, 6000)) > 1250
