"""Rows are copied as they are, and nothing beside them is touched."""

import numpy as np
import pytest
from numba import njit

from hwshift.golden.copies import copy_rows

LEAST = -(1 << 31)


@njit
def copied(source, s_at, s_pitch, target, t_at, t_pitch, rows, width):
    return copy_rows(source, s_at, s_pitch, target, t_at, t_pitch, rows, width)


@pytest.mark.parametrize("width", [1, 2, 15, 16, 17, 31, 32, 33, 50])
@pytest.mark.parametrize("rows", [0, 1, 3])
def test_rows(rows, width):
    rng = np.random.default_rng(width)
    source = rng.integers(LEAST, 1 << 31, 400).astype(np.int32)
    target = np.full(400, 7, np.int32)
    found = copied(source, 5, width + 3, target, 9, width + 70, rows, width)
    expected, largest = [7] * 400, 0
    for row in range(rows):
        own = source[5 + row * (width + 3) :][:width].tolist()
        expected[9 + row * (width + 70) : 9 + row * (width + 70) + width] = own
        largest = max(largest, *(abs(value) for value in own))
    assert target.tolist() == expected
    assert found == largest


@pytest.mark.parametrize("value", [LEAST, LEAST + 1, -1, 0, 1, (1 << 31) - 1])
@pytest.mark.parametrize("place", [0, 15, 16, 36])
def test_the_largest_magnitude_is_found_anywhere(value, place):
    source, target = np.zeros(37, np.int32), np.full(37, 1, np.int32)
    source[place] = value
    assert copied(source, 0, 37, target, 0, 37, 1, 37) == abs(value)
    assert target.tolist() == source.tolist()
