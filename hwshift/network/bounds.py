"""Interval analysis of a fixed-point network: how large accumulators and maps can become, exactly."""

from dataclasses import dataclass, replace

import numpy as np

from hwshift.golden.formats import Arithmetic, QFormat
from hwshift.golden.scale import GATE_SHIFT, average_scale, gate_mantissa
from hwshift.golden.sigmoid import sigmoid
from hwshift.network import fixed
from hwshift.network.layer_formats import LayerFormats, layer_formats

__all__ = ["LayerBounds", "average_counts", "layer_bounds"]


@dataclass(frozen=True, eq=False)
class LayerBounds:
    """What a layer can reach for any input.

    Parameters
    ----------
    lo, hi : ndarrays of int64, shape (channels,)
        Least and greatest output code of each channel.
    acc : list of int, or None
        Per output channel ``sum_i ceil(|w_i| * X_i * 2**G) + K`` with X_i the largest magnitude of the i-th
        term's input and K the number of terms; None for layers that do not sum.
    gates : ndarray of int64, shape (channels, 2), or None
        Least and greatest mantissa of the gates of a ChannelScale.
    """

    lo: np.ndarray
    hi: np.ndarray
    acc: list[int] | None = None
    gates: np.ndarray | None = None


@dataclass
class _Sums:
    """Per output channel, in Python integers: least and greatest accumulator, bound of its magnitude."""

    lo: np.ndarray
    hi: np.ndarray
    acc: np.ndarray


def layer_bounds(network: fixed.FixedNetwork, arithmetic: Arithmetic) -> dict[str, LayerBounds]:
    """Bounds of every layer, by name.

    Parameters
    ----------
    network : FixedNetwork
        Verified; its convolutions' weights are in the arithmetic's format.
    arithmetic : Arithmetic
    """
    bounds: dict[str, LayerBounds] = {}
    formats = layer_formats(network)
    for layer in network.layers:
        inputs = [bounds[name] for name in layer.inputs]
        residual = None if layer.residual is None else bounds[layer.residual]
        extent = network.layer(layer.inputs[0]).shape[1:] if layer.inputs else (0, 0)
        at = _At(formats[layer.name], arithmetic, extent)
        moved = _moved(layer, inputs, at)
        bounds[layer.name] = _computed(layer, inputs, residual, at) if moved is None else moved
    return bounds


@dataclass(frozen=True)
class _At:
    """Where a layer stands: its formats, the arithmetic, rows and columns of its input."""

    formats: LayerFormats
    arithmetic: Arithmetic
    extent: tuple[int, int]

    @property
    def places(self) -> int:
        """Right shift of an epilogue beside s."""
        return self.arithmetic.guard + self.formats.excess


def average_counts(op: fixed.Pool, height: int, width: int) -> list[int]:
    """The divisors an average pool needs on a map of that size, in ascending order."""
    if op.include_border:
        return [op.kernel[0] * op.kernel[1]]
    rows, cols = (
        _inside(size, op.kernel[i], op.stride[i], op.padding[i], op.padding[i + 2])
        for i, size in enumerate((height, width))
    )
    return sorted({a * b for a in rows for b in cols})


def _inside(size: int, kernel: int, stride: int, before: int, after: int) -> set[int]:
    """How many positions of each window lie inside the map, along one axis."""
    starts = range(-before, size + after - kernel + 1, stride)
    return {min(start + kernel, size) - max(start, 0) for start in starts}


def _moved(layer: fixed.FixedLayer, inputs: list[LayerBounds], at: _At) -> LayerBounds | None:
    """Bounds of a layer that computes nothing; None for one that does."""
    match layer.op:
        case fixed.Input():
            act = at.formats.output
            return LayerBounds(np.full(layer.shape[0], act.min), np.full(layer.shape[0], act.max))
        case fixed.Concat():
            return LayerBounds(np.concatenate([i.lo for i in inputs]), np.concatenate([i.hi for i in inputs]))
        case fixed.Shuffle() as op:
            return LayerBounds(inputs[0].lo[op.order], inputs[0].hi[op.order])
        case fixed.Slice() as op:
            return LayerBounds(inputs[0].lo[op.start : op.stop], inputs[0].hi[op.start : op.stop])
        case fixed.Upsample():
            return LayerBounds(inputs[0].lo, inputs[0].hi)
        case fixed.Shift():
            return _with_zero(inputs[0])
    return None


def _computed(
    layer: fixed.FixedLayer, inputs: list[LayerBounds], residual: LayerBounds | None, at: _At
) -> LayerBounds:
    guard, epilogue = at.arithmetic.guard, layer.epilogue
    assert epilogue is not None
    match layer.op:
        case fixed.Conv() as op:
            source = _with_zero(inputs[0]) if op.shift is not None or any(op.padding) else inputs[0]
            sums = (
                _pow2_sums(op, source, guard) if op.weights.kind == "pow2" else _fixed_sums(op, source, guard)
            )
        case fixed.Pool("avg") as op:
            return _average(epilogue, op, inputs[0], residual, at)
        case fixed.ChannelScale():
            return _gated(epilogue, inputs, residual, at)
        case fixed.InstanceNorm():
            act, sums = at.formats.output, _plain_sums(inputs, [0], guard)
            least, greatest = [act.min] * layer.shape[0], [act.max] * layer.shape[0]
            return _finish(epilogue, least, greatest, residual, at.formats, sums.acc)
        case _:
            lifts = [at.formats.fraction - fmt.n for fmt in at.formats.inputs]
            sums = _plain_sums(inputs, lifts, guard)
    m, s = epilogue.m.tolist(), epilogue.s.tolist()
    ends = [_scaled(lo, hi, a, at.places + b) for lo, hi, a, b in zip(sums.lo, sums.hi, m, s, strict=True)]
    return _finish(epilogue, [e[0] for e in ends], [e[1] for e in ends], residual, at.formats, sums.acc)


def _with_zero(bounds: LayerBounds) -> LayerBounds:
    return LayerBounds(np.minimum(bounds.lo, 0), np.maximum(bounds.hi, 0))


def _scaled(lo: int, hi: int, m: int, shift: int) -> tuple[int, int]:
    ends = (lo * m) >> shift, (hi * m) >> shift
    return min(ends), max(ends)


def _finish(
    epilogue: fixed.Epilogue,
    lo: list[int],
    hi: list[int],
    residual: LayerBounds | None,
    formats: LayerFormats,
    acc: np.ndarray,
) -> LayerBounds:
    """Bias, saturation, activation, residual: each is monotone, so it acts on both ends."""
    ends, act = [], formats.output
    lift = 0 if formats.residual is None else act.n - formats.residual.n
    for values, added in (
        (lo, None if residual is None else residual.lo),
        (hi, None if residual is None else residual.hi),
    ):
        biased = [v + b for v, b in zip(values, epilogue.b.tolist(), strict=True)]
        y = np.array([min(max(v, act.min), act.max) for v in biased], dtype=np.int64)
        y = _activate(y, epilogue.activation, act)
        if added is not None:
            added = added << lift if lift >= 0 else added >> -lift
            y = _activate(np.clip(y + added, act.min, act.max), epilogue.residual_activation, act)
        ends.append(y)
    return LayerBounds(ends[0], ends[1], [int(value) for value in acc])


def _activate(y: np.ndarray, activation: fixed.Activation, act: QFormat) -> np.ndarray:
    if activation.kind == "relu":
        return np.maximum(y, 0)
    if activation.kind == "sigmoid":
        return sigmoid(y, act)
    return np.clip(y, activation.lo, activation.hi) if activation.kind == "clamp" else y


def _magnitude(bounds: LayerBounds) -> np.ndarray:
    return np.maximum(np.abs(bounds.lo), np.abs(bounds.hi))


def _plain_sums(inputs: list[LayerBounds], lifts: list[int], guard: int) -> _Sums:
    """Sums with weight 1 of one term per input, each lifted to the finest one's fraction bits."""
    lo, hi, acc = (
        sum(values.astype(object) << lift for values, lift in zip(column, lifts, strict=True))
        for column in zip(*((i.lo, i.hi, _magnitude(i)) for i in inputs), strict=True)
    )
    return _Sums(lo << guard, hi << guard, (acc << guard) + len(inputs))


def _gated(
    epilogue: fixed.Epilogue, inputs: list[LayerBounds], residual: LayerBounds | None, at: _At
) -> LayerBounds:
    """A map times its gates: the ends are among the products of the ends."""
    source, gate = inputs
    sums = _plain_sums([source], [0], at.arithmetic.guard)
    gates = np.stack([gate_mantissa(ends, at.formats.inputs[1].n) for ends in (gate.lo, gate.hi)], axis=1)
    products = [
        [_scaled(lo, hi, m, at.places + GATE_SHIFT) for m in pair]
        for lo, hi, pair in zip(sums.lo, sums.hi, gates.tolist(), strict=True)
    ]
    least = [min(lo for lo, _ in pairs) for pairs in products]
    greatest = [max(hi for _, hi in pairs) for pairs in products]
    found = _finish(epilogue, least, greatest, residual, at.formats, sums.acc)
    return replace(found, gates=gates)


def _average(
    epilogue: fixed.Epilogue, op: fixed.Pool, source: LayerBounds, residual: LayerBounds | None, at: _At
) -> LayerBounds:
    guard, count = at.arithmetic.guard, op.kernel[0] * op.kernel[1]
    acc = (_magnitude(source).astype(object) * count << guard) + count
    if op.include_border and any(op.padding):
        source = _with_zero(source)
    ends = []
    for divisor in average_counts(op, *at.extent):
        m, s = average_scale(divisor, at.arithmetic.scale_digits)
        ends.append(
            [
                _scaled(lo * divisor << guard, hi * divisor << guard, m, at.places + s)
                for lo, hi in zip(source.lo.tolist(), source.hi.tolist(), strict=True)
            ]
        )
    least = [min(lo for lo, _ in pairs) for pairs in zip(*ends, strict=True)]
    greatest = [max(hi for _, hi in pairs) for pairs in zip(*ends, strict=True)]
    return _finish(epilogue, least, greatest, residual, at.formats, acc)


def _per_term(values: np.ndarray, op: fixed.Conv) -> np.ndarray:
    """Values per input channel as an array that broadcasts over (groups, out / groups, in / groups)."""
    return values.reshape(op.groups, 1, -1)


def _pow2_sums(op: fixed.Conv, source: LayerBounds, guard: int) -> _Sums:
    """Sums of terms ``sign * floor(x * 2**(guard + p))``, one power at a time: int64 is wide enough."""
    weights = op.weights
    assert weights.powers is not None
    out, depth = weights.values.shape[:2]
    zero = np.zeros(out, dtype=object)
    sums = _Sums(zero, zero.copy(), zero + weights.values[0].size)
    for p in np.unique(weights.powers[weights.values != 0]).tolist():
        plus, minus = (
            ((weights.values == sign) & (weights.powers == p)).sum(axis=(2, 3)).reshape(op.groups, -1, depth)
            for sign in (1, -1)
        )
        drop, factor = max(-(guard + p), 0), 1 << max(guard + p, 0)
        lo, hi = _per_term(source.lo >> drop, op), _per_term(source.hi >> drop, op)
        reach = _per_term(-(-_magnitude(source) >> drop), op)
        for name, terms in (
            ("lo", plus * lo - minus * hi),
            ("hi", plus * hi - minus * lo),
            ("acc", (plus + minus) * reach),
        ):
            setattr(sums, name, getattr(sums, name) + terms.sum(axis=2).ravel().astype(object) * factor)
    return sums


def _fixed_sums(op: fixed.Conv, source: LayerBounds, guard: int) -> _Sums:
    """Sums of terms ``floor(x * w * 2**(guard - n))``; a product of two 32-bit codes fits int64."""
    fmt, values = op.weights.fmt, op.weights.values
    assert isinstance(fmt, QFormat)
    out, depth = values.shape[:2]
    w = values.reshape(op.groups, out // op.groups, depth, -1)
    lo, hi, reach = (_per_term(v, op)[..., None] for v in (source.lo, source.hi, _magnitude(source)))
    drop = fmt.n - guard
    return _Sums(
        _total(np.minimum(w * lo, w * hi) >> drop),
        _total(np.maximum(w * lo, w * hi) >> drop),
        _total(-(-(np.abs(w) * reach) >> drop)) + values[0].size,
    )


def _total(terms: np.ndarray) -> np.ndarray:
    """Exact sums over the last two axes, as Python integers: high and low halves apart."""
    high, low = (terms >> 32).sum(axis=(2, 3)), (terms & 0xFFFFFFFF).sum(axis=(2, 3))
    return (high.ravel().astype(object) << 32) + low.ravel().astype(object)
