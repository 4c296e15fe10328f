"""Pools, sums and shifts: by hand, compiled against interpreted, refusals (more in test_model)."""

import numpy as np
import pytest

from hwshift.golden import maps
from hwshift.network.fixed import Pool

MAP = np.arange(1, 7, dtype=np.int32).reshape(1, 1, 2, 3)  # 1 2 3 / 4 5 6


def test_pools_by_hand():
    pool = Pool("avg", (2, 2), (1, 2), (1, 0, 0, 1))
    assert maps.pool_sum(MAP, pool, 3).tolist() == [[[3 << 3, 3 << 3, 12 << 3, 9 << 3]]]
    assert maps.pool_max(MAP - 9, pool, 1, -100).tolist() == [[[-7 << 1, -6 << 1, -4 << 1, -3 << 1]]]
    assert maps.pool_counts((2, 3), pool).tolist() == [4, 4, 4, 4]
    excluding = Pool("avg", (2, 2), (1, 2), (1, 0, 0, 1), include_border=False)
    assert maps.pool_counts((2, 3), excluding).tolist() == [2, 1, 4, 2]


def test_sums_by_hand():
    assert maps.sum_maps([MAP, MAP[..., ::-1]], 2).tolist() == [[[16, 16, 16, 40, 40, 40]]]
    ends = np.full((1, 1, 1, 1), (1 << 31) - 1, np.int32)
    assert maps.sum_maps([ends, ends], 31).item() == ((1 << 32) - 2) << 31


def test_shift_by_hand():
    both = np.concatenate((MAP, MAP), axis=1)
    moved = maps.shift_map(both, np.array([[0, 1], [-1, -1]]))
    assert moved.tolist() == [[[[2, 3, 0], [5, 6, 0]], [[0, 0, 0], [0, 1, 2]]]]
    assert not maps.shift_map(both, np.array([[2, 0], [0, -3]])).any()


def test_python_and_compiled_agree():
    rng = np.random.default_rng(0)
    x = rng.choice([-(1 << 31), -1, 0, (1 << 31) - 1], (2, 3, 4, 5)).astype(np.int32)
    for is_max in (False, True):
        accs = np.zeros((2, 2, 3, 3, 3), np.int64)
        for kernel, acc in zip((maps.pool_kernel, maps.pool_kernel.py_func), accs, strict=True):
            kernel(x, (3, 2), (2, 3), (2, 1), is_max, -(1 << 31), acc)
        np.testing.assert_array_equal(*accs)
    outs = np.zeros((2, *x.shape), np.int32)
    for kernel, out in zip((maps.shift_kernel, maps.shift_kernel.py_func), outs, strict=True):
        kernel(x, np.array([[0, 1], [-3, 2], [9, 0]]), out)
    np.testing.assert_array_equal(*outs)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: maps.pool_sum(MAP[0], Pool("avg", (1, 1), (1, 1)), 0),
            TypeError,
            "x must be a contiguous array of int32 with 4 axes, not int32 with 3",
        ),
        (
            lambda: maps.pool_max(MAP.astype(np.int64), Pool("max", (1, 1), (1, 1)), 0, 0),
            TypeError,
            "x must be a contiguous array of int32 with 4 axes, not int64 with 4",
        ),
        (
            lambda: maps.shift_map(MAP[..., ::2], np.zeros((1, 2), int)),
            TypeError,
            "x must be a contiguous array of int32 with 4 axes, not int32 with 4",
        ),
        (
            lambda: maps.shift_map(MAP, np.zeros((2, 2), int)),
            ValueError,
            "offsets must have shape (1, 2), not (2, 2)",
        ),
        (
            lambda: maps.sum_maps([MAP, MAP[..., 1:]], 0),
            ValueError,
            "maps to be added must have one shape, not [(1, 1, 2, 3), (1, 1, 2, 2)]",
        ),
    ],
)
def test_refused(call, error, message):
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value) == message
