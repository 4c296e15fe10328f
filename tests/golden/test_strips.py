"""Networks of plain convolutions in strips: every edge, in every bit, in the caller's own memory."""

import numpy as np
import pytest

from hwshift.golden import runner, strips
from hwshift.golden.formats import Arithmetic, Pow2Format, QFormat
from hwshift.golden.plan import Plan
from hwshift.golden.recipe import Recipe
from hwshift.golden.steps import CONVOLVE, COPY, LEAVE
from hwshift.golden.strips import Edges, in_strips
from hwshift.golden.tiles import available, use_tiles
from hwshift.network.fixed import RELU, SIGMOID, Activation, Conv, Epilogue, FixedLayer, FixedWeights

from ..seeds import generator
from . import oracle
from .build import codes, conv_network, epilogue, network
from .guard import guarded_runs

MAC = Arithmetic("mac", QFormat(), QFormat())
NARROW = Arithmetic("mac", QFormat(8, 8), QFormat(8, 8))
POW2 = Arithmetic()

unit = pytest.mark.skipif(not available(), reason="this processor has no matrix unit")


def conv(rng, a, outputs, inputs, kernel=1, largest=None, **options):
    """A convolution with weights up to a magnitude, such that values neither vanish nor explode: up to 1/4, or to 1."""
    shape = (outputs, inputs, kernel, kernel)
    if isinstance(a.weights, Pow2Format):
        sign = rng.integers(-1, 2, shape)
        power = np.where(sign == 0, a.weights.p_min, rng.integers(-15, 1, shape))
        return Conv(FixedWeights(a.weights, sign, power), **options)
    largest = largest or 1 << (a.weights.n - 2)
    return Conv(FixedWeights(a.weights, rng.integers(-largest, largest, shape, endpoint=True)), **options)


def chain(rng, a, size, kind=None):
    """A fused shift, a window, a window that lies askew, and groups of windows further apart.

    With any scales and biases, and activations of this kind; None: ReLU alone.
    """
    ops = [
        conv(rng, a, 5, 34, shift=rng.integers(-2, 2, (34, 2), endpoint=True)),
        conv(rng, a, 6, 5, 3, padding=(1, 1, 1, 1)),
        conv(rng, a, 8, 6, 3, padding=(2, 0, 0, 2)),
        conv(rng, a, 8, 4, 3, padding=(3, 3, 3, 3), dilation=(3, 3), groups=2),
    ]
    channels = (5, 6, 8, 8)
    layers, source = [], "in"
    for i, (op, count) in enumerate(zip(ops, channels, strict=True)):
        own = epilogue(rng, a, count, kind) if kind else Epilogue.identity(count, RELU)
        layers.append(FixedLayer(f"c{i}", op, (source,), (count, *size), own))
        source = f"c{i}"
    return network(a, (34, *size), *layers)


SMALL = {"_WORDS": 0, "_LEAST": 0, "_STRETCH": 0}
"""With these a strip is one vector, and a stretch as short as it may be."""


def check(net, a, x):
    """A network in strips gives what plain integers give, on several threads, between forbidden pages."""
    assert in_strips(Recipe(net, a)) == available()
    expected = [oracle.trace(net, a, image)[0][net.output.name].tolist() for image in x]
    assert len(np.unique(expected)) >= min(net.output.shape[1:])
    for number, (threads, costs) in enumerate(((1, {}), (3, {}), (1, SMALL), (3, SMALL), (2, SMALL))):
        with pytest.MonkeyPatch.context() as patch, guarded_runs(at_end=bool(number % 2)) as guard:
            patch.setattr(runner, "_WORTH_STRIPS", 0)
            patch.setattr(runner, "_WORTH_THREADS", 0)
            patch.setattr(runner, "_BLOCK_IMAGES", 1)
            for name, cost in costs.items():
                patch.setattr(strips, name, cost)
            own = guard.copy("x", x.astype(np.int32), fixed=True)
            out = guard.copy("out", np.full((len(x), *net.output.shape), 77, np.int32))
            one = runner.Runner(net, a)
            for _ in range(2):
                one.run(own, out, threads)
                assert out.tolist() == expected
            guard.check()


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (2, 16), (3, 17), (7, 7), (16, 3), (5, 35)], ids=str)
@pytest.mark.parametrize("top", [1 << 14, 1 << 22, (1 << 31) - 1])
def test_every_edge(size, top):
    """Maps narrower than a vector and as wide, values of two to four bytes, among them both ends."""
    rng = generator(size[0], size[1], top)
    x = rng.integers(-top - 1, top, (1, 34, *size), endpoint=True)
    check(chain(rng, MAC, size), MAC, x)


@pytest.mark.parametrize("a", [MAC, NARROW, POW2], ids=["mac", "narrow", "pow2"])
@pytest.mark.parametrize("kind", ["none", "relu", "clamp"])
def test_epilogues(a, kind):
    """Any scale and bias, values that saturate or not, a batch of which each image is a plan's."""
    rng = generator(len(kind), a.act.bits, a.pe == "mac")
    net = chain(rng, a, (4, 9), kind)
    check(net, a, codes(rng, a.act, (3, 34, 4, 9)))


@unit
def test_nothing_is_copied():
    net = chain(generator(1), MAC, (5, 6))
    recipe = Recipe(net, MAC)
    plan = Plan(recipe, 1, 1, False)
    assert plan.strip == plan.stretch == 32
    assert plan.names == ["c0", "c1", "c2", "c3"]
    assert plan.steps.kind.tolist() == [CONVOLVE] * 4
    for images, keep, last in ((2, False, [LEAVE]), (1, True, [])):
        plan = Plan(recipe, images, 1, keep)
        assert plan.strip == 0
        assert plan.steps.kind.tolist() == [COPY, *[CONVOLVE] * 4, *last]


@unit
def test_small_images_take_a_thread_that_is_awake(monkeypatch):
    """Not where it would have to be woken, and where layers wait for each other not at all."""
    rng = generator(4)
    net = chain(rng, MAC, (5, 6))
    one = runner.Runner(net, MAC)
    x, out = codes(rng, MAC.act, (1, 34, 5, 6)).astype(np.int32), np.empty((1, *net.output.shape), np.int32)
    macs = one.recipe.macs
    for worth, is_soon, threads in ((macs, True, 2), (macs, False, 1), (macs + 1, True, 1)):
        monkeypatch.setattr(runner, "_WORTH_STRIPS", worth)
        monkeypatch.setattr(runner, "soon", lambda is_soon=is_soon: is_soon)
        one = runner.Runner(net, MAC)
        one.run(x, out, 2)
        assert list(one._plans) == [(1, threads, False)]


@unit
def test_four_signed_bytes_that_do_not_hold_an_input():
    """Few taps are products of signed bytes, which do not reach 2**31: such a layer may need another way."""
    rng = generator(2)
    for a, good in ((MAC, False), (NARROW, True)):
        net = conv_network(a, (24, 3, 7), conv(rng, a, 6, 24, shift=rng.integers(-1, 2, (24, 2))))
        assert Recipe(net, a).packed["out"].tiles.signed
        assert in_strips(Recipe(net, a)) == good
        x = rng.choice([a.act.min, a.act.max, 0, 1], (1, 24, 3, 7)).astype(np.int32)
        expected = oracle.trace(net, a, x[0])[0]["out"]
        out = np.empty((1, *net.output.shape), np.int32)
        runner.Runner(net, a).run(x, out, 1)
        assert out[0].tolist() == expected.tolist()


@unit
def test_which_networks_are_computed_in_strips():
    """Not those of which a layer may need anything but the matrix unit."""
    rng, size = generator(3), (4, 5)
    wide = np.zeros((34, 2), int)

    def strips_for(op, own=None, shape=(34, *size), residual=None, a=MAC):
        return in_strips(Recipe(conv_network(a, shape, op, own, residual), a))

    good = conv(rng, MAC, 34, 34, shift=wide)
    assert strips_for(good)
    assert not strips_for(conv(rng, MAC, 4, 34, largest=1 << 20))  # sums beyond float64
    assert not strips_for(conv(rng, MAC, 4, 20), shape=(20, *size))  # few taps
    assert not strips_for(conv(rng, MAC, 3, 34))  # channel by channel
    assert not strips_for(conv(rng, MAC, 4, 34, stride=(2, 1)))
    assert not strips_for(conv(rng, MAC, 4, 34, 3))  # another size
    assert not strips_for(good, residual="in")
    for kinds in ((SIGMOID, Activation("none")), (Activation("none"), SIGMOID)):
        assert not strips_for(good, Epilogue.identity(34, *kinds))
    lossy = Arithmetic("mac", QFormat(), QFormat(), guard=3)
    assert not strips_for(conv(rng, lossy, 4, 34), a=lossy)
    with use_tiles("never"):
        assert not strips_for(good)
    with use_tiles("always"):
        assert not strips_for(conv(rng, MAC, 4, 6), shape=(6, *size))
        assert strips_for(conv(rng, NARROW, 4, 6), shape=(6, *size), a=NARROW)


def test_neighbours_inside_the_map():
    edges = Edges((2, 9))
    first, second = edges.at(0, 0), edges.at(1, -2)
    assert edges.at(0, 0) == first
    bits = np.unpackbits(edges.table.array(), bitorder="little")
    assert bits[8 * first :][:32].tolist() == [1] * 18 + [0] * 14
    assert bits[8 * second :][:32].tolist() == [0, 0] + [1] * 7 + [0] * 23
