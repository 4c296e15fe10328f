"""Where the arrays of a network come from: seeded random weights, or none at all for counting."""

import math
from collections.abc import Callable
from typing import Protocol

import numpy as np

from hwshift.zoo.moments import Moments

__all__ = ["Absent", "Random", "Values"]

Norm = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


class Values(Protocol):
    """What a builder asks for; every array is float32."""

    tracked: bool
    """Whether the builder has to know the moments of its maps."""

    def kernel(self, *shape: int, gain: float = 1.0) -> np.ndarray:
        """Weights of the shape (out, in, ...)."""

    def bias(self, channels: int) -> np.ndarray:
        """Offsets of the shape (channels,)."""

    def gain(self, channels: int) -> tuple[np.ndarray, np.ndarray]:
        """(gamma, beta), each of the shape (channels,)."""

    def norm(self, channels: int, moments: Moments | None, gain: float = 1.0) -> Norm:
        """(gamma, beta, mean, variance), each of the shape (channels,)."""


class Random:
    """Uniform weights with a variance near 2 / fan-in (He); BatchNorm statistics near the map's own.

    Weights end where rounding them to powers of two keeps their variance. Else each layer of the rounded network would
    have 0.93 to 1.1 times the values that its BatchNorm expects, and a hundred layers 10**4 times.

    Only plain arithmetic, and statistics of 10 bits: the same seed gives the same network on every machine.

    Parameters
    ----------
    seed : int
    rounded : function or None
        Applied to the weights of convolutions and fully connected layers; what it gives must fit float32.
    """

    tracked = True

    def __init__(self, seed: int, rounded: Callable[[np.ndarray], np.ndarray] | None = None) -> None:
        self._rng = np.random.default_rng(seed)
        self._rounded = rounded

    def _uniform(self, low: float, high: float, *shape: int) -> np.ndarray:
        values = self._rng.random(shape, dtype=np.float32)
        values *= np.float32(high - low)
        values += np.float32(low)
        return values

    def kernel(self, *shape: int, gain: float = 1.0) -> np.ndarray:
        limit = _kept(gain * math.sqrt(6 / math.prod(shape[1:])))
        values = self._uniform(-limit, limit, *shape)
        # No zero and nothing next to it: 5 bits cannot hold both zero and -2**-15.
        values = np.copysign(np.maximum(np.abs(values), np.float32(limit / 64)), values)
        return values if self._rounded is None else self._rounded(values).astype(np.float32)

    def bias(self, channels: int) -> np.ndarray:
        return self._uniform(-0.1, 0.1, channels)

    def gain(self, channels: int) -> tuple[np.ndarray, np.ndarray]:
        return self._uniform(0.75, 1.25, channels), self._uniform(-0.25, 0.25, channels)

    def norm(self, channels: int, moments: Moments | None, gain: float = 1.0) -> Norm:
        assert moments is not None
        gamma, beta = self.gain(channels)
        mean = moments.mean + np.sqrt(moments.var) * self._uniform(-0.25, 0.25, channels)
        # Estimates are not exact: what is left of a mean must not grow from layer to layer, nor a nearly dead channel.
        power = moments.var + 0.5 * moments.mean**2
        var = power * self._uniform(0.75, 1.25, channels) + 0.2 * power.mean() + 1e-4
        return gamma * np.float32(gain), beta * np.float32(gain), _coarse(mean), _coarse(var)


class Absent:
    """Zeros that take no memory: enough to know shapes and to count."""

    tracked = False

    def kernel(self, *shape: int, gain: float = 1.0) -> np.ndarray:
        del gain
        return np.broadcast_to(np.float32(0), shape)

    def bias(self, channels: int) -> np.ndarray:
        return self.kernel(channels)

    def gain(self, channels: int) -> tuple[np.ndarray, np.ndarray]:
        return np.broadcast_to(np.float32(1), channels), self.kernel(channels)

    def norm(self, channels: int, moments: Moments | None, gain: float = 1.0) -> Norm:
        del moments, gain
        one, zero = self.gain(channels)
        return one, zero, zero, one


_KEPT = (1.236941, 1.485178)
"""Ends r, 1 <= r < 2, of a uniform distribution whose variance rounding to powers of two in the log domain keeps.

With rounding to 2**k between 2**(k - 1/2) and 2**(k + 1/2), and c = sqrt(1/2), the mean square times r is c/7 + r - c
up to sqrt(2), c/7 + c + 4 * (r - 2*c) from there on; it was r**3 / 3.
"""


def _kept(limit: float) -> float:
    """The nearest end of a distribution, by factor, that keeps its variance."""
    exponent = math.floor(math.log2(limit))
    ends = [math.ldexp(end, exponent + more) for end in _KEPT for more in (-1, 0, 1)]
    return min(ends, key=lambda end: max(end / limit, limit / end))


def _coarse(values: np.ndarray) -> np.ndarray:
    """Rounded to 10 bits, so that the last bits of a sum do not matter."""
    fraction, exponent = np.frexp(values)
    return np.ldexp(np.rint(fraction * 1024) / 1024, exponent).astype(np.float32)
