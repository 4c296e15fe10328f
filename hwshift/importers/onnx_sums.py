"""ONNX operators that sum: convolutions, products with matrices, pools."""

import math

import numpy as np

from hwshift.importers.builder import Builder
from hwshift.importers.onnx_call import Call, Handler
from hwshift.importers.settle import Window, as_flat, as_map, as_window
from hwshift.importers.views import ZERO
from hwshift.network import ops
from hwshift.network.checks import Padding, Pair, check_positive, window_size

__all__ = ["SUMS", "floats"]


def floats(values: np.ndarray) -> np.ndarray:
    """As an array that an operator can hold."""
    if values.dtype.kind != "f":
        raise ValueError(f"its constants must be floating point, not {values.dtype}")
    return np.ascontiguousarray(values, np.float64 if values.dtype == np.float64 else np.float32)


def _pair(call: Call, name: str) -> Pair:
    values = call.integers(name)
    if values is None:
        return 1, 1
    if len(values) != 2:
        raise ValueError(f"{name} must be two values (rows, columns), not {values}")
    check_positive((values[0], values[1]), name)
    return values[0], values[1]


def _padding(call: Call, size: Pair, extent: Pair, stride: Pair) -> Padding:
    mode = call.text("auto_pad", "NOTSET")
    pads = call.integers("pads") or [0, 0, 0, 0]
    if len(pads) != 4 or min(pads) < 0:
        raise ValueError(f"pads must be four values of at least 0, not {pads}")
    if mode != "NOTSET" and any(pads):
        raise ValueError(f"pads {pads} and auto_pad {mode!r} exclude each other")
    if mode == "NOTSET":
        return pads[0], pads[1], pads[2], pads[3]
    if mode == "VALID":
        return 0, 0, 0, 0
    if mode not in ("SAME_UPPER", "SAME_LOWER"):
        raise ValueError(f"auto_pad must be NOTSET, VALID, SAME_UPPER or SAME_LOWER, not {mode!r}")
    before, after = [], []
    for axis in range(2):
        total = max(0, (-(-size[axis] // stride[axis]) - 1) * stride[axis] + extent[axis] - size[axis])
        small = total // 2
        before.append(total - small if mode == "SAME_LOWER" else small)
        after.append(total - before[axis])
    return before[0], before[1], after[0], after[1]


def _seen_size(builder: Builder, window: Window) -> Pair:
    """Rows and columns of the map as the operator sees it."""
    size = builder.shapes[window.node][1:]
    return (
        size[0] + window.padding[0] + window.padding[2],
        size[1] + window.padding[1] + window.padding[3],
    )


def _fitted(builder: Builder, window: Window, extent: Pair, stride: Pair, own: Padding) -> Padding:
    """One padding for the zeros around the map and the operator's own; lines that are cut off are not read."""
    seen = _seen_size(builder, window)
    out = window_size(seen, extent, stride, own)
    result = [own[side] + window.padding[side] for side in range(4)]
    for axis in range(2):
        if result[axis + 2] >= 0 and window.padding[axis + 2] >= 0:
            continue
        last = (out[axis] - 1) * stride[axis] - own[axis] + extent[axis] - 1
        hidden = seen[axis] - window.padding[axis]  # first line of the node's map that is cut off
        node_size = builder.shapes[window.node][1 + axis]
        result[axis + 2] = max(0, result[axis + 2])
        total = node_size + result[axis] + result[axis + 2]
        same = total >= extent[axis] and (total - extent[axis]) // stride[axis] + 1 == out[axis]
        if not same or (last >= seen[axis] and node_size - window.zeros[axis] > hidden):
            raise ValueError("lines are cut off before it in a way that changes its result")
    return result[0], result[1], result[2], result[3]


def conv(call: Call) -> None:
    """Conv with constant weights."""
    weight = floats(call.constant(1))
    if weight.ndim != 4:
        raise ValueError(f"two spatial dimensions are supported, not {weight.ndim - 2}")
    bias = None if call.optional(2) is None else floats(call.constant(2))
    kernel = weight.shape[2], weight.shape[3]
    given = call.integers("kernel_shape")
    if given is not None and tuple(given) != kernel:
        raise ValueError(f"kernel_shape {given} does not agree with the weights {weight.shape}")
    if 0 in weight.shape:
        raise ValueError(f"weights must not be empty, not of shape {weight.shape}")
    stride, dilation = _pair(call, "strides"), _pair(call, "dilations")
    extent = dilation[0] * (kernel[0] - 1) + 1, dilation[1] * (kernel[1] - 1) + 1
    window = as_window(call.builder, call.input())
    own = _padding(call, _seen_size(call.builder, window), extent, stride)
    padding = _fitted(call.builder, window, extent, stride, own)
    op = ops.Conv2d(weight, bias, stride, padding, dilation, call.integer("group", 1))
    call.give_node(call.builder.add(call.name, op, window.node))


def gemm(call: Call) -> None:
    """Gemm with a constant second matrix: fully connected."""
    if call.integer("transA", 0):
        raise ValueError("transA is not supported")
    weight = floats(call.constant(1))
    if weight.ndim != 2:
        raise ValueError(f"the second matrix must have two dimensions, not {weight.ndim}")
    weight = weight if call.integer("transB", 0) else weight.T
    bias = None
    if call.optional(2) is not None:
        values = floats(call.constant(2))
        try:
            bias = np.broadcast_to(values * call.number("beta", 1.0), (1, len(weight))).ravel()
        except ValueError:
            raise ValueError(
                f"the third input must fit {len(weight)} values, not the shape {values.shape}"
            ) from None
    _linear(call, weight * call.number("alpha", 1.0), bias)


def matmul(call: Call) -> None:
    """MatMul with a constant second matrix: fully connected without bias."""
    if isinstance(call.builder.values.get(call.input(0)), np.ndarray):
        raise ValueError("the second matrix must be the constant one")
    weight = floats(call.constant(1))
    if weight.ndim != 2:
        raise ValueError(f"the second matrix must have two dimensions, not {weight.ndim}")
    _linear(call, weight.T, None)


def _linear(call: Call, weight: np.ndarray, bias: np.ndarray | None) -> None:
    shape = call.view().shape
    if len(shape) != 2 or shape[0] != 1:
        raise ValueError(
            f"the product must be of a vector per image and a constant matrix, not of the shape {shape}"
        )
    if weight.shape[1] != shape[1]:
        raise ValueError(f"the weights need {weight.shape[1]} inputs, the input has {shape[1]}")
    source, order = as_flat(call.builder, call.input())
    if order is not None:
        size = math.prod(call.builder.shapes[source])
        call.builder.spend(len(weight) * size)
        placed = np.zeros((size, len(weight)), weight.dtype)
        used = order != ZERO
        np.add.at(placed, order[used], weight.T[used])
        weight = placed.T
    op = ops.Linear(floats(weight), None if bias is None else floats(bias))
    call.give_node(call.builder.add(call.name, op, source), rank=2)


def pool(call: Call) -> None:
    """AveragePool and MaxPool."""
    if len([name for name in call.node.output if name]) > 1:
        raise ValueError("the positions of the maxima are not supported")
    if _pair(call, "dilations") != (1, 1):
        raise ValueError("dilation is not supported")
    if not call.has("kernel_shape"):
        raise ValueError("kernel_shape is missing")
    average = call.op == "AveragePool"
    kernel, stride = _pair(call, "kernel_shape"), _pair(call, "strides")
    builder, window = call.builder, as_window(call.builder, call.input())
    size = _seen_size(builder, window)
    own = _padding(call, size, kernel, stride)
    border = bool(call.integer("count_include_pad", 0)) or not any(own)
    extra = _last_windows(size, kernel, stride, own) if call.integer("ceil_mode", 0) else (0, 0)
    if average and any(extra) and call.integer("count_include_pad", 0):
        raise ValueError("ceil_mode with count_include_pad is supported only where it makes no difference")
    border = border and not any(extra)
    own = own[0], own[1], own[2] + extra[0], own[3] + extra[1]
    if any(window.padding) and average and not border:
        raise ValueError("padding before it must be counted like its own: count_include_pad = 1")
    if any(window.padding) and not average and window.node not in builder.non_negative:
        raise ValueError("zero padding before it is supported only where the map is never negative")
    padding = _fitted(builder, window, kernel, stride, own)
    if average and kernel == builder.shapes[window.node][1:] and not any(padding):
        op: ops.Op = ops.GlobalAveragePool()
    elif average:
        op = ops.AveragePool(kernel, stride, padding, border)
    else:
        op = ops.MaxPool(kernel, stride, padding)
    call.give_node(builder.add(call.name, op, window.node))


def _last_windows(size: Pair, kernel: Pair, stride: Pair, pads: Padding) -> Pair:
    """Lines that ceil_mode's last windows reach beyond the padded map."""
    extra = []
    for axis in range(2):
        room = size[axis] + pads[axis] + pads[axis + 2]
        count = max(0, -(-(room - kernel[axis]) // stride[axis])) + 1
        if (count - 1) * stride[axis] >= size[axis] + pads[axis]:  # it would lie in the padding alone
            count -= 1
        extra.append(max(0, (count - 1) * stride[axis] + kernel[axis] - room))
    return extra[0], extra[1]


def global_pool(call: Call) -> None:
    """GlobalAveragePool and GlobalMaxPool."""
    _reduce(call, call.op == "GlobalAveragePool", [2, 3])


def reduce(call: Call) -> None:
    """ReduceMean and ReduceMax over rows, columns or both."""
    axes, rank = call.axes(1), len(call.view().shape)
    if not axes:
        if axes is not None and call.integer("noop_with_empty_axes", 0):
            call.give(call.view())
            return
        raise ValueError("it is supported over rows and columns (axes 2 and 3), not over all axes")
    if any(not -rank <= axis < rank for axis in axes):
        raise ValueError(f"axes must lie in {-rank}..{rank - 1}, not {axes}")
    chosen = sorted({axis % rank for axis in axes})
    if chosen[0] < 2 or rank > 4:
        raise ValueError(f"it is supported over rows and columns (axes 2 and 3), not {axes}")
    _reduce(call, call.op == "ReduceMean", chosen)
    if not call.integer("keepdims", 1):
        view = call.builder.view(call.node.output[0])
        kept = tuple(size for axis, size in enumerate(view.shape) if axis not in chosen)
        call.builder.values[call.node.output[0]] = view.reshaped(kept)


def _reduce(call: Call, average: bool, axes: list[int]) -> None:
    builder, rank = call.builder, len(call.view().shape)
    if rank not in (3, 4):
        raise ValueError(f"it is supported for maps of four dimensions, not {rank}")
    source = as_map(builder, call.input())
    size = builder.shapes[source][1:]
    kernel = size[0] if 2 in axes else 1, size[1] if 3 in axes else 1
    if average and kernel == size:
        op: ops.Op = ops.GlobalAveragePool()
    else:
        op = ops.AveragePool(kernel, kernel) if average else ops.MaxPool(kernel, kernel)
    call.give_node(builder.add(call.name, op, source), rank=rank)


SUMS: dict[str, Handler] = {
    **dict.fromkeys(("AveragePool", "MaxPool"), pool),
    **dict.fromkeys(("GlobalAveragePool", "GlobalMaxPool"), global_pool),
    **dict.fromkeys(("ReduceMax", "ReduceMean"), reduce),
    "Conv": conv,
    "Gemm": gemm,
    "MatMul": matmul,
}
"""Operator type to the function that adds it."""
