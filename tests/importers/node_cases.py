"""The ONNX project's own tests of single operators, as models with one input.

``python tests/importers/node_cases.py`` writes the table of what is read and what is refused.
"""

import json
import warnings
from functools import cache
from pathlib import Path

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper

from hwshift.errors import NetworkError
from hwshift.importers import from_onnx
from hwshift.importers.onnx_operators import OPERATORS
from hwshift.network.float_model import evaluate_float

TABLE = Path(__file__).parent / "node_cases.json"
READ = "read"


@cache
def cases():
    """Name to (model, its inputs, its outputs, relative tolerance) of every test case."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from onnx.backend.test.case.node import collect_testcases

        found = collect_testcases(None)
    return {case.name: (case.model, *map(_arrays, case.data_sets[0]), case.rtol) for case in found}


def _arrays(values):
    """Numbers as arrays; sequences and the like as None."""
    values = [numpy_helper.to_array(value) if isinstance(value, TensorProto) else value for value in values]
    return [np.asarray(value) if isinstance(value, np.ndarray | np.generic) else None for value in values]


def claimed():
    """Names of the cases of an operator that is supported, where it is the only one."""
    return [
        name
        for name, (model, *_) in cases().items()
        if len(model.graph.node) == 1
        and model.graph.node[0].op_type in OPERATORS
        and not name.startswith("test_castlike")
    ]


def variants(name):
    """The case as models with one input and one output: (what is special, model, x, y, tolerance).

    Inputs after the first become constants; where they could all be maps, another variant takes them from the
    channels of one input. A case with several outputs is one model for each.
    """
    original, inputs, outputs, tolerance = cases()[name]
    for number, expected in enumerate(outputs):
        if not inputs or inputs[0] is None or expected is None:
            continue
        for label, change in (("constants", _with_constants), ("maps", _with_maps)):
            model = ModelProto()
            model.CopyFrom(original)
            x = change(model, inputs)
            if x is not None:
                kept = model.graph.output[number]
                del model.graph.output[:]
                model.graph.output.append(kept)
                yield f"{label}, output {number}", model, x, expected, tolerance


def _with_constants(model, inputs):
    for value, array in list(zip(model.graph.input, inputs, strict=False))[1:]:
        if array is not None:
            model.graph.initializer.append(numpy_helper.from_array(array, value.name))
    return inputs[0]


def _with_maps(model, inputs):
    """None where the inputs cannot be parts of one map."""
    rest = {(array.shape[:1], array.shape[2:], array.dtype.name) for array in inputs if array is not None}
    if (
        len(inputs) < 2
        or len(rest) != 1
        or any(array is None for array in inputs)
        or inputs[0].ndim < 2
        or inputs[0].dtype != np.float32
    ):
        return None
    names = [value.name for value in model.graph.input]
    sizes = np.array([array.shape[1] for array in inputs], np.int64)
    x = np.concatenate(inputs, axis=1)
    del model.graph.input[:]
    model.graph.input.append(helper.make_tensor_value_info("joined", TensorProto.FLOAT, x.shape))
    model.graph.initializer.append(numpy_helper.from_array(sizes, "sizes"))
    model.graph.node.insert(0, helper.make_node("Split", ["joined", "sizes"], names, name="parts", axis=1))
    return x


def outcome(model, x, expected, tolerance):
    """READ where the model is imported and gives what is expected; the reason where it is refused."""
    try:
        network = from_onnx(model)
    except NetworkError as error:
        assert "\n" not in str(error)
        return str(error)
    shape = network.nodes[0].op.shape(())
    actual = evaluate_float(network, x.reshape(len(x), *shape))
    assert actual.size == expected.size
    np.testing.assert_allclose(actual.reshape(expected.shape), expected, rtol=max(tolerance, 1e-5), atol=1e-6)
    return READ


def outcomes(name):
    """Of each variant: READ or the reason."""
    return {label: outcome(*rest) for label, *rest in variants(name)}


if __name__ == "__main__":
    TABLE.write_text(json.dumps({name: outcomes(name) for name in sorted(claimed())}, indent=1) + "\n")
