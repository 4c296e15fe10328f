import numpy as np

from hwshift.golden.formats import Pow2Format
from hwshift.network import ops
from hwshift.network.float_model import evaluate_float
from hwshift.network.graph import Network, Node
from hwshift.network.passes import RoundWeights
from hwshift.network.random import csc_network

from ...seeds import generator


def test_by_hand():
    weight = np.array([0.3, -0.8, 3.0, 0.0, 1e-9, 0.36]).reshape(6, 1, 1, 1)
    nodes = (Node("input", ops.Input(1, 1, 1)), Node("c", ops.Conv2d(weight, np.full(6, 0.3)), ("input",)))
    rounded = RoundWeights(Pow2Format(-14, 1)).run(Network("net", nodes, "c")).nodes[1].op
    assert rounded.weight.ravel().tolist() == [0.25, -1.0, 2.0, 0.0, 2.0**-14, 0.5]
    assert rounded.bias.tolist() == [0.3] * 6


def test_power_of_two_networks_stay():
    net = RoundWeights().run(csc_network(8, 8, 8, 1))
    x = generator(0).uniform(-1, 1, (1, 3, 8, 8))
    np.testing.assert_array_equal(evaluate_float(RoundWeights().run(net), x), evaluate_float(net, x))
