"""ONNX operators as operators of our network, one function each."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from onnx import NodeProto

from hwshift.importers.onnx_values import Builder, Tensor, attributes
from hwshift.network import ops
from hwshift.network.checks import Padding, Pair

__all__ = ["OPERATORS"]

Handler = Callable[[NodeProto, Builder], None]
Arrays = tuple[np.ndarray, np.ndarray]


def _name(node: NodeProto) -> str:
    return node.name or node.output[0]


def _input(node: NodeProto, index: int) -> str | None:
    """Name of an optional input, None where it is left out."""
    return node.input[index] if index < len(node.input) and node.input[index] else None


def _float(values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(values, np.float64 if values.dtype == np.float64 else np.float32)


def _pair(values: Any, default: Pair = (1, 1)) -> Pair:
    if values is None:
        return default
    if len(values) != 2:
        raise ValueError(f"two spatial dimensions are supported, not {len(values)}")
    return int(values[0]), int(values[1])


def _padding(attrs: dict, size: Pair, kernel: Pair, stride: Pair, dilation: Pair = (1, 1)) -> Padding:
    mode = attrs.get("auto_pad", b"NOTSET").decode()
    if mode == "NOTSET":
        pads = tuple(int(value) for value in attrs.get("pads", (0, 0, 0, 0)))
        if len(pads) != 4 or min(pads) < 0:
            raise ValueError(f"pads must be four values of at least 0, not {pads}")
        return pads
    if mode == "VALID":
        return 0, 0, 0, 0
    before, after = [], []
    for axis in range(2):
        extent = dilation[axis] * (kernel[axis] - 1) + 1
        total = max(0, (-(-size[axis] // stride[axis]) - 1) * stride[axis] + extent - size[axis])
        small = total // 2
        before.append(total - small if mode == "SAME_LOWER" else small)
        after.append(total - before[axis])
    return before[0], before[1], after[0], after[1]


def _sum_padding(one: Padding, other: Padding) -> Padding:
    return one[0] + other[0], one[1] + other[1], one[2] + other[2], one[3] + other[3]


def conv(node: NodeProto, builder: Builder) -> None:
    """Conv with constant weights."""
    attrs = attributes(node)
    weight = _float(builder.constant(node.input[1]))
    if weight.ndim != 4:
        raise ValueError(f"two spatial dimensions are supported, not {weight.ndim - 2}")
    bias = _input(node, 2)
    source = builder.settle(node.input[0], allow_padding=True)
    before = builder.tensor(node.input[0]).padding
    stride, dilation = _pair(attrs.get("strides")), _pair(attrs.get("dilations"))
    size = builder.shapes[source][1:]
    padding = _sum_padding(before, _padding(attrs, size, weight.shape[2:], stride, dilation))
    op = ops.Conv2d(
        weight, None if bias is None else _float(builder.constant(bias)), stride, padding, dilation,
        int(attrs.get("group", 1)),
    )  # fmt: skip
    builder.add(_name(node), op, (source,), node.output[0])


def gemm(node: NodeProto, builder: Builder) -> None:
    """Gemm with a constant second matrix: fully connected."""
    attrs = attributes(node)
    if attrs.get("transA", 0):
        raise ValueError("transA is not supported")
    weight = builder.constant(node.input[1])
    weight = weight if attrs.get("transB", 0) else weight.T
    bias = _input(node, 2)
    vector = None
    if bias is not None:
        vector = np.broadcast_to(builder.constant(bias) * attrs.get("beta", 1.0), (1, len(weight))).ravel()
    _linear(node, builder, weight * attrs.get("alpha", 1.0), vector)


def matmul(node: NodeProto, builder: Builder) -> None:
    """MatMul with a constant second matrix: fully connected without bias."""
    _linear(node, builder, builder.constant(node.input[1]).T, None)


def _linear(node: NodeProto, builder: Builder, weight: np.ndarray, bias: np.ndarray | None) -> None:
    if weight.ndim != 2 or builder.tensor(node.input[0]).index.ndim != 2:
        raise ValueError("the product must be of a vector per image and a constant matrix")
    source = builder.settle(node.input[0], allow_vector=True)
    op = ops.Linear(_float(weight), None if bias is None else _float(bias))
    builder.add(_name(node), op, (source,), node.output[0])
    _as_vector(node.output[0], builder)


def _as_vector(output: str, builder: Builder) -> None:
    tensor = builder.tensor(output)
    builder.values[output] = replace(tensor, index=tensor.index.reshape(1, -1))


def batch_norm(node: NodeProto, builder: Builder) -> None:
    """BatchNormalization at inference."""
    gamma, beta, mean, var = (_float(builder.constant(node.input[index])) for index in range(1, 5))
    source = builder.settle(node.input[0], allow_vector=True)
    eps = float(attributes(node).get("epsilon", 1e-5))
    _keep_rank(node, builder, ops.BatchNorm(gamma, beta, mean, var, eps), source)


def _keep_rank(node: NodeProto, builder: Builder, op: ops.Op, *sources: str) -> None:
    """Add an element-wise operator: vectors stay vectors."""
    rank = builder.tensor(node.input[0]).index.ndim if isinstance(
        builder.values.get(node.input[0]), Tensor) else builder.tensor(node.input[1]).index.ndim  # fmt: skip
    builder.add(_name(node), op, sources, node.output[0])
    if rank == 2:
        _as_vector(node.output[0], builder)


def relu(node: NodeProto, builder: Builder) -> None:
    """Relu."""
    _keep_rank(node, builder, ops.ReLU(), builder.settle(node.input[0], allow_vector=True))


def clip(node: NodeProto, builder: Builder) -> None:
    """Clip: a ReLU where only the lower bound 0 is given."""
    bounds = []
    for index, default in ((1, -np.inf), (2, np.inf)):
        name = _input(node, index)
        bounds.append(default if name is None else float(builder.constant(name)))
    source = builder.settle(node.input[0], allow_vector=True)
    if bounds == [0.0, np.inf]:
        op: ops.Op = ops.ReLU()
    elif np.isfinite(bounds).all():
        op = ops.Clamp(*bounds)
    else:
        raise ValueError(
            f"both bounds must be given, or the lower one 0 alone, not {bounds[0]} and {bounds[1]}"
        )
    _keep_rank(node, builder, op, source)


def arithmetic(node: NodeProto, builder: Builder) -> None:
    """Add, Sub, Mul, Div: of two maps (Add only), or of a map and a constant per channel."""
    if len(node.input) != 2:
        raise ValueError(f"two inputs are supported, not {len(node.input)}")
    constants = [index for index in range(2) if isinstance(builder.values.get(node.input[index]), np.ndarray)]
    if not constants:
        if node.op_type not in ("Add", "Sum"):
            raise ValueError("it is supported with a constant only")
        sources = tuple(builder.settle(name, allow_vector=True) for name in node.input)
        _keep_rank(node, builder, ops.Add(), *sources)
        return
    source = builder.settle(node.input[1 - constants[0]], allow_vector=True)
    rank = builder.tensor(node.input[1 - constants[0]]).index.ndim
    values = _per_channel(builder.constant(node.input[constants[0]]), rank, builder.shapes[source][0])
    scale, offset = _affine(node.op_type, values, first=constants == [0])
    zeros = np.zeros_like(values)
    _keep_rank(node, builder, ops.BatchNorm(scale, offset, zeros, zeros + 1, 0.0), source)


def _affine(kind: str, values: np.ndarray, first: bool) -> Arrays:
    """Scale and offset of ``x`` combined with a constant, which is the first operand or the second."""
    ones, zeros = np.ones_like(values), np.zeros_like(values)
    match kind:
        case "Mul":
            return values, zeros
        case "Sub":
            return (-ones, values) if first else (ones, -values)
        case "Div":
            if first or not values.all():
                raise ValueError("it is supported by a constant that is not 0 only")
            return 1 / values, zeros
        case _:
            return ones, values


def _per_channel(values: np.ndarray, rank: int, channels: int) -> np.ndarray:
    """A broadcast constant as one value per channel."""
    shape = (1, *values.shape) if values.ndim < rank else values.shape
    while len(shape) < rank:
        shape = (1, *shape)
    if any(size != 1 for axis, size in enumerate(shape) if axis != 1) or shape[1] not in (1, channels):
        raise ValueError(
            f"the constant must be one value or one per channel, not of the shape {values.shape}"
        )
    return np.broadcast_to(values.reshape(-1).astype(np.float64), (channels,)).copy()


def concat(node: NodeProto, builder: Builder) -> None:
    """Concat along the channels."""
    axis = int(attributes(node)["axis"])
    rank = builder.tensor(node.input[0]).index.ndim
    if axis % rank != 1:
        raise ValueError(f"it is supported along the channels (axis 1), not axis {axis}")
    sources = tuple(builder.settle(name, allow_vector=True) for name in node.input)
    _keep_rank(node, builder, ops.Concat(), *sources)


def pool(node: NodeProto, builder: Builder) -> None:
    """AveragePool and MaxPool."""
    attrs = attributes(node)
    if len([name for name in node.output if name]) > 1:
        raise ValueError("the positions of the maxima are not supported")
    if _pair(attrs.get("dilations")) != (1, 1):
        raise ValueError("dilation is not supported")
    average = node.op_type == "AveragePool"
    source = builder.settle(node.input[0], allow_padding=average)
    before = builder.tensor(node.input[0]).padding
    kernel, stride = _pair(attrs["kernel_shape"]), _pair(attrs.get("strides"))
    size = builder.shapes[source][1:]
    padding = _padding(attrs, size, kernel, stride)
    if attrs.get("ceil_mode", 0) and any(
        (size[axis] + padding[axis] + padding[axis + 2] - kernel[axis]) % stride[axis] for axis in range(2)
    ):
        raise ValueError("ceil_mode is supported only where it makes no difference")
    include = bool(attrs.get("count_include_pad", 0))
    if any(before) and not include and any(padding):
        raise ValueError("padding before it must be counted like its own: count_include_pad = 1")
    padding = _sum_padding(before, padding)
    op = ops.AveragePool(kernel, stride, padding, include or any(before)) if average else ops.MaxPool(
        kernel, stride, padding)  # fmt: skip
    builder.add(_name(node), op, (source,), node.output[0])


def global_pool(node: NodeProto, builder: Builder) -> None:
    """GlobalAveragePool."""
    builder.add(_name(node), ops.GlobalAveragePool(), (builder.settle(node.input[0]),), node.output[0])


def reduce_mean(node: NodeProto, builder: Builder) -> None:
    """ReduceMean over rows and columns: a global average pool."""
    attrs = attributes(node)
    name = _input(node, 1)
    axes = attrs.get("axes") if name is None else builder.constant(name).tolist()
    rank = builder.tensor(node.input[0]).index.ndim
    if rank != 4 or axes is None or sorted(axis % rank for axis in axes) != [2, 3]:
        raise ValueError(f"it is supported over rows and columns (axes 2 and 3), not {axes}")
    global_pool(node, builder)
    if not attrs.get("keepdims", 1):
        _as_vector(node.output[0], builder)


def identity(node: NodeProto, builder: Builder) -> None:
    """Identity, and Dropout at inference."""
    builder.values[node.output[0]] = builder.tensor(node.input[0])


def rename(node: NodeProto, builder: Builder) -> None:
    """Flatten, Reshape, Transpose, Squeeze, Unsqueeze: the same elements in other places."""
    tensor, attrs = builder.tensor(node.input[0]), attributes(node)
    if any(tensor.padding):
        raise ValueError("zero padding can only come before a convolution or an average pool")
    index = tensor.index
    match node.op_type:
        case "Flatten":
            axis = int(attrs.get("axis", 1)) % (index.ndim + 1)
            index = index.reshape(int(np.prod(index.shape[:axis])), -1)
        case "Reshape":
            index = _reshaped(index, builder.constant(node.input[1]), bool(attrs.get("allowzero", 0)))
        case "Transpose":
            index = index.transpose(attrs.get("perm", range(index.ndim)[::-1]))
        case _:
            index = _squeezed(node, index, attrs, builder)
    builder.values[node.output[0]] = replace(tensor, index=index)


def _reshaped(index: np.ndarray, shape: np.ndarray, allow_zero: bool) -> np.ndarray:
    sizes = [int(size) for size in shape]
    if not allow_zero:
        sizes = [index.shape[axis] if size == 0 else size for axis, size in enumerate(sizes)]
    try:
        return index.reshape(sizes)
    except ValueError:
        raise ValueError(
            f"{index.shape} cannot be reshaped to {sizes}; the batch size must be 1 or -1"
        ) from None


def _squeezed(node: NodeProto, index: np.ndarray, attrs: dict, builder: Builder) -> np.ndarray:
    name = _input(node, 1)
    axes: Any = attrs.get("axes") if name is None else builder.constant(name).tolist()
    if node.op_type == "Unsqueeze":
        return np.expand_dims(index, tuple(axes))
    if axes is None:
        axes = [axis for axis in range(1, index.ndim) if index.shape[axis] == 1]
    return np.squeeze(index, tuple(axes))


def pad(node: NodeProto, builder: Builder) -> None:
    """Pad with zeros around rows and columns: kept until the operator that reads it."""
    attrs = attributes(node)
    if attrs.get("mode", b"constant") != b"constant":
        raise ValueError(f"mode {attrs['mode'].decode()!r} is not supported, only 'constant'")
    value = _input(node, 2)
    if value is not None and float(builder.constant(value)) != 0:
        raise ValueError("only zeros can be padded")
    if _input(node, 3) is not None:
        raise ValueError("axes are not supported")
    pads = [int(size) for size in builder.constant(node.input[1])]
    tensor = builder.tensor(node.input[0])
    if len(pads) != 8 or any(pads[axis] for axis in (0, 1, 4, 5)) or min(pads) < 0:
        raise ValueError(f"only rows and columns can be padded, by 0 or more, not {pads}")
    builder.values[node.output[0]] = replace(
        tensor, padding=_sum_padding(tensor.padding, (pads[2], pads[3], pads[6], pads[7])))  # fmt: skip


OPERATORS: dict[str, Handler] = {
    **dict.fromkeys(("Add", "Div", "Mul", "Sub", "Sum"), arithmetic),
    **dict.fromkeys(("AveragePool", "MaxPool"), pool),
    **dict.fromkeys(("Dropout", "Identity"), identity),
    **dict.fromkeys(("Flatten", "Reshape", "Squeeze", "Transpose", "Unsqueeze"), rename),
    "BatchNormalization": batch_norm,
    "Clip": clip,
    "Concat": concat,
    "Conv": conv,
    "Gemm": gemm,
    "GlobalAveragePool": global_pool,
    "MatMul": matmul,
    "Pad": pad,
    "ReduceMean": reduce_mean,
    "Relu": relu,
}
"""Operator type to the function that adds it; what depends on constants alone is evaluated before."""
