"""Taps and terms by hand, and packed weights read back in the order in which the engine reads them."""

import numpy as np
import pytest

from hwshift.golden.blocks import ROWS
from hwshift.golden.formats import Arithmetic, Pow2Format, QFormat
from hwshift.golden.packing import Terms, pack_pool, pack_weights, taps_of
from hwshift.network.fixed import Conv, FixedWeights, Pool

from ..seeds import generator
from . import oracle
from .build import ARITHMETICS, weights

ENDS = [-(1 << 31), -(1 << 31) + 1, -1, 0, 1, (1 << 31) - 1]


def lists(terms):
    return terms.factor.tolist(), terms.right.tolist(), terms.sign.tolist()


def test_terms_of_a_mac():
    """The whole weight is the factor; what the guard bits do not hold is shifted out."""
    mac = Arithmetic(pe="mac", weights=QFormat(4, 12))
    fixed = FixedWeights(mac.weights, np.array([[[[-5]], [[7]]]]))
    assert lists(Terms.of(fixed, mac)) == ([[-5, 7]], [[0, 0]], [[1, 1]])
    rounded = Terms.of(fixed, mac.with_(guard=2))
    assert lists(rounded) == ([[-5, 7]], [[10, 10]], [[1, 1]])
    assert rounded.real.tolist() == [[-5 / 1024, 7 / 1024]]


def test_terms_of_a_shift_add():
    """Exact ones are a factor with a sign; others are shifted left by G + p_max, right by q, then signed."""
    shift_add = Arithmetic(weights=Pow2Format(-15, 2))
    powers = FixedWeights(shift_add.weights, np.array([[[[-1]], [[0]]]]), np.array([[[[-3]], [[-15]]]]))
    assert lists(Terms.of(powers, shift_add)) == ([[-(1 << 12), 0]], [[0, 0]], [[1, 1]])
    rounded = Terms.of(powers, shift_add.with_(guard=1))
    assert lists(rounded) == ([[8, 8]], [[5, 17]], [[-1, 0]])
    assert rounded.real.tolist() == [[2.0**-2, 2.0**-14]]


def test_exact_terms_wider_than_32_bits():
    """They do not fit the integers of the blocks, so they are kept as terms."""
    wide = Arithmetic(act=QFormat(8, 8), weights=Pow2Format(-31, 0))
    one = FixedWeights(wide.weights, np.ones((4, 1, 1, 1), np.int64), np.zeros((4, 1, 1, 1), np.int64))
    assert lists(Terms.of(one, wide)) == ([[1 << 31]] * 4, [[0]] * 4, [[1]] * 4)
    packed = pack_weights(Conv(one), (1, 1, 1), (4, 1, 1), wide)
    assert packed.ints is not None
    assert packed.reals.tolist()[:4] == [2.0**31] * 4
    one.powers[:] = -1
    packed = pack_weights(Conv(one), (1, 1, 1), (4, 1, 1), wide)
    assert packed.ints is None
    assert packed.reals.tolist()[:4] == [2.0**30] * 4


@pytest.mark.parametrize("arithmetic", ARITHMETICS, ids=lambda a: f"{a.pe}-{a.weights}-G{a.guard}")
def test_terms_give_the_contract_s_term(arithmetic):
    """In 64-bit integers without leaving them, for both ends of activations and weights."""
    rng = generator(1)
    own = weights(rng, arithmetic, (40, 3, 1, 1))
    terms = Terms.of(own, arithmetic)
    values = own.values.ravel().tolist()
    powers = [None] * len(values) if own.powers is None else own.powers.ravel().tolist()
    columns = (column.ravel().tolist() for column in (terms.factor, terms.right, terms.sign))
    for factor, right, sign, value, power in zip(*columns, values, powers, strict=True):
        assert right >= 0 and sign in (-1, 0, 1)
        for x in (arithmetic.act.min, arithmetic.act.min + 1, -3, -1, 0, 1, 5, arithmetic.act.max):
            assert abs(x * factor) < 1 << 63
            assert sign * ((x * factor) >> right) == oracle.term(arithmetic, x, value, power)


def test_taps_of_a_kernel():
    """Padding moves a tap up and left, dilation spreads the kernel; each group reads its own channels."""
    conv = Conv(
        FixedWeights(QFormat(), np.zeros((2, 1, 1, 2), np.int64)),
        padding=(1, 2, 0, 0),
        dilation=(1, 3),
        groups=2,
    )
    assert taps_of(conv).tolist() == [[[0, -1, -2], [0, -1, 1]], [[1, -1, -2], [1, -1, 1]]]
    conv = Conv(FixedWeights(QFormat(), np.zeros((1, 2, 2, 1), np.int64)), dilation=(3, 1))
    assert taps_of(conv).tolist() == [[[0, 0, 0], [0, 3, 0], [1, 0, 0], [1, 3, 0]]]


def test_taps_of_a_fused_shift():
    weights = FixedWeights(QFormat(), np.zeros((1, 2, 1, 1), np.int64))
    assert taps_of(Conv(weights, shift=np.array([[3, -4], [0, 1]]))).tolist() == [[[0, 3, -4], [1, 0, 1]]]


def unpacked(packed, groups, per_group, taps, parts, values):
    """(parts, outputs, taps) from the order in which the engine walks: group, block, part, tap, row."""
    out = np.zeros((parts, groups * per_group, taps), values.dtype)
    left = iter(values.tolist())
    if packed.direct:
        for output in range(groups * per_group):
            for part in range(parts):
                for k in range(taps):
                    out[part, output, k] = next(left)
    else:
        for group in range(groups):
            for first in range(0, per_group, ROWS):
                for part in range(parts):
                    for k in range(taps):
                        for row in range(ROWS):
                            value = next(left)
                            if first + row < per_group:
                                out[part, group * per_group + first + row, k] = value
                            else:
                                assert value == 0
    assert next(left, None) is None
    return out


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize(("groups", "per_group"), [(1, 3), (3, 1), (1, 4), (2, 9), (1, 17)])
def test_order_of_packed_weights(groups, per_group, exact):
    """Groups with fewer than four outputs channel by channel, others in blocks of ROWS filled up with zeros."""
    rng = generator(groups, per_group)
    a = Arithmetic(guard=None if exact else 3)
    own = weights(rng, a, (groups * per_group, 2, 1, 3))
    op = Conv(own, groups=groups, padding=(0, 1, 0, 1))
    packed = pack_weights(op, (groups * 2, 2, 4), (groups * per_group, 2, 4), a)
    assert (packed.direct, packed.exact, packed.shared) == (per_group < 4, exact, False)
    terms = Terms.of(own, a)
    shape = groups, per_group, 6
    reals = unpacked(packed, *shape, 1 if exact else 2, packed.reals)
    assert reals[0].tolist() == terms.real.tolist()
    if not exact:
        assert reals[1].tolist() == terms.sign.tolist()
    if packed.ints is None:
        assert exact and not packed.direct
        return
    ints = unpacked(packed, *shape, 3, packed.ints)
    assert ints.tolist() == [terms.factor.tolist(), terms.right.tolist(), terms.sign.tolist()]


def test_taps_never_inside_are_nothing():
    """A column that lies right of a map of one column for every pixel: no margin, no weight, no share of the sum."""
    a = Arithmetic(pe="mac", weights=QFormat(8, 8))
    own = FixedWeights(a.weights, np.arange(1, 10).reshape(1, 1, 3, 3) * 256)
    op = Conv(own, padding=(1, 1, 1, 1))
    packed = pack_weights(op, (1, 4, 1), (1, 4, 1), a)
    taps = packed.taps[0]
    assert taps[:, 1:].tolist() == [
        [0, 0], [-1, 0], [0, 0],
        [0, 0], [0, 0], [0, 0],
        [0, 0], [1, 0], [0, 0],
    ]  # fmt: skip
    assert packed.reals.tolist() == [0, 512, 0, 0, 5 * 256, 0, 0, 8 * 256, 0]
    assert packed.ints[:9].tolist() == [0, 512, 0, 0, 5 * 256, 0, 0, 8 * 256, 0]
    assert packed.largest == 15 * 256
    assert op.weights.values.ravel().tolist() == [256 * i for i in range(1, 10)]


def test_taps_that_a_stride_never_brings_inside():
    """Rows 0, 3 and 6 of taps 5 above: inside a map of one row for none of them, and for tap -3 at row 3."""
    a = Arithmetic()
    ones = FixedWeights(a.weights, np.ones((1, 2, 1, 1), np.int64), np.zeros((1, 2, 1, 1), np.int64))
    op = Conv(ones, stride=(3, 1), shift=np.array([[-5, 0], [-3, 0]]))
    packed = pack_weights(op, (2, 1, 2), (1, 3, 2), a)
    assert packed.taps[0].tolist() == [[0, 0, 0], [1, -3, 0]]
    assert packed.reals.tolist() == [0, 1 << 15]
    assert packed.largest == 1 << 15


def test_largest_sums():
    """Of magnitudes, the worst output counts; rounded fixed weights count whole, so that products are exact too."""
    codes = np.array([[3, -4], [5, 1], [-8, 0], [2, 2]]).reshape(4, 2, 1, 1)
    mac = Arithmetic(pe="mac", weights=QFormat(8, 8))
    fixed = FixedWeights(mac.weights, codes)
    shape = (2, 1, 1), (4, 1, 1)
    assert pack_weights(Conv(fixed), *shape, mac).largest == 8
    assert pack_weights(Conv(fixed), *shape, mac.with_(guard=0)).largest == 8
    a = Arithmetic(guard=1)
    powers = np.array([[0, -1], [-2, 0], [-15, 0], [-1, -1]]).reshape(4, 2, 1, 1)
    own = FixedWeights(a.weights, np.sign(codes), np.where(codes == 0, -15, powers))
    # in units of 2**-1 a weight 2**p counts 2**(p + 1); a zero still holds its place with 2**-14
    assert pack_weights(Conv(own), *shape, a).largest == 3


@pytest.mark.parametrize("guard", [0, 15, 31])
def test_averages_are_taps_of_weight_one(guard):
    packed = pack_pool(Pool("avg", (2, 3), (1, 1), (0, 1, 1, 1)), 2, guard)
    window = [[0, -1], [0, 0], [0, 1], [1, -1], [1, 0], [1, 1]]
    assert packed.taps.tolist() == [[[c, *at] for at in window] for c in range(2)]
    assert packed.reals.tolist() == [2.0**guard] * 6
    assert packed.ints.tolist() == [1 << guard] * 6 + [0] * 6 + [1] * 6
    assert packed.largest == 6 << guard
    assert (packed.exact, packed.direct, packed.shared) == (True, True, True)
