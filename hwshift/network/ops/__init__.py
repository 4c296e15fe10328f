"""Operators of the float network: frozen values that know their own checks and shape rule.

Maps have the shape (channels, height, width); vectors are maps of 1x1 pixels. A weight array is float32 or
float64 and is never written after it was given to an operator.
"""

from hwshift.network.ops.base import Input, Op
from hwshift.network.ops.moves import (
    ChannelShuffle,
    ChannelSlice,
    Concat,
    Flatten,
    SpatialShift,
    UpsampleNearest,
)
from hwshift.network.ops.pointwise import BatchNorm, ChannelScale, Clamp, InstanceNorm, ReLU, Sigmoid
from hwshift.network.ops.sums import Add, AveragePool, Conv2d, GlobalAveragePool, Linear, MaxPool

__all__ = [
    "Add",
    "AveragePool",
    "BatchNorm",
    "ChannelScale",
    "ChannelShuffle",
    "ChannelSlice",
    "Clamp",
    "Concat",
    "Conv2d",
    "Flatten",
    "GlobalAveragePool",
    "Input",
    "InstanceNorm",
    "Linear",
    "MaxPool",
    "Op",
    "ReLU",
    "Sigmoid",
    "SpatialShift",
    "UpsampleNearest",
]
