"""Fixed-width steps, for Python integers and arrays alike."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwshift.golden.integers import fits, rshift, saturate, signed_range, wrap

WORDS = st.integers(-(1 << 63), (1 << 63) - 1)


@given(WORDS, st.integers(1, 63))
def test_by_definition(value, bits):
    low, high = signed_range(bits)
    assert (low, high) == (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    assert saturate(value, bits) == sorted((low, value, high))[1]
    wrapped = wrap(value, bits)
    assert low <= wrapped <= high
    assert (value - wrapped) % 2**bits == 0
    assert rshift(value, bits) == value // 2**bits
    assert fits(value, bits) == (low <= value <= high)


@given(st.lists(WORDS, min_size=1), st.integers(1, 63))
def test_arrays_as_integers(values, bits):
    array = np.array(values, np.int64)
    for function in (saturate, wrap, rshift):
        found = function(array, bits)
        assert found.dtype == np.int64
        assert found.tolist() == [function(value, bits) for value in values]
    assert fits(array, bits) == all(fits(value, bits) for value in values)


def test_ends():
    assert wrap(128, 8) == -128
    assert wrap(-129, 8) == 127
    assert saturate(np.array([-(1 << 63), (1 << 63) - 1]), 64).tolist() == [-(1 << 63), (1 << 63) - 1]
    assert rshift(-1, 0) == rshift(-1, 63) == -1


def test_refused():
    with pytest.raises(ValueError, match=r"^places must be >= 0, not -1$"):
        rshift(5, -1)
