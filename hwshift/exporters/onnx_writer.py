"""The ONNX graph while it is written."""

import numpy as np
from onnx import NodeProto, TensorProto, helper, numpy_helper

from hwshift.errors import NetworkError
from hwshift.network.checks import Shape
from hwshift.network.graph import Network

__all__ = ["Writer"]


class Writer:
    """Collects nodes and constants, and knows which values are vectors (batch, values).

    Members
    -------
    nodes, constants : lists
        As far as written.
    shapes : dict of str to (channels, height, width)
    vectors : set of str
        Names of values without rows and columns.
    shift : str
        As in `to_onnx`.
    """

    def __init__(self, network: Network, shapes: dict[str, Shape], shift: str) -> None:
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []
        self.shapes = shapes
        self.vectors: set[str] = set()
        self.shift = shift
        self._taken = {node.name for node in network.nodes}
        self._forms: dict[str, str] = {}  # a value in its other form: a vector as a map, a map as a vector

    def name(self, text: str) -> str:
        """A name like `text` that nothing has yet."""
        unique, count = text, 1
        while unique in self._taken:
            count += 1
            unique = f"{text}_{count}"
        self._taken.add(unique)
        return unique

    def node(self, kind: str, inputs: list[str], output: str, **attributes: object) -> str:
        """Append a node of the same name as its output; returns that name."""
        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def floats(self, owner: str, role: str, values: np.ndarray | float) -> str:
        """A float32 constant; returns its name. Raises NetworkError where float32 does not hold a value."""
        with np.errstate(over="ignore"):
            single = np.asarray(values, np.float32)
        if not np.isfinite(single).all():
            raise NetworkError(f"{role}: a value is beyond float32", where=owner)
        return self._constant(f"{owner}/{role}", single)

    def ints(self, owner: str, role: str, values: list[int] | np.ndarray) -> str:
        """An int64 constant; returns its name."""
        return self._constant(f"{owner}/{role}", np.asarray(values, np.int64))

    def _constant(self, text: str, values: np.ndarray) -> str:
        name = self.name(text)
        self.constants.append(numpy_helper.from_array(values, name))
        return name

    def as_map(self, value: str) -> str:
        """The value with rows and columns."""
        if value not in self.vectors:
            return value
        if value not in self._forms:
            shape = self.ints(value, "map_shape", [0, *self.shapes[value]])
            self._forms[value] = self.node("Reshape", [value, shape], self.name(f"{value}/map"))
        return self._forms[value]

    def as_vector(self, value: str) -> str:
        """The value without rows and columns, in the order channel, row, column."""
        if value in self.vectors:
            return value
        if value not in self._forms:
            self._forms[value] = self.node("Flatten", [value], self.name(f"{value}/vector"), axis=1)
        return self._forms[value]

    def alike(self, inputs: tuple[str, ...], output: str) -> list[str]:
        """The inputs all as vectors, if all are, or all as maps; the output is then the same."""
        if all(value in self.vectors for value in inputs):
            self.vectors.add(output)
            return list(inputs)
        return [self.as_map(value) for value in inputs]
