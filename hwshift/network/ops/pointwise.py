"""Operators that act on each pixel by itself: normalisation, scales, activations."""

from dataclasses import dataclass

import numpy as np

from hwshift.network.checks import Shape, check_array
from hwshift.network.ops.base import Op

__all__ = ["BatchNorm", "ChannelScale", "Clamp", "InstanceNorm", "ReLU", "Sigmoid"]


def per_channel_shape(values: np.ndarray, source: Shape) -> Shape:
    """`source`, whose channels must be as many as the values. Raises ValueError."""
    if source[0] != values.size:
        raise ValueError(f"there are parameters for {values.size} channels, the input has {source[0]}")
    return source


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
        return per_channel_shape(self.gamma, inputs[0])

    @property
    def parameters(self) -> int:
        """Gamma and beta; the statistics are not trained."""
        return 2 * self.gamma.size


@dataclass(frozen=True, eq=False)
class InstanceNorm(Op):
    """``gamma * (x - mean) / sqrt(var + eps) + beta``, the statistics those of each image's channel.

    The variance is that of the channel's pixels themselves (divided by their number).

    Parameters
    ----------
    gamma, beta : ndarray of float, shape (channels,)
    eps : float
        Greater than 0.
    """

    gamma: np.ndarray
    beta: np.ndarray
    eps: float = 1e-5

    def check(self) -> None:
        """Both arrays agree, and eps keeps a constant map's scale finite."""
        check_array(self.gamma, "gamma", None)
        check_array(self.beta, "beta", self.gamma.size)
        if not isinstance(self.eps, float) or not 0 < self.eps < np.inf:
            raise ValueError(f"eps must be a positive finite float, not {self.eps!r}")

    def shape(self, inputs: tuple[Shape, ...]) -> Shape:
        """That of the input."""
        return per_channel_shape(self.gamma, inputs[0])

    @property
    def parameters(self) -> int:
        """Gamma and beta."""
        return 2 * self.gamma.size


@dataclass(frozen=True, eq=False)
class ChannelScale(Op):
    """``out[c, y, x] = map[c, y, x] * gate[c]`` (squeeze-and-excite): inputs a map and a gate (channels, 1, 1)."""

    @property
    def arity(self) -> int:
        """The map and the gate."""
        return 2

    def shape(self, inputs: tuple[Shape, ...]) -> Shape:
        """That of the map."""
        gate = inputs[0][0], 1, 1
        if inputs[1] != gate:
            raise ValueError(f"the gate of a map {inputs[0]} must have the shape {gate}, not {inputs[1]}")
        return inputs[0]


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
class Sigmoid(Op):
    """``1 / (1 + exp(-x))``."""
