"""Reading ONNX files: everything is checked before memory is taken for it."""

import math
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnx import ModelProto, TensorProto, helper, numpy_helper

from hwshift.errors import NetworkError

__all__ = [
    "MAX_ELEMENTS",
    "MAX_NODES",
    "OLDEST_OPSET",
    "array",
    "checked",
    "one_line",
    "opset",
    "read",
    "refusal",
]

OLDEST_OPSET = 11
"""The oldest version of the standard operator set that is read."""

MAX_NODES = 20_000
"""Nodes of the largest graph."""

MAX_ELEMENTS = 1 << 29
"""Elements of the largest constant."""

_NUMBERS = {
    TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.BOOL,
    TensorProto.INT8, TensorProto.INT16, TensorProto.INT32, TensorProto.INT64,
    TensorProto.UINT8, TensorProto.UINT16, TensorProto.UINT32, TensorProto.UINT64,
}  # fmt: skip


def read(path: Path) -> ModelProto:
    """The model of a file, as it stands there. Raises NetworkError."""
    if not path.is_file():
        raise refusal("there is no such file", str(path))
    try:
        return ModelProto.FromString(path.read_bytes())
    except (DecodeError, ValueError, OSError) as error:
        raise refusal(f"not a valid ONNX model: {_line(error)}", str(path)) from None


def one_line(text: str, limit: int = 400) -> str:
    """Text from a file or another tool as one line that is not too long."""
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 3] + "..."


def refusal(message: str, where: str) -> NetworkError:
    """An error about what stands in a file, as one line."""
    return NetworkError(one_line(message), where=one_line(where))


def _line(error: Exception) -> str:
    return one_line(str(error)) or type(error).__name__


def checked(model: ModelProto, where: str) -> ModelProto:
    """The model after ONNX's own check of its structure: operators, attributes, names, order. Raises NetworkError."""
    if any(isinstance(text, bytes) for text in _texts(model)):
        raise refusal("not a valid ONNX model: a name in it is not UTF-8", where)
    version = opset(model, where)
    newest = onnx.defs.onnx_opset_version()
    if not OLDEST_OPSET <= version <= newest:
        raise refusal(f"its operator set is version {version}, {OLDEST_OPSET} to {newest} are read", where)
    if len(model.graph.node) > MAX_NODES:
        raise refusal(f"it has {len(model.graph.node)} nodes, {MAX_NODES} are allowed", where)
    if model.functions:
        raise refusal(
            f"it defines operators of its own ({model.functions[0].name!r}), which have to be inlined",
            where,
        )
    if model.graph.sparse_initializer:
        raise refusal("sparse constants are not supported", where)
    try:
        onnx.checker.check_model(_without_data(model))
    except (onnx.checker.ValidationError, ValueError) as error:
        raise refusal(f"not a valid ONNX model: {_line(error)}", where) from None
    return model


def _texts(model: ModelProto) -> Iterator[str | bytes]:
    """Every text that is used as one; protobuf gives what is not UTF-8 as bytes."""
    graph = model.graph
    yield from (graph.name, model.producer_name, model.producer_version)
    for node in graph.node:
        yield from (node.name, node.op_type, node.domain, *node.input, *node.output)
        yield from (item.name for item in node.attribute)
        for tensor in (item.t for item in node.attribute if item.HasField("t")):
            yield from (text for entry in tensor.external_data for text in (entry.key, entry.value))
    for tensor in graph.initializer:
        yield tensor.name
        yield from (text for entry in tensor.external_data for text in (entry.key, entry.value))
    for value in (*graph.input, *graph.output):
        yield from (value.name, *(dim.dim_param for dim in value.type.tensor_type.shape.dim))
    yield from (entry.domain for entry in model.opset_import)
    yield from (function.name for function in model.functions)


def opset(model: ModelProto, where: str) -> int:
    """Version of the standard operator set. Raises NetworkError where it is not named once."""
    versions = {entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")}
    if len(versions) != 1:
        raise refusal(
            f"not a valid ONNX model: it names {len(versions)} versions of the standard operator set",
            where,
        )
    return versions.pop()


def _without_data(model: ModelProto) -> ModelProto:
    """A copy whose constants are inputs: their data is checked by `array`, and may be large."""
    graph = model.graph
    copy = ModelProto(ir_version=model.ir_version, opset_import=model.opset_import)
    copy.graph.name = graph.name or "graph"
    copy.graph.node.extend(graph.node)
    copy.graph.input.extend(graph.input)
    for value in graph.output:  # their types are optional
        copy.graph.output.append(helper.make_tensor_value_info(value.name, TensorProto.FLOAT, []))
    named = {value.name for value in graph.input}
    for tensor in graph.initializer:
        if tensor.name not in named:
            copy.graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
    return copy


def array(tensor: TensorProto, folder: Path | None) -> np.ndarray:
    """The numbers of a tensor.

    Parameters
    ----------
    tensor : TensorProto
    folder : Path or None
        Of the model's file, the only place where data outside it is read; None: nowhere.

    Raises
    ------
    ValueError
        For sizes that do not fit the data, data that is not there, or something else than numbers.
    """
    dims = list(tensor.dims)
    if tensor.data_type not in _NUMBERS:
        names = dict((value, name) for name, value in TensorProto.DataType.items())
        raise ValueError(f"a constant must hold numbers, not {names.get(tensor.data_type, tensor.data_type)}")
    if min(dims, default=1) < 0 or len(dims) > 16:
        raise ValueError(f"a constant has the sizes {dims}")
    count = math.prod(dims)
    if count > MAX_ELEMENTS:
        raise ValueError(f"a constant has {count} elements, {MAX_ELEMENTS} are allowed")
    if tensor.data_location == TensorProto.EXTERNAL:
        data = _outside(tensor, folder, count)
        tensor = TensorProto(data_type=tensor.data_type, dims=dims, raw_data=data)
    elif not tensor.HasField("raw_data"):
        stored = len(getattr(tensor, helper.tensor_dtype_to_field(tensor.data_type)))
        if stored != count:
            raise ValueError(f"a constant of the sizes {dims} holds {stored} values")
    elif len(tensor.raw_data) != count * _item_size(tensor):
        raise ValueError(f"a constant of the sizes {dims} holds {len(tensor.raw_data)} bytes")
    try:
        values = np.asarray(numpy_helper.to_array(tensor))
    except (ValueError, TypeError, OverflowError) as error:
        raise ValueError(f"a constant cannot be read: {_line(error)}") from None
    return values.astype(np.float32) if tensor.data_type == TensorProto.BFLOAT16 else values


def _item_size(tensor: TensorProto) -> int:
    return helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize


def _outside(tensor: TensorProto, folder: Path | None, count: int) -> bytes:
    """Data that lies in another file of the model's folder."""
    entries = {entry.key: entry.value for entry in tensor.external_data}
    location = entries.get("location", "")
    if folder is None:
        raise ValueError(f"its data lies outside the model, in {location!r}, which is not read here")
    if not location or os.path.isabs(location) or "\0" in location:
        raise ValueError(f"its data must lie in a file beside the model, not {location!r}")
    root = folder.resolve()
    path = (root / location).resolve()
    if not path.is_relative_to(root):
        raise ValueError(f"its data must lie in the model's folder, not {location!r}")
    size = count * _item_size(tensor)
    try:
        offset, length = int(entries.get("offset", 0)), int(entries.get("length", size))
        if not path.is_file():
            raise ValueError(f"there is no file {location!r} beside the model")
        if offset < 0 or length != size or offset + size > path.stat().st_size:
            raise ValueError(f"{location!r} does not hold its {size} bytes at {offset}")
        with path.open("rb") as stream:
            stream.seek(offset)
            return stream.read(size)
    except OSError as error:
        raise ValueError(f"{location!r} cannot be read: {error.strerror}") from None
