"""Naming the first difference."""

import numpy as np
import pytest

from hwshift.golden.difference import Difference, compare


def maps():
    return {"a": np.zeros((2, 3, 4), np.int32), "b": np.arange(24).reshape(1, 2, 3, 4)}


def test_equal():
    assert compare(maps(), maps()) is None
    assert compare(maps(), {"b": maps()["b"].astype(np.int16)}) is None


def test_first_in_the_order_of_expected():
    actual = {"b": maps()["b"] + 1, "a": maps()["a"]}
    actual["a"][1, 2, 3] = 5
    actual["a"][1, 2, 2] = -7
    found = compare(maps(), actual)
    assert found == Difference("a", 0, 1, 2, 2, 0, -7, 2, 24)
    assert str(found) == (
        "layer 'a', image 0, channel 1, pixel (y=2, x=2): expected 0, got -7; 2 of 24 values differ"
    )
    assert compare(maps(), {"b": actual["b"]}) == Difference("b", 0, 0, 0, 0, 0, 1, 24, 24)


def test_images():
    expected = {"a": np.zeros((3, 1, 2, 2), int)}
    actual = {"a": expected["a"].copy()}
    actual["a"][2, 0, 1, 0] = 1
    assert compare(expected, actual) == Difference("a", 2, 0, 1, 0, 0, 1, 1, 12)


@pytest.mark.parametrize(
    ("actual", "message"),
    [
        ({}, "there is nothing to compare: actual holds no layer"),
        ({"c": np.zeros(1), "b": maps()["b"]}, "actual holds layers that expected lacks: c"),
        (
            {"a": np.zeros((3, 4))},
            "maps of layer 'a' must have one shape of 3 or 4 axes, not (2, 3, 4) and (3, 4)",
        ),
    ],
)
def test_refused(actual, message):
    with pytest.raises(ValueError) as caught:
        compare(maps(), actual)
    assert str(caught.value) == message
