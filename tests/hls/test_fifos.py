"""The game of words and FIFOs on examples small enough to play by hand."""

import numpy as np
import pytest

from hwshift.errors import CompileError
from hwshift.hls.fifos import fifo_depths, image_ends

# channels: 0 in, 1 out, 2 and 3 behind the fork
FORK = np.array([(0, 1), (5, 0), (7, 0)] * 4, np.int64)
JOIN = np.array([(4, 1), (6, 0), (3, 0)] * 4, np.int64)


def late(need):
    """Between channel 2 and 4: gives a word once it has read `need` of them, then one for each."""
    return np.array([(4, 1)] * (need - 1) + [(4, 1), (9, 0)] * (5 - need) + [(9, 1)] * (need - 1), np.int64)


@pytest.mark.parametrize("need", [1, 2, 3, 4])
def test_a_branch_that_is_late(need):
    """The other branch must hold what the late one has read before its first word."""
    join = np.array([(8, 1), (6, 0), (3, 0)] * 4, np.int64)
    depths = fifo_depths([FORK, late(need), join], [4, 4, 4, 4, 4], [True, False, False], 1, [1] * 5)
    # to give its first word the branch needs `need` words; the fork puts each into channel 2 first, so that when it has
    # given the last of these it has put one less into channel 3
    assert depths == [4, 4, 1, max(1, need - 1), 1]


def test_branches_alike_need_nothing():
    assert fifo_depths([FORK, JOIN], [4, 4, 4, 4], [True, False], 1, [1] * 4) == [4, 4, 1, 1]


def test_a_larger_start_is_kept():
    assert fifo_depths([FORK, JOIN], [4, 4, 4, 4], [True, False], 1, [7] * 4) == [4, 4, 7, 7]


def test_what_no_fifo_cures():
    """Two processes that both read first."""
    one, other = np.array([(4, 1), (7, 0)], np.int64), np.array([(6, 1), (5, 0)], np.int64)
    with pytest.raises(
        CompileError, match="^the processes of this design wait for each other without a FIFO between them$"
    ):
        fifo_depths([one, other], [1, 1, 1, 1], [False, False], 1, [2] * 4)


def test_times_of_a_chain():
    """Four words through two processes: one per cycle with latency 3, then one every five cycles with latency 2."""
    first = np.array([(0, 1), (5, 0)] * 4, np.int64)
    second = np.array([(4, 1), (3, 4)] * 4, np.int64)
    # first reads in cycles 0, 1, ..; its words can be read from 3 on. second reads in 3 and writes in 7 (seen in 9),
    # and begins every five cycles: its fourth word is written in 22 and seen in 24
    assert image_ends([first, second], [4, 4, 4], [4, 4, 8], [3, 2], 1).tolist() == [24]
    # two images: 4 * 5 cycles apart
    twice = [np.tile(first, (2, 1)), np.tile(second, (2, 1))]
    assert image_ends(twice, [4, 4, 4], [4, 4, 8], [3, 2], 2).tolist() == [24, 44]


def test_a_full_fifo_holds_up():
    """A FIFO of one word between a fast writer and a slow reader: the writer waits for the reader."""
    writer = np.array([(0, 1), (5, 0)] * 3, np.int64)
    reader = np.array([(4, 1), (3, 9)] * 3, np.int64)
    assert image_ends([writer, reader], [3, 3, 3], [3, 3, 1], [1, 1], 1).tolist() == [31]
    # reads in 1, 11, 21 (a word every ten cycles), writes nine later, seen one later: 31
