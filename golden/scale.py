"""Epilogue scales ``m / 2**s``: from floats, for averages, and with few signed digits.

``m`` is a signed 18-bit mantissa and ``s >= 0`` with ``G + s <= 62``. In a design without multipliers ``m``
has at most k non-zero signed digits, so ``acc * m`` is the sum of k shifted copies of ``acc``.
"""

import math

import numpy as np

from hwshift.errors import QuantizeError
from hwshift.golden.formats import MANTISSA_BITS, MAX_SHIFT
from hwshift.golden.integers import Integers

__all__ = [
    "GATE_SHIFT",
    "MAX_GATE",
    "average_scale",
    "digit_count",
    "gate_mantissa",
    "restrict",
    "restrict_scale",
    "scale_from_float",
    "signed_digits",
]

GATE_SHIFT = 16
"""Fraction bits of a gate as a mantissa: the s of its scale."""

MAX_GATE = (1 << (MANTISSA_BITS - 1)) - 1
"""Largest magnitude of a gate as a mantissa: gates are smaller than 2."""

_TOP = MANTISSA_BITS - 1  # a normalised mantissa is 2**16 <= |m| < 2**17
_LOW, _HIGH = -(1 << _TOP), (1 << _TOP) - 1


def scale_from_float(value: float, guard: int, digits: int | None = None) -> tuple[int, int]:
    """The scale nearest to a float.

    ``2**16 <= |m| < 2**17`` and m is the nearest integer to ``value * 2**s`` (half to even). Only where that
    needs an s above ``62 - guard`` is s that limit and m smaller, down to 0 for values up to
    ``2**(guard - 63)``. Zero is (0, 0). With ``digits``, `restrict_scale` follows.

    Parameters
    ----------
    value : float
    guard : int
        Guard bits G of the accumulator.
    digits : int or None
        Signed digits m may have; None: any m.

    Returns
    -------
    (m, s) : ints

    Raises
    ------
    QuantizeError
        For NaN or infinity, or if ``|value|`` rounds to 2**17 or more.
    """
    if not math.isfinite(value):
        raise QuantizeError(f"a scale must be finite, not {value!r}")
    if value == 0.0:
        return 0, 0
    fraction, exponent = math.frexp(value)
    m, s = round(math.ldexp(fraction, _TOP)), _TOP - exponent
    limit = MAX_SHIFT - guard
    if s > limit:
        m, s = round(math.ldexp(value, limit)), limit
    if abs(m) == 1 << _TOP:
        m, s = m // 2, s - 1
    if s < 0:
        raise QuantizeError(f"a scale must be smaller than 2**{_TOP} in magnitude, not {value!r}")
    return (m, s) if digits is None else restrict_scale(m, s, digits)


def average_scale(count: int, digits: int | None = None) -> tuple[int, int]:
    """The scale of an average of ``count`` values: ``m = round(2**s / count)`` with ``2**16 <= m < 2**17``.

    No tie can occur: ``2**s / count`` ends in one half only for a power of two above ``2**s``.

    Parameters
    ----------
    count : int
        At least 1.
    digits : int or None
        As in `scale_from_float`.

    Raises
    ------
    ValueError
        If ``count`` is less than 1.
    """
    if count < 1:
        raise ValueError(f"count must be >= 1, not {count!r}")
    s = _TOP - 1 + (count - 1).bit_length()
    m = (2 * (1 << s) + count) // (2 * count)
    if m > _HIGH:  # count just above a power of two: 2**17 and 2**16 are the same scale
        m, s = m >> 1, s - 1
    return (m, s) if digits is None else restrict_scale(m, s, digits)


def gate_mantissa(codes: Integers, fraction: int) -> Integers:
    """A gate's codes as mantissas of scales with s = 16: left exactly, right by floor.

    Parameters
    ----------
    codes : int or ndarray of int64
    fraction : int
        Fraction bits of the codes.
    """
    return codes << (GATE_SHIFT - fraction) if fraction <= GATE_SHIFT else codes >> (fraction - GATE_SHIFT)


def digit_count(m: Integers) -> Integers:
    """Non-zero digits of the canonical signed-digit form, the fewest with which ``m`` can be written.

    Parameters
    ----------
    m : int or ndarray of int64

    Returns
    -------
    int or ndarray of int64, same shape
    """
    if isinstance(m, np.ndarray):
        magnitude = np.abs(m.astype(np.int64))
        return np.bitwise_count(magnitude ^ 3 * magnitude).astype(np.int64)
    return (abs(m) ^ 3 * abs(m)).bit_count()


def signed_digits(m: int, k: int) -> tuple[int, list[tuple[int, int]]]:
    """The value nearest to ``m`` with at most ``k`` non-zero signed digits.

    Of two values equally near, the one of smaller magnitude. The power of two nearest to what is left is
    taken k times over, which is optimal (the tests compare with a search over all values).

    Parameters
    ----------
    m : int
        Any sign.
    k : int
        At least 1.

    Returns
    -------
    value : int
        May reach ``+-2**17`` for an 18-bit ``m`` and k = 1; see `restrict`.
    digits : list of (sign, position)
        The canonical form of ``value``, highest position first: ``value == sum(sign << position)``.

    Raises
    ------
    ValueError
        If ``k`` is less than 1.
    """
    if k < 1:
        raise ValueError(f"k must be >= 1, not {k!r}")
    value = 0
    for _ in range(k):
        rest = m - value
        if rest == 0:
            break
        power = _nearest_power(abs(rest), down=(rest > 0) == (m > 0))
        value += power if rest > 0 else -power
    return value, _canonical(value)


def restrict(m: int, k: int) -> int:
    """The 18-bit mantissa nearest to ``m`` with at most ``k`` non-zero signed digits.

    Differs from `signed_digits` only where that gives 2**17, which no mantissa holds: then it is 2**16.
    """
    value, _ = signed_digits(m, k)
    return value if value <= _HIGH else value >> 1


def restrict_scale(m: int, s: int, k: int) -> tuple[int, int]:
    """The scale nearest to ``m / 2**s`` whose mantissa has at most ``k`` non-zero signed digits.

    A mantissa rounded up to 2**17 becomes 2**16 with s - 1.

    Raises
    ------
    QuantizeError
        If that needs a negative s.
    """
    value, _ = signed_digits(m, k)
    if abs(value) < 1 << _TOP:
        return value, s
    if s == 0:
        raise QuantizeError(f"scale {m} does not fit {MANTISSA_BITS} bits with {k} signed digits")
    return value // 2, s - 1


def _nearest_power(value: int, down: bool) -> int:
    """The power of two nearest to a positive value; a tie goes down or up."""
    below = 1 << (value.bit_length() - 1)
    doubled, midpoint = 2 * value, 3 * below
    return below if doubled < midpoint or (doubled == midpoint and down) else 2 * below


def _canonical(value: int) -> list[tuple[int, int]]:
    """Signed digits with no two neighbours non-zero, highest position first."""
    digits = []
    position, rest = 0, value
    while rest:
        if rest & 1:
            sign = 2 - (rest & 3)
            digits.append((sign, position))
            rest -= sign
        rest >>= 1
        position += 1
    return digits[::-1]
