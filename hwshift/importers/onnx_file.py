"""ONNX files: reading, checking, and the walk over the graph."""

from pathlib import Path

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnx import ModelProto, NodeProto, TensorProto, numpy_helper

from hwshift.errors import NetworkError
from hwshift.importers.onnx_operators import OPERATORS
from hwshift.importers.onnx_values import Builder, Tensor, fold_constant
from hwshift.network import ops
from hwshift.network.graph import Network
from hwshift.network.passes import RemoveDead, run_passes

__all__ = ["OLDEST_OPSET", "from_onnx"]

OLDEST_OPSET = 11
"""The oldest version of the standard operator set that is read."""


def from_onnx(source: str | Path | ModelProto) -> Network:
    """Read an ONNX model with one image input (batch, channels, height, width) and one output.

    Parameters
    ----------
    source : path or ModelProto

    Returns
    -------
    Network
        Verified; nodes are named as in the file. The batch size is ignored.

    Raises
    ------
    NetworkError
        For a file that is no valid model, or a node that cannot be expressed, naming node, operator and reason.
    """
    model = source if isinstance(source, ModelProto) else _read(Path(source))
    name = model.graph.name or "network"
    if not isinstance(source, ModelProto):
        name = Path(source).stem
    _check_opset(model, name)
    builder = Builder(name)
    for tensor in model.graph.initializer:
        builder.values[tensor.name] = numpy_helper.to_array(tensor)
    _add_input(model, builder, name)
    for node in model.graph.node:
        _add_node(node, builder)
    meta = {"source": "ONNX", "producer": f"{model.producer_name} {model.producer_version}".strip()}
    network = Network(name, tuple(builder.nodes), _output(model, builder, name), meta)
    return run_passes(network.verify(), [RemoveDead()])


def _read(path: Path) -> ModelProto:
    if not path.is_file():
        raise NetworkError("there is no such file", where=str(path))
    try:
        model = onnx.load(str(path))
        onnx.checker.check_model(model)
    except (DecodeError, onnx.checker.ValidationError, ValueError, OSError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise NetworkError(f"not a valid ONNX model: {reason}", where=str(path)) from None
    return model


def _check_opset(model: ModelProto, name: str) -> None:
    versions = {entry.domain: entry.version for entry in model.opset_import}
    version = versions.get("", versions.get("ai.onnx", 0))
    if version < OLDEST_OPSET:
        raise NetworkError(
            f"its operator set is version {version}, {OLDEST_OPSET} and later are read", where=name
        )


def _add_input(model: ModelProto, builder: Builder, name: str) -> None:
    constants = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in constants]
    if len(inputs) != 1:
        raise NetworkError(f"it has {len(inputs)} inputs, one image is read", where=name)
    kind = inputs[0].type.tensor_type
    shape = [dim.dim_value for dim in kind.shape.dim]
    if len(shape) != 4 or min(shape[1:]) < 1:
        sizes = ", ".join(str(dim.dim_param or dim.dim_value or "?") for dim in kind.shape.dim)
        raise NetworkError(
            f"its input must have the shape (batch, channels, height, width) with fixed sizes, not ({sizes})",
            where=inputs[0].name,
        )
    if kind.elem_type not in (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16):
        raise NetworkError("its input must be floating point", where=inputs[0].name)
    builder.add(inputs[0].name, ops.Input(*shape[1:]), (), inputs[0].name)


def _add_node(node: NodeProto, builder: Builder) -> None:
    label = node.name or (node.output[0] if node.output else node.op_type)
    try:
        if node.domain not in ("", "ai.onnx"):
            raise ValueError(f"the operator domain {node.domain!r} is not known")
        if fold_constant(node, builder):
            return
        if node.op_type not in OPERATORS:
            raise ValueError(f"the operator is not supported; supported: {', '.join(sorted(OPERATORS))}")
        OPERATORS[node.op_type](node, builder)
    except ValueError as error:
        raise NetworkError(f"{node.op_type}: {error}", where=label) from None


def _output(model: ModelProto, builder: Builder, name: str) -> str:
    if len(model.graph.output) != 1:
        raise NetworkError(f"it has {len(model.graph.output)} outputs, one is read", where=name)
    output = model.graph.output[0].name
    value = builder.values.get(output)
    if not isinstance(value, Tensor):
        raise NetworkError("the output does not depend on the input", where=output)
    try:
        return builder.settle(output, allow_vector=True)
    except ValueError as error:
        raise NetworkError(str(error), where=output) from None
