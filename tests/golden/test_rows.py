"""The epilogue in float64, row by row, against unbounded integers: 600 000 accumulators below 2**53 in all."""

from dataclasses import dataclass
from fractions import Fraction
from math import floor

import numpy as np
import pytest
from numba import njit

from hwshift.golden.blocks import COLUMNS, ROWS
from hwshift.golden.llvm import LANES
from hwshift.golden.rows import (
    AS_IT_IS,
    FULL,
    PLAIN,
    add_row,
    clip_row,
    finish_rows,
    gather_row,
    pack_row,
    scale_row,
    settle_row,
)
from hwshift.golden.steps import PARAMETERS

from ..seeds import generator
from . import edges

CELLS = ROWS * COLUMNS
BEYOND = 1 << 40


@njit
def finish_all(
    sums, parameters, added, mask, totals, memory, targets, place, ranges, factor, scale, residual, to_memory
):
    """`finish_rows` for every block of rows."""
    low, high, bottom, top, residual_bottom, residual_top = ranges
    for block in range(len(sums) // CELLS):
        finish_rows(
            sums, block * CELLS, parameters, block * ROWS * PARAMETERS, added, block * CELLS, mask,
            block * COLUMNS, totals, 3, memory, targets, block * ROWS, place, ROWS, low, high, bottom, top,
            factor, residual_bottom, residual_top, scale, residual, to_memory,
        )  # fmt: skip


@njit
def rows_one_by_one(sums, parameters, added, mask, totals, ranges, factor, scale, residual, flags):
    """The same from the pieces that steps with tables use, back to the sums."""
    low, high, bottom, top, residual_bottom, residual_top = ranges
    for row in range(len(sums) // COLUMNS):
        at = row * COLUMNS
        if scale:
            scale_row(sums, at, parameters, row * PARAMETERS)
        clip_row(sums, at, flags, 1, low, high, bottom, top)
        if residual:
            add_row(sums, at, flags, 1, added, at, factor, low, high, residual_bottom, residual_top)
        settle_row(sums, at, flags, 1, mask, row // ROWS * COLUMNS, totals, 3)


@njit
def scale_all(y, parameters):
    for row in range(len(y) // COLUMNS):
        scale_row(y, row * COLUMNS, parameters, row * PARAMETERS)


@njit
def read_rows(memory, place, where, packed, gathered):
    pack_row(packed, 2, memory, place)
    gather_row(gathered, 2, memory, place, where, 1)


def table(m, places, b):
    """Parameters of rows, as a plan lays them out: m, 2**k, 2**-k, 2**-(t-k), b, t with k = min(t, 24); m / 2**t; b."""
    k = np.minimum(places, 24)
    whole = np.asarray(b, np.int64).view(np.float64)
    columns = [m, 2.0**k, 2.0**-k, 2.0 ** (k - places), b, places, m * 2.0**-places, whole]
    return np.stack(columns, axis=1).astype(float).ravel()


@dataclass
class Case:
    """Rows of random sums with all that belongs to them; expected values from plain integers."""

    rng: np.random.Generator
    act: object
    scale: int
    blocks: int

    def __post_init__(self):
        rng, act = self.rng, self.act
        rows, count = self.blocks * ROWS, self.blocks * CELLS
        self.m = np.ones(rows, np.int64) if self.scale != FULL else edges.mantissas(rng, rows)
        self.places = rng.choice([0, 1, 23, 24, 25, 61, 62, *range(63)], rows)
        self.b = edges.biases(rng, rows, act)
        if self.scale == AS_IT_IS:
            self.places[:] = self.b[:] = 0
        spread = [np.repeat(values, COLUMNS) for values in (self.m, self.places, self.b)]
        self.acc = edges.accumulators(rng, *spread, act, 54)
        assert np.abs(self.acc).max() <= 1 << 53
        self.acc = self.acc.clip(-(1 << 53) + 1, (1 << 53) - 1)
        self.exact = [
            edges.scaled(*case)
            for case in zip(self.acc.tolist(), *(values.tolist() for values in spread), strict=True)
        ]
        self.added = rng.choice([-(1 << 31), (1 << 31) - 1, -1, 0, 1, *rng.integers(-99, 99, 5)], count)
        self.mask = rng.integers(0, 2, self.blocks * COLUMNS)
        self.inside = np.repeat(self.mask.reshape(-1, 1, COLUMNS), ROWS, axis=1).ravel().tolist()

    def windows(self):
        """The ranges of two activations."""
        low, high = self.act.min, self.act.max
        return [(low, high), (0, high), tuple(sorted(edges.biases(self.rng, 2, self.act).tolist()))]

    def expected(self, first, second, up):
        """Values where the mask is set and zero elsewhere, saturated values, and the largest magnitude."""
        low, high = self.act.min, self.act.max
        values, over = [], 0
        for y, extra, inside in zip(self.exact, self.added.tolist(), self.inside, strict=True):
            outside = not low <= y <= high
            y = edges.clip(y, *first)
            if second is not None:
                y += floor(extra * Fraction(2) ** up)
                outside = outside or not low <= y <= high
                y = edges.clip(y, *second)
            values.append(y * inside)
            over += outside * inside
        return values, over, max(map(abs, values))


def totals_of(totals):
    """Saturated values and the largest magnitude; nothing else was written."""
    assert (totals[:3] == -7).all() and (totals[3 + 2 * LANES :] == -7).all()
    return totals[3 : 3 + LANES].sum(), totals[3 + LANES : 3 + 2 * LANES].max()


def fresh_totals():
    totals = np.full(2 * LANES + 8, -7.0)
    totals[3 : 3 + 2 * LANES] = 0
    return totals


def targets_of(rng, case):
    """Where each row goes in memory: any order, a gap behind each."""
    return rng.permutation(case.blocks * ROWS) * (COLUMNS + 3)


@pytest.mark.parametrize("scale", [AS_IT_IS, PLAIN, FULL], ids=["as-it-is", "plain", "full"])
@pytest.mark.parametrize("act", edges.FORMATS, ids=str)
def test_finish_rows(act, scale):
    """Scales, saturation, both activations, residuals of finer and coarser formats, masks, both targets."""
    rng = generator(act.m, scale)
    case = Case(rng, act, scale, -(-34_000 // CELLS))
    parameters = table(case.m, case.places, case.b)
    for first, last, up in zip(case.windows(), reversed(case.windows()), (0, -3, 4), strict=True):
        for second in (None, last):
            values, over, peak = case.expected(first, second, up)
            ranges = tuple(map(float, (act.min, act.max, *first, *last)))
            for to_memory in (0, 1):
                sums, totals = case.acc.astype(float), fresh_totals()
                targets, place = targets_of(rng, case), 5
                memory = np.full(len(targets) * (COLUMNS + 3) + place, 77, np.int32)
                finish_all(
                    sums, parameters, case.added.astype(float), case.mask.astype(float), totals, memory,
                    targets, place, ranges, 2.0**up, scale, int(second is not None), to_memory,
                )  # fmt: skip
                written = np.zeros(len(memory), bool)
                at = (targets[:, None] + place + np.arange(COLUMNS)).ravel()
                written[at] = to_memory
                assert (memory[~written] == 77).all()
                assert (memory[at] if to_memory else sums).tolist() == values
                assert to_memory == 0 or (sums == case.acc).all()
                assert totals_of(totals) == (over, peak)
            if scale == PLAIN:
                continue
            sums, totals, flags = case.acc.astype(float), fresh_totals(), np.zeros(COLUMNS + 2)
            rows_one_by_one(
                sums, parameters, case.added.astype(float), case.mask.astype(float), totals, ranges, 2.0**up,
                scale, second is not None, flags,
            )  # fmt: skip
            assert sums.tolist() == values
            assert totals_of(totals) == (over, peak)
            assert flags[0] == flags[-1] == 0
    inside = sum(act.min < y < act.max for y in case.exact)
    assert 0 < inside < len(case.exact) * 9 // 10


@pytest.mark.parametrize("act", edges.FORMATS, ids=str)
def test_scale_row(act):
    """100 000 accumulators per format: equal inside +-2**40, which holds every format, and beyond it otherwise."""
    case = Case(generator(act.n), act, FULL, -(-100_000 // CELLS))
    y = case.acc.astype(float)
    scale_all(y, table(case.m, case.places, case.b))
    assert [edges.clip(int(value), -BEYOND, BEYOND) for value in y.tolist()] == [
        edges.clip(value, -BEYOND, BEYOND) for value in case.exact
    ]


def test_scale_row_by_hand():
    """m = 3 and t = 26: the cut at bit 24 leaves two places; a negative lower part is floored, not truncated."""
    y = np.zeros(COLUMNS)
    y[:5] = [(1 << 26) - 1, 1 << 26, -1, -(1 << 26), 1 << 52]
    scale_all(y, table(np.array([3]), np.array([26]), np.array([10])))
    assert y[:5].tolist() == [12, 13, 9, 7, 3 * (1 << 26) + 10]


def test_rows_are_read():
    rng = generator(1)
    memory = rng.choice([-(1 << 31), (1 << 31) - 1, -1, 0, 1], 200).astype(np.int32)
    where = rng.integers(-7, 190, COLUMNS + 1)
    packed, gathered = np.full((2, COLUMNS + 4), 0.5)
    read_rows(memory, 7, where, packed, gathered)
    assert packed[2:-2].tolist() == memory[7 : 7 + COLUMNS].tolist()
    assert gathered[2:-2].tolist() == [int(memory[7 + at]) for at in where[1:].tolist()]
    assert (packed[[0, 1, -2, -1]] == 0.5).all() and (gathered[[0, 1, -2, -1]] == 0.5).all()
