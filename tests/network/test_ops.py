import re

import numpy as np
import pytest

from hwshift.network import ops


@pytest.mark.parametrize(
    ("op", "inputs", "expected"),
    [
        (ops.Input(3, 5, 7), (), (3, 5, 7)),
        (ops.Conv2d(np.zeros((8, 3, 3, 3)), padding=(1, 1, 1, 1)), ((3, 5, 7),), (8, 5, 7)),
        (ops.Conv2d(np.zeros((8, 2, 3, 1)), stride=(2, 3), groups=4), ((8, 9, 7),), (8, 4, 3)),
        (ops.Conv2d(np.zeros((4, 1, 3, 3)), dilation=(2, 1), groups=2), ((2, 9, 9),), (4, 5, 7)),
        (ops.SpatialShift(np.zeros((3, 2), np.int64)), ((3, 5, 7),), (3, 5, 7)),
        (ops.Add(), ((3, 5, 7), (3, 5, 7)), (3, 5, 7)),
        (ops.AveragePool((3, 3), (2, 2), (1, 1, 1, 1)), ((3, 5, 7),), (3, 3, 4)),
        (ops.MaxPool((2, 3), (2, 1)), ((3, 5, 7),), (3, 2, 5)),
        (ops.GlobalAveragePool(), ((3, 5, 7),), (3, 1, 1)),
        (ops.Linear(np.zeros((10, 105))), ((3, 5, 7),), (10, 1, 1)),
        (ops.BatchNorm(*(np.ones(3),) * 4), ((3, 5, 7),), (3, 5, 7)),
        (ops.ReLU(), ((3, 5, 7),), (3, 5, 7)),
        (ops.Clamp(0.0, 6.0), ((3, 5, 7),), (3, 5, 7)),
        (ops.Concat(), ((3, 5, 7), (4, 5, 7), (1, 5, 7)), (8, 5, 7)),
        (ops.ChannelShuffle(np.array([2, 0, 1])), ((3, 5, 7),), (3, 5, 7)),
        (ops.Flatten(), ((3, 5, 7),), (105, 1, 1)),
        (ops.Sigmoid(), ((3, 5, 7),), (3, 5, 7)),
        (ops.ChannelScale(), ((3, 5, 7), (3, 1, 1)), (3, 5, 7)),
        (ops.InstanceNorm(np.ones(3), np.zeros(3)), ((3, 5, 7),), (3, 5, 7)),
        (ops.UpsampleNearest((2, 3)), ((3, 5, 7),), (3, 10, 21)),
        (ops.ChannelSlice(1, 3), ((3, 5, 7),), (2, 5, 7)),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, ops.Op) else "",
)
def test_shape(op, inputs, expected):
    op.check()
    assert op.shape(inputs) == expected
    assert op.arity in (None, len(inputs))


@pytest.mark.parametrize(
    ("op", "message"),
    [
        (ops.Input(3, 0, 7), "the input's size must be integers of at least 1, not (3, 0, 7)"),
        (
            ops.Conv2d(np.zeros((8, 3, 3, 3)), groups=3),
            "groups must divide the 8 output channels, not 3",
        ),
        (ops.Conv2d(np.zeros((8, 3, 3, 3)), np.zeros(7)), "bias must have the shape (8), not (7,)"),
        (
            ops.SpatialShift(np.zeros((3, 3), np.int64)),
            "offsets must be an array of the shape (channels, 2), not (3, 3)",
        ),
        (ops.SpatialShift(np.zeros((3, 2))), "offsets must be signed integers, not float64"),
        (
            ops.SpatialShift(np.zeros((3, 2), np.int64), 0),
            "dilation must be an integer of at least 1, not 0",
        ),
        (
            ops.MaxPool((3, 2), (2, 2), (1, 2, 1, 1)),
            "the padding (1, 2, 1, 1) must be smaller than the kernel (3, 2)",
        ),
        (ops.Linear(np.zeros((3, 3)), np.zeros(4)), "bias must have the shape (3), not (4,)"),
        (
            ops.BatchNorm(np.ones(2), np.ones(2), np.ones(2), np.array([1.0, -1.0])),
            "the variance plus eps must be positive, not -0.99999",
        ),
        (
            ops.BatchNorm(np.ones(2), np.ones(2), np.ones(3), np.ones(2)),
            "mean must have the shape (2), not (3,)",
        ),
        (ops.Clamp(6.0, 0.0), "clamp needs lo < hi, not 6.0 and 0.0"),
        (
            ops.ChannelShuffle(np.zeros(3)),
            "order must be a one-dimensional array of signed integers, not float64",
        ),
        (ops.ChannelShuffle(np.array([0, 2, 2])), "order must be a permutation of 0..2"),
        (ops.InstanceNorm(np.ones(2), np.ones(3)), "beta must have the shape (2), not (3,)"),
        (ops.InstanceNorm(np.ones(2), np.ones(2), 0.0), "eps must be a positive finite float, not 0.0"),
        (ops.InstanceNorm(np.ones(2), np.ones(2), np.inf), "eps must be a positive finite float, not inf"),
        (ops.UpsampleNearest((2, 0)), "factor must be two integers of at least 1, not (2, 0)"),
        (ops.ChannelSlice(2, 2), "a slice needs integers 0 <= start < stop, not 2 and 2"),
        (ops.ChannelSlice(-1, 2), "a slice needs integers 0 <= start < stop, not -1 and 2"),
        (ops.ChannelSlice(0, 2.0), "a slice needs integers 0 <= start < stop, not 0 and 2.0"),
    ],
)
def test_check_refuses(op, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        op.check()


@pytest.mark.parametrize(
    ("op", "inputs", "message"),
    [
        (
            ops.Conv2d(np.zeros((8, 3, 3, 3)), groups=2),
            ((3, 5, 5),),
            "the weights need 6 input channels, the input has 3",
        ),
        (
            ops.SpatialShift(np.zeros((3, 2), np.int64)),
            ((4, 5, 5),),
            "there are offsets for 3 channels, the input has 4",
        ),
        (
            ops.Add(),
            ((4, 5, 5), (4, 5, 4)),
            "both inputs need the same shape, not (4, 5, 5) and (4, 5, 4)",
        ),
        (
            ops.Linear(np.zeros((3, 9))),
            ((2, 2, 2),),
            "the weights need 9 inputs, the flattened input has 8",
        ),
        (
            ops.BatchNorm(*(np.ones(3),) * 4),
            ((4, 5, 5),),
            "there are parameters for 3 channels, the input has 4",
        ),
        (
            ops.Concat(),
            ((3, 5, 5), (3, 5, 6)),
            "all inputs need the same rows and columns, not [(5, 5), (5, 6)]",
        ),
        (
            ops.ChannelShuffle(np.array([1, 0])),
            ((3, 5, 5),),
            "order names 2 channels, the input has 3",
        ),
        (
            ops.ChannelScale(),
            ((3, 5, 5), (4, 1, 1)),
            "the gate of a map (3, 5, 5) must have the shape (3, 1, 1), not (4, 1, 1)",
        ),
        (
            ops.InstanceNorm(np.ones(3), np.ones(3)),
            ((4, 5, 5),),
            "there are parameters for 3 channels, the input has 4",
        ),
        (
            ops.ChannelSlice(1, 4),
            ((3, 5, 5),),
            "the slice ends at channel 4, the input has 3",
        ),
    ],
)
def test_shape_refuses(op, inputs, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        op.shape(inputs)


def test_counts():
    conv = ops.Conv2d(np.zeros((8, 3, 3, 3)), np.zeros(8))
    assert conv.parameters == 224
    assert conv.macs((8, 4, 5)) == 216 * 20
    linear = ops.Linear(np.zeros((10, 64)), np.zeros(10))
    assert (linear.parameters, linear.macs((10, 1, 1))) == (650, 640)
    assert ops.BatchNorm(*(np.ones(3),) * 4).parameters == 6
    assert ops.InstanceNorm(np.ones(3), np.ones(3)).parameters == 6
    assert ops.ReLU().macs((8, 4, 5)) == 0


def test_batchnorm_affine():
    norm = ops.BatchNorm(np.array([2.0]), np.array([1.0]), np.array([3.0]), np.array([15.0]), 1.0)
    scale, offset = norm.affine
    assert (scale.tolist(), offset.tolist()) == ([0.5], [-0.5])
