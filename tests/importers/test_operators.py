"""ONNX operators one by one, in the forms exporters write them, against ONNX's reference implementation."""

import numpy as np
import pytest
from onnx.reference import ReferenceEvaluator

from hwshift.errors import NetworkError
from hwshift.importers import from_onnx
from hwshift.network import ops

from .graphs import Graph, check, kinds


def refused(graph, message, opset=17):
    with pytest.raises(NetworkError, match=message) as caught:
        from_onnx(graph.model(opset))
    assert "\n" not in str(caught.value)


def f32(*values):
    return np.array(values, np.float32)


@pytest.mark.parametrize("opset", [11, 13, 17, 18, 21])
@pytest.mark.parametrize(
    ("axes", "keep", "kind"),
    [
        ([2, 3], 1, ["GlobalAveragePool"]),
        ([-1, -2], 0, ["GlobalAveragePool"]),
        ([3], 1, ["AveragePool"]),
        ([2], 0, ["AveragePool"]),
    ],
)
def test_means(opset, axes, keep, kind):
    graph = Graph()
    if opset < 18:
        graph.add("ReduceMean", "x", axes=axes, keepdims=keep)
    else:
        graph.add("ReduceMean", "x", graph.ints(*axes), keepdims=keep)
    assert kinds(check(graph, opset)) == kind


def test_mean_over_columns_then_rows():
    graph = Graph()
    graph.add("ReduceMean", "x", axes=[3], keepdims=0)
    graph.add("ReduceMean", graph.last, axes=[2], keepdims=0)
    graph.add("Gemm", graph.last, graph.random(3, 4), transB=1)
    assert kinds(check(graph)) == ["AveragePool", "GlobalAveragePool", "Linear"]


def test_pools_of_the_whole_map():
    for kind, attrs, expected in (
        ("AveragePool", {"kernel_shape": [6, 5]}, "GlobalAveragePool"),
        ("GlobalMaxPool", {}, "MaxPool"),
        ("ReduceMax", {"axes": [2, 3]}, "MaxPool"),
    ):
        graph = Graph()
        graph.add(kind, "x", **attrs)
        assert kinds(check(graph)) == [expected]


@pytest.mark.parametrize("kernel", [2, 3])
@pytest.mark.parametrize("kind", ["MaxPool", "AveragePool"])
def test_ceil_mode(kind, kernel):
    for pads in ([0, 0, 0, 0], [1, 1, 1, 1]):
        graph = Graph((1, 2, 8, 7))
        graph.add(kind, "x", kernel_shape=[kernel] * 2, strides=[3, 2], pads=pads, ceil_mode=1)
        check(graph, 21)


def test_ceil_mode_that_counts_the_border_is_refused():
    graph = Graph((1, 2, 8, 7))
    graph.add("AveragePool", "x", kernel_shape=[3, 3], strides=[3, 2], ceil_mode=1, count_include_pad=1)
    refused(graph, "AveragePool: ceil_mode with count_include_pad")


def test_padding_before_a_max_pool_needs_a_map_that_is_never_negative():
    pads = [0, 0, 1, 1, 0, 0, 1, 1]
    graph = Graph()
    graph.add("Relu", "x")
    graph.add("Pad", graph.last, graph.ints(*pads))
    graph.add("MaxPool", graph.last, kernel_shape=[3, 3], strides=[2, 2])
    network = check(graph)
    assert kinds(network) == ["ReLU", "MaxPool"] and network.nodes[2].op.padding == (1, 1, 1, 1)
    graph = Graph()
    graph.add("Pad", "x", graph.ints(*pads))
    graph.add("MaxPool", graph.last, kernel_shape=[3, 3], strides=[2, 2])
    refused(graph, "MaxPool: zero padding before it is supported only where the map is never negative$")


def test_sums_and_differences():
    graph = Graph()
    one, two = graph.add("Relu", "x"), graph.add("Neg", "x")
    graph.add("Sum", one, two, "x", graph.const(f32(0.5)))
    graph.add("Sub", graph.last, one)
    graph.add("Sub", graph.const(f32(1, 2, 3, 4).reshape(4, 1, 1)), graph.last)
    graph.add("Sub", graph.last, graph.const(f32(0.25)))
    network = check(graph)
    assert kinds(network).count("Add") == 3


def test_one_number_limits():
    for kind, value, expected in (
        ("Max", 0.0, ops.ReLU),
        ("Max", -0.5, ops.Clamp),
        ("Min", 0.25, ops.Clamp),
    ):
        for flip in (False, True):
            graph = Graph()
            names = ("x", graph.const(f32(value)))
            graph.add(kind, *(reversed(names) if flip else names))
            assert isinstance(check(graph).nodes[1].op, expected)
    graph = Graph()
    graph.add("Clip", "x", "", graph.const(np.float32(0.5)))
    graph.add("Clip", graph.last, graph.const(np.float32(-0.5)), graph.const(np.float32(3.4028235e38)))
    limits = [(node.op.lo, node.op.hi) for node in check(graph).nodes[1:]]
    assert limits == [(-np.inf, 0.5), (-0.5, np.inf)]


@pytest.mark.parametrize("expand", [False, True])
@pytest.mark.parametrize("first", [False, True])
def test_gates(expand, first):
    graph = Graph()
    pooled = graph.add("GlobalAveragePool", "x")
    gate = graph.add("Sigmoid", pooled)
    if expand:
        gate = graph.add("Expand", gate, graph.add("Shape", "x"))
    graph.add("Mul", *((gate, "x") if first else ("x", gate)))
    assert kinds(check(graph)) == ["GlobalAveragePool", "Sigmoid", "ChannelScale"]


def test_other_products_are_refused():
    graph = Graph()
    graph.add("Mul", "x", graph.add("Sigmoid", "x"), name="silu")
    refused(
        graph, "^silu: Mul: the product of two maps is supported where one has a single pixel per channel"
    )
    graph = Graph()
    gate = graph.add("Expand", graph.add("GlobalAveragePool", "x"), graph.ints(1, 4, 6, 9))
    graph.add("Mul", "x", gate, name="wider")
    refused(graph, "^wider: Mul: the product")
    graph = Graph()
    graph.add("Div", "x", graph.add("Relu", "x"))
    refused(graph, "Div: it is supported by a constant only$")


def test_vectors():
    graph = Graph()
    graph.add("Flatten", "x")
    graph.add("Add", graph.last, graph.random(120))
    graph.add("BatchNormalization", graph.last, graph.random(120), graph.random(120), graph.random(120),
              graph.const(np.full(120, 2, np.float32)))  # fmt: skip
    graph.add("Relu", graph.last)
    graph.add("Gemm", graph.last, graph.random(120, 3))
    assert kinds(check(graph)) == ["Flatten", "BatchNorm", "BatchNorm", "ReLU", "Linear"]


def test_constants_that_broadcast_over_pixels_are_refused():
    for shape in ((5,), (6, 5), (1, 1, 1, 4, 1, 1), (4, 6, 5), (2, 1, 1)):
        graph = Graph()
        graph.add("Add", "x", graph.random(*shape))
        refused(graph, "Add: the constant must be one value or one per channel, not of the shape")


def test_flattened_in_another_order():
    graph = Graph()
    graph.add("Transpose", "x", perm=[0, 2, 3, 1])
    graph.add("Reshape", graph.last, graph.ints(1, -1))
    graph.add("MatMul", graph.last, graph.random(120, 3))
    assert kinds(check(graph)) == ["Linear"]
    graph = Graph()
    left = graph.add("Flatten", "x")
    right = graph.add("Flatten", graph.add("MaxPool", "x", kernel_shape=[2, 2], strides=[2, 2]))
    graph.add("Concat", right, left, axis=1)
    graph.add("Gemm", graph.last, graph.random(3, 144), transB=1)
    assert kinds(check(graph)) == ["MaxPool", "Flatten", "Flatten", "Concat", "Linear"]


@pytest.mark.parametrize(
    ("indices", "expected"),
    [
        ([2, 3, 4], ["ChannelSlice"]),
        ([5, 4, 3, 2, 1, 0], ["ChannelShuffle"]),
        ([0, 1, 2, 3, 4, 5], []),
        ([3, 4, 5, 0, 1, 2], ["ChannelShuffle"]),
        ([1, 3, 5], ["ChannelShuffle", "ChannelSlice"]),
        ([0, 1, 4, 5], ["ChannelShuffle", "ChannelSlice"]),
        ([0, 0, 1], ["ChannelSlice", "ChannelSlice", "Concat"]),
        ([-1, 0, 1, 2, 3, 4, 5, 5], ["ChannelSlice", "ChannelSlice", "Concat"]),
    ],
)
def test_picked_channels(indices, expected):
    graph = Graph((1, 6, 3, 2))
    graph.add("Relu", "x")
    graph.add("Gather", graph.last, graph.ints(*indices), axis=1)
    found = kinds(check(graph))
    assert found[0] == "ReLU"
    if len(indices) == 8:
        assert sorted(found[1:]) == ["ChannelSlice", "ChannelSlice", "Concat"]
    else:
        assert found[1:] == expected


def test_picked_as_pytorch_indexes():
    """``x[:, order]``: channels first, an index for each, channels back."""
    graph = Graph((1, 6, 3, 2))
    graph.add("Transpose", "x", perm=[1, 0, 2, 3])
    graph.add("GatherND", graph.last, graph.const(np.array([[4], [0], [-1], [1], [3], [2]])))
    graph.add("Transpose", graph.last, perm=[1, 0, 2, 3])
    assert kinds(check(graph)) == ["ChannelShuffle"]
    graph = Graph((1, 6, 3, 2))
    graph.add("GatherND", "x", graph.const(np.array([[[5], [1], [0]]])), batch_dims=1)
    assert kinds(check(graph)) == ["ChannelShuffle", "ChannelSlice"]


@pytest.mark.parametrize(
    ("indices", "options", "reason"),
    [
        ([[0], [0]], {"batch_dims": 1}, r"indices of the shape \(2, 1\) do not fit"),
        ([[[6]]], {"batch_dims": 1}, r"its indices must lie within the sizes \(6,\)"),
        ([[[-7]]], {"batch_dims": 1}, r"its indices must lie within the sizes \(6,\)"),
        ([[[0, 0, 0, 0]]], {"batch_dims": 1}, "do not fit"),
        ([[0]], {"batch_dims": -1}, "do not fit"),
        (0, {}, "its indices must be integers, at least one"),
    ],
)
def test_indices_that_do_not_fit(indices, options, reason):
    graph = Graph((1, 6, 3, 2))
    graph.add("GatherND", "x", graph.const(np.array(indices)), name="pick", **options)
    with pytest.raises(NetworkError, match=f"^pick: GatherND: .*{reason}"):
        from_onnx(graph.model())


def test_picked_from_what_was_picked():
    graph = Graph((1, 6, 3, 2))
    parts = graph.add("Split", "x", graph.ints(2, 2, 2), outputs=3, axis=1)
    graph.add("Concat", *parts, axis=1)
    graph.add("Conv", graph.last, graph.random(2, 6, 1, 1))
    assert kinds(check(graph)) == ["Conv2d"]
    graph = Graph((1, 6, 3, 2))
    parts = graph.add("Split", "x", graph.ints(2, 2, 2), outputs=3, axis=1)
    graph.add("Concat", parts[2], parts[0], parts[1], axis=1)
    assert kinds(check(graph)) == ["ChannelShuffle"]


def test_split_forms():
    for opset, sizes, attrs in ((11, (), {"split": [1, 3]}), (13, (1, 3), {}), (18, (), {"num_outputs": 2})):
        graph = Graph()
        parts = graph.add("Split", "x", *([graph.ints(*sizes)] if sizes else []), outputs=2, axis=-3, **attrs)
        graph.add("Concat", *reversed(parts), axis=1)
        network = check(graph, opset)
        assert kinds(network) == ["ChannelShuffle"]
    graph = Graph()
    graph.add("Split", "x", outputs=3, axis=1, num_outputs=3)
    refused(graph, r"Split: the parts \[2, 2, 0\] do not make 3 outputs of 4$", 18)


def test_every_second_pixel_and_channels_of_zeros():
    graph = Graph((1, 4, 7, 6))
    graph.add("Slice", "x", graph.ints(0, 1), graph.ints(99, 99), graph.ints(2, 3), graph.ints(2, 2))
    graph.add("Pad", graph.last, graph.ints(0, 1, 0, 0, 0, 3, 0, 0))
    graph.add("Conv", graph.last, graph.random(2, 8, 1, 1))
    network = check(graph)
    assert kinds(network) == ["Conv2d", "SpatialShift", "AveragePool", "Conv2d"]
    np.testing.assert_array_equal(network.nodes[1].op.weight[:, :, 0, 0], np.eye(8, 4, -1))


def test_lines_cut_off():
    for starts, ends, stride, fits in (
        ((1, 1), (99, 99), 2, True),  # the cut lines are never read
        ((0, 0), (-1, -1), 2, False),
        ((1, 0), (99, 99), 1, False),
    ):
        graph = Graph((1, 2, 8, 8))
        graph.add("Slice", "x", graph.ints(*starts), graph.ints(*ends), graph.ints(2, 3))
        graph.add("Conv", graph.last, graph.random(3, 2, 1, 1), strides=[stride, stride])
        if fits or (stride == 2 and starts == (0, 0)):
            check(graph)
        else:
            refused(graph, "Conv: lines are cut off before it in a way that changes its result$")
    graph = Graph((1, 2, 8, 8))
    graph.add("Slice", "x", graph.ints(1), graph.ints(7), graph.ints(2))
    graph.add("Conv", graph.last, graph.random(3, 2, 3, 3), pads=[1, 1, 1, 1])
    refused(graph, "Conv: lines are cut off before it in a way that changes its result$")
    graph = Graph((1, 2, 8, 8))
    graph.add("Slice", "x", graph.ints(1), graph.ints(8), graph.ints(2))
    graph.add("Conv", graph.last, graph.random(3, 2, 3, 3), pads=[1, 1, 1, 1])
    network = check(graph)  # below the map is zero anyway
    assert network.nodes[-1].op.padding == (1, 1, 0, 1)


COORDINATES = ["half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "asymmetric", "align_corners"]
ROUNDINGS = ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"]


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("coordinates", COORDINATES)
def test_upsampling_is_read_exactly_where_it_repeats_lines(coordinates, rounding):
    read = []
    for rows in (1, 2, 3, 4):
        graph = Graph((1, 1, 3, 2))
        graph.add("Resize", "x", "", graph.const(f32(1, 1, rows, 2)), mode="nearest",
                  coordinate_transformation_mode=coordinates, nearest_mode=rounding)  # fmt: skip
        model = graph.model(19)
        x = np.arange(6, dtype=np.float32).reshape(1, 1, 3, 2)
        reference = ReferenceEvaluator(model).run(None, {"x": x})[0]
        same = np.array_equal(reference, x.repeat(rows, 2).repeat(2, 3))
        if same:
            assert set(kinds(check(graph, 19))) == {"UpsampleNearest"}
            read.append(rows)
        else:
            refused(graph, "Resize: coordinate_transformation_mode .* reads line", 19)
    expected = {"asymmetric floor": [1, 2, 3, 4], "half_pixel round_prefer_floor": [1, 2, 3, 4],
                "half_pixel floor": [], "asymmetric ceil": []}  # fmt: skip
    assert read == expected.get(f"{coordinates} {rounding}", read)


def test_upsampling_by_sizes_and_by_expansion():
    graph = Graph((1, 2, 3, 4))
    graph.add("Resize", "x", "", "", graph.ints(1, 2, 6, 12), mode="nearest")
    assert [op.factor for op in (node.op for node in check(graph).nodes[1:])] == [(2, 3)]
    graph = Graph((1, 2, 3, 4))
    graph.add("Reshape", "x", graph.ints(1, 2, 3, 1, 4, 1))
    graph.add("Expand", graph.last, graph.ints(1, 2, 3, 2, 4, 2))
    graph.add("Reshape", graph.last, graph.ints(1, 2, 6, 8))
    graph.add("Conv", graph.last, graph.random(1, 2, 3, 3))
    assert kinds(check(graph)) == ["UpsampleNearest", "Conv2d"]
    graph = Graph((1, 2, 4, 4))
    graph.add("Resize", "x", "", graph.const(f32(1, 1, 0.5, 0.5)), mode="nearest")
    refused(
        graph, "Resize: rows and columns can grow by whole factors, nothing else; not by 1.0, 1.0, 0.5, 0.5"
    )


def test_activations_move_past_padding_and_reordering():
    graph = Graph((1, 4, 5, 6))
    graph.add("Pad", "x", graph.ints(0, 0, 1, 1, 0, 0, 1, 1))
    graph.add("Relu", graph.last)
    graph.add("Conv", graph.last, graph.random(2, 4, 3, 3))
    assert kinds(check(graph)) == ["ReLU", "Conv2d"]
    graph = Graph((1, 4, 5, 6))
    graph.add("Pad", "x", graph.ints(0, 0, 1, 1, 0, 0, 1, 1))
    graph.add("Sigmoid", graph.last, name="half")
    graph.add("Conv", graph.last, graph.random(2, 4, 3, 3))
    refused(graph, "^half: Sigmoid: its input 't0' .* zeros around it or lines cut off")


def test_softmax():
    graph = Graph()
    graph.add("GlobalAveragePool", "x")
    graph.add("Flatten", graph.last)
    scores = graph.last
    graph.add("Softmax", graph.last, name="probabilities", axis=-1)
    network = from_onnx(graph.model())
    assert kinds(network) == ["GlobalAveragePool"]
    assert network.meta["notes"] == [
        "left out: the final Softmax 'probabilities'; the results are what it would be applied to"
    ]
    graph.add("Gemm", graph.last, graph.random(3, 4), transB=1)
    refused(graph, "^probabilities: Softmax: the operator is not supported; it can be the last node only")
    graph.add("Softmax", scores, name="over_what", axis=0)
    refused(graph, r"^over_what: Softmax: it is left out .* over the channels \(axis 1\), not axis 0$")


def test_nodes_without_effect_are_told():
    graph = Graph()
    graph.add("Tanh", "x", name="unused")
    graph.add("Relu", "x")
    assert from_onnx(graph.model()).meta["notes"] == [
        "left out, as the output does not depend on them: unused (Tanh)"
    ]


def test_a_batch_is_kept_apart():
    for batch in (3, "N"):
        for kind, inputs, attrs in (
            ("Slice", ([0], [2], [0]), {}),
            ("Slice", ([1], [1 << 40], [0]), {}),
            ("Gather", (np.int64(0),), {"axis": 0}),
            ("Transpose", (), {"perm": [1, 0, 2, 3]}),
            ("Split", (), {"axis": 0}),
            ("Pad", ([1, 0, 0, 0, 0, 0, 0, 0],), {}),
            ("Concat", (), {"axis": 0}),
            ("Unsqueeze", ([0],), {}),
            ("Expand", ([2, 4, 6, 5],), {}),
        ):
            graph = Graph((batch, 4, 6, 5))
            constants = [graph.const(np.array(value, np.int64)) for value in inputs]
            graph.add(kind, "x", *(["x"] if kind == "Concat" else constants), name="mixes", **attrs)
            refused(graph, rf"^mixes: {kind}: it does not keep the images of a batch apart \(axis 0\)$")
    graph = Graph((3, 4, 6, 5))
    graph.add("Reshape", "x", graph.ints(1, 12, 6, 5), name="mixes")
    refused(graph, r"^mixes: Reshape: it does not keep the images of a batch of 3 apart")
    graph = Graph((3, 4, 6, 5))
    graph.add("Reshape", "x", graph.ints(3, 120))
    graph.add("Gemm", graph.last, graph.random(120, 2))
    assert kinds(from_onnx(graph.model())) == ["Linear"]


def test_a_line_is_assigned_as_scatter_elements():
    # x[:, :, :, 0] = 0 of the map moved one to the right, as PyTorch's newer exporter writes it
    graph = Graph()
    left = graph.add("Slice", "x", graph.ints(4), graph.ints(5), graph.ints(3))
    rest = graph.add("Slice", "x", graph.ints(0), graph.ints(4), graph.ints(3))
    rolled = graph.add("Concat", left, rest, axis=3)
    places, zeros = graph.const(np.full((1, 4, 6, 1), -5)), graph.const(np.zeros((1, 4, 6, 1), np.float32))
    graph.add("ScatterElements", rolled, places, zeros, axis=-1)
    network = check(graph)
    assert kinds(network) == ["SpatialShift"]
    np.testing.assert_array_equal(network.nodes[1].op.moves, [[0, -1]] * 4)


def test_scatter_elements_of_a_smaller_map():
    graph = Graph()
    first = graph.add("Slice", "x", graph.ints(0), graph.ints(2), graph.ints(1))
    places = np.broadcast_to(np.array([3, 1]).reshape(1, 2, 1, 1), (1, 2, 6, 5))
    graph.add("ScatterElements", "x", graph.const(places), first, axis=1)
    assert "ChannelShuffle" not in kinds(check(graph))  # channels 0, 1, 2, 0: one is repeated


@pytest.mark.parametrize(
    ("places", "updates", "attrs", "message"),
    [
        (
            np.zeros((1, 4, 6, 1), np.int64),
            (1, 4, 6, 2),
            {"axis": 3},
            "updates of the shape .* do not fit its indices",
        ),
        (np.zeros((1, 4, 7, 1), np.int64), (1, 4, 7, 1), {"axis": 3}, "indices of the shape .* do not fit"),
        (np.zeros((1, 4, 6), np.int64), (1, 4, 6), {"axis": 3}, "indices of the shape .* do not fit"),
        (np.full((1, 4, 6, 1), 5), (1, 4, 6, 1), {"axis": 3}, r"its indices must lie in -5\.\.4"),
        (np.zeros((1, 4, 6, 1), np.int64), (1, 4, 6, 1), {"axis": 4}, r"the axis must lie in -4\.\.3, not 4"),
        (
            np.zeros((1, 4, 6, 1), np.int64),
            (1, 4, 6, 1),
            {"axis": 3, "reduction": "add"},
            "a reduction is not",
        ),
    ],
)
def test_scatter_elements_refused(places, updates, attrs, message):
    graph = Graph()
    zeros = graph.const(np.zeros(updates, np.float32))
    graph.add("ScatterElements", "x", graph.const(places), zeros, name="there", **attrs)
    refused(graph, f"^there: ScatterElements: {message}", opset=18)


def test_assignments_are_read_for_one_image():
    graph = Graph((2, 4, 6, 5))
    places, zeros = (
        graph.const(np.zeros((2, 4, 6, 1), np.int64)),
        graph.const(np.zeros((2, 4, 6, 1), np.float32)),
    )
    graph.add("ScatterElements", "x", places, zeros, name="there", axis=3)
    refused(
        graph, "^there: ScatterElements: it is read for one image at a time: export with a batch of 1, not 2$"
    )
