import re
from dataclasses import replace

import numpy as np
import pytest

from hwshift.errors import NetworkError
from hwshift.golden.formats import Pow2Format, QFormat
from hwshift.network import fixed
from hwshift.network.quantize import quantize
from hwshift.network.random import csc_network, mixed_network
from hwshift.network.verify_fixed import verify_fixed

ACT = QFormat(4, 4)
FMT = QFormat(2, 4)
INPUT = fixed.FixedLayer("input", fixed.Input(), (), (2, 4, 4))
ONE = fixed.FixedWeights(FMT, np.ones((2, 2, 1, 1), np.int64))
PLAIN = fixed.Epilogue.identity(2)


def layer(op, *inputs, shape=(2, 4, 4), epilogue=PLAIN, residual=None):
    return fixed.FixedLayer("a", op, inputs or ("input",), shape, epilogue, residual)


def conv(weights=ONE, **options):
    return layer(fixed.Conv(weights, **options))


def epilogue(**changes):
    return layer(fixed.Sum(), epilogue=replace(PLAIN, **changes))


def norm(**changes):
    return layer(fixed.InstanceNorm(**{"gamma": np.ones(2), "beta": np.zeros(2), "eps": 1e-5, **changes}))


def ints(*values):
    return np.array(values, np.int64)


@pytest.mark.parametrize("weights", ["pow2", "fixed"])
@pytest.mark.parametrize(
    "net", [csc_network(8, 8, 8, 2, stride2=(1,)), mixed_network()], ids=["csc", "mixed"]
)
def test_what_quantize_makes_is_well_formed(net, weights):
    network = quantize(net, weights=weights)
    assert verify_fixed(network) is network


def test_format():
    with pytest.raises(NetworkError, match="^net: its maps need a QFormat, not None$"):
        verify_fixed(fixed.FixedNetwork("net", None, (INPUT,)))


def test_first_layer():
    with pytest.raises(NetworkError, match="^net: the first layer must be the input$"):
        verify_fixed(fixed.FixedNetwork("net", ACT, ()))


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (replace(INPUT, name="input"), "input: two layers have this name"),
        (replace(INPUT, name=""), ": a layer needs a name"),
        (replace(INPUT, name="a"), "a: a network has one input, and it comes first"),
        (layer(fixed.Sum(), "b"), "a: its input 'b' is no earlier layer"),
        (layer(fixed.Sum(), residual="b"), "a: its input 'b' is no earlier layer"),
        (layer(fixed.Sum(), *["input"] * 3), "a: Sum takes 1 to 2 inputs, not 3"),
        (layer(fixed.Shift(np.zeros((2, 2))), "input", "input"), "a: Shift takes 1 to 1 inputs, not 2"),
        (layer("conv"), "a: unknown operation str"),
        (layer(fixed.Sum(), shape=(2, 4, 3)), "a: its shape must be (2, 4, 4), not (2, 4, 3)"),
        (
            conv(replace(ONE, values=ints(1, 2))),
            "a: weights need the shape (out, in / groups, rows, columns), not (2,)",
        ),
        (conv(replace(ONE, values=32 * ONE.values)), "a: weights must lie in -32..31, not 32"),
        (
            conv(replace(ONE, values=ONE.values.astype(np.int32))),
            "a: weights must be an int64 array of the shape (2, 2, 1, 1), not int32 (2, 2, 1, 1)",
        ),
        (
            conv(replace(ONE, values=ONE.values[:, :1])),
            "a: weights of the shape (2, 1, 1, 1) in 1 groups do not fit 2 input channels",
        ),
        (conv(replace(ONE, powers=ONE.values)), "a: fixed weights have no powers"),
        (conv(replace(ONE, fmt=Pow2Format())), "a: pow2 weights need powers"),
        (
            conv(fixed.FixedWeights(Pow2Format(), 2 * ONE.values, ONE.values)),
            "a: weight signs must lie in -1..1, not 2",
        ),
        (
            conv(fixed.FixedWeights(Pow2Format(), ONE.values, ONE.values)),
            "a: weight powers must lie in -15..0, not 1",
        ),
        (
            conv(fixed.FixedWeights(Pow2Format(), 0 * ONE.values, 0 * ONE.values)),
            "a: the power beside a zero weight must be -15",
        ),
        (conv(stride=(0, 1)), "a: stride must be two integers of at least 1, not (0, 1)"),
        (conv(dilation=(1, 0)), "a: dilation must be two integers of at least 1, not (1, 0)"),
        (
            conv(padding=(0, 0, 0, -1)),
            "a: padding must be four integers of at least 0, not (0, 0, 0, -1)",
        ),
        (
            conv(padding=(0, 0, 0, 1), shift=np.zeros((2, 2), np.int64)),
            "a: only a 1x1 convolution without padding can carry a shift",
        ),
        (
            conv(shift=np.zeros((3, 2), np.int64)),
            "a: shift must be an int64 array of the shape (2, 2), not int64 (3, 2)",
        ),
        (layer(fixed.Pool("sum", (1, 1), (1, 1))), "a: a pool is 'avg' or 'max', not 'sum'"),
        (
            layer(fixed.Pool("max", (2, 2), (1, 1), (2, 0, 0, 0))),
            "a: the padding (2, 0, 0, 0) must be smaller than the kernel (2, 2)",
        ),
        (
            layer(fixed.Pool("max", (5, 1), (1, 1))),
            "a: a window of 5 does not fit 4 padded rows",
        ),
        (
            layer(fixed.Shift([0]), epilogue=None),
            "a: offsets must be an int64 array of the shape (2, 2), not list",
        ),
        (
            layer(fixed.Shuffle(ints(0, 0)), epilogue=None),
            "a: order must be a permutation of 0..1",
        ),
        (layer(fixed.Sum(), epilogue=None), "a: Sum needs an epilogue"),
        (layer(fixed.Shuffle(ints(1, 0))), "a: Shuffle takes no epilogue"),
        (epilogue(m=ints(1, 1 << 17)), "a: scale mantissas must lie in -131072..131071, not 131072"),
        (epilogue(m=ints(1, -(1 << 17) - 1)), "a: scale mantissas must lie in -131072..131071, not -131073"),
        (epilogue(s=ints(0, 63)), "a: scale shifts must lie in 0..62, not 63"),
        (epilogue(b=ints(0, 128)), "a: biases must lie in -128..127, not 128"),
        (
            epilogue(b=ints(0)),
            "a: biases must be an int64 array of the shape (2,), not int64 (1,)",
        ),
        (epilogue(activation=fixed.Activation("tanh")), "a: unknown activation 'tanh'"),
        (layer(fixed.ChannelScale()), "a: ChannelScale takes 2 to 2 inputs, not 1"),
        (
            layer(fixed.ChannelScale(), "input", "input"),
            "a: its gate must have the shape (2, 1, 1), not (2, 4, 4)",
        ),
        (norm(gamma=np.ones(3)), "a: gamma must have the shape (2), not (3,)"),
        (norm(beta=np.ones(2, np.float32)), "a: beta must be a float64 array, not float32"),
        (norm(beta=np.array([0, np.nan])), "a: beta must be finite, not NaN or infinity"),
        (norm(eps=0.0), "a: eps must be a positive finite float, not 0.0"),
        (norm(eps=1), "a: eps must be a positive finite float, not 1"),
        (
            layer(fixed.Slice(1, 3), shape=(2, 4, 4), epilogue=None),
            "a: a slice needs integers 0 <= start < stop <= 2, not 1 and 3",
        ),
        (
            layer(fixed.Slice(1, 1), shape=(0, 4, 4), epilogue=None),
            "a: a slice needs integers 0 <= start < stop <= 2, not 1 and 1",
        ),
        (layer(fixed.Slice(0, 1), shape=(1, 4, 4)), "a: Slice takes no epilogue"),
        (
            layer(fixed.Upsample((0, 2)), epilogue=None),
            "a: factor must be two integers of at least 1, not (0, 2)",
        ),
        (layer(fixed.Upsample((1, 2)), epilogue=None), "a: its shape must be (2, 4, 8), not (2, 4, 4)"),
        (replace(epilogue(), act="Q4.4"), "a: its map needs a QFormat or None, not 'Q4.4'"),
        (
            replace(layer(fixed.Upsample((1, 1)), epilogue=None), act=QFormat(2, 2)),
            "a: Upsample keeps the format of its input, Q4.4, not Q2.2",
        ),
        (
            replace(layer(fixed.Pool("max", (1, 1), (1, 1))), act=QFormat(2, 2)),
            "a: Pool keeps the format of its input, Q4.4, not Q2.2",
        ),
        (
            replace(epilogue(b=ints(0, 8)), act=QFormat(2, 2)),
            "a: biases must lie in -8..7, not 8",
        ),
        (
            epilogue(residual_activation=fixed.Activation("clamp", 0, 128)),
            "a: clamp codes must be ordered within -128..127, not 0 and 128",
        ),
    ],
)
def test_refusals(bad, message):
    with pytest.raises(NetworkError, match=f"^{re.escape(message)}$"):
        verify_fixed(fixed.FixedNetwork("net", ACT, (INPUT, bad)))


def test_formats_that_disagree():
    narrow = replace(epilogue(), name="narrow", act=QFormat(2, 2))
    bad = layer(fixed.Concat(), "input", "narrow", shape=(4, 4, 4), epilogue=None)
    with pytest.raises(NetworkError, match=r"^a: all inputs need one format, not Q4\.4, Q2\.2$"):
        verify_fixed(fixed.FixedNetwork("net", ACT, (INPUT, narrow, bad)))


def test_inputs_that_disagree():
    small = replace(conv(stride=(2, 2)), name="small", shape=(2, 2, 2))
    for bad, message in (
        (
            layer(fixed.Sum(), "input", "small"),
            "a: both inputs need the same shape, not (2, 4, 4) and (2, 2, 2)",
        ),
        (
            layer(fixed.Concat(), "input", "small", epilogue=None),
            "a: all inputs need the same rows and columns, not [(2, 4, 4), (2, 2, 2)]",
        ),
        (
            layer(fixed.Sum(), residual="small"),
            "a: a residual of shape (2, 2, 2) cannot be added to (2, 4, 4)",
        ),
    ):
        with pytest.raises(NetworkError, match=f"^{re.escape(message)}$"):
            verify_fixed(fixed.FixedNetwork("net", ACT, (INPUT, small, bad)))
