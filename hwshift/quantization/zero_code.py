"""Layers that hold both zero and the negative smallest power of two, which share one code."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from hwshift.golden.formats import Pow2Format
from hwshift.network.fixed import Conv, FixedNetwork, FixedWeights, needs_min_code, needs_zero_code

__all__ = ["free_zero_code", "in_conflict"]


def in_conflict(op: Conv) -> bool:
    """Whether zero and ``-2**p_min`` are among the weights and no code is left over.

    Powers that leave codes unused, such as -14 to 0, run on an array with one power more, on which nothing is shared.
    """
    fmt = op.weights.fmt
    full = isinstance(fmt, Pow2Format) and fmt.p_max - fmt.p_min + 1 == 1 << fmt.shift_bits
    return full and needs_min_code(op.weights) and needs_zero_code(op.weights)


def free_zero_code(
    network: FixedNetwork, floats: Mapping[str, np.ndarray]
) -> tuple[FixedNetwork, dict[str, int]]:
    """Round ``-2**p_min`` away in every layer that needs zero too.

    A grouped convolution needs zero between groups that share a tile. Each such weight becomes 0 or
    ``-2**(p_min + 1)``, whichever is nearer to its float value; 0 where both are equally near.

    Parameters
    ----------
    network : FixedNetwork
    floats : mapping of str to ndarray of float
        The weights it was rounded from, by layer, in the shape of the rounded ones.

    Returns
    -------
    (network, moved) : FixedNetwork and dict of str to int
        By layer, how many weights changed; layers without any are left out.
    """
    layers, moved = [], {}
    for layer in network.layers:
        op = layer.op
        if (
            isinstance(op, Conv)
            and needs_min_code(op.weights)
            and (needs_zero_code(op.weights) or op.groups > 1)
        ):
            weights, count = _without(op.weights, floats[layer.name])
            layer = replace(layer, op=replace(op, weights=weights))
            moved[layer.name] = count
        layers.append(layer)
    return replace(network, layers=tuple(layers)), moved


def _without(weights: FixedWeights, values: np.ndarray) -> tuple[FixedWeights, int]:
    fmt = weights.fmt
    assert isinstance(fmt, Pow2Format) and weights.powers is not None
    chosen = (weights.values == -1) & (weights.powers == fmt.p_min)
    # the middle of 0 and 2**(p_min + 1); with one power alone there is no larger one
    larger = chosen & (np.abs(values.reshape(chosen.shape)) > 2.0**fmt.p_min) & (fmt.p_min < fmt.p_max)
    signs = np.where(chosen & ~larger, 0, weights.values)
    powers = np.where(larger, fmt.p_min + 1, weights.powers)
    return FixedWeights(fmt, signs, powers), int(chosen.sum())
