"""ONNX export: run by ONNX Runtime and compared with the float evaluation."""

import numpy as np
import onnx
import onnxruntime
import pytest

from hwshift.errors import NetworkError
from hwshift.exporters import to_onnx
from hwshift.exporters.onnx_operators import WRITERS
from hwshift.network import ops
from hwshift.network.float_model import evaluate_float
from hwshift.network.graph import Network, Node
from hwshift.network.random import NetworkBuilder, csc_network, mixed_network
from hwshift.network.shifts import contiguous_shifts, modulo_shifts

from ..seeds import generator

FORMS = ("depthwise", "slices")


def run(model, x):
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: x.astype(np.float32)})[0]


def one_op(op, *shape):
    return Network("one", (Node("x", ops.Input(*shape)), Node("op", op, ("x",))), "op")


def check(network, form="depthwise", batch=None):
    shape = network.shapes()[network.nodes[0].name]
    x = generator(1).normal(size=(batch or 2, *shape)).astype(np.float32)
    expected = evaluate_float(network, x)
    model = to_onnx(network, shift=form, batch=batch)
    actual = run(model, x)
    np.testing.assert_allclose(actual.reshape(expected.shape), expected, rtol=2e-5, atol=2e-5)
    return model


def kinds(model):
    return [node.op_type for node in model.graph.node]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("batch", [None, 1])
def test_networks(form, batch):
    check(mixed_network(3), form, batch)
    model = check(csc_network(8, 12, 12, modules=2, stride2=(1,), shifts="contiguous"), form, batch)
    dim = model.graph.output[0].type.tensor_type.shape.dim[0]
    assert (dim.dim_param, dim.dim_value) == (("batch", 0) if batch is None else ("", 1))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "offsets",
    [
        modulo_shifts(20),
        modulo_shifts(4, 5),
        contiguous_shifts(20),
        np.zeros((4, 2), np.int64),
        np.full((4, 2), -1),
        np.array([[0, 9], [-10, 0], [1, 1], [5, -6]]),  # beyond the map, at its last pixel
        np.full((3, 2), 1 << 40),
        generator(0).integers(-3, 4, (33, 2)),
    ],
    ids=["modulo", "large", "contiguous", "none", "alike", "far", "gone", "random"],
)
@pytest.mark.parametrize("dilation", [1, 2])
def test_shifts_are_exact(form, offsets, dilation):
    network = one_op(ops.SpatialShift(offsets, dilation), len(offsets), 6, 7)
    x = generator(2).normal(size=(2, len(offsets), 6, 7)).astype(np.float32)
    np.testing.assert_array_equal(run(to_onnx(network, shift=form), x), evaluate_float(network, x))


def test_shift_forms():
    def nodes(offsets, form, size=4):
        return kinds(to_onnx(one_op(ops.SpatialShift(offsets), len(offsets), size, size), shift=form))

    assert nodes(modulo_shifts(18), "depthwise") == ["Conv"]
    assert nodes(np.zeros((2, 2), np.int64), "slices") == ["Identity"]
    assert nodes(np.ones((2, 2), np.int64), "slices") == ["Pad", "Slice"]
    assert nodes(contiguous_shifts(18), "slices") == ["Pad", *["Slice"] * 9, "Concat"]
    # 2 x 9 interleaved runs cost more than 9 strided slices and a reordering
    assert nodes(modulo_shifts(18), "slices") == ["Pad", *["Slice"] * 9, "Concat", "Gather"]
    # but not where the map is large and the runs are few
    runs = np.array([[0, 1], [0, 1], [1, 0], [1, 0], [0, 1]])
    assert nodes(runs, "slices", 64) == ["Pad", *["Slice"] * 3, "Concat"]
    # irregular places: the channels are gathered first
    drawn = generator(0).integers(0, 2, (40, 2))
    assert nodes(drawn, "slices") == ["Gather", "Pad", *["Slice"] * 4, "Concat", "Gather"]


def test_shuffle_forms():
    groups = ops.ChannelShuffle(np.arange(12).reshape(3, 4).T.ravel())
    assert kinds(check(one_op(groups, 12, 3, 2))) == ["Reshape", "Transpose", "Reshape"]
    assert kinds(check(one_op(ops.ChannelShuffle(np.array([2, 0, 1])), 3, 3, 2))) == ["Gather"]


@pytest.mark.parametrize("factor", [(2, 2), (3, 1)])
def test_upsampling(factor):
    check(one_op(ops.UpsampleNearest(factor), 2, 3, 5))


def test_squeeze_and_excite_and_the_rest():
    build = NetworkBuilder(0, 6, 5, 4)
    build.add("pool", ops.GlobalAveragePool(), "input")
    build.linear("gate_linear", "pool", 6)
    build.add("gate", ops.Sigmoid(), "gate_linear")
    build.add("scaled", ops.ChannelScale(), "input", "gate")
    build.add("norm", ops.InstanceNorm(np.arange(1.0, 7), np.arange(6.0), 1e-5), "scaled")
    build.add("half", ops.ChannelSlice(2, 6), "norm")
    check(build.network("se"))


@pytest.mark.parametrize("limits", [(-0.5, 0.5), (-np.inf, 0.25), (0.0, np.inf)])
def test_clamp(limits):
    check(one_op(ops.Clamp(*limits), 2, 3, 2))


def test_names_do_not_collide():
    shift = ops.SpatialShift(modulo_shifts(9))
    nodes = [Node("op/pads", ops.Input(9, 4, 4)), Node("op/part", ops.ReLU(), ("op/pads",))]
    check(Network("names", (*nodes, Node("op", shift, ("op/part",))), "op"), "slices")


def test_every_operator_has_a_writer():
    assert set(WRITERS) == {getattr(ops, name) for name in ops.__all__} - {ops.Op, ops.Input}


def test_refusals():
    network = one_op(ops.ReLU(), 1, 2, 2)
    with pytest.raises(ValueError, match="^shift must be one of depthwise, slices, not 'roll'$"):
        to_onnx(network, shift="roll")
    with pytest.raises(ValueError, match="^batch must be at least 1 or None, not 0$"):
        to_onnx(network, batch=0)
    large = one_op(ops.Conv2d(np.full((1, 1, 1, 1), 1e300)), 1, 2, 2)
    with pytest.raises(NetworkError, match="^op: weight: a value is beyond float32$"):
        to_onnx(large)
