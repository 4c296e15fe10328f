"""Number formats: rounding, ends, thresholds and every refusal."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwshift.errors import ConfigError, QuantizeError
from hwshift.golden.formats import Arithmetic, Pow2Format, QFormat

from ..seeds import generator
from . import oracle
from .build import ARITHMETICS, Q4_12, Q5_6, Q8_8, Q16_16, codes

FORMATS = [Q16_16, Q8_8, Q4_12, Q5_6, QFormat(1, 7), QFormat(32, 0), QFormat(1, 31)]
FINITE = st.floats(allow_nan=False, allow_infinity=False)


@pytest.mark.parametrize("fmt", FORMATS, ids=str)
@given(value=FINITE | st.floats(-4, 4) | st.integers(-600, 600).map(lambda i: i / 128))
def test_floor_and_nearest_by_definition(fmt, value):
    scaled = Fraction(value) * 2**fmt.n
    low, high = -(2 ** (fmt.m + fmt.n - 1)), 2 ** (fmt.m + fmt.n - 1) - 1
    assert fmt.floor(value) == sorted((low, math.floor(scaled), high))[1]
    if low <= round(scaled) <= high:
        assert fmt.nearest(value) == round(scaled)
    else:
        with pytest.raises(QuantizeError):
            fmt.nearest(value)


def test_floor_by_hand():
    fmt = QFormat(4, 4)
    assert fmt.floor([-0.01, 0.0, 0.99, 7.99, 8.0, -8.0, -8.01]).tolist() == [-1, 0, 15, 127, 127, -128, -128]
    found = fmt.floor(np.float32([[0.5]]))
    assert (found.dtype, found.shape) == (np.int64, (1, 1))


def test_floor_upper():
    """DeepShift's round_to_fixed clips at 32767.0, not at the largest code."""
    values = [32766.99999, 32767.0, 32767.25, 1e9, -1e9]
    top = 32767 << 16
    assert Q16_16.floor(values, upper=32767.0).tolist() == [top - 1, top, top, top, -(1 << 31)]
    assert Q16_16.floor(values).tolist() == [top - 1, top, top + (1 << 14), (1 << 31) - 1, -(1 << 31)]
    assert QFormat(4, 4).floor(100.0, upper=32767.0) == 127


def test_nearest_even():
    fmt = QFormat(4, 2)
    assert fmt.nearest([0.125, 0.375, 0.625, -0.125, -0.375, -8.125]).tolist() == [0, 2, 2, 0, -2, -32]


def test_format_properties():
    assert (Q16_16.bits, Q16_16.min, Q16_16.max, Q16_16.storage_bits) == (32, -(1 << 31), (1 << 31) - 1, 32)
    assert [QFormat(1, n).storage_bits for n in (1, 7, 8, 15, 16, 31)] == [8, 8, 16, 16, 32, 32]
    assert QFormat.parse(" q5.6 ") == Q5_6
    assert QFormat.parse(str(Q4_12)) == Q4_12
    assert Q5_6.to_float(-3) == -3 / 64
    assert Q5_6.to_float(np.array([64, 1])).tolist() == [1.0, 1 / 64]


@pytest.mark.parametrize(
    "fmt", [Pow2Format(), Pow2Format(-7, 2), Pow2Format(-31, 0), Pow2Format(-14, 0)], ids=str
)
def test_pow2_thresholds(fmt):
    """The limit between 2**k and 2**(k + 1) is sqrt(2) * 2**k: the first float at or above it goes up."""
    root = math.sqrt(2)
    assert Fraction(root) ** 2 > 2 > Fraction(math.nextafter(root, 0)) ** 2
    for k in range(fmt.p_min, fmt.p_max):
        limit = math.ldexp(root, k)
        values = np.array([math.nextafter(limit, 0), limit, math.nextafter(limit, 9), 2.0**k])
        for sign in (1, -1):
            signs, powers = fmt.from_float(sign * values)
            assert signs.tolist() == [sign] * 4
            assert powers.tolist() == [k, k + 1, k + 1, k]


@given(FINITE)
def test_pow2_is_nearest_in_the_log_domain(value):
    """|w| is clamped, then p is where 2**(2p - 1) <= w**2 < 2**(2p + 1), in exact fractions."""
    fmt = Pow2Format()
    sign, p = (int(part) for part in fmt.from_float(value))
    if value == 0:
        assert (sign, p) == (0, -15)
        return
    assert sign == (1 if value > 0 else -1)
    magnitude = min(max(Fraction(abs(value)), Fraction(1, 1 << 15)), Fraction(1))
    assert Fraction(2) ** (2 * p - 1) <= magnitude**2 < Fraction(2) ** (2 * p + 1)


def test_pow2_zero_and_clamp():
    sign, p = Pow2Format().from_float([0.0, -0.0, 1e-30, -5e-324, 3.0, -1e300])
    assert sign.tolist() == [0, 0, 1, -1, 1, -1]
    assert p.tolist() == [-15, -15, -15, -15, 0, 0]
    assert sign.dtype == p.dtype == np.int64
    assert Pow2Format().to_float(sign, p).tolist() == [0, 0, 2**-15, -(2**-15), 1, -1]


def test_pow2_from_ps():
    """P rounds half to even; the sign counts only above one half."""
    p = [-0.5, -1.5, -2.5, -0.51, 3.0, -99.0, -3.0, -3.0, -3.0, -3.0]
    s = [1.0, 1.0, -1.0, 0.6, 1.0, 1.0, 0.5, -0.5, -0.5000001, 0.0]
    sign, power = Pow2Format(-14, 0).from_ps(p, s)
    assert sign.tolist() == [1, 1, -1, 1, 1, 1, 0, 0, -1, 0]
    assert power.tolist() == [0, -2, -2, -1, 0, -14, -14, -14, -3, -14]


def test_pow2_properties():
    assert (Pow2Format().bits, Pow2Format().shift_bits) == (5, 4)
    assert [Pow2Format(low, 0).shift_bits for low in (0, -1, -2, -7, -8, -31)] == [1, 1, 2, 3, 4, 5]
    assert str(Pow2Format(-7, 2)) == "pow2[-7,2]"


@pytest.mark.parametrize("arithmetic", ARITHMETICS, ids=str)
def test_term(arithmetic):
    """The reference term, and its error against the exact product: none, or below one step of the grid."""
    rng = generator(0)
    fmt = arithmetic.weights
    for x in codes(rng, arithmetic.act, 50).tolist():
        if isinstance(fmt, QFormat):
            weights = codes(rng, fmt, 20).tolist()
        else:
            weights = [(sign, p) for sign in (-1, 0, 1) for p in range(fmt.p_min, fmt.p_max + 1)]
        for weight in weights:
            found = arithmetic.term(x, weight)
            parts = weight if isinstance(weight, tuple) else (weight,)
            assert found == oracle.term(arithmetic, x, *parts)
            value = (
                Fraction(weight, 1 << fmt.n)
                if isinstance(weight, int)
                else weight[0] * Fraction(2) ** weight[1]
            )
            error = x * value * (1 << arithmetic.guard) - found
            assert abs(error) < 1 and (error == 0 or not arithmetic.exact)


def test_the_shift_comes_before_the_sign():
    arithmetic = Arithmetic(guard=0)
    assert arithmetic.term(5, (-1, -1)) == -2
    assert arithmetic.term(-5, (1, -1)) == -3
    assert arithmetic.term(-5, (-1, -1)) == 3
    assert arithmetic.term(-1, (0, -15)) == 0


def test_arithmetic_defaults():
    assert (Arithmetic().guard, Arithmetic().acc_width, Arithmetic().exact) == (15, 56, True)
    mac = Arithmetic(pe="mac", weights=QFormat(2, 14))
    assert (mac.guard, mac.acc_width, mac.acc_max) == (14, 64, (1 << 63) - 1)
    changed = mac.with_(guard=3)
    assert (changed.guard, changed.acc_width, changed.exact, changed.exact_guard) == (3, 64, False, 14)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: QFormat(0, 8), ConfigError, "a format Qm.n needs integers m >= 1 and n >= 0, not Q0.8"),
        (lambda: QFormat(8, -1), ConfigError, "a format Qm.n needs integers m >= 1 and n >= 0, not Q8.-1"),
        (lambda: QFormat(8.0, 8), ConfigError, "a format Qm.n needs integers m >= 1 and n >= 0, not Q8.0.8"),
        (lambda: QFormat(17, 16), ConfigError, "a format Qm.n needs 2 <= m + n <= 32, not 33 (Q17.16)"),
        (lambda: QFormat(1, 0), ConfigError, "a format Qm.n needs 2 <= m + n <= 32, not 1 (Q1.0)"),
        (lambda: QFormat.parse("16"), ConfigError, "a format is written Qm.n, for example Q16.16, not '16'"),
        (
            lambda: QFormat.parse("Q4.-2"),
            ConfigError,
            "a format is written Qm.n, for example Q16.16, not 'Q4.-2'",
        ),
        (lambda: QFormat().floor([1.0, np.nan]), QuantizeError, "values must be finite, not NaN or infinity"),
        (lambda: QFormat().nearest(np.inf), QuantizeError, "values must be finite, not NaN or infinity"),
        (
            lambda: QFormat(4, 4).nearest([0.0, 7.97]),
            QuantizeError,
            "value 7.97 is outside Q4.4: allowed -8.0 to 7.9375",
        ),
        (
            lambda: QFormat().nearest(-1e308),
            QuantizeError,
            "value -1e+308 is outside Q16.16: allowed -32768.0 to 32767.99998474121",
        ),
        (
            lambda: Pow2Format().from_float(np.nan),
            QuantizeError,
            "values must be finite, not NaN or infinity",
        ),
        (
            lambda: Pow2Format().from_ps([np.nan], [1.0]),
            QuantizeError,
            "values must be finite, not NaN or infinity",
        ),
        (
            lambda: Pow2Format().from_ps([0.0], [np.inf]),
            QuantizeError,
            "values must be finite, not NaN or infinity",
        ),
        *(
            (
                lambda low=low, high=high: Pow2Format(low, high),
                ConfigError,
                (
                    "pow2 weights need integers -31 <= p_min <= 0 <= p_max <= 8 and p_max - p_min <= 31, "
                    f"not [{low}, {high}]"
                ),
            )
            for low, high in ((-32, 0), (1, 2), (-3, 9), (-24, 8), (-3, -1), (-1.0, 0))
        ),
        (lambda: Arithmetic(pe="fma"), ConfigError, "pe must be 'mac' or 'shift_add', not 'fma'"),
        (
            lambda: Arithmetic(pe="mac"),
            ConfigError,
            "a mac array needs weights in a QFormat, not pow2[-15,0]",
        ),
        (
            lambda: Arithmetic(weights=QFormat()),
            ConfigError,
            "a shift_add array needs weights in a Pow2Format, not Q16.16",
        ),
        (lambda: Arithmetic(guard=16), ConfigError, "guard must lie in 0..15 for pow2[-15,0], not 16"),
        (lambda: Arithmetic(guard=-1), ConfigError, "guard must lie in 0..15 for pow2[-15,0], not -1"),
        (lambda: Arithmetic(guard=1.0), ConfigError, "guard must lie in 0..15 for pow2[-15,0], not 1.0"),
        (
            lambda: Arithmetic(acc_width=47),
            ConfigError,
            "acc_width must lie in 48..64 for Q16.16 with 15 guard bits, not 47",
        ),
        (
            lambda: Arithmetic(acc_width=65),
            ConfigError,
            "acc_width must lie in 48..64 for Q16.16 with 15 guard bits, not 65",
        ),
        (
            lambda: Arithmetic(scale_digits=0),
            ConfigError,
            "scale_digits must lie in 1..4 or be absent, not 0",
        ),
        (
            lambda: Arithmetic(scale_digits=5),
            ConfigError,
            "scale_digits must lie in 1..4 or be absent, not 5",
        ),
    ],
)
def test_refused(call, error, message):
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value) == message
