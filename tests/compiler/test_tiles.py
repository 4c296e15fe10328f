"""k-tiles and weight packing."""

import numpy as np
import pytest

from hwshift.compiler.placement import Tensor, View
from hwshift.compiler.tiles import count_ktiles, make_taps, pack, spread_positions, tile_weights
from hwshift.compiler.weights import pack_tiles, unit_code, zero_code
from hwshift.config import AcceleratorConfig
from hwshift.golden.formats import Pow2Format, QFormat

from ..seeds import generator

CONFIG = AcceleratorConfig(rows=8, columns=4)
HERE = np.zeros((1, 2), np.int64)


def test_one_channel_per_bank():
    taps = make_taps(View.whole("x", 20), np.arange(20), HERE, 8)
    pattern = pack(taps, CONFIG)
    assert pattern.count == count_ktiles(taps) == 3
    assert pattern.tap[0].tolist() == list(range(8))
    assert pattern.tap[2].tolist() == [16, 17, 18, 19, -1, -1, -1, -1]
    assert pattern.slot[1].tolist() == [1] * 8


def test_positions_and_tensors_do_not_mix():
    view = View.join([View.whole("a", 2), View.whole("b", 2)])
    offsets = np.array([[0, 0], [0, 1]])
    pattern = pack(make_taps(view, np.arange(4), offsets, 8), CONFIG)
    assert pattern.source.tolist() == [0, 1, 0, 1]
    assert pattern.dx[2, :2].tolist() == [1, 1]


def test_renamed_channels_of_one_bank_need_more_ktiles():
    view = View.whole("x", 24).pick(np.array([0, 8, 16, 1]))
    assert count_ktiles(make_taps(view, np.arange(4), HERE, 8)) == 3


def test_a_broadcast_input_takes_several_positions():
    tensor = Tensor("in", (3, 5, 5), 1, 3, replicas=2, is_input=True)
    offsets = np.array([[0, dx] for dx in range(5)])
    taps = make_taps(View.whole("in", 3), np.arange(3), offsets, 8)
    pattern = pack(spread_positions(taps, [tensor]), CONFIG)
    assert pattern.count == 3
    assert pattern.dx[0, :6].tolist() == [0, 0, 0, 1, 1, 1]
    assert not pattern.on[2, 3:].any()


def test_tile_weights():
    pattern = pack(make_taps(View.whole("x", 9), np.arange(9), HERE, 8), CONFIG)
    tiles = tile_weights(pattern, np.arange(36).reshape(9, 4), -1)
    assert tiles[0].tolist() == np.arange(32).reshape(8, 4).tolist()
    assert tiles[1, 0].tolist() == [32, 33, 34, 35]
    assert (tiles[1, 1:] == -1).all()


@pytest.mark.parametrize("bits", [5, 16])
def test_packing(bits):
    fmt = QFormat(3, bits - 3)
    config = AcceleratorConfig(rows=8, columns=4, pe="mac", weights=fmt, bus_width=64)
    tiles = generator(0).integers(fmt.min, fmt.max, (3, 8, 4), endpoint=True)
    packed = pack_tiles(tiles, config)
    assert packed.shape == (3, config.tile_beats * 8)
    value = int.from_bytes(packed[1].tobytes(), "little")
    for row in range(8):
        for column in range(4):
            code = value >> (bits * (row * 4 + column)) & ((1 << bits) - 1)
            assert code == int(tiles[1, row, column]) & ((1 << bits) - 1)


def test_codes():
    config = AcceleratorConfig(weights=Pow2Format(-7, 2))
    assert (zero_code(config), unit_code(config, "x")) == (16 + 9, 2)
    config = AcceleratorConfig(pe="mac", weights=QFormat(4, 12))
    assert (zero_code(config), unit_code(config, "x")) == (0, 1 << 12)
