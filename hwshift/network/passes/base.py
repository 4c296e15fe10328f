"""What every pass shares."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from hwshift.network.graph import Network, Node

__all__ = ["Pass", "renamed", "run_passes"]


@dataclass(frozen=True)
class Pass:
    """A change of a network, which keeps its result unless its documentation says otherwise.

    A subclass writes `apply`; its fields are its options.

    Members
    -------
    name : str
        As in the table of passes.
    """

    name: ClassVar[str]

    def apply(self, network: Network) -> Network:
        """The changed network, from a verified one."""
        raise NotImplementedError

    def run(self, network: Network) -> Network:
        """Verify, change, verify.

        Raises
        ------
        NetworkError
            When the network is malformed before or after.
        """
        return self.apply(network.verify()).verify()


def run_passes(network: Network, passes: Iterable[Pass]) -> Network:
    """Several passes in order. Raises NetworkError as `Pass.run`."""
    for each in passes:
        network = each.run(network)
    return network


def renamed(node: Node, names: dict[str, str]) -> Node:
    """The node with its inputs renamed; names that are not in the table stay."""
    return Node(node.name, node.op, tuple(names.get(name, name) for name in node.inputs))
