"""Gates, sigmoids, instance normalisation, slices, upsampling and formats of single layers, against plain integers."""

from dataclasses import replace

import numpy as np
import pytest

from hwshift.errors import QuantizeError
from hwshift.golden import model
from hwshift.golden.formats import Arithmetic, QFormat
from hwshift.network.bind import bind
from hwshift.network.fixed import (
    SIGMOID,
    Activation,
    ChannelScale,
    Concat,
    Conv,
    Epilogue,
    FixedLayer,
    InstanceNorm,
    Pool,
    Shift,
    Shuffle,
    Slice,
    Sum,
    Upsample,
)
from hwshift.network.layer_formats import layer_formats
from hwshift.network.verify_fixed import verify_fixed

from ..seeds import generator
from .build import ARITHMETICS, codes, epilogue, network, weights
from .test_model import ARITHMETIC_IDS, check_against_oracle

FULL = [a for a in ARITHMETICS if a.scale_digits is None]
FULL_IDS = [name for a, name in zip(ARITHMETICS, ARITHMETIC_IDS, strict=True) if a.scale_digits is None]


def plain(rng, a, channels, *kinds):
    """No scale, random bias, activations of these kinds."""
    own = epilogue(rng, a, channels, *kinds)
    return replace(own, m=np.ones(channels, np.int64), s=np.zeros(channels, np.int64))


def gated(a, gate, last, residual=None):
    """A map whose gate is the clamped average of its channels."""
    return network(
        a,
        (5, 3, 4),
        FixedLayer("gate", Pool("avg", (3, 4), (1, 1)), ("in",), (5, 1, 1), gate),
        FixedLayer("out", ChannelScale(), ("in", "gate"), (5, 3, 4), last, residual),
    )


@pytest.mark.parametrize("a", FULL, ids=FULL_IDS)
def test_channel_scale(a):
    rng = generator(1)
    top = min(a.act.max, (1 << (a.act.n + 1)) - 1)  # the last code below 2.0
    for kinds, residual in ((("none",), None), (("relu", "clamp"), "in"), (("sigmoid", "none"), "in")):
        gate = replace(plain(rng, a, 5), activation=Activation("clamp", max(a.act.min, -top), top))
        net = bind(gated(a, gate, plain(rng, a, 5, *kinds), residual), a)
        check_against_oracle(net, a, codes(rng, a.act, (3, 5, 3, 4)))


@pytest.mark.parametrize("a", FULL, ids=FULL_IDS)
def test_channel_scale_at_both_ends_of_gate_and_map(a):
    """Single pixels: the gate is the pixel itself, brought to the ends of what a mantissa holds."""
    ends = [a.act.min, a.act.min + 1, -1, 0, 1, a.act.max]
    x = np.array([[p, q] for p in ends for q in ends]).reshape(-1, 2, 1, 1)
    top = min(a.act.max, (1 << (a.act.n + 1)) - 1)
    gate = Epilogue.identity(1, Activation("clamp", max(a.act.min, -top), top))
    net = network(
        a,
        (2, 1, 1),
        FixedLayer("map", Slice(0, 1), ("in",), (1, 1, 1)),
        FixedLayer("other", Slice(1, 2), ("in",), (1, 1, 1)),
        FixedLayer("gate", Sum(), ("other",), (1, 1, 1), gate),
        FixedLayer("out", ChannelScale(), ("map", "gate"), (1, 1, 1), Epilogue.identity(1)),
    )
    check_against_oracle(bind(net, a), a, x)


def test_gates_by_hand():
    """1.5 * 0.75 = 1.125; -2 * 0.75 + 0.5 = -1; a gate with 17 fraction bits loses the last by floor."""
    a = Arithmetic()
    one = 1 << 16
    own = Epilogue(np.array([1]), np.array([0]), np.array([one // 2]))
    layers = (
        FixedLayer("map", Slice(0, 1), ("in",), (1, 1, 1)),
        FixedLayer("gate", Slice(1, 2), ("in",), (1, 1, 1)),
        FixedLayer("out", ChannelScale(), ("map", "gate"), (1, 1, 1), own),
    )
    x = np.array([[3 * one // 2, 3 * one // 4], [-2 * one, 3 * one // 4]]).reshape(2, 2, 1, 1)
    assert model.run(network(a, (2, 1, 1), *layers), a, x).ravel().tolist() == [13 * one // 8, -one]
    fine = FixedLayer("fine", Sum(), ("gate",), (1, 1, 1),
                      Epilogue(np.array([3]), np.array([2]), np.array([0])), act=QFormat(2, 17))  # fmt: skip
    net = network(a, (2, 1, 1), *layers[:2], fine, replace(layers[2], inputs=("map", "fine")))
    # the gate 6 in 2**-16 becomes 12 * 3/4 = 9 in 2**-17, and 4 as a mantissa; -6 becomes -9, and -5
    for gate, mantissa in ((6, 4), (-6, -5)):
        x = np.array([16 * one, gate]).reshape(2, 1, 1)
        assert model.run(net, a, x).item() == 16 * mantissa + one // 2


@pytest.mark.parametrize("a", ARITHMETICS, ids=ARITHMETIC_IDS)
@pytest.mark.parametrize("kinds", [("sigmoid", "none"), ("sigmoid", "sigmoid"), ("clamp", "sigmoid")])
def test_sigmoid(a, kinds):
    rng = generator(2)
    op = Conv(weights(rng, a, (5, 5, 1, 1)))
    own = epilogue(rng, a, 5, *kinds)
    for residual in (None, "in"):
        net = network(a, (5, 3, 3), FixedLayer("out", op, ("in",), (5, 3, 3), own, residual))
        check_against_oracle(net, a, codes(rng, a.act, (2, 5, 3, 3)))
    alone = network(a, (5, 3, 3), FixedLayer("out", Sum(), ("in",), (5, 3, 3), Epilogue.identity(5, SIGMOID)))
    check_against_oracle(alone, a, codes(rng, a.act, (2, 5, 3, 3)))


@pytest.mark.parametrize("a", ARITHMETICS, ids=ARITHMETIC_IDS)
def test_instance_norm(a):
    rng = generator(3)
    for residual, kinds in ((None, ("none",)), ("in", ("relu", "clamp")), (None, ("sigmoid",))):
        gamma = rng.choice([0.0, 1.0, -1.0, 0.3, *rng.normal(size=4)], 4)
        beta = a.act.to_float(codes(rng, a.act, 4)) * rng.choice([0, 1, 0.37], 4)
        op = InstanceNorm(gamma, np.asarray(beta), float(rng.choice([1e-5, 1e-3, 2.0])))
        own = replace(plain(rng, a, 4, *kinds), b=np.zeros(4, np.int64))
        net = network(a, (4, 3, 5), FixedLayer("out", op, ("in",), (4, 3, 5), own, residual))
        x = codes(rng, a.act, (4, 4, 3, 5))
        x[0, 0], x[0, 1] = a.act.min, a.act.max  # constant maps, and one with both ends only
        x[1, 0] = rng.choice([a.act.min, a.act.max], (3, 5))
        check_against_oracle(bind(net, a), a, x)


def test_instance_norm_by_hand():
    """1, 2, 3, 6 have the mean 3 and the variance 3.5; with eps = 0.5 each is (x - 3) / 2."""
    a = Arithmetic()
    op = InstanceNorm(np.array([1.0]), np.array([0.25]), 0.5)
    net = network(a, (1, 2, 2), FixedLayer("out", op, ("in",), (1, 2, 2), Epilogue.identity(1)))
    one = 1 << 16
    x = one * np.array([1, 2, 3, 6]).reshape(1, 2, 2)
    assert (model.run(net, a, x).ravel() / one).tolist() == [-0.75, -0.25, 0.25, 1.75]


def test_instance_norm_is_exact_where_64_bits_are_not_enough():
    """A thousand pixels at the format's ends, but for one: sums of squares beyond 64 bits."""
    a = Arithmetic("mac", weights=QFormat())
    x = np.full((1, 1, 32, 32), a.act.max)
    x[..., 0, 0] -= 1
    x[..., 16:, :] = a.act.min
    op = InstanceNorm(np.array([2.0]), np.array([0.0]), 1e-5)
    net = network(a, (1, 32, 32), FixedLayer("out", op, ("in",), (1, 32, 32), Epilogue.identity(1)))
    check_against_oracle(net, a, x)


def test_slices_and_upsampling():
    rng = generator(4)
    a = ARITHMETICS[0]
    net = network(
        a,
        (6, 3, 2),
        FixedLayer("some", Slice(1, 5), ("in",), (4, 3, 2)),
        FixedLayer("one", Slice(3, 4), ("some",), (1, 3, 2)),
        FixedLayer("up", Upsample((2, 3)), ("some",), (4, 6, 6)),
        FixedLayer("rows", Upsample((3, 1)), ("up",), (4, 18, 6)),
    )
    x = codes(rng, a.act, (2, 6, 3, 2))
    check_against_oracle(net, a, x)
    assert model.trace(net, a, x).saturated == {}


FINE, COARSE = QFormat(4, 9), QFormat(9, 2)


@pytest.mark.parametrize("a", ARITHMETICS, ids=ARITHMETIC_IDS)
@pytest.mark.parametrize("fmt", [FINE, COARSE, QFormat(2, 0), QFormat(1, 10)], ids=str)
def test_formats_of_single_layers(a, fmt):
    """From the network's format to another, a residual of another, a sum of both, maxima and moves in it."""
    rng = generator(5)
    low = max(0, fmt.n - a.act.n - a.guard)
    scale = {
        "m": np.array([3, -1, 1, 0]),
        "s": np.full(4, min(low + 3, 62 - a.guard - max(0, a.act.n - fmt.n))),
    }
    if a.scale_digits == 1:
        scale["m"] = np.array([4, -1, 1, 0])
    own = replace(plain(rng, a, 4, "none", "relu"), b=codes(rng, fmt, 4), **scale)
    back = max(0, a.act.n - fmt.n - a.guard)
    to_act = replace(plain(rng, a, 4), s=np.full(4, back), b=codes(rng, a.act, 4))
    net = network(
        a,
        (4, 3, 4),
        FixedLayer("other", Sum(), ("in",), (4, 3, 4), own, act=fmt),
        FixedLayer("added", Sum(), ("in",), (4, 3, 4), own, "in", act=fmt),
        FixedLayer(
            "max", Pool("max", (2, 2), (1, 1), (1, 1, 0, 0)), ("other",), (4, 3, 4), Epilogue.identity(4)
        ),
        FixedLayer("both", Concat(), ("max", "added"), (8, 3, 4)),
        FixedLayer("mixed", Shuffle(rng.permutation(8)), ("both",), (8, 3, 4)),
        FixedLayer("shift", Shift(rng.integers(-1, 2, (8, 2))), ("mixed",), (8, 3, 4)),
        FixedLayer("half", Slice(2, 6), ("shift",), (4, 3, 4)),
        FixedLayer("sum", Sum(), ("half", "in"), (4, 3, 4), replace(to_act, s=np.zeros(4, np.int64)), "half"),
        FixedLayer("back", Sum(), ("half",), (4, 3, 4), to_act, "half"),
    )
    formats = layer_formats(verify_fixed(net))
    assert {name: at.output for name, at in formats.items()} == {
        "in": a.act, "sum": a.act, "back": a.act,
        **dict.fromkeys(("other", "added", "max", "both", "mixed", "shift", "half"), fmt),
    }  # fmt: skip
    check_against_oracle(net, a, codes(rng, a.act, (3, 4, 3, 4)))


def test_formats_by_hand():
    """2.5 in Q8.8, times 3/4, in Q6.4: 1.875 = 30/16; plus the residual 2.5 + 3/256, whose 3/256 are floored."""
    a = Arithmetic(act=QFormat(8, 8))
    own = Epilogue(np.array([3]), np.array([2]), np.array([0]))
    layer = FixedLayer("out", Sum(), ("in",), (1, 1, 1), own, act=QFormat(6, 4))
    net = network(a, (1, 1, 1), layer)
    assert model.run(net, a, np.array([[[640]]])).item() == 30
    net = network(a, (1, 1, 1), replace(layer, residual="in"))
    assert model.run(net, a, np.array([[[643]]])).item() == 30 + 40
    found = model.trace(net, a, np.array([[[(1 << 15) - 1]]]))
    assert (found["out"].item(), found.saturated) == (511, {"out": 1})


def test_the_input_has_its_own_format():
    a = Arithmetic(act=QFormat(8, 8))
    net = network(a, (1, 1, 1), FixedLayer("out", Sum(), ("in",), (1, 1, 1), Epilogue.identity(1)))
    net = replace(net, layers=(replace(net.layers[0], act=QFormat(2, 6)), net.layers[1]))
    with pytest.raises(
        QuantizeError, match=r"^in: input codes must fit Q2\.6 \(-128\.\.127\), not 128\.\.128$"
    ):
        model.run(net, a, np.array([[[128]]]))
    net = bind(replace(net, layers=(net.layers[0], replace(
        net.layers[1], epilogue=Epilogue(np.array([4]), np.array([2]), np.array([0]))))), a)  # fmt: skip
    assert model.run(net, a, np.array([[[127]]])).item() == 127 * 4


@pytest.mark.parametrize(
    ("bits", "message"),
    [
        (QFormat(3, 13), "out: gates must be smaller than 2 in magnitude, not 2.0; bind the network first"),
        (QFormat(20, 12), "out: gates must be smaller than 2 in magnitude, not 2.0; bind the network first"),
    ],
)
def test_unproved_gates_are_refused(bits, message):
    a = Arithmetic(act=bits)
    layers = (
        FixedLayer("map", Slice(0, 1), ("in",), (1, 1, 1)),
        FixedLayer("gate", Slice(1, 2), ("in",), (1, 1, 1)),
        FixedLayer("out", ChannelScale(), ("map", "gate"), (1, 1, 1), Epilogue.identity(1)),
    )
    gate = 2 << bits.n if bits.n == 13 else -2 << bits.n
    with pytest.raises(QuantizeError) as caught:
        model.run(network(a, (2, 1, 1), *layers), a, np.array([1, gate]).reshape(2, 1, 1))
    assert str(caught.value) == message
