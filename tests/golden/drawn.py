"""Random networks over every operation: odd sizes, aliases of aliases, any format, values at both ends."""

import math
from dataclasses import replace

import numpy as np

from hwshift.errors import HwshiftError
from hwshift.golden.formats import Arithmetic, Pow2Format, QFormat
from hwshift.golden.scale import restrict_scale, scale_from_float
from hwshift.network.bind import bind
from hwshift.network.checks import window_size
from hwshift.network.fixed import (
    SIGMOID,
    Activation,
    ChannelScale,
    Concat,
    Conv,
    Epilogue,
    FixedLayer,
    FixedWeights,
    InstanceNorm,
    Pool,
    Shift,
    Shuffle,
    Slice,
    Sum,
    Upsample,
)
from hwshift.network.layer_formats import formats_of, layer_formats

from .build import codes, network

WORK = 40_000
"""Terms a network sums for one image: what plain Python does in a few hundredths of a second."""
_MAP = 700  # values of a map
_KINDS = {
    "conv": 6, "same": 10, "shifted": 4, "depthwise": 2, "grouped": 3, "connected": 1, "average": 2, "maximum": 2,
    "sum": 3, "alone": 2, "gate": 1, "scale": 3, "norm": 2, "shift": 2, "concat": 4, "shuffle": 3, "slice": 3,
    "up": 1, "global": 1,
}  # fmt: skip


def draw_format(rng: np.random.Generator, most: int = 32) -> QFormat:
    """Any format, the usual ones more often."""
    usual = [
        fmt for fmt in (QFormat(16, 16), QFormat(16, 16), QFormat(8, 8), QFormat(4, 4)) if fmt.bits <= most
    ]
    if usual and rng.random() < 0.5:
        return usual[int(rng.integers(len(usual)))]
    bits = int(rng.integers(2, most, endpoint=True))
    m = int(rng.integers(1, bits, endpoint=True))
    return QFormat(m, bits - m)


def draw_arithmetic(rng: np.random.Generator) -> Arithmetic:
    """Any arithmetic that can be built, exact ones and G = 0 more often."""
    act = draw_format(rng)
    digits = None if rng.random() < 0.7 else int(rng.integers(1, 5))
    if rng.random() < 0.5:
        weights: QFormat | Pow2Format = draw_format(rng)
        exact, pe = weights.n, "mac"
    else:
        high = int(rng.choice([0, 0, 0, *range(9)]))
        low = int(rng.integers(high - 31, 0, endpoint=True)) if rng.random() < 0.5 else -15
        weights, pe, exact = Pow2Format(low, high), "shift_add", -low
    guard = int(rng.choice([exact, exact, 0, rng.integers(exact, endpoint=True)]))
    return Arithmetic(pe, act, weights, guard, 64, digits)


class Draw:
    """One random network, layer by layer; each is bound at once, and drawn again where it cannot run.

    Parameters
    ----------
    rng : Generator
    a : Arithmetic
    mixed : bool
        Whether layers have formats of their own.

    Members
    -------
    net : FixedNetwork
        Bound.
    """

    def __init__(self, rng: np.random.Generator, a: Arithmetic, mixed: bool) -> None:
        self.rng, self.a, self.mixed, self.left = rng, a, mixed, WORK
        channels = int(rng.choice([1, 2, 3, 5, 8, 9, 16, 40, rng.integers(1, 41)]))
        height, width = (int(rng.choice([1, 1, 2, 3, 5, 8, rng.integers(1, 30)])) for _ in range(2))
        while channels * height * width > _MAP:
            channels, height, width = (channels + 1) // 2, (height + 1) // 2, (width + 1) // 2
        self.net = bind(network(a, (channels, height, width)), a)

    def network(self, layers: int):
        """The network with so many layers more, or as many as can be had."""
        wanted = len(self.net.layers) + layers
        for _ in range(12 * layers):
            if len(self.net.layers) == wanted:
                break
            try:
                layer = self._layer()
                if layer is None or math.prod(layer.shape) > _MAP:
                    continue
                self.net = bind(replace(self.net, layers=(*self.net.layers, layer)), self.a)
            except HwshiftError:
                continue
            self.left -= _terms(layer)
        return self.net

    def _shrink(self, fmt: QFormat) -> int:
        """Bits by which numbers are smaller than they could be."""
        return int(self.rng.choice([0, 1, 2, 3, self.rng.integers(fmt.bits), self.rng.integers(fmt.bits)]))

    def inputs(self, images: int) -> np.ndarray:
        """Different images: codes at both ends, or so small that few layers saturate."""
        return codes(self.rng, self.a.act, (images, *self.net.input.shape)) >> self._shrink(self.a.act)

    def _pick(self, items):
        return items[int(self.rng.integers(len(items)))]

    def _layer(self) -> FixedLayer | None:
        rng = self.rng
        source = self._pick(self.net.layers[-4:]) if rng.random() < 0.8 else self._pick(self.net.layers)
        chances = np.array(list(_KINDS.values()))
        kind = str(rng.choice(list(_KINDS), p=chances / chances.sum()))
        if kind == "scale":
            gates = {layer.shape[0] for layer in self.net.layers if _is_gate(layer)}
            source = self._pick([layer for layer in self.net.layers if layer.shape[0] in gates] or [source])
            kind = kind if gates else "gate"
        found = getattr(self, f"_{kind}")(source)
        if found is None:
            return None
        op, names, shape = found
        layer = FixedLayer(f"l{len(self.net.layers)}", op, names, tuple(int(v) for v in shape))
        return self._finished(layer, kind == "gate")

    # ... operations: what is done, what is read, the output's shape

    def _weights(self, shape) -> FixedWeights:
        """At both ends of the range, anywhere, small or zero; sparse now and then."""
        rng, fmt = self.rng, self.a.weights
        none = rng.random(shape) < rng.choice([0, 0.1, 0.8])
        if isinstance(fmt, QFormat):
            room = self.a.acc_max >> (self.a.act.bits - 1 + max(0, self.a.guard - fmt.n))
            most = min(fmt.max, int(room // math.prod(shape[1:])) << (fmt.n - self.a.guard))
            most = min(most, int(rng.choice([fmt.max, fmt.max, 1 << 15, 130, 1])))
            values = codes(rng, fmt, shape).clip(max(fmt.min, -most - (most == fmt.max)), most)
            return FixedWeights(fmt, np.where(none, 0, values))
        sign = np.where(none, 0, rng.integers(-1, 2, shape))
        lowest = rng.choice([fmt.p_min, max(fmt.p_min, -7)])
        power = rng.choice([fmt.p_min, fmt.p_max, *range(lowest, fmt.p_max + 1)], shape)
        return FixedWeights(fmt, sign, np.where(sign == 0, fmt.p_min, power))

    def _window(self, shape, kernel, dilation=(1, 1), limit=1 << 30):
        """Stride, padding and output size of a window on a map, or None."""
        rng = self.rng
        stride = tuple(int(v) for v in rng.choice([1, 1, 1, 2, 3, 5], 2))
        reach = [
            min(limit, int(rng.choice([0, kernel[i] // 2 * dilation[i], rng.integers(12)]))) for i in (0, 1)
        ]
        padding = (
            (*reach, *reach)
            if rng.random() < 0.6
            else tuple(int(v) for v in rng.integers(0, min(limit, 8) + 1, 4))
        )
        padding = tuple(min(v, limit) for v in padding)
        try:
            return stride, padding, window_size(shape[1:], kernel, stride, padding, dilation)
        except ValueError:
            return None

    def _same(self, source):
        """A convolution whose output has the shape of its input, as residual blocks need them."""
        rng, channels = self.rng, source.shape[0]
        kernel, dilation = rng.choice([1, 3, 5], 2).tolist(), rng.choice([1, 1, 2], 2).tolist()
        groups = self._pick([n for n in (1, 1, 2, 3, channels) if channels % n == 0])
        if math.prod(source.shape) * channels // groups * math.prod(kernel) > self.left:
            return None
        above, beside = ((size - 1) // 2 * step for size, step in zip(kernel, dilation, strict=True))
        weights = self._weights((channels, channels // groups, *kernel))
        op = Conv(weights, (1, 1), (above, beside, above, beside), tuple(dilation), groups)
        return op, (source.name,), source.shape

    def _conv(self, source, groups=1, outputs=None):
        rng, channels = self.rng, source.shape[0]
        kernel = tuple(int(v) for v in rng.choice([1, 1, 2, 3, 3, 4], 2))
        dilation = tuple(int(v) for v in rng.choice([1, 1, 1, 2, 3, 17], 2))
        window = self._window(source.shape, kernel, dilation)
        outputs = outputs or int(rng.choice([1, 3, 4, 8, 9, 16, 17, rng.integers(1, 41)]))
        if (
            window is None
            or outputs * math.prod(window[2]) * channels // groups * math.prod(kernel) > self.left
        ):
            return None
        op = Conv(
            self._weights((outputs, channels // groups, *kernel)), window[0], window[1], dilation, groups
        )
        return op, (source.name,), (outputs, *window[2])

    def _depthwise(self, source):
        return self._conv(source, source.shape[0], source.shape[0] * int(self.rng.integers(1, 3)))

    def _grouped(self, source):
        groups = self._pick([n for n in range(1, 41) if source.shape[0] % n == 0])
        return self._conv(source, groups, groups * int(self.rng.integers(1, 10)))

    def _connected(self, source):
        outputs = int(self.rng.integers(1, 30))
        if outputs * math.prod(source.shape) > self.left:
            return None
        return Conv(self._weights((outputs, *source.shape))), (source.name,), (outputs, 1, 1)

    def _shifted(self, source):
        """A shift by little, beside the map, or farther than any map, and a 1x1 convolution behind it."""
        rng, (channels, height, width) = self.rng, source.shape
        groups = self._pick([1, 1, *[n for n in (2, 3, 4) if channels % n == 0]])
        stride = tuple(int(v) for v in rng.choice([1, 1, 1, 2, 4], 2))
        size = [-(-height // stride[0]), -(-width // stride[1])]
        outputs = groups * int(rng.integers(1, 20))
        reach = int(rng.choice([1, 1, 2, 9, 1 << 40]))
        shift = rng.integers(-reach, reach, (channels, 2), endpoint=True)
        if outputs * math.prod(size) * channels > self.left:
            return None
        op = Conv(self._weights((outputs, channels // groups, 1, 1)), stride, groups=groups, shift=shift)
        return op, (source.name,), (outputs, *size)

    def _pool(self, source, kind):
        most = 12 if self.rng.random() < 0.3 else 4
        kernel = tuple(int(v) for v in self.rng.integers(1, most, 2))
        window = self._window(source.shape, kernel, limit=min(kernel) - 1)
        if window is None or source.shape[0] * math.prod(window[2]) * math.prod(kernel) > self.left:
            return None
        op = Pool(kind, kernel, window[0], window[1], bool(self.rng.integers(2)))
        return op, (source.name,), (source.shape[0], *window[2])

    def _average(self, source):
        return self._pool(source, "avg")

    def _maximum(self, source):
        return self._pool(source, "max")

    def _global(self, source):
        kind = str(self.rng.choice(["avg", "avg", "max"]))
        return Pool(kind, source.shape[1:], (1, 1)), (source.name,), (source.shape[0], 1, 1)

    def _gate(self, source):
        return Pool("avg", source.shape[1:], (1, 1)), (source.name,), (source.shape[0], 1, 1)

    def _scale(self, source):
        """By a gate that was drawn as one, or now and then by any map of its shape."""
        shape = (source.shape[0], 1, 1)
        gates = [
            layer.name
            for layer in self.net.layers
            if layer.shape == shape and (_is_gate(layer) or self.rng.random() < 0.1)
        ]
        return (ChannelScale(), (source.name, self._pick(gates)), source.shape) if gates else None

    def _sum(self, source):
        other = self._pick([layer.name for layer in self.net.layers if layer.shape == source.shape])
        return Sum(), (source.name, other), source.shape

    def _alone(self, source):
        return Sum(), (source.name,), source.shape

    def _norm(self, source):
        rng, channels = self.rng, source.shape[0]
        return (
            InstanceNorm(rng.normal(size=channels), rng.normal(size=channels) / 4, 1e-3),
            (source.name,),
            source.shape,
        )

    def _shift(self, source):
        reach = int(self.rng.choice([1, 3, 50, 1 << 40]))
        return (
            Shift(self.rng.integers(-reach, reach, (source.shape[0], 2), endpoint=True)),
            (source.name,),
            source.shape,
        )

    def _concat(self, source):
        size = source.shape[1:]
        others = [layer for layer in self.net.layers if layer.shape[1:] == size]
        chosen = [source, *[self._pick(others) for _ in range(int(self.rng.integers(0, 3)))]]
        channels = sum(layer.shape[0] for layer in chosen)
        return None if channels > 80 else (Concat(), tuple(layer.name for layer in chosen), (channels, *size))

    def _shuffle(self, source):
        return Shuffle(self.rng.permutation(source.shape[0])), (source.name,), source.shape

    def _slice(self, source):
        start = int(self.rng.integers(source.shape[0]))
        stop = int(self.rng.integers(start + 1, source.shape[0], endpoint=True))
        return Slice(start, stop), (source.name,), (stop - start, *source.shape[1:])

    def _up(self, source):
        rows, columns = (int(v) for v in self.rng.integers(1, 4, 2))
        channels, height, width = source.shape
        return Upsample((rows, columns)), (source.name,), (channels, rows * height, columns * width)

    # ... format, epilogue and residual

    def _finished(self, layer: FixedLayer, gate: bool) -> FixedLayer:
        if isinstance(layer.op, Shift | Concat | Shuffle | Slice | Upsample):
            return layer
        rng = self.rng
        if self.mixed and rng.random() < 0.6 and not (isinstance(layer.op, Pool) and layer.op.kind == "max"):
            layer = replace(layer, act=draw_format(rng, self.a.act.bits))
        residual = None
        if rng.random() < 0.6 and not gate:
            residual = self._pick([None, *[old.name for old in self.net.layers if old.shape == layer.shape]])
        own = self._epilogue(layer)
        return replace(layer, epilogue=replace(own, activation=SIGMOID) if gate else own, residual=residual)

    def _epilogue(self, layer: FixedLayer) -> Epilogue:
        rng, channels = self.rng, layer.shape[0]
        at = formats_of(layer, self.a.act, layer_formats(self.net))
        b = np.zeros(channels, np.int64)
        if not isinstance(layer.op, InstanceNorm) and rng.random() < 0.6:
            b = codes(rng, at.output, channels) >> self._shrink(at.output)
        m, s = self._scales(layer, at.excess)
        lo, hi = sorted((codes(rng, at.output, 2) >> self._shrink(at.output)).tolist())
        if rng.random() < 0.4:  # a narrow band, beside most values
            hi = min(at.output.max, lo + int(rng.integers(9)))
        kinds = rng.choice(["none", "none", "relu", "relu", "clamp", "clamp", "sigmoid"], 2)
        first, second = (Activation(str(k), lo, hi) if k == "clamp" else Activation(str(k)) for k in kinds)
        return Epilogue(m, s, b, first, second)

    def _scales(self, layer: FixedLayer, excess: int) -> tuple[np.ndarray, np.ndarray]:
        """None, ones that keep values inside the format, or any."""
        rng, channels = self.rng, layer.shape[0]
        beyond = self.a.guard + excess
        low, high = max(0, -beyond), min(62, 62 - beyond)
        ones = np.ones(channels, np.int64)
        fixed = isinstance(layer.op, InstanceNorm | ChannelScale) or (
            isinstance(layer.op, Pool) and layer.op.kind == "avg"
        )
        if fixed or high < low:
            return ones, 0 * ones
        if isinstance(layer.op, Conv) and rng.random() < 0.6:
            return self._taming(layer.op.weights, beyond, excess)
        if rng.random() < 0.25:
            return ones, low * ones
        top = 1 << 17
        m = rng.choice([-top, top - 1, 1, -1, 0, 3, *rng.integers(-top, top, 6)], channels)
        near = [min(max(int(v), low), high) for v in rng.integers(12, 22, 4)]
        s = rng.choice([low, high, *near] if rng.random() < 0.5 else near, channels)
        if self.a.scale_digits is not None:
            s = np.maximum(s, 1)
            pairs = zip(m.tolist(), s.tolist(), strict=True)
            m, s = np.array([restrict_scale(*pair, self.a.scale_digits) for pair in pairs]).T.copy()
        return m.astype(np.int64), s.astype(np.int64)

    def _taming(self, weights: FixedWeights, beyond: int, excess: int) -> tuple[np.ndarray, np.ndarray]:
        """Scales of either sign with which outputs are as large as inputs, or smaller: few saturate."""
        rng, values = self.rng, weights.values.reshape(len(weights.values), -1)
        if weights.powers is None:
            sizes = np.ldexp(np.abs(values).astype(float), -weights.fmt.n)
        else:
            sizes = np.abs(values) * 2.0 ** weights.powers.reshape(values.shape)
        wanted = 2.0 ** -rng.integers(0, 5, len(values)) / np.maximum(sizes.sum(axis=1), 2.0**-12)
        wanted *= 2.0 ** min(excess, 0) * rng.choice([-1, 1, 1, 1], len(values))
        pairs = [scale_from_float(value, max(beyond, 0), self.a.scale_digits) for value in wanted.tolist()]
        return tuple(np.array(pairs, np.int64).T.copy())


def _is_gate(layer: FixedLayer) -> bool:
    return layer.shape[1:] == (1, 1) and layer.epilogue is not None and layer.epilogue.activation == SIGMOID


def _terms(layer: FixedLayer) -> int:
    """What it costs to compute it in plain Python, about."""
    each = 2
    if isinstance(layer.op, Conv):
        each = math.prod(layer.op.weights.values.shape[1:])
    elif isinstance(layer.op, Pool):
        each = math.prod(layer.op.kernel)
    return math.prod(layer.shape) * each
