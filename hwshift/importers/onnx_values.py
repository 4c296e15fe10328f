"""What the names of an ONNX graph stand for while it is read: constants, and views of nodes of our network.

Reshapes and transposes only rename elements. So a tensor is a node of the network plus an array that says which of
the node's elements stands where; an operator that needs a map settles the view, which is either nothing, a flattening
or a channel permutation.
"""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from onnx import NodeProto, helper
from onnx.reference import ReferenceEvaluator

from hwshift.network import ops
from hwshift.network.checks import Padding, Shape
from hwshift.network.graph import Node

__all__ = ["Builder", "Tensor", "attributes", "fold_constant"]

_NO_PADDING: Padding = (0, 0, 0, 0)
_OPSET = 17  # in which constant subexpressions are evaluated


@dataclass(frozen=True, eq=False)
class Tensor:
    """A view of a node's output for batch size 1.

    Parameters
    ----------
    node : str
        Name in our network.
    index : ndarray of int64
        Flat index into the node's (channels, height, width) output, in the view's shape with a leading 1.
    padding : (top, left, bottom, right)
        Zeros around the map that have still to be added.
    """

    node: str
    index: np.ndarray
    padding: Padding = _NO_PADDING


@dataclass
class Builder:
    """The network so far, and the values of the graph's names."""

    name: str
    nodes: list[Node] = field(default_factory=list)
    values: dict[str, Tensor | np.ndarray] = field(default_factory=dict)
    shapes: dict[str, Shape] = field(default_factory=dict)

    def add(self, name: str, op: ops.Op, inputs: tuple[str, ...], output: str) -> None:
        """Append a node and let ``output`` stand for it. Raises ValueError where parameters or shapes are wrong."""
        unique, count = name, 1
        while unique in self.shapes:
            count += 1
            unique = f"{name}_{count}"
        op.check()
        shape = op.shape(tuple(self.shapes[source] for source in inputs))
        self.nodes.append(Node(unique, op, inputs))
        self.shapes[unique] = shape
        self.values[output] = Tensor(unique, _identity(shape))

    def constant(self, name: str) -> np.ndarray:
        """The constant of that name. Raises ValueError for anything computed from the input."""
        value = self.values.get(name)
        if not isinstance(value, np.ndarray):
            raise ValueError(f"its input {name!r} must be a constant")
        return value

    def tensor(self, name: str) -> Tensor:
        """The tensor of that name. Raises ValueError for constants."""
        value = self.values.get(name)
        if isinstance(value, Tensor):
            return value
        raise ValueError(f"its input {name!r} must depend on the network's input")

    def settle(self, name: str, *, allow_vector: bool = False, allow_padding: bool = False) -> str:
        """The node whose output is this tensor, as a map or (if allowed) as a vector.

        Raises ValueError for views that are no channel permutation, and for padding where it is not allowed.
        """
        tensor = self.tensor(name)
        if tensor.padding != _NO_PADDING and not allow_padding:
            raise ValueError("zero padding can only come before a convolution or an average pool")
        shape = self.shapes[tensor.node]
        identity = _identity(shape)
        if tensor.index.shape == identity.shape and np.array_equal(tensor.index, identity):
            return tensor.node
        if allow_vector and tensor.index.ndim == 2 and np.array_equal(tensor.index.ravel(), identity.ravel()):
            return tensor.node
        order = _permutation(tensor.index, shape)
        if order is None:
            raise ValueError(f"its input {name!r} is reordered in a way that is no channel permutation")
        self.add(f"{tensor.node}_shuffle", ops.ChannelShuffle(order), (tensor.node,), name)
        settled = self.tensor(name)
        self.values[name] = replace(settled, padding=tensor.padding)
        return settled.node


def attributes(node: NodeProto) -> dict[str, Any]:
    """Attribute name to Python value."""
    return {item.name: helper.get_attribute_value(item) for item in node.attribute}


def fold_constant(node: NodeProto, builder: Builder) -> bool:
    """Evaluate a node that depends on constants and fixed shapes only. Returns whether it was one."""
    if node.op_type == "Shape" and isinstance(builder.values.get(node.input[0]), Tensor):
        limits = attributes(node)
        shape = np.array(builder.tensor(node.input[0]).index.shape, np.int64)
        builder.values[node.output[0]] = shape[limits.get("start", 0) : limits.get("end")]
        return True
    names = [name for name in node.input if name]
    if not all(isinstance(builder.values.get(name), np.ndarray) for name in names):
        return False
    if node.op_type in (
        "RandomNormal",
        "RandomUniform",
        "RandomNormalLike",
        "RandomUniformLike",
        "Multinomial",
    ):
        raise ValueError("random values cannot be part of a network")
    graph = helper.make_graph(
        [node], "constant", [_info(name) for name in names], [_info(name) for name in node.output if name]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)])
    results = ReferenceEvaluator(model).run(None, {name: builder.values[name] for name in names})
    for name, value in zip((name for name in node.output if name), results, strict=True):
        builder.values[name] = np.asarray(value)
    return True


def _info(name: str) -> object:
    return helper.make_empty_tensor_value_info(name)


def _identity(shape: Shape) -> np.ndarray:
    return np.arange(int(np.prod(shape)), dtype=np.int64).reshape(1, *shape)


def _permutation(index: np.ndarray, shape: Shape) -> np.ndarray | None:
    """The channel order that the view is, if it is one."""
    if index.shape != (1, *shape):
        return None
    pixels = shape[1] * shape[2]
    order = index[0, :, 0, 0] // pixels
    expected = order[:, None] * pixels + np.arange(pixels)
    return order if np.array_equal(index.reshape(shape[0], pixels), expected) else None
