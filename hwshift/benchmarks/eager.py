"""A float network as PyTorch calls, one after the other."""

from collections.abc import Callable

import numpy as np
import torch
from torch.nn import functional

from hwshift.errors import NetworkError
from hwshift.network import ops
from hwshift.network.graph import Network

__all__ = ["eager"]

Call = Callable[..., torch.Tensor]


def eager(network: Network, x: np.ndarray, threads: int) -> Callable[[], np.ndarray]:
    """A function that computes the network's output for ``x`` in float32.

    Raises
    ------
    NetworkError
        For an operator it does not know.
    """
    calls = [(node.name, _call(node.op), node.inputs) for node in network.nodes[1:]]
    source, first = torch.from_numpy(x), network.nodes[0].name

    def run() -> np.ndarray:
        torch.set_num_threads(threads)
        values = {first: source}
        with torch.inference_mode():
            for name, call, inputs in calls:
                values[name] = call(*(values[i] for i in inputs))
        return values[network.output].numpy()

    return run


def _call(op: ops.Op) -> Call:
    match op:
        case ops.Conv2d():
            weight, bias = _tensor(op.weight), None if op.bias is None else _tensor(op.bias)
            top, left, bottom, right = op.padding
            same = (top, left) == (bottom, right)
            pad = (left, right, top, bottom)
            return lambda x: functional.conv2d(
                x if same else functional.pad(x, pad), weight, bias, op.stride, (top, left) if same else 0, op.dilation,
                op.groups,
            )  # fmt: skip
        case ops.Linear():
            weight, bias = _tensor(op.weight), None if op.bias is None else _tensor(op.bias)
            return lambda x: functional.linear(x.flatten(1), weight, bias)[..., None, None]
        case ops.BatchNorm():
            mean, var, gamma, beta = (_tensor(v) for v in (op.mean, op.var, op.gamma, op.beta))
            return lambda x: functional.batch_norm(x, mean, var, gamma, beta, eps=op.eps)
        case ops.SpatialShift():
            return _shift(op)
        case ops.AveragePool():
            return lambda x: functional.avg_pool2d(
                x, op.kernel, op.stride, op.padding[:2], False, op.include_border
            )
        case ops.MaxPool():
            return lambda x: functional.max_pool2d(x, op.kernel, op.stride, op.padding[:2])
        case ops.ChannelShuffle():
            order = torch.from_numpy(op.order)
            return lambda x: x[:, order]
        case ops.ChannelSlice():
            return lambda x: x[:, op.start : op.stop]
        case ops.GlobalAveragePool():
            return lambda x: x.mean((2, 3), keepdim=True)
    simple: dict[type, Call] = {
        ops.ReLU: torch.relu, ops.Add: torch.add, ops.Sigmoid: torch.sigmoid, ops.ChannelScale: torch.mul,
        ops.Flatten: lambda x: x.flatten(1)[..., None, None], ops.Concat: lambda *x: torch.cat(x, 1),
    }  # fmt: skip
    if type(op) not in simple:
        raise NetworkError(f"no PyTorch call for {type(op).__name__}")
    return simple[type(op)]


def _shift(op: ops.SpatialShift) -> Call:
    """A depthwise convolution with one-hot kernels, as the papers' authors emulate it."""
    moves = op.moves
    reach = int(np.abs(moves).max(initial=0))
    kernels = torch.zeros(len(moves), 1, 2 * reach + 1, 2 * reach + 1)
    for channel, (dy, dx) in enumerate(moves.tolist()):
        kernels[channel, 0, reach + dy, reach + dx] = 1
    return lambda x: functional.conv2d(x, kernels, padding=reach, groups=len(moves))


def _tensor(values: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, np.float32))
