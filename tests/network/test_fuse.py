import re

import numpy as np
import pytest

from hwshift.errors import NetworkError
from hwshift.network import ops
from hwshift.network.fuse import fuse
from hwshift.network.graph import Network, Node
from hwshift.network.passes import RemoveIdentities
from hwshift.network.random import csc_network, mixed_network


def conv(channels=2, kernel=1, **options):
    return ops.Conv2d(np.ones((channels, channels, kernel, kernel)), **options)


NORM = ops.BatchNorm(*(np.ones(2),) * 4)
SHIFT = ops.SpatialShift(np.array([[0, 1], [1, 0]]))


def chains(*nodes, output=None, shift="fused"):
    """Nodes are (name, op, inputs...); the input has 2 x 4 x 4."""
    listed = (Node("input", ops.Input(2, 4, 4)), *(Node(name, op, inputs) for name, op, *inputs in nodes))
    listed = tuple(Node(node.name, node.op, tuple(node.inputs)) for node in listed)
    return fuse(Network("net", listed, output or listed[-1].name).verify(), shift)[1:]


def brief(chain):
    """What a layer is made of: name, root, inputs, and what is not empty of the rest."""
    rest = []
    if chain.norms:
        rest.append(f"{len(chain.norms)} norms")
    if chain.activation:
        rest.append(type(chain.activation).__name__)
    if chain.residual:
        rest.append(f"+ {chain.residual}")
    if chain.residual_activation:
        rest.append(type(chain.residual_activation).__name__)
    if chain.shift:
        rest.append("shift")
    return " ".join([chain.name, "=", chain.root.name, *chain.inputs, *rest])


@pytest.mark.parametrize(
    ("nodes", "expected"),
    [
        # the whole epilogue in its order
        (
            [
                ("c", conv(), "input"),
                ("n", NORM, "c"),
                ("r", ops.ReLU(), "n"),
                ("a", ops.Add(), "r", "input"),
                ("s", ops.Clamp(0.0, 6.0), "a"),
            ],
            ["s = c input 1 norms ReLU + input Clamp"],
        ),
        # the residual may stand on the left
        ([("c", conv(), "input"), ("a", ops.Add(), "input", "c")], ["a = c input + input"]),
        # of two convolutions the later one adds
        (
            [("c", conv(), "input"), ("d", conv(), "input"), ("a", ops.Add(), "c", "d")],
            ["c = c input", "a = d input + c"],
        ),
        # the other side must be there already
        (
            [
                ("c", conv(), "input"),
                ("p", ops.MaxPool((1, 1), (1, 1)), "input"),
                ("a", ops.Add(), "c", "p"),
            ],
            ["c = c input", "p = p input", "a = a c p"],
        ),
        # read twice: nothing is absorbed
        (
            [("c", conv(), "input"), ("r", ops.ReLU(), "c"), ("a", ops.Add(), "r", "c")],
            ["c = c input", "r = r c ReLU", "a = a r c"],
        ),
        ([("c", conv(), "input"), ("a", ops.Add(), "c", "c")], ["c = c input", "a = a c c"]),
        # a second activation, a BatchNorm after the activation or the sum have no place
        (
            [
                ("c", conv(), "input"),
                ("r", ops.ReLU(), "c"),
                ("n", NORM, "r"),
                ("m", NORM, "n"),
                ("k", ops.Clamp(0.0, 1.0), "m"),
                ("q", ops.Clamp(0.0, 0.5), "k"),
            ],
            ["r = c input ReLU", "k = n r 2 norms Clamp", "q = q k Clamp"],
        ),
        (
            [("c", conv(), "input"), ("a", ops.Add(), "c", "input"), ("n", NORM, "a")],
            ["a = c input + input", "n = n a 1 norms"],
        ),
        (
            [("c", conv(), "input"), ("a", ops.Add(), "c", "input"), ("b", ops.Add(), "a", "input")],
            ["a = c input + input", "b = b a input"],
        ),
        # pools take an activation, but no scale and no residual
        (
            [
                ("p", ops.MaxPool((2, 2), (2, 2)), "input"),
                ("r", ops.ReLU(), "p"),
                ("n", NORM, "r"),
                ("g", ops.GlobalAveragePool(), "n"),
                ("m", NORM, "g"),
            ],
            ["r = p input ReLU", "n = n r 1 norms", "g = g n", "m = m g 1 norms"],
        ),
        # an element-wise sum takes both
        (
            [("a", ops.Add(), "input", "input"), ("n", NORM, "a"), ("r", ops.ReLU(), "n")],
            ["r = a input input 1 norms ReLU"],
        ),
        # data moves take nothing
        (
            [("k", ops.Concat(), "input"), ("r", ops.ReLU(), "k"), ("n", NORM, "r")],
            ["k = k input", "r = r k ReLU", "n = n r 1 norms"],
        ),
        # a sigmoid wherever a ReLU may be
        (
            [
                ("c", conv(), "input"),
                ("g", ops.Sigmoid(), "c"),
                ("a", ops.Add(), "g", "input"),
                ("h", ops.Sigmoid(), "a"),
                ("i", ops.Sigmoid(), "h"),
                ("p", ops.MaxPool((1, 1), (2, 2)), "i"),
                ("s", ops.Sigmoid(), "p"),
            ],
            ["h = c input Sigmoid + input Sigmoid", "i = i h Sigmoid", "s = p i Sigmoid"],
        ),
        # squeeze-and-excite takes activation and residual, but no scale
        (
            [
                ("p", ops.GlobalAveragePool(), "input"),
                ("c", conv(), "p"),
                ("g", ops.Sigmoid(), "c"),
                ("e", ops.ChannelScale(), "input", "g"),
                ("r", ops.ReLU(), "e"),
                ("a", ops.Add(), "input", "r"),
                ("s", ops.Clamp(0.0, 6.0), "a"),
                ("x", ops.ChannelScale(), "s", "g"),
                ("n", NORM, "x"),
            ],
            [
                "p = p input",
                "g = c p Sigmoid",
                "s = e input g ReLU + input Clamp",
                "x = x s g",
                "n = n x 1 norms",
            ],
        ),
        # so does an instance normalisation
        (
            [
                ("i", ops.InstanceNorm(np.ones(2), np.zeros(2)), "input"),
                ("r", ops.ReLU(), "i"),
                ("a", ops.Add(), "r", "input"),
                ("j", ops.InstanceNorm(np.ones(2), np.zeros(2)), "a"),
                ("n", NORM, "j"),
            ],
            ["a = i input ReLU + input", "j = j a", "n = n j 1 norms"],
        ),
        # slices and upsampling move data
        (
            [
                ("k", ops.ChannelSlice(0, 1), "input"),
                ("r", ops.ReLU(), "k"),
                ("u", ops.UpsampleNearest((2, 2)), "r"),
                ("s", ops.Sigmoid(), "u"),
            ],
            ["k = k input", "r = r k ReLU", "u = u r", "s = s u Sigmoid"],
        ),
        # a Flatten before a Linear disappears, also together with a residual
        (
            [
                ("f", ops.Flatten(), "input"),
                ("l", ops.Linear(np.ones((3, 32))), "f"),
                ("n", ops.BatchNorm(*(np.ones(3),) * 4), "l"),
                ("v", ops.Flatten(), "n"),
                ("r", ops.ReLU(), "v"),
                ("m", ops.Linear(np.ones((3, 3))), "r"),
                ("a", ops.Add(), "m", "r"),
            ],
            ["n = l input 1 norms", "r = r n ReLU", "a = m r + r"],
        ),
    ],
)
def test_chains(nodes, expected):
    assert [brief(chain) for chain in chains(*nodes)] == expected


def test_shift_is_fused_into_every_reader():
    nodes = [
        ("s", SHIFT, "input"),
        ("c", conv(), "s"),
        ("d", conv(stride=(2, 2)), "s"),
        ("e", conv(stride=(2, 2)), "c"),
        ("a", ops.Add(), "d", "e"),
    ]
    assert [brief(chain) for chain in chains(*nodes)] == [
        "c = c input shift",
        "d = d input shift",
        "a = e c + d",
    ]
    assert [brief(chain) for chain in chains(*nodes, shift="moved")][:2] == ["s = s input", "c = c s"]


@pytest.mark.parametrize(
    "reader",
    [conv(kernel=3), conv(padding=(0, 0, 0, 1)), ops.ReLU(), SHIFT, ops.Linear(np.ones((1, 32)))],
    ids=["3x3", "padded", "relu", "shift", "linear"],
)
def test_shift_stays_a_layer(reader):
    found = chains(("s", SHIFT, "input"), ("c", conv(), "s"), ("d", reader, "s"), ("k", ops.Flatten(), "c"),
                   ("l", ops.Linear(np.ones((1, 32))), "k"))  # fmt: skip
    assert brief(found[0]) == "s = s input"
    assert found[1].shift is None


def test_shift_of_a_shift():
    found = chains(("s", SHIFT, "input"), ("t", SHIFT, "s"), ("c", conv(), "t"))
    assert [brief(chain) for chain in found] == ["s = s input", "c = c s shift"]


def test_shift_as_output():
    assert [brief(chain) for chain in chains(("s", SHIFT, "input"))] == ["s = s input"]


def test_the_output_ends_a_chain():
    found = chains(("c", conv(), "input"), output="c")
    assert [brief(chain) for chain in found] == ["c = c input"]


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        (
            [("f", ops.Flatten(), "input"), ("r", ops.ReLU(), "f")],
            "f: only a Linear can read a flattened map, not 'r' (ReLU)",
        ),
        (
            [("f", ops.Flatten(), "input")],
            "f: only a Linear can read a flattened map, not the network's output",
        ),
    ],
)
def test_flatten_refused(nodes, message):
    with pytest.raises(NetworkError, match=f"^{re.escape(message)}$"):
        chains(*nodes)


@pytest.mark.parametrize("shift", ["fused", "moved"])
@pytest.mark.parametrize(
    "net", [csc_network(8, 8, 8, 3, stride2=(1,)), mixed_network()], ids=["csc", "mixed"]
)
def test_order_and_coverage(net, shift):
    """Every layer reads earlier layers, the output is last, and every node is in one chain."""
    net = RemoveIdentities().run(net)
    found = fuse(net, shift)
    seen = set()
    for chain in found:
        assert {*chain.inputs, *filter(None, [chain.residual])} <= seen
        seen.add(chain.name)
    assert len(seen) == len(found)
    assert found[-1].name == net.output


def test_csc_layers():
    found = fuse(csc_network(8, 8, 8, 2, stride2=(1,)))
    assert [brief(chain) for chain in found] == [
        "input = input",
        "stem = stem_conv input 1 norms ReLU",
        "m0_relu1 = m0_conv1 stem 1 norms ReLU",
        "m0 = m0_conv2 m0_relu1 1 norms ReLU + stem shift",
        "m1_relu1 = m1_conv1 m0 1 norms ReLU",
        "m1_relu2 = m1_conv2 m1_relu1 1 norms ReLU shift",
        "m1 = m1_short_conv m0 1 norms + m1_relu2",
        "pool = pool m1",
        "classifier = classifier pool",
    ]
