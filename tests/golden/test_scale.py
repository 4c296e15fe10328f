"""Scales: nearest mantissas and few signed digits, against searches and exact fractions."""

from bisect import bisect_left
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hwshift.errors import QuantizeError
from hwshift.golden.scale import (
    average_scale,
    digit_count,
    restrict,
    restrict_scale,
    scale_from_float,
    signed_digits,
)

from .oracle import average, few_digits


def nearest(values, m):
    """Nearest of ascending values; of two the smaller in magnitude."""
    i = bisect_left(values, m)
    return min(values[max(0, i - 1) : i + 1], key=lambda value: (abs(value - m), abs(value)))


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_signed_digits_are_the_nearest(k):
    """All mantissas of 11 bits, and every 7th of 18, against a search over everything k digits can write."""
    for width, step in ((11, 1), (18, 7)):
        values = few_digits(k, width)
        for m in [*range(-(1 << (width - 1)), 1 << (width - 1), step), (1 << (width - 1)) - 1]:
            value, digits = signed_digits(m, k)
            assert value == nearest(values, m)
            assert value == sum(sign << position for sign, position in digits)
            assert len(digits) <= k


def test_digits_are_canonical():
    assert signed_digits(0, 4) == (0, [])
    assert signed_digits(7, 4) == (7, [(1, 3), (-1, 0)])
    assert signed_digits(-7, 1) == (-8, [(-1, 3)])
    assert signed_digits(-6, 1) == (-4, [(-1, 2)])
    for m in range(-300, 300):
        positions = [position for _, position in signed_digits(m, 9)[1]]
        assert positions == sorted(positions, reverse=True)
        assert all(high - low >= 2 for high, low in zip(positions[:-1], positions[1:], strict=True))
        assert digit_count(m) == len(positions)


def test_digit_count_is_the_fewest():
    fewest = {}
    for k in range(1, 6):
        for value in few_digits(k, 9):
            fewest.setdefault(value, k if value else 0)
    values = [value for value in fewest if abs(value) <= 256]
    assert [digit_count(value) for value in values] == [fewest[value] for value in values]
    assert digit_count(np.array(values)).tolist() == [fewest[value] for value in values]


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_restrict_stays_in_range(k):
    for m in range(-(1 << 17), 1 << 17, 61):
        value = restrict(m, k)
        assert -(1 << 17) <= value < 1 << 17
        assert value == nearest(
            [v for v in few_digits(k, 17) if v < 1 << 17] if k == 1 else few_digits(k, 17), m
        )
        scaled, s = restrict_scale(m, 9, k)
        assert Fraction(scaled, 1 << s) == Fraction(nearest(few_digits(k, 17), m), 1 << 9)
        assert abs(scaled) < 1 << 17
        assert digit_count(scaled) <= k


def test_restrict_at_the_rim():
    assert restrict(110_000, 1) == 1 << 16
    assert restrict(-110_000, 1) == -(1 << 17)
    assert restrict_scale(110_000, 5, 1) == (1 << 16, 4)
    assert restrict_scale(-110_000, 5, 1) == (-(1 << 16), 4)
    assert restrict_scale(131_071, 0, 2) == (131_071, 0)
    with pytest.raises(QuantizeError, match=r"^scale 110000 does not fit 18 bits with 1 signed digits$"):
        restrict_scale(110_000, 0, 1)


@given(st.floats(-131_071, 131_071), st.integers(0, 31))
@example(1.0, 0)
@example(-1.0, 31)
@example(131_071.0, 0)
@example(131_071.5 - 2**-36, 16)
@example(1 - 2**-53, 15)
@example(5e-324, 15)
@example(2.0**-47, 15)
@example(2.0**-48, 15)
def test_scale_from_float(value, guard):
    m, s = scale_from_float(value, guard)
    assert 0 <= s <= 62 - guard
    assert -(1 << 17) < m < 1 << 17
    assert s == 62 - guard or abs(m) >= 1 << 16 or value == 0
    exact = Fraction(value)
    assert abs(Fraction(m, 1 << s) - exact) <= Fraction(1, 2 << s)
    best = min(
        abs(Fraction(round(exact * (1 << t)), 1 << t) - exact)
        for t in range(63 - guard)
        if abs(round(exact * (1 << t))) < 1 << 17
    )
    assert abs(Fraction(m, 1 << s) - exact) == best


def test_scales_by_hand():
    assert scale_from_float(0.0, 15) == (0, 0)
    assert scale_from_float(1.0, 15) == (1 << 16, 16)
    assert scale_from_float(-3.0, 15) == (-98_304, 15)
    assert scale_from_float(100_000.0, 15) == (100_000, 0)
    assert scale_from_float(1 - 2**-30, 15) == (1 << 16, 16)
    assert scale_from_float(2.0**-40, 15) == (1 << 7, 47)
    assert scale_from_float(2.0**-48, 15) == (0, 47)
    assert scale_from_float(-(2.0**-47), 15) == (-1, 47)
    assert scale_from_float(0.7, 15, 1) == (1 << 16, 17)
    assert scale_from_float(0.8, 15, 1) == (1 << 16, 16)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (float("nan"), "a scale must be finite, not nan"),
        (float("-inf"), "a scale must be finite, not -inf"),
        (131_072.0, "a scale must be smaller than 2**17 in magnitude, not 131072.0"),
        (-131_071.75, "a scale must be smaller than 2**17 in magnitude, not -131071.75"),
        (1e300, "a scale must be smaller than 2**17 in magnitude, not 1e+300"),
    ],
)
def test_refused_scales(value, message):
    with pytest.raises(QuantizeError) as caught:
        scale_from_float(value, 15)
    assert str(caught.value) == message


@pytest.mark.parametrize("digits", [None, 1, 2, 3, 4])
def test_average_scale(digits):
    counts = [*range(1, 300), 49 * 49, 255 * 257, (1 << 17) + 1, (1 << 18) + 1, (1 << 20) + 1, 3 << 20]
    for count in counts:
        m, s = average_scale(count, digits)
        assert (m, s) == average(count, digits)
        assert 1 << 16 <= m < 1 << 17
        assert digits is None or digit_count(m) <= digits
    assert average_scale(1) == (1 << 16, 16)
    assert average_scale(64) == (1 << 16, 22)
    assert average_scale(49) == (round(Fraction(1 << 22, 49)), 22)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: average_scale(0), "count must be >= 1, not 0"),
        (lambda: signed_digits(5, 0), "k must be >= 1, not 0"),
    ],
)
def test_refused_counts(call, message):
    with pytest.raises(ValueError) as caught:
        call()
    assert str(caught.value) == message
