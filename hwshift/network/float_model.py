"""Evaluation of a float network with numpy: accuracy of the original, and the reference for passes."""

import numpy as np

from hwshift.errors import NetworkError
from hwshift.network import ops
from hwshift.network.checks import window_size
from hwshift.network.graph import Network

__all__ = ["evaluate_all", "evaluate_float", "evaluate_op", "shift_map"]


def evaluate_float(network: Network, x: np.ndarray, *, dtype: type = np.float64) -> np.ndarray:
    """The network's output in floating point.

    Parameters
    ----------
    network : Network
    x : ndarray of float, shape (batch, channels, height, width)
    dtype : float32 or float64
        Type of all calculations.

    Returns
    -------
    ndarray of `dtype`, shape (batch, channels, height, width)

    Raises
    ------
    NetworkError
        When `x` does not have the input's shape.
    """
    return _evaluate(network, x, dtype, keep=False)[network.output]


def evaluate_all(network: Network, x: np.ndarray, *, dtype: type = np.float64) -> dict[str, np.ndarray]:
    """As `evaluate_float`, but the maps of all nodes by name."""
    return _evaluate(network, x, dtype, keep=True)


def _evaluate(network: Network, x: np.ndarray, dtype: type, keep: bool) -> dict[str, np.ndarray]:
    first = network.nodes[0]
    expected = first.op.shape(())
    if x.ndim != 4 or x.shape[1:] != expected:
        raise NetworkError(
            f"an input of the shape (batch, {', '.join(map(str, expected))}) is needed, not {x.shape}",
            where=first.name,
        )
    last_use = {name: i for i, node in enumerate(network.nodes) for name in node.inputs}
    maps: dict[str, np.ndarray] = {first.name: np.asarray(x, dtype)}
    for i, node in enumerate(network.nodes[1:], 1):
        maps[node.name] = evaluate_op(node.op, *(maps[name] for name in node.inputs))
        for name in () if keep else {*node.inputs, node.name}:
            if last_use.get(name, i) <= i and name != network.output:
                del maps[name]
    return maps


def evaluate_op(op: ops.Op, *x: np.ndarray) -> np.ndarray:
    """One operator on maps of shape (batch, channels, height, width), in the maps' type.

    Raises
    ------
    NetworkError
        For an operator it does not know.
    """
    match op:
        case ops.Conv2d():
            return _conv(op, x[0])
        case ops.Linear():
            return _linear(op, x[0])
        case ops.BatchNorm():
            scale, offset = (_per_channel(v, x[0]) for v in op.affine)
            return x[0] * scale + offset
        case ops.SpatialShift():
            return shift_map(x[0], op.moves)
        case ops.AveragePool() | ops.MaxPool() | ops.GlobalAveragePool():
            return _pool(op, x[0])
        case ops.Add():
            return x[0] + x[1]
        case ops.ReLU():
            return np.maximum(x[0], 0)
        case ops.Clamp():
            return np.clip(x[0], op.lo, op.hi)
        case ops.Sigmoid():
            return _sigmoid(x[0])
        case ops.ChannelScale():
            return x[0] * x[1]
        case ops.InstanceNorm():
            return _instance_norm(op, x[0])
        case ops.Concat():
            return np.concatenate(x, axis=1)
        case ops.ChannelShuffle():
            return x[0][:, op.order]
        case ops.ChannelSlice():
            return x[0][:, op.start : op.stop]
        case ops.UpsampleNearest():
            return x[0].repeat(op.factor[0], axis=2).repeat(op.factor[1], axis=3)
        case ops.Flatten():
            return x[0].reshape(len(x[0]), -1, 1, 1)
    raise NetworkError(f"no float evaluation of {type(op).__name__}")


def shift_map(x: np.ndarray, moves: np.ndarray) -> np.ndarray:
    """``out[n, c, y, x] = in[n, c, y + dy_c, x + dx_c]``, zero outside.

    Parameters
    ----------
    x : ndarray, shape (batch, channels, height, width)
    moves : ndarray of int, shape (channels, 2)
        (dy, dx).

    Returns
    -------
    ndarray, type and shape of `x`
    """
    result = np.zeros_like(x)
    height, width = x.shape[2:]
    for dy, dx in np.unique(moves, axis=0).tolist():
        chosen = (moves == (dy, dx)).all(axis=1)
        if abs(dy) < height and abs(dx) < width:
            rows, cols = slice(max(dy, 0), height + min(dy, 0)), slice(max(dx, 0), width + min(dx, 0))
            to_rows, to_cols = slice(max(-dy, 0), height - max(dy, 0)), slice(max(-dx, 0), width - max(dx, 0))
            result[:, chosen, to_rows, to_cols] = x[:, chosen, rows, cols]
    return result


def _per_channel(values: np.ndarray, x: np.ndarray) -> np.ndarray:
    return values.astype(x.dtype).reshape(1, -1, 1, 1)


def _windows(x: np.ndarray, op: ops.Conv2d | ops.AveragePool | ops.MaxPool, fill: float) -> list[np.ndarray]:
    """For each kernel tap the strided view (batch, channels, out rows, out columns) it reads."""
    top, left, bottom, right = op.padding
    dilation = op.dilation if isinstance(op, ops.Conv2d) else (1, 1)
    height, width = window_size(x.shape[2:], op.kernel, op.stride, op.padding, dilation)
    if any(op.padding):
        x = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=fill)
    views = []
    for u in range(op.kernel[0]):
        for v in range(op.kernel[1]):
            y0, x0 = u * dilation[0], v * dilation[1]
            views.append(
                x[
                    :,
                    :,
                    y0 : y0 + op.stride[0] * (height - 1) + 1 : op.stride[0],
                    x0 : x0 + op.stride[1] * (width - 1) + 1 : op.stride[1],
                ]
            )
    return views


def _conv(op: ops.Conv2d, x: np.ndarray) -> np.ndarray:
    weight = op.weight.astype(x.dtype)
    out, depth = weight.shape[:2]
    taps = weight.reshape(op.groups, out // op.groups, depth, -1)
    total: np.ndarray | None = None
    for tap, view in enumerate(_windows(x, op, 0)):
        batch, _, height, width = view.shape
        if depth == 1 and out == op.groups:
            term = view * weight.reshape(out, -1)[:, tap].reshape(1, -1, 1, 1)
        else:
            columns = view.reshape(batch, op.groups, depth, height * width)
            term = np.matmul(taps[..., tap], columns).reshape(batch, out, height, width)
        total = term if total is None else np.add(total, term, out=total)
    assert total is not None
    return total if op.bias is None else total + _per_channel(op.bias, x)


def _linear(op: ops.Linear, x: np.ndarray) -> np.ndarray:
    result = x.reshape(len(x), -1) @ op.weight.astype(x.dtype).T
    if op.bias is not None:
        result = result + op.bias.astype(x.dtype)
    return result.reshape(*result.shape, 1, 1)


def _sigmoid(x: np.ndarray) -> np.ndarray:
    """Without overflow: the exponential of a value that is not positive."""
    small = np.exp(-np.abs(x))
    return np.where(x < 0, small, 1) / (1 + small)


def _instance_norm(op: ops.InstanceNorm, x: np.ndarray) -> np.ndarray:
    centred = x - x.mean(axis=(2, 3), keepdims=True)
    variance = np.square(centred).mean(axis=(2, 3), keepdims=True)
    gain = _per_channel(op.gamma, x) / np.sqrt(variance + x.dtype.type(op.eps))
    return centred * gain + _per_channel(op.beta, x)


def _pool(op: ops.Op, x: np.ndarray) -> np.ndarray:
    if isinstance(op, ops.GlobalAveragePool):
        return x.mean(axis=(2, 3), keepdims=True)
    if isinstance(op, ops.MaxPool):
        return np.max(_windows(x, op, -np.inf), axis=0)
    assert isinstance(op, ops.AveragePool)
    total = np.sum(_windows(x, op, 0), axis=0)
    if op.include_border:
        return total / (op.kernel[0] * op.kernel[1])
    return total / np.sum(_windows(np.ones((1, 1, *x.shape[2:]), x.dtype), op, 0), axis=0)
