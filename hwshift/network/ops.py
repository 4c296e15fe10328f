"""Operators of the float network: frozen values that know their own checks and shape rule.

Maps have the shape (channels, height, width); vectors are maps of 1x1 pixels. A weight array is float32 or
float64 and is never written after it was given to an operator.
"""

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

__all__ = [
    "Add",
    "AveragePool",
    "BatchNorm",
    "ChannelShuffle",
    "Clamp",
    "Concat",
    "Conv2d",
    "Flatten",
    "GlobalAveragePool",
    "Input",
    "Linear",
    "MaxPool",
    "Op",
    "ReLU",
    "SpatialShift",
]


@dataclass(frozen=True, eq=False)
class Op:
    """Base of all operators."""

    @property
    def arity(self) -> int | None:
        """Number of inputs; None: one or more."""
        return 1

    def check(self) -> None:
        """Check the parameters alone. Raises ValueError with one line."""

    def shape(self, inputs: tuple[Shape, ...]) -> Shape:
        """Shape of the output. Raises ValueError with one line where the inputs do not fit."""
        return inputs[0]

    @property
    def parameters(self) -> int:
        """Number of trained values."""
        return 0

    def macs(self, output: Shape) -> int:
        """Multiply-accumulates for one image, given the output's shape."""
        del output
        return 0


@dataclass(frozen=True, eq=False)
class Input(Op):
    """The network's input map."""

    channels: int
    height: int
    width: int

    @property
    def arity(self) -> int:
        """No inputs."""
        return 0

    def check(self) -> None:
        """Sizes are at least 1."""
        size = (self.channels, self.height, self.width)
        if not all(isinstance(v, int) and v >= 1 for v in size):
            raise ValueError(f"the input's size must be integers of at least 1, not {size!r}")

    def shape(self, inputs: tuple[Shape, ...]) -> Shape:
        """Its own size."""
        del inputs
        return self.channels, self.height, self.width


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
class SpatialShift(Op):
    """``out[c, y, x] = in[c, y + dilation * dy_c, x + dilation * dx_c]``, outside the map zero.

    Parameters
    ----------
    offsets : ndarray of int64, shape (channels, 2)
        (dy, dx) of each channel.
    dilation : int
    """

    offsets: np.ndarray
    dilation: int = 1

    @property
    def moves(self) -> np.ndarray:
        """Offsets with the dilation applied: ndarray of int64, shape (channels, 2)."""
        return self.offsets.astype(np.int64) * self.dilation

    def check(self) -> None:
        """Offsets are integers."""
        offsets = self.offsets
        if not isinstance(offsets, np.ndarray) or offsets.ndim != 2 or offsets.shape[1] != 2:
            raise ValueError(
                f"offsets must be an array of the shape (channels, 2), "
                f"not {getattr(offsets, 'shape', offsets)!r}"
            )
        if offsets.dtype.kind != "i":
            raise ValueError(f"offsets must be signed integers, not {offsets.dtype}")
        if not isinstance(self.dilation, int) or self.dilation < 1:
            raise ValueError(f"dilation must be an integer of at least 1, not {self.dilation!r}")

    def shape(self, inputs: tuple[Shape, ...]) -> Shape:
        """That of the input."""
        if inputs[0][0] != len(self.offsets):
            raise ValueError(
                f"there are offsets for {len(self.offsets)} channels, the input has {inputs[0][0]}"
            )
        return inputs[0]


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
class BatchNorm(Op):
    """``gamma * (x - mean) / sqrt(var + eps) + beta``, each an ndarray of float of shape (channels,)."""

    gamma: np.ndarray
    beta: np.ndarray
    mean: np.ndarray
    var: np.ndarray
    eps: float = 1e-5

    @property
    def affine(self) -> tuple[np.ndarray, np.ndarray]:
        """(scale, offset) with ``y = scale * x + offset``: ndarrays of float64, shape (channels,)."""
        scale = self.gamma.astype(np.float64) / np.sqrt(self.var.astype(np.float64) + self.eps)
        return scale, self.beta - self.mean * scale

    def check(self) -> None:
        """All four arrays agree, and the variance is not negative."""
        check_array(self.gamma, "gamma", None)
        for name in ("beta", "mean", "var"):
            check_array(getattr(self, name), name, self.gamma.size)
        least = float(self.var.min()) + self.eps
        if not 0 < least < np.inf:
            raise ValueError(f"the variance plus eps must be positive, not {least!r}")

    def shape(self, inputs: tuple[Shape, ...]) -> Shape:
        """That of the input."""
        if inputs[0][0] != self.gamma.size:
            raise ValueError(
                f"there are parameters for {self.gamma.size} channels, the input has {inputs[0][0]}"
            )
        return inputs[0]

    @property
    def parameters(self) -> int:
        """Gamma and beta; the statistics are not trained."""
        return 2 * self.gamma.size


@dataclass(frozen=True, eq=False)
class ReLU(Op):
    """``max(x, 0)``."""


@dataclass(frozen=True, eq=False)
class Clamp(Op):
    """``min(max(x, lo), hi)``; ReLU6 is ``Clamp(0.0, 6.0)``."""

    lo: float
    hi: float

    def check(self) -> None:
        """The limits are in order."""
        if not self.lo < self.hi:
            raise ValueError(f"clamp needs lo < hi, not {self.lo!r} and {self.hi!r}")


@dataclass(frozen=True, eq=False)
class Concat(Op):
    """Channel concatenation of the inputs in order."""

    @property
    def arity(self) -> None:
        """One or more inputs."""
        return None

    def shape(self, inputs: tuple[Shape, ...]) -> Shape:
        """Channels add up; rows and columns agree."""
        sizes = {shape[1:] for shape in inputs}
        if len(sizes) > 1:
            raise ValueError(f"all inputs need the same rows and columns, not {sorted(sizes)}")
        return sum(shape[0] for shape in inputs), *inputs[0][1:]


@dataclass(frozen=True, eq=False)
class ChannelShuffle(Op):
    """Channel permutation ``out[i] = in[order[i]]`` (`order`: ndarray of int64, shape (channels,))."""

    order: np.ndarray

    def check(self) -> None:
        """`order` is a permutation."""
        order = self.order
        if not isinstance(order, np.ndarray) or order.ndim != 1 or order.dtype.kind != "i":
            got = order.dtype if isinstance(order, np.ndarray) else type(order).__name__
            raise ValueError(f"order must be a one-dimensional array of signed integers, not {got}")
        if not np.array_equal(np.sort(order), np.arange(order.size)):
            raise ValueError(f"order must be a permutation of 0..{order.size - 1}")

    def shape(self, inputs: tuple[Shape, ...]) -> Shape:
        """That of the input."""
        if inputs[0][0] != self.order.size:
            raise ValueError(f"order names {self.order.size} channels, the input has {inputs[0][0]}")
        return inputs[0]


@dataclass(frozen=True, eq=False)
class Flatten(Op):
    """A map as a vector, in the order channel, row, column."""

    def shape(self, inputs: tuple[Shape, ...]) -> Shape:
        """(channels * height * width, 1, 1)."""
        return inputs[0][0] * inputs[0][1] * inputs[0][2], 1, 1
