"""Files that are damaged, too large or try to read elsewhere: one clear error each, at once."""

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from hwshift.errors import NetworkError
from hwshift.importers import from_onnx
from hwshift.importers.onnx_read import MAX_NODES

from ..seeds import seed_of
from .graphs import Graph

FUZZ = Path(__file__).parent / "fuzz.py"


def small():
    graph = Graph()
    graph.add("Conv", "x", graph.const(np.ones((2, 4, 1, 1), np.float32)), name="stem")
    return graph.model()


def refused(model, message):
    started = time.process_time()
    with pytest.raises(NetworkError, match=message) as caught:
        from_onnx(model)
    assert "\n" not in str(caught.value)
    assert time.process_time() - started < 3


def in_folder(folder, model):
    path = folder / "model.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def external(location, offset="0", length=None):
    """The small model with its weights in another file."""
    model = small()
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    entries = {"location": location, "offset": offset} | ({} if length is None else {"length": length})
    for key, value in entries.items():
        tensor.external_data.add(key=key, value=value)
    return model


def test_data_beside_the_model_is_read(tmp_path):
    values = np.arange(8, dtype=np.float32)
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "a.bin").write_bytes(b"1234" + values.tobytes())
    network = from_onnx(in_folder(tmp_path, external("weights/a.bin", "4", "32")))
    np.testing.assert_array_equal(network.nodes[1].op.weight.ravel(), values)


def test_data_elsewhere_is_not(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    secret = tmp_path / "secret.bin"
    secret.write_bytes(bytes(32))
    (folder / "link.bin").symlink_to(secret)
    (folder / "short.bin").write_bytes(bytes(31))
    cases = {
        "../secret.bin": "c0: its data must lie in the model's folder, not '../secret.bin'$",
        str(secret): "c0: its data must lie in a file beside the model, not ",
        "link.bin": "c0: its data must lie in the model's folder, not 'link.bin'$",
        "absent.bin": "c0: there is no file 'absent.bin' beside the model$",
        ".": "c0: there is no file '.' beside the model$",
        "": "c0: its data must lie in a file beside the model, not ''$",
        "short.bin": "c0: 'short.bin' does not hold its 32 bytes at 0$",
    }
    for location, message in cases.items():
        refused(in_folder(folder, external(location)), message)
    for offset, length in (("-1", None), ("9" * 30, None), ("0", "8"), ("0", "x")):
        refused(in_folder(folder, external("short.bin", offset, length)), "^c0: ")
    refused(
        external("short.bin"), "^c0: its data lies outside the model, in 'short.bin', which is not read here$"
    )


def with_constant(**fields):
    model = small()
    tensor = model.graph.initializer[0]
    for name, value in fields.items():
        if name == "dims":
            del tensor.dims[:]
            tensor.dims.extend(value)
        else:
            setattr(tensor, name, value)
    return model


def test_constants_must_fit_their_sizes():
    refused(with_constant(dims=[2, 4, 1, 2]), r"^c0: a constant of the sizes \[2, 4, 1, 2\] holds 32 bytes$")
    refused(
        with_constant(dims=[1 << 31, 1 << 31]), "^c0: a constant has [0-9]+ elements, 536870912 are allowed$"
    )
    refused(with_constant(dims=[2, -4, -1, 1]), r"^c0: a constant has the sizes \[2, -4, -1, 1\]$")
    refused(with_constant(dims=[0, 4, 1, 1], raw_data=b""), "^stem: Conv: weights must not be empty")
    refused(with_constant(raw_data=b"1234"), r"^c0: a constant of the sizes \[2, 4, 1, 1\] holds 4 bytes$")
    refused(with_constant(data_type=TensorProto.STRING), "^c0: a constant must hold numbers, not STRING$")
    refused(with_constant(data_type=99), "^c0: a constant must hold numbers, not 99$")
    refused(
        with_constant(data_type=TensorProto.INT32),
        "^stem: Conv: its constants must be floating point, not int32$",
    )
    refused(
        with_constant(raw_data=np.full(8, np.inf, np.float32).tobytes()), "^stem: Conv: weight must be finite"
    )
    model = with_constant()
    model.graph.initializer.append(model.graph.initializer[0])
    refused(model, "^g: not a valid ONNX model: .* 'c0' has been used as graph input names multiple times")
    model.graph.input.append(helper.make_tensor_value_info("c0", TensorProto.FLOAT, [2, 4, 1, 1]))
    refused(model, "^c0: two constants have this name$")
    model = with_constant()
    model.graph.sparse_initializer.add()
    refused(model, "^g: sparse constants are not supported$")


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        (
            (1, 3, 1 << 20, 1 << 20),
            r"^x: a map of the shape .* is too large: 268435456 elements are allowed$",
        ),
        ((1, 3, 0, 4), r"^x: its input must have the shape .* not \(1, 3, 0, 4\)$"),
        ((1, 3, -1, 4), r"^x: its input must have the shape .* not \(1, 3, -1, 4\)$"),
        ((-1, 3, 4, 4), r"^x: its batch size must be at least 1, not -1$"),
        ((0, 3, 4, 4), r"^x: its batch size must be at least 1, not 0$"),
        ((3,), r"^x: its input must have the shape"),
        ((1, 3, 4, 4, 4), r"^x: its input must have the shape"),
    ],
)
def test_input_sizes(shape, message):
    graph = Graph(shape)
    graph.add("Relu", "x")
    refused(graph.model(), message)


def chain(kind, *values, shape=(1, 4, 64, 64), repeat=1, **attrs):
    graph = Graph(shape)
    last = "x"
    for _ in range(repeat):
        last = graph.add(kind, last, *(graph.ints(*value) for value in values), name="huge", **attrs)
    return graph.model()


def test_work_is_bounded_before_memory_is_taken():
    refused(
        chain("Pad", [0, 0, 1 << 40, 0, 0, 0, 0, 0]),
        "^huge: Pad: it places [0-9]+ elements, 16777216 are allowed$",
    )
    refused(chain("Expand", [1, 4, 64, 64, 1 << 40][1:], shape=(1, 4, 64, 1)), "^huge: Expand: ")
    refused(chain("Expand", [1 << 20, 1, 4, 64, 64], shape=(1, 4, 64, 64)), "^huge: Expand: ")
    refused(chain("Transpose", shape=(1, 64, 1024, 1024), perm=[0, 2, 1, 3]), "^huge: Transpose: it places")
    refused(
        chain("Transpose", shape=(1, 64, 256, 256), perm=[0, 2, 1, 3], repeat=200),
        "^huge: Transpose: the model places more than 134217728 elements altogether",
    )
    refused(chain("Conv", shape=(1, 4, 8, 8)), "not a valid ONNX model")
    graph = Graph()
    graph.add(
        "Resize", "x", "", graph.const(np.array([1, 1, 1e6, 1e6], np.float32)), name="huge", mode="nearest"
    )
    refused(graph.model(), "^huge: Resize: ")
    graph = Graph()
    graph.add("Conv", "x", graph.random(1, 4, 1, 1), name="huge", pads=[1 << 40] * 4)
    refused(graph.model(), "^huge: Conv: a map of the shape .* is too large")
    graph = Graph()
    graph.add("Gather", "x", graph.const(np.zeros((5000, 5000), np.int64)), name="huge", axis=1)
    refused(graph.model(), "^huge: Gather: it places")


def folded(kind, *values, **attrs):
    graph = Graph()
    constants = [graph.const(np.asarray(value)) for value in values]
    graph.add("Add", "x", graph.add(kind, *constants, name="folded", **attrs))
    return graph.model()


def test_folding_is_bounded():
    large = 1 << 40
    too_large = "^folded: {}: a constant of [0-9]+ elements is too large: [0-9]+ more are allowed$"
    refused(folded("ConstantOfShape", np.array([large])), too_large.format("ConstantOfShape"))
    refused(folded("Expand", np.float32(1), np.array([large])), too_large.format("Expand"))
    refused(folded("Range", np.int64(0), np.int64(large), np.int64(1)), too_large.format("Range"))
    refused(folded("Tile", np.ones(4, np.float32), np.array([large])), too_large.format("Tile"))
    refused(folded("Pad", np.ones(4, np.float32), np.array([large, 0])), too_large.format("Pad"))
    column, row = np.ones((20000, 1), np.float32), np.ones((1, 20000), np.float32)
    refused(folded("Mul", column, row), too_large.format("Mul"))
    refused(
        folded("Gather", np.ones((3000, 3000), np.float32), np.zeros(9000, np.int64)),
        too_large.format("Gather"),
    )
    refused(
        folded("ConstantOfShape", np.array([-1])), r"^folded: ConstantOfShape: sizes must not be negative"
    )
    refused(
        folded("Range", np.float32(0), np.float32(np.nan), np.float32(1)), "^folded: Range: start, limit and"
    )
    refused(folded("Range", np.int64(0), np.int64(4), np.int64(0)), "^folded: Range: .* and delta not 0$")
    refused(
        folded("MatMul", column, row), "^folded: MatMul: it is supported for maps only, not for constants$"
    )
    refused(folded("Reshape", column, np.array([7, 9])), "^folded: Reshape: it cannot be evaluated: ")


def test_constants_computed_in_a_loop_of_nodes_are_bounded():
    """Each node doubles its input; what they compute altogether is what counts."""
    graph = Graph()
    last = graph.const(np.ones(1024, np.float32))
    for _ in range(40):
        last = graph.add("Concat", last, last, axis=0, name="doubled")
    graph.add("Add", "x", last)
    refused(graph.model(), "^doubled: Concat: a constant of [0-9]+ elements is too large")


def test_cycles_and_order():
    graph = Graph()
    graph.add("Relu", "t1", name="first")
    graph.add("Relu", "t0", name="second")
    refused(
        graph.model(),
        "not a valid ONNX model: Nodes .* must be topologically sorted, .* name: first OpType: Relu",
    )
    graph = Graph()
    graph.add("Add", "x", "t0", name="own")
    refused(graph.model(), "not a valid ONNX model: .*topologically sorted")
    graph = Graph()
    graph.add("Relu", "x")
    graph.nodes.append(graph.nodes[0])
    refused(graph.model(), "not a valid ONNX model: .*SSA")


@pytest.mark.parametrize("version", [0, 1, 10, 99, 1 << 62, -1])
def test_operator_sets(version):
    model = small()
    model.opset_import[0].version = version
    refused(
        model, rf"^g: its operator set is version {version}, 11 to {onnx.defs.onnx_opset_version()} are read$"
    )


def test_operator_sets_named_twice_or_not_at_all():
    model = small()
    del model.opset_import[:]
    refused(model, "^g: not a valid ONNX model: it names 0 versions of the standard operator set$")
    model.opset_import.append(helper.make_opsetid("", 13))
    model.opset_import.append(helper.make_opsetid("ai.onnx", 17))
    refused(model, "^g: not a valid ONNX model: it names 2 versions of the standard operator set$")


def test_other_domains_and_own_operators():
    model = small()
    model.graph.node[0].domain = "com.example"
    model.opset_import.append(helper.make_opsetid("com.example", 1))
    refused(model, "^stem: Conv: the operator domain 'com.example' is not known$")
    model = small()
    model.functions.add(name="Twice", domain="own")
    refused(model, r"^g: it defines operators of its own \('Twice'\), which have to be inlined$")


def test_graphs_in_graphs():
    inner = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "inner", [],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)])  # fmt: skip
    for level in range(20):
        node = helper.make_node(
            "If", ["flag"], ["y"], name=f"choice{level}", then_branch=inner, else_branch=inner
        )
        if level < 8:  # twice as many each time
            inner = helper.make_graph([node], "inner", [], [helper.make_tensor_value_info("y", 1, None)])
    graph = Graph()
    graph.constants.append(numpy_helper.from_array(np.array(True), "flag"))
    graph.nodes.append(node)
    refused(
        graph.model(output="y"),
        "^choice19: If: the operator is not supported; the graph must be the same for every",
    )


def test_many_nodes():
    graph = Graph()
    graph.nodes = [helper.make_node("Relu", ["x"], ["y"])] * (MAX_NODES + 1)
    refused(graph.model(output="y"), f"^g: it has {MAX_NODES + 1} nodes, {MAX_NODES} are allowed$")


@pytest.mark.parametrize("field", [b"stem", b"Conv", b"c0", b"dilations"])
def test_names_that_are_no_text(tmp_path, field):
    graph = Graph()
    graph.add("Conv", "x", graph.random(2, 4, 1, 1), name="stem", dilations=[1, 1])
    data = graph.model().SerializeToString()
    assert field in data
    path = tmp_path / "model.onnx"
    path.write_bytes(data.replace(field, b"\xff" + field[1:]))
    refused(path, "model.onnx: not a valid ONNX model: a name in it is not UTF-8$")


def test_names_are_told_as_one_short_line():
    graph = Graph()
    graph.add("Tanh", "x", name="two\nlines " + 1000 * "x")
    refused(graph.model(), r"^two lines x{187}\.\.\.: Tanh: the operator is not supported")


def test_every_prefix_of_a_file(tmp_path):
    data = small().SerializeToString()
    path = tmp_path / "cut.onnx"
    for length in range(len(data)):
        path.write_bytes(data[:length])
        try:
            from_onnx(path)
        except NetworkError as error:
            assert "\n" not in str(error)


def _fuzz(*options):
    done = subprocess.run(
        [sys.executable, FUZZ, *map(str, options)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["failures"] == []
    assert result["peak_mib"] < 1500
    return result


def test_damaged_models():
    result = _fuzz("--count", 1000, "--seed", seed_of("hostile files", 0))
    assert sum(result["outcomes"].values()) == 1000
    assert result["outcomes"]["read"] > 50 and result["outcomes"]["refused"] > 50


@pytest.mark.soak
@pytest.mark.parametrize("block", range(10))
def test_many_damaged_models(block):
    _fuzz("--count", 10_000, "--first", 10_000 * block, "--seed", seed_of("hostile files", 1))
