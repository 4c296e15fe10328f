"""Pass that rounds weights to powers of two while everything else stays in floating point."""

from dataclasses import dataclass, field, replace
from typing import ClassVar

from hwshift.golden.formats import Pow2Format
from hwshift.network import ops
from hwshift.network.graph import Network, Node
from hwshift.network.passes.base import Pass

__all__ = ["RoundWeights"]


@dataclass(frozen=True)
class RoundWeights(Pass):
    """Round the weights of convolutions and fully connected layers to the nearest signed power of two.

    Unlike the other passes it changes the network's result. What comes out has the accuracy that the
    fixed-point network is to reach.
    """

    name: ClassVar[str] = "round-weights"
    fmt: Pow2Format = field(default_factory=Pow2Format)

    def apply(self, network: Network) -> Network:
        """Replace operators in place; weights become float64."""
        return network.with_nodes(
            Node(node.name, self._rounded(node.op), node.inputs) for node in network.nodes
        )

    def _rounded(self, op: ops.Op) -> ops.Op:
        if not isinstance(op, ops.Conv2d | ops.Linear):
            return op
        return replace(op, weight=self.fmt.to_float(*self.fmt.from_float(op.weight)))
