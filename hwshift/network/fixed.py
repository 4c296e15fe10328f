"""The fixed-point network: integer weights and scales, the one thing golden model and compiler both read.

A `FixedNetwork` is a list of `FixedLayer` in execution order. Each layer is an operation (what is summed), an
epilogue (scale, bias, activation, residual, activation: DESIGN order) and the names of the layers it reads.
A layer's output is a map of shape (channels, height, width) in the network's activation format, or in its own
(`hwshift.network.layer_formats`).
"""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from hwshift.display import table
from hwshift.golden.formats import Pow2Format, QFormat

__all__ = [
    "NONE",
    "RELU",
    "SIGMOID",
    "Activation",
    "ChannelScale",
    "Concat",
    "Conv",
    "Epilogue",
    "FixedLayer",
    "FixedNetwork",
    "FixedWeights",
    "Input",
    "InstanceNorm",
    "LayerOp",
    "Move",
    "Pick",
    "Pool",
    "Shift",
    "Shuffle",
    "Slice",
    "Sum",
    "Upsample",
    "needs_min_code",
    "needs_zero_code",
]


@dataclass(frozen=True)
class FixedWeights:
    """Integer weights of one convolution.

    Parameters
    ----------
    fmt : QFormat or Pow2Format
        The kind of the weights: ``fixed`` or ``pow2``.
    values : ndarray of int64, shape (out, in / groups, kernel rows, kernel columns)
        fixed: weight codes. pow2: the signs -1, 0, 1.
    powers : ndarray of int64, same shape, or None
        pow2: the exponents p (``p_min`` where the sign is 0). None for fixed weights.
    """

    fmt: QFormat | Pow2Format
    values: np.ndarray
    powers: np.ndarray | None = None

    @property
    def kind(self) -> Literal["fixed", "pow2"]:
        """``"pow2"`` or ``"fixed"``."""
        return "pow2" if isinstance(self.fmt, Pow2Format) else "fixed"


@dataclass(frozen=True)
class Activation:
    """``none``, ``relu``, ``clamp`` to the integer codes [lo, hi], or ``sigmoid`` by `hwshift.golden.sigmoid`."""

    kind: Literal["none", "relu", "clamp", "sigmoid"] = "none"
    lo: int = 0
    hi: int = 0


NONE = Activation()
RELU = Activation("relu")
SIGMOID = Activation("sigmoid")


@dataclass(frozen=True)
class Epilogue:
    """What happens to an accumulator, per output channel, in this order.

    ``y = floor(acc * m / 2**(G + s)) + b``, saturate, ``activation``, ``+ residual``, saturate,
    ``residual_activation``; the last three only where the layer names a residual. Where formats differ, s means
    ``s + n_in - n_out`` with the fraction bits of input and output, and the residual is brought to the output's
    (left exactly, right by floor).

    Parameters
    ----------
    m : ndarray of int64, shape (channels,)
        Signed 18-bit mantissas.
    s : ndarray of int64, shape (channels,)
        Shifts, ``0 <= s`` and ``G + s <= 62``. ``(m, s) = (1, 0)`` where unused.
    b : ndarray of int64, shape (channels,)
        Biases in the format of the layer's output.
    """

    m: np.ndarray
    s: np.ndarray
    b: np.ndarray
    activation: Activation = NONE
    residual_activation: Activation = NONE

    @classmethod
    def identity(
        cls, channels: int, activation: Activation = NONE, residual_activation: Activation = NONE
    ) -> "Epilogue":
        """No scale, no bias."""
        return cls(
            np.ones(channels, np.int64),
            np.zeros(channels, np.int64),
            np.zeros(channels, np.int64),
            activation,
            residual_activation,
        )


@dataclass(frozen=True)
class Input:
    """The network's input map, already in the activation format."""


@dataclass(frozen=True)
class Conv:
    """Convolution of any kind; a fully connected layer is one whose kernel covers the map.

    ``acc[o, y, x] = sum over i, u, v of term(in[c, row + dy_c, column + dx_c], w[o, i, u, v])`` with
    ``row = y*stride - top + u*dilation``, ``column = x*stride - left + v*dilation``, c the i-th input channel
    of o's group, and zero outside the map.

    Parameters
    ----------
    weights : FixedWeights
    stride, dilation : (rows, columns)
    padding : (top, left, bottom, right)
    groups : int
    shift : ndarray of int64, shape (in channels, 2), or None
        Per input channel (dy, dx) of a spatial shift fused into the reads:
        ``shifted[c, y, x] = in[c, y + dy, x + dx]``, zero outside. Only with a 1x1 kernel and no padding.
    """

    weights: FixedWeights
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1
    shift: np.ndarray | None = None


@dataclass(frozen=True)
class Pool:
    """Average or maximum over a window.

    The average is an exact sum with weight 1, then ``(m, s)`` with ``m = round(2**s / N)``; N counts the
    whole window, or only the positions inside the map where ``include_border`` is False. The maximum reads
    the format's minimum outside the map. The epilogue's m and s are (1, 0) and unused for an average.
    """

    kind: Literal["avg", "max"]
    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    include_border: bool = True


@dataclass(frozen=True)
class Sum:
    """Element-wise sum of one or two inputs with weight 1; with one, an activation or scale on its own.

    Two inputs of different formats are brought to the finer one's fraction bits, which is exact.
    """


@dataclass(frozen=True)
class ChannelScale:
    """A map times a gate per channel (squeeze-and-excite): inputs a map and a gate of shape (channels, 1, 1).

    The accumulator is ``in << G``. For each image and channel the gate's code, brought to 16 fraction bits (left
    exactly, right by floor), is m, and s is 16; the epilogue's own m and s are (1, 0) and unused.
    """


@dataclass(frozen=True)
class InstanceNorm:
    """Normalisation by the statistics of each image's channel; only the golden model computes it.

    With N pixels of codes x (n fraction bits), ``S = sum(x)``, ``Q = sum(x*x)`` and ``V = N*Q - S*S`` exact, and
    then in correctly rounded IEEE float64 operations, in this order::

        variance = float(V) / float(N*N) * 2**(-2n)     mean = float(S) / float(N) * 2**(-n)
        scale = gamma / sqrt(variance + eps)            offset = beta - mean * scale

    (m, s) is `hwshift.golden.scale.scale_from_float` of the scale, b the offset at the output's fraction bits,
    nearest even and not saturated; the accumulator is ``in << G``. The epilogue's own m, s and b are 1, 0 and 0
    and unused.

    Parameters
    ----------
    gamma, beta : ndarray of float64, shape (channels,)
    eps : float
    """

    gamma: np.ndarray
    beta: np.ndarray
    eps: float


@dataclass(frozen=True)
class Shift:
    """Spatial shift as a layer (``offsets``: ndarray of int64, shape (channels, 2), rows then columns)."""

    offsets: np.ndarray


@dataclass(frozen=True)
class Concat:
    """Channel concatenation of the inputs in order: placement, no arithmetic."""


@dataclass(frozen=True)
class Shuffle:
    """Channel permutation: ``out[i] = in[order[i]]`` (``order``: ndarray of int64, shape (channels,))."""

    order: np.ndarray


@dataclass(frozen=True)
class Slice:
    """Channels ``start`` to ``stop - 1``."""

    start: int
    stop: int


@dataclass(frozen=True)
class Upsample:
    """Nearest upsampling: ``out[c, y, x] = in[c, y // rows, x // columns]`` (``factor``: (rows, columns))."""

    factor: tuple[int, int]


Pick = Concat | Shuffle | Slice
"""Operations that only say which channels come in which order."""

Move = Shift | Pick | Upsample
"""Operations that only move data: no epilogue, and the output has the input's format."""

LayerOp = Input | Conv | Pool | Sum | ChannelScale | InstanceNorm | Move


@dataclass(frozen=True)
class FixedLayer:
    """One layer.

    Parameters
    ----------
    name : str
        Unique.
    op : LayerOp
    inputs : tuple of str
        Names of earlier layers.
    shape : (channels, height, width)
        Of the output.
    epilogue : Epilogue or None
        None for Input and for every `Move`.
    residual : str or None
        Earlier layer, same shape, added in the epilogue.
    act : QFormat or None
        Format of the output, for studies in the golden model; None: the network's, or the input's format where
        the layer keeps that (`hwshift.network.layer_formats`).
    """

    name: str
    op: LayerOp
    inputs: tuple[str, ...]
    shape: tuple[int, int, int]
    epilogue: Epilogue | None = None
    residual: str | None = None
    act: QFormat | None = None


@dataclass(frozen=True)
class FixedNetwork:
    """A verified list of fixed-point layers.

    Parameters
    ----------
    name : str
    act : QFormat
        Format of every map whose layer does not name its own.
    layers : tuple of FixedLayer
        In execution order; the first is the input, the last the output.
    meta : dict
        Free text about the origin: class names, normalisation (``mean``, ``std``), licence.
    """

    name: str
    act: QFormat
    layers: tuple[FixedLayer, ...]
    meta: dict = field(default_factory=dict)

    @property
    def input(self) -> FixedLayer:
        """The input layer."""
        return self.layers[0]

    @property
    def output(self) -> FixedLayer:
        """The last layer."""
        return self.layers[-1]

    def __repr__(self) -> str:
        """Short: weights have no place in it."""
        return f"<FixedNetwork {self.name}: {len(self.layers)} layers, maps in {self.act}>"

    def _repr_html_(self) -> str:
        """In notebooks: a line per layer."""
        rows = [
            (
                layer.name,
                type(layer.op).__name__,
                ", ".join(layer.inputs),
                layer.residual,
                " × ".join(map(str, layer.shape)),
                str(layer.op.weights.fmt) if isinstance(layer.op, Conv) else None,
                layer.op.weights.values.size if isinstance(layer.op, Conv) else None,
            )
            for layer in self.layers
        ]
        titles = ("layer", "operation", "reads", "adds", "output (C × H × W)", "weights", "number of weights")
        return table(titles, rows, caption=f"{self.name}, maps in {self.act}")

    def layer(self, name: str) -> FixedLayer:
        """The layer of that name. Raises KeyError."""
        for candidate in self.layers:
            if candidate.name == name:
                return candidate
        raise KeyError(name)


def needs_zero_code(weights: FixedWeights) -> bool:
    """Whether any of the pow2 weights is zero."""
    return weights.kind == "pow2" and bool((weights.values == 0).any())


def needs_min_code(weights: FixedWeights) -> bool:
    """Whether any of the pow2 weights is ``-2**p_min``, whose code is the one that may mean zero instead."""
    if not isinstance(weights.fmt, Pow2Format) or weights.powers is None:
        return False
    return bool(((weights.values == -1) & (weights.powers == weights.fmt.p_min)).any())
