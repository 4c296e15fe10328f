"""Binding: a fixed-point network prepared for one arithmetic, with the proof that nothing overflows."""

from dataclasses import replace

import numpy as np

from hwshift.errors import QuantizeError
from hwshift.golden.formats import Arithmetic, Pow2Format, QFormat
from hwshift.golden.scale import GATE_SHIFT, MAX_GATE, restrict_scale
from hwshift.network import fixed
from hwshift.network.bounds import LayerBounds, layer_bounds
from hwshift.network.layer_formats import LayerFormats, layer_formats
from hwshift.network.scales import check_scales
from hwshift.network.verify_fixed import verify_fixed

__all__ = ["bind"]


def bind(network: fixed.FixedNetwork, arithmetic: Arithmetic) -> fixed.FixedNetwork:
    """Prepare a network for an arithmetic, or say which layer cannot run in it.

    Weights get the array's format (powers of two become fixed codes on a mac array), scale mantissas the
    digits the epilogue has. Every accumulator is proved to stay within ``arithmetic.acc_max``, and every gate to
    be a mantissa. Binding twice changes nothing.

    Parameters
    ----------
    network : FixedNetwork
    arithmetic : Arithmetic

    Returns
    -------
    FixedNetwork

    Raises
    ------
    NetworkError
        When the network is malformed.
    QuantizeError
        When it cannot run in this arithmetic; names the layer.
    """
    verify_fixed(network)
    if network.act != arithmetic.act:
        raise QuantizeError(
            f"its maps are in {network.act}, the arithmetic works in {arithmetic.act}", where=network.name
        )
    layers, formats = [], layer_formats(network)
    for layer in network.layers:
        try:
            layers.append(_layer(layer, network, formats[layer.name], arithmetic))
        except QuantizeError as error:
            raise QuantizeError(error.message, where=layer.name) from None
    bound = verify_fixed(replace(network, layers=tuple(layers)))
    for name, bounds in layer_bounds(bound, arithmetic).items():
        _prove_no_overflow(name, bounds, arithmetic)
        _prove_gates(name, bounds)
    return bound


def _layer(
    layer: fixed.FixedLayer, network: fixed.FixedNetwork, formats: LayerFormats, arithmetic: Arithmetic
) -> fixed.FixedLayer:
    op = layer.op
    if isinstance(op, fixed.Conv):
        op = replace(op, weights=_weights(op.weights, arithmetic))
    elif isinstance(op, fixed.Pool | fixed.Sum | fixed.Shift | fixed.ChannelScale | fixed.Upsample):
        fmt = arithmetic.weights
        if isinstance(fmt, QFormat) and fmt.max < 1 << fmt.n:
            raise QuantizeError(f"it needs the weight 1.0, which {fmt} does not hold: use m >= 2")
    if layer.epilogue is None:
        return replace(layer, op=op)
    layer = replace(layer, op=op, epilogue=_epilogue(layer.epilogue, arithmetic))
    check_scales(layer, formats, network.layer(layer.inputs[0]).shape, arithmetic)
    return layer


def _weights(weights: fixed.FixedWeights, arithmetic: Arithmetic) -> fixed.FixedWeights:
    target = arithmetic.weights
    if weights.fmt == target:
        return weights
    if weights.powers is None:
        if isinstance(target, Pow2Format):
            raise QuantizeError(f"{weights.fmt} weights cannot run on a shift_add array: convert to pow2")
        raise QuantizeError(f"its weights are in {weights.fmt}, the array takes {target}: quantize to that")
    used = weights.values != 0
    if isinstance(target, Pow2Format):
        _check_powers(weights.powers[used], target.p_min, target.p_max, target)
        return fixed.FixedWeights(target, weights.values, np.where(used, weights.powers, target.p_min))
    _check_powers(weights.powers[used], -target.n, target.m - 2, target)
    codes = weights.values << np.where(used, weights.powers + target.n, 0)
    return fixed.FixedWeights(target, codes)


def _check_powers(powers: np.ndarray, low: int, high: int, target: Pow2Format | QFormat) -> None:
    outside = powers[(powers < low) | (powers > high)]
    if outside.size:
        raise QuantizeError(
            f"a weight of magnitude 2**{outside[0]} has no place in {target}: allowed 2**{low} to 2**{high}"
        )


def _epilogue(epilogue: fixed.Epilogue, arithmetic: Arithmetic) -> fixed.Epilogue:
    m, s = epilogue.m, epilogue.s
    if arithmetic.scale_digits is not None:
        digits = arithmetic.scale_digits
        pairs = [restrict_scale(a, b, digits) for a, b in zip(m.tolist(), s.tolist(), strict=True)]
        m, s = (np.array(column, dtype=np.int64) for column in zip(*pairs, strict=True))
    return replace(epilogue, m=m, s=s)


def _prove_no_overflow(name: str, bounds: LayerBounds, arithmetic: Arithmetic) -> None:
    worst = max(bounds.acc or [0])
    if worst > arithmetic.acc_max:
        channel = (bounds.acc or []).index(worst)
        raise QuantizeError(
            f"channel {channel} can sum up to {worst}, the {arithmetic.acc_width}-bit "
            f"accumulator holds {arithmetic.acc_max}: widen it or use fewer guard bits",
            where=name,
        )


def _prove_gates(name: str, bounds: LayerBounds) -> None:
    if bounds.gates is not None and np.abs(bounds.gates).max() > MAX_GATE:
        channel = int(np.abs(bounds.gates).max(axis=1).argmax())
        low, high = bounds.gates[channel] / 2**GATE_SHIFT
        raise QuantizeError(
            f"the gate of channel {channel} can lie in {low}..{high}, a gate must be smaller than 2 in "
            "magnitude: end it with a Sigmoid or a Clamp",
            where=name,
        )
