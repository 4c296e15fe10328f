"""ONNX import: models built here, evaluated by ONNX's own reference implementation."""

import numpy as np
import onnx
import pytest

from hwshift.errors import NetworkError
from hwshift.importers import from_onnx
from hwshift.network import ops
from hwshift.network.passes import RecognizeShift, run_passes
from hwshift.network.quantize import quantize

from .graphs import Graph, check


def conv_bn_relu(g):
    g.add("Conv", "x", g.random(8, 4, 3, 3), g.random(8), pads=[1, 1, 1, 1], strides=[2, 1])
    g.add("BatchNormalization", g.last, g.random(8), g.random(8), g.random(8),
          g.const(g.rng.uniform(0.5, 2, 8).astype(np.float32)))  # fmt: skip
    g.add("Relu", g.last)


def grouped_dilated_same(g):
    g.add("Conv", "x", g.random(6, 2, 3, 3), group=2, dilations=[2, 2], auto_pad="SAME_UPPER")
    g.add("Clip", g.last, g.const(np.float32(0)), g.const(np.float32(6)))


def residual(g):
    branch = g.add("Conv", "x", g.random(4, 4, 1, 1))
    g.add("Add", "x", branch)
    g.add("Mul", g.last, g.const(np.array([2, -1, 0.5, 3], np.float32).reshape(1, 4, 1, 1)))
    g.add("Sub", g.const(np.float32(1)), g.last)


def pools(g):
    g.add("MaxPool", "x", kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[2, 2])
    left = g.add("AveragePool", "x", kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[2, 2])
    right = g.add(
        "AveragePool", "x", kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[2, 2], count_include_pad=1
    )
    g.add("Concat", "t0", left, right, axis=1)


def shuffle(g):
    g.add("Reshape", "x", g.const(np.array([-1, 2, 2, 6, 5])))
    g.add("Transpose", g.last, perm=[0, 2, 1, 3, 4])
    g.add("Reshape", g.last, g.const(np.array([-1, 4, 6, 5])))
    g.add("Conv", g.last, g.random(3, 4, 1, 1))


def classifier(g):
    g.add("GlobalAveragePool", "x")
    g.add("Flatten", g.last)
    g.add("Gemm", g.last, g.random(10, 4), g.random(10), transB=1, alpha=0.5)


def mean_and_matmul(g):
    g.add("ReduceMean", "x", axes=[2, 3], keepdims=0)
    g.add("MatMul", g.last, g.random(4, 7))
    g.add("Add", g.last, g.random(7))
    g.add("Relu", g.last)


def flattened_map(g):
    g.add("Flatten", "x")
    g.add("Dropout", g.last)
    g.add("Identity", g.last)
    g.add("Gemm", g.last, g.random(3, 120), transB=1)


def padded(g):
    g.add("Pad", "x", g.const(np.array([0, 0, 1, 2, 0, 0, 0, 1])))
    g.add("Conv", g.last, g.random(2, 4, 3, 3), pads=[0, 0, 1, 1])


def dynamic_reshape(g):
    shape = g.add("Shape", "x")
    batch = g.add("Gather", shape, g.const(np.int64(0)), axis=0)
    rows = g.add("Unsqueeze", batch, g.const(np.array([0])))
    size = g.add("Concat", rows, g.const(np.array([-1])), axis=0)
    g.add("Reshape", "x", size)
    g.add("Gemm", g.last, g.random(3, 120), transB=1)


BUILDERS = [conv_bn_relu, grouped_dilated_same, residual, pools, shuffle, classifier, mean_and_matmul, flattened_map,
            padded, dynamic_reshape]  # fmt: skip


@pytest.mark.parametrize("opset", [15, 17])
@pytest.mark.parametrize("build", BUILDERS)
def test_equals_the_reference(build, opset):
    graph = Graph()
    build(graph)
    check(graph, opset)


def test_one_hot_depthwise_becomes_a_shift():
    graph = Graph()
    kernels = np.zeros((4, 1, 3, 3), np.float32)
    places = [(0, 0), (1, 2), (2, 1), (1, 1)]
    for channel, place in enumerate(places):
        kernels[(channel, 0, *place)] = 1
    graph.add("Conv", "x", graph.const(kernels), group=4, pads=[1, 1, 1, 1])
    graph.add("Conv", graph.last, graph.random(5, 4, 1, 1))
    network = run_passes(check(graph), [RecognizeShift()])
    shifts = [node.op for node in network.nodes if isinstance(node.op, ops.SpatialShift)]
    assert len(shifts) == 1
    np.testing.assert_array_equal(shifts[0].moves, [(-1, -1), (0, 1), (1, 0), (0, 0)])


def test_power_of_two_weights_stay_exact():
    graph = Graph()
    weights = np.ldexp(
        graph.rng.choice([-1.0, 0.0, 1.0], (3, 4, 1, 1)), graph.rng.integers(-14, 1, (3, 4, 1, 1))
    )
    graph.add("Conv", "x", graph.const(weights.astype(np.float32)))
    layer = quantize(from_onnx(graph.model()), weights="pow2").output
    fmt = layer.op.weights.fmt
    np.testing.assert_array_equal(fmt.to_float(layer.op.weights.values, layer.op.weights.powers), weights)


def test_file_is_read_and_named_after_it(tmp_path):
    graph = Graph()
    conv_bn_relu(graph)
    path = tmp_path / "small.onnx"
    onnx.save(onnx.shape_inference.infer_shapes(graph.model()), path)
    network = from_onnx(path)
    assert network.name == "small"
    assert [node.name for node in network.nodes] == ["x", "conv_0", "batchnormalization_1", "relu_2"]


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x08\x07" + b"\xff" * 40])
def test_corrupt_file_is_one_line(tmp_path, content):
    path = tmp_path / "broken.onnx"
    path.write_bytes(content)
    with pytest.raises(NetworkError) as caught:
        from_onnx(path)
    assert "broken.onnx: not a valid ONNX model" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_truncated_model_is_refused(tmp_path):
    graph = Graph()
    conv_bn_relu(graph)
    data = graph.model().SerializeToString()
    path = tmp_path / "cut.onnx"
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(NetworkError, match="cut.onnx"):
        from_onnx(path)


def test_missing_file():
    with pytest.raises(NetworkError, match="^nothing.onnx: there is no such file$"):
        from_onnx("nothing.onnx")


def one_node(kind, *constants, **attrs):
    graph = Graph()
    graph.add(kind, "x", *(graph.const(value) for value in constants), name="the_node", **attrs)
    return graph


@pytest.mark.parametrize(("graph", "message"), [
    (one_node("Tanh"), "the_node: Tanh: the operator is not supported; the accelerator has a table for Sigmoid"),
    (one_node("LRN", size=3), "the_node: LRN: the operator is not supported; supported: Add, AveragePool, "),
    (one_node("MaxPool", kernel_shape=[2, 2], dilations=[2, 2]), "the_node: MaxPool: dilation is not supported"),
    (one_node("Concat", np.ones((1, 4, 6, 5), np.float32), axis=1), "the_node: Concat: maps can be joined with maps"),
    (one_node("Conv", np.full((2, 4, 1, 1), np.nan, np.float32)), "the_node: Conv: weight must be finite"),
    (one_node("Conv", np.zeros((2, 3, 1, 1), np.float32)), "the_node: Conv: the weights need 3 input channels"),
    (one_node("Pad", np.array([0, 1, 0, 0, 0, 0, 0, 0]), np.float32(1)), "the_node: Pad: only zeros can be padded"),
    (one_node("ReduceMean", axes=[1]), "the_node: ReduceMean: it is supported over rows and columns"),
], ids=lambda value: value.split(":")[1].strip() if isinstance(value, str) else "")  # fmt: skip
def test_refusals_name_node_operator_and_reason(graph, message):
    with pytest.raises(NetworkError) as caught:
        from_onnx(graph.model(opset=17))
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_transpose_that_is_no_shuffle_is_refused():
    graph = Graph(shape=(1, 4, 6, 6))
    graph.add("Transpose", "x", perm=[0, 1, 3, 2])
    graph.add("Conv", graph.last, graph.random(1, 4, 1, 1), name="after")
    message = r"^after: Conv: its input 't0' \(from 'transpose_0'\) is reordered in a way"
    with pytest.raises(NetworkError, match=message):
        from_onnx(graph.model())


def test_old_operator_set_is_refused():
    graph = Graph()
    graph.add("Relu", "x")
    with pytest.raises(NetworkError, match="^g: its operator set is version 10, 11 to [0-9]+ are read$"):
        from_onnx(graph.model(opset=10))


def test_input_without_fixed_sizes_is_told_with_its_names():
    graph = Graph()
    graph.shape = (1, 4, "rows", None)
    graph.add("Relu", "x")
    message = r"^x: its input must have the shape \(batch, .*\) with fixed sizes, not \(1, 4, rows, \?\)$"
    with pytest.raises(NetworkError, match=message):
        from_onnx(graph.model())
