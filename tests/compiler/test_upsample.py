"""Nearest upsampling by steps that write a pixel several times: the golden model's bits, and what it takes."""

import numpy as np
import pytest

from hwshift.config import AcceleratorConfig
from hwshift.network import ops
from hwshift.network.bind import bind
from hwshift.network.quantize import quantize
from hwshift.network.random import NetworkBuilder

from .networks import check

FACTORS = [(2, 2), (1, 2), (2, 1), (3, 2), (2, 3), (4, 4), (1, 8), (5, 1), (1, 5), (2, 6), (1, 17)]


def config_of(pixels, **fields):
    return AcceleratorConfig(pixels=pixels, bus_width=32, **fields)


def network_of(factor, config, size=(5, 7), channels=6):
    build = NetworkBuilder(1, 3, *size)
    build.conv("before", "input", channels, (3, 3))
    build.add("up", ops.UpsampleNearest(factor), "before")
    build.conv("after", "up", 5, (3, 3))
    return bind(quantize(build.network("up"), act=config.act), config.arithmetic)


@pytest.mark.parametrize("factor", FACTORS[:5])
def test_factors(factor):
    check_factor(factor, 1)
    check_factor(factor, 4)


@pytest.mark.slow
@pytest.mark.parametrize("pixels", [1, 2, 4])
@pytest.mark.parametrize("factor", FACTORS)
def test_all_factors(factor, pixels):
    check_factor(factor, pixels)


def check_factor(factor, pixels):
    config = config_of(pixels)
    program, _ = check(network_of(factor, config), config, 1)
    (layer,) = [layer for layer in program.layers if layer["name"] == "up"]
    if factor[1] == 1:
        row = -(-7 // pixels)
    else:
        full = factor[1] <= 15 and (factor[1] % pixels == 0 or factor[1] in (2, 4))
        row = 7 * factor[1] // (min(factor[1], pixels) if full else 1)
    assert layer["steps"] == 2 * factor[0] * 5 * row  # 6 channels in tiles of 4


@pytest.mark.parametrize("pixels", [1, 2, 4])
@pytest.mark.parametrize(("factor", "depth"), [((2, 2), 80), ((3, 1), 64), ((2, 4), 128)])
def test_strips_in_circular_buffers(factor, depth, pixels):
    config = config_of(pixels, feature_depth=depth // 16 // pixels * 16 or 16, acc_depth=4)
    program, _ = check(network_of(factor, config, (9, 8), 4), config, 2, keep="outputs")
    assert any(layer.get("strips", 1) > 1 for layer in program.layers)


def test_upsampling_the_input_and_as_output():
    config = config_of(2)
    build = NetworkBuilder(1, 3, 4, 5)
    build.add("first", ops.UpsampleNearest((2, 2)), "input")
    build.conv("middle", "first", 6)
    build.add("last", ops.UpsampleNearest((2, 2)), "middle")
    network = bind(quantize(build.network("ends"), act=config.act), config.arithmetic)
    program, _ = check(network, config, 3)
    assert program.tensor("last").shape == (6, 16, 20)


def test_rows_longer_than_the_accumulators():
    config = config_of(1, acc_depth=4)
    check(network_of((2, 2), config, (3, 11)), config, 1)


def test_what_is_read_is_the_source():
    """Each source pixel of the pass is read by as many steps as it is written, and nothing lies outside."""
    config = config_of(1)
    program, counts = check(network_of((2, 2), config), config, 1)
    assert counts.steps == sum(layer.get("steps", 0) for layer in program.layers)
    assert np.prod(program.tensor("up").shape) == 6 * 10 * 14
