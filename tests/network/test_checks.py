import re

import numpy as np
import pytest

from hwshift.network.checks import check_array, check_padding, check_positive, window_size


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding", "dilation", "expected"),
    [
        ((32, 32), (3, 3), (1, 1), (1, 1, 1, 1), (1, 1), (32, 32)),
        ((32, 32), (3, 3), (2, 2), (1, 1, 1, 1), (1, 1), (16, 16)),
        ((7, 9), (3, 2), (2, 3), (0, 1, 0, 0), (2, 1), (2, 3)),
        ((5, 5), (5, 5), (1, 1), (0, 0, 0, 0), (1, 1), (1, 1)),
        ((1, 4), (1, 2), (1, 2), (0, 0, 0, 1), (1, 1), (1, 2)),
    ],
)
def test_window_size(size, kernel, stride, padding, dilation, expected):
    assert window_size(size, kernel, stride, padding, dilation) == expected


@pytest.mark.parametrize(
    ("size", "message"),
    [
        ((2, 9), "a window of 5 does not fit 4 padded rows"),
        ((9, 2), "a window of 5 does not fit 4 padded columns"),
    ],
)
def test_window_too_large(size, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        window_size(size, (3, 3), (1, 1), (1, 1, 1, 1), (2, 2))


@pytest.mark.parametrize("pair", [(0, 1), (1, 1.0), (1,), (1, 2, 3)])
def test_check_positive(pair):
    message = f"stride must be two integers of at least 1, not {pair!r}"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check_positive(pair, "stride")


@pytest.mark.parametrize("padding", [(0, 0, 0), (0, 0, 0, -1), (0, 0, 0, 0.5)])
def test_check_padding(padding):
    message = f"padding must be four integers of at least 0, not {padding!r}"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check_padding(padding)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros((2, 3), np.int64), "w must be a float32 or float64 array, not int64"),
        ([1.0], "w must be a float32 or float64 array, not list"),
        (np.zeros(3), "w must have the shape (any, 3), not (3,)"),
        (np.zeros((2, 4)), "w must have the shape (any, 3), not (2, 4)"),
        (np.zeros((0, 3)), "w must not be empty, not of shape (0, 3)"),
        (np.full((1, 3), np.nan), "w must be finite, not NaN or infinity"),
        (np.full((1, 3), -np.inf), "w must be finite, not NaN or infinity"),
    ],
)
def test_check_array(values, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check_array(values, "w", None, 3)
