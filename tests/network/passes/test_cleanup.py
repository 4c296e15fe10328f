import numpy as np
import pytest

from hwshift.network import ops
from hwshift.network.float_model import evaluate_float
from hwshift.network.graph import Network, Node
from hwshift.network.passes import RemoveDead, RemoveIdentities
from hwshift.network.random import mixed_network

from ...seeds import generator

INPUT = Node("input", ops.Input(4, 3, 3))
X = generator(0).normal(size=(2, 4, 3, 3))


def names(network):
    return [node.name for node in network.nodes]


def test_remove_dead():
    nodes = (
        INPUT,
        Node("dead1", ops.ReLU(), ("input",)),
        Node("a", ops.ReLU(), ("input",)),
        Node("dead2", ops.Add(), ("a", "dead1")),
        Node("b", ops.Add(), ("a", "input")),
        Node("dead3", ops.ReLU(), ("b",)),
    )
    net = Network("net", nodes, "b")
    clean = RemoveDead().run(net)
    assert names(clean) == ["input", "a", "b"]
    np.testing.assert_array_equal(evaluate_float(clean, X), evaluate_float(net, X))


def test_remove_dead_keeps_the_input():
    assert names(RemoveDead().run(Network("net", (INPUT, Node("a", ops.ReLU(), ("input",))), "input"))) == [
        "input"
    ]


ONES, ZEROS = np.ones(4), np.zeros(4)


@pytest.mark.parametrize(
    ("op", "dropped"),
    [
        (ops.SpatialShift(np.zeros((4, 2), np.int64)), True),
        (ops.SpatialShift(np.array([[0, 0], [0, 0], [0, 1], [0, 0]])), False),
        (ops.ChannelShuffle(np.arange(4)), True),
        (ops.ChannelShuffle(np.array([1, 0, 2, 3])), False),
        (ops.MaxPool((1, 1), (1, 1)), True),
        (ops.MaxPool((1, 1), (2, 2)), False),
        (ops.AveragePool((1, 1), (1, 1)), True),
        (ops.BatchNorm(ONES, ZEROS, ZEROS, ONES, 0.0), True),
        (ops.BatchNorm(ONES, ZEROS, ZEROS, ONES, 0.5), False),
        (ops.BatchNorm(ONES, ONES, ZEROS, ONES, 0.0), False),
        (ops.Clamp(-np.inf, np.inf), True),
        (ops.Clamp(-np.inf, 1.0), False),
        (ops.Concat(), True),
        (ops.ChannelSlice(0, 4), True),
        (ops.ChannelSlice(1, 4), False),
        (ops.ChannelSlice(0, 3), False),
        (ops.UpsampleNearest((1, 1)), True),
        (ops.UpsampleNearest((1, 2)), False),
        (ops.Sigmoid(), False),
        (ops.ReLU(), False),
        (ops.GlobalAveragePool(), False),
        (ops.Flatten(), False),
    ],
)
def test_remove_identity(op, dropped):
    net = Network("net", (INPUT, Node("a", op, ("input",)), Node("b", ops.ReLU(), ("a",))), "b")
    clean = RemoveIdentities().run(net)
    assert names(clean) == (["input", "b"] if dropped else ["input", "a", "b"])
    np.testing.assert_array_equal(evaluate_float(clean, X), evaluate_float(net, X))


@pytest.mark.parametrize(
    ("first", "second", "dropped"),
    [
        (ops.ReLU(), ops.ReLU(), True),
        (ops.Sigmoid(), ops.ReLU(), True),
        (ops.ReLU(), ops.Sigmoid(), False),
        (ops.Sigmoid(), ops.Sigmoid(), False),
        (ops.Clamp(0.0, 6.0), ops.ReLU(), True),
        (ops.Clamp(-1.0, 6.0), ops.ReLU(), False),
        (ops.Clamp(0.0, 1.0), ops.Clamp(-1.0, 6.0), True),
        (ops.Clamp(0.0, 6.0), ops.Clamp(0.0, 1.0), False),
        (ops.GlobalAveragePool(), ops.Flatten(), True),
        (ops.GlobalAveragePool(), ops.GlobalAveragePool(), True),
        (ops.GlobalAveragePool(), ops.AveragePool((1, 1), (2, 2)), False),
    ],
)
def test_remove_second(first, second, dropped):
    nodes = (
        INPUT,
        Node("a", first, ("input",)),
        Node("b", second, ("a",)),
        Node("c", ops.Add(), ("b", "a")),
    )
    net = Network("net", nodes, "c")
    clean = RemoveIdentities().run(net)
    assert names(clean) == (["input", "a", "c"] if dropped else ["input", "a", "b", "c"])
    np.testing.assert_array_equal(evaluate_float(clean, X), evaluate_float(net, X))


def test_the_output_keeps_its_name():
    net = Network("net", (INPUT, Node("a", ops.Concat(), ("input",))), "a")
    assert names(RemoveIdentities().run(net)) == ["input", "a"]


def test_mixed_network_keeps_its_result():
    net = mixed_network(3)
    x = generator(0).uniform(-1, 1, (2, 3, 18, 17))
    clean = RemoveIdentities().run(RemoveDead().run(net))
    np.testing.assert_array_equal(evaluate_float(clean, x), evaluate_float(net, x))
