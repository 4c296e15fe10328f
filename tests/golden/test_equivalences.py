"""Identities between the ways to write a layer: both sides are computed, and one of them is checked apart."""

import math
from dataclasses import replace

import numpy as np
import pytest

from hwshift.golden.formats import Arithmetic, Pow2Format, QFormat
from hwshift.golden.model import run, trace
from hwshift.network.fixed import RELU, Conv, Epilogue, FixedLayer, FixedWeights, Shift, Shuffle

from ..seeds import generator
from .build import Q5_6, Q8_8, Q16_16, codes, conv_network, epilogue, network, weights

ACTS = [Q16_16, Q8_8, Q5_6]
SHAPE = (10, 5, 7)
acts = pytest.mark.parametrize("act", ACTS, ids=str)


def pow2(rng, fmt, shape, zeros=True):
    """Random signs and powers, the smallest and the largest among them."""
    sign = rng.integers(-1, 2, shape) if zeros else rng.choice([-1, 1], shape)
    power = rng.choice([fmt.p_min, fmt.p_max, *range(fmt.p_min, fmt.p_max + 1)], shape)
    return FixedWeights(fmt, sign, np.where(sign == 0, fmt.p_min, power))


def saturating(found, act, name="out"):
    """A trace in which some values saturate and some do not."""
    values = found[name]
    assert found.saturated[name] > 0
    assert ((values > act.min) & (values < act.max)).any()
    return values


def rounded_sum(x, op, arithmetic):
    """3x3 with padding 1, in unbounded integers: the sum of the floors of all products on the grid with G bits."""
    values, powers = op.weights.values.tolist(), op.weights.powers
    height, width = x.shape[1:]
    out = np.zeros((len(values), height, width), object)
    for o, y, z in np.ndindex(out.shape):
        for i, u, v in np.ndindex(op.weights.values.shape[1:]):
            if not (0 <= y + u - 1 < height and 0 <= z + v - 1 < width):
                continue
            code, w = int(x[i, y + u - 1, z + v - 1]), values[o][i][u][v]
            if powers is None:
                out[o, y, z] += (code * w) >> (op.weights.fmt.n - arithmetic.guard)
            else:
                left = arithmetic.guard + int(powers[o, i, u, v])
                out[o, y, z] += w * (code << left if left >= 0 else code >> -left)
    return out


@acts
@pytest.mark.parametrize("pe", ["mac", "shift_add"])
def test_without_guard_bits_every_product_is_floored(act, pe):
    """G = 0: ``acc = sum of floor(x * |w|)`` with the sign behind the floor, or ``sum of floor(x * w)`` on a mac."""
    rng = generator(act.m)
    a = Arithmetic(pe=pe, act=act, weights=QFormat(4, 9) if pe == "mac" else Pow2Format(-9, 2), guard=0)
    own = weights(rng, a, (5, 3, 3, 3)) if pe == "mac" else pow2(rng, a.weights, (5, 3, 3, 3))
    op = Conv(own, padding=(1, 1, 1, 1))
    x = codes(rng, act, (3, 5, 7))
    sums = rounded_sum(x, op, a)
    found = saturating(trace(conv_network(a, (3, 5, 7), op), a, x), act)
    assert found.tolist() == np.clip(sums, act.min, act.max).tolist()
    exact = a.with_(guard=a.exact_guard)
    unrounded = rounded_sum(x, op, exact)
    differ = [
        value != total >> exact.guard for value, total in zip(sums.ravel(), unrounded.ravel(), strict=True)
    ]
    assert any(differ), "the floor of every product has to differ from the floor of the sum somewhere"


def one_hot(fmt, offsets, reach, one):
    """Kernels of Eq. 7: 1 at the channel's offset, 0 elsewhere."""
    channels = np.arange(len(offsets))
    values = np.zeros((len(offsets), 1, 2 * reach + 1, 2 * reach + 1), np.int64)
    values[channels, 0, reach + offsets[:, 0], reach + offsets[:, 1]] = one
    powers = np.where(values == 0, fmt.p_min, 0) if isinstance(fmt, Pow2Format) else None
    return Conv(FixedWeights(fmt, values, powers), padding=(reach,) * 4, groups=len(offsets))


def gathered(x, offsets):
    """Eq. 6 as plain slices of padded maps."""
    reach = int(np.abs(offsets).max())
    padded = np.pad(x, ((0, 0), (0, 0), (reach, reach), (reach, reach)))
    height, width = x.shape[2:]
    out = np.empty_like(x)
    for c, (dy, dx) in enumerate(offsets.tolist()):
        out[:, c] = padded[:, c, reach + dy : reach + dy + height, reach + dx : reach + dx + width]
    return out


@acts
@pytest.mark.parametrize("reach", [1, 2, 6])
@pytest.mark.parametrize("pe", ["mac", "shift_add"])
def test_a_shift_is_a_one_hot_depthwise_convolution(act, reach, pe):
    """Shift Eq. 6, 7: ``G[k, l, m] = sum over i, j of K[i, j, m] * F[k + i, l + j, m]`` with one 1 in K per channel.

    A shift, the depthwise convolution and the gather of Eq. 6 give the same map, offsets beyond it included.
    """
    rng = generator(act.m, reach)
    a = Arithmetic(pe=pe, act=act, weights=QFormat(3, 5) if pe == "mac" else Pow2Format())
    offsets = rng.integers(-reach, reach + 1, (SHAPE[0], 2))
    offsets[:2] = [[reach, -reach], [0, 0]]
    op = one_hot(a.weights, offsets, reach, 32 if pe == "mac" else 1)
    x = codes(rng, act, (3, *SHAPE))
    found = run(conv_network(a, SHAPE, op), a, x)
    moved = run(network(a, SHAPE, FixedLayer("out", Shift(offsets), ("in",), SHAPE)), a, x)
    assert found.tolist() == gathered(x, offsets).tolist()
    np.testing.assert_array_equal(moved, found)


@acts
@pytest.mark.parametrize("guard", [0, 7, 15])
@pytest.mark.parametrize("stride", [(1, 1), (2, 2), (3, 1)])
def test_a_fused_shift_is_a_shift_and_then_a_1x1_convolution(act, guard, stride):
    """Shift section 2.1: ``out[o, y] = sum over c of w[o, c] * in[c, y + d_c]``, read from the shifted addresses."""
    rng = generator(act.m, guard, stride[0])
    a = Arithmetic(act=act, guard=guard)
    offsets = rng.integers(-2, 3, (SHAPE[0], 2))
    own = pow2(rng, a.weights, (9, SHAPE[0], 1, 1))
    last = epilogue(rng, a, 9, "relu")
    last = replace(last, m=np.ones(9, np.int64), s=np.zeros(9, np.int64))
    x = codes(rng, act, (2, *SHAPE))
    fused = conv_network(a, SHAPE, Conv(own, stride, shift=offsets), last)
    apart = network(
        a,
        SHAPE,
        FixedLayer("moved", Shift(offsets), ("in",), SHAPE),
        FixedLayer("out", Conv(own, stride), ("moved",), fused.output.shape, last),
    )
    traces = [trace(net, a, x) for net in (fused, apart)]
    np.testing.assert_array_equal(saturating(traces[0], act), traces[1]["out"])
    assert traces[0].saturated["out"] == traces[1].saturated["out"]
    assert traces[1]["moved"].tolist() == gathered(x, offsets).tolist()


@acts
@pytest.mark.parametrize("kernel", [(3, 3), (1, 5), (2, 4)])
@pytest.mark.parametrize("pe", ["mac", "shift_add"])
def test_a_kernel_is_the_sum_of_its_1x1_tiles(act, kernel, pe):
    """``sum over u, v, c of w[o, c, u, v] * in[c, y + u, x + v]``: one 1x1 convolution per (u, v), all channels moved.

    The tiles' sums are read with all their guard bits, in a format of n + G fraction bits that holds them.
    """
    rng = generator(act.m, *kernel)
    guard = 6
    a = Arithmetic(pe=pe, act=act, weights=QFormat(4, guard) if pe == "mac" else Pow2Format(-guard, 1))
    assert a.exact
    own = weights(rng, a, (5, 3, *kernel)) if pe == "mac" else pow2(rng, a.weights, (5, 3, *kernel))
    if pe == "mac":
        own.values[:] = own.values.clip(-100, 100)
    high, wide = codes(rng, act, (2, 3, 5, 7)), QFormat(32 - act.n - guard, act.n + guard)
    x = (
        high if act.bits <= 16 else high.clip(-(1 << 17), 1 << 17)
    )  # so that a tile's sum stays within 32 bits
    padding = ((kernel[0] - 1) // 2, (kernel[1] - 1) // 2, kernel[0] // 2, kernel[1] // 2)
    whole = trace(conv_network(a, (3, 5, 7), Conv(own, padding=padding)), a, x)
    total = np.zeros((2, 5, 5, 7), np.int64)
    for u, v in np.ndindex(kernel):
        powers = None if own.powers is None else own.powers[:, :, u : u + 1, v : v + 1]
        tile = FixedWeights(own.fmt, own.values[:, :, u : u + 1, v : v + 1], powers)
        shift = np.tile([u - padding[0], v - padding[1]], (3, 1))
        net = conv_network(a, (3, 5, 7), Conv(tile, shift=shift))
        net = replace(net, layers=(net.layers[0], replace(net.layers[1], act=wide)))
        part = trace(net, a, x)
        assert part.saturated["out"] == 0
        total += part["out"]
    expected = np.clip(total >> guard, act.min, act.max)
    assert (total & ((1 << guard) - 1)).any()
    if act.bits <= 16:
        saturating(whole, act)
    np.testing.assert_array_equal(whole["out"], expected)


def csc(a, first, ends, offsets, second, between=()):
    """Conv-shift-conv; ``between`` are the channel orders before and behind the shift."""
    inner, shape = (len(offsets), *SHAPE[1:]), (len(second.values), *SHAPE[1:])
    before, behind = between or (np.arange(len(offsets)),) * 2
    return network(
        a,
        SHAPE,
        FixedLayer("first", Conv(first), ("in",), inner, ends[0]),
        FixedLayer("order", Shuffle(before), ("first",), inner),
        FixedLayer("shift", Shift(offsets), ("order",), inner),
        FixedLayer("back", Shuffle(behind), ("shift",), inner),
        FixedLayer("out", Conv(second), ("back",), shape, ends[1]),
    )


@acts
@pytest.mark.parametrize("guard", [0, 15])
def test_channel_orders_around_a_shift_are_equivalent(act, guard):
    """Shift Eq. 9: ``P2 . Ppi2 . K . Ppi1 . P1 = (P2 . Ppi2) . K . (Ppi1 . P1)``: permutations go into the weights.

    Also what follows from it: the shift's own order is arbitrary, if both convolutions are permuted with it.
    """
    rng = generator(act.m, guard)
    a = Arithmetic(act=act, guard=guard)
    middle = 13
    first, second = pow2(rng, a.weights, (middle, SHAPE[0], 1, 1)), pow2(rng, a.weights, (9, middle, 1, 1))
    ends = [replace(epilogue(rng, a, n), m=np.full(n, 3), s=np.ones(n, np.int64)) for n in (middle, 9)]
    ends[0] = replace(ends[0], activation=RELU)
    offsets = rng.integers(-1, 2, (middle, 2))
    before, behind = rng.permutation(middle), rng.permutation(middle)
    x = codes(rng, act, (2, *SHAPE))
    permuted = trace(csc(a, first, ends, offsets, second, (before, behind)), a, x)

    def rows(own, order):
        return FixedWeights(own.fmt, own.values[order], own.powers[order])

    def columns(own, order):
        return FixedWeights(own.fmt, own.values[:, order], own.powers[:, order])

    def scales(own, order):
        return replace(own, m=own.m[order], s=own.s[order], b=own.b[order])

    # (Ppi1 . P1) has P1's outputs in the order `before`; (P2 . Ppi2) reads channel behind[i] with the weight of i
    inverse = np.argsort(behind)
    inside = csc(
        a, rows(first, before), [scales(ends[0], before), ends[1]], offsets, columns(second, inverse)
    )
    found = trace(inside, a, x)
    np.testing.assert_array_equal(found["out"], saturating(permuted, act))
    assert found.saturated == permuted.saturated
    order = rng.permutation(middle)
    plain = trace(csc(a, first, ends, offsets, second), a, x)
    other = csc(
        a, rows(first, order), [scales(ends[0], order), ends[1]], offsets[order], columns(second, order)
    )
    found = trace(other, a, x)
    np.testing.assert_array_equal(found["out"], plain["out"])
    assert found.saturated == plain.saturated
    assert (plain["out"] != permuted["out"]).any()


@acts
@pytest.mark.parametrize("fmt", [QFormat(2, 15), QFormat(12, 20), QFormat(4, 3)], ids=str)
@pytest.mark.parametrize("groups", [1, 4])
def test_pow2_weights_are_fixed_weights_of_the_same_value(act, fmt, groups):
    """Exact mode: ``s * 2**p * x`` on a shift_add is ``w * x`` on a mac with the code ``w = s * 2**(p + n)``."""
    rng = generator(act.m, fmt.n, groups)
    shift_add = Arithmetic(act=act, weights=Pow2Format(-fmt.n, int(fmt.m > 2)))
    mac = Arithmetic(pe="mac", act=act, weights=fmt)
    assert shift_add.exact and mac.exact
    own = pow2(rng, shift_add.weights, (8, 8 // groups, 3, 3))
    values = [
        sign << (p + fmt.n)
        for sign, p in zip(own.values.ravel().tolist(), own.powers.ravel().tolist(), strict=True)
    ]
    fixed = FixedWeights(fmt, np.array(values).reshape(own.values.shape))
    last = Epilogue(rng.integers(-(1 << 17), 1 << 17, 8), rng.integers(12, 30, 8), codes(rng, act, 8))
    x = codes(rng, act, (2, 8, 5, 7))
    op = {"groups": groups, "padding": (1, 1, 1, 1)}
    left = trace(conv_network(shift_add, (8, 5, 7), Conv(own, **op), last), shift_add, x)
    right = trace(conv_network(mac, (8, 5, 7), Conv(fixed, **op), last), mac, x)
    np.testing.assert_array_equal(saturating(left, act), right["out"])
    assert left.saturated == right.saturated


@acts
def test_a_fully_connected_layer_is_a_1x1_convolution_of_the_flattened_map(act):
    """``out[o] = sum over c, y, x of w[o, c, y, x] * in[c, y, x]``, whichever way the inputs are counted."""
    rng = generator(act.m)
    a = Arithmetic(act=act)
    own = pow2(rng, a.weights, (9, 3, 3, 5))
    x = codes(rng, act, (4, 3, 3, 5))
    flat = FixedWeights(own.fmt, own.values.reshape(9, 45, 1, 1), own.powers.reshape(9, 45, 1, 1))
    assert math.prod(x.shape[1:]) == 45
    found = trace(conv_network(a, (3, 3, 5), Conv(own)), a, x)
    other = trace(conv_network(a, (45, 1, 1), Conv(flat)), a, x.reshape(4, 45, 1, 1))
    np.testing.assert_array_equal(saturating(found, act), other["out"])
    assert found.saturated == other.saturated
