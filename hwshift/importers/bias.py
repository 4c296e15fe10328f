"""Pass that makes an added constant the bias of the layer before it."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from hwshift.network import ops
from hwshift.network.graph import Network, Node
from hwshift.network.passes import Pass

__all__ = ["FoldOffset"]


@dataclass(frozen=True)
class FoldOffset(Pass):
    """Move an offset per channel into the convolution or fully connected layer that only it reads.

    An offset is a BatchNorm of scale 1, as exporters' MatMul and Add leave one. The layer gets its name.
    """

    name: ClassVar[str] = "fold-offset"

    def apply(self, network: Network) -> Network:
        """Replace each pair by one node."""
        readers = network.consumers()
        owner: dict[str, str] = {}  # the layer's old name -> the offset's
        folded: dict[str, Node] = {}
        for node in network.nodes:
            if not isinstance(node.op, ops.BatchNorm) or not _is_offset(node.op):
                continue
            source = network.node(node.inputs[0])
            if isinstance(source.op, ops.Conv2d | ops.Linear) and source.op.bias is None:
                if len(readers[source.name]) == 1 and source.name != network.output:
                    owner[source.name] = node.name
                    op = replace(source.op, bias=node.op.beta)
                    folded[node.name] = Node(node.name, op, source.inputs)
        return network.with_nodes(
            folded[owner[node.name]] if node.name in owner else node
            for node in network.nodes
            if node.name not in folded
        )


def _is_offset(op: ops.BatchNorm) -> bool:
    return bool((op.gamma == 1).all() and not op.mean.any() and (op.var == 1).all() and op.eps == 0) and (
        np.isfinite(op.beta).all()
    )
