"""Layers of which not one row fits: by columns or slots, with the golden model's bits."""

from dataclasses import replace

import pytest

from hwshift.config import PRESETS, AcceleratorConfig
from hwshift.network.fixed import Concat, Epilogue, Pool, Shift, Shuffle, Sum

from .networks import Builder, check

WIDTH = 61
NARROW = AcceleratorConfig(rows=4, columns=4, bus_width=64, feature_depth=48)
CONFIGS = {
    "one pixel": NARROW,
    "two pixels": NARROW.with_(pixels=2, feature_depth=32),
    "four pixels": NARROW.with_(pixels=4, feature_depth=16),
    "mac": PRESETS["4x4-mac"].with_(feature_depth=48),
}


def padded(build, source, kernel, stride, **options):
    pad = kernel[0] // 2, kernel[1] // 2, kernel[0] // 2, kernel[1] // 2
    return build.conv(source, 6, kernel, stride=stride, padding=pad, **options)


def layers(build):
    """A kind of layer each: strides, a residual, displaced reads, pools with borders that do not count, a sum."""
    first = padded(build, build.layers[0], (3, 3), (1, 1))
    second = padded(build, first, (1, 5), (1, 2), dilation=(1, 2))
    padded(build, second, (1, 1), (1, 1), residual=second)
    third = build.conv(first, 6, (1, 1), stride=(1, 1), padding=(0, 0, 0, 0), residual=first)
    moved = build.add(Shift(build.rng.integers(-2, 3, (6, 2))), [third], third.shape, scaled=False)
    pool = Pool("max", (3, 3), (1, 3), (1, 1, 1, 1), False)
    build.add(pool, [moved], (6, moved.shape[1], (WIDTH + 2 - 3) // 3 + 1))
    return build.add(Sum(), [first, moved], first.shape)


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("keep", ["all", "outputs"])
def test_every_kind_of_layer(name, keep):
    config = CONFIGS[name]
    build = Builder(3, config.arithmetic, (5, 4, WIDTH))
    layers(build)
    program, _ = check(build.network(), config, 2, keep=keep)
    cut = {layer["op"] for layer in program.layers if layer.get("parts", 1) > 1}
    assert {"Conv", "Shift", "Pool"} <= cut


NONE = 0, 0, 0, 0
DEEP = AcceleratorConfig(rows=8, columns=4, bus_width=64, feature_depth=64)
DEEP_CONFIGS = {
    "one pixel": DEEP,
    "two pixels": DEEP.with_(pixels=2, feature_depth=48),
    "four pixels": DEEP.with_(pixels=4, feature_depth=16),
    "mac": DEEP.with_(pe="mac", columns=8),
    "one slot": DEEP.with_(feature_depth=32),
}


def pooled(build, source, kind, kernel, padding, size):
    channels = source.shape[0]
    pool = Pool(kind, kernel, (1, 1), padding, padding != NONE)
    layer = build.add(pool, [source], (channels, *size), scaled=False)
    build.layers[-1] = replace(layer, epilogue=Epilogue.identity(channels))
    return build.layers[-1]


def whole_maps(build, area, channels):
    """Layers that read a whole map for one output column or two, of maps that lie in order and of others."""
    plain = {"stride": (1, 1), "padding": NONE}
    first = build.conv(build.layers[0], channels, (1, 1), **plain)
    mixed = build.add(Shuffle(build.rng.permutation(channels)), [first], first.shape, scaled=False)
    for kind in ("avg", "max"):
        build.conv(pooled(build, first, kind, area, NONE, (1, 1)), 7, (1, 1), **plain)
    added = pooled(build, mixed, "avg", (area[0], area[1] - 1), (1, 0, 1, 0), (3, 2))
    build.conv(first, channels, area, groups=channels, **plain)
    joined = build.add(Concat(), [added, added], (2 * channels, 3, 2), scaled=False)
    return build.conv(joined, 2 * channels, (1, 1), **plain)


@pytest.mark.parametrize("name", DEEP_CONFIGS)
@pytest.mark.parametrize("keep", ["all", "outputs"])
def test_some_slots_of_each_pixel(name, keep):
    config = DEEP_CONFIGS[name]
    build = Builder(5, config.arithmetic, (3, 7, 6))
    whole_maps(build, (7, 6), 37)
    program, _ = check(build.network(), config, 2, keep=keep)
    cut = {layer["op"] for layer in program.layers if layer.get("parts", 1) > 1}
    assert {"Conv", "Pool"} <= cut
