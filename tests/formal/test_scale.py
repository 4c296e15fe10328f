"""The golden model's scale in 64 bits equals the product of any width: its own code, run on symbols.

The 82 bits of acc * m do not fit int64, so `scale_floor` cuts acc into an upper and a lower part. Its Python text is
executed with integers of the solver in place of numbers, once for each number of places; every value on the way is
asserted to fit int64.
"""

from types import FunctionType

import pytest
import z3

from hwshift.golden.epilogue import scale_floor
from hwshift.golden.formats import MANTISSA_BITS

PLACES = range(63)
ACC, M = z3.Int("acc"), z3.Int("m")
WORDS = [-(2**63) <= ACC, ACC < 2**63, -(2 ** (MANTISSA_BITS - 1)) <= M, M < 2 ** (MANTISSA_BITS - 1)]
BEYOND = 2**33
"""Of this size a value saturates in every format of at most 32 bits, whatever bias of the format is added."""


class Symbol:
    """An integer of the solver that knows the operators of Python, and notes every value that arises."""

    def __init__(self, expression, noted):
        self.expression, self.noted = expression, noted
        noted.append(expression)

    def _with(self, expression):
        return Symbol(expression, self.noted)

    def __mul__(self, other):
        return self._with(self.expression * other.expression)

    def __add__(self, other):
        return self._with(self.expression + other.expression)

    def __sub__(self, other):
        return self._with(self.expression - other.expression)

    def __rshift__(self, places):
        return self._with(self.expression / 2**places)  # the solver's division by a positive number floors

    def __lshift__(self, places):
        return self._with(self.expression * 2**places)


def _choose(name, condition):
    """Python's `min` or `max`, also of symbols."""

    def chosen(*values):
        symbols = [value for value in values if isinstance(value, Symbol)]
        if not symbols:
            return {"min": min, "max": max}[name](*values)
        a, b = (value.expression if isinstance(value, Symbol) else z3.IntVal(value) for value in values)
        return symbols[0]._with(z3.If(condition(a, b), a, b))

    return chosen


CHOICES = {"min": _choose("min", lambda a, b: a <= b), "max": _choose("max", lambda a, b: a >= b)}


def executed(function, places):
    """What a function of acc, m and places gives, and every value on the way."""
    noted: list = []
    run = FunctionType(function.__code__, CHOICES)
    return run(Symbol(ACC, noted), Symbol(M, noted), places).expression, noted


def holds(claim, *given):
    """Whether a claim follows; undecided is an error."""
    solver = z3.Solver()
    solver.set("timeout", 60_000)
    solver.add(*given, z3.Not(claim))
    answer = solver.check()
    assert answer != z3.unknown
    return answer == z3.unsat


def alike(y, exact):
    """Both saturate at the same end."""
    return z3.Or(z3.And(y >= BEYOND, exact >= BEYOND), z3.And(y < -BEYOND, exact < -BEYOND))


@pytest.mark.parametrize("places", PLACES)
def test_upper_and_lower_part_give_the_wide_product(places):
    """Equal to floor(acc * m / 2^places), or beyond every format at the same end; nothing leaves int64."""
    y, noted = executed(scale_floor.py_func, places)
    exact = ACC * M / 2**places
    assert holds(y == exact if places > 32 else z3.Or(y == exact, alike(y, exact)), *WORDS)
    assert holds(z3.And([z3.And(value >= -(2**63), value < 2**63) for value in noted]), *WORDS)


def test_up_to_the_clip_it_is_equal():
    for places in range(33):
        y, _ = executed(scale_floor.py_func, places)
        upper = ACC / 2**places
        assert holds(y == ACC * M / 2**places, *WORDS, upper <= 2**45, upper >= -(2**45))


def unclipped(acc, m, places):
    """Leaves int64."""
    k = min(places, 32)
    hi = acc >> k
    lo = acc - (hi << k)
    return (hi * m + ((lo * m) >> k)) >> max(0, places - 32)


def upper_only(acc, m, places):
    """Forgets what the lower part carries into the upper one."""
    k = min(places, 32)
    hi = acc >> k
    return (hi * m) >> max(0, places - 32)


def clipped_low(acc, m, places):
    """Clips where formats still reach."""
    k = min(places, 32)
    hi = acc >> k
    lo = acc - (hi << k)
    hi = min(max(hi, -(1 << 30)), 1 << 30)
    return (hi * m + ((lo * m) >> k)) >> max(0, places - 32)


def test_without_the_clip_int64_is_left():
    _, noted = executed(unclipped, 16)
    assert not holds(z3.And([z3.And(value >= -(2**63), value < 2**63) for value in noted]), *WORDS)


@pytest.mark.parametrize("broken", [upper_only, clipped_low])
def test_a_broken_scale_is_refuted(broken):
    y, _ = executed(broken, 16)
    exact = ACC * M / 2**16
    assert not holds(z3.Or(y == exact, alike(y, exact)), *WORDS)
