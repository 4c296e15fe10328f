"""Whether the scales of a layer can run in an arithmetic: how far its epilogue shifts right, what it multiplies."""

import math
from collections.abc import Iterator

import numpy as np

from hwshift.errors import QuantizeError
from hwshift.golden.formats import MAX_SHIFT, Arithmetic
from hwshift.golden.scale import GATE_SHIFT, average_scale, scale_from_float
from hwshift.network import fixed
from hwshift.network.bounds import average_counts
from hwshift.network.checks import Shape
from hwshift.network.layer_formats import LayerFormats

__all__ = ["check_scales"]


def check_scales(
    layer: fixed.FixedLayer, formats: LayerFormats, source: Shape, arithmetic: Arithmetic
) -> None:
    """Check every scale a layer can have.

    Parameters
    ----------
    layer : FixedLayer
        With an epilogue.
    formats : LayerFormats
        Of this layer.
    source : (channels, height, width)
        Of its first input.
    arithmetic : Arithmetic

    Raises
    ------
    QuantizeError
        For a shift outside 0..62, or scales the epilogue cannot have; does not name the layer.
    """
    if isinstance(layer.op, fixed.InstanceNorm):
        _check_norm(layer.op, formats, arithmetic)
        return
    if isinstance(layer.op, fixed.ChannelScale) and arithmetic.scale_digits is not None:
        raise QuantizeError("its gates need multipliers, which an epilogue with scale_digits lacks")
    beyond = arithmetic.guard + formats.excess
    low, high = max(0, -beyond), min(MAX_SHIFT, MAX_SHIFT - beyond)
    for what, s in _shifts(layer, source, arithmetic):
        if not low <= s <= high:
            change = f" from {formats.fraction} to {formats.output.n} fraction bits" if formats.excess else ""
            raise QuantizeError(
                f"the scale of {what} must have s in {low}..{high} with {arithmetic.guard} guard bits{change}, "
                f"not {s}: use {'fewer' if s > high else 'more'} guard bits"
            )


def _shifts(layer: fixed.FixedLayer, source: Shape, arithmetic: Arithmetic) -> Iterator[tuple[str, int]]:
    """What is scaled, and by which s."""
    op = layer.op
    if isinstance(op, fixed.ChannelScale):
        yield "the gates", GATE_SHIFT
    elif isinstance(op, fixed.Pool) and op.kind == "avg":
        for count in average_counts(op, *source[1:]):
            yield f"the average of {count} values", average_scale(count, arithmetic.scale_digits)[1]
    else:
        assert layer.epilogue is not None
        s = layer.epilogue.s
        for channel in (int(np.argmax(s)), int(np.argmin(s))):
            yield f"channel {channel}", int(s[channel])


def _check_norm(op: fixed.InstanceNorm, formats: LayerFormats, arithmetic: Arithmetic) -> None:
    """The largest scale is that of a constant map; no smaller one fails where it does not."""
    if formats.excess < 0:
        raise QuantizeError(
            f"an instance normalisation cannot go from {formats.inputs[0]} to {formats.output}, "
            "which has more fraction bits"
        )
    formats.output.nearest(op.beta)
    for channel, gamma in enumerate(op.gamma.tolist()):
        try:
            scale_from_float(
                gamma / math.sqrt(op.eps), arithmetic.guard + formats.excess, arithmetic.scale_digits
            )
        except QuantizeError as error:
            raise QuantizeError(f"gamma / sqrt(eps) of channel {channel}: {error.message}") from None
