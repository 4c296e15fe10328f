"""Networks that are not bound to the arithmetic are refused by layer."""

from dataclasses import replace

import numpy as np
import pytest

from hwshift.errors import NetworkError, QuantizeError
from hwshift.golden.formats import Arithmetic, Pow2Format, QFormat
from hwshift.golden.model import run
from hwshift.golden.validate import check
from hwshift.network.fixed import Conv, Epilogue, FixedLayer, FixedWeights, Pool

from .build import conv_network, network

SHIFT_ADD = Arithmetic(scale_digits=2)
MAC = Arithmetic(pe="mac", weights=QFormat())


def conv(fmt, m=1, s=0):
    powers = np.zeros((1, 1, 1, 1), np.int64) if isinstance(fmt, Pow2Format) else None
    own = replace(Epilogue.identity(1), m=np.array([m]), s=np.array([s]))
    weights = FixedWeights(fmt, np.ones((1, 1, 1, 1), np.int64), powers)
    return conv_network(SHIFT_ADD, (1, 2, 2), Conv(weights), own)


def average(m, s):
    own = replace(Epilogue.identity(1), m=np.array([m]), s=np.array([s]))
    layer = FixedLayer("out", Pool("avg", (2, 2), (1, 1)), ("in",), (1, 1, 1), own)
    return network(SHIFT_ADD, (1, 2, 2), layer)


def test_accepted():
    check(conv(Pow2Format(), 131_071, 47), SHIFT_ADD)
    check(conv(QFormat(), 12_345, 46), MAC)
    check(average(1, 0), SHIFT_ADD)


@pytest.mark.parametrize(
    ("net", "arithmetic", "message"),
    [
        (
            conv(QFormat()),
            SHIFT_ADD,
            (
                "out: a shift_add array with pow2[-15,0] weights cannot take fixed weights in "
                "Q16.16; bind the network first"
            ),
        ),
        (
            conv(Pow2Format()),
            MAC,
            (
                "out: a mac array with Q16.16 weights cannot take pow2 weights in pow2[-15,0]; "
                "bind the network first"
            ),
        ),
        (
            conv(Pow2Format(-14, 0)),
            SHIFT_ADD,
            (
                "out: a shift_add array with pow2[-15,0] weights cannot take pow2 "
                "weights in pow2[-14,0]; bind the network first"
            ),
        ),
        (conv(Pow2Format(), 21), SHIFT_ADD, "out: m may have 2 signed digits, not 3; bind the network first"),
        (
            conv(Pow2Format(), 1, 48),
            SHIFT_ADD,
            "out: the scale of channel 0 must have s in 0..47 with 15 guard bits, not 48: use fewer guard bits",
        ),
        (average(3, 0), SHIFT_ADD, "out: an average has its own scale, so m must be 1 and s 0"),
        (average(1, 1), SHIFT_ADD, "out: an average has its own scale, so m must be 1 and s 0"),
        (
            conv(Pow2Format()),
            replace(SHIFT_ADD, act=QFormat(8, 8)),
            "test: its maps are in Q16.16, the arithmetic works in Q8.8",
        ),
    ],
)
def test_not_bound(net, arithmetic, message):
    with pytest.raises(QuantizeError) as caught:
        check(net, arithmetic)
    assert str(caught.value) == message
    with pytest.raises(QuantizeError):
        run(net, arithmetic, np.zeros((1, 2, 2), int))


def test_malformed():
    net = conv(Pow2Format(), m=1 << 17)
    with pytest.raises(NetworkError, match=r"^out: .*131072"):
        run(net, Arithmetic(), np.zeros((1, 2, 2), int))
