import re

import numpy as np
import pytest

from hwshift.network.shifts import contiguous_shifts, learned_shifts, modulo_shifts

NINE = [(-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 0), (0, 1), (1, -1), (1, 0), (1, 1)]


def pairs(offsets):
    assert offsets.dtype == np.int64
    return [tuple(row) for row in offsets.tolist()]


def test_modulo_interleaves():
    assert pairs(modulo_shifts(18)) == NINE * 2


def test_modulo_remainder_stays():
    assert pairs(modulo_shifts(16)) == NINE + [(0, 0)] * 7
    assert pairs(modulo_shifts(8)) == [(0, 0)] * 8


def test_modulo_by_the_published_formula():
    for kernel in (1, 2, 3, 5):
        for channels in (1, 9, 16, 50, 96):
            whole = channels // kernel**2 * kernel**2
            expected = [
                ((c // kernel) % kernel - kernel // 2, c % kernel - kernel // 2) if c < whole else (0, 0)
                for c in range(channels)
            ]
            assert pairs(modulo_shifts(channels, kernel)) == expected


def test_contiguous_spread():
    assert pairs(contiguous_shifts(18)) == [pair for pair in NINE for _ in range(2)]
    sixteen = contiguous_shifts(16)
    assert pairs(sixteen) == [NINE[c * 9 // 16] for c in range(16)]
    sizes = np.unique(sixteen, axis=0, return_counts=True)[1]
    assert sizes.max() - sizes.min() <= 1


def test_contiguous_centre():
    assert pairs(contiguous_shifts(20, 3, "centre")) == [p for p in NINE for _ in range(2)] + [(0, 0)] * 2
    assert pairs(contiguous_shifts(5, 3, "centre")) == [(0, 0)] * 5


def test_contiguous_kernel_5():
    offsets = pairs(contiguous_shifts(50, 5))
    assert offsets[0] == offsets[1] == (-2, -2)
    assert offsets[24] == offsets[25] == (0, 0)
    assert offsets[49] == (2, 2)


def test_learned_rounds_half_away_from_zero():
    values = np.array([[0.5, -0.5], [1.5, -1.5], [0.49, -0.49], [2.0, -2.51], [0.49999999999999994, 2.5]])
    assert pairs(learned_shifts(values)) == [(1, -1), (2, -2), (0, 0), (2, -3), (0, 3)]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: modulo_shifts(0), "channels and kernel must be at least 1, not 0 and 3"),
        (lambda: contiguous_shifts(4, 0), "channels and kernel must be at least 1, not 4 and 0"),
        (
            lambda: contiguous_shifts(4, 3, "edge"),
            "remainder must be 'spread' or 'centre', not 'edge'",
        ),
        (
            lambda: learned_shifts(np.zeros((3, 3))),
            "learned shifts need the shape (channels, 2), not (3, 3)",
        ),
        (
            lambda: learned_shifts(np.full((1, 2), np.nan)),
            "learned shifts must be finite, not NaN or infinity",
        ),
    ],
)
def test_refusals(call, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        call()
