"""The network while it is read: its nodes so far, and what the graph's names stand for."""

from dataclasses import dataclass, field

import numpy as np

from hwshift.importers.views import View
from hwshift.network import ops
from hwshift.network.checks import Shape, check_map
from hwshift.network.graph import Node

__all__ = ["MAX_MOVED", "MAX_WORK", "Builder"]

MAX_MOVED = 1 << 24
"""Elements of the largest map that is sliced, padded, transposed or joined."""

MAX_WORK = 1 << 27
"""Elements that one model may place altogether."""


@dataclass
class Builder:
    """Nodes, shapes and values.

    Members
    -------
    nodes : list of Node
    shapes : dict of str to (channels, height, width)
        Of each node's output.
    values : dict of str to View or ndarray
        What each name of the graph stands for: something computed from the input, or a constant.
    batch : int
        Images per run in the file; 0 where it is open. The network has one.
    notes : list of str
        What a user has to know about the result.
    non_negative : set of str
        Nodes whose output is never below 0.
    picked : dict
        Nodes that only pick channels, see `hwshift.importers.channels`.
    """

    nodes: list[Node] = field(default_factory=list)
    shapes: dict[str, Shape] = field(default_factory=dict)
    values: dict[str, View | np.ndarray] = field(default_factory=dict)
    batch: int = 0
    notes: list[str] = field(default_factory=list)
    non_negative: set[str] = field(default_factory=set)
    picked: dict[str, tuple[tuple[str, ...], np.ndarray]] = field(default_factory=dict)
    _work: int = 0

    def add(self, name: str, op: ops.Op, *inputs: str) -> str:
        """Append a node; returns its name. Raises ValueError where parameters or shapes are wrong."""
        unique, count = name, 1
        while unique in self.shapes:
            count += 1
            unique = f"{name}_{count}"
        op.check()
        shape = op.shape(tuple(self.shapes[source] for source in inputs))
        check_map(shape)
        self.nodes.append(Node(unique, op, inputs))
        self.shapes[unique] = shape
        if _never_negative(op, all(source in self.non_negative for source in inputs)):
            self.non_negative.add(unique)
        return unique

    def constant(self, name: str) -> np.ndarray:
        """The constant of that name. Raises ValueError for anything computed from the input."""
        value = self.values.get(name)
        if not isinstance(value, np.ndarray):
            raise ValueError(f"its input {name!r} must be a constant")
        return value

    def view(self, name: str) -> View:
        """What is computed from the input. Raises ValueError for constants."""
        value = self.values.get(name)
        if isinstance(value, View):
            return value
        raise ValueError(f"its input {name!r} must depend on the network's input")

    def whole(self, node: str, rank: int = 4) -> View:
        """The output of a node: a map (rank 4), one without columns (rank 3), or a vector (rank 2)."""
        channels, height, width = self.shapes[node]
        shapes = {2: (1, channels * height * width), 3: (1, channels, height * width)}
        return View((node,), shapes.get(rank, (1, channels, height, width)))

    def spend(self, elements: int) -> None:
        """Account for placing so many elements. Raises ValueError where it becomes too much."""
        self._work += elements
        if elements > MAX_MOVED:
            raise ValueError(f"it places {elements} elements, {MAX_MOVED} are allowed")
        if self._work > MAX_WORK:
            raise ValueError(f"the model places more than {MAX_WORK} elements altogether, which is the limit")


def _never_negative(op: ops.Op, inputs: bool) -> bool:
    match op:
        case ops.ReLU() | ops.Sigmoid():
            return True
        case ops.Clamp():
            return op.lo >= 0 or (inputs and op.hi >= 0)
        case ops.Input() | ops.Conv2d() | ops.Linear() | ops.BatchNorm() | ops.InstanceNorm():
            return False
    return inputs
