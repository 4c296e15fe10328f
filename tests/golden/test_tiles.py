"""Products on the matrix unit, or without one, against plain Python integers: the same bits in every way.

Where a processor has no such unit the choices all mean the same, and every value is checked just so.
"""

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from hwshift.golden import model
from hwshift.golden.formats import Arithmetic, QFormat
from hwshift.golden.limbs import LIMBS, ROW, TILE, TILE_ROWS, pack_limbs, split
from hwshift.golden.runner import runner_of
from hwshift.golden.steps import CONVOLVE
from hwshift.golden.tiles import CHOICES, available, tile_choice, use_tiles
from hwshift.network.fixed import NONE, Activation, Conv, Epilogue, FixedLayer, FixedWeights, Pool, Sum

from ..seeds import generator
from . import oracle
from .build import Q16_16, conv_network, network

WHOLE = Arithmetic(pe="mac", act=QFormat(32, 0), weights=QFormat(32, 0))
"""Integers: an output is the sum itself, unless it saturates."""


def sums(weights, x, bits):
    """``weights @ x`` in Python integers, saturated to so many bits."""
    top = 1 << (bits - 1)
    rows = [[int(w) for w in row] for row in weights]
    columns = [[int(v) for v in column] for column in x.T]
    products = [[sum(w * v for w, v in zip(row, column, strict=True)) for column in columns] for row in rows]
    return np.array([[max(-top, min(top - 1, value)) for value in row] for row in products])


def check(weights, x, size=None, places=0, threads=1, bias=0):
    """A 1x1 convolution of x, shape (taps, positions), whose sums are divided by ``2**places``, in every way."""
    weights, x = np.asarray(weights, np.int64), np.asarray(x, np.int64)
    outputs, taps = weights.shape
    height, width = size or (1, x.shape[1])
    op = Conv(FixedWeights(WHOLE.weights, weights.reshape(outputs, taps, 1, 1)))
    own = Epilogue.identity(outputs)
    own = Epilogue(own.m, own.s + places, own.b + bias)
    expected = np.clip((sums(weights, x, 64) >> places) + bias, WHOLE.act.min, WHOLE.act.max)
    for choice in CHOICES:
        with use_tiles(choice):
            net = conv_network(WHOLE, (taps, height, width), op, own)
            found = model.run(net, WHOLE, x.reshape(1, taps, height, width), threads=threads)
            np.testing.assert_array_equal(found.reshape(outputs, -1), expected, err_msg=choice)


def is_tiled(outputs, taps, largest=1 << 14):
    """Whether the plan of a 1x1 convolution hands its products to the matrix unit when it is forced to."""
    values = np.full((outputs, taps, 1, 1), largest)
    net = conv_network(WHOLE, (taps, 1, 8), Conv(FixedWeights(WHOLE.weights, values)))
    with use_tiles("always"):
        runner = runner_of(net, WHOLE)
        steps = runner._take((1, 1, False)).plan.steps
    return [bool(step.tiles >= 0) for step in steps if step.kind == CONVOLVE] == [True]


def test_the_unit_is_used_where_there_is_one():
    assert is_tiled(8, 20) == available()
    assert is_tiled(8, 20, (1 << 23) - 1) == available()
    assert not is_tiled(8, 20, 1 << 23)  # more than three bytes


@pytest.mark.parametrize("limbs", LIMBS)
def test_limbs_of_the_ends(limbs):
    top = 1 << (8 * limbs - 1)
    values = np.array([-top, -top + 1, -257, -256, -255, -129, -128, -1, 0, 1, 127, 128, 255, 256, top - 1])
    for value, own in zip(values.tolist(), split(values, limbs).T.tolist(), strict=True):
        assert bytes(own) == value.to_bytes(limbs, "little", signed=True)


def test_every_byte_pattern():
    """All pairs of low bytes, each with both signs of the upper bytes."""
    patterns = np.arange(256)
    for upper in (0, 0x7F00, -0x8000, 0x7FFF00, -0x800000):
        x = np.stack([patterns + upper, np.ones(256, int)])
        for other in (0, 0x7E00, -0x7F00):
            weights = np.stack([patterns[::5] + other, np.arange(len(patterns[::5]))], axis=1)
            check(weights, x, places=8)
            check(weights, x)


@pytest.mark.parametrize(
    "peak",
    [127, 128, 32767, 32768, -32768, -32769, (1 << 23) - 1, 1 << 23, -(1 << 23), (1 << 31) - 1, -(1 << 31)],
)
def test_a_peak_at_each_limit(peak):
    rng = generator(abs(peak))
    low, high = min(peak, 0), max(peak, 0)
    x = rng.integers(low, high, (5, 33), endpoint=True)
    x[2, 17] = peak
    weights = rng.integers(-300, 300, (9, 5))
    check(weights, x)
    check(weights, x, places=14)
    check(np.where(weights % 2, 32767, -32768), x, places=17)


@pytest.mark.parametrize(
    ("weight_bits", "bits"), [(5, 8), (15, 8), (15, 16), (15, 20), (23, 16), (23, 22), (15, 30), (23, 30)]
)
def test_every_place_of_the_point(weight_bits, bits):
    """Sums that a power of two scales are cut byte by byte where nothing can saturate, and from one byte on."""
    rng = np.random.default_rng(weight_bits + bits)
    weights = rng.integers(-(1 << weight_bits - 1), 1 << weight_bits - 1, (9, 7))
    x = rng.integers(-(1 << bits), 1 << bits, (7, 18))
    weights[0], weights[1], weights[2], x[:, 0] = weights.max(), weights.min(), -1, -1
    for places in range(28):
        check(weights, x, places=places, bias=int(rng.integers(-300, 300)))


@pytest.mark.parametrize("largest", [127, 32767, 32768, (1 << 23) - 1, 1 << 23, (1 << 31) - 1])
def test_weights_at_each_limit(largest):
    rng = generator(largest)
    weights = rng.integers(-largest, largest, (20, 7), endpoint=True)
    weights[0, 0], weights[17, 6] = largest, -largest
    x = rng.integers(-100, 101, (7, 20))
    check(weights, x)
    check(weights, x, places=9)


@pytest.mark.parametrize("taps", [1, 3, 4, 5, 63, 64, 65, 68, 127, 128, 129, 191, 193, 260])
def test_taps_at_the_borders_of_chunks(taps):
    rng = generator(taps)
    weights, x = rng.integers(-(1 << 15), 1 << 15, (17, taps)), rng.integers(-(1 << 20), 1 << 20, (taps, 19))
    check(weights, x, places=12)
    check(np.full((4, taps), (1 << 23) - 1), np.full((taps, 3), -(1 << 20)), places=20)


def test_the_most_products_that_a_sum_holds():
    """3 * 255 * 255 * 11008 is just below 2**31: three pairs of limbs add to one sum."""
    most = 11008
    assert pack_limbs(np.zeros((1, 4, most), int)) is not None
    assert pack_limbs(np.zeros((1, 4, most + 1), int)) is None
    for taps in (most, most + 1):
        for sign in (1, -1):  # -1 has the limbs 255, 255, -1
            weights = np.full((4, taps), 0xFFFF)
            weights[:, 1:] *= np.where(np.arange(taps - 1) % 1000 == 0, sign, 1)
            check(weights, np.full((taps, 2), 0xFFFF), places=16)
            check(np.full((4, taps), -1), np.full((taps, 2), sign), places=0)
    x = np.full((most, 1), 0xFFFFF)
    check(np.full((4, most), 0xFFFF), x, places=20)


@pytest.mark.parametrize("outputs", [4, 7, 8, 9, 15, 16, 17, 24, 31, 33, 48, 70])
def test_outputs_that_fill_no_block(outputs):
    rng = generator(outputs)
    weights = rng.integers(-40000, 40000, (outputs, 12))
    check(weights, rng.integers(-(1 << 22), 1 << 22, (12, 50)), places=11)


@pytest.mark.parametrize(
    "size", [(1, 1), (1, 15), (1, 16), (1, 17), (1, 47), (1, 48), (1, 49), (5, 7), (9, 11), (20, 30)]
)
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_positions_that_fill_no_tile(size, threads):
    rng = generator(size)
    weights = rng.integers(-(1 << 13), 1 << 13, (33, 40))
    check(weights, rng.integers(-(1 << 19), 1 << 19, (40, size[0] * size[1])), size, 9, threads)


@pytest.mark.parametrize("threads", [2, 3])
def test_parts_that_threads_share(threads):
    """Large enough that a step has parts of less than a panel, and shares of its outputs."""
    rng = generator(threads)
    weights = rng.integers(-(1 << 14), 1 << 14, (100, 130))
    x = rng.integers(-(1 << 19), 1 << 19, (130, 14 * 15))
    op = Conv(FixedWeights(WHOLE.weights, weights.reshape(100, 130, 1, 1)))
    expected = np.clip(sums(weights, x, 64), WHOLE.act.min, WHOLE.act.max).reshape(1, 100, 14, 15)
    over = int((np.abs(sums(weights, x, 64)) >= 1 << 31).sum())
    for choice in CHOICES:
        with use_tiles(choice):
            net = conv_network(WHOLE, (130, 14, 15), op)
            for _ in range(20):
                trace = model.trace(net, WHOLE, x.reshape(1, 130, 14, 15), threads=threads)
                np.testing.assert_array_equal(trace["out"], expected, err_msg=choice)
                assert trace.saturated["out"] == over


def calm(rng, channels, kind="none", residual_kind="none"):
    """Scales around 2**-3 and small biases: nothing comes near saturation."""
    activations = [
        Activation(name, -900, 1400) if name == "clamp" else Activation(name)
        for name in (kind, residual_kind)
    ]
    m = rng.integers(-(1 << 14), 1 << 14, channels)
    return Epilogue(m, np.full(channels, 17), rng.integers(-500, 500, channels), *activations)


def small(rng, shape):
    return FixedWeights(Q16_16, rng.integers(-60000, 60000, shape))


SHAPES = [(6, 5, 19), (6, 7, 7), (6, 2, 34), (6, 3, 1)]
OPS = {
    "pointwise": lambda rng: Conv(small(rng, (20, 6, 1, 1))),
    "three by three": lambda rng: Conv(small(rng, (18, 6, 3, 3)), padding=(1, 1, 1, 1)),
    "every second": lambda rng: Conv(small(rng, (9, 6, 3, 3)), padding=(1, 1, 1, 1), stride=(2, 2)),
    "every third": lambda rng: Conv(small(rng, (9, 6, 3, 3)), padding=(1, 1, 1, 1), stride=(1, 3)),
    "groups": lambda rng: Conv(small(rng, (14, 3, 3, 1)), padding=(1, 0, 1, 0), groups=2),
    "depthwise": lambda rng: Conv(small(rng, (6, 1, 3, 3)), padding=(1, 1, 1, 1), groups=6),
    "depthwise, every second": lambda rng: Conv(
        small(rng, (18, 1, 3, 3)), padding=(1, 1, 1, 1), stride=(2, 2), groups=6
    ),
    "shifted": lambda rng: Conv(small(rng, (8, 6, 1, 1)), shift=rng.integers(-2, 3, (6, 2)), stride=(1, 2)),
}
POOLS = {
    "average": Pool("avg", (3, 3), (2, 2), (1, 1, 1, 1)),
    "average of rows": Pool("avg", (1, 3), (1, 1), (0, 1, 0, 1)),
    "maximum": Pool("max", (3, 3), (2, 2), (1, 1, 1, 1)),
    "maximum of neighbours": Pool("max", (2, 1), (1, 1), (1, 0, 0, 0)),
    "maximum of three": Pool("max", (1, 3), (1, 3), (0, 1, 0, 1)),
}


def calm_network(rng, op, shape, kind, residual_kind, first):
    """``in -> a -> out``, where ``a`` is a copy with an activation, and a residual of ``in`` if asked for."""
    a = Arithmetic(pe="mac", weights=Q16_16)
    layers = [FixedLayer("a", Sum(), ("in",), shape, Epilogue.identity(shape[0], Activation(first)))]
    if isinstance(op, Conv):
        kernel, channels = op.weights.values.shape[2:], len(op.weights.values)
        dilation = op.dilation
    else:
        kernel, channels, dilation = op.kernel, shape[0], (1, 1)
    room = [
        shape[1 + i] + op.padding[i] + op.padding[i + 2] - dilation[i] * (kernel[i] - 1) - 1 for i in range(2)
    ]
    size = (channels, *(room[i] // op.stride[i] + 1 for i in range(2)))
    own = calm(rng, channels, kind, residual_kind or "none")
    if isinstance(op, Pool):  # a pool's own scale is fixed
        own = replace(own, m=np.ones(channels, int), s=np.zeros(channels, int))
    if residual_kind is not None:
        layers.append(
            FixedLayer("r", op, ("in",), size, replace(own, activation=NONE, residual_activation=NONE))
        )
    layers.append(FixedLayer("out", op, ("a",), size, own, None if residual_kind is None else "r"))
    return a, network(a, shape, *layers)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", [*OPS, *POOLS])
def test_what_cannot_saturate(name, shape):
    """Every way to read, to finish and to write a tile, with and without a residual, against the oracle."""
    rng = generator(len(name) + sum(shape))
    for kind, residual_kind, first in (
        ("relu", None, "relu"),
        ("clamp", "relu", "relu"),
        ("none", "clamp", "none"),
    ):
        a, net = calm_network(rng, POOLS.get(name) or OPS[name](rng), shape, kind, residual_kind, first)
        x = rng.integers(-(1 << 17), 1 << 17, (2, *shape))
        expected = [oracle.trace(net, a, image) for image in x]
        for choice in CHOICES:
            with use_tiles(choice):
                found = model.trace(net, a, x, threads=1)
                again = model.trace(net, a, x[:1], threads=2)
            for layer in ("a", "out"):
                whole = np.array([image[0][layer] for image in expected]).reshape(found[layer].shape)
                np.testing.assert_array_equal(found[layer], whole, err_msg=f"{choice}, {layer}")
                np.testing.assert_array_equal(again[layer], whole[:1], err_msg=f"{choice}, {layer}")
            for trace, images in ((found, expected), (again, expected[:1])):
                counts = {name: sum(image[1][name] for image in images) for name in trace.saturated}
                assert trace.saturated == counts, choice
                assert set(counts) >= {"a", "out"} and not any(counts.values())


@pytest.mark.parametrize("outputs", [8, 1])
@pytest.mark.parametrize(
    ("band", "value", "output", "saturated"),
    [
        ((Q16_16.max - 9, Q16_16.max), 100, Q16_16.max, 9),
        ((Q16_16.min, Q16_16.min + 9), -100, Q16_16.min, 9),
        ((Q16_16.max - 100, Q16_16.max), 100, Q16_16.max, 0),
        ((1000, 2000), 100, 1100, 0),
    ],
)
def test_a_clamp_beside_zero_makes_small_values_large(outputs, band, value, output, saturated):
    """A sum of 100 becomes the end of the band, and only then the residual 100 is added."""
    a = Arithmetic(pe="mac", weights=Q16_16)
    own = Epilogue.identity(outputs, Activation("clamp", *band))
    one = FixedWeights(Q16_16, np.full((outputs, outputs, 1, 1), (1 << 16) // outputs))
    shape = outputs, 3, 3
    net = network(a, shape, FixedLayer("out", Conv(one), ("in",), shape, own, "in"))
    for choice in CHOICES:
        with use_tiles(choice):
            found = model.trace(net, a, np.full(shape, value))
        assert (found["out"] == output).all(), choice
        assert found.saturated == {"out": saturated * outputs}, choice


def test_packed_weights_lie_as_the_unit_reads_them():
    weights = np.zeros((1, 20, 70), int)
    weights[0, 13, 66] = 0x123456
    packed = pack_limbs(weights)
    assert (packed.rows, packed.chunk, packed.chunks) == (10, 36, 2)
    assert packed.blocks.tolist() == [[[ROW, 2], [ROW + 4 * TILE, 3]]]
    tiles = packed.data[ROW + 4 * TILE :].reshape(3, 2, TILE_ROWS, ROW)
    assert np.argwhere(tiles).tolist() == [[limb, 1, 3, 30] for limb in range(3)]
    assert tiles[:, 1, 3, 30].tolist() == [0x56, 0x34, 0x12]


def test_choices():
    assert tile_choice() in CHOICES
    with use_tiles("never"):
        assert tile_choice() == "never"
        with use_tiles("always"):
            assert tile_choice() == "always"
        assert tile_choice() == "never"
    with pytest.raises(ValueError) as caught, use_tiles("sometimes"):
        pass
    assert str(caught.value) == "choice must be one of auto, never, always, not 'sometimes'"


@pytest.mark.parametrize(
    ("value", "last"),
    [("never", "never"), ("no", "ValueError: HWSHIFT_TILES must be one of auto, never, always, not 'no'")],
)
def test_the_environment_chooses(value, last):
    code = "from hwshift.golden.tiles import tile_choice; print(tile_choice())"
    environment = os.environ | {"HWSHIFT_TILES": value}
    found = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert (found.stdout + found.stderr).splitlines()[-1] == last
