"""ONNX models: the walk over the graph."""

from pathlib import Path

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto

from hwshift.importers.bias import FoldOffset
from hwshift.importers.builder import Builder
from hwshift.importers.onnx_call import Call
from hwshift.importers.onnx_fold import MAX_FOLDED, fold
from hwshift.importers.onnx_operators import OPERATORS, REASONS
from hwshift.importers.onnx_read import array, checked, one_line, opset, read, refusal
from hwshift.importers.settle import as_map
from hwshift.importers.views import View
from hwshift.network import ops
from hwshift.network.graph import Network
from hwshift.network.passes import RecognizeShift, RemoveDead, run_passes

__all__ = ["from_onnx"]

_FLOATS = (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16)
_AWAY = 32  # pixels that a channel of zeros may be shifted to become one
_SCORES = ("LogSoftmax", "Softmax")


def from_onnx(source: str | Path | ModelProto) -> Network:
    """Read an ONNX model with one image input (batch, channels, height, width) and one output.

    The network is the model for one image at a time. Nodes are named as in the file. Constants are folded,
    elements that are only moved become channel slices, shuffles and spatial shifts, depthwise convolutions
    with a single 1.0 per kernel too. BatchNorm stays: `hwshift.network.passes.FoldBatchNorm` folds it.

    Parameters
    ----------
    source : path or ModelProto
        Data outside a model is read from the folder of its file only.

    Returns
    -------
    Network
        Verified. ``meta["notes"]``, where there is one, lists what was left out: a final Softmax, and nodes the
        output does not depend on.

    Raises
    ------
    NetworkError
        For a file that is no valid model, or a node that cannot be expressed, naming node, operator and reason.
    """
    if isinstance(source, ModelProto):
        return _network(source, str(source.graph.name or "network"), None)
    path = Path(source)
    return _network(read(path), path.stem, path.parent, where=str(path))


def _network(model: ModelProto, name: str, folder: Path | None, where: str | None = None) -> Network:
    checked(model, where or name)
    version, builder = opset(model, name), Builder()
    total = _add_constants(model, builder, folder)
    _add_input(model, builder, name)
    if len(model.graph.output) != 1:
        raise refusal(f"it has {len(model.graph.output)} outputs, one is read", name)
    with np.errstate(all="ignore"):
        _walk(model, builder, version, MAX_FOLDED + 2 * total)
        output = _output(model, builder)
        meta: dict = {
            "source": f"ONNX, operator set {version}",
            "producer": f"{model.producer_name} {model.producer_version}".strip(),
        }
        if builder.notes:
            meta["notes"] = builder.notes
        network = Network(name, tuple(builder.nodes), output, meta)
        return run_passes(network.verify(), [RemoveDead(), FoldOffset(), RecognizeShift(away=_AWAY)])


def _add_constants(model: ModelProto, builder: Builder, folder: Path | None) -> int:
    """Returns how many elements they have."""
    total = 0
    for tensor in model.graph.initializer:
        if tensor.name in builder.values:
            raise refusal("two constants have this name", tensor.name)
        try:
            builder.values[tensor.name] = values = array(tensor, folder)
        except ValueError as error:
            raise refusal(str(error), tensor.name) from None
        total += values.size
    return total


def _add_input(model: ModelProto, builder: Builder, name: str) -> None:
    inputs = [value for value in model.graph.input if value.name not in builder.values]
    if len(inputs) != 1:
        raise refusal(f"it has {len(inputs)} inputs, one image is read", name)
    value = inputs[0]
    kind = value.type.tensor_type
    dims = kind.shape.dim
    sizes = [dim.dim_value if dim.HasField("dim_value") else None for dim in dims]
    if not 2 <= len(sizes) <= 4 or any(size is None or size < 1 for size in sizes[1:]):
        told = ", ".join(
            str(dim.dim_param or (dim.dim_value if dim.HasField("dim_value") else "?")) for dim in dims
        )
        raise refusal(
            f"its input must have the shape (batch, channels, height, width) with fixed sizes, not ({told})",
            value.name,
        )
    if sizes[0] is not None and sizes[0] < 1:
        raise refusal(f"its batch size must be at least 1, not {sizes[0]}", value.name)
    if kind.elem_type not in _FLOATS:
        raise refusal("its input must be floating point", value.name)
    builder.batch = sizes[0] or 0
    channels, height, width = (*(size or 1 for size in sizes[1:]), 1, 1)[:3]
    try:
        node = builder.add(value.name, ops.Input(channels, height, width))
    except ValueError as error:
        raise refusal(str(error), value.name) from None
    builder.values[value.name] = builder.whole(node, len(sizes))


def _walk(model: ModelProto, builder: Builder, version: int, budget: int) -> None:
    """Translate every node the output depends on, and forget values after their last use."""
    nodes, output = list(model.graph.node), model.graph.output[0].name
    needed, last_use = _needed(nodes, output)
    left = [_label(node) for node, wanted in zip(nodes, needed, strict=True) if not wanted]
    if left:
        told = ", ".join(left[:5]) + (f" and {len(left) - 5} more" if len(left) > 5 else "")
        builder.notes.append(f"left out, as the output does not depend on them: {told}")
    remaining = [budget]
    for position, (node, wanted) in enumerate(zip(nodes, needed, strict=True)):
        if wanted:
            _add_node(Call(node, builder, version), remaining, output)
        for name in last_use.get(position, ()):
            if name != output:
                builder.values.pop(name, None)


def _label(node: NodeProto) -> str:
    name = node.name or (node.output[0] if node.output else "?")
    return f"{one_line(name, 200)} ({one_line(node.op_type, 50)})"


def _needed(nodes: list[NodeProto], output: str) -> tuple[list[bool], dict[int, list[str]]]:
    """For each node whether the output depends on it; and which names each position is the last to read."""
    alive, needed = {output}, [False] * len(nodes)
    last_use: dict[int, list[str]] = {}
    seen: set[str] = set()
    for position in reversed(range(len(nodes))):
        node = nodes[position]
        needed[position] = not alive.isdisjoint(node.output)
        if needed[position]:
            alive.update(name for name in node.input if name)
            fresh = [name for name in dict.fromkeys(node.input) if name and name not in seen]
            seen.update(fresh)
            last_use[position] = fresh
    return needed, last_use


def _add_node(call: Call, budget: list[int], output: str) -> None:
    try:
        if call.node.domain not in ("", "ai.onnx"):
            raise ValueError(f"the operator domain {call.node.domain!r} is not known")
        if call.op in _SCORES and call.node.output[0] == output:
            _leave_out(call)
        elif not fold(call, budget):
            _translate(call)
    except ValueError as error:
        raise refusal(f"{call.op}: {error}", call.name) from None


def _translate(call: Call) -> None:
    if call.op not in OPERATORS:
        reason = REASONS.get(call.op, f"supported: {', '.join(sorted(OPERATORS))}")
        raise ValueError(f"the operator is not supported; {reason}")
    OPERATORS[call.op](call)


def _leave_out(call: Call) -> None:
    """A Softmax at the end: it changes neither the order of the classes nor anything before it."""
    view = call.view()
    axis = call.integer("axis", -1 if call.opset >= 13 else 1)
    if not -len(view.shape) <= axis < len(view.shape) or axis % len(view.shape) != 1:
        raise ValueError(f"it is left out at the end where it is over the channels (axis 1), not axis {axis}")
    call.builder.values[call.node.output[0]] = view
    call.builder.notes.append(
        f"left out: the final {call.op} {call.name!r}; the results are what it would be applied to"
    )


def _output(model: ModelProto, builder: Builder) -> str:
    name = model.graph.output[0].name
    view = builder.values.get(name)
    if not isinstance(view, View):
        raise refusal("the output does not depend on the input", name)
    if view.index is None:
        return view.sources[0]
    try:
        return as_map(builder, name)
    except ValueError as error:
        raise refusal(str(error).replace("its input", "the output"), name) from None
