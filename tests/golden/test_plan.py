"""Where a plan puts maps: nothing is copied that has another name only, nothing is overwritten that is still read."""

import numpy as np
import pytest

from hwshift.golden.blocks import COLUMNS, ROWS
from hwshift.golden.formats import Arithmetic
from hwshift.golden.layout import Geometry
from hwshift.golden.plan import Plan
from hwshift.golden.pools import pool_counts
from hwshift.golden.recipe import Recipe
from hwshift.golden.steps import CONVOLVE, COPY, DIRECT, LEAVE, POOL, SHIFT, SUM
from hwshift.golden.tables import Tables
from hwshift.network.fixed import (
    NONE,
    RELU,
    Activation,
    Concat,
    Conv,
    Epilogue,
    FixedLayer,
    Pool,
    Shift,
    Shuffle,
    Slice,
    Sum,
)

from ..seeds import generator
from .build import ARITHMETICS, conv_network, network, weights
from .drawn import Draw

A = Arithmetic()
RENAMED = Concat | Shuffle | Slice


def chain(count, shape=(4, 3, 5)):
    """Sums one behind the other."""
    names = ["in", *[f"s{i}" for i in range(count)]]
    return network(
        A,
        shape,
        *[
            FixedLayer(name, Sum(), (source,), shape, Epilogue.identity(shape[0]))
            for source, name in zip(names, names[1:], strict=False)
        ],
    )


def plan_of(net, images=1, threads=1, keep=False, a=A):
    return Plan(Recipe(net, a), images, threads, keep)


def test_renaming_copies_nothing():
    """Planes of concatenations, permutations and slices are those of their inputs, in the new order."""
    shape = (4, 3, 5)
    net = network(
        A,
        shape,
        FixedLayer("sum", Sum(), ("in",), shape, Epilogue.identity(4)),
        FixedLayer("both", Concat(), ("sum", "in"), (8, 3, 5)),
        FixedLayer("mixed", Shuffle(np.array([7, 0, 6, 1, 5, 2, 4, 3])), ("both",), (8, 3, 5)),
        FixedLayer("some", Slice(2, 5), ("mixed",), (3, 3, 5)),
        FixedLayer("out", Sum(), ("some",), (3, 3, 5), Epilogue.identity(3)),
    )
    for keep in (False, True):
        plan = plan_of(net, keep=keep)
        planes = {name: view.planes.tolist() for name, view in plan.views.items()}
        assert planes["both"] == planes["sum"] + planes["in"]
        assert planes["mixed"] == [planes["both"][i] for i in (7, 0, 6, 1, 5, 2, 4, 3)]
        assert planes["some"] == planes["mixed"][2:5]
        assert set(planes["out"]).isdisjoint(planes["both"])
        assert plan.names == ["in", "sum", "out"] + ([] if keep else ["out"])
        assert plan.steps.kind.tolist() == [COPY, SUM, SUM] + ([] if keep else [LEAVE])
        assert plan.maps == 3
        assert plan.views["some"].maps == (1, 0)


def test_memory_is_used_again():
    """A chain of any length needs two maps at a time, with ``keep`` all of them."""
    words = [plan_of(chain(count)).words for count in (1, 2, 3, 10, 40)]
    assert len(set(words)) == 1
    kept = [plan_of(chain(count), keep=True).words for count in (1, 2, 3, 10)]
    map_words = 4 * Geometry(3, 5, 0, 0, 1).size
    assert np.diff(kept).tolist() == [map_words, map_words, 7 * map_words]
    assert kept[0] == words[0]
    views = plan_of(chain(10)).views
    assert views["s1"].planes.tolist() == views["in"].planes.tolist()
    assert set(views["s9"].planes).isdisjoint(views["s8"].planes)


def test_with_keep_every_map_has_planes_of_its_own():
    plan = plan_of(chain(6), keep=True)
    planes = [plane for view in plan.views.values() for plane in view.planes.tolist()]
    assert len(planes) == len(set(planes)) == 7 * 4


def test_planes_of_other_sizes_come_from_other_regions():
    """After a pool the larger planes stay free for larger maps."""
    shape, small = (2, 6, 6), (2, 3, 3)
    pool = Pool("max", (2, 2), (2, 2))
    net = network(
        A,
        shape,
        FixedLayer("pool", pool, ("in",), small, Epilogue.identity(2)),
        FixedLayer("sum", Sum(), ("pool",), small, Epilogue.identity(2)),
    )
    plan = plan_of(net)
    step, small_step = Geometry(6, 6, 0, 0, 1).size, Geometry(3, 3, 0, 0, 1).size
    assert plan.views["in"].planes.tolist() == [0, step]
    assert plan.views["pool"].planes.tolist() == [2 * step + i * small_step for i in range(2)]
    assert plan.views["sum"].planes.tolist() == [2 * step + (2 + i) * small_step for i in range(2)]


class Shadow:
    """Memory in which every plane remembers which channel of which layer it holds."""

    def __init__(self, plan):
        self.plan, self.held, self.names = plan, {}, {}

    def tags(self, layer):
        """What the planes of a layer have to hold, from the definition of its operation."""
        if not isinstance(layer.op, RENAMED):
            return [(layer.name, c) for c in range(layer.shape[0])]
        tags = [tag for name in layer.inputs for tag in self.names[name]]
        if isinstance(layer.op, Shuffle):
            return [tags[i] for i in layer.op.order.tolist()]
        return tags[layer.op.start : layer.op.stop] if isinstance(layer.op, Slice) else tags

    def check(self, name):
        """A map that is read holds what it should."""
        planes = self.plan.views[name].planes.tolist()
        assert [self.held.get(plane) for plane in planes] == self.names[name], name

    def write(self, layer):
        """Planes are written while the inputs are read, so that none may be both."""
        read = {plane for name in (*layer.inputs, layer.residual) if name is not None
                for plane in self.plan.views[name].planes.tolist()}  # fmt: skip
        planes = self.plan.views[layer.name].planes.tolist()
        assert read.isdisjoint(planes) and len(set(planes)) == len(planes)
        self.held |= dict(zip(planes, self.names[layer.name], strict=True))


def check_lives(net, plan, keep):
    """No two living maps share a plane: whatever is read was written and not overwritten since."""
    shadow = Shadow(plan)
    for layer in net.layers:
        for name in (*layer.inputs, layer.residual):
            if name is not None:
                shadow.check(name)
        shadow.names[layer.name] = shadow.tags(layer)
        if not isinstance(layer.op, RENAMED):
            shadow.write(layer)
    for layer in net.layers if keep else [net.output]:
        shadow.check(layer.name)


def check_extents(net, plan):
    """Planes of any two maps are the same or apart, and all of them lie in the arena with room to read past."""
    extents = {}
    for layer in net.layers:
        view = plan.views[layer.name]
        assert (view.geometry.height, view.geometry.width) == layer.shape[1:]
        for plane in view.planes.tolist():
            assert extents.setdefault(plane, view.geometry.size) == view.geometry.size
    starts = sorted(extents)
    for start, following in zip(starts, [*starts[1:], plan.words], strict=True):
        assert start + extents[start] <= following


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("seed", range(40))
def test_no_two_living_maps_share_a_plane(seed, keep):
    """Random networks of every operation, several names for one map, residuals that are read late."""
    rng = generator(seed)
    a = ARITHMETICS[seed % len(ARITHMETICS)]
    net = Draw(rng, a, False).network(16)
    assert len(net.layers) > 4
    plan = plan_of(net, images=1 + seed % 3, keep=keep, a=a)
    check_lives(net, plan, keep)
    check_extents(net, plan)


def test_the_check_of_lives_can_fail():
    """A plan that puts everything into the same planes is found out."""
    net = chain(3)
    plan = plan_of(net)
    plan.views["s2"] = plan.views["s1"]
    with pytest.raises(AssertionError):
        check_lives(net, plan, False)


def test_margins_are_what_the_taps_reach():
    """Taps that never meet the map need none; a stride may leave rows below unread."""
    own = weights(generator(1), A, (4, 2, 3, 3))
    for op, shape, margins in (
        (Conv(own, padding=(1, 1, 1, 1)), (2, 5, 6), (1, 1)),
        (Conv(own), (2, 5, 6), (0, 0)),
        (Conv(own, padding=(2, 0, 0, 1)), (2, 5, 6), (2, 1)),
        (Conv(own, padding=(3, 3, 3, 3), dilation=(3, 3)), (2, 5, 6), (3, 3)),
        (Conv(own, padding=(3, 3, 3, 3), dilation=(3, 3)), (2, 3, 1), (0, 0)),
        (Conv(own, padding=(1, 1, 1, 1), stride=(2, 2)), (2, 6, 6), (1, 1)),
        (Conv(own, padding=(0, 0, 1, 1), stride=(2, 2)), (2, 5, 5), (0, 0)),
    ):
        assert Recipe(conv_network(A, shape, op), A).margins()[shape[1:]] == margins


def test_a_fused_shift_has_the_reach_of_its_offsets():
    own = weights(generator(1), A, (4, 3, 1, 1))
    op = Conv(own, shift=np.array([[0, 0], [-2, 1], [1, 9]]))
    assert Recipe(conv_network(A, (3, 5, 6), op), A).margins() == {(5, 6): (2, 1)}


def test_kinds_of_steps():
    """Fewer than four outputs a group go channel by channel, as do small windows that may read zeros beside."""
    rng = generator(1)
    few, many = (conv_network(A, (2, 4, 4), Conv(weights(rng, A, (n, 2, 1, 1)))) for n in (3, 4))
    assert plan_of(few).steps.kind.tolist() == [COPY, DIRECT, LEAVE]
    assert plan_of(many).steps.kind.tolist() == [COPY, CONVOLVE, LEAVE]

    def pooled(kind, size, padding=0, activation=NONE, **more):
        """Kind of the step of a pool of this size behind an activation."""
        op = Pool(kind, (size, size), (1, 1), (padding,) * 4, **more)
        rows = 10 - size + 2 * padding
        first = FixedLayer("first", Sum(), ("in",), (2, 9, 9), Epilogue.identity(2, activation))
        last = FixedLayer("out", op, ("first",), (2, rows, rows), Epilogue.identity(2))
        return plan_of(network(A, (2, 9, 9), first, last)).steps.kind[2]

    assert pooled("avg", 3, 1) == DIRECT
    assert pooled("avg", 3, 1, include_border=False) == POOL
    assert pooled("avg", 9) == pooled("max", 9) == POOL
    assert pooled("max", 3) == pooled("max", 3, 1, RELU) == DIRECT
    assert pooled("max", 3, 1) == pooled("max", 3, 1, Activation("clamp", -1, 5)) == POOL
    moved = network(A, (2, 3, 3), FixedLayer("out", Shift(np.ones((2, 2), int)), ("in",), (2, 3, 3)))
    assert plan_of(moved).steps.kind.tolist() == [COPY, SHIFT, LEAVE]


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("shape", [(8, 30, 31), (8, 3, 3), (90, 20, 20)])
def test_parts_cover_a_convolution(shape, threads):
    """Every block of outputs at every position belongs to exactly one part, as `taps.convolve` cuts them."""
    own = weights(generator(1), A, (shape[0], shape[0], 1, 1))
    step = plan_of(conv_network(A, shape, Conv(own)), threads=threads, keep=True).steps[1]
    tile = step.panels * COLUMNS
    tiles, blocks = -(-step["count"] // tile), -(-step.per_group // ROWS)
    assert step.parts == tiles * step.splits
    assert 1 <= step.splits <= blocks
    shares = [range(blocks * i // step.splits, blocks * (i + 1) // step.splits) for i in range(step.splits)]
    assert [block for share in shares for block in share] == list(range(blocks))
    assert threads == 1 or shape[0] < 90 or step.parts >= threads


@pytest.mark.parametrize(
    ("extent", "pool", "counts"),
    [
        ((2, 3), Pool("avg", (2, 2), (1, 1)), [4, 4]),
        ((2, 2), Pool("avg", (3, 3), (1, 1), (1, 1, 1, 1)), [9] * 4),
        ((2, 3), Pool("avg", (3, 3), (1, 1), (1, 1, 1, 1), include_border=False), [4, 6, 4] * 2),
        ((5, 1), Pool("avg", (2, 1), (2, 1), (1, 0, 0, 0), include_border=False), [1, 2, 2]),
    ],
)
def test_pool_counts(extent, pool, counts):
    assert pool_counts(extent, pool).tolist() == counts


def test_tables():
    tables = Tables(np.int64)
    assert [tables.add([5, 6]), tables.add(np.arange(6).reshape(2, 3)), tables.add([])] == [0, 2, 8]
    assert tables.array().tolist() == [5, 6, 0, 1, 2, 3, 4, 5, 0]
