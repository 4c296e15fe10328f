"""Threads, callers beside each other, forks, and what is kept between runs."""

import gc
import os
import subprocess
import sys
import threading
import time
import tracemalloc
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from hwshift.errors import QuantizeError
from hwshift.golden import crew, model, posts, runner
from hwshift.golden.formats import Arithmetic, QFormat
from hwshift.network.fixed import ChannelScale, Conv, Epilogue, FixedLayer, InstanceNorm, Slice, Sum

from ..seeds import generator
from . import oracle
from .build import codes, conv_network, epilogue, network, weights

A = Arithmetic()


def small(seed=0, channels=3):
    """Two layers with a residual, and an instance normalisation between them."""
    rng = generator(seed)
    shape = channels, 3, 4
    norm = InstanceNorm(rng.normal(size=channels), rng.normal(size=channels), 1e-3)
    return network(
        A,
        shape,
        FixedLayer("norm", norm, ("in",), shape, Epilogue.identity(channels)),
        FixedLayer(
            "out",
            Conv(weights(rng, A, (channels, channels, 3, 3)), padding=(1, 1, 1, 1)),
            ("norm",),
            shape,
            epilogue(rng, A, channels, "clamp", "relu"),
            "in",
        ),
    )


def wide():
    """Enough outputs and pixels that a step has many parts."""
    rng = generator(1)
    op = Conv(weights(rng, A, (40, 12, 3, 3)), padding=(1, 1, 1, 1))
    return conv_network(A, (12, 17, 19), op, epilogue(rng, A, 40, "relu"))


def expected(net, x):
    """Outputs and saturated values, by plain integers."""
    traces = [oracle.trace(net, A, image) for image in x]
    return np.array([maps["out"] for maps, _ in traces]), sum(saturated["out"] for _, saturated in traces)


@pytest.mark.parametrize("threads", [1, 2, 3, 7])
def test_threads_on_one_image(threads, monkeypatch):
    """More threads than cores too; a normalisation parts the steps in two calls of the engine."""
    monkeypatch.setattr(runner, "_WORTH_THREADS", 0)
    net = small()
    x = codes(generator(2), A.act, (1, 3, 3, 4))
    outputs, saturated = expected(net, x)
    for _ in range(20):
        found = model.trace(net, A, x, threads=threads)
        assert found["out"].tolist() == outputs.tolist()
        assert found.saturated["out"] == saturated


@pytest.mark.parametrize("threads", [2, 3])
def test_threads_share_a_step_of_many_parts(threads, monkeypatch):
    monkeypatch.setattr(runner, "_WORTH_THREADS", 0)
    net = wide()
    x = codes(generator(3), A.act, (1, *net.input.shape))
    one = model.trace(net, A, x, threads=1)
    for _ in range(10):
        found = model.trace(net, A, x, threads=threads)
        assert model.compare(one, found) is None
        assert one.saturated == found.saturated


@pytest.mark.parametrize("threads", [1, 2])
def test_callers_beside_each_other(threads, monkeypatch):
    """Eight Python threads on one network, each with inputs of its own, alone and as a batch."""
    monkeypatch.setattr(runner, "_WORTH_THREADS", 0)
    net = small(seed=5)
    rng = generator(4)
    batches = [codes(rng, A.act, (count, 3, 3, 4)) for count in (1, 1, 1, 2, 3, 5, 1, 1)]
    outputs = [expected(net, x) for x in batches]
    start = threading.Barrier(len(batches))

    def call(x):
        start.wait()
        return [model.trace(net, A, x, threads=threads) for _ in range(10)]

    with ThreadPoolExecutor(len(batches)) as pool:
        for found, (values, saturated) in zip(pool.map(call, batches), outputs, strict=True):
            for trace in found:
                assert trace["out"].tolist() == values.tolist()
                assert trace.saturated["out"] == saturated


def test_callers_of_different_networks(monkeypatch):
    """Each waits for the others' threads only as long as they work."""
    monkeypatch.setattr(runner, "_WORTH_THREADS", 0)
    nets = [small(seed) for seed in range(4)]
    x = codes(generator(6), A.act, (1, 3, 3, 4))
    outputs = [expected(net, x)[0].tolist() for net in nets]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(10):
            found = list(pool.map(lambda net: model.run(net, A, x, threads=2).tolist(), nets))
            assert found == outputs


FORK = """
import os, signal
import numpy as np
from hwshift.golden import crew, model, runner
from hwshift.golden.formats import Arithmetic
from hwshift.network.fixed import Epilogue, FixedLayer, FixedNetwork, Input, Sum

runner._WORTH_THREADS = 0
a = Arithmetic()
layers = (FixedLayer("in", Input(), (), (9, 4, 4)),
          FixedLayer("out", Sum(), ("in", "in"), (9, 4, 4), Epilogue.identity(9)))
net = FixedNetwork("fork", a.act, layers)
x = np.arange(3 * 144).reshape(3, 9, 4, 4) - 200

def right():
    one, many = (model.run(net, a, part, threads=3) for part in (x[:1], x))
    return (one == 2 * x[:1]).all() and (many == 2 * x).all()

assert right()
child = os.fork()
if child == 0:
    signal.alarm(60)
    os._exit(0 if right() and right() else 3)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert right()
print("both")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_threads_after_a_fork():
    """A child has none of its parent's threads and computes all the same; a pool of its parent would wait for ever."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORK],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "both\n", "")


def test_runners_are_kept_and_bounded():
    """One for each network and arithmetic, those used last; the others go with all they hold."""
    nets = [small(seed) for seed in range(runner._KEPT + 8)]
    first = weakref.ref(runner.runner_of(nets[0], A))
    assert runner.runner_of(nets[0], A) is first()
    other = runner.runner_of(nets[0], A.with_(guard=0))
    assert other is not first()
    for net in nets[1:]:
        runner.runner_of(net, A)
        assert runner.runner_of(nets[1], A) is not None
    del other
    gc.collect()
    assert len(runner._RUNNERS) == runner._KEPT
    assert first() is None
    kept = {id(one.recipe.network) for one in runner._RUNNERS.values()}
    assert kept == {id(net) for net in [nets[1], *nets[-runner._KEPT + 1 :]]}


def test_a_new_network_at_an_old_address():
    """The runner of a network that is gone is never taken for that of another."""
    x = np.full((1, 1, 1), 100)
    for factor in range(2 * runner._KEPT):
        own = Epilogue(np.array([factor]), np.array([0]), np.array([0]))
        net = network(A, (1, 1, 1), FixedLayer("out", Sum(), ("in",), (1, 1, 1), own))
        assert model.run(net, A, x).item() == 100 * factor


def sizes(one):
    """Bytes of all the memory a runner keeps."""
    contexts = [context for idle in one._idle.values() for context in idle]
    return [
        sum(array.nbytes for array in (c.memory, c.floats, c.wide, c.saturated, c.scales)) for c in contexts
    ]


@pytest.mark.parametrize("threads", [1, 2])
def test_memory_does_not_grow_with_the_batch(threads):
    """Blocks of a few images, one context for each thread, used again from block to block."""
    rng = generator(7)
    net = conv_network(A, (8, 12, 12), Conv(weights(rng, A, (8, 8, 1, 1))))
    found = []
    for images in (64, 640):
        one = runner.Runner(net, A)
        x = codes(rng, A.act, (images, 8, 12, 12)).astype(np.int32)
        out = np.empty((images, 8, 12, 12), np.int32)
        one.run(x, out, threads)
        tracemalloc.start()
        one.run(x, out, threads)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        found.append((set(sizes(one)), len(sizes(one)), peak))
    (few, _, _), (many, contexts, peak) = found
    assert few == many
    assert contexts <= threads
    assert peak <= threads * 2 * max(many)  # at worst a thread comes late and makes its context in this run
    assert max(many) < 640 * 8 * 12 * 12 * 4 // 10


def test_large_images_are_computed_one_by_one():
    """A block holds as many images as 4 MiB of maps, at least one, at most 16; threads get equally many blocks."""
    sizes = {3: {1: 15, 2: 13, 3: 12}, 256: {1: 4, 2: 4, 3: 4}, 512: {1: 1, 2: 1, 3: 1}}
    for size, blocks in sizes.items():
        one = runner.Runner(network(A, (4, size, size)), A)
        assert {threads: one._block_images(100, threads) for threads in blocks} == blocks
        assert one._block_images(1, 1) == 1


def test_plans_are_kept_for_few_sizes_of_blocks():
    """However large the batch, full blocks and a last one."""
    one = runner.Runner(small(), A)
    for images in (33, 34, 50, 66, 81, 97, 160):
        x = np.zeros((images, 3, 3, 4), np.int32)
        one.run(x, np.empty_like(x), 1)
    assert {key[0] for key in one._plans} <= set(range(1, 17))
    assert all(key[1:] == (1, False) for key in one._plans)


@pytest.mark.parametrize("images", [1, 3])
def test_an_error_of_the_caller_is_raised_and_nobody_waits_for_it(images, monkeypatch):
    """Alone on an image and in a batch; a helper that is at work goes on to the end of what it finds."""
    monkeypatch.setattr(runner, "_WORTH_THREADS", 0)
    net = wide()
    x = codes(generator(3), A.act, (images, *net.input.shape))
    right = model.run(net, A, x, threads=1)
    caller, execute = threading.current_thread(), crew.execute

    def fails(*arguments):
        if threading.current_thread() is caller:
            raise RuntimeError("broken")
        return execute(*arguments)

    monkeypatch.setattr(crew, "execute", fails)
    with pytest.raises(RuntimeError, match="^broken$"):
        model.run(net, A, x, threads=2)
    monkeypatch.undo()
    np.testing.assert_array_equal(model.run(net, A, x, threads=2), right)


def test_an_error_of_a_helper_is_raised_and_nobody_waits_for_it(monkeypatch):
    """A helper takes the call and fails; the caller is told, and the helper lives on."""
    monkeypatch.setattr(runner, "_WORTH_THREADS", 0)
    net = wide()
    x = codes(generator(3), A.act, (1, *net.input.shape))
    right = model.run(net, A, x, threads=1)
    execute, over = crew.execute, threading.Event()

    def fails(address, post, number, *rest):
        while number == 1 and not over.is_set():
            if posts.await_call(post, number, 1000):
                over.set()
                raise RuntimeError("broken")
        return execute(address, post, number, *rest)

    monkeypatch.setattr(crew, "execute", fails)
    deadline = time.monotonic() + 60
    with pytest.raises(RuntimeError, match="^broken$"):
        while time.monotonic() < deadline:
            model.run(net, A, x, threads=2)
    monkeypatch.undo()
    for _ in range(3):
        np.testing.assert_array_equal(model.run(net, A, x, threads=2), right)


@pytest.mark.usefixtures("busy")
def test_nobody_waits_for_a_thread_that_does_not_come(monkeypatch):
    """All helpers are busy elsewhere: the caller does the work alone."""
    monkeypatch.setattr(runner, "_WORTH_THREADS", 0)
    net = wide()
    for images in (1, 5):
        x = codes(generator(3), A.act, (images, *net.input.shape))
        outputs, _ = expected(net, x[:1])
        assert model.run(net, A, x, threads=2)[:1].tolist() == outputs.tolist()


def test_a_failed_run_leaves_a_runner_usable():
    """Outputs of a later run are right after one that was refused in the middle."""
    act = QFormat(3, 13)
    a = Arithmetic(act=act)
    layers = (
        FixedLayer("map", Slice(0, 1), ("in",), (1, 1, 1)),
        FixedLayer("gate", Slice(1, 2), ("in",), (1, 1, 1)),
        FixedLayer("out", ChannelScale(), ("map", "gate"), (1, 1, 1), Epilogue.identity(1)),
    )
    net = network(a, (2, 1, 1), *layers)
    for _ in range(3):
        with pytest.raises(QuantizeError):
            model.run(net, a, np.array([1, 2 << 13]).reshape(2, 1, 1))
        assert model.run(net, a, np.array([100, 1 << 12]).reshape(2, 1, 1)).item() == 50
