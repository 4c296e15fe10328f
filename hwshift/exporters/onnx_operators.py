"""Our operators as ONNX nodes, one function each."""

from collections.abc import Callable

import numpy as np

from hwshift.exporters.onnx_shift import spatial_shift
from hwshift.exporters.onnx_writer import Writer
from hwshift.network import ops
from hwshift.network.graph import Node

__all__ = ["WRITERS"]


def _conv(node: Node, writer: Writer) -> None:
    op = node.op
    assert isinstance(op, ops.Conv2d)
    inputs = [writer.as_map(node.inputs[0]), writer.floats(node.name, "weight", op.weight)]
    if op.bias is not None:
        inputs.append(writer.floats(node.name, "bias", op.bias))
    writer.node(
        "Conv",
        inputs,
        node.name,
        kernel_shape=op.kernel,
        strides=op.stride,
        pads=op.padding,
        dilations=op.dilation,
        group=op.groups,
    )


def _linear(node: Node, writer: Writer) -> None:
    op = node.op
    assert isinstance(op, ops.Linear)
    inputs = [writer.as_vector(node.inputs[0]), writer.floats(node.name, "weight", op.weight)]
    if op.bias is not None:
        inputs.append(writer.floats(node.name, "bias", op.bias))
    writer.vectors.add(node.name)
    writer.node("Gemm", inputs, node.name, transB=1)


def _batch_norm(node: Node, writer: Writer) -> None:
    op = node.op
    assert isinstance(op, ops.BatchNorm)
    arrays = [writer.floats(node.name, role, getattr(op, role)) for role in ("gamma", "beta", "mean", "var")]
    writer.node(
        "BatchNormalization", writer.alike(node.inputs, node.name) + arrays, node.name, epsilon=op.eps
    )


def _clamp(node: Node, writer: Writer) -> None:
    op = node.op
    assert isinstance(op, ops.Clamp)
    limits = [
        "" if np.isinf(value) else writer.floats(node.name, role, value)
        for role, value in (("lo", op.lo), ("hi", op.hi))
    ]
    writer.node("Clip", writer.alike(node.inputs, node.name) + limits, node.name)


def _pool(node: Node, writer: Writer) -> None:
    op, extra = node.op, {}
    assert isinstance(op, ops.AveragePool | ops.MaxPool)
    if isinstance(op, ops.AveragePool):
        extra["count_include_pad"] = int(op.include_border)
    writer.node(
        type(op).__name__,
        [writer.as_map(node.inputs[0])],
        node.name,
        kernel_shape=op.kernel,
        strides=op.stride,
        pads=op.padding,
        **extra,
    )


def _channel_scale(node: Node, writer: Writer) -> None:
    writer.node("Mul", [writer.as_map(value) for value in node.inputs], node.name)


def _instance_norm(node: Node, writer: Writer) -> None:
    op = node.op
    assert isinstance(op, ops.InstanceNorm)
    arrays = [writer.floats(node.name, role, getattr(op, role)) for role in ("gamma", "beta")]
    inputs = [writer.as_map(node.inputs[0]), *arrays]
    writer.node("InstanceNormalization", inputs, node.name, epsilon=op.eps)


def _upsample(node: Node, writer: Writer) -> None:
    """Resize with ``source = floor(target / factor)``."""
    op = node.op
    assert isinstance(op, ops.UpsampleNearest)
    scales = writer.floats(node.name, "scales", np.array([1, 1, *op.factor]))
    writer.node(
        "Resize",
        [writer.as_map(node.inputs[0]), "", scales],
        node.name,
        mode="nearest",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    )


def _channel_slice(node: Node, writer: Writer) -> None:
    op = node.op
    assert isinstance(op, ops.ChannelSlice)
    limits = [
        writer.ints(node.name, role, [value])
        for role, value in (("start", op.start), ("stop", op.stop), ("axis", 1))
    ]
    writer.node("Slice", writer.alike(node.inputs, node.name) + limits, node.name)


def _global_pool(node: Node, writer: Writer) -> None:
    writer.node("GlobalAveragePool", [writer.as_map(node.inputs[0])], node.name)


def _flatten(node: Node, writer: Writer) -> None:
    value = node.inputs[0]
    writer.vectors.add(node.name)
    if value in writer.vectors:
        writer.node("Identity", [value], node.name)
    else:
        writer.node("Flatten", [value], node.name, axis=1)


def _shuffle(node: Node, writer: Writer) -> None:
    """Reshape, Transpose, Reshape for the shuffle of groups; a Gather for any other order."""
    op = node.op
    assert isinstance(op, ops.ChannelShuffle)
    channels, height, width = writer.shapes[node.name]
    size = int(op.order[1]) if channels > 1 else 1
    if size < 2 or channels % size or not np.array_equal(op.order, _interleaved(channels, size)):
        order = writer.ints(node.name, "order", op.order)
        writer.node("Gather", [*writer.alike(node.inputs, node.name), order], node.name, axis=1)
        return
    split = writer.ints(node.name, "split", [0, channels // size, size, height, width])
    joined = writer.ints(node.name, "joined", [0, channels, height, width])
    groups = writer.node(
        "Reshape", [writer.as_map(node.inputs[0]), split], writer.name(f"{node.name}/groups")
    )
    moved = writer.node("Transpose", [groups], writer.name(f"{node.name}/moved"), perm=[0, 2, 1, 3, 4])
    writer.node("Reshape", [moved, joined], node.name)


def _interleaved(channels: int, size: int) -> np.ndarray:
    """The order that takes one channel of each group of `size` in turn."""
    return np.arange(channels).reshape(-1, size).T.ravel()


def _alike(kind: str, **attributes: object) -> Callable[[Node, Writer], None]:
    """A writer for operators that take vectors and maps without parameters."""

    def write(node: Node, writer: Writer) -> None:
        writer.node(kind, writer.alike(node.inputs, node.name), node.name, **attributes)

    return write


WRITERS: dict[type[ops.Op], Callable[[Node, Writer], None]] = {
    ops.Add: _alike("Add"),
    ops.AveragePool: _pool,
    ops.BatchNorm: _batch_norm,
    ops.ChannelScale: _channel_scale,
    ops.ChannelShuffle: _shuffle,
    ops.ChannelSlice: _channel_slice,
    ops.Clamp: _clamp,
    ops.Concat: _alike("Concat", axis=1),
    ops.Conv2d: _conv,
    ops.Flatten: _flatten,
    ops.GlobalAveragePool: _global_pool,
    ops.InstanceNorm: _instance_norm,
    ops.Linear: _linear,
    ops.MaxPool: _pool,
    ops.ReLU: _alike("Relu"),
    ops.Sigmoid: _alike("Sigmoid"),
    ops.SpatialShift: spatial_shift,
    ops.UpsampleNearest: _upsample,
}
"""Operator to the function that writes it; the input has no node."""
