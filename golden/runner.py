"""Plans run on threads: single images by all of them together, batches by each on images of its own."""

import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from hwshift.errors import QuantizeError
from hwshift.golden.blocks import COLUMNS
from hwshift.golden.engine import execute
from hwshift.golden.finish import scratch_size
from hwshift.golden.formats import Arithmetic
from hwshift.golden.norm import norm_scales
from hwshift.golden.plan import Plan, Recipe
from hwshift.golden.scale import GATE_SHIFT, MAX_GATE
from hwshift.golden.steps import CONVOLVE, NORM
from hwshift.golden.tiles import tile_choice, tile_words
from hwshift.golden.validate import check
from hwshift.network.fixed import FixedNetwork, InstanceNorm

__all__ = ["Runner", "cores", "runner_of"]

_BLOCK_BYTES = 1 << 20  # maps of the images that are computed at once
_BLOCK_IMAGES = 16
_WORTH_THREADS = 1 << 21  # multiplications of an image below which one thread is quicker


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Context:
    """The memory of one run of a plan, used again by the next."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.memory = np.zeros(plan.words, np.int32)
        size = max(
            [scratch_size(int(s.taps), int(s.panels), 0) for s in plan.steps if s.kind == CONVOLVE]
            + [scratch_size(0, 0, int(plan.steps.width.max()))]
        )
        self.floats = np.empty((plan.threads, size), np.float64)
        tiles = [tile_words(int(s.panels) * COLUMNS, int(s.taps)) for s in plan.steps if s.tiles >= 0]
        self.wide = np.empty((plan.threads, max([size, *tiles])), np.int64)
        self.saturated = np.zeros((plan.threads, len(plan.steps)), np.int64)
        norms = [i for i, kind in enumerate(plan.steps.kind) if kind == NORM]
        self.segments = list(zip([0, *norms], [*norms, len(plan.steps)], strict=True))
        channels = max([int(plan.steps.channels[i]) for i in norms], default=0)
        self.scales = np.zeros((plan.images, channels, 3), np.int64)

    def run(self, x: np.ndarray) -> None:
        """Compute the plan's images, ``x`` of shape (images, channels, pixels)."""
        peaks = np.zeros((self.plan.threads, self.plan.maps + len(self.plan.gates)))
        for begin, end in self.segments:
            if begin:
                self._normalise(self.plan.names[begin])
            self._together(begin, end, x, peaks)
        self._check_gates(peaks.max(axis=0)[self.plan.maps :])

    def _check_gates(self, peaks: np.ndarray) -> None:
        """Binding proves that gates fit a mantissa; an unbound network is refused when one does not."""
        for name, largest in zip(self.plan.gates, peaks.tolist(), strict=True):
            if largest > MAX_GATE:
                value = largest / (1 << GATE_SHIFT)
                raise QuantizeError(
                    f"gates must be smaller than 2 in magnitude, not {value}; bind the network first",
                    where=name,
                )

    def _together(self, begin: int, end: int, x: np.ndarray, peaks: np.ndarray) -> None:
        plan, recipe = self.plan, self.plan.recipe
        tables = plan.ints, plan.reals, recipe.weights, recipe.terms, recipe.tiles
        shared = np.zeros(1 + len(plan.steps), np.int64)

        def work(thread: int) -> None:
            execute(
                plan.steps, begin, end, tables, x, self.memory, self.floats[thread], self.wide[thread], self.scales,
                peaks, self.saturated, shared, thread, plan.threads,
            )  # fmt: skip

        _in_step(work, plan.threads)

    def _normalise(self, name: str) -> None:
        """Scales and biases of an instance normalisation, from its input."""
        recipe = self.plan.recipe
        layer, formats = recipe.network.layer(name), recipe.formats[name]
        assert isinstance(layer.op, InstanceNorm)
        source = np.empty((self.plan.images, *recipe.shapes[layer.inputs[0]]), np.int32)
        self.plan.views[layer.inputs[0]].read(self.memory, source)
        guard, digits = recipe.arithmetic.guard, recipe.arithmetic.scale_digits
        m, s, b = norm_scales(source, layer.op, formats.inputs[0], formats.output, guard, digits)
        self.scales[:, : m.shape[1]] = np.stack([m, s + guard + formats.excess, b], axis=2)


class Runner:
    """A network prepared for an arithmetic: plans and their memory, kept between runs.

    Safe to use from several threads.

    Parameters
    ----------
    network : FixedNetwork
    arithmetic : Arithmetic

    Raises
    ------
    NetworkError, QuantizeError
        As `hwshift.golden.check`.
    """

    def __init__(self, network: FixedNetwork, arithmetic: Arithmetic) -> None:
        check(network, arithmetic)
        self.recipe = Recipe(network, arithmetic)
        self._plans: dict[tuple[int, int, bool], Plan] = {}
        self._idle: dict[tuple[int, int, bool], list[_Context]] = {}
        self._lock = threading.Lock()

    def run(self, x: np.ndarray, out: np.ndarray, threads: int | None = None) -> None:
        """Outputs of a checked batch, into ``out``."""
        name = self.recipe.network.output.name

        def use(context: _Context, first: int, count: int) -> None:
            context.plan.views[name].read(context.memory, out[first : first + count])

        self._blocks(x, threads, False, use)

    def trace(self, x: np.ndarray, maps: dict[str, np.ndarray], threads: int | None = None) -> dict[str, int]:
        """Maps of all layers of a checked batch, into ``maps``; returns the saturated values of each layer."""
        layers = [layer.name for layer in self.recipe.network.layers if layer.epilogue is not None]
        saturated = dict.fromkeys(layers, 0)

        def use(context: _Context, first: int, count: int) -> None:
            for name, data in maps.items():
                context.plan.views[name].read(context.memory, data[first : first + count])
            with self._lock:
                for name, number in zip(
                    context.plan.names, context.saturated.sum(axis=0).tolist(), strict=True
                ):
                    if name in saturated:
                        saturated[name] += number
            context.saturated[:] = 0

        self._blocks(x, threads, True, use)
        return saturated

    def _blocks(
        self, x: np.ndarray, threads: int | None, keep: bool, use: Callable[[_Context, int, int], None]
    ) -> None:
        """Compute the batch block by block and hand each one's memory to ``use``."""
        threads = cores() if threads is None else threads
        if not isinstance(threads, int) or threads < 1:
            raise ValueError(f"threads must be an integer of at least 1, not {threads!r}")
        x = x.reshape(*x.shape[:2], -1)
        images = len(x)
        if images < threads or threads == 1:
            together = threads if self.recipe.macs >= _WORTH_THREADS else 1
            size = 1 if together > 1 else self._block_images(images)
            self._some(x, range(0, images, size), size, together, keep, use)
            return
        size = self._block_images(images // threads)
        starts = range(0, images, size)
        shares = [starts[i::threads] for i in range(threads)]
        futures = [_workers(threads).submit(self._some, x, share, size, 1, keep, use) for share in shares]
        for future in futures:
            future.result()

    def _some(
        self,
        x: np.ndarray,
        starts: range,
        size: int,
        threads: int,
        keep: bool,
        use: Callable[[_Context, int, int], None],
    ) -> None:
        for start in starts:
            part = x[start : start + size]
            key = (len(part), threads, keep)
            context = self._take(key)
            context.run(part)
            use(context, start, len(part))
            with self._lock:
                self._idle[key].append(context)

    def _take(self, key: tuple[int, int, bool]) -> _Context:
        """Memory for a plan, which is made when it is first asked for."""
        with self._lock:
            if key not in self._plans:
                self._plans[key] = Plan(self.recipe, *key)
                self._idle[key] = []
            if self._idle[key]:
                return self._idle[key].pop()
        return _Context(self._plans[key])

    def _block_images(self, most: int) -> int:
        """How many images are computed at once: small maps together fill vectors and caches better."""
        return max(1, min(most, _BLOCK_IMAGES, _BLOCK_BYTES // self.recipe.pixels))


_KEPT = 32
_RUNNERS: OrderedDict[tuple[int, Arithmetic, str], Runner] = OrderedDict()
_RUNNERS_LOCK = threading.Lock()


def runner_of(network: FixedNetwork, arithmetic: Arithmetic) -> Runner:
    """The runner of a network; those used last are kept. Raises as `Runner`."""
    key = (
        id(network),
        arithmetic,
        tile_choice(),
    )  # a kept runner holds its network, so that the number stays its own
    with _RUNNERS_LOCK:
        runner = _RUNNERS.get(key)
        if runner is not None:
            _RUNNERS.move_to_end(key)
            return runner
    runner = Runner(network, arithmetic)
    with _RUNNERS_LOCK:
        runner = _RUNNERS.setdefault(key, runner)
        while len(_RUNNERS) > _KEPT:
            _RUNNERS.popitem(last=False)
    return runner


_TOGETHER = threading.Lock()  # threads that wait for each other must all have a worker
_POOLS: dict[tuple[str, int], ThreadPoolExecutor] = {}


def _pool(name: str, size: int) -> ThreadPoolExecutor:
    with _RUNNERS_LOCK:
        if (name, size) not in _POOLS:
            _POOLS[name, size] = ThreadPoolExecutor(size, f"golden-{name}")
        return _POOLS[name, size]


def _workers(threads: int) -> ThreadPoolExecutor:
    return _pool("batch", threads)


def _in_step(work: Callable[[int], None], threads: int) -> None:
    """``work(0)`` here and ``work(1)`` on beside it, all at the same time."""
    if threads == 1:
        work(0)
        return
    with _TOGETHER:
        others = [_pool("step", threads - 1).submit(work, thread) for thread in range(1, threads)]
        work(0)
        for other in others:
            other.result()


def _after_fork() -> None:
    """Threads and locks do not survive a fork."""
    global _TOGETHER, _RUNNERS_LOCK
    _POOLS.clear()
    _RUNNERS.clear()
    _TOGETHER, _RUNNERS_LOCK = threading.Lock(), threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
