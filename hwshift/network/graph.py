"""The float network: a list of named nodes in execution order."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property

from hwshift.display import table
from hwshift.errors import NetworkError
from hwshift.network.checks import Shape
from hwshift.network.ops import Input, Op

__all__ = ["Network", "Node"]


@dataclass(frozen=True, eq=False)
class Node:
    """An operator with its name and the names of the nodes it reads."""

    name: str
    op: Op
    inputs: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Network:
    """A float network.

    Parameters
    ----------
    name : str
    nodes : tuple of Node
        In execution order; the first is the only `Input`.
    output : str
        Name of the node whose map is the result.
    meta : dict
        Free text about the origin: class names, normalisation (``mean``, ``std``), licence.
    """

    name: str
    nodes: tuple[Node, ...]
    output: str
    meta: dict = field(default_factory=dict)

    def verify(self) -> "Network":
        """Check the whole network.

        Returns
        -------
        Network
            Itself.

        Raises
        ------
        NetworkError
            One line that names the first node found wrong.
        """
        if not self.nodes or not isinstance(self.nodes[0].op, Input):
            raise NetworkError("the first node must be the input", where=self.name)
        seen: set[str] = set()
        for node in self.nodes:
            self._check_links(node, seen)
            seen.add(node.name)
        if self.output not in seen:
            raise NetworkError(f"the output {self.output!r} is not a node", where=self.name)
        self.shapes()
        return self

    def _check_links(self, node: Node, seen: set[str]) -> None:
        if not isinstance(node.name, str) or not node.name:
            raise NetworkError(f"a node needs a name, not {node.name!r}", where=self.name)
        if node.name in seen:
            raise NetworkError("two nodes have this name", where=node.name)
        if not isinstance(node.op, Op):
            raise NetworkError(f"unknown operator {type(node.op).__name__}", where=node.name)
        if isinstance(node.op, Input) and seen:
            raise NetworkError("a network has one input, and it comes first", where=node.name)
        arity = node.op.arity
        if len(node.inputs) != arity if arity is not None else not node.inputs:
            wanted = "one or more inputs" if arity is None else f"{arity} inputs"
            kind = type(node.op).__name__
            raise NetworkError(f"{kind} takes {wanted}, not {len(node.inputs)}", where=node.name)
        for name in node.inputs:
            if name not in seen:
                raise NetworkError(f"its input {name!r} is no earlier node", where=node.name)

    def shapes(self) -> dict[str, Shape]:
        """Shape (channels, height, width) of each node's output.

        Raises
        ------
        NetworkError
            Where parameters are wrong or shapes do not agree.
        """
        shapes: dict[str, Shape] = {}
        for node in self.nodes:
            try:
                node.op.check()
                shapes[node.name] = node.op.shape(tuple(shapes[name] for name in node.inputs))
            except ValueError as error:
                raise NetworkError(str(error), where=node.name) from None
        return shapes

    @cached_property
    def _by_name(self) -> dict[str, Node]:
        return {node.name: node for node in self.nodes}

    def node(self, name: str) -> Node:
        """The node of that name. Raises KeyError."""
        return self._by_name[name]

    def consumers(self) -> dict[str, list[Node]]:
        """For each node the nodes that read it, once per read, in execution order."""
        readers: dict[str, list[Node]] = {node.name: [] for node in self.nodes}
        for node in self.nodes:
            for name in node.inputs:
                readers[name].append(node)
        return readers

    def with_nodes(self, nodes: Iterable[Node], output: str | None = None) -> "Network":
        """A copy with other nodes."""
        return replace(self, nodes=tuple(nodes), output=self.output if output is None else output)

    def summary(self) -> list[tuple[str, str, Shape, int, int]]:
        """Rows (name, operator, output shape, parameters, multiply-accumulates) of a table, one per node."""
        shapes = self.shapes()
        return [
            (
                node.name,
                type(node.op).__name__,
                shapes[node.name],
                node.op.parameters,
                node.op.macs(shapes[node.name]),
            )
            for node in self.nodes
        ]

    def __repr__(self) -> str:
        """Short: weights have no place in it."""
        return f"<Network {self.name}: {len(self.nodes)} nodes>"

    def _repr_html_(self) -> str:
        """In notebooks: a line per node."""
        rows = [
            (name, op, " × ".join(map(str, shape)), params, macs)
            for name, op, shape, params, macs in self.summary()
        ]
        titles = ("node", "operator", "output (C × H × W)", "parameters", "MACs")
        return table(titles, rows, caption=self.name, total=("total", "", "", self.parameters, self.macs))

    @property
    def parameters(self) -> int:
        """Number of trained values."""
        return sum(node.op.parameters for node in self.nodes)

    @property
    def macs(self) -> int:
        """Multiply-accumulates for one image."""
        return sum(row[4] for row in self.summary())
