"""Every entry of the sigmoid tables against 60 decimal digits, and which entry a code reads."""

import math
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
import pytest

from hwshift.golden.formats import QFormat
from hwshift.golden.sigmoid import SIGMOID_ENTRIES, sigmoid, sigmoid_table

from . import oracle


@pytest.fixture(scope="module")
def exact():
    """The sigmoid at the centre of each bin, good to about 58 digits."""
    with localcontext() as context:
        context.prec = 60
        return [Fraction(1 / (1 + (-(Decimal(k) + Decimal("0.5")) / 64 + 8).exp())) for k in range(1024)]


@pytest.mark.parametrize("n", range(32))
def test_every_entry_is_the_nearest_code(exact, n):
    fmt = QFormat(1 if n == 31 else 2, min(n, 31)) if n else QFormat(2, 0)
    table = sigmoid_table(fmt)
    assert table.dtype == np.int64
    assert len(table) == SIGMOID_ENTRIES == 1024
    for value, code in zip(exact, table.tolist(), strict=True):
        distance = abs(value * 2**n - code)
        if code == fmt.max:  # 1.0 does not fit Q1.n
            assert value * 2**n > code - Fraction(1, 2)
        else:
            assert distance < Fraction(1, 2) - Fraction(1, 10**40)


def test_known_entries():
    """sigma(1/128) = 0.50195..., sigma(-8 + 1/128) = 0.000338..., and what is missing to 1."""
    table = sigmoid_table(QFormat(16, 16))
    assert table[512] == round(65536 / (1 + math.exp(-1 / 128))) == 32896
    assert table[0] == round(65536 / (1 + math.exp(8 - 1 / 128))) == 22
    assert (table + table[::-1] == 65536).all()
    assert sigmoid_table(QFormat(1, 7)).max() == 127
    assert sigmoid_table(QFormat(2, 7)).max() == 128
    assert sigmoid_table(QFormat(8, 0)).tolist() == [0] * 512 + [1] * 512


def test_the_table_cannot_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        sigmoid_table(QFormat())[0] = 1


@pytest.mark.parametrize(
    "fmt", [QFormat(16, 16), QFormat(4, 6), QFormat(5, 2), QFormat(8, 0), QFormat(1, 15)], ids=str
)
def test_which_entry(fmt):
    """Bins are 1/64 wide and closed below; beyond the table its first and last entries."""
    edges = {
        round(t * 2**fmt.n) + d for t in (-8, -7.984375, -1, 0, 0.015625, 1, 7.984375, 8) for d in (-1, 0, 1)
    }
    codes = sorted(code for code in edges | {fmt.min, fmt.max} if fmt.min <= code <= fmt.max)
    found = sigmoid(np.array(codes), fmt)
    assert found.tolist() == [oracle.sigmoid(code, fmt.n, fmt.max) for code in codes]


def test_two_codes_by_hand():
    fmt = QFormat(16, 16)
    table = sigmoid_table(fmt)
    assert sigmoid(np.array([0, 1023, 1024, -1, -1024, -1025]), fmt).tolist() == [
        table[k] for k in (512, 512, 513, 511, 511, 510)
    ]
    assert sigmoid(np.array([8 << 16, (8 << 16) - 1, -8 << 16, (-8 << 16) - 1]), fmt).tolist() == [
        table[k] for k in (1023, 1023, 0, 0)
    ]
