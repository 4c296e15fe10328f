"""Instance normalisation: each step of its scale rounded to float64 once, sums exact; gates as mantissas."""

import math
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np

from hwshift.golden import norm
from hwshift.golden.formats import QFormat
from hwshift.network.fixed import InstanceNorm

from ..seeds import generator


def root(value):
    """The square root rounded to float64 once."""
    with localcontext() as context:
        context.prec = 80
        return float(Fraction(Decimal(value).sqrt()))


def exact_steps(codes, fraction, gamma, beta, eps):
    """Scale and offset with every operation in fractions, rounded to float64 after each."""
    count, total = len(codes), sum(codes)
    spread = count * sum(code * code for code in codes) - total**2
    variance = float(Fraction(float(spread)) / Fraction(float(count**2))) * 0.25**fraction
    mean = float(Fraction(float(total)) / count) * 0.5**fraction
    scale = float(Fraction(gamma) / Fraction(root(float(Fraction(variance) + Fraction(eps)))))
    product = float(Fraction(mean) * Fraction(scale))
    return scale, float(Fraction(beta) - Fraction(product))


def test_every_step_is_rounded_once():
    rng = generator(0)
    for _ in range(500):
        count, bits = int(rng.integers(1, 40)), int(rng.integers(3, 33))
        codes = rng.integers(-(1 << (bits - 1)), 1 << (bits - 1), count)
        gamma, beta, eps = *rng.normal(size=2).tolist(), float(rng.choice([1e-5, 0.1]))
        fmt = QFormat(bits - 2, 2)
        statistics = norm.statistics(
            count, int(codes.sum()), sum(code * code for code in codes.tolist()), fmt.n
        )
        found = norm.affine(*statistics, gamma, beta, eps)
        assert found == exact_steps(codes.tolist(), fmt.n, gamma, beta, eps)


def test_moments_of_the_ends():
    """Sums of squares beyond 64 bits, split in two; the same compiled and interpreted."""
    x = np.full((1, 2, 3, 5), -(1 << 31), np.int32)
    x[0, 1] = (1 << 31) - 1
    x[0, 1, 0, 0] = -7
    for kernel in (norm.moments_kernel, norm.moments_kernel.py_func):
        sums = np.empty((1, 2, 3), np.int64)
        kernel(x, sums)
        for (total, upper, lower), values in zip(sums[0].tolist(), x[0].reshape(2, -1).tolist(), strict=True):
            assert total == sum(values)
            assert (upper << 32) + lower == sum(value * value for value in values)


def test_scales_by_hand():
    """0 and 4 in Q8.8: mean 2, variance 4; with eps = 5 a standard deviation of 3."""
    x = np.array([0, 4 << 8], np.int32).reshape(1, 1, 1, 2)
    m, s, b = norm.norm_scales(
        x, InstanceNorm(np.array([6.0]), np.array([1.0]), 5.0), QFormat(8, 8), QFormat(8, 8), 0
    )
    assert (m.tolist(), s.tolist(), b.tolist()) == ([[1 << 16]], [[15]], [[-3 << 8]])
    # 1/3: nearest of 2**18 / 3 = 87381.3, and with one signed digit 2**16 / 2**18; b = -2/3 in 2**-4 = -10.67
    op = InstanceNorm(np.array([1.0]), np.array([0.0]), 5.0)
    for digits, mantissa in ((None, 87381), (1, 1 << 16)):
        m, s, b = norm.norm_scales(x, op, QFormat(8, 8), QFormat(8, 4), 0, digits)
        assert (m.item(), s.item(), b.item()) == (mantissa, 18, -11)
    # 62 - 55 - 4 = 3 places are left for s
    m, s, _ = norm.norm_scales(x, op, QFormat(8, 8), QFormat(8, 4), 55)
    assert (m.item(), s.item()) == (3, 3)
    assert math.isclose(m.item() / 2 ** s.item(), 1 / 3, rel_tol=0.2)
