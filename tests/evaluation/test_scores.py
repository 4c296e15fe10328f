"""Tests of scores: ranks among equals, errors by hand, and sums of parts."""

import math

import numpy as np
import pytest

from hwshift.evaluation import Score, finite, score, sqnr_db, tally

from ..seeds import generator


def test_ranks_among_equals():
    tied = np.zeros((3, 6, 1, 1))
    assert score("x", "", tied, np.array([0, 4, 5]), None, 6) == Score("x", "", 1, 2)


def test_ratios():
    assert sqnr_db(100, 1) == 20 and sqnr_db(1, 0) == math.inf and sqnr_db(0, 1) == -math.inf
    assert finite(math.inf) is finite(None) is None and finite(1.5) == 1.5


def test_errors_by_hand():
    """Differences 0.5, 0, -0.25, 0: energies 4 + 1 + 1 + 4 and 0.25 + 0.0625."""
    outputs = np.array([[2.5, 1.0], [0.75, -2.0]]).reshape(2, 2, 1, 1)
    floats = np.array([[2.0, 1.0], [1.0, -2.0]]).reshape(2, 2, 1, 1)
    item = score("x", "how", outputs, None, floats, 2, lsb=0.25)
    assert (item.max_error, item.mean_error, item.agreeing) == (0.5, 0.1875, 2)
    assert item.sqnr_db == pytest.approx(10 * math.log10(10 / 0.3125))
    entry = item.as_dict(2)
    assert (entry["max_error_lsb"], entry["mean_error_lsb"], entry["agreement"]) == (2.0, 0.75, 1.0)
    assert (entry["model"], entry["detail"], entry["top1"]) == ("x", "how", None)


def test_parts_add_up():
    rng = generator(1)
    outputs, floats = rng.integers(-8, 8, (2, 20, 6, 1, 1)).astype(float)  # sums are exact
    labels = rng.integers(0, 6, 20)
    parts = [tally(outputs[i : i + 7], labels[i : i + 7], floats[i : i + 7], 6) for i in (0, 7, 14)]
    assert parts[0] + parts[1] + parts[2] == tally(outputs, labels, floats, 6)
    maps = tally(outputs, None, floats, None) + tally(outputs, None, floats, None)
    assert maps.correct is maps.agreeing is None and maps.values == 240
