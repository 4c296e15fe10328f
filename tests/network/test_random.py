import numpy as np
import pytest

from hwshift.golden.formats import Arithmetic, QFormat
from hwshift.network import ops
from hwshift.network.bind import bind
from hwshift.network.float_model import evaluate_all
from hwshift.network.quantize import quantize
from hwshift.network.random import csc_network, gated_network, mixed_network
from hwshift.network.shifts import contiguous_shifts, modulo_shifts


def weights(network):
    return np.concatenate([n.op.weight.ravel() for n in network.nodes if hasattr(n.op, "weight")])


@pytest.mark.parametrize(
    "make",
    [lambda s: csc_network(4, 4, 4, 1, seed=s), mixed_network, gated_network],
    ids=["csc", "mixed", "gated"],
)
def test_seeds(make):
    np.testing.assert_array_equal(weights(make(1)), weights(make(1)))
    assert (weights(make(1)) != weights(make(2))).any()


def test_known_values():
    """The same on every machine: the first weights as bits."""
    first = csc_network(4, 4, 4, 1).node("stem_conv").op.weight.ravel()[:3]
    assert [value.hex() for value in first.tolist()] == [
        float(value).hex() for value in np.random.default_rng(0).uniform(-np.sqrt(6 / 27), np.sqrt(6 / 27), 3)
    ]


def test_both_networks_have_every_operator():
    used = {type(node.op) for network in (mixed_network(), gated_network()) for node in network.nodes}
    every = {getattr(ops, name) for name in ops.__all__} - {ops.Op}
    assert used == every


def test_options():
    net = csc_network(
        8,
        9,
        7,
        2,
        stride2=(0,),
        kernel=5,
        expansion=2,
        classes=4,
        in_channels=1,
        shifts="contiguous",
        dilation=2,
    )
    shapes = net.shapes()
    assert shapes["stem"] == (8, 9, 7)
    assert shapes["m0_relu1"] == (32, 9, 7)
    assert shapes["m0"] == shapes["m1"] == (16, 5, 4)
    assert shapes["classifier"] == (4, 1, 1)
    shift = net.node("m0_shift").op
    np.testing.assert_array_equal(shift.moves, 2 * contiguous_shifts(32, 5))
    assert "m1_short" not in shapes
    np.testing.assert_array_equal(
        csc_network(8, 8, 8, 1).node("m0_shift").op.offsets, modulo_shifts(8)
    )  # fmt: skip


@pytest.mark.parametrize(
    "net", [csc_network(16, 16, 16, 9, stride2=(3, 6)), mixed_network()], ids=["csc", "mixed"]
)
def test_maps_keep_a_useful_size(net):
    """No map dies out or explodes: each stays well inside Q8.8, and no layer is all zeros."""
    x = np.random.default_rng(0).uniform(-1, 1, (4, *net.nodes[0].op.shape(())))
    for name, y in evaluate_all(net, x).items():
        assert 0.1 < y.std() < 10, name
        assert np.abs(y).max() < 100, name


@pytest.mark.parametrize("weights", ["pow2", "fixed"])
def test_they_bind(weights):
    arithmetic = Arithmetic() if weights == "pow2" else Arithmetic("mac", weights=QFormat())
    for net in (csc_network(16, 16, 16, 3, stride2=(1,)), mixed_network(8), gated_network(8)):
        bind(quantize(net, weights=weights), arithmetic)
