"""Tests of the finest formats that hold given values, by hand."""

import numpy as np
import pytest

from hwshift.errors import ConfigError, QuantizeError
from hwshift.golden.formats import Pow2Format, QFormat
from hwshift.network import ops
from hwshift.network.graph import Network, Node
from hwshift.network.quantize import float_layers
from hwshift.quantization.formats import fixed_format, pow2_format, weight_format


@pytest.mark.parametrize(("reach", "bits", "expected"), [
    (0.0, 8, (1, 7)), (127 / 128, 8, (1, 7)), (1.0, 8, (2, 6)), (-0.0, 2, (1, 1)), (1.97, 8, (2, 6)),
    (127 / 64, 8, (2, 6)), (1.99, 8, (3, 5)), (127.0, 8, (8, 0)), (32767.5, 32, (16, 16)), (1.0, 2, (2, 0)),
])  # fmt: skip
def test_fixed(reach, bits, expected):
    """Qm.n ends at 2**(m-1) - 2**-n."""
    assert fixed_format(reach, bits) == QFormat(*expected)


def test_fixed_at_least():
    assert fixed_format(0.5, 8, least_m=2) == QFormat(2, 6)
    with pytest.raises(
        QuantizeError, match="^values reach 127.5, a format of 8 bits holds at most 127: use more$"
    ):
        fixed_format(127.5, 8)
    for bits in (1, 33):
        with pytest.raises(ConfigError, match=f"^a format has 2 to 32 bits, not {bits}$"):
            fixed_format(1.0, bits)


@pytest.mark.parametrize(("largest", "bits", "expected"), [
    (0.1, 5, (-15, 0)), (1.41, 5, (-15, 0)), (1.42, 5, (-14, 1)), (-3.0, 5, (-13, 2)), (0.0, 5, (-15, 0)),
    (1.0, 6, (-31, 0)), (1e6, 5, (-7, 8)), (3.0, 3, (-1, 2)), (3.0, 2, (0, 1)), (1.0, 4, (-7, 0)),
])  # fmt: skip
def test_pow2(largest, bits, expected):
    """Up from sqrt(2) = 1.414 times a power on, the next one is nearer in the log domain."""
    assert pow2_format(np.array([[0.25 * largest], [largest]]), bits) == Pow2Format(*expected)


def test_pow2_bits():
    for bits in (1, 7):
        with pytest.raises(ConfigError, match=f"^codes of powers of two have 2 to 6 bits, not {bits}$"):
            pow2_format(np.ones(1), bits)


def two_layers(*between):
    nodes = (
        Node("input", ops.Input(1, 2, 2)),
        Node("a", ops.Conv2d(np.array([0.3]).reshape(1, 1, 1, 1)), ("input",)),
        *between,
        Node("b", ops.Conv2d(np.array([-0.9]).reshape(1, 1, 1, 1)), (between[-1].name if between else "a",)),
    )
    return Network("two", nodes, "b")


def test_of_a_network():
    _, chains = float_layers(two_layers(), "fixed")
    assert weight_format(chains, "fixed", 8) == (QFormat(1, 7), {"a": "Q1.7", "b": "Q1.7"})
    assert weight_format(chains, "pow2", 3) == (Pow2Format(-3, 0), {"a": "pow2[-3,0]", "b": "pow2[-3,0]"})


def test_a_pool_needs_the_weight_one():
    _, chains = float_layers(two_layers(Node("pool", ops.GlobalAveragePool(), ("a",))), "fixed")
    assert weight_format(chains, "fixed", 8) == (QFormat(2, 6), {"a": "Q1.7", "b": "Q1.7"})
