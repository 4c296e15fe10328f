"""Pass that folds batch normalisation into the weights before it."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from hwshift.network import ops
from hwshift.network.graph import Network, Node
from hwshift.network.passes.base import Pass, renamed

__all__ = ["FoldBatchNorm"]


@dataclass(frozen=True)
class FoldBatchNorm(Pass):
    """Fold a BatchNorm into the convolution or fully connected layer that only it reads.

    The folded node carries the BatchNorm's name, since it produces that value. Weights become float64.
    """

    name: ClassVar[str] = "fold-batchnorm"

    def apply(self, network: Network) -> Network:
        """Replace each pair by one node in the place of the first."""
        readers = network.consumers()
        names: dict[str, str] = {}
        nodes: dict[str, Node] = {}
        for original in network.nodes:
            node = renamed(original, names)
            source = nodes.get(node.inputs[0]) if node.inputs else None
            folds = (
                isinstance(node.op, ops.BatchNorm)
                and source is not None
                and isinstance(source.op, ops.Conv2d | ops.Linear)
                and len(readers[original.inputs[0]]) == 1
                and original.inputs[0] != network.output
            )
            if folds:
                assert source is not None
                place = node.inputs[0]
                nodes[place] = Node(node.name, _folded(source.op, node.op), source.inputs)
                names[node.name] = place
            else:
                nodes[node.name] = node
        final = {key: node.name for key, node in nodes.items()}
        return network.with_nodes(renamed(node, final) for node in nodes.values())


def _folded(op: ops.Op, norm: ops.Op) -> ops.Op:
    assert isinstance(op, ops.Conv2d | ops.Linear) and isinstance(norm, ops.BatchNorm)
    scale, offset = norm.affine
    weight = op.weight.astype(np.float64) * scale.reshape(-1, *(1,) * (op.weight.ndim - 1))
    return replace(op, weight=weight, bias=offset if op.bias is None else op.bias * scale + offset)
