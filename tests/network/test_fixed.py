import numpy as np
import pytest

from hwshift.golden.formats import Pow2Format, QFormat
from hwshift.network import fixed
from hwshift.network.quantize import quantize
from hwshift.network.random import csc_network


def pow2(values, powers):
    return fixed.FixedWeights(Pow2Format(-4, 0), np.array(values), np.array(powers))


@pytest.mark.parametrize(
    ("weights", "zero", "least"),
    [
        (pow2([1, -1], [0, -3]), False, False),
        (pow2([1, 0], [0, -4]), True, False),
        (pow2([1, -1], [-4, -4]), False, True),
        (pow2([1, 1], [-4, -4]), False, False),
        (pow2([0, -1], [-4, -4]), True, True),
        (fixed.FixedWeights(QFormat(), np.array([0, -1])), False, False),
    ],
)
def test_codes_needed(weights, zero, least):
    assert fixed.needs_zero_code(weights) is zero
    assert fixed.needs_min_code(weights) is least


def test_kind():
    assert pow2([1], [0]).kind == "pow2"
    assert fixed.FixedWeights(QFormat(), np.array([0])).kind == "fixed"


def test_layers_by_name():
    network = quantize(csc_network(4, 4, 4, 1))
    assert network.input is network.layer("input")
    assert network.output is network.layer("classifier")
    with pytest.raises(KeyError, match="^'nothing'$"):
        network.layer("nothing")


def test_identity_epilogue():
    epilogue = fixed.Epilogue.identity(3, fixed.RELU)
    assert (epilogue.m.tolist(), epilogue.s.tolist(), epilogue.b.tolist()) == ([1] * 3, [0] * 3, [0] * 3)
    assert (epilogue.activation, epilogue.residual_activation) == (fixed.RELU, fixed.NONE)
