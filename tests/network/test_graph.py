import re

import numpy as np
import pytest

from hwshift.errors import NetworkError
from hwshift.network import ops
from hwshift.network.graph import Network, Node
from hwshift.network.random import csc_network

INPUT = Node("input", ops.Input(2, 4, 4))


def network(*nodes, output=None):
    return Network("net", nodes, output or nodes[-1].name)


def test_verify_returns_itself():
    net = network(INPUT, Node("relu", ops.ReLU(), ("input",)))
    assert net.verify() is net
    assert net.shapes() == {"input": (2, 4, 4), "relu": (2, 4, 4)}
    assert net.node("relu").inputs == ("input",)


class Unknown:
    pass


@pytest.mark.parametrize(
    ("nodes", "output", "message"),
    [
        ([Node("relu", ops.ReLU(), ("input",))], None, "net: the first node must be the input"),
        ([INPUT, Node("", ops.ReLU(), ("input",))], None, "net: a node needs a name, not ''"),
        ([INPUT, Node("input", ops.ReLU(), ("input",))], None, "input: two nodes have this name"),
        ([INPUT, Node("a", Unknown(), ("input",))], None, "a: unknown operator Unknown"),
        (
            [INPUT, Node("b", ops.Input(1, 1, 1))],
            None,
            "b: a network has one input, and it comes first",
        ),
        ([INPUT, Node("a", ops.Add(), ("input",))], None, "a: Add takes 2 inputs, not 1"),
        ([INPUT, Node("a", ops.Concat())], None, "a: Concat takes one or more inputs, not 0"),
        ([INPUT, Node("a", ops.ReLU(), ("b",))], None, "a: its input 'b' is no earlier node"),
        ([INPUT, Node("a", ops.ReLU(), ("a",))], None, "a: its input 'a' is no earlier node"),
        ([INPUT], "nothing", "net: the output 'nothing' is not a node"),
        (
            [INPUT, Node("a", ops.Conv2d(np.full((1, 2, 1, 1), np.inf)), ("input",))],
            None,
            "a: weight must be finite, not NaN or infinity",
        ),
        (
            [INPUT, Node("a", ops.Conv2d(np.ones((1, 3, 1, 1))), ("input",))],
            None,
            "a: the weights need 3 input channels, the input has 2",
        ),
        (
            [INPUT, Node("a", ops.AveragePool((5, 5), (1, 1)), ("input",))],
            None,
            "a: a window of 5 does not fit 4 padded rows",
        ),
    ],
)
def test_verify_refuses(nodes, output, message):
    with pytest.raises(NetworkError, match=f"^{re.escape(message)}$"):
        network(*nodes, output=output).verify()


def test_consumers_count_every_read():
    net = network(INPUT, Node("a", ops.Add(), ("input", "input")), Node("b", ops.ReLU(), ("input",)))
    readers = net.consumers()
    assert [node.name for node in readers["input"]] == ["a", "a", "b"]
    assert readers["a"] == []


def test_summary_of_shiftresnet20_3_module_counts():
    """Parameters and multiply-accumulates of a small network, counted by hand."""
    net = csc_network(16, 8, 8, modules=1, stride2=(0,), expansion=3, classes=10)
    rows = {row[0]: row[1:] for row in net.summary()}
    assert rows["stem_conv"] == ("Conv2d", (16, 8, 8), 432, 432 * 64)
    assert rows["m0_conv1"] == ("Conv2d", (96, 8, 8), 1536, 1536 * 64)
    assert rows["m0_conv2"] == ("Conv2d", (32, 4, 4), 3072, 3072 * 16)
    assert rows["m0_short_conv"] == ("Conv2d", (32, 4, 4), 512, 512 * 16)
    assert rows["classifier"] == ("Linear", (10, 1, 1), 330, 320)
    norms = 2 * (16 + 96 + 32 + 32)
    assert net.parameters == 432 + 1536 + 3072 + 512 + 330 + norms
    assert net.macs == 432 * 64 + 1536 * 64 + 3072 * 16 + 512 * 16 + 320


@pytest.mark.parametrize(
    ("blocks", "expansion", "parameters"),
    [(3, 1, 34_906), (3, 3, 95_642), (3, 9, 277_850), (9, 6, 583_226)],
)
def test_shiftresnet_parameters(blocks, expansion, parameters):
    """Published parameter counts of ShiftResNet-20 and -56."""
    strided = (blocks, 2 * blocks)
    net = csc_network(16, 32, 32, modules=3 * blocks, stride2=strided, expansion=expansion)
    assert net.parameters == parameters
