"""Interval analysis of a fixed-point network: how large accumulators and maps can become, exactly."""

from dataclasses import dataclass

import numpy as np

from hwshift.golden.formats import Arithmetic, QFormat
from hwshift.golden.scale import average_scale
from hwshift.network import fixed

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
    """

    lo: np.ndarray
    hi: np.ndarray
    acc: list[int] | None = None


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
    for layer in network.layers:
        inputs = [bounds[name] for name in layer.inputs]
        residual = None if layer.residual is None else bounds[layer.residual]
        bounds[layer.name] = _layer(layer, inputs, residual, arithmetic, network)
    return bounds


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


def _layer(
    layer: fixed.FixedLayer,
    inputs: list[LayerBounds],
    residual: LayerBounds | None,
    arithmetic: Arithmetic,
    network: fixed.FixedNetwork,
) -> LayerBounds:
    act, guard = network.act, arithmetic.guard
    assert guard is not None
    match layer.op:
        case fixed.Input():
            return LayerBounds(np.full(layer.shape[0], act.min), np.full(layer.shape[0], act.max))
        case fixed.Concat():
            return LayerBounds(np.concatenate([i.lo for i in inputs]), np.concatenate([i.hi for i in inputs]))
        case fixed.Shuffle() as op:
            return LayerBounds(inputs[0].lo[op.order], inputs[0].hi[op.order])
        case fixed.Shift():
            return _with_zero(inputs[0])
        case fixed.Conv() as op:
            source = _with_zero(inputs[0]) if op.shift is not None or any(op.padding) else inputs[0]
            sums = (
                _pow2_sums(op, source, guard) if op.weights.kind == "pow2" else _fixed_sums(op, source, guard)
            )
        case fixed.Pool("avg") as op:
            return _average(layer, op, inputs[0], arithmetic, network, residual)
        case _:
            sums = _plain_sums(inputs, guard)
    assert layer.epilogue is not None
    m, s = layer.epilogue.m.tolist(), layer.epilogue.s.tolist()
    ends = [_scaled(lo, hi, a, guard + b) for lo, hi, a, b in zip(sums.lo, sums.hi, m, s, strict=True)]
    return _finish(layer.epilogue, [e[0] for e in ends], [e[1] for e in ends], residual, act, sums.acc)


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
    act: QFormat,
    acc: np.ndarray,
) -> LayerBounds:
    """Bias, saturation, activation, residual: each is monotone, so it acts on both ends."""
    ends = []
    for values, added in (
        (lo, None if residual is None else residual.lo),
        (hi, None if residual is None else residual.hi),
    ):
        biased = [v + b for v, b in zip(values, epilogue.b.tolist(), strict=True)]
        y = np.array([min(max(v, act.min), act.max) for v in biased], dtype=np.int64)
        y = _activate(y, epilogue.activation)
        if added is not None:
            y = _activate(np.clip(y + added, act.min, act.max), epilogue.residual_activation)
        ends.append(y)
    return LayerBounds(ends[0], ends[1], [int(value) for value in acc])


def _activate(y: np.ndarray, activation: fixed.Activation) -> np.ndarray:
    if activation.kind == "relu":
        return np.maximum(y, 0)
    return np.clip(y, activation.lo, activation.hi) if activation.kind == "clamp" else y


def _magnitude(bounds: LayerBounds) -> np.ndarray:
    return np.maximum(np.abs(bounds.lo), np.abs(bounds.hi))


def _plain_sums(inputs: list[LayerBounds], guard: int) -> _Sums:
    """Sums with weight 1 of one term per input."""
    lo, hi, acc = (
        sum(values.astype(object) for values in column)
        for column in zip(*((i.lo, i.hi, _magnitude(i)) for i in inputs), strict=True)
    )
    return _Sums(lo << guard, hi << guard, (acc << guard) + len(inputs))


def _average(
    layer: fixed.FixedLayer,
    op: fixed.Pool,
    source: LayerBounds,
    arithmetic: Arithmetic,
    network: fixed.FixedNetwork,
    residual: LayerBounds | None,
) -> LayerBounds:
    assert layer.epilogue is not None and arithmetic.guard is not None
    guard, count = arithmetic.guard, op.kernel[0] * op.kernel[1]
    acc = (_magnitude(source).astype(object) * count << guard) + count
    if op.include_border and any(op.padding):
        source = _with_zero(source)
    ends = []
    for divisor in average_counts(op, *network.layer(layer.inputs[0]).shape[1:]):
        m, s = average_scale(divisor, arithmetic.scale_digits)
        ends.append(
            [
                _scaled(lo * divisor << guard, hi * divisor << guard, m, guard + s)
                for lo, hi in zip(source.lo.tolist(), source.hi.tolist(), strict=True)
            ]
        )
    least = [min(lo for lo, _ in pairs) for pairs in zip(*ends, strict=True)]
    greatest = [max(hi for _, hi in pairs) for pairs in zip(*ends, strict=True)]
    return _finish(layer.epilogue, least, greatest, residual, network.act, acc)


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
