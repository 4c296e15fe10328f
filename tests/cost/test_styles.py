import numpy as np
import pytest

from hwshift.config import PRESETS
from hwshift.cost.styles import STYLES, analyse_styles, restyle, with_sparsity
from hwshift.network import ops
from hwshift.network.float_model import evaluate_float
from hwshift.network.graph import Network, Node
from hwshift.zoo import build

from ..seeds import generator

CONFIG = PRESETS["8x8"]


def network(stride=1):
    """Three channels to 8, a shift by up to one pixel and a 1x1 convolution to 6: 8 x 8 pixels."""
    rng = generator(3)
    draw = lambda *shape: rng.uniform(0.1, 0.4, shape).astype(np.float32)  # noqa: E731
    offsets = np.array([[0, 0], [-1, 0], [1, 0], [0, -1], [0, 1], [1, 1], [0, 0], [-1, -1]])
    nodes = (
        Node("input", ops.Input(3, 8, 8)),
        Node("stem", ops.Conv2d(draw(8, 3, 3, 3), padding=(1,) * 4), ("input",)),
        Node("shift", ops.SpatialShift(offsets), ("stem",)),
        Node("mix", ops.Conv2d(draw(6, 8, 1, 1), stride=(stride, stride)), ("shift",)),
    )
    return Network("net", nodes, "mix")


def macs(net):
    return {row[0]: row[4] for row in net.summary() if row[4]}


@pytest.mark.parametrize(("stride", "pixels"), [(1, 64), (2, 16)])
def test_a_shift_network_in_every_style(stride, pixels):
    found = {mixing: restyle(network(stride), mixing) for mixing in ("conv", "depthwise", "shift")}
    stem = 64 * 8 * 27
    assert macs(found["conv"]) == {"stem": stem, "mix": pixels * 6 * 8 * 9}
    assert macs(found["depthwise"]) == {"stem": stem, "shift": 64 * 8 * 9, "mix": pixels * 6 * 8}
    assert macs(found["shift"]) == {"stem": stem, "mix": pixels * 6 * 8}
    for item in found.values():
        assert item.shapes()["mix"] == network(stride).shapes()["mix"]


@pytest.mark.parametrize(("stride", "first", "second"), [(1, 64, 64), (2, 16, 16)])
def test_an_ordinary_network_in_every_style(stride, first, second):
    source = restyle(network(stride), "conv")
    shift, depthwise = restyle(source, "shift"), restyle(source, "depthwise")
    stem = 64 * 8 * 27
    assert restyle(source, "conv").summary() == source.summary()
    assert macs(shift) == {"stem": stem, "mix": second * 6 * 8}
    assert macs(depthwise) == {"stem": stem, "mix.spatial": first * 8 * 9, "mix": second * 6 * 8}
    assert shift.shapes()["mix"] == depthwise.shapes()["mix"] == source.shapes()["mix"]
    assert isinstance(shift.node("mix.spatial").op, ops.SpatialShift)


@pytest.mark.parametrize("stride", [1, 2])
def test_a_depthwise_network_in_every_style(stride):
    """Its BatchNorm and activation go with the depthwise convolution."""
    rng = generator(3)
    draw = lambda *shape: rng.uniform(0.1, 0.4, shape).astype(np.float32)  # noqa: E731
    norm = ops.BatchNorm(*(np.ones(8, np.float32) for _ in range(4)))
    nodes = (
        Node("input", ops.Input(3, 8, 8)),
        Node("stem", ops.Conv2d(draw(8, 3, 3, 3), padding=(1,) * 4), ("input",)),
        Node("dw", ops.Conv2d(draw(8, 1, 5, 5), None, (stride, stride), (2,) * 4, groups=8), ("stem",)),
        Node("dw.bn", norm, ("dw",)),
        Node("dw.relu", ops.ReLU(), ("dw.bn",)),
        Node("mix", ops.Conv2d(draw(6, 8, 1, 1)), ("dw.relu",)),
    )
    source = Network("net", nodes, "mix")
    stem, pixels = 64 * 8 * 27, 64 // stride**2
    assert restyle(source, "depthwise").summary() == source.summary()
    assert macs(source) == {"stem": stem, "dw": pixels * 8 * 25, "mix": pixels * 6 * 8}
    shift, conv = restyle(source, "shift"), restyle(source, "conv")
    assert [node.name for node in shift.nodes] == ["input", "stem", "mix.spatial", "mix"]
    assert macs(shift) == {"stem": stem, "mix": pixels * 6 * 8}
    assert [node.name for node in conv.nodes] == ["input", "stem", "mix"]
    assert macs(conv) == {"stem": stem, "mix": pixels * 6 * 8 * 25}
    assert shift.shapes()["mix"] == conv.shapes()["mix"] == source.shapes()["mix"]
    # read by two layers, it stays
    more = (
        *nodes,
        Node("other", ops.Conv2d(draw(6, 8, 1, 1)), ("dw.relu",)),
        Node("sum", ops.Add(), ("mix", "other")),
    )
    both = Network("net", more, "sum")
    assert restyle(both, "shift").summary() == both.summary()


def test_mobilenet_as_a_shift_network():
    found = restyle(build("MobileNetV2", size=64), "shift")
    assert not [node.name for node in found.nodes if isinstance(node.op, ops.Conv2d) and node.op.groups > 1]
    assert sum(isinstance(node.op, ops.SpatialShift) for node in found.nodes) == 17


def test_resnet20_as_a_shift_network():
    """18 convolutions of 3 x 3 become 1 x 1; the stem, two shortcuts and the classifier stay."""
    source = build("ResNet20")
    found = macs(restyle(source, "shift"))
    before = macs(source)
    same = {"stem", "classifier"} | {name for name in before if "shortcut" in name}
    assert {name: found[name] * (1 if name in same else 9) for name in found} == before


def test_no_two_tiles_are_alike():
    for mixing in ("conv", "depthwise"):
        for node in restyle(network(), mixing).nodes:
            if isinstance(node.op, ops.Conv2d):
                kernels = node.op.weight.reshape(node.op.weight.shape[0], -1)
                assert len(np.unique(kernels, axis=0)) == len(kernels)
        image = np.full((1, 3, 8, 8), 0.5, np.float32)
        assert np.abs(evaluate_float(restyle(network(), mixing), image)).max() < 100


def test_styles_on_the_array_they_need():
    found = analyse_styles(network(), CONFIG)
    assert [item.style for item in found] == list(STYLES)
    assert [item.analysis.config.name for item in found] == ["8x8-mac"] * 3 + ["8x8"] * 3
    by_name = {item.style.name: item.analysis for item in found}
    assert by_name["convolution, fixed"].operations.multiplies > 0
    # a multiplier-free accelerator multiplies nothing, the other one shifts only where the epilogue scales
    assert by_name["shift, pow2"].operations.multiplies == 0
    assert (
        by_name["shift, fixed"].counts.total.array.operations
        == by_name["shift, pow2"].counts.total.array.operations
    )
    assert by_name["convolution, pow2"].simulation.macs == by_name["convolution, fixed"].simulation.macs
    own = CONFIG.with_(name="own", feature_depth=2048)
    names = [item.analysis.config.name for item in analyse_styles(network(), own, styles=STYLES[2::3])]
    assert names == ["own-mac", "own"]


def test_a_style_that_does_not_fit_says_why():
    norm = ops.InstanceNorm(np.ones(6, np.float32), np.zeros(6, np.float32))
    source = network()
    source = source.with_nodes([*source.nodes, Node("norm", norm, ("mix",))], "norm")
    found = analyse_styles(source, CONFIG, styles=STYLES[:1])
    assert found[0].analysis is None
    assert found[0].refused.startswith("norm: ")


@pytest.mark.parametrize(("share", "still"), [(0.0, 2), (0.25, 2), (0.5, 4), (0.7, 6), (1.0, 8)])
def test_sparsity(share, still):
    offsets = with_sparsity(network(), share).node("shift").op.offsets
    assert (offsets == 0).all(axis=1).sum() == still
    before = network().node("shift").op.offsets
    assert ((offsets == before) | (offsets == 0)).all()
