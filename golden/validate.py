"""Whether a fixed network is bound to an arithmetic: what the golden model asks before it computes."""

from hwshift.errors import QuantizeError
from hwshift.golden.formats import Arithmetic
from hwshift.golden.scale import digit_count
from hwshift.network.fixed import (
    ChannelScale,
    Conv,
    Epilogue,
    FixedLayer,
    FixedNetwork,
    FixedWeights,
    InstanceNorm,
    Pool,
)
from hwshift.network.layer_formats import layer_formats
from hwshift.network.scales import check_scales
from hwshift.network.verify_fixed import verify_fixed

__all__ = ["check"]


def check(network: FixedNetwork, arithmetic: Arithmetic) -> None:
    """Refuse a network that is malformed or not bound to ``arithmetic``.

    Accumulator overflow is not looked at: that takes interval analysis, which binding a network does.

    Raises
    ------
    NetworkError
        For a malformed network (`hwshift.network.verify_fixed`).
    QuantizeError
        For a map format, weights or scales that are not of the arithmetic; names the layer.
    """
    verify_fixed(network)
    if network.act != arithmetic.act:
        raise QuantizeError(
            f"its maps are in {network.act}, the arithmetic works in {arithmetic.act}", where=network.name
        )
    formats = layer_formats(network)
    for layer in network.layers:
        if isinstance(layer.op, Conv):
            _check_weights(layer.op.weights, arithmetic, layer.name)
        if layer.epilogue is not None:
            _check_epilogue(layer, layer.epilogue, arithmetic)
            try:
                check_scales(layer, formats[layer.name], network.layer(layer.inputs[0]).shape, arithmetic)
            except QuantizeError as error:
                raise QuantizeError(error.message, where=layer.name) from None


def _check_weights(weights: FixedWeights, arithmetic: Arithmetic, where: str) -> None:
    if weights.fmt != arithmetic.weights:
        raise QuantizeError(
            f"a {arithmetic.pe} array with {arithmetic.weights} weights cannot take {weights.kind} weights "
            f"in {weights.fmt}; bind the network first",
            where=where,
        )


def _check_epilogue(layer: FixedLayer, epilogue: Epilogue, arithmetic: Arithmetic) -> None:
    digits = arithmetic.scale_digits
    if digits is not None and (most := int(digit_count(epilogue.m).max())) > digits:
        raise QuantizeError(
            f"m may have {digits} signed digits, not {most}; bind the network first", where=layer.name
        )
    if isinstance(layer.op, ChannelScale | InstanceNorm) or (
        isinstance(layer.op, Pool) and layer.op.kind == "avg"
    ):
        what = "an average" if isinstance(layer.op, Pool) else type(layer.op).__name__
        if (epilogue.m != 1).any() or epilogue.s.any():
            raise QuantizeError(f"{what} has its own scale, so m must be 1 and s 0", where=layer.name)
        if isinstance(layer.op, InstanceNorm) and epilogue.b.any():
            raise QuantizeError(f"{what} has its own bias, so b must be 0", where=layer.name)
