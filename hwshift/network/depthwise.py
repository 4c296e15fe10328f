"""Layers whose every output channel is a sum over a window of one input channel."""

from dataclasses import dataclass

from hwshift.network.fixed import Conv, FixedLayer, Pool

__all__ = ["DepthwiseKernel", "depthwise_kernel"]


@dataclass(frozen=True)
class DepthwiseKernel:
    """A window.

    Members
    -------
    rows, columns : tuples of int
        Source rows and columns of the taps, from the output pixel times stride.
    stride : int
        Source columns from one output pixel to the next; 1 where a row has only one.
    alike : bool
        Whether all weights are 1.
    """

    rows: tuple[int, ...]
    columns: tuple[int, ...]
    stride: int
    alike: bool


def depthwise_kernel(layer: FixedLayer) -> DepthwiseKernel | None:
    """The window of a depthwise convolution or an average pool; None for other layers."""
    op = layer.op
    if isinstance(op, Conv):
        total, inner, *size = op.weights.values.shape
        dilation = op.dilation
        if inner > 1 or op.groups != total:
            return None
    elif isinstance(op, Pool) and op.kind == "avg":
        size, dilation = list(op.kernel), (1, 1)
    else:
        return None
    rows, columns = (
        tuple(index * dilation[axis] - op.padding[axis] for index in range(size[axis])) for axis in range(2)
    )
    return DepthwiseKernel(rows, columns, 1 if layer.shape[2] == 1 else op.stride[1], isinstance(op, Pool))
