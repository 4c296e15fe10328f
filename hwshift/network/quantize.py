"""Quantisation: a float network as integer weights, scales and biases, fused into layers."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from hwshift.errors import NetworkError, QuantizeError
from hwshift.golden.formats import MANTISSA_BITS, Pow2Format, QFormat
from hwshift.golden.scale import scale_from_float
from hwshift.network import fixed, ops
from hwshift.network.checks import Shape
from hwshift.network.fuse import Activation, Chain, ShiftMode, fuse
from hwshift.network.graph import Network
from hwshift.network.layer_formats import LayerFormats, formats_of
from hwshift.network.passes import FoldBatchNorm, RecognizeShift, RemoveDead, RemoveIdentities, run_passes
from hwshift.network.verify_fixed import verify_fixed

__all__ = ["WORST_GUARD", "float_layers", "quantize"]

WORST_GUARD = 31
"""The most guard bits any weight format asks for; scales are chosen so that they fit all of them."""


def quantize(
    network: Network,
    *,
    act: QFormat = QFormat(),
    weights: Literal["pow2", "fixed"] = "pow2",
    weight_format: Pow2Format | QFormat | None = None,
    shift: ShiftMode = "fused",
    formats: Mapping[str, QFormat] | None = None,
) -> fixed.FixedNetwork:
    """Round a network to fixed point.

    Parameters
    ----------
    network : Network
    act : QFormat
        Format of all maps and biases but those of `formats`.
    weights : "pow2" or "fixed"
        ``pow2``: weights become the nearest signed power of two in the log domain, the scale of a BatchNorm
        stays a scale (m, s) per channel. ``fixed``: BatchNorm is folded into the weights, which are then
        rounded to the nearest, ties to even.
    weight_format : Pow2Format, QFormat or None
        None: powers -15 to 0, or Q16.16.
    shift : "fused" or "moved"
        Spatial shifts as part of the reads of the pointwise convolutions after them, or always as layers.
    formats : mapping of layer name to QFormat, or None
        Formats of single layers, for studies in the golden model: `compile` refuses them. Layers that only move
        data and maxima keep the format of their input.

    Returns
    -------
    FixedNetwork
        Layers carry the name of the node that produces their value.

    Raises
    ------
    NetworkError
        When the network is malformed or cannot be fused.
    QuantizeError
        When a weight, bias or scale does not fit its format, or `formats` has no such layer; names the layer.
    """
    rules = _Rules(act, weights, weight_format or (Pow2Format() if weights == "pow2" else QFormat()))
    network, chains = float_layers(network, weights, shift)
    named = dict(formats or {})
    _check_named(named, chains)
    shapes = network.shapes()
    layers: list[fixed.FixedLayer] = []
    known: dict[str, LayerFormats] = {}
    for chain in chains:
        layer = _layer(chain, shapes, rules, named.get(chain.name), known)
        layers.append(layer)
    return verify_fixed(fixed.FixedNetwork(network.name, act, tuple(layers), dict(network.meta)))


def _check_named(named: Mapping[str, QFormat], chains: list[Chain]) -> None:
    names = [chain.name for chain in chains]
    for name, fmt in named.items():
        if name not in names:
            raise QuantizeError(
                f"there is no layer of this name to give a format, only {', '.join(names)}", where=name
            )
        if not isinstance(fmt, QFormat):
            raise QuantizeError(f"its map needs a QFormat, not {fmt!r}", where=name)


def float_layers(
    network: Network, weights: Literal["pow2", "fixed"], shift: ShiftMode = "fused"
) -> tuple[Network, list[Chain]]:
    """What `quantize` rounds: the float network after its passes, and the layers it falls into.

    Each node that gives a layer its name has the value in this network that the layer should have.

    Raises
    ------
    NetworkError
        When the network is malformed or cannot be fused.
    QuantizeError
        For another `shift`.
    """
    if shift not in ("fused", "moved"):
        raise QuantizeError(f"shift must be 'fused' or 'moved', not {shift!r}")
    passes = [RemoveDead(), RecognizeShift(), RemoveIdentities()]
    network = run_passes(network, passes if weights == "pow2" else [*passes, FoldBatchNorm()])
    return network, fuse(network, shift)


@dataclass(frozen=True)
class _Rules:
    act: QFormat
    weights: str
    fmt: Pow2Format | QFormat

    def __post_init__(self) -> None:
        kinds = {"pow2": Pow2Format, "fixed": QFormat}
        if self.weights not in kinds:
            raise QuantizeError(f"weights must be 'pow2' or 'fixed', not {self.weights!r}")
        if not isinstance(self.fmt, kinds[self.weights]):
            raise QuantizeError(
                f"{self.weights} weights need a {kinds[self.weights].__name__}, not {self.fmt}"
            )


def _layer(
    chain: Chain,
    shapes: dict[str, Shape],
    rules: _Rules,
    act: QFormat | None,
    known: dict[str, LayerFormats],
) -> fixed.FixedLayer:
    """One layer; its formats are added to ``known``."""
    try:
        op = _operation(chain, shapes, rules)
        layer = fixed.FixedLayer(chain.name, op, chain.inputs, shapes[chain.name], None, chain.residual, act)
        formats = known[chain.name] = formats_of(layer, rules.act, known)
        if isinstance(op, fixed.Input | fixed.Move):
            return layer
        return replace(layer, epilogue=_epilogue(chain, op, shapes[chain.name][0], formats))
    except QuantizeError as error:
        raise QuantizeError(error.message, where=chain.name) from None
    except ValueError as error:
        raise QuantizeError(str(error), where=chain.name) from None


def _operation(chain: Chain, shapes: dict[str, Shape], rules: _Rules) -> fixed.LayerOp:
    match chain.root.op:
        case ops.Input():
            return fixed.Input()
        case ops.Conv2d() as op:
            shift = None if chain.shift is None else chain.shift.moves
            return fixed.Conv(
                _weights(op.weight, rules), op.stride, op.padding, op.dilation, op.groups, shift
            )
        case ops.Linear() as op:
            return fixed.Conv(_weights(op.weight.reshape(-1, *shapes[chain.inputs[0]]), rules))
        case ops.AveragePool() as op:
            return fixed.Pool("avg", op.kernel, op.stride, op.padding, op.include_border)
        case ops.MaxPool() as op:
            return fixed.Pool("max", op.kernel, op.stride, op.padding)
        case ops.GlobalAveragePool():
            return fixed.Pool("avg", shapes[chain.inputs[0]][1:], (1, 1))
        case ops.Add() | ops.BatchNorm() | ops.ReLU() | ops.Clamp() | ops.Sigmoid():
            return fixed.Sum()
        case ops.ChannelScale():
            return fixed.ChannelScale()
        case ops.InstanceNorm() as op:
            return fixed.InstanceNorm(op.gamma.astype(np.float64), op.beta.astype(np.float64), op.eps)
        case ops.SpatialShift() as op:
            return fixed.Shift(op.moves)
        case ops.Concat():
            return fixed.Concat()
        case ops.ChannelShuffle() as op:
            return fixed.Shuffle(op.order.astype(np.int64))
        case ops.ChannelSlice() as op:
            return fixed.Slice(op.start, op.stop)
        case ops.UpsampleNearest() as op:
            return fixed.Upsample(op.factor)
    raise NetworkError(f"{type(chain.root.op).__name__} has no fixed-point form", where=chain.root.name)


def _weights(values: np.ndarray, rules: _Rules) -> fixed.FixedWeights:
    if isinstance(rules.fmt, Pow2Format):
        return fixed.FixedWeights(rules.fmt, *rules.fmt.from_float(values))
    return fixed.FixedWeights(rules.fmt, _nearest(rules.fmt, values, "weight"))


def _nearest(fmt: QFormat, values: np.ndarray, what: str) -> np.ndarray:
    try:
        return fmt.nearest(values)
    except QuantizeError as error:
        raise QuantizeError(f"{what}: {error.message}") from None


def _epilogue(chain: Chain, op: fixed.LayerOp, channels: int, formats: LayerFormats) -> fixed.Epilogue:
    scale, offset = np.ones(channels), np.zeros(channels)
    if isinstance(chain.root.op, ops.Conv2d | ops.Linear) and chain.root.op.bias is not None:
        offset = chain.root.op.bias.astype(np.float64)
    for norm in chain.norms:
        factor, constant = norm.affine
        scale, offset = scale * factor, offset * factor + constant
    act = formats.output
    own_scale = isinstance(op, fixed.ChannelScale | fixed.InstanceNorm | fixed.Pool)
    m, s = (1, 0) if own_scale else _one(-formats.excess)
    mantissas, shifts = np.full(channels, m, np.int64), np.full(channels, s, np.int64)
    for channel in np.flatnonzero(scale != 1).tolist():
        mantissas[channel], shifts[channel] = scale_from_float(
            float(scale[channel]), WORST_GUARD + formats.excess
        )
    return fixed.Epilogue(
        mantissas,
        shifts,
        _nearest(act, offset, "bias"),
        _activation(chain.activation, act),
        _activation(chain.residual_activation, act),
    )


def _one(gain: int) -> tuple[int, int]:
    """The scale 1 for a layer whose output has ``gain`` more fraction bits than what it sums."""
    if gain > (most := MANTISSA_BITS - 2):
        raise QuantizeError(f"its map may have at most {most} fraction bits more than its input, not {gain}")
    return 1 << max(gain, 0), max(gain, 0)


def _activation(op: Activation | None, act: QFormat) -> fixed.Activation:
    if op is None:
        return fixed.NONE
    if isinstance(op, ops.ReLU):
        return fixed.RELU
    if isinstance(op, ops.Sigmoid):
        return fixed.SIGMOID
    lo, hi = (int(np.clip(np.rint(np.ldexp(limit, act.n)), act.min, act.max)) for limit in (op.lo, op.hi))
    return fixed.Activation("clamp", lo, hi)
