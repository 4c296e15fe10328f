"""Saturation, for Python integers and arrays alike."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hwshift.golden.integers import saturate

WORDS = st.integers(-(1 << 63), (1 << 63) - 1)


@given(WORDS, st.integers(1, 63))
def test_by_definition(value, bits):
    assert saturate(value, bits) == sorted((-(2 ** (bits - 1)), value, 2 ** (bits - 1) - 1))[1]


@given(st.lists(WORDS, min_size=1), st.integers(1, 63))
def test_arrays_as_integers(values, bits):
    found = saturate(np.array(values, np.int64), bits)
    assert found.dtype == np.int64
    assert found.tolist() == [saturate(value, bits) for value in values]


def test_ends():
    assert saturate(np.array([-(1 << 63), (1 << 63) - 1]), 64).tolist() == [-(1 << 63), (1 << 63) - 1]
