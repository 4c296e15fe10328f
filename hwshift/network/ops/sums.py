"""Operators that sum: convolution, fully connected, addition, pools."""

from dataclasses import dataclass

import numpy as np

from hwshift.network.checks import (
    Padding,
    Pair,
    Shape,
    check_array,
    check_padding,
    check_positive,
    window_size,
)
from hwshift.network.ops.base import Op

__all__ = ["Add", "AveragePool", "Conv2d", "GlobalAveragePool", "Linear", "MaxPool"]


@dataclass(frozen=True, eq=False)
class Conv2d(Op):
    """Convolution (as in PyTorch: correlation), outside the map zero.

    Parameters
    ----------
    weight : ndarray of float, shape (out, in / groups, kernel rows, kernel columns)
        The weights of a power-of-two network are exact ``+-2**p`` here.
    bias : ndarray of float, shape (out,), or None
    stride, dilation : (rows, columns)
    padding : (top, left, bottom, right)
    groups : int
    """

    weight: np.ndarray
    bias: np.ndarray | None = None
    stride: Pair = (1, 1)
    padding: Padding = (0, 0, 0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1

    @property
    def kernel(self) -> Pair:
        """(rows, columns) of the kernel."""
        return self.weight.shape[2], self.weight.shape[3]

    @property
    def pointwise(self) -> bool:
        """Whether the kernel is 1x1 without padding."""
        return self.kernel == (1, 1) and self.padding == (0, 0, 0, 0)

    def check(self) -> None:
        """Weights are finite, and groups divide the output channels."""
        check_array(self.weight, "weight", None, None, None, None)
        out = self.weight.shape[0]
        if self.bias is not None:
            check_array(self.bias, "bias", out)
        check_positive(self.stride, "stride")
        check_positive(self.dilation, "dilation")
        check_padding(self.padding)
        if not isinstance(self.groups, int) or self.groups < 1 or out % self.groups:
            raise ValueError(f"groups must divide the {out} output channels, not {self.groups!r}")

    def shape(self, inputs: tuple[Shape, ...]) -> Shape:
        """(out, rows, columns) of the sliding window."""
        channels = self.weight.shape[1] * self.groups
        if inputs[0][0] != channels:
            raise ValueError(f"the weights need {channels} input channels, the input has {inputs[0][0]}")
        size = window_size(inputs[0][1:], self.kernel, self.stride, self.padding, self.dilation)
        return self.weight.shape[0], *size

    @property
    def parameters(self) -> int:
        """Weights and biases."""
        return self.weight.size + (0 if self.bias is None else self.bias.size)

    def macs(self, output: Shape) -> int:
        """One per weight and output pixel."""
        return self.weight.size * output[1] * output[2]


@dataclass(frozen=True, eq=False)
class Linear(Op):
    """Fully connected; a map larger than 1x1 is flattened in the order channel, row, column.

    Parameters
    ----------
    weight : ndarray of float, shape (out, channels * height * width)
    bias : ndarray of float, shape (out,), or None
    """

    weight: np.ndarray
    bias: np.ndarray | None = None

    def check(self) -> None:
        """Weights are finite."""
        check_array(self.weight, "weight", None, None)
        if self.bias is not None:
            check_array(self.bias, "bias", self.weight.shape[0])

    def shape(self, inputs: tuple[Shape, ...]) -> Shape:
        """(out, 1, 1)."""
        size = inputs[0][0] * inputs[0][1] * inputs[0][2]
        if size != self.weight.shape[1]:
            raise ValueError(
                f"the weights need {self.weight.shape[1]} inputs, the flattened input has {size}"
            )
        return self.weight.shape[0], 1, 1

    @property
    def parameters(self) -> int:
        """Weights and biases."""
        return self.weight.size + (0 if self.bias is None else self.bias.size)

    def macs(self, output: Shape) -> int:
        """One per weight."""
        del output
        return self.weight.size


@dataclass(frozen=True, eq=False)
class Add(Op):
    """Element-wise sum of two maps of the same shape."""

    @property
    def arity(self) -> int:
        """Two inputs."""
        return 2

    def shape(self, inputs: tuple[Shape, ...]) -> Shape:
        """That of both inputs."""
        if inputs[0] != inputs[1]:
            raise ValueError(f"both inputs need the same shape, not {inputs[0]} and {inputs[1]}")
        return inputs[0]


@dataclass(frozen=True, eq=False)
class _Window(Op):
    """A pool: kernel, stride (rows, columns); padding (top, left, bottom, right) smaller than the kernel."""

    kernel: Pair
    stride: Pair
    padding: Padding = (0, 0, 0, 0)

    def check(self) -> None:
        """Every window touches the map."""
        check_positive(self.kernel, "kernel")
        check_positive(self.stride, "stride")
        check_padding(self.padding)
        if any(self.padding[i] >= self.kernel[i % 2] for i in range(4)):
            raise ValueError(f"the padding {self.padding} must be smaller than the kernel {self.kernel}")

    def shape(self, inputs: tuple[Shape, ...]) -> Shape:
        """(channels, rows, columns) of the sliding window."""
        return inputs[0][0], *window_size(inputs[0][1:], self.kernel, self.stride, self.padding)


@dataclass(frozen=True, eq=False)
class AveragePool(_Window):
    """Average over a window; `include_border` says whether positions outside the map (zeros) count."""

    include_border: bool = True


@dataclass(frozen=True, eq=False)
class MaxPool(_Window):
    """Maximum over the positions of a window that lie inside the map."""


@dataclass(frozen=True, eq=False)
class GlobalAveragePool(Op):
    """Average over the whole map."""

    def shape(self, inputs: tuple[Shape, ...]) -> Shape:
        """(channels, 1, 1)."""
        return inputs[0][0], 1, 1
