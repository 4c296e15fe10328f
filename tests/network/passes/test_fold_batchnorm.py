import numpy as np
import pytest

from hwshift.network import ops
from hwshift.network.float_model import evaluate_float
from hwshift.network.graph import Network, Node
from hwshift.network.passes import FoldBatchNorm
from hwshift.network.random import csc_network, mixed_network

from ...seeds import generator

RNG = generator(5)
INPUT = Node("input", ops.Input(2, 4, 4))


def norm(channels):
    return ops.BatchNorm(*RNG.normal(size=(3, channels)), RNG.uniform(0.5, 2, channels))


def kinds(network):
    return [(node.name, type(node.op).__name__) for node in network.nodes]


def test_by_hand():
    conv = ops.Conv2d(np.array([[[[2.0]], [[4.0]]]]), np.array([1.0]))
    batchnorm = ops.BatchNorm(np.array([3.0]), np.array([5.0]), np.array([7.0]), np.array([4.0]), 0.0)
    net = Network("net", (INPUT, Node("c", conv, ("input",)), Node("n", batchnorm, ("c",))), "n")
    folded = FoldBatchNorm().run(net)
    assert kinds(folded) == [("input", "Input"), ("n", "Conv2d")]
    assert folded.nodes[1].op.weight.ravel().tolist() == [3.0, 6.0]
    assert folded.nodes[1].op.bias.tolist() == [-4.0]


@pytest.mark.parametrize("bias", [False, True])
def test_chain_of_two_and_linear(bias):
    offset = RNG.normal(size=3) if bias else None
    nodes = (
        INPUT,
        Node("c", ops.Conv2d(RNG.normal(size=(4, 1, 3, 3)), groups=2), ("input",)),
        Node("n1", norm(4), ("c",)),
        Node("n2", norm(4), ("n1",)),
        Node("r", ops.ReLU(), ("n2",)),
        Node("l", ops.Linear(RNG.normal(size=(3, 16)), offset), ("r",)),
        Node("n3", norm(3), ("l",)),
    )
    net = Network("net", nodes, "n3")
    folded = FoldBatchNorm().run(net)
    assert kinds(folded) == [("input", "Input"), ("n2", "Conv2d"), ("r", "ReLU"), ("n3", "Linear")]
    x = RNG.normal(size=(2, 2, 4, 4))
    np.testing.assert_allclose(evaluate_float(folded, x), evaluate_float(net, x), atol=1e-12)


def test_not_where_the_convolution_is_read_twice():
    nodes = (
        INPUT,
        Node("c", ops.Conv2d(RNG.normal(size=(2, 2, 1, 1))), ("input",)),
        Node("n", norm(2), ("c",)),
        Node("a", ops.Add(), ("c", "n")),
    )
    assert kinds(FoldBatchNorm().run(Network("net", nodes, "a")))[2] == ("n", "BatchNorm")
    assert kinds(FoldBatchNorm().run(Network("net", nodes[:3], "c")))[2] == ("n", "BatchNorm")


@pytest.mark.parametrize(
    "net", [csc_network(8, 8, 8, 2, stride2=(1,)), mixed_network()], ids=["csc", "mixed"]
)
def test_networks_keep_their_result(net):
    x = RNG.uniform(-1, 1, (2, *net.nodes[0].op.shape(())))
    folded = FoldBatchNorm().run(net)
    assert len(folded.nodes) < len(net.nodes)
    np.testing.assert_allclose(evaluate_float(folded, x), evaluate_float(net, x), rtol=1e-9, atol=1e-9)
