"""Grouping of a float network's nodes into the layers of the accelerator, before any number is rounded.

A layer is a root (what is summed) and the chain of nodes that only it feeds: BatchNorms, an activation, an
addition of an earlier map, an activation after that.
"""

from dataclasses import dataclass, field
from typing import Literal

from hwshift.errors import NetworkError
from hwshift.network import ops
from hwshift.network.graph import Network, Node

__all__ = ["Activation", "Chain", "ShiftMode", "fuse"]

ShiftMode = Literal["fused", "moved"]

Activation = ops.ReLU | ops.Clamp | ops.Sigmoid

_SCALED = ops.Conv2d | ops.Linear | ops.Add | ops.BatchNorm
_POOLS = ops.AveragePool | ops.MaxPool | ops.GlobalAveragePool
_ADDED = ops.Conv2d | ops.Linear | ops.ChannelScale | ops.InstanceNorm
_ACTIVE = _SCALED | _POOLS | Activation | ops.ChannelScale | ops.InstanceNorm
_MOVES = ops.SpatialShift | ops.Concat | ops.ChannelShuffle | ops.ChannelSlice | ops.UpsampleNearest


@dataclass
class Chain:
    """One layer to be.

    Members
    -------
    name : str
        Of the last node of the chain, the one that produces the layer's value.
    root : Node
    inputs : tuple of str
        Names of the layers the root reads.
    norms : list of BatchNorm
        In order, before the activation.
    activation, residual_activation : ReLU, Clamp, Sigmoid or None
    residual : str or None
        Name of the layer that is added.
    shift : SpatialShift or None
        Of the reads of a pointwise convolution.
    """

    name: str
    root: Node
    inputs: tuple[str, ...]
    norms: list[ops.BatchNorm] = field(default_factory=list)
    activation: Activation | None = None
    residual: str | None = None
    residual_activation: Activation | None = None
    shift: ops.SpatialShift | None = None


def fuse(network: Network, shift: ShiftMode = "fused") -> list[Chain]:
    """Group the nodes of a network.

    Parameters
    ----------
    network : Network
        Verified, without nodes that nobody reads.
    shift : "fused" or "moved"
        Whether shifts that only pointwise convolutions read become part of those reads, or stay layers.

    Returns
    -------
    list of Chain
        In execution order, the input first and the output last.

    Raises
    ------
    NetworkError
        For a Flatten whose result something else than a Linear reads.
    """
    return _Fuser(network, shift).run()


class _Fuser:
    def __init__(self, network: Network, shift: ShiftMode) -> None:
        self.network = network
        self.shapes = network.shapes()
        self.readers = network.consumers()
        self.shift = shift
        self.layer_of: dict[str, str] = {}  # node -> the layer that holds its value
        self.taken: set[str] = set()  # nodes that are part of an earlier chain
        self.shifts: dict[str, Node] = {}  # shifts that are part of the reads of convolutions

    def run(self) -> list[Chain]:
        chains = []
        for node in self.network.nodes:
            if node.name in self.taken:
                continue
            if isinstance(node.op, ops.Flatten):
                self._drop_flatten(node)
            elif self._is_fused_shift(node):
                self.shifts[node.name] = node
            else:
                chains.append(self._chain(node))
        return chains

    def _drop_flatten(self, node: Node) -> None:
        """A Linear flattens by itself; a vector is flat already."""
        others = [reader for reader in self.readers[node.name] if not isinstance(reader.op, ops.Linear)]
        if self.shapes[node.inputs[0]][1:] != (1, 1) and (others or node.name == self.network.output):
            what = f"{others[0].name!r} ({type(others[0].op).__name__})" if others else "the network's output"
            raise NetworkError(f"only a Linear can read a flattened map, not {what}", where=node.name)
        self.layer_of[node.name] = self.layer_of[node.inputs[0]]

    def _is_fused_shift(self, node: Node) -> bool:
        readers = self.readers[node.name]
        return (
            self.shift == "fused"
            and isinstance(node.op, ops.SpatialShift)
            and node.name != self.network.output
            and all(isinstance(reader.op, ops.Conv2d) and reader.op.pointwise for reader in readers)
        )

    def _chain(self, root: Node) -> Chain:
        fused = self.shifts.get(root.inputs[0]) if root.inputs else None
        reads = root.inputs if fused is None else fused.inputs
        chain = Chain(root.name, root, tuple(self.layer_of[name] for name in reads))
        if fused is not None:
            assert isinstance(fused.op, ops.SpatialShift)
            chain.shift = fused.op
        if isinstance(root.op, ops.BatchNorm):
            chain.norms.append(root.op)
        elif isinstance(root.op, Activation):
            chain.activation = root.op
        node = root
        while (following := self._only_reader(node)) is not None and self._absorb(chain, node, following):
            node = following
            self.taken.add(node.name)
            chain.name = node.name
        self.layer_of[chain.name] = chain.name
        return chain

    def _only_reader(self, node: Node) -> Node | None:
        readers = self.readers[node.name]
        if node.name == self.network.output or len(readers) != 1:
            return None
        return readers[0]

    def _absorb(self, chain: Chain, node: Node, following: Node) -> bool:
        """Add `following`, which reads the chain's end `node`; False if it has no place in the chain."""
        op, root = following.op, chain.root.op
        if isinstance(root, ops.Input | _MOVES):
            return False
        if isinstance(op, ops.BatchNorm):
            if chain.residual or chain.activation or not isinstance(root, _SCALED):
                return False
            chain.norms.append(op)
        elif isinstance(op, Activation) and isinstance(root, _ACTIVE):
            if chain.residual and chain.residual_activation is None:
                chain.residual_activation = op
            elif not chain.residual and chain.activation is None:
                chain.activation = op
            else:
                return False
        elif isinstance(op, ops.Add) and isinstance(root, _ADDED):
            other = following.inputs[1 - following.inputs.index(node.name)]
            if chain.residual or other not in self.layer_of:
                return False
            chain.residual = self.layer_of[other]
        else:
            return False
        return True
