"""A float network as an ONNX model, for other runtimes and for a second opinion."""

import os
from pathlib import Path
from typing import Literal, get_args

from onnx import ModelProto, TensorProto, helper

from hwshift.errors import NetworkError
from hwshift.exporters.onnx_operators import WRITERS
from hwshift.exporters.onnx_writer import Writer
from hwshift.network.graph import Network
from hwshift.writing import refusals_as, replace_file

__all__ = ["OPSET", "ShiftForm", "save_onnx", "to_onnx"]

OPSET = 17
"""Version of the standard operator set that is written."""

_IR_VERSION = 8  # the oldest file version that knows the operator set

ShiftForm = Literal["depthwise", "slices"]


def to_onnx(network: Network, *, shift: ShiftForm = "depthwise", batch: int | None = None) -> ModelProto:
    """Write a float network as an ONNX model in float32.

    Nodes and the values they give keep their names; what an operator needs beside has the name of its node
    and a suffix. A network that ends in a `Linear` or `Flatten` gives (batch, values), any other
    (batch, channels, height, width).

    Parameters
    ----------
    network : Network
    shift : "depthwise" or "slices"
        How a spatial shift is written: as a depthwise convolution with a single 1.0 per kernel, or as zero
        padding, a slice per group of channels that move alike, and a concatenation.
    batch : int or None
        Images per run; None leaves it open.

    Returns
    -------
    ModelProto
        Of operator set 17.

    Raises
    ------
    NetworkError
        For a malformed network, an operator that cannot be written, or weights beyond float32.
    ValueError
        For another `shift` or a batch below 1.
    """
    if shift not in get_args(ShiftForm):
        raise ValueError(f"shift must be one of {', '.join(get_args(ShiftForm))}, not {shift!r}")
    if batch is not None and batch < 1:
        raise ValueError(f"batch must be at least 1 or None, not {batch!r}")
    writer = Writer(network, network.verify().shapes(), shift)
    for node in network.nodes[1:]:
        write = WRITERS.get(type(node.op))
        if write is None:
            raise NetworkError(f"{type(node.op).__name__} cannot be written as ONNX", where=node.name)
        write(node, writer)
    first, size = network.nodes[0].name, batch or "batch"
    graph = helper.make_graph(
        writer.nodes,
        network.name,
        [helper.make_tensor_value_info(first, TensorProto.FLOAT, [size, *writer.shapes[first]])],
        [helper.make_tensor_value_info(network.output, TensorProto.FLOAT, [size, *_output(network, writer)])],
        writer.constants,
    )
    return helper.make_model(
        graph,
        producer_name="hwshift",
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=_IR_VERSION,
    )


def save_onnx(
    network: Network, path: str | os.PathLike, *, shift: ShiftForm = "depthwise", batch: int | None = None
) -> None:
    """Write a float network as an ONNX file (.onnx), see `to_onnx`; an existing one is replaced at once or not at all.

    Raises
    ------
    NetworkError
        As `to_onnx`, for another suffix, and when the file cannot be written or would be larger than 2 GiB.
    """
    if Path(path).suffix != ".onnx":
        raise NetworkError("an ONNX file must end in .onnx", where=os.fspath(path))
    model = to_onnx(network, shift=shift, batch=batch)
    if model.ByteSize() >= 1 << 31:
        raise NetworkError("an ONNX file holds less than 2 GiB", where=network.name)
    with refusals_as(NetworkError, path):
        replace_file(path, model.SerializeToString(deterministic=True))


def _output(network: Network, writer: Writer) -> tuple[int, ...]:
    shape = writer.shapes[network.output]
    return shape[:1] if network.output in writer.vectors else shape
