import itertools

import numpy as np
import pytest

from hwshift.network import ops
from hwshift.network.float_model import evaluate_op
from hwshift.network.shuffles import transpose_shuffle

from ..seeds import generator


@pytest.mark.parametrize(("channels", "groups"), [(12, 3), (12, 4), (9, 3), (6, 1), (6, 6), (240, 3)])
def test_both_permutations_as_published(channels, groups):
    x = generator(1).normal(size=(2, channels, 1, 2))
    n = channels // groups
    paper = evaluate_op(ops.ChannelShuffle(transpose_shuffle(channels, groups)), x)
    authors = evaluate_op(ops.ChannelShuffle(transpose_shuffle(channels, groups, inverse=True)), x)
    for i, j in itertools.product(range(groups), range(n)):
        np.testing.assert_array_equal(paper[:, j * groups + i], x[:, i * n + j])
        np.testing.assert_array_equal(authors[:, i * n + j], x[:, j * groups + i])
    assert (paper == authors).all() == (groups in (n, 1, channels))


def test_by_hand():
    assert transpose_shuffle(6, 2).tolist() == [0, 3, 1, 4, 2, 5]
    assert transpose_shuffle(6, 2, inverse=True).tolist() == [0, 2, 4, 1, 3, 5]


@pytest.mark.parametrize(("channels", "groups"), [(12, 5), (0, 1), (4, 0)])
def test_refuses(channels, groups):
    with pytest.raises(ValueError, match=f"^groups must divide the {channels} channels, not {groups}$"):
        transpose_shuffle(channels, groups)
