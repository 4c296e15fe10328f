"""What a layer asks of a streaming design: its window, its arithmetic, its numbers; or that it has no such form."""

from dataclasses import dataclass, field

import numpy as np

from hwshift.config import AcceleratorConfig
from hwshift.errors import CompileError
from hwshift.golden.scale import average_scale
from hwshift.network import fixed
from hwshift.network.bounds import average_counts
from hwshift.network.fixed import Activation, FixedLayer, FixedNetwork

__all__ = ["Window", "Work", "work_of"]

Sizes = tuple[int, int, int, int, int, int]
"""Channels, rows and columns of what is read and of what is computed."""


@dataclass(frozen=True, eq=False)
class Window:
    """Which pixels a layer reads for one of its own.

    Members
    -------
    taps : int
    offsets : ndarray of int64, shape (taps, 2)
        Rows and columns of each tap, from the pixel ``(y * stride, x * stride)``.
    shift : ndarray of int64, shape (channels, 2), or None
        Added to every tap, per channel.
    stride : (rows, columns)
    outside : "zero" or "minimum"
    """

    offsets: np.ndarray
    stride: tuple[int, int]
    shift: np.ndarray | None = None
    outside: str = "zero"

    @property
    def taps(self) -> int:
        """Pixels per window."""
        return len(self.offsets)

    @property
    def rows(self) -> tuple[int, int]:
        """Least and greatest row displacement."""
        low, high = int(self.offsets[:, 0].min()), int(self.offsets[:, 0].max())
        if self.shift is not None:
            low, high = low + int(self.shift[:, 0].min()), high + int(self.shift[:, 0].max())
        return low, high


@dataclass(frozen=True, eq=False)
class Work:
    """A layer as processes see it.

    Members
    -------
    kind : "input", "matrix", "channelwise", "sum" or "shift"
    channels, in_height, in_width : int
        Of the map that is read.
    out_channels, height, width : int
    window : Window or None
        None: a pixel reads its own place only.
    terms : ndarray or None
        Weights: matrix (out, taps, channels), channelwise (taps, channels); pow2 as ``sign * (q + 1)``, fixed as codes.
        None for a channelwise layer that adds or compares values themselves.
    maximum : bool
    m, s, b : ndarrays of int64, shape (out_channels,)
    limits, residual_limits : (low, high)
        What the activations let through.
    """

    kind: str
    channels: int
    in_height: int
    in_width: int
    out_channels: int
    height: int
    width: int
    window: Window | None = None
    terms: np.ndarray | None = field(default=None, repr=False)
    maximum: bool = False
    m: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64), repr=False)
    s: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64), repr=False)
    b: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64), repr=False)
    limits: tuple[int, int] = (0, 0)
    residual_limits: tuple[int, int] = (0, 0)

    @property
    def pixels(self) -> int:
        """Of the output."""
        return self.height * self.width

    @property
    def in_pixels(self) -> int:
        """Of the input."""
        return self.in_height * self.in_width

    @property
    def taps(self) -> int:
        """Pixels read for one."""
        return 1 if self.window is None else self.window.taps

    @property
    def weights(self) -> int:
        """Trained values it keeps."""
        return 0 if self.terms is None else self.terms.size

    @property
    def _rows_needed(self) -> list[int]:
        """Rows of the input that the output's rows up to each one need."""
        assert self.window is not None
        last = self.window.rows[1] + 1
        return [min(max(y * self.window.stride[0] + last, 0), self.in_height) for y in range(self.height)]

    @property
    def rows_read(self) -> list[int]:
        """Rows a line buffer has read before it delivers row 0, and after it has delivered each row.

        What the next row needs, and at least an even share, so that rows flow without a gap from one image into the
        next: counted from the image's first row, so the last is a whole map more than the first.
        """
        needed = self._rows_needed
        share = [needed[0] - (-y * self.in_height // self.height) for y in range(self.height + 1)]
        return [max(pair) for pair in zip(share, [*needed, 0], strict=True)]

    @property
    def kept_rows(self) -> int:
        """Rows a line buffer holds: those in use, and those that are read meanwhile."""
        assert self.window is not None
        read, low, stride = self.rows_read, self.window.rows[0], self.window.stride[0]
        return max(read[y + 1] - min(max(y * stride + low, 0), read[y]) for y in range(self.height))

    def window_cycles(self, lanes: int) -> int:
        """Cycles per image of the line buffer, without the start of rows."""
        if self.window is None:
            return 0
        reads = np.diff(self.rows_read) * self.in_width
        return int(np.maximum(reads, self.width * self.taps).sum()) * (self.channels // lanes)

    def cycles(self, lanes: int, out_lanes: int) -> int:
        """Cycles per image of what computes."""
        if self.kind == "matrix":
            return self.pixels * (self.taps * self.channels // lanes) * (self.out_channels // out_lanes)
        return self.pixels * self.taps * self.channels // lanes

    def elements(self, lanes: int, out_lanes: int) -> int:
        """Processing elements."""
        if self.kind == "matrix":
            return lanes * out_lanes
        return lanes if self.terms is not None else 0


def work_of(layer: FixedLayer, network: FixedNetwork, config: AcceleratorConfig) -> Work:
    """What a layer asks for.

    Raises
    ------
    CompileError
        Names the layer and what has no streaming form.
    """
    try:
        if layer.act is not None and layer.act != network.act:
            raise CompileError(f"its map is in {layer.act}; a streaming design has one format, {network.act}")
        return _work(layer, network, config)
    except CompileError as error:
        raise CompileError(error.message, where=layer.name) from None


def _work(layer: FixedLayer, network: FixedNetwork, config: AcceleratorConfig) -> Work:
    op, shape = layer.op, layer.shape
    if isinstance(op, fixed.Input):
        return Work("input", *shape, *shape)
    source = network.layer(layer.inputs[0]).shape
    common = (*source, *shape)
    match op:
        case fixed.Conv():
            return _conv(op, layer, common, config)
        case fixed.Pool():
            return _pool(op, layer, common, config)
        case fixed.Sum():
            kind = "sum" if len(layer.inputs) == 2 else "channelwise"
            return Work(kind, *common, **_numbers(layer, config))
        case fixed.Shift():
            return Work("shift", *common, window=Window(np.zeros((1, 2), np.int64), (1, 1), op.offsets))
    raise CompileError(
        f"{type(op).__name__} has no streaming form; there is one for Conv, Pool, Sum and Shift: use the engine"
    )


def _conv(op: fixed.Conv, layer: FixedLayer, common: Sizes, config: AcceleratorConfig) -> Work:
    out, depth, rows, columns = op.weights.values.shape
    channels = common[0]
    depthwise = op.groups == channels == out and op.groups > 1
    if op.groups > 1 and not depthwise:
        raise CompileError(f"a convolution of {op.groups} groups has no streaming form: use the engine")
    taps = [(u * op.dilation[0] - op.padding[0], v * op.dilation[1] - op.padding[1])
            for u in range(rows) for v in range(columns)]  # fmt: skip
    window: Window | None = Window(np.array(taps, np.int64), op.stride, op.shift)
    if taps == [(0, 0)] and op.stride == (1, 1) and op.shift is None and common[1:3] == layer.shape[1:]:
        window = None
    terms = _codes(op.weights, config).reshape(out, depth, rows * columns).transpose(0, 2, 1)
    if depthwise:
        return Work("channelwise", *common, window=window, terms=terms[:, :, 0].T, **_numbers(layer, config))
    return Work("matrix", *common, window=window, terms=terms, **_numbers(layer, config))


def _codes(weights: fixed.FixedWeights, config: AcceleratorConfig) -> np.ndarray:
    """pow2: ``sign * (q + 1)``; fixed: the codes."""
    if weights.powers is None:
        return weights.values
    top = config.arithmetic.weights.p_max  # type: ignore[union-attr]  # the network is bound to it
    return weights.values * (top - weights.powers + 1)


def _pool(op: fixed.Pool, layer: FixedLayer, common: Sizes, config: AcceleratorConfig) -> Work:
    taps = [(u - op.padding[0], v - op.padding[1]) for u in range(op.kernel[0]) for v in range(op.kernel[1])]
    maximum = op.kind == "max"
    window = Window(np.array(taps, np.int64), op.stride, None, "minimum" if maximum else "zero")
    numbers = _numbers(layer, config)
    if not maximum:
        counts = average_counts(op, *common[1:3])
        if len(counts) > 1:
            raise CompileError(
                "an average that leaves out the border divides by several numbers: use the engine"
            )
        m, s = average_scale(counts[0], config.scale_digits)
        numbers |= {"m": np.full(common[0], m), "s": np.full(common[0], s)}
    return Work("channelwise", *common, window=window, maximum=maximum, **numbers)


def _numbers(layer: FixedLayer, config: AcceleratorConfig) -> dict:
    epilogue = layer.epilogue
    assert epilogue is not None
    return {
        "m": epilogue.m,
        "s": epilogue.s,
        "b": epilogue.b,
        "limits": _limits(epilogue.activation, config),
        "residual_limits": _limits(epilogue.residual_activation, config),
    }


def _limits(activation: Activation, config: AcceleratorConfig) -> tuple[int, int]:
    act = config.act
    match activation.kind:
        case "none":
            return act.min, act.max
        case "relu":
            return 0, act.max
        case "clamp":
            return activation.lo, activation.hi
    raise CompileError(f"the activation {activation.kind} has no streaming form: use the engine")
