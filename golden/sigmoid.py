"""The sigmoid by a table of 1024 entries, made in exact integer arithmetic."""

from functools import cache

import numpy as np

from hwshift.golden.formats import QFormat

__all__ = ["SIGMOID_ENTRIES", "sigmoid", "sigmoid_table"]

SIGMOID_ENTRIES = 1024
"""Entries of the table: 64 for each unit of [-8, 8)."""

_PLACES = 160  # fraction bits of the values from which the table is rounded
_ERROR = 1 << 40  # and how far these are off at most, far beyond what floor after each step adds up to


@cache
def sigmoid_table(act: QFormat) -> np.ndarray:
    """The codes of ``1 / (1 + exp(-t))`` for a map of format ``act``, one per bin of 1/64.

    Entry k is the value at the bin's centre ``t = -8 + (k + 1/2) / 64``, rounded to the nearest code and cut to
    the format's largest code (which matters for Q1.n, where 1.0 does not fit). No value lies half-way between two
    codes: the exponential of a rational number is irrational.

    Returns
    -------
    ndarray of int64, shape (1024,), read-only
    """
    drop = _PLACES - act.n
    half = 1 << (drop - 1)
    codes = []
    for value in _values():
        code = (value + half) >> drop
        assert code == (value + half - _ERROR) >> drop == (value + half + _ERROR) >> drop
        codes.append(min(code, act.max))
    table = np.array(codes, np.int64)
    table.flags.writeable = False
    return table


def sigmoid(codes: np.ndarray, act: QFormat) -> np.ndarray:
    """The table's entries for codes of a map: index ``floor((t + 8) * 64)``, cut to 0..1023.

    Parameters
    ----------
    codes : ndarray of int64
        In the format ``act``.

    Returns
    -------
    ndarray of int64, same shape
    """
    bins = codes >> (act.n - 6) if act.n >= 6 else codes << (6 - act.n)
    return sigmoid_table(act)[np.clip(bins + SIGMOID_ENTRIES // 2, 0, SIGMOID_ENTRIES - 1)]


@cache
def _values() -> tuple[int, ...]:
    """Sigmoids at the centres of all bins, in units of ``2**-160``.

    With ``u = exp(-1/128)``, the centre ``(2i + 1) / 128`` has the sigmoid ``1 / (1 + u**(2i + 1))``, and the
    centre of the other sign what is missing to 1.
    """
    one = 1 << _PLACES
    u, term, count = one, one, 0
    while term:
        count += 1
        term = term // (128 * count)
        u += -term if count % 2 else term
    power, upper = u, []
    for _ in range(SIGMOID_ENTRIES // 2):
        upper.append((one << _PLACES) // (one + power))
        power = (power * u >> _PLACES) * u >> _PLACES
    return (*(one - value for value in reversed(upper)), *upper)
