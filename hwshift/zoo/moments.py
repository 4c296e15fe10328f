"""Mean and variance of each channel of a map, carried through an operator in closed form.

Channels and pixels count as independent and values as normally distributed. That is enough to give random weights
BatchNorm statistics that fit, so that maps stay in range through networks of any depth, without running anything.
"""

import math
from typing import NamedTuple

import numpy as np

from hwshift.network import ops
from hwshift.network.checks import Shape, window_size

__all__ = ["Moments", "after", "of_noise"]


class Moments(NamedTuple):
    """Mean and variance of each channel: ndarrays of float64, shape (channels,)."""

    mean: np.ndarray
    var: np.ndarray


def of_noise(channels: int) -> Moments:
    """Of noise that is uniform in [-1, 1)."""
    return Moments(np.zeros(channels), np.full(channels, 1 / 3))


def after(op: ops.Op, shape: Shape, *inputs: Moments) -> Moments:
    """The moments of an operator's output.

    Parameters
    ----------
    op : Op
        Not the input.
    shape : (channels, height, width)
        Of the first input.
    inputs : Moments
    """
    first = inputs[0]
    match op:
        case ops.Conv2d():
            return _convolved(op, shape, first)
        case ops.Linear():
            sums = op.weight.sum(axis=1, dtype=np.float64), np.square(op.weight).sum(axis=1, dtype=np.float64)
            if shape[1:] == (1, 1):
                sums = op.weight @ first.mean, np.square(op.weight) @ first.var
            return Moments(sums[0] if op.bias is None else sums[0] + op.bias, sums[1])
        case ops.SpatialShift():
            height, width = shape[1:]
            rows = np.maximum(height - np.abs(op.moves[:, 0]), 0) / height
            columns = np.maximum(width - np.abs(op.moves[:, 1]), 0) / width
            return _present(first, rows * columns)
        case ops.BatchNorm():
            scale, offset = op.affine
            return Moments(first.mean * scale + offset, first.var * scale**2)
        case ops.InstanceNorm():
            return Moments(op.beta.astype(np.float64), op.gamma.astype(np.float64) ** 2)
        case ops.ReLU() | ops.Clamp():
            return _rectified(first)
        case ops.Sigmoid():
            return Moments(1 / (1 + np.exp(-first.mean)), first.var / 16)
        case ops.ChannelScale():
            return _product(*inputs)
        case ops.Add():
            return Moments(first.mean + inputs[1].mean, first.var + inputs[1].var)
        case ops.Concat():
            return Moments(*(np.concatenate(part) for part in zip(*inputs, strict=True)))
        case ops.ChannelShuffle():
            return Moments(first.mean[op.order], first.var[op.order])
        case ops.ChannelSlice():
            return Moments(first.mean[op.start : op.stop], first.var[op.start : op.stop])
        case ops.AveragePool():
            return Moments(first.mean, first.var / math.sqrt(math.prod(op.kernel)))
        case ops.GlobalAveragePool():
            return Moments(first.mean, first.var / math.sqrt(shape[1] * shape[2]))
        case ops.MaxPool():
            return Moments(first.mean + 1.5 * np.sqrt(first.var), 0.36 * first.var)  # 9 normal values
    return first


def _convolved(op: ops.Conv2d, shape: Shape, source: Moments) -> Moments:
    """Sum over taps; a tap near the border reads zeros outside the map."""
    out, depth = op.weight.shape[:2]
    height, width = window_size(shape[1:], op.kernel, op.stride, op.padding, op.dilation)
    mean, var = np.zeros(out), np.zeros(out)
    for u in range(op.kernel[0]):
        rows = _inside(height, shape[1], op.stride[0], u * op.dilation[0] - op.padding[0])
        for v in range(op.kernel[1]):
            share = rows * _inside(width, shape[2], op.stride[1], v * op.dilation[1] - op.padding[1])
            weight = op.weight[:, :, u, v].reshape(op.groups, out // op.groups, depth)
            known = _present(source, share)
            mean += (weight @ known.mean.reshape(op.groups, depth, 1)).ravel()
            var += (np.square(weight) @ known.var.reshape(op.groups, depth, 1)).ravel()
    return Moments(mean if op.bias is None else mean + op.bias, var)


def _inside(count: int, size: int, stride: int, start: int) -> float:
    """Share of `count` positions ``start, start + stride, ...`` that lie in 0 to size - 1."""
    positions = start + stride * np.arange(count)
    return float(((positions >= 0) & (positions < size)).mean())


def _present(source: Moments, share: np.ndarray | float) -> Moments:
    """Of values of which only a share is there, the others being zero."""
    mean = share * source.mean
    return Moments(mean, share * (source.var + source.mean**2) - mean**2)


def _rectified(source: Moments) -> Moments:
    """Of ``max(x, 0)`` for normal x."""
    mean, var = source
    sigma = np.sqrt(var) + 1e-9
    z = mean / sigma
    above = np.array([0.5 * math.erfc(-value / math.sqrt(2)) for value in z])
    density = np.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    first = mean * above + sigma * density
    second = (mean**2 + var) * above + mean * sigma * density
    return Moments(first, np.maximum(second - first**2, 0))


def _product(left: Moments, right: Moments) -> Moments:
    var = left.var * right.mean**2 + right.var * left.mean**2 + left.var * right.var
    return Moments(left.mean * right.mean, var)
