"""Weights in the order in which the engine reads them, and what each of them reads.

A tap is one input channel read at one offset:
``acc[o, y, x] = sum over k of term(in[c_k, y*sy + dy_k, x*sx + dx_k], w[o, k])``, zero outside the map.
Kernel position, padding, dilation and a fused spatial shift all end up in (dy_k, dx_k), so a shifted map is
never built. A term is ``sign * floor(x * factor)`` in float64 and ``sign * ((x * factor) >> right)`` in integers;
where nothing is shifted out it is one product.
"""

from dataclasses import dataclass

import numpy as np

from hwshift.golden.blocks import ROWS
from hwshift.golden.formats import Arithmetic, QFormat
from hwshift.golden.limbs import TileWeights, pack_limbs
from hwshift.golden.tiles import available
from hwshift.network.checks import Shape
from hwshift.network.fixed import Conv, FixedWeights, Pool

__all__ = ["PackedWeights", "Terms", "pack_pool", "pack_weights", "taps_of"]

_DIRECT = 4  # groups with fewer outputs than this are done channel by channel


@dataclass(frozen=True)
class Terms:
    """The weights of one convolution as ``sign * ((x * factor) >> right)``: int64, shape (outputs, taps)."""

    factor: np.ndarray
    right: np.ndarray
    sign: np.ndarray

    @classmethod
    def of(cls, weights: FixedWeights, arithmetic: Arithmetic) -> "Terms":
        """The terms of checked weights on the array of ``arithmetic``; exact ones are all in the factor."""
        fmt = arithmetic.weights
        values = weights.values.reshape(len(weights.values), -1).astype(np.int64)
        one, none = np.ones_like(values), np.zeros_like(values)
        if isinstance(fmt, QFormat):
            return cls(values, none + (fmt.n - arithmetic.guard), one)
        assert weights.powers is not None
        powers = weights.powers.reshape(values.shape).astype(np.int64)
        left, right = arithmetic.guard + fmt.p_max, fmt.p_max - powers
        if arithmetic.exact:
            return cls(values << (left - right), none, one)
        return cls(one << left, right, values)

    @property
    def real(self) -> np.ndarray:
        """``factor / 2**right``, exact in float64."""
        return np.ldexp(self.factor.astype(np.float64), -self.right)


@dataclass
class PackedWeights:
    """Weights ready for the engine.

    Parameters
    ----------
    taps : ndarray of int64, shape (groups, taps, 3)
        Input channel, dy, dx.
    reals : ndarray of float64
        (groups, blocks, [factor, sign], taps, ROWS), or direct (outputs, [factor, sign], taps); exact weights
        have no sign.
    ints : ndarray of int64 or None
        [factor, right, sign] in the same order, where exact integers need more than the 32 bits of ``reals``.
    exact : bool
    direct : bool
        Channel by channel.
    shared : bool
        All outputs have the same weights, which are there once.
    magnitudes : ndarray of float64, shape (outputs,)
        Sums of magnitudes: integers in units of which every partial sum is one.
    tiles : TileWeights or None
        The same weights for the matrix unit.
    weights, terms : int
        Where they begin in the tables.
    """

    taps: np.ndarray
    reals: np.ndarray
    ints: np.ndarray | None
    exact: bool
    direct: bool
    shared: bool
    magnitudes: np.ndarray
    tiles: TileWeights | None = None
    weights: int = -1
    terms: int = -1

    @property
    def largest(self) -> float:
        """Largest sum of magnitudes of an output."""
        return float(self.magnitudes.max())

    def place(self, weights: int, terms: int) -> None:
        """Remember where they begin."""
        self.weights, self.terms = weights, terms


def taps_of(conv: Conv) -> np.ndarray:
    """What each tap reads.

    Returns
    -------
    ndarray of int64, shape (groups, taps, 3)
        Input channel, dy, dx; taps in the order of the weights (channel, kernel row, kernel column).
    """
    _, inputs, rows, columns = conv.weights.values.shape
    channel, u, v = (index.ravel() for index in np.indices((inputs, rows, columns)))
    groups = []
    for group in range(conv.groups):
        c = group * inputs + channel
        dy, dx = u * conv.dilation[0] - conv.padding[0], v * conv.dilation[1] - conv.padding[1]
        if conv.shift is not None:
            dy, dx = dy + conv.shift[c, 0], dx + conv.shift[c, 1]
        groups.append(np.stack((c, dy, dx), axis=1))
    return np.stack(groups).astype(np.int64)


def pack_weights(op: Conv, source: Shape, target: Shape, arithmetic: Arithmetic) -> PackedWeights:
    """Pack the weights of a convolution from a map of shape ``source`` to one of shape ``target``."""
    taps = taps_of(op)
    terms = Terms.of(op.weights, arithmetic)
    factor, right, sign, real = (
        values.reshape(op.groups, -1, taps.shape[1]).copy()
        for values in (terms.factor, terms.right, terms.sign, terms.real)
    )
    for group, k in np.argwhere(_never_inside(taps, op.stride, source, target)).tolist():
        taps[group, k, 1:] = 0  # a tap that reads nothing but zeros needs no margin
        factor[group, :, k] = real[group, :, k] = 0
    exact = arithmetic.exact
    direct = len(op.weights.values) // op.groups < _DIRECT
    order = _rows if direct else _blocks
    narrow = exact and not direct and np.abs(factor).max(initial=0) < 1 << 31
    largest = (
        np.maximum(np.abs(real), np.abs(factor)) if isinstance(arithmetic.weights, QFormat) else np.abs(real)
    )
    return PackedWeights(
        taps,
        order([real] if exact else [real, sign]),
        None if narrow else order([factor, right, sign]),
        exact,
        direct,
        False,
        largest.sum(axis=2).ravel(),
        pack_limbs(factor) if exact and not direct and available() else None,
    )


def pack_pool(op: Pool, channels: int, guard: int) -> PackedWeights:
    """A pool's windows as taps of weight 1, on the grid with ``guard`` more bits."""
    dy, dx = (axis.ravel() - op.padding[i] for i, axis in enumerate(np.indices(op.kernel)))
    taps = np.empty((channels, dy.size, 3), np.int64)
    taps[..., 0], taps[..., 1], taps[..., 2] = np.arange(channels)[:, None], dy, dx
    weight = np.full(dy.size, 1 << guard, np.int64)
    terms = np.concatenate([weight, np.zeros_like(weight), np.ones_like(weight)])
    return PackedWeights(
        taps,
        weight.astype(np.float64),
        terms,
        True,
        True,
        True,
        np.full(channels, float(weight[0] if op.kind == "max" else weight.sum())),
    )


def _never_inside(taps: np.ndarray, stride: tuple[int, int], source: Shape, target: Shape) -> np.ndarray:
    """Taps that lie beside the map for every output pixel: ndarray of bool, shape (groups, taps)."""
    outside = np.zeros(taps.shape[:2], bool)
    for axis in (1, 2):
        reach = np.arange(target[axis]) * stride[axis - 1]
        places = taps[..., axis, None] + reach
        outside |= ~((places >= 0) & (places < source[axis])).any(axis=2)
    return outside


def _rows(parts: list[np.ndarray]) -> np.ndarray:
    """(outputs, parts, taps) from parts of shape (groups, per group, taps)."""
    return np.stack(parts, axis=2).ravel()


def _blocks(parts: list[np.ndarray]) -> np.ndarray:
    """(groups, blocks, parts, taps, ROWS) from parts of shape (groups, per group, taps); the rest is zero."""
    groups, outputs, taps = parts[0].shape
    blocks = -(-outputs // ROWS)
    padded = np.zeros((groups, blocks * ROWS, len(parts), taps), parts[0].dtype)
    padded[:, :outputs] = np.stack(parts, axis=2)
    return padded.reshape(groups, blocks, ROWS, len(parts), taps).transpose(0, 1, 3, 4, 2).ravel()
