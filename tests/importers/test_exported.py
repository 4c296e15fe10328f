"""PyTorch modules, exported in both of its forms, against PyTorch's own results; the files come from export.py."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from hwshift.importers import from_onnx
from hwshift.network import ops
from hwshift.network.float_model import evaluate_float
from hwshift.network.shuffles import transpose_shuffle

DATA = Path(__file__).parent / "data"
FORMS = ("script", "dynamo")
NAMES = sorted(path.name.removesuffix("_script.onnx") for path in DATA.glob("*_script.onnx"))
EXPECTED = np.load(DATA / "expected.npz")


def network(name, form):
    return from_onnx(DATA / f"{name}_{form}.onnx")


def all_of(net, kind):
    return [node.op for node in net.nodes if isinstance(node.op, kind)]


def counts(net):
    return Counter(type(node.op).__name__ for node in net.nodes)


def log_softmax(scores):
    shifted = scores - scores.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


# What follows the network's output where the exported module ends in it.
LAST = {"shufflenet": log_softmax, "mobilenet_v2": lambda scores: np.exp(log_softmax(scores))}


def test_fixtures_are_complete_and_small():
    assert len(NAMES) == 9
    assert {path.name for path in DATA.iterdir()} == {
        "expected.npz", *(f"{name}_{form}.onnx" for name in NAMES for form in FORMS)}  # fmt: skip
    assert sum(path.stat().st_size for path in DATA.iterdir()) < 1_000_000


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", NAMES)
def test_equals_pytorch(name, form):
    x, expected = EXPECTED[f"{name}_x"], EXPECTED[f"{name}_y"]
    actual = evaluate_float(network(name, form), x).reshape(expected.shape)
    np.testing.assert_allclose(LAST.get(name, lambda y: y)(actual), expected, rtol=1e-4, atol=2e-6)


@pytest.mark.parametrize("form", FORMS)
def test_picked_channels(form):
    """Reordering follows a convolution without a pass of arithmetic."""
    assert counts(network("picked", form)) == {
        "Input": 1, "Conv2d": 3, "ReLU": 1, "ChannelShuffle": 3, "ChannelSlice": 1,
    }  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_resnet_shortcuts(form):
    net = network("resnet", form)
    # the parameter-free shortcut: every second pixel, then a 1x1 convolution of ones and zeros
    (stride,) = all_of(net, ops.AveragePool)
    assert (stride.kernel, stride.stride) == ((1, 1), (2, 2))
    placed = [op for op in all_of(net, ops.Conv2d) if set(np.unique(op.weight)) == {0, 1}]
    np.testing.assert_array_equal(placed[0].weight[:, :, 0, 0], np.eye(16, 8, -4))
    assert counts(net) == {"Input": 1, "Conv2d": 9, "ReLU": 7, "Add": 3, "AveragePool": 1,
                           "GlobalAveragePool": 1, "Linear": 1}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_shuffles(form):
    shuffles = all_of(network("shufflenet", form), ops.ChannelShuffle)
    assert len(shuffles) == 2
    for op in shuffles:
        np.testing.assert_array_equal(op.order, transpose_shuffle(len(op.order), 3))
    net = network("shufflenet_v2", form)
    slices = [(op.start, op.stop) for op in all_of(net, ops.ChannelSlice)]
    assert sorted(slices) == [(0, 4), (0, 4), (4, 8), (4, 8)]
    for op in all_of(net, ops.ChannelShuffle):
        np.testing.assert_array_equal(op.order, [0, 4, 1, 5, 2, 6, 3, 7])


GRID = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]


def written_shifts():
    """(dy, dx) of each channel of the modules in modules.ShiftNet, in PyTorch's channel order."""
    yield [GRID[min(c // 2, 8)] for c in range(20)]
    interleaved = [c for start in range(9) for c in range(start, 20, 9)]
    yield [GRID[c % 9] for c in interleaved]
    yield [(1, 0)] * 4 + [(-1, 0)] * 4 + [(0, 2)] * 4 + [(0, -2)] * 4 + [(0, 0)] * 4
    yield [(-1, 0)] * 5 + [(1, 0)] * 5 + [(0, -1)] * 5 + [(0, 0)] * 5
    yield [(-1, 1)] * 20
    away = (0, 14)
    for dilation in (1, 2):
        yield [
            away if c % 5 == 4 else (dilation * (c // 3 % 3 - 1), dilation * (c % 3 - 1)) for c in range(20)
        ]


@pytest.mark.parametrize("form", FORMS)
def test_every_way_to_write_a_shift(form):
    net = network("shiftnet", form)
    shifts = all_of(net, ops.SpatialShift)
    for op, expected in zip(shifts, written_shifts(), strict=True):
        np.testing.assert_array_equal(op.moves, expected)
    (shuffle,) = all_of(
        net, ops.ChannelShuffle
    )  # of the interleaved groups, which are joined in another order
    np.testing.assert_array_equal(shuffle.order, [c for start in range(9) for c in range(start, 20, 9)])
    assert counts(net) == {
        "Input": 1,
        "Conv2d": 15,
        "ReLU": 7,
        "SpatialShift": 7,
        "ChannelShuffle": 1,
        "Add": 7,
    }


@pytest.mark.parametrize("form", FORMS)
def test_the_rest(form):
    assert counts(network("senet", form))["ChannelScale"] == 2
    net = network("mobilenet_v2", form)
    assert {(op.lo, op.hi) for op in all_of(net, ops.Clamp)} == {(0.0, 6.0)}
    assert all(op.bias is not None for op in all_of(net, ops.Linear))
    (note,) = net.meta["notes"]
    assert note.startswith("left out: the final Softmax") and note.endswith("what it would be applied to")
    (shift,) = all_of(network("factorized_reduce", form), ops.SpatialShift)
    np.testing.assert_array_equal(shift.moves, np.ones((8, 2)))
    net = network("style", form)
    assert [op.factor for op in all_of(net, ops.UpsampleNearest)] == [(2, 2)]
    assert len(all_of(net, ops.InstanceNorm)) == 1
