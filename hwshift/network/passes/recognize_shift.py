"""Pass that finds spatial shifts written as depthwise convolutions."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hwshift.network import ops
from hwshift.network.checks import Shape
from hwshift.network.graph import Network, Node
from hwshift.network.passes.base import Pass

__all__ = ["RecognizeShift"]


@dataclass(frozen=True)
class RecognizeShift(Pass):
    """Turn a depthwise convolution whose kernels each hold a single 1.0 into a `SpatialShift`.

    Only with stride 1, no bias (or zeros) and a padding that keeps the map's size.

    Parameters
    ----------
    away : int
        Kernels of zeros, beside others that hold a 1.0, become shifts off the map if so many pixels suffice. Far
        shifts need memory; by default there are none.
    """

    name: ClassVar[str] = "recognize-shift"
    away: int = 0

    def apply(self, network: Network) -> Network:
        """Replace operators in place."""
        shapes = network.shapes()
        return network.with_nodes(
            Node(
                node.name,
                _shift_of(node.op, shapes[node.inputs[0]], shapes[node.name], self.away) or node.op,
                node.inputs,
            )
            if node.inputs
            else node
            for node in network.nodes
        )


def _shift_of(op: ops.Op, before: Shape, after: Shape, away: int) -> ops.SpatialShift | None:
    if not isinstance(op, ops.Conv2d) or before != after or op.stride != (1, 1):
        return None
    out, depth = op.weight.shape[:2]
    if depth != 1 or op.groups != out or (op.bias is not None and op.bias.any()):
        return None
    taps = op.weight.reshape(out, -1)
    used: np.ndarray = (taps != 0).any(axis=1)
    if not ((np.count_nonzero(taps, axis=1) == used) & (taps.max(axis=1) == used)).all():
        return None
    if not used.any() or not (used.all() or min(before[1:]) <= away):
        return None
    tap = taps.argmax(axis=1)
    top, left = op.padding[:2]
    dy = tap // op.kernel[1] * op.dilation[0] - top
    dx = tap % op.kernel[1] * op.dilation[1] - left
    off = (before[1], 0) if before[1] <= before[2] else (0, before[2])
    offsets = np.where(used[:, None], np.stack([dy, dx], axis=1), off)
    return ops.SpatialShift(offsets.astype(np.int64))
