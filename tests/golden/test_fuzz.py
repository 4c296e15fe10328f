"""Random networks of all operations against plain integers, in memory that shows every stray read and write."""

import ctypes
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from hwshift.golden import runner, step_builder
from hwshift.golden.tiles import use_tiles
from hwshift.network import fixed
from hwshift.network.bounds import layer_bounds

from ..seeds import generator
from . import oracle
from .drawn import WORK, Draw, draw_arithmetic
from .guard import CANARY, Guarded, guarded_runs

CASES, SOAK = 400, 4000
PART = 25


def draw_case(seed):
    """A network, its arithmetic, a batch with few different images, and those images with their places."""
    rng = generator(seed)
    a = draw_arithmetic(rng)
    draw = Draw(rng, a, mixed=rng.random() < 0.3)
    net = draw.network(int(rng.integers(1, 12)))
    images = int(rng.choice([1, 1, 1, 2, 3, 5, rng.integers(1, 71)]))
    used = WORK - draw.left
    different = min(images, 2 if used > WORK // 4 else 3)
    return net, a, draw.inputs(different), rng.integers(different, size=images), rng


COSTS = {
    (runner, "_WORTH_THREADS"): [0],
    (runner, "_WORTH_STRIPS"): [0],
    (runner, "_BLOCK_BYTES"): [1 << 20, 500],
    (step_builder, "_WORTH"): [1 << 18, 64],
    (step_builder, "_PANEL_BYTES"): [1 << 18, 1],
    (step_builder, "_GATHER"): [25, 25, 0, 1 << 20],
}
"""What the choices of plans hang on, each with values at which small networks see all of them."""


def check_case(seed, guard):
    """Every map and count of one case equals the oracle's and lies within its bounds; no stray access."""
    net, a, x, order, rng = draw_case(seed)
    expected = [oracle.trace(net, a, image) for image in x]
    batch = x[order].astype(np.int32)
    threads = int(rng.choice([1, 1, 2, 3, 4]))
    with pytest.MonkeyPatch.context() as patch, use_tiles(str(rng.choice(["never", "auto", "always"]))):
        for (module, name), values in COSTS.items():
            patch.setattr(module, name, int(rng.choice(values)))
        one = runner.Runner(net, a)
        maps = {layer.name: np.empty((len(batch), *layer.shape), np.int32) for layer in net.layers}
        out = np.empty_like(maps[net.output.name])
        batch, out = guard.copy("x", batch, fixed=True), guard.copy("out", out)
        maps = {name: guard.copy(name, data) for name, data in maps.items()}
        saturated = one.trace(batch, maps, threads)
        one.run(batch, out, threads)
        one.run(batch, out, threads)
    bounds = layer_bounds(net, a)
    for name, found in maps.items():
        wanted = np.stack([expected[i][0][name] for i in order])
        assert np.array_equal(found, wanted), (seed, name)
        assert (found >= bounds[name].lo[:, None, None]).all(), (seed, name)
        assert (found <= bounds[name].hi[:, None, None]).all(), (seed, name)
    assert np.array_equal(out, maps[net.output.name]), seed
    counts = {name: sum(expected[i][1][name] for i in order) for name in saturated}
    assert saturated == counts, seed
    for context in (context for idle in one._idle.values() for context in idle):
        assert context.plan.strip or not context.memory[beside_pixels(context.plan)].any(), seed


def beside_pixels(plan):
    """Where the arena holds no pixel of any map: ndarray of bool."""
    beside = np.ones(plan.words, bool)
    for view in plan.views.values():
        beside[view.planes[:, None] + view.geometry.positions()] = False
    return beside


def check_part(first, count):
    """Cases ``first`` to ``first + count - 1``."""
    for seed in range(first, first + count):
        with guarded_runs(at_end=bool(seed % 2)) as guard:
            check_case(seed, guard)
        guard.check()


@pytest.mark.parametrize("first", range(0, CASES, PART))
def test_random_networks(first):
    check_part(first, PART)


@pytest.mark.soak
@pytest.mark.parametrize("first", range(CASES, CASES + SOAK, 10 * PART))
def test_many_random_networks(first):
    check_part(first, 10 * PART)


ALIAS = fixed.Concat | fixed.Shuffle | fixed.Slice
OPERATIONS = {op.__name__ for op in fixed.LayerOp.__args__}


def traits(net, a, images):
    """What a case holds, in words."""
    ops = {layer.name: layer.op for layer in net.layers}
    yield from (a.pe, f"exact: {a.exact}", f"out: {type(net.output.op).__name__}")
    if images > 32:
        yield "many images"
    for layer in net.layers:
        yield type(layer.op).__name__
        if isinstance(layer.op, ALIAS) and any(isinstance(ops[name], ALIAS) for name in layer.inputs):
            yield "alias of an alias"
        if isinstance(ops.get(layer.residual), ALIAS):
            yield "residual of an alias"
        if layer.residual in layer.inputs:
            yield "own input as residual"


def test_everything_is_drawn():
    """Every operation, also as the last, and what is rarely seen in real networks."""
    seen = set()
    for seed in range(CASES):
        net, a, _, order, _ = draw_case(seed)
        seen |= set(traits(net, a, len(order)))
    rare = {"many images", "alias of an alias", "residual of an alias", "own input as residual"}
    last = {f"out: {name}" for name in OPERATIONS - {"Input"}}
    wanted = OPERATIONS | last | rare | {"mac", "shift_add", "exact: True", "exact: False"}
    assert not wanted - seen


STRAY = """
import ctypes
import sys
import numpy as np
sys.path.insert(0, sys.argv[1])
from guard import Guarded

at_end, fixed, place = (int(word) for word in sys.argv[2:])
data = Guarded(bool(at_end)).copy("data", np.arange(7, dtype=np.int32), bool(fixed))
value = ctypes.c_int32.from_address(data.ctypes.data + 4 * place)
assert value.value == place
print("read")
value.value = 1
print("written")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="signals by number")
@pytest.mark.parametrize(
    ("at_end", "fixed", "place", "output"),
    [
        (1, 0, 6, "read\nwritten\n"),
        (1, 0, 7, ""),
        (0, 0, 0, "read\nwritten\n"),
        (0, 0, -1, ""),
        (1, 1, 2, "read\n"),
    ],
)
def test_stray_reads_end_the_process(at_end, fixed, place, output):
    folder = str(Path(__file__).parent)
    args = [folder, *(str(word) for word in (at_end, fixed, place))]
    done = subprocess.run(
        [sys.executable, "-u", "-c", STRAY, *args], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0 if "written" in output else -11, output), done.stderr


@pytest.mark.parametrize("at_end", [False, True])
def test_stray_writes_are_seen(at_end):
    guard = Guarded(at_end)
    data = guard.copy("numbers", np.arange(5, dtype=np.int64))
    guard.check()
    place = -1 if at_end else 5
    address = data.ctypes.data + 8 * place
    ctypes.c_uint8.from_address(address).value = CANARY ^ 1
    with pytest.raises(AssertionError, match="numbers, before" if at_end else "numbers, behind"):
        guard.check()
