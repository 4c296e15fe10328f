"""The two ways of the engine, sums in float64 and sums in int64, wherever both are valid; and the limit between."""

import math

import numpy as np
import pytest
from numba import njit

from hwshift.golden import engine, model
from hwshift.golden.channels import by_rows
from hwshift.golden.context import Context
from hwshift.golden.formats import Arithmetic, Pow2Format, QFormat
from hwshift.golden.plan import Plan
from hwshift.golden.recipe import Recipe
from hwshift.golden.steps import CONVOLVE, DIRECT, POOL, SCALE, SUM
from hwshift.golden.taps import convolve, direct
from hwshift.network.bind import bind
from hwshift.network.fixed import (
    SIGMOID,
    Activation,
    ChannelScale,
    Conv,
    Epilogue,
    FixedLayer,
    FixedWeights,
    Pool,
    Slice,
    Sum,
)

from ..seeds import generator
from . import oracle
from .build import ARITHMETICS, conv_network, epilogue, network, weights
from .test_model import ARITHMETIC_IDS, check_against_oracle

EXACT = 1 << 52


@njit
def one_way(steps, i, fits, tables, memory, floats, wide, scales, peaks):
    """All parts of one step, in float64 or in int64 as it is told; the saturated values."""
    ints, reals, weights, terms = tables
    step = steps[i]
    over = 0
    for part in range(step.channels if step.kind == DIRECT else step.parts):
        if step.kind == CONVOLVE:
            over += convolve(step, part, fits, ints, reals, weights, terms, memory, floats, wide, peaks)
        elif step.kind == DIRECT:
            over += direct(
                step, part, 0, step.count, fits, ints, reals, weights, terms, memory, floats, wide, peaks
            )
        else:
            over += by_rows(step, part, fits, ints, reals, memory, floats, wide, scales, peaks)
    return over


def compare_ways(net, a, x):
    """The last layer both ways and by plain integers: kind of step, and whether its terms are exact."""
    plan = Plan(Recipe(net, a), len(x), 1, True)
    context = Context(plan)
    flat = np.ascontiguousarray(x.reshape(*x.shape[:2], -1), np.int32)
    context.run(flat, flat)
    step = plan.steps[-1]
    peak = np.abs(x).max(initial=0)
    assert step.largest * peak <= EXACT, "the way through float64 is not valid here"
    tables = plan.ints, plan.reals, plan.recipe.weights, plan.recipe.terms
    view = plan.views["out"]
    found = []
    for fits in (True, False):
        memory, out = context.memory.copy(), np.empty((len(x), *net.output.shape), np.int32)
        for plane in view.planes.tolist():
            at = plane + view.geometry.positions()
            memory[at] = 123
        peaks = np.zeros(plan.maps + len(plan.gates))
        scratch = (np.full(context.floats.shape[1], np.nan), np.full(context.wide.shape[1], 1 << 61))
        over = one_way(plan.steps, len(plan.steps) - 1, fits, tables, memory, *scratch, context.scales, peaks)
        view.read(memory, out)
        found.append((out.tolist(), over, peaks[plan.views["out"].maps[0]]))
        for plane in view.planes.tolist():  # gaps stay zero, or later reads beside the map would find them
            gaps = memory[plane : plane + view.geometry.size].copy()
            gaps[view.geometry.positions()] = 0
            assert not gaps.any()
    expected = [oracle.trace(net, a, image) for image in x]
    out = [maps["out"].tolist() for maps, _ in expected]
    total = sum(saturated["out"] for _, saturated in expected)
    largest = max(np.abs(maps["out"]).max() for maps, _ in expected)
    assert found[0] == (out, total, largest)
    assert found[1] == (out, total, largest)
    return int(step.kind), bool(step.exact)


def inputs(rng, net, step_largest, act):
    """Codes whose peak is the largest for which float64 is exact, and smaller ones."""
    top = int(min(EXACT // step_largest, act.max)) if step_largest else act.max
    wide = rng.integers(-top, top, (2, *net.input.shape), endpoint=True)
    ends = rng.choice([-top, top, 0, 1, -1], wide.shape)
    x = np.where(rng.integers(0, 2, wide.shape) == 0, wide, ends)
    x.flat[0] = top
    return x


def check_ways(rng, net, a):
    largest = Plan(Recipe(net, a), 1, 1, True).steps[-1].largest
    assert 1 <= largest <= EXACT
    return compare_ways(net, a, inputs(rng, net, largest, a.act))


CONVOLUTIONS = {
    "blocks": ((9, 5, 3, 3), {"padding": (1, 1, 1, 1)}),
    "blocks of two groups": ((12, 3, 2, 2), {"groups": 2, "padding": (0, 1, 1, 0)}),
    "listed positions": ((5, 6, 2, 2), {"stride": (2, 3), "dilation": (2, 1)}),
    "channel by channel": ((3, 6, 3, 3), {"padding": (1, 1, 1, 1)}),
    "depthwise, listed": ((6, 1, 3, 3), {"padding": (1, 1, 1, 1), "stride": (2, 2), "groups": 6}),
    "fused shift": ((9, 6, 1, 1), {"shift": np.array([[0, 1], [-2, 0], [5, 5], [0, 0], [1, -1], [-1, -1]])}),
}


def limited(rng, a, shape):
    """Weights of which an output's sum leaves room for inputs of at least four bits."""
    own = weights(rng, a, shape)
    count = math.prod(shape[1:])
    if isinstance(a.weights, QFormat):
        largest = EXACT // (16 * count)
        return FixedWeights(own.fmt, own.values.clip(-largest, largest))
    return own


@pytest.mark.parametrize("kinds", [("none", "none"), ("clamp", "relu"), ("sigmoid", "sigmoid")], ids="-".join)
@pytest.mark.parametrize("a", ARITHMETICS, ids=ARITHMETIC_IDS)
def test_convolutions_both_ways(a, kinds):
    """Every kind of convolution with every kind of term, with a residual where the shape allows one."""
    seen = set()
    for seed, (shape, options) in enumerate(CONVOLUTIONS.values()):
        rng = generator(seed, ARITHMETICS.index(a))
        channels = shape[1] * options.get("groups", 1)
        op = Conv(limited(rng, a, shape), **options)
        net = conv_network(a, (channels, 5, 7), op, epilogue(rng, a, shape[0], *kinds))
        residual = "in" if net.output.shape == net.input.shape else None
        net = conv_network(a, (channels, 5, 7), op, net.output.epilogue, residual)
        seen.add(check_ways(rng, net, a))
    assert seen == {(CONVOLVE, a.exact), (DIRECT, a.exact)}


@pytest.mark.parametrize("a", ARITHMETICS, ids=ARITHMETIC_IDS)
def test_pools_sums_and_gates_both_ways(a):
    """Steps by rows, wider than a block and narrower; averages with one divisor and with several."""
    rng = generator(ARITHMETICS.index(a))
    for shape in ((2, 5, 7), (2, 3, 61)):
        nets = [
            (Pool("max", (3, 2), (2, 1), (1, 0, 1, 1)), (2, (shape[1] - 1) // 2 + 1, shape[2]), POOL),
            (Pool("avg", shape[1:], (1, 1)), (2, 1, 1), POOL if shape[2] == 61 else DIRECT),
            (Pool("avg", (2, 3), (1, 2)), (2, shape[1] - 1, shape[2] // 2), DIRECT),
        ]
        for op, out, kind in nets:
            own = epilogue(rng, a, 2, "relu")
            if op.kind == "avg":
                own = Epilogue(np.ones(2, int), np.zeros(2, int), own.b, own.activation)
            net = network(a, shape, FixedLayer("out", op, ("in",), out, own))
            assert check_ways(rng, net, a)[0] == kind
        own = epilogue(rng, a, 2, "clamp", "sigmoid")
        for names in (("in",), ("in", "in")):
            net = network(a, shape, FixedLayer("out", Sum(), names, shape, own, "in"))
            assert check_ways(rng, net, a)[0] == SUM


@pytest.mark.parametrize("a", [a for a in ARITHMETICS if a.scale_digits is None], ids=lambda a: str(a.act))
def test_gates_both_ways(a):
    rng = generator(1)
    top = min(a.act.max, (1 << (a.act.n + 1)) - 1)
    clamp = Activation("clamp", max(a.act.min, -top), top)
    layers = (
        FixedLayer("map", Slice(0, 2), ("in",), (2, 3, 5)),
        FixedLayer("some", Slice(2, 4), ("in",), (2, 3, 5)),
        FixedLayer("gate", Pool("max", (3, 5), (1, 1)), ("some",), (2, 1, 1), Epilogue.identity(2, clamp)),
        FixedLayer("out", ChannelScale(), ("map", "gate"), (2, 3, 5), Epilogue.identity(2, SIGMOID)),
    )
    net = bind(network(a, (4, 3, 5), *layers), a)
    assert check_ways(rng, net, a)[0] == SCALE


def at_the_limit(a, code, power=None, outputs=4):
    """A 1x1 convolution of one weight, whose sums are exact in float64 up to an input of 2**52 / |weight|."""
    shape = outputs, 1, 1, 1
    powers = None if power is None else np.full(shape, power)
    return conv_network(a, (1, 1, 5), Conv(FixedWeights(a.weights, np.full(shape, code), powers)))


@pytest.mark.parametrize("outputs", [1, 4], ids=["direct", "blocks"])
@pytest.mark.parametrize(
    ("a", "code", "power"),
    [
        (Arithmetic(pe="mac", weights=QFormat(16, 16)), 3 << 22, None),
        (Arithmetic(pe="mac", weights=QFormat(16, 16)), -(1 << 31), None),
        (Arithmetic(pe="mac", weights=QFormat(16, 16), guard=3), -(3 << 22), None),
        (Arithmetic(weights=Pow2Format(-22, 8)), -1, 8),
        (Arithmetic(weights=Pow2Format(-22, 8), guard=21), -1, 8),
    ],
    ids=["mac", "mac-end", "mac-rounded", "shift_add", "shift_add-rounded"],
)
def test_around_the_limit(a, code, power, outputs):
    """Peaks just below and just above what `_EXACT` allows: two ways, one result, which is the oracle's."""
    net = at_the_limit(a, code, power, outputs)
    plan = Plan(Recipe(net, a), 1, 1, True)
    largest = plan.steps[-1].largest
    limit = int(engine._EXACT // largest)
    peaks = [peak for peak in (limit - 1, limit, limit + 1, limit + 2, a.act.max) if 0 < peak <= a.act.max]
    assert limit in peaks
    for peak in peaks:
        for sign in (-1, 1):
            x = sign * np.array([peak, peak - 1, -peak, 1, -1]).reshape(1, 1, 1, 5)
            check_against_oracle(net, a, x)
            if peak <= limit:
                compare_ways(net, a, x)
    assert limit + 1 in peaks


@pytest.mark.parametrize("outputs", [1, 4], ids=["direct", "blocks"])
def test_float64_would_be_wrong_above_the_limit(outputs):
    """What the limit is for: 2**53 + 1 is no float64, and the engine has it right."""
    a = Arithmetic(pe="mac", act=QFormat(32, 0), weights=QFormat(31, 0), guard=0)
    own = FixedWeights(
        a.weights, np.array([1 << 29, 1, -(1 << 29)]).reshape(1, 3, 1, 1).repeat(outputs, axis=0)
    )
    net = conv_network(a, (3, 1, 1), Conv(own))
    x = np.array([1 << 24, 1, 1 << 24]).reshape(1, 3, 1, 1)
    assert float((1 << 53) + 1) == 1 << 53
    assert model.run(net, a, x).ravel().tolist() == [1] * outputs
