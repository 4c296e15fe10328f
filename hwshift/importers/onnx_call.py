"""One node of an ONNX graph, as the functions that translate it see it."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from onnx import AttributeProto, NodeProto

from hwshift.importers.builder import Builder
from hwshift.importers.onnx_read import one_line
from hwshift.importers.settle import define
from hwshift.importers.views import View

__all__ = ["Call", "Handler"]

_FIELDS = {
    AttributeProto.INT: "i",
    AttributeProto.FLOAT: "f",
    AttributeProto.STRING: "s",
    AttributeProto.INTS: "ints",
    AttributeProto.FLOATS: "floats",
    AttributeProto.TENSOR: "t",
}


@dataclass(frozen=True, eq=False)
class Call:
    """A node with typed access to its attributes and inputs; every access raises ValueError with one line.

    Parameters
    ----------
    node : NodeProto
    builder : Builder
    opset : int
    """

    node: NodeProto
    builder: Builder
    opset: int

    @property
    def op(self) -> str:
        """The operator's type."""
        return self.node.op_type

    @property
    def name(self) -> str:
        """The node's name, or that of its first output, as one line."""
        return one_line(self.node.name or (self.node.output[0] if self.node.output else self.op), 200)

    def _attribute(self, name: str, kind: int) -> object:
        for item in self.node.attribute:
            if item.name == name:
                if item.type != kind:
                    raise ValueError(f"the attribute {name!r} has the wrong type")
                return getattr(item, _FIELDS[item.type])
        return None

    def has(self, name: str) -> bool:
        """Whether the attribute is given."""
        return any(item.name == name for item in self.node.attribute)

    def integer(self, name: str, default: int) -> int:
        """An integer attribute."""
        value = self._attribute(name, AttributeProto.INT)
        return default if value is None else int(value)  # type: ignore[call-overload]

    def number(self, name: str, default: float) -> float:
        """A float attribute."""
        value = self._attribute(name, AttributeProto.FLOAT)
        return default if value is None else float(value)  # type: ignore[arg-type]

    def text(self, name: str, default: str) -> str:
        """A string attribute."""
        value = self._attribute(name, AttributeProto.STRING)
        return default if value is None else value.decode("utf-8", "replace")  # type: ignore[attr-defined]

    def integers(self, name: str) -> list[int] | None:
        """A list of integers; None where it is not given."""
        value = self._attribute(name, AttributeProto.INTS)
        return None if value is None else [int(item) for item in value]  # type: ignore[attr-defined]

    def numbers(self, name: str) -> list[float]:
        """A list of floats."""
        values = self._attribute(name, AttributeProto.FLOATS)
        return [float(item) for item in values or ()]  # type: ignore[attr-defined]

    def tensor(self, name: str) -> object:
        """A tensor attribute; None where it is not given."""
        return self._attribute(name, AttributeProto.TENSOR)

    def optional(self, index: int) -> str | None:
        """Name of an input, None where it is left out."""
        inputs = self.node.input
        return inputs[index] if index < len(inputs) and inputs[index] else None

    def input(self, index: int = 0) -> str:
        """Name of an input that must be there."""
        name = self.optional(index)
        if name is None:
            raise ValueError(f"its input {index + 1} is missing")
        return name

    def view(self, index: int = 0) -> View:
        """An input that depends on the network's input."""
        return self.builder.view(self.input(index))

    def constant(self, index: int) -> np.ndarray:
        """An input that is a constant."""
        return self.builder.constant(self.input(index))

    def values(self, index: int) -> list[int] | None:
        """An optional input that is a list of constant integers."""
        name = self.optional(index)
        if name is None:
            return None
        array = self.builder.constant(name)
        if array.dtype.kind not in "iu" or array.ndim > 1:
            raise ValueError(f"its input {name!r} must be a list of integers")
        return [int(value) for value in array.reshape(-1)]

    def axes(self, index: int, attribute: str = "axes") -> list[int] | None:
        """Axes from an input or, as older operator sets have it, an attribute."""
        return self.integers(attribute) if self.has(attribute) else self.values(index)

    def give(self, view: View, output: int = 0) -> None:
        """Let an output stand for a view that has just been computed."""
        define(self.builder, self.node.output[output], replace(view, origin=self.name))

    def give_node(self, node: str, rank: int = 4) -> None:
        """Let the output stand for a node's output as a map (4), without columns (3) or as a vector (2)."""
        self.builder.values[self.node.output[0]] = replace(self.builder.whole(node, rank), origin=self.name)


Handler = Callable[[Call], None]
