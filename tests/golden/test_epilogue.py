"""The 64-bit epilogue against unbounded integers."""

import numpy as np
import pytest

from hwshift.golden.epilogue import (
    activation_range,
    apply_epilogue,
    epilogue_exact,
    epilogue_kernel,
    scale_floor,
)
from hwshift.golden.formats import QFormat

FORMATS = [QFormat(16, 16), QFormat(8, 8), QFormat(4, 12), QFormat(5, 6), QFormat(1, 1), QFormat(32, 0)]
CHANNELS = 100


def exact(acc, m, places, b, low, high):
    """The contract's formula for one value, before the activation."""
    y = ((acc * m) >> places) + b
    return low if y < low else high if y > high else y


def random_accumulators(rng, count, m, places, b, act):
    """Any magnitude, powers of two and neighbours, both ends, and what just saturates or just does not."""
    powers = (np.int64(1) << rng.integers(0, 63, count)) + rng.integers(-2, 3, count)
    widths = rng.integers(-(1 << 62), 1 << 62, count) >> rng.integers(0, 62, count)
    ends = rng.choice([-(1 << 63), -(1 << 63) + 1, (1 << 63) - 1, (1 << 63) - 2, 0, -1, 1], count)
    rims = []
    bounds = rng.choice([act.min, act.max], count).tolist()
    cases = zip(bounds, m.tolist(), places.tolist(), b.tolist(), strict=True)
    for bound, one_m, one_places, one_b in cases:
        rim = ((bound - one_b) << one_places) // (one_m or 1)
        rims.append(min(max(rim, -(1 << 63) + 4), (1 << 63) - 5))
    rims = np.array(rims, np.int64) + rng.integers(-2, 3, count)
    signs = rng.choice([-1, 1], count)
    return np.choose(rng.integers(0, 4, count), [powers * signs, widths, ends, rims])


def random_mantissas(rng, count):
    edges = rng.choice([-(1 << 17), (1 << 17) - 1, -(1 << 16), 1 << 16, -1, 0, 1, 2, 3], count)
    return np.where(rng.integers(0, 2, count) == 0, edges, rng.integers(-(1 << 17), 1 << 17, count))


@pytest.mark.parametrize("act", FORMATS, ids=str)
def test_equals_unbounded_integers(act):
    """100 000 cases per format, 600 000 in all."""
    rng = np.random.default_rng(act.m)
    pixels = 1000
    count = CHANNELS * pixels
    guard = int(rng.integers(0, 32))
    s = np.minimum(rng.choice([0, 1, 31, 32, 33, 61, 62, *range(62)], count), 62 - guard)
    m = random_mantissas(rng, count)
    b = np.where(
        rng.integers(0, 2, CHANNELS) == 0,
        rng.choice([act.min, act.max, 0], CHANNELS),
        rng.integers(act.min, act.max, CHANNELS, endpoint=True),
    )
    every_b = np.repeat(b, pixels)
    acc = random_accumulators(rng, count, m, guard + s, every_b, act)
    shape = (CHANNELS, pixels)
    out, saturated = apply_epilogue(
        acc.reshape(1, *shape),
        m.reshape(shape),
        s.reshape(shape),
        b,
        guard,
        act,
        ((act.min, act.max), (act.min, act.max)),
    )
    low, high = -(1 << (act.bits - 1)), (1 << (act.bits - 1)) - 1
    cases = zip(acc.tolist(), m.tolist(), (guard + s).tolist(), every_b.tolist(), strict=True)
    expected = [exact(*case, low, high) for case in cases]
    assert out.ravel().tolist() == expected
    inside = sum(low < value < high for value in expected)
    assert 0 < inside < count - saturated
    assert saturated > count // 10


@pytest.mark.parametrize("seed", [0, 1])
def test_residual_and_activations(seed):
    rng = np.random.default_rng(seed)
    act = FORMATS[seed]
    guard, shape = 5, (2, 3, 40)
    m, s = random_mantissas(rng, 3).reshape(3, 1), rng.integers(0, 58, (3, 1))
    b = rng.integers(act.min, act.max, 3)
    places = np.broadcast_to(guard + s, shape).ravel()
    acc = random_accumulators(
        rng, 240, np.broadcast_to(m, shape).ravel(), places, np.broadcast_to(b[:, None], shape).ravel(), act
    ).reshape(shape)
    residual = rng.choice([act.min, act.max, 0, 5], shape).astype(np.int32)
    for windows in (
        ((0, act.max), (act.min, act.max)),
        ((-3, 7), (-9, 9)),
        ((act.min, act.max), (0, act.max)),
    ):
        out, saturated = apply_epilogue(acc, m, s, b, guard, act, windows, residual)
        over = 0
        for n, c, p in np.ndindex(shape):
            y = exact(int(acc[n, c, p]), int(m[c, 0]), guard + int(s[c, 0]), int(b[c]), -(1 << 99), 1 << 99)
            first = min(max(y, act.min), act.max)
            second = min(max(first, windows[0][0]), windows[0][1]) + int(residual[n, c, p])
            clipped = min(max(second, act.min), act.max)
            over += y != first or second != clipped
            assert out[n, c, p] == min(max(clipped, windows[1][0]), windows[1][1])
            arguments = (int(acc[n, c, p]), int(m[c, 0]), int(s[c, 0]), int(b[c]), guard, act)
            assert out[n, c, p] == epilogue_exact(*arguments, windows[0], int(residual[n, c, p]), windows[1])
        assert saturated == over


def test_reference_by_hand():
    act = QFormat(4, 4)
    assert epilogue_exact(-1, 1, 0, 0, 3, act) == -1
    assert epilogue_exact(100, 3, 1, -5, 2, act) == 32  # floor(300 / 8) - 5
    assert epilogue_exact(1000, 1, 0, 0, 0, act) == 127
    assert epilogue_exact(-1000, 1, 0, 0, 0, act, (0, 127), 100) == 100
    assert epilogue_exact(100, 1, 0, 0, 0, act, None, 100) == 127
    assert epilogue_exact(100, 1, 0, 0, 0, act, None, 100, (-5, 5)) == 5


def test_python_and_compiled_agree():
    ends = [-(1 << 63), -(1 << 62) - 1, -1, 0, 1, (1 << 45) + 1, (1 << 63) - 1]
    for acc in ends:
        for m in (-(1 << 17), -1, 0, 1, (1 << 17) - 1):
            for places in (0, 1, 31, 32, 33, 62):
                assert scale_floor(acc, m, places) == scale_floor.py_func(acc, m, places)
    acc = np.array(ends[2:6] * 2, np.int64).reshape(1, 2, 4)
    scales = np.array([[3], [-5]], np.int64), np.array([[2], [0]], np.int64), np.array([7, -7], np.int64)
    limits = np.array([-128, 127, 0, 127, -20, 20], np.int64)
    outs = np.zeros((2, 1, 2, 4), np.int32)
    residual = np.full((1, 2, 4), 9, np.int32)
    counts = [
        kernel(acc, *scales, 1, limits, residual, out, 0, 2)
        for kernel, out in zip((epilogue_kernel, epilogue_kernel.py_func), outs, strict=True)
    ]
    assert counts[0] == counts[1]
    np.testing.assert_array_equal(*outs)


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


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (
            {"acc": np.zeros((1, 2, 3), np.int32)},
            TypeError,
            "acc must be a contiguous array of int64, not int32",
        ),
        ({"b": np.zeros(4, np.int64)[::2]}, TypeError, "b must be a contiguous array of int64, not int64"),
        (
            {"residual": np.zeros((1, 2, 3), np.int64)},
            TypeError,
            "residual must be a contiguous array of int32, not int64",
        ),
        (
            {"residual": np.zeros((1, 3, 3), np.int32)},
            ValueError,
            "the residual must have the accumulators' shape (1, 2, 3), not (1, 3, 3)",
        ),
        (
            {"b": np.zeros(3, np.int64)},
            ValueError,
            "scales must have shape (2, 1) or (2, 3) and the bias (2,), not (2, 1), (2, 1) and (3,)",
        ),
        ({"s": np.full((2, 1), -1)}, ValueError, "guard + s must lie in 0..62, not 3 to 3"),
        ({"s": np.array([[0], [59]])}, ValueError, "guard + s must lie in 0..62, not 4 to 63"),
    ],
)
def test_refused_arrays(change, error, message):
    arguments = {
        "acc": np.zeros((1, 2, 3), np.int64),
        "m": np.ones((2, 1), np.int64),
        "s": np.zeros((2, 1), np.int64),
        "b": np.zeros(2, np.int64),
        "guard": 4,
        "act": QFormat(4, 4),
        "windows": ((-128, 127), (-128, 127)),
    }
    with pytest.raises(error) as caught:
        apply_epilogue(**(arguments | change))
    assert str(caught.value) == message
