import pytest

from hwshift.errors import NetworkError
from hwshift.network import ops
from hwshift.network.graph import Network, Node
from hwshift.network.passes import PASSES, Pass, run_passes
from hwshift.network.random import mixed_network


class Breaks(Pass):
    name = "breaks"

    def apply(self, network):
        return network.with_nodes(network.nodes[1:])


def test_names_are_keys():
    assert {cls.name: cls for cls in PASSES.values()} == PASSES


@pytest.mark.parametrize("cls", PASSES.values(), ids=PASSES)
def test_every_pass_verifies_before(cls):
    broken = Network("net", (Node("a", ops.ReLU(), ("b",)),), "a")
    with pytest.raises(NetworkError, match="^net: the first node must be the input$"):
        cls().run(broken)


def test_every_pass_verifies_after():
    with pytest.raises(NetworkError, match="^mixed-0: the first node must be the input$"):
        run_passes(mixed_network(), [Breaks()])


@pytest.mark.parametrize("cls", PASSES.values(), ids=PASSES)
def test_every_pass_twice_is_once(cls):
    once = cls().run(mixed_network())
    twice = cls().run(once)
    assert [(n.name, type(n.op), n.inputs) for n in twice.nodes] == [
        (n.name, type(n.op), n.inputs) for n in once.nodes
    ]


def test_base_pass_does_nothing_by_itself():
    with pytest.raises(NotImplementedError):
        Pass().run(mixed_network())
