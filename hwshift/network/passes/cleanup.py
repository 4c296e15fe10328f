"""Passes that drop nodes: those nobody reads, and those that change nothing."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hwshift.network import ops
from hwshift.network.checks import Shape
from hwshift.network.graph import Network, Node
from hwshift.network.passes.base import Pass, renamed

__all__ = ["RemoveDead", "RemoveIdentities"]


@dataclass(frozen=True)
class RemoveDead(Pass):
    """Drop nodes that the output does not depend on (the input stays)."""

    name: ClassVar[str] = "remove-dead"

    def apply(self, network: Network) -> Network:
        """Walk back from the output."""
        alive = {network.output, network.nodes[0].name}
        for node in reversed(network.nodes):
            if node.name in alive:
                alive.update(node.inputs)
        return network.with_nodes(node for node in network.nodes if node.name in alive)


@dataclass(frozen=True)
class RemoveIdentities(Pass):
    """Drop nodes whose output equals their input: shifts by zero, shuffles in order, a ReLU after a ReLU, ...

    A node that is the network's output keeps its place, so that the output keeps its name.
    """

    name: ClassVar[str] = "remove-identities"

    def apply(self, network: Network) -> Network:
        """Readers of a dropped node read its input."""
        shapes = network.shapes()
        names: dict[str, str] = {}
        kept: dict[str, Node] = {}
        for original in network.nodes:
            node = renamed(original, names)
            source = node.inputs[0] if node.inputs and node.name != network.output else None
            if source and _is_identity(node.op, kept[source].op, shapes[source], len(node.inputs)):
                names[node.name] = source
            else:
                kept[node.name] = node
        return network.with_nodes(kept.values())


def _is_identity(op: ops.Op, producer: ops.Op, shape: Shape, inputs: int) -> bool:
    """Whether `op`, with that many inputs, gives back the first, `producer`'s output of that shape."""
    match op:
        case ops.SpatialShift():
            return not op.moves.any()
        case ops.ChannelShuffle():
            return np.array_equal(op.order, np.arange(op.order.size))
        case ops.Flatten() | ops.GlobalAveragePool():
            return shape[1:] == (1, 1)
        case ops.AveragePool() | ops.MaxPool():
            return op.kernel == op.stride == (1, 1)
        case ops.BatchNorm():
            scale, offset = op.affine
            return bool((scale == 1).all() and not offset.any())
        case ops.ReLU():
            return isinstance(producer, ops.ReLU | ops.Sigmoid) or (
                isinstance(producer, ops.Clamp) and producer.lo >= 0
            )
        case ops.Clamp():
            return (op.lo, op.hi) == (-np.inf, np.inf) or (
                isinstance(producer, ops.Clamp) and op.lo <= producer.lo and producer.hi <= op.hi
            )
        case ops.Concat():
            return inputs == 1
        case ops.ChannelSlice():
            return (op.start, op.stop) == (0, shape[0])
        case ops.UpsampleNearest():
            return op.factor == (1, 1)
    return False
