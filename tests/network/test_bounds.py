import itertools
import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from hwshift.golden.formats import Arithmetic, Pow2Format, QFormat
from hwshift.golden.model import trace
from hwshift.golden.scale import average_scale
from hwshift.network import fixed
from hwshift.network.bind import bind
from hwshift.network.bounds import average_counts, layer_bounds
from hwshift.network.quantize import quantize
from hwshift.network.random import csc_network, mixed_network

from ..seeds import generator

Q4 = QFormat(4, 0)
UNIT = Pow2Format(0, 0)
NARROW = Arithmetic("shift_add", act=Q4, weights=UNIT, acc_width=16)


def layer(name, op, inputs, shape, **epilogue):
    rest = {key: epilogue.pop(key) for key in ("residual",) if key in epilogue}
    plain = fixed.Epilogue.identity(shape[0])
    arrays = {key: np.array(value) if isinstance(value, list) else value for key, value in epilogue.items()}
    return fixed.FixedLayer(name, op, inputs, shape, replace(plain, **arrays), **rest)


def network(act, shape, *layers):
    return fixed.FixedNetwork("net", act, (fixed.FixedLayer("input", fixed.Input(), (), shape), *layers))


def weights(fmt, values, powers=None):
    values = np.array(values, np.int64)
    if isinstance(fmt, QFormat):
        return fixed.FixedWeights(fmt, values)
    powers = np.zeros_like(values) if powers is None else np.array(powers, np.int64)
    return fixed.FixedWeights(fmt, values, np.where(values == 0, fmt.p_min, powers))


def ends(bounds):
    return bounds.lo.tolist(), bounds.hi.tolist()


def test_input_is_the_whole_format():
    assert ends(layer_bounds(network(Q4, (2, 3, 3)), NARROW)["input"]) == ([-8, -8], [7, 7])


def test_conv_by_hand():
    """Channel 0: x0 - x1 over [-8, 7]; channel 1: 2 taps of x0. X = 8, K = 4 terms."""
    conv = fixed.Conv(weights(UNIT, [[[[1, 0]], [[-1, 0]]], [[[1, 1]], [[0, 0]]]]))
    net = network(QFormat(6, 0), (2, 1, 2), layer("c", conv, ("input",), (2, 1, 1)))
    bounds = layer_bounds(net, replace(NARROW, act=net.act))["c"]
    assert bounds.acc == [2 * 32 + 4, 2 * 32 + 4]
    assert ends(bounds) == ([-32, -32], [31, 31])
    clamped = layer("k", fixed.Sum(), ("input",), (2, 1, 2), activation=fixed.Activation("clamp", -3, 5))
    net = network(net.act, (2, 1, 2), clamped, layer("c", conv, ("k",), (2, 1, 1)))
    bounds = layer_bounds(net, replace(NARROW, act=net.act))["c"]
    assert bounds.acc == [2 * 5 + 4, 2 * 5 + 4]
    assert ends(bounds) == ([-8, -6], [8, 10])


def test_padding_and_shift_read_zero():
    positive = layer(
        "k", fixed.Sum(), ("input",), (1, 2, 2), b=[5], activation=fixed.Activation("clamp", 2, 7)
    )
    one = weights(UNIT, [[[[1]]]])
    reads = {
        "plain": fixed.Conv(one),
        "shifted": fixed.Conv(one, shift=np.array([[0, 1]])),
        "moved": fixed.Shift(np.array([[0, 1]])),
        "max": fixed.Pool("max", (2, 2), (1, 1), (1, 1, 0, 0)),
    }
    layers = [layer(name, op, ("k",), (1, 2, 2)) for name, op in reads.items()]
    layers.append(layer("padded", fixed.Conv(one, padding=(1, 0, 0, 0)), ("k",), (1, 3, 2)))
    found = layer_bounds(network(Q4, (1, 2, 2), positive, *layers), NARROW)
    lows = {name: found[name].lo.item() for name in (*reads, "padded")}
    assert lows == {"plain": 2, "shifted": 0, "moved": 0, "max": 2, "padded": 0}


def test_epilogue_by_hand():
    """Scale -3 / 2**1, bias 1, saturate, ReLU, + [-8, 7], saturate, clamp."""
    epilogue = {"m": [-3], "s": [1], "b": [1], "activation": fixed.RELU}
    last = layer(
        "y", fixed.Sum(), ("input",), (1, 1, 1), residual="input",
        residual_activation=fixed.Activation("clamp", -5, 6), **epilogue,
    )  # fmt: skip
    net = network(Q4, (1, 1, 1), layer("e", fixed.Sum(), ("input",), (1, 1, 1), **epilogue), last)
    bounds = layer_bounds(net, NARROW)
    # x = 7: floor(-21 / 2) + 1 = -10 -> -8 -> 0; x = -8: 12 + 1 -> 7
    assert ends(bounds["e"]) == ([0], [7])
    assert ends(bounds["y"]) == ([-5], [6])


def test_moves_and_sum():
    clamped = layer("k", fixed.Sum(), ("input",), (2, 1, 1), b=[0, 3], activation=fixed.RELU)
    net = network(
        Q4, (2, 1, 1), clamped,
        fixed.FixedLayer("cat", fixed.Concat(), ("k", "input"), (4, 1, 1)),
        fixed.FixedLayer("mix", fixed.Shuffle(np.array([3, 1, 0, 2])), ("cat",), (4, 1, 1)),
        layer("s", fixed.Sum(), ("k", "input"), (2, 1, 1)),
    )  # fmt: skip
    bounds = layer_bounds(net, NARROW)
    assert ends(bounds["cat"]) == ([0, 0, -8, -8], [7, 7, 7, 7])
    assert ends(bounds["mix"]) == ([-8, 0, 0, -8], [7, 7, 7, 7])
    assert bounds["s"].acc == [7 + 8 + 2, 7 + 8 + 2]
    assert ends(bounds["s"]) == ([-8, -8], [7, 7])


def test_gate_by_hand():
    """Gates 0..1 and -1..0.5 of maps -8..7: the ends are among the products, floored."""
    q = QFormat(4, 1)
    gate = layer("g", fixed.Sum(), ("input",), (1, 1, 1), activation=fixed.Activation("clamp", 0, 2))
    other = layer("h", fixed.Sum(), ("input",), (1, 1, 1), activation=fixed.Activation("clamp", -2, 1))
    scaled = [layer(f"{name}s", fixed.ChannelScale(), ("input", name), (1, 1, 1)) for name in ("g", "h")]
    bounds = layer_bounds(network(q, (1, 1, 1), gate, other, *scaled), replace(NARROW, act=q))
    assert bounds["gs"].gates.tolist() == [[0, 1 << 16]]
    assert bounds["hs"].gates.tolist() == [[-(1 << 16), 1 << 15]]
    assert ends(bounds["gs"]) == ([-16], [15])
    assert ends(bounds["hs"]) == ([-15], [15])  # 16 saturates
    assert bounds["gs"].acc == [16 + 1]


def test_sigmoid_and_moves():
    q = QFormat(5, 6)
    gate = layer("g", fixed.Sum(), ("input",), (2, 1, 1), b=[0, -(1 << 10)], activation=fixed.SIGMOID)
    net = network(
        q, (2, 1, 1), gate,
        fixed.FixedLayer("some", fixed.Slice(1, 2), ("g",), (1, 1, 1)),
        fixed.FixedLayer("up", fixed.Upsample((2, 2)), ("some",), (1, 2, 2)),
        layer("norm", fixed.InstanceNorm(np.ones(2), np.zeros(2), 1.0), ("input",), (2, 1, 1), activation=fixed.RELU),
    )  # fmt: skip
    bounds = layer_bounds(net, replace(NARROW, act=q, acc_width=32))
    # inputs up to almost 16, or 0 less 2**-6; sigma(-8 + 1/128) * 64 = 0.02, sigma(8 - 1/128) * 64 = 63.98,
    # sigma(-1/128) * 64 = 31.9
    assert ends(bounds["g"]) == ([0, 0], [64, 32])
    assert ends(bounds["up"]) == ([0], [32])
    assert ends(bounds["norm"]) == ([0, 0], [1023, 1023])


def test_formats_by_hand():
    """-8..7 in Q4.0 as Q3.2: saturated; a residual of more fraction bits is floored, a sum takes the finer one."""
    fine, coarse = QFormat(3, 2), QFormat(6, 0)
    moved = replace(layer("f", fixed.Sum(), ("input",), (1, 1, 1), m=[4], s=[2]), act=fine)
    summed = replace(layer("s", fixed.Sum(), ("f", "input"), (1, 1, 1)), act=coarse)
    added = replace(layer("r", fixed.Sum(), ("input",), (1, 1, 1), residual="f"), act=coarse)
    bounds = layer_bounds(network(Q4, (1, 1, 1), moved, summed, added), NARROW)
    assert ends(bounds["f"]) == ([-16], [15])
    assert ends(bounds["s"]) == ([-12], [10])  # (15 + 28) / 4
    assert bounds["s"].acc == [16 + 32 + 2]
    assert ends(bounds["r"]) == ([-12], [10])  # 7 + floor(15 / 4)


def test_average_counts():
    pool = fixed.Pool("avg", (3, 2), (2, 2), (1, 1, 1, 0), False)
    # rows: windows at -1, 1, 3, 5 of 7 rows: 2, 3, 3, 2 inside; columns at -1, 1, 3 of 5: 1, 2, 2
    assert average_counts(pool, 7, 5) == [2, 3, 4, 6]
    assert average_counts(replace(pool, include_border=True), 7, 5) == [6]


def test_average_by_hand():
    pool = fixed.Pool("avg", (1, 3), (1, 1), (0, 1, 0, 1), False)
    bounds = layer_bounds(network(Q4, (1, 1, 4), layer("p", pool, ("input",), (1, 1, 4))), NARROW)["p"]
    assert bounds.acc == [3 * 8 + 3]
    expected = [(x * n * m >> s) for n in (2, 3) for m, s in [average_scale(n)] for x in (-8, 7)]
    assert ends(bounds) == ([min(expected)], [max(expected)])


def magnitude(arithmetic, weight):
    """|w| of a fixed weight's code, or of a (sign, power)."""
    if isinstance(weight, tuple):
        return abs(weight[0]) * Fraction(2) ** weight[1]
    return Fraction(abs(weight), 1 << arithmetic.weights.n)


def plain_bounds(arithmetic, codes, lo, hi):
    """Accumulator bound and interval of one output channel, in plain integers and fractions."""
    reach = sum(
        math.ceil(magnitude(arithmetic, w) * max(abs(a), abs(b)) * 2**arithmetic.guard)
        for w, a, b in zip(codes, lo, hi, strict=True)
    )
    sums = [
        sum(arithmetic.term(x, w) for x, w in zip(xs, codes, strict=True))
        for xs in itertools.product(*zip(lo, hi, strict=True))
    ]
    return reach + len(codes), min(sums), max(sums)


@pytest.mark.parametrize("guard", [0, 3, None])
@pytest.mark.parametrize("pe", ["mac", "shift_add"])
def test_conv_equals_plain_integers(pe, guard):
    """Random weights in two groups, per channel intervals of all kinds, full 32-bit magnitudes."""
    rng = generator(11)
    fmt = QFormat(8, 8) if pe == "mac" else Pow2Format(-9, 2)
    arithmetic = Arithmetic(pe, act=QFormat(16, 16), weights=fmt, guard=guard, acc_width=64)
    lo = rng.integers(-(2**31), 2**31 - 10, 6)
    hi = rng.integers(lo, 2**31)
    clamps = [
        layer(f"k{i}", fixed.Conv(weights(fmt, [[[[256 if pe == "mac" else 1]]]])), ("one",), (1, 1, 1),
              activation=fixed.Activation("clamp", int(lo[i]), int(hi[i])))
        for i in range(6)
    ]  # fmt: skip
    first = layer("one", fixed.Conv(weights(fmt, [[[[256 if pe == "mac" else 1]]]])), ("input",), (1, 1, 1))
    cat = fixed.FixedLayer("cat", fixed.Concat(), tuple(k.name for k in clamps), (6, 1, 1))
    if pe == "mac":
        used = weights(fmt, rng.integers(fmt.min, fmt.max + 1, (4, 3, 1, 1)))
        codes = used.values.reshape(4, 3).tolist()
    else:
        used = weights(fmt, rng.integers(-1, 2, (4, 3, 1, 1)), rng.integers(-9, 3, (4, 3, 1, 1)))
        codes = [list(zip(s, p, strict=True)) for s, p in zip(used.values.reshape(4, 3).tolist(),
                 used.powers.reshape(4, 3).tolist(), strict=True)]  # fmt: skip
    shift = 62 - arithmetic.guard
    conv = layer("c", fixed.Conv(used, groups=2), ("cat",), (4, 1, 1), m=[1] * 4, s=[shift] * 4)
    plain = replace(conv, name="d", epilogue=fixed.Epilogue.identity(4))
    net = network(arithmetic.act, (1, 1, 1), first, *clamps, cat, conv, plain)
    bounds = layer_bounds(net, arithmetic)
    for channel in range(4):
        group = slice(3 * (channel // 2), 3 * (channel // 2) + 3)
        reach, least, greatest = plain_bounds(
            arithmetic, codes[channel], lo[group].tolist(), hi[group].tolist()
        )
        assert bounds["c"].acc[channel] == reach
        for name, s in (("c", 62), ("d", arithmetic.guard)):
            act = arithmetic.act
            assert bounds[name].lo[channel] == min(max(least >> s, act.min), act.max)
            assert bounds[name].hi[channel] == min(max(greatest >> s, act.min), act.max)
    assert any(Fraction(value, 2**31) > 1 for value in bounds["c"].acc)


@pytest.mark.parametrize("weights_kind", ["pow2", "fixed"])
@pytest.mark.parametrize(
    "net", [csc_network(8, 6, 6, 2, stride2=(1,)), mixed_network(2)], ids=["csc", "mixed"]
)
def test_maps_stay_within(net, weights_kind):
    """No map of any layer leaves its interval, whatever the input: extreme and random pixels."""
    act = QFormat(5, 3)
    fmt = Pow2Format(-7, 0) if weights_kind == "pow2" else QFormat(4, 6)
    arithmetic = Arithmetic("shift_add" if weights_kind == "pow2" else "mac", act=act, weights=fmt, guard=2)
    bound = bind(quantize(net, act=act, weights=weights_kind, weight_format=fmt), arithmetic)
    bounds = layer_bounds(bound, arithmetic)
    rng = generator(4)
    shape = (6, *bound.input.shape)
    for x in (rng.choice([act.min, act.max], shape), rng.integers(act.min, act.max + 1, shape)):
        for name, y in trace(bound, arithmetic, x).items():
            assert (y >= bounds[name].lo.reshape(-1, 1, 1)).all(), name
            assert (y <= bounds[name].hi.reshape(-1, 1, 1)).all(), name
