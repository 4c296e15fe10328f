"""The epilogue in 64-bit integers against unbounded integers."""

import numpy as np
import pytest
from numba import njit

from hwshift.golden.epilogue import activation_range, epilogue_exact, scale_floor
from hwshift.golden.finish import scaled
from hwshift.golden.formats import QFormat

from ..seeds import generator
from . import edges

BEYOND = 1 << 40


@njit
def saturated_values(acc, m, places, b, low, high, out):
    """``out = saturate(floor(acc * m / 2**places) + b)``, and how many were outside."""
    over = 0
    for i in range(len(acc)):
        y = scale_floor(acc[i], m[i], places[i]) + b[i]
        out[i] = min(max(y, low), high)
        over += y != out[i]
    return over


@njit
def real_values(acc, m, places, out):
    """`scaled` of every value."""
    for i in range(len(acc)):
        out[i] = scaled(acc[i], m[i], places[i])


@pytest.mark.parametrize("act", edges.FORMATS, ids=str)
def test_equals_unbounded_integers(act):
    """100 000 cases per format, 600 000 in all."""
    rng = generator(act.m)
    count = 100_000
    places = rng.choice([0, 1, 31, 32, 33, 61, 62, *range(63)], count)
    m, b = edges.mantissas(rng, count), edges.biases(rng, count, act)
    acc = edges.accumulators(rng, m, places, b, act, 64)
    out, reals = np.empty(count, np.int64), np.empty(count)
    over = saturated_values(acc, m, places, b, act.min, act.max, out)
    real_values(acc, m, places, reals)
    low, high = -(1 << (act.bits - 1)), (1 << (act.bits - 1)) - 1
    exact = [edges.scaled(*case, 0) for case in zip(acc.tolist(), m.tolist(), places.tolist(), strict=True)]
    biased = [y + one for y, one in zip(exact, b.tolist(), strict=True)]
    expected = [edges.clip(y, low, high) for y in biased]
    assert out.tolist() == expected
    assert over == sum(y != value for y, value in zip(biased, expected, strict=True))
    assert reals.tolist() == [edges.clip(y, -BEYOND, BEYOND) for y in exact]
    assert 0 < sum(low < value < high for value in expected) < count - over
    assert over > count // 10


@pytest.mark.parametrize("seed", range(3))
def test_the_reference_itself(seed):
    """`epilogue_exact` with residuals and activations against the contract's steps in order."""
    rng = generator(seed)
    act = edges.FORMATS[seed]
    guard, count = 5, 2000
    m, s, b = edges.mantissas(rng, count), rng.integers(0, 58, count), edges.biases(rng, count, act)
    acc = edges.accumulators(rng, m, guard + s, b, act, 64).tolist()
    residuals = rng.choice([act.min, act.max, 0, 5], count).tolist()
    for first, second in (
        ((0, act.max), (act.min, act.max)),
        ((-3, 7), (-9, 9)),
        ((act.min, act.max), (0, act.max)),
    ):
        for one, one_m, one_s, one_b, residual in zip(
            acc, m.tolist(), s.tolist(), b.tolist(), residuals, strict=True
        ):
            y = edges.clip(edges.scaled(one, one_m, guard + one_s, one_b), act.min, act.max)
            y = edges.clip(y, *first)
            arguments = (one, one_m, one_s, one_b, guard, act, first)
            assert epilogue_exact(*arguments) == y
            y = edges.clip(edges.clip(y + residual, act.min, act.max), *second)
            assert epilogue_exact(*arguments, residual, second) == y


def test_reference_by_hand():
    act = QFormat(4, 4)
    assert epilogue_exact(-1, 1, 0, 0, 3, act) == -1
    assert epilogue_exact(100, 3, 1, -5, 2, act) == 32  # floor(300 / 8) - 5
    assert epilogue_exact(1000, 1, 0, 0, 0, act) == 127
    assert epilogue_exact(-1000, 1, 0, 0, 0, act, (0, 127), 100) == 100
    assert epilogue_exact(100, 1, 0, 0, 0, act, None, 100) == 127
    assert epilogue_exact(100, 1, 0, 0, 0, act, None, 100, (-5, 5)) == 5


def test_python_and_compiled_agree():
    """No step of `scale_floor` leaves 64 bits: the interpreter, which has no such limit, gives the same."""
    for acc in (-(1 << 63), -(1 << 62) - 1, -1, 0, 1, (1 << 45) + 1, (1 << 63) - 1):
        for m in (-(1 << 17), -1, 0, 1, (1 << 17) - 1):
            for places in (0, 1, 31, 32, 33, 62):
                assert scale_floor(acc, m, places) == scale_floor.py_func(acc, m, places)


def test_activation_ranges():
    act = QFormat(4, 4)
    assert activation_range("none", 0, 0, act) == (-128, 127)
    assert activation_range("relu", 0, 0, act) == (0, 127)
    assert activation_range("clamp", -3, 96, act) == (-3, 96)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("gelu", 0, 0), "activation must be 'none', 'relu' or 'clamp', not 'gelu'"),
        (("clamp", 3, 2), "a clamp needs -128 <= lo <= hi <= 127, not [3, 2]"),
        (("clamp", 0, 128), "a clamp needs -128 <= lo <= hi <= 127, not [0, 128]"),
    ],
)
def test_refused_activations(arguments, message):
    with pytest.raises(ValueError) as caught:
        activation_range(*arguments, QFormat(4, 4))
    assert str(caught.value) == message
