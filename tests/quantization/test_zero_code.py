"""Tests of the code that zero and the negative smallest power share: by hand, and on an accelerator."""

import numpy as np
import pytest

import hwshift
from hwshift.config import PRESETS
from hwshift.errors import CompileError
from hwshift.golden.formats import Pow2Format
from hwshift.network import ops
from hwshift.network.fixed import needs_min_code
from hwshift.network.graph import Network, Node
from hwshift.network.quantize import quantize
from hwshift.quantization import quantize_network
from hwshift.quantization.zero_code import free_zero_code, in_conflict

EIGHTH = Pow2Format(-3, 0)  # 0.1250 to 1; -0.17 < 0.125 * sqrt(2) becomes -1/8 as do smaller ones


def conv(values, groups=1):
    weight = np.array(values).reshape(-1, len(values[0]), 1, 1)
    nodes = (
        Node("input", ops.Input(weight.shape[1] * groups, 3, 3)),
        Node("conv", ops.Conv2d(weight, groups=groups), ("input",)),
    )
    return Network("n", nodes, "conv"), {"conv": weight}


def test_weights_by_hand():
    values = [[0.0, -0.125, -0.17, -0.1, 0.125, 0.1, -0.2, -1.0]]
    network, floats = conv(values)
    rounded = quantize(network, weight_format=EIGHTH)
    assert in_conflict(rounded.layer("conv").op)
    freed, moved = free_zero_code(rounded, floats)
    weights = freed.layer("conv").op.weights
    assert moved == {"conv": 3} and not needs_min_code(weights)
    assert EIGHTH.to_float(weights.values, weights.powers).ravel().tolist() == [
        0.0, 0.0, -0.25, 0.0, 0.125, 0.125, -0.25, -1.0
    ]  # fmt: skip


def test_layers_without_zero_keep_the_smallest_power():
    network, floats = conv([[-0.125, -0.1, 1.0]])
    rounded = quantize(network, weight_format=EIGHTH)
    freed, moved = free_zero_code(rounded, floats)
    assert moved == {} and not in_conflict(rounded.layer("conv").op)
    assert freed.layer("conv").op.weights is rounded.layer("conv").op.weights


def test_formats_that_leave_a_code():
    """-14 to 0 are 15 powers, one less than 4 bits tell apart; an array of -15 to 0 holds them and zero."""
    network, _ = conv([[0.0, -(2.0**-14)], [0.5, 1.0]])
    rounded = quantize(network, weight_format=Pow2Format(-14, 0))
    assert needs_min_code(rounded.layer("conv").op.weights) and not in_conflict(rounded.layer("conv").op)
    assert hwshift.verify(rounded, PRESETS["4x4"], simulator=None).ok


def test_groups_need_zero():
    network, floats = conv([[-0.125, 1.0], [0.5, 1.0]], groups=2)
    freed, moved = free_zero_code(quantize(network, weight_format=EIGHTH), floats)
    assert moved == {"conv": 1}
    assert freed.layer("conv").op.weights.values.ravel().tolist() == [0, 1, 1, 1]


def test_a_single_power():
    network, floats = conv([[0.0, -3.0, 1.0]])
    freed, _ = free_zero_code(quantize(network, weight_format=Pow2Format(0, 0)), floats)
    assert freed.layer("conv").op.weights.values.ravel().tolist() == [0, 0, 1]


@pytest.mark.parametrize("groups", [1, 2])
def test_what_was_refused_compiles(groups):
    """And gives on the accelerator what the golden model gives, in every byte."""
    network, _ = conv([[0.0 if groups == 1 else 1.0, -(2.0**-15)], [0.5, 1.0]], groups)
    with pytest.raises(CompileError, match="^conv: it needs the weight zero and the weight"):
        hwshift.compile(quantize(network), "4x4")
    freed, report = quantize_network(network, free_zero_code=True)
    assert report.layers[1].moved == 1
    assert hwshift.verify(freed, PRESETS["4x4"], simulator=None).ok
