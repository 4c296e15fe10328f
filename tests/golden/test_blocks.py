"""Inner products in registers against plain integers, at the ends of what they promise."""

import math

import numpy as np
import pytest
from numba import njit

from hwshift.golden.blocks import (
    COLUMNS,
    ROWS,
    direct_block,
    gather_panel,
    integer_block,
    pack_panel,
    product_block,
    scattered_block,
    term_block,
)

from ..seeds import generator

CELLS = ROWS * COLUMNS
ENDS = [-(1 << 31), -(1 << 31) + 1, -1, 0, 1, (1 << 31) - 1]
LARGEST = [(1 << 53) - 1, 6361 * 69431, 20394401]  # 2**53 - 1 is the product of the other two


@njit
def products(weights, w_at, panel, p_at, sums, s_at, taps):
    product_block(weights, w_at, panel, p_at, sums, s_at, taps)


@njit
def terms(weights, w_at, panel, p_at, sums, s_at, taps):
    term_block(weights, w_at, panel, p_at, sums, s_at, taps)


@njit
def integers(weights, w_at, panel, p_at, sums, s_at, taps):
    integer_block(weights, w_at, panel, p_at, sums, s_at, taps)


@njit
def direct(weights, w_at, taps, t_at, memory, place, sums, s_at, count):
    direct_block(weights, w_at, taps, t_at, memory, place, sums, s_at, count)


@njit
def scattered(weights, w_at, taps, t_at, memory, place, sums, s_at, count, where, x_at):
    scattered_block(weights, w_at, taps, t_at, memory, place, sums, s_at, count, where, x_at)


@njit
def pack(packed, p_at, memory, place, taps, t_at, count):
    pack_panel(packed, p_at, memory, place, taps, t_at, count)


@njit
def gather(packed, p_at, memory, place, taps, t_at, count, where, w_at):
    gather_panel(packed, p_at, memory, place, taps, t_at, count, where, w_at)


def behind(values, offset, dtype):
    """An array that begins with ``offset`` numbers which nobody should read."""
    return np.concatenate([np.full(offset, 3), np.asarray(values).ravel()]).astype(dtype)


def run_block(function, weights, panel, dtype=np.float64):
    """Sums of shape (ROWS, COLUMNS), from arrays that begin anywhere; checks that nothing beside them is written."""
    taps = len(panel)
    sums = np.full(CELLS + 9, 55, dtype)
    function(behind(weights, 5, np.float64), 5, behind(panel, 2, dtype), 2, sums, 4, taps)
    assert (sums[:4] == 55).all() and (sums[4 + CELLS :] == 55).all()
    return sums[4 : 4 + CELLS].reshape(ROWS, COLUMNS)


def summed(panel, weights, term):
    """``sum over k of term(panel[k, c], weights[k, r])`` in plain integers."""
    return [
        [sum(term(x[c], w[r]) for x, w in zip(panel, weights, strict=True)) for c in range(COLUMNS)]
        for r in range(ROWS)
    ]


@pytest.mark.parametrize("taps", [0, 1, 2, 7, 64])
def test_product_block(taps):
    """32-bit pixels, and weights so large that a sum just stays below 2**53."""
    rng = generator(taps)
    for _ in range(20):
        largest = (1 << 53) // (max(taps, 1) << 31) - 1
        panel = rng.choice([*ENDS, *rng.integers(-(1 << 31), 1 << 31, 5)], (taps, COLUMNS))
        weights = rng.choice([-largest, largest, 0, 1, *rng.integers(-largest, largest, 4)], (taps, ROWS))
        expected = summed(panel.tolist(), weights.tolist(), lambda x, w: x * w)
        assert run_block(products, weights, panel).tolist() == expected


def test_sums_just_below_two_to_the_53():
    """2**53 - 1 in one product, and as the last of sums that come from the other end."""
    total, first, second = LARGEST
    assert first * second == total and max(first, second) < 1 << 31
    weights, panel = np.zeros((3, ROWS), int), np.zeros((3, COLUMNS), int)
    weights[0], panel[0] = first, second
    assert (run_block(products, weights, panel) == total).all()
    weights[1], panel[1] = -first, second
    weights[2], panel[2] = first, np.arange(COLUMNS)
    assert run_block(products, weights, panel).tolist() == [[first * c for c in range(COLUMNS)]] * ROWS
    weights[:, 1:] = -weights[:, 1:]
    assert run_block(products, weights, panel)[1].tolist() == [-first * c for c in range(COLUMNS)]


@pytest.mark.parametrize("taps", [0, 1, 2, 7, 64])
def test_term_block(taps):
    """Powers of two that shift everything out, something, or nothing; the sign comes after the floor."""
    rng = generator(taps)
    for _ in range(20):
        up = math.floor(math.log2((1 << 52) / max(taps, 1) / (1 << 31)))
        panel = rng.choice([*ENDS, *rng.integers(-(1 << 31), 1 << 31, 5)], (taps, COLUMNS))
        powers = rng.choice([up, 0, -1, -31, -32, -40, *rng.integers(-20, up, 4)], (taps, ROWS))
        sign = rng.integers(-1, 2, (taps, ROWS))
        pairs = [list(zip(*row, strict=True)) for row in zip(powers.tolist(), sign.tolist(), strict=True)]
        expected = summed(panel.tolist(), pairs, lambda x, w: w[1] * (x << w[0] if w[0] >= 0 else x >> -w[0]))
        found = run_block(terms, np.stack([2.0**powers, sign]), panel)
        assert found.tolist() == expected


def test_floors_of_negative_terms_by_hand():
    """-1 / 4 is floored to -1, and its negation is 1; zero stays zero."""
    panel = np.zeros((1, COLUMNS), int)
    panel[0, :4] = [-1, 3, -5, 4]
    for sign, row in ((1, [-1, 0, -2, 1]), (-1, [1, 0, 2, -1]), (0, [0, 0, 0, 0])):
        found = run_block(terms, np.array([[0.25] * ROWS, [sign] * ROWS]), panel)
        assert found[:, :4].tolist() == [row] * ROWS


@pytest.mark.parametrize("taps", [0, 1, 2, 7, 64])
def test_integer_block(taps):
    """Products of 32-bit ends, up to the end of 64 bits, where float64 has long been rounding."""
    rng = generator(taps)
    for _ in range(20):
        largest = min((1 << 31) - 1, ((1 << 63) - 1) // (max(taps, 1) << 31))
        panel = rng.choice([*ENDS, *rng.integers(-(1 << 31), 1 << 31, 5)], (taps, COLUMNS))
        weights = rng.choice([-largest, largest, 0, 1, *rng.integers(-largest, largest, 4)], (taps, ROWS))
        expected = summed(panel.tolist(), weights.tolist(), lambda x, w: x * w)
        assert run_block(integers, weights, panel, np.int64).tolist() == expected


def test_integers_where_float64_rounds():
    panel, weights = np.full((2, COLUMNS), -(1 << 31)), np.full((2, ROWS), -(1 << 31) + 1)
    weights[1], panel[1] = 1, 1
    assert (run_block(integers, weights, panel, np.int64) == (1 << 62) - (1 << 31) + 1).all()


@pytest.mark.parametrize("count", [0, 1, 9, 49])
@pytest.mark.parametrize("from_list", [False, True], ids=["neighbours", "listed"])
def test_direct_blocks(count, from_list):
    """Rows of memory at any taps, in one piece or position by position."""
    rng = generator(count, from_list)
    memory = rng.choice([*ENDS, 77, -123456], 900).astype(np.int32)
    for _ in range(20):
        largest = (1 << 53) // (max(count, 1) << 31) - 1
        taps = rng.integers(0, 400, count)
        weights = rng.choice([-largest, largest, 0, 1, *rng.integers(-largest, largest, 4)], count)
        where = rng.integers(0, 400, COLUMNS) if from_list else np.arange(COLUMNS)
        sums = np.full(COLUMNS + 6, 55.0)
        arguments = (
            behind(weights, 4, np.float64),
            4,
            behind(taps, 1, np.int64),
            1,
            memory,
            60,
            sums,
            3,
            count,
        )
        if from_list:
            scattered(*arguments, behind(where, 2, np.int64), 2)
        else:
            direct(*arguments)
        data = memory.tolist()
        expected = [
            sum(w * data[tap + 60 + at] for w, tap in zip(weights.tolist(), taps.tolist(), strict=True))
            for at in where.tolist()
        ]
        assert sums.tolist() == [55] * 3 + expected + [55] * 3


@pytest.mark.parametrize("dtype", [np.float64, np.int64])
def test_panels(dtype):
    """32-bit values exactly, sign and all, in the order of the taps."""
    rng = generator(3)
    memory = rng.choice([*ENDS, 77, -123456], 900).astype(np.int32)
    for count in (0, 1, 5, 60):
        taps, where = rng.integers(0, 400, count), rng.integers(0, 400, COLUMNS)
        packed = np.full((2, count * COLUMNS + 6), 55, dtype)
        pack(packed[0], 4, memory, 60, behind(taps, 1, np.int64), 1, count)
        gather(packed[1], 4, memory, 60, behind(taps, 1, np.int64), 1, count, behind(where, 2, np.int64), 2)
        for row, positions in zip(packed, (np.arange(COLUMNS), where), strict=True):
            assert (row[:4] == 55).all() and (row[-2:] == 55).all()
            assert row[4:-2].tolist() == memory[taps[:, None] + 60 + positions].ravel().tolist()


def test_a_block_fills_whole_vectors():
    """What packing and the panels rely on."""
    assert ROWS in (4, 8)
    assert COLUMNS == 3 * ROWS
