"""Evaluation of nodes that depend on constants and fixed shapes only, with a bound on its work."""

import math
from collections.abc import Callable

import numpy as np
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

from hwshift.importers.onnx_call import Call
from hwshift.importers.onnx_operators import OPERATORS
from hwshift.importers.onnx_read import array, one_line
from hwshift.importers.views import View

__all__ = ["FOLDED", "MAX_FOLDED", "fold"]

MAX_FOLDED = 1 << 26
"""Elements that the constants computed from one model may have altogether, beside twice those it holds."""


def _shape(values: np.ndarray) -> list[int]:
    sizes = [int(size) for size in values.reshape(-1)]
    if min(sizes, default=0) < 0:
        raise ValueError(f"sizes must not be negative, not {sizes}")
    return sizes


def _all_inputs(inputs: list[np.ndarray]) -> int:
    return sum(values.size for values in inputs) + 64


def _broadcast(inputs: list[np.ndarray]) -> int:
    return math.prod(np.broadcast_shapes(*(values.shape for values in inputs)))


def _expand(inputs: list[np.ndarray]) -> int:
    sizes = _shape(inputs[1])
    if len(sizes) > 16:
        raise ValueError("it has more than 16 dimensions")
    return math.prod(np.broadcast_shapes(inputs[0].shape, tuple(min(size, 1 << 40) for size in sizes)))


def _reshape(inputs: list[np.ndarray]) -> int:
    if inputs[1].ndim != 1 or (inputs[1] < -1).any():
        raise ValueError(f"a shape of sizes of at least -1 is needed, not {inputs[1].tolist()}")
    return inputs[0].size


def _gather(inputs: list[np.ndarray]) -> int:
    return inputs[0].size * max(1, inputs[1].size)


def _range(inputs: list[np.ndarray]) -> int:
    start, limit, delta = (float(values.reshape(-1)[0]) for values in inputs)
    if not np.isfinite([start, limit, delta]).all() or delta == 0:
        raise ValueError("start, limit and delta must be finite, and delta not 0")
    return max(0, math.ceil((limit - start) / delta))


def _tile(inputs: list[np.ndarray]) -> int:
    return inputs[0].size * math.prod(_shape(inputs[1]))


def _pad(inputs: list[np.ndarray]) -> int:
    pads = [max(0, int(value)) for value in inputs[1].reshape(-1)]
    if len(pads) != 2 * inputs[0].ndim:
        raise ValueError(f"pads must be {2 * inputs[0].ndim} values, not {len(pads)}")
    count = inputs[0].ndim
    return math.prod(size + pads[axis] + pads[axis + count] for axis, size in enumerate(inputs[0].shape))


FOLDED: dict[str, Callable[[list[np.ndarray]], int]] = {
    **dict.fromkeys(
        (
            "Abs", "Cast", "Ceil", "Concat", "Exp", "Flatten", "Floor", "Identity", "Neg", "Not", "Reciprocal",
            "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum", "ReduceSumSquare", "ReduceL2",
            "Round", "Shape", "Sign", "Size", "Slice", "Split", "Sqrt", "Squeeze", "Transpose",
            "Unsqueeze", "CastLike", "ScatterElements", "ScatterND",
        ),
        _all_inputs,
    ),
    **dict.fromkeys(
        (
            "Add", "And", "Clip", "Div", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Max", "Min",
            "Mod", "Mul", "Or", "Pow", "Sub", "Sum", "Where", "Xor",
        ),
        _broadcast,
    ),
    "ConstantOfShape": lambda inputs: math.prod(_shape(inputs[0])),
    "Expand": _expand,
    "Gather": _gather,
    "Pad": _pad,
    "Reshape": _reshape,
    "Range": _range,
    "Tile": _tile,
}  # fmt: skip
"""Operator type to a bound of the elements of its result; others are not evaluated."""


def fold(call: Call, budget: list[int]) -> bool:
    """Evaluate a node if it depends on constants and fixed shapes only.

    Parameters
    ----------
    call : Call
    budget : list of one int
        Elements that may still be computed.

    Returns
    -------
    bool
        Whether it was such a node.

    Raises
    ------
    ValueError
        When it cannot be evaluated, or is too large.
    """
    values = call.builder.values
    if call.op == "Constant":
        values[call.node.output[0]] = _constant(call)
        return True
    if call.op in ("Shape", "Size") and isinstance(values.get(call.input()), View):
        values[call.node.output[0]] = _shape_of(call)
        return True
    names = [name for name in call.node.input if name]
    inputs = [values.get(name) for name in names]
    if any(not isinstance(value, np.ndarray) for value in inputs):
        return False
    if not names and call.op != "ConstantOfShape":
        return False
    arrays = [value for value in inputs if isinstance(value, np.ndarray)]
    if call.op not in FOLDED and call.op not in OPERATORS:
        return False
    if call.op not in FOLDED:
        raise ValueError("it is supported for maps only, not for constants")
    try:
        size = FOLDED[call.op](arrays)
    except (IndexError, OverflowError):
        raise ValueError("its inputs do not fit") from None
    if size > budget[0]:
        raise ValueError(f"a constant of {size} elements is too large: {budget[0]} more are allowed")
    results = _evaluate(call, names, arrays)
    for name, value in zip(call.node.output, results, strict=False):
        if name:
            result = np.asarray(value)
            if result.dtype.kind not in "fiub":
                raise ValueError(f"constants must be numbers, not {result.dtype}")
            budget[0] -= result.size
            values[name] = result
    return True


def _evaluate(call: Call, names: list[str], arrays: list[np.ndarray]) -> list:
    outputs = [name for name in call.node.output if name]
    info = [helper.make_empty_tensor_value_info(name) for name in dict.fromkeys(names)]
    graph = helper.make_graph(
        [call.node], "constant", info, [helper.make_empty_tensor_value_info(name) for name in outputs]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", call.opset)])
    try:
        with np.errstate(all="ignore"):
            results = ReferenceEvaluator(model).run(outputs, dict(zip(names, arrays, strict=True)))
    except Exception as error:  # whatever the reference implementation of an operator meets
        raise ValueError(f"it cannot be evaluated: {one_line(str(error)) or type(error).__name__}") from None
    named = dict(zip(outputs, results, strict=True))
    return [named.get(name) for name in call.node.output]


def _constant(call: Call) -> np.ndarray:
    tensor = call.tensor("value")
    if isinstance(tensor, TensorProto):
        return array(tensor, None)
    for name, read in (("value_int", call.integer), ("value_float", call.number)):
        if call.has(name):
            return np.array(read(name, 0), np.int64 if name == "value_int" else np.float32)
    if call.has("value_ints"):
        return np.array(call.integers("value_ints"), np.int64)
    if call.has("value_floats"):
        return np.array(call.numbers("value_floats"), np.float32)
    raise ValueError("its value must be a tensor or numbers")


def _shape_of(call: Call) -> np.ndarray:
    shape = call.view().shape
    if call.builder.batch > 1 and shape:
        shape = (call.builder.batch, *shape[1:])
    if call.op == "Size":
        return np.array(math.prod(shape), np.int64)
    start = call.integer("start", 0)
    end = call.integer("end", len(shape)) if call.has("end") else None
    return np.array(shape, np.int64)[start:end]
