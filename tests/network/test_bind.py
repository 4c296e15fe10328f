import re
import time
from dataclasses import replace

import numpy as np
import pytest

from hwshift.errors import NetworkError, QuantizeError
from hwshift.golden.formats import Arithmetic, Pow2Format, QFormat
from hwshift.golden.model import run
from hwshift.golden.scale import digit_count
from hwshift.network import fixed, ops
from hwshift.network.bind import bind
from hwshift.network.graph import Network, Node
from hwshift.network.passes import RoundWeights
from hwshift.network.quantize import quantize
from hwshift.network.random import csc_network, mixed_network

from ..seeds import generator

MAC = Arithmetic("mac", weights=QFormat())
SHIFT_ADD = Arithmetic()
MIXED = mixed_network(5)
RELU = Network("net", (Node("input", ops.Input(1, 2, 2)), Node("r", ops.ReLU(), ("input",))), "r")


def conv_network(values, powers=None, fmt=None, act=None, clamp=None):
    """Input, an optional clamp to [lo, hi], then one 1x1 convolution ``conv`` with one output channel."""
    act = act or QFormat()
    fmt = fmt or Pow2Format()
    values = np.array(values, np.int64).reshape(1, -1, 1, 1)
    depth = values.size
    if isinstance(fmt, Pow2Format):
        powers = np.zeros(depth) if powers is None else np.array(powers)
        powers = np.where(values == 0, fmt.p_min, powers.reshape(values.shape)).astype(np.int64)
    layers = [fixed.FixedLayer("input", fixed.Input(), (), (depth, 1, 1))]
    if clamp:
        epilogue = fixed.Epilogue.identity(depth, fixed.Activation("clamp", *clamp))
        layers.append(fixed.FixedLayer("clamp", fixed.Sum(), ("input",), (depth, 1, 1), epilogue))
    conv = fixed.Conv(fixed.FixedWeights(fmt, values, powers))
    layers.append(fixed.FixedLayer("conv", conv, (layers[-1].name,), (1, 1, 1), fixed.Epilogue.identity(1)))
    return fixed.FixedNetwork("net", act, tuple(layers))


def conv_weights(network):
    return network.layer("conv").op.weights


def assert_same(first, second):
    for a, b in zip(first.layers, second.layers, strict=True):
        assert (a.name, type(a.op), a.inputs, a.residual) == (b.name, type(b.op), b.inputs, b.residual)
        if isinstance(a.op, fixed.Conv):
            assert a.op.weights.fmt == b.op.weights.fmt
            np.testing.assert_array_equal(a.op.weights.values, b.op.weights.values)
        if a.epilogue is not None:
            for name in ("m", "s", "b"):
                np.testing.assert_array_equal(getattr(a.epilogue, name), getattr(b.epilogue, name))


def test_pow2_becomes_fixed_codes_on_mac():
    bound = bind(conv_network([1, -1, 0, -1], [0, -3, 0, -15]), MAC)
    assert conv_weights(bound).fmt == MAC.weights
    assert conv_weights(bound).values.ravel().tolist() == [65536, -8192, 0, -2]
    assert conv_weights(bound).powers is None


def test_pow2_in_a_wider_format():
    bound = bind(conv_network([1, -1, 0], [0, -3, 0], fmt=Pow2Format(-3, 0)), SHIFT_ADD)
    assert conv_weights(bound).fmt == SHIFT_ADD.weights
    assert conv_weights(bound).powers.ravel().tolist() == [0, -3, -15]


@pytest.mark.parametrize(
    "arithmetic",
    [MAC, SHIFT_ADD, Arithmetic(scale_digits=2), Arithmetic("mac", weights=QFormat(), guard=0)],
    ids=["mac", "shift_add", "digits", "floor"],
)
def test_twice_is_once(arithmetic):
    bound = bind(quantize(MIXED), arithmetic)
    assert_same(bind(bound, arithmetic), bound)


def test_exact_arrays_of_both_kinds_agree_bit_by_bit():
    quantized = quantize(RoundWeights().run(MIXED))
    x = generator(0).integers(-(2**18), 2**18, (2, 3, 18, 17))
    first, second = (run(bind(quantized, a), a, x) for a in (MAC, SHIFT_ADD))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("digits", [1, 2, 3, 4])
def test_scale_digits(digits):
    quantized = quantize(MIXED)
    bound = bind(quantized, Arithmetic(scale_digits=digits))
    for before, after in zip(quantized.layers, bound.layers, strict=True):
        if after.epilogue is None:
            continue
        assert digit_count(after.epilogue.m).max() <= digits
        exact, restricted = (layer.epilogue.m / 2.0**layer.epilogue.s for layer in (before, after))
        np.testing.assert_allclose(restricted, exact, rtol=(1 / 3, 1 / 8, 1 / 32, 1 / 128)[digits - 1])


@pytest.mark.parametrize(
    ("network", "arithmetic", "message"),
    [
        (
            conv_network([1], act=QFormat(8, 8)),
            SHIFT_ADD,
            "net: its maps are in Q8.8, the arithmetic works in Q16.16",
        ),
        (
            conv_network([1], fmt=QFormat()),
            SHIFT_ADD,
            "conv: Q16.16 weights cannot run on a shift_add array: convert to pow2",
        ),
        (
            conv_network([1], fmt=QFormat(4, 4)),
            MAC,
            "conv: its weights are in Q4.4, the array takes Q16.16: quantize to that",
        ),
        (
            conv_network([1, 1], [0, -15]),
            Arithmetic(weights=Pow2Format(-14, 0)),
            "conv: a weight of magnitude 2**-15 has no place in pow2[-14,0]: allowed 2**-14 to 2**0",
        ),
        (
            conv_network([1, 1], [0, -9]),
            Arithmetic("mac", weights=QFormat(2, 8)),
            "conv: a weight of magnitude 2**-9 has no place in Q2.8: allowed 2**-8 to 2**0",
        ),
        (
            conv_network([1, 1], [0, -4]),
            Arithmetic("mac", weights=QFormat(1, 7)),
            "conv: a weight of magnitude 2**0 has no place in Q1.7: allowed 2**-7 to 2**-1",
        ),
        (
            quantize(RELU),
            Arithmetic("mac", weights=QFormat(1, 7)),
            "r: it needs the weight 1.0, which Q1.7 does not hold: use m >= 2",
        ),
    ],
)  # fmt: skip
def test_refusals(network, arithmetic, message):
    with pytest.raises(QuantizeError, match=f"^{re.escape(message)}$"):
        bind(network, arithmetic)


def with_scale(m, s):
    network = conv_network([1])
    last = replace(network.output, epilogue=fixed.Epilogue(np.array([m]), np.array([s]), np.array([0])))
    return replace(network, layers=(*network.layers[:-1], last))


def test_shift_and_guard_together():
    assert bind(with_scale(65536, 47), SHIFT_ADD).output.epilogue.s.item() == 47
    message = (
        "conv: the scale of channel 0 must have s in 0..47 with 15 guard bits, not 48: use fewer guard bits"
    )
    with pytest.raises(QuantizeError, match=f"^{re.escape(message)}$"):
        bind(with_scale(65536, 48), SHIFT_ADD)
    assert bind(with_scale(65536, 48), replace(SHIFT_ADD, guard=14))


def test_average_of_too_many():
    pool = fixed.Pool("avg", (256, 257), (1, 1))
    layers = (
        fixed.FixedLayer("input", fixed.Input(), (), (1, 256, 257)),
        fixed.FixedLayer("pool", pool, ("input",), (1, 1, 1), fixed.Epilogue.identity(1)),
    )
    network = fixed.FixedNetwork("net", QFormat(2, 6), layers)
    arithmetic = Arithmetic("mac", act=network.act, weights=QFormat(2, 30), acc_width=64)
    message = (
        "pool: the scale of the average of 65792 values must have s in 0..32 with 30 guard bits, not 33: "
        "use fewer guard bits"
    )
    with pytest.raises(QuantizeError, match=f"^{re.escape(message)}$"):
        bind(network, arithmetic)
    assert bind(network, replace(arithmetic, guard=29))


def gated(gate, act=None, gate_format=None):
    """A map of two channels whose gate is its average with this activation."""
    act = act or QFormat()
    layers = (
        fixed.FixedLayer("input", fixed.Input(), (), (2, 2, 2)),
        fixed.FixedLayer("gate", fixed.Pool("avg", (2, 2), (1, 1)), ("input",), (2, 1, 1),
                         fixed.Epilogue.identity(2, gate), act=gate_format),
        fixed.FixedLayer("out", fixed.ChannelScale(), ("input", "gate"), (2, 2, 2), fixed.Epilogue.identity(2)),
    )  # fmt: skip
    return fixed.FixedNetwork("net", act, layers)


def test_gates_are_proved():
    largest = (1 << 17) - 1
    for gate in (fixed.SIGMOID, fixed.Activation("clamp", -largest, largest)):
        assert bind(gated(gate), SHIFT_ADD)
    assert bind(gated(fixed.NONE, QFormat(1, 31)), replace(SHIFT_ADD, act=QFormat(1, 31), acc_width=64))
    for gate, span in (
        (fixed.RELU, "0.0..32767.99998474121"),
        (fixed.Activation("clamp", -largest - 1, 0), "-2.0..0.0"),
        (fixed.Activation("clamp", 0, largest + 1), "0.0..2.0"),
    ):
        with pytest.raises(QuantizeError) as caught:
            bind(gated(gate), SHIFT_ADD)
        assert str(caught.value) == (
            f"out: the gate of channel 0 can lie in {span}, a gate must be smaller than 2 in magnitude: "
            "end it with a Sigmoid or a Clamp"
        )


def test_a_gate_of_a_narrow_format_needs_no_activation():
    assert bind(gated(fixed.NONE, gate_format=QFormat(1, 15)), SHIFT_ADD)


def test_gates_need_multipliers():
    message = "out: its gates need multipliers, which an epilogue with scale_digits lacks"
    with pytest.raises(QuantizeError, match=f"^{message}$"):
        bind(gated(fixed.SIGMOID), Arithmetic(scale_digits=4))


def normed(gamma=1.0, beta=0.0, eps=1e-5, fmt=None):
    op = fixed.InstanceNorm(np.array([1.0, gamma]), np.array([0.0, beta]), eps)
    layers = (
        fixed.FixedLayer("input", fixed.Input(), (), (2, 2, 2)),
        fixed.FixedLayer("out", op, ("input",), (2, 2, 2), fixed.Epilogue.identity(2), act=fmt),
    )
    return fixed.FixedNetwork("net", QFormat(), layers)


def test_instance_norms():
    assert bind(normed(-400.0, 32767.0), SHIFT_ADD)
    for network, message in (
        (
            normed(1000.0),
            "gamma / sqrt(eps) of channel 1: a scale must be smaller than 2**17 in magnitude, not 316",
        ),
        (normed(beta=32768.0), "value 32768.0 is outside Q16.16: allowed -32768.0 to 32767.99998474121"),
        (
            normed(fmt=QFormat(8, 17)),
            "an instance normalisation cannot go from Q16.16 to Q8.17, which has more fraction bits",
        ),
    ):
        with pytest.raises(QuantizeError, match=f"^out: {re.escape(message)}"):
            bind(network, SHIFT_ADD)


def test_shifts_between_formats():
    """G + s + n_in - n_out lies in 0..62: too many fraction bits more, and too few."""

    def to(fmt, s):
        layer = fixed.FixedLayer("out", fixed.Sum(), ("input",), (1, 1, 1), replace(
            fixed.Epilogue.identity(1), s=np.array([s])), act=fmt)  # fmt: skip
        return fixed.FixedNetwork("net", QFormat(8, 4), (
            fixed.FixedLayer("input", fixed.Input(), (), (1, 1, 1)), layer))  # fmt: skip

    arithmetic = Arithmetic("mac", act=QFormat(8, 4), weights=QFormat(8, 8), guard=3)
    assert bind(to(QFormat(2, 10), 3), arithmetic)
    assert bind(to(QFormat(8, 0), 55), arithmetic)
    for network, message in (
        (
            to(QFormat(2, 10), 2),
            (
                "out: the scale of channel 0 must have s in 3..62 with 3 guard bits from 4 to 10 fraction bits, "
                "not 2: use more guard bits"
            ),
        ),
        (
            to(QFormat(8, 0), 56),
            (
                "out: the scale of channel 0 must have s in 0..55 with 3 guard bits from 4 to 0 fraction bits, "
                "not 56: use fewer guard bits"
            ),
        ),
    ):
        with pytest.raises(QuantizeError, match=f"^{re.escape(message)}$"):
            bind(network, arithmetic)


def test_malformed():
    network = conv_network([1])
    with pytest.raises(NetworkError, match="^conv: two layers have this name$"):
        bind(replace(network, layers=(*network.layers, network.output)), SHIFT_ADD)


# A 7-bit accumulator holds 63. With X = 1, sums of codes c in Q2.2 and G = 2 reach sum(c) + K.
TINY = Arithmetic("mac", act=QFormat(4, 0), weights=QFormat(2, 2), acc_width=7)


@pytest.mark.parametrize("sign", [1, -1])
def test_exactly_at_the_limit(sign):
    codes = np.array([7] * 7 + [6])
    network = conv_network(sign * codes, fmt=TINY.weights, act=TINY.act, clamp=(-1, 1))
    assert codes.sum() + codes.size == TINY.acc_max == 63
    assert bind(network, TINY)
    assert run(bind(network, TINY), TINY, np.full((8, 1, 1), 7)).item() == (7 if sign > 0 else -8)


def test_one_beyond_the_limit():
    network = conv_network([7] * 8, fmt=TINY.weights, act=TINY.act, clamp=(-1, 1))
    message = (
        "conv: channel 0 can sum up to 64, the 7-bit accumulator holds 63: widen it or use fewer guard bits"
    )
    with pytest.raises(QuantizeError, match=f"^{re.escape(message)}$"):
        bind(network, TINY)
    assert bind(network, replace(TINY, acc_width=8))


def test_the_least_code_counts():
    """X is 8, not 7, for Q4.0: seven weights of 1.0 reach 7 * 8 + 7 = 63, one more 72."""
    arithmetic = Arithmetic("shift_add", act=QFormat(4, 0), weights=Pow2Format(0, 0), acc_width=7)
    assert bind(conv_network([1] * 7, fmt=arithmetic.weights, act=arithmetic.act), arithmetic)
    with pytest.raises(QuantizeError, match="^conv: channel 0 can sum up to 72, the 7-bit accumulator"):
        bind(conv_network([1] * 8, fmt=arithmetic.weights, act=arithmetic.act), arithmetic)


def test_dropped_bits_round_up():
    """G = 0: 2**-1 * 7 counts as 4, so 4 terms reach 4 * 4 + 4 = 20."""
    arithmetic = Arithmetic("shift_add", act=QFormat(4, 0), weights=Pow2Format(-1, 0), guard=0, acc_width=5)
    half = {"fmt": arithmetic.weights, "act": arithmetic.act, "clamp": (-7, 7)}
    with pytest.raises(
        QuantizeError, match="^conv: channel 0 can sum up to 20, the 5-bit accumulator holds 15"
    ):
        bind(conv_network([1] * 4, [-1] * 4, **half), arithmetic)
    assert bind(conv_network([1] * 3, [-1] * 3, **half), arithmetic)


def test_pools_and_sums_are_proved_too():
    pool = fixed.Pool("avg", (32, 32), (1, 1))
    layers = (
        fixed.FixedLayer("input", fixed.Input(), (), (1, 32, 32)),
        fixed.FixedLayer("pool", pool, ("input",), (1, 1, 1), fixed.Epilogue.identity(1)),
    )
    network = fixed.FixedNetwork("net", QFormat(), layers)
    message = (
        f"pool: channel 0 can sum up to {2**56 + 1024}, the 56-bit accumulator holds {2**55 - 1}: "
        "widen it or use fewer guard bits"
    )
    with pytest.raises(QuantizeError, match=f"^{re.escape(message)}$"):
        bind(network, SHIFT_ADD)
    assert bind(network, replace(SHIFT_ADD, guard=13))
    arithmetic = Arithmetic("shift_add", act=QFormat(4, 0), weights=Pow2Format(0, 0), acc_width=5)
    layers = (
        fixed.FixedLayer("input", fixed.Input(), (), (1, 1, 1)),
        fixed.FixedLayer("sum", fixed.Sum(), ("input", "input"), (1, 1, 1), fixed.Epilogue.identity(1)),
    )
    with pytest.raises(
        QuantizeError, match="^sum: channel 0 can sum up to 18, the 5-bit accumulator holds 15"
    ):
        bind(fixed.FixedNetwork("net", arithmetic.act, layers), arithmetic)


@pytest.mark.parametrize("weights", ["pow2", "fixed"])
def test_a_million_weights_are_quick(weights):
    network = quantize(csc_network(100, 8, 8, 3, stride2=(1, 2), expansion=3), weights=weights)
    assert (
        sum(layer.op.weights.values.size for layer in network.layers if isinstance(layer.op, fixed.Conv))
        > 10**6
    )
    start = time.process_time()
    bind(network, SHIFT_ADD if weights == "pow2" else MAC)
    assert time.process_time() - start < 5
