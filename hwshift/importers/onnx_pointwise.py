"""ONNX operators that act on each pixel by itself: normalisation, scales, sums, activations."""

from dataclasses import replace

import numpy as np

from hwshift.importers.channels import pick
from hwshift.importers.onnx_call import Call, Handler
from hwshift.importers.onnx_sums import floats
from hwshift.importers.settle import as_gate, as_map, as_vector
from hwshift.importers.views import ZERO, View
from hwshift.network import ops

__all__ = ["POINTWISE"]


def _read(call: Call, index: int = 0) -> str:
    """The node that holds an input as a map or, if it has two dimensions, as a vector."""
    name = call.input(index)
    return as_vector(call.builder, name) if len(call.view(index).shape) == 2 else as_map(call.builder, name)


def _unary(call: Call, op: ops.Op, keeps_zero: bool, index: int = 0) -> None:
    """An activation; reshapes, transposes and paddings before it may as well come after it."""
    view = call.view(index)
    movable = view.index is None or keeps_zero or not (view.index == ZERO).any()
    if len(view.sources) == 1 and movable:
        node = call.builder.add(call.name, op, view.sources[0])
        call.builder.values[call.node.output[0]] = replace(view, sources=(node,), origin=call.name)
        return
    call.give_node(call.builder.add(call.name, op, _read(call, index)), len(view.shape))


def relu(call: Call) -> None:
    """Relu."""
    _unary(call, ops.ReLU(), keeps_zero=True)


def sigmoid(call: Call) -> None:
    """Sigmoid."""
    _unary(call, ops.Sigmoid(), keeps_zero=False)


def clip(call: Call) -> None:
    """Clip: a ReLU where only the lower bound 0 is given."""
    _limit(call, _bound(call, 1, -np.inf), _bound(call, 2, np.inf))


def _bound(call: Call, index: int, default: float) -> float:
    name = call.optional(index)
    if name is None:
        return default
    values = call.builder.constant(name)
    if values.size != 1 or values.dtype.kind != "f":
        raise ValueError(
            f"its input {name!r} must be one floating-point number, not {values.dtype} of the shape {values.shape}"
        )
    value = float(values.reshape(-1)[0])
    largest = float(np.finfo(np.float32).max)  # how exporters write that there is no bound
    return np.copysign(np.inf, value) if abs(value) >= largest else value


def _limit(call: Call, low: float, high: float, index: int = 0) -> None:
    if (low, high) == (0.0, np.inf):
        _unary(call, ops.ReLU(), True, index)
    else:
        _unary(call, ops.Clamp(low, high), low <= 0 <= high, index)


def extreme(call: Call) -> None:
    """Max and Min of a map and one number."""
    if len(call.node.input) != 2:
        raise ValueError(f"it is supported for a map and one number, not for {len(call.node.input)} inputs")
    position = 0 if isinstance(call.builder.values.get(call.input(0)), np.ndarray) else 1
    bound = _bound(call, position, 0.0)
    low, high = (bound, np.inf) if call.op == "Max" else (-np.inf, bound)
    _limit(call, low, high, 1 - position)


def batch_norm(call: Call) -> None:
    """BatchNormalization at inference."""
    if call.integer("training_mode", 0):
        raise ValueError("training_mode is not supported: export the model for inference")
    gamma, beta, mean, var = (floats(call.constant(index)) for index in range(1, 5))
    op = ops.BatchNorm(gamma, beta, mean, var, call.number("epsilon", 1e-5))
    call.give_node(call.builder.add(call.name, op, _read(call)), len(call.view().shape))


def instance_norm(call: Call) -> None:
    """InstanceNormalization."""
    op = ops.InstanceNorm(floats(call.constant(1)), floats(call.constant(2)), call.number("epsilon", 1e-5))
    rank = len(call.view().shape)
    if rank < 3:
        raise ValueError("it is supported for maps only, not for vectors")
    call.give_node(call.builder.add(call.name, op, as_map(call.builder, call.input())), rank)


def add(call: Call) -> None:
    """Add, Sum and Sub, of maps of one shape and constants per channel."""
    maps = [i for i in range(len(call.node.input)) if isinstance(_value(call, i), View)]
    if call.op == "Sub" and maps == [0, 1]:
        _need_one_shape(call, maps)
        negative = _affine(call, _read(call, 1), np.array([-1.0]), np.array([0.0]), f"{call.name}_negative")
        total = call.builder.add(call.name, ops.Add(), _read(call), negative)
        call.give_node(total, len(call.view().shape))
        return
    _need_one_shape(call, maps)
    total = _read(call, maps[0])
    rank = len(call.view(maps[0]).shape)
    for index in maps[1:]:
        total = call.builder.add(call.name, ops.Add(), total, _read(call, index))
    scale = np.array([-1.0 if call.op == "Sub" and maps == [1] else 1.0])
    for index in range(len(call.node.input)):
        if index not in maps:
            values = _per_channel(call, index, maps[0], total)
            sign = -1.0 if call.op == "Sub" and index == 1 else 1.0
            total = _affine(call, total, scale, values * sign, call.name)
    call.give_node(total, rank)


def _value(call: Call, index: int) -> View | np.ndarray | None:
    return call.builder.values.get(call.input(index))


def _need_one_shape(call: Call, maps: list[int]) -> None:
    shapes = [call.view(index).shape for index in maps]
    if len(set(shapes)) > 1:
        raise ValueError(f"its inputs need the same shape, not {' and '.join(map(str, shapes))}")


def multiply(call: Call) -> None:
    """Mul and Div: of a map and a constant per channel; Mul of a map and a gate too."""
    constants = [index for index in range(2) if isinstance(_value(call, index), np.ndarray)]
    if not constants:
        _scale_by_gate(call)
        return
    source = 1 - constants[0]
    node = _read(call, source)
    values = _per_channel(call, constants[0], source, node)
    if call.op == "Div":
        if constants == [0] or not values.all():
            raise ValueError("it is supported by a constant that is not 0 only")
        values = 1 / values
    rank = len(call.view(source).shape)
    call.give_node(_affine(call, node, values, np.array([0.0]), call.name), rank)


def _scale_by_gate(call: Call) -> None:
    if call.op != "Mul":
        raise ValueError("it is supported by a constant only")
    gates = [as_gate(call.builder, call.input(index)) for index in range(2)]
    chosen = next((index for index in (1, 0) if gates[index] is not None), None)
    shapes = [call.view(index).shape for index in range(2)]
    if chosen is None or not _fits(shapes[chosen], shapes[1 - chosen]):
        raise ValueError(
            f"the product of two maps is supported where one has a single pixel per channel, "
            f"not of {shapes[0]} and {shapes[1]}"
        )
    pool, order = gates[chosen]  # type: ignore[misc]
    gate = pick(call.builder, pool, order, f"{call.name}_gate")
    source = _read(call, 1 - chosen)
    node = call.builder.add(call.name, ops.ChannelScale(), source, gate)
    call.give_node(node, len(shapes[0]))


def _fits(gate: tuple[int, ...], target: tuple[int, ...]) -> bool:
    """Whether a gate's shape can be broadcast to a map's."""
    pairs = list(zip(gate, target, strict=False))
    return len(gate) == len(target) and all(one in (1, other) for one, other in pairs)


def negate(call: Call) -> None:
    """Neg."""
    rank = len(call.view().shape)
    call.give_node(_affine(call, _read(call), np.array([-1.0]), np.array([0.0]), call.name), rank)


def _affine(call: Call, node: str, scale: np.ndarray, offset: np.ndarray, name: str) -> str:
    """``scale * x + offset`` per channel, as a BatchNorm."""
    channels = call.builder.shapes[node][0]
    gain, bias = (np.broadcast_to(values, (channels,)).astype(np.float64) for values in (scale, offset))
    zeros = np.zeros(channels)
    return call.builder.add(name, ops.BatchNorm(gain, bias, zeros, zeros + 1, 0.0), node)


def _per_channel(call: Call, index: int, source: int, node: str) -> np.ndarray:
    """A broadcast constant as one value per channel of a node."""
    values, shape = call.constant(index), call.view(source).shape
    rank, channels = len(shape), call.builder.shapes[node][0]
    if values.dtype.kind != "f":
        raise ValueError(f"its input {call.input(index)!r} must be floating point, not {values.dtype}")
    sizes = (*(1,) * (rank - values.ndim), *values.shape)
    alike = all(size == 1 for axis, size in enumerate(sizes) if axis != 1)
    if len(sizes) > rank or rank < 2 or not alike or sizes[1] not in (1, channels):
        raise ValueError(
            f"the constant must be one value or one per channel, not of the shape {values.shape}"
        )
    return np.broadcast_to(values.reshape(-1).astype(np.float64), (channels,)).copy()


POINTWISE: dict[str, Handler] = {
    **dict.fromkeys(("Add", "Sub", "Sum"), add),
    **dict.fromkeys(("Div", "Mul"), multiply),
    **dict.fromkeys(("Max", "Min"), extreme),
    "BatchNormalization": batch_norm,
    "Clip": clip,
    "InstanceNormalization": instance_norm,
    "Neg": negate,
    "Relu": relu,
    "Sigmoid": sigmoid,
}
"""Operator type to the function that adds it."""
