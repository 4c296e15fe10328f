import numpy as np
import pytest

from hwshift.network import ops
from hwshift.network.float_model import evaluate_float
from hwshift.network.graph import Network, Node
from hwshift.network.passes import RecognizeShift

from ...seeds import generator

X = generator(0).normal(size=(2, 5, 6, 7))


def one_hot(kernel, taps):
    weight = np.zeros((len(taps), 1, *kernel))
    for channel, (row, column) in enumerate(taps):
        weight[channel, 0, row, column] = 1.0
    return weight


TAPS = [(0, 0), (1, 1), (2, 0), (2, 2), (0, 1)]


def network(op):
    return Network("net", (Node("input", ops.Input(5, 6, 7)), Node("a", op, ("input",))), "a")


@pytest.mark.parametrize(
    ("op", "expected"),
    [
        (
            ops.Conv2d(one_hot((3, 3), TAPS), padding=(1, 1, 1, 1), groups=5),
            [[-1, -1], [0, 0], [1, -1], [1, 1], [-1, 0]],
        ),
        (
            ops.Conv2d(one_hot((3, 3), TAPS), np.zeros(5), padding=(2, 2, 2, 2), dilation=(2, 2), groups=5),
            [[-2, -2], [0, 0], [2, -2], [2, 2], [-2, 0]],
        ),
        (
            ops.Conv2d(one_hot((3, 3), TAPS), padding=(0, 2, 2, 0), groups=5),
            [[0, -2], [1, -1], [2, -2], [2, 0], [0, -1]],
        ),
    ],
)
def test_recognized(op, expected):
    net = network(op)
    shifted = RecognizeShift().run(net)
    assert shifted.nodes[1].op.moves.tolist() == expected
    np.testing.assert_array_equal(evaluate_float(shifted, X), evaluate_float(net, X))


TWICE = one_hot((3, 3), TAPS)
TWICE[0, 0, 1, 1] = 1.0
HALF = one_hot((3, 3), TAPS)
HALF[3] *= 0.5
EMPTY = one_hot((3, 3), TAPS)
EMPTY[2] = 0


@pytest.mark.parametrize(
    ("weight", "options"),
    [
        (TWICE, {}),
        (HALF, {}),
        (EMPTY, {}),
        (one_hot((3, 3), TAPS), {"bias": np.ones(5)}),
        (one_hot((3, 3), TAPS), {"stride": (2, 2)}),
        (one_hot((3, 3), TAPS), {"padding": (0, 0, 0, 0)}),
    ],
)
def test_left_alone(weight, options):
    op = ops.Conv2d(weight, **{"padding": (1, 1, 1, 1), "groups": 5, **options})
    assert RecognizeShift().run(network(op)).nodes[1].op is op
    dense = ops.Conv2d(np.eye(5).reshape(5, 5, 1, 1))
    assert RecognizeShift().run(network(dense)).nodes[1].op is dense


def test_kernels_of_zeros_are_shifted_off_the_map_where_it_is_near():
    net = network(ops.Conv2d(EMPTY, padding=(1, 1, 1, 1), groups=5))
    assert RecognizeShift(away=5).run(net).nodes[1].op is net.nodes[1].op
    shifted = RecognizeShift(away=6).run(net)
    assert shifted.nodes[1].op.moves.tolist() == [[-1, -1], [0, 0], [6, 0], [1, 1], [-1, 0]]
    np.testing.assert_array_equal(evaluate_float(shifted, X), evaluate_float(net, X))
    nothing = network(ops.Conv2d(np.zeros((5, 1, 3, 3)), padding=(1, 1, 1, 1), groups=5))
    assert RecognizeShift(away=6).run(nothing).nodes[1].op is nothing.nodes[1].op
