"""The convolution kernels: compiled against interpreted, both ways through, threads, refusals."""

import numpy as np
import pytest

from hwshift.golden import convolution
from hwshift.golden.convolution import Terms, convolve_taps, taps_of
from hwshift.golden.formats import Arithmetic, Pow2Format, QFormat
from hwshift.network.fixed import Conv, FixedWeights

ENDS = [-(1 << 31), -(1 << 31) + 1, -1, 0, 1, (1 << 31) - 1]


def edge_map(rng, shape):
    return rng.choice(ENDS, shape).astype(np.int32)


def by_definition(x, taps, stride, size, terms):
    """Sum over taps in plain integers."""
    images, _, height, width = x.shape
    outputs, count = terms.factor.shape
    per_group = outputs // len(taps)
    data, factor = x.tolist(), terms.factor.tolist()
    right = [[0] * count] * outputs if terms.right is None else terms.right.tolist()
    sign = [[1] * count] * outputs if terms.sign is None else terms.sign.tolist()
    acc = np.zeros((images, outputs, size[0] * size[1]), object)
    for n, o, p in np.ndindex(acc.shape):
        for k, (c, dy, dx) in enumerate(taps[o // per_group].tolist()):
            y, z = p // size[1] * stride[0] + dy, p % size[1] * stride[1] + dx
            if 0 <= y < height and 0 <= z < width:
                acc[n, o, p] += sign[o][k] * ((data[n][c][y][z] * factor[o][k]) >> right[o][k])
    return acc


def random_terms(rng, shape, exact):
    factor = rng.choice([-(1 << 27), (1 << 27) - 1, -1, 0, 1, 12345], shape)
    if exact:
        return Terms(factor)
    return Terms(factor, rng.integers(0, 40, shape), rng.integers(-1, 2, shape))


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize(
    ("groups", "per_group", "taps"), [(1, 1, 1), (3, 2, 5), (2, 7, 4), (1, 8, 3), (2, 64, 1), (1, 65, 6)]
)
def test_both_ways_by_definition(groups, per_group, taps, exact):
    """Fewer than eight outputs per group go tap by tap, others in gathered tiles."""
    rng = np.random.default_rng([groups, per_group, exact])
    x = edge_map(rng, (3, 4, 5, 6))
    places = np.stack([rng.integers(0, 4, (groups, taps)), *rng.integers(-7, 8, (2, groups, taps))], axis=2)
    terms = random_terms(rng, (groups * per_group, taps), exact)
    for stride, size in (((1, 1), (5, 6)), ((2, 3), (3, 2)), ((3, 1), (1, 9))):
        found = convolve_taps(x, places, stride, size, terms)
        assert found.tolist() == by_definition(x, places, stride, size, terms).tolist()


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("outputs", [3, 70])
def test_threads_give_the_same(outputs, exact):
    """Enough work for threads; the tile count is no multiple of anything."""
    rng = np.random.default_rng(outputs)
    x = edge_map(rng, (2, 40, 61, 97))
    taps = np.stack([np.arange(40), *rng.integers(-2, 3, (2, 40))], axis=1)[None]
    terms = random_terms(rng, (outputs, 40), exact)
    assert 2 * 61 * 97 * 40 * outputs > convolution._WORTH_THREADS
    found = convolve_taps(x, taps, (1, 1), (61, 97), terms)
    padded = np.pad(x.astype(np.int64), ((0, 0), (0, 0), (2, 2), (2, 2)))
    expected = np.zeros((2, outputs, 61, 97), np.int64)
    for c, dy, dx in taps[0]:
        window = padded[:, None, c, 2 + dy : 63 + dy, 2 + dx : 99 + dx]
        w, q, f = (
            None if a is None else a[None, :, c, None, None] for a in (terms.factor, terms.right, terms.sign)
        )
        expected += window * w if exact else f * ((window * w) >> q)
    np.testing.assert_array_equal(found, expected.reshape(2, outputs, -1))


def test_python_and_compiled_agree():
    """Every kernel against its own source run by the interpreter, on products of the ends."""
    rng = np.random.default_rng(7)
    x = edge_map(rng, (2, 2, 3, 4))
    taps = np.array([[0, 0, 0], [1, -1, 2], [0, 2, -3], [1, 5, 0]])
    width, height = convolution._WIDTH, convolution._TILE
    count = 4 * width
    weights = rng.choice(ENDS, count).astype(np.int32) >> 3
    terms = [
        rng.choice([-(1 << 28), -1, 0, 1, 1 << 28], count),
        rng.integers(0, 64, count),
        rng.integers(-1, 2, count),
    ]
    results = []
    for pick in (lambda kernel: kernel, lambda kernel: kernel.py_func):
        tile = np.zeros((4, height), np.int32)
        pick(convolution.gather_tile)(x, taps, (2, 1), (2, 5), 3, 17, tile)
        sums, rounded = np.zeros((2, height * width), np.int64)
        pick(convolution.product_tile)(tile[:, :8].copy(), weights, sums)
        pick(convolution.term_tile)(tile[:, :3].copy(), *terms, rounded)
        acc = np.zeros((2, 5, 10), np.int64)
        pick(convolution.store_tile)(sums, acc, 3, 17, 1, 3)
        direct = np.zeros((2, 6, 10), np.int64)
        matrices = [array[:24].reshape(6, 4) for array in terms]
        for exact, rows in ((True, (0, 6)), (False, (6, 12))):
            pick(convolution.direct_kernel)(
                x, taps.reshape(1, 4, 3), (2, 1), (2, 5), *matrices, exact, direct, *rows
            )
        gathered = np.zeros((2, 5, 10), np.int64)
        packed = [array[None] for array in (weights, *terms)]
        for exact in (True, False):
            pick(convolution.gathered_kernel)(
                x, taps, (2, 1), (2, 5), *packed, exact, gathered, 1, 3, int(exact), 1
            )
        results.append((tile, sums, rounded, acc, direct, gathered))
    for compiled, interpreted in zip(*results, strict=True):
        np.testing.assert_array_equal(compiled, interpreted)


def test_terms():
    """(factor, right, sign) of a mac and a shift_add array, exact and not."""
    codes = np.array([[[[-5]], [[7]]]])
    mac = Arithmetic(pe="mac", weights=QFormat(4, 12))
    fixed = FixedWeights(mac.weights, codes)
    assert Terms.of(fixed, mac).factor.tolist() == [[-5, 7]]
    assert Terms.of(fixed, mac).right is None
    rounded = Terms.of(fixed, mac.with_(guard=2))
    assert (rounded.factor.tolist(), rounded.right.tolist(), rounded.sign.tolist()) == (
        [[-5, 7]],
        [[10, 10]],
        [[1, 1]],
    )
    shift_add = Arithmetic(weights=Pow2Format(-15, 2))
    powers = FixedWeights(shift_add.weights, np.array([[[[-1]], [[0]]]]), np.array([[[[-3]], [[-15]]]]))
    assert Terms.of(powers, shift_add).factor.tolist() == [[-(1 << 12), 0]]
    rounded = Terms.of(powers, shift_add.with_(guard=1))
    assert (rounded.factor.tolist(), rounded.right.tolist(), rounded.sign.tolist()) == (
        [[8, 8]],
        [[5, 17]],
        [[-1, 0]],
    )


def test_exact_terms_wider_than_32_bits_take_the_general_way():
    wide = Arithmetic(act=QFormat(8, 8), weights=Pow2Format(-31, 0))
    one = FixedWeights(wide.weights, np.ones((1, 1, 1, 1), np.int64), np.zeros((1, 1, 1, 1), np.int64))
    terms = Terms.of(one, wide)
    assert (terms.factor.item(), terms.right.item(), terms.sign.item()) == (1 << 31, 0, 1)


def test_taps_of():
    weights = FixedWeights(QFormat(), np.zeros((2, 1, 1, 2), np.int64))
    conv = Conv(weights, padding=(1, 2, 0, 0), dilation=(1, 3), groups=2)
    assert taps_of(conv).tolist() == [[[0, -1, -2], [0, -1, 1]], [[1, -1, -2], [1, -1, 1]]]
    weights = FixedWeights(QFormat(), np.zeros((1, 2, 1, 1), np.int64))
    assert taps_of(Conv(weights, shift=np.array([[3, -4], [0, 1]]))).tolist() == [[[0, 3, -4], [1, 0, 1]]]


X = np.zeros((1, 2, 3, 3), np.int32)
TAPS = np.zeros((1, 2, 3), np.int64)
ONES = np.ones((4, 2), np.int64)


@pytest.mark.parametrize(
    ("x", "taps", "size", "terms", "error", "message"),
    [
        (
            X.astype(np.int64),
            TAPS,
            (3, 3),
            Terms(ONES),
            TypeError,
            "x must be a contiguous array of int32 with 4 axes, not int64 with 4",
        ),
        (
            X[0],
            TAPS,
            (3, 3),
            Terms(ONES),
            TypeError,
            "x must be a contiguous array of int32 with 4 axes, not int32 with 3",
        ),
        (
            X[:, :, ::2],
            TAPS,
            (3, 3),
            Terms(ONES),
            TypeError,
            "x must be a contiguous array of int32 with 4 axes, not int32 with 4",
        ),
        (
            X,
            TAPS.astype(np.int32),
            (3, 3),
            Terms(ONES),
            TypeError,
            "taps must be a contiguous array of int64 with 3 axes, not int32 with 3",
        ),
        (
            X,
            TAPS[:, :1].copy(),
            (3, 3),
            Terms(ONES),
            ValueError,
            "4 x 2 terms do not belong to taps of shape (1, 1, 3)",
        ),
        (
            X,
            np.zeros((3, 2, 3), np.int64),
            (3, 3),
            Terms(ONES),
            ValueError,
            "4 x 2 terms do not belong to taps of shape (3, 2, 3)",
        ),
        (X, TAPS + 2, (3, 3), Terms(ONES), ValueError, "taps read channels 0..1 only, not 2..2"),
        (X, TAPS - 1, (3, 3), Terms(ONES), ValueError, "taps read channels 0..1 only, not -1..-1"),
        (
            X,
            TAPS,
            (0, 3),
            Terms(ONES),
            ValueError,
            "the output needs at least one row and one column, not 0 x 3",
        ),
        (X, TAPS, (3, 3), Terms(ONES << 31), ValueError, "factors of exact terms must have 32 bits"),
        (X, TAPS, (3, 3), Terms(ONES, ONES * 64, ONES), ValueError, "shifts must lie in 0..63, not 64 to 64"),
        (X, TAPS, (3, 3), Terms(ONES, -ONES, ONES), ValueError, "shifts must lie in 0..63, not -1 to -1"),
    ],
)
def test_refused(x, taps, size, terms, error, message):
    with pytest.raises(error) as caught:
        convolve_taps(x, taps, (1, 1), size, terms)
    assert str(caught.value) == message
