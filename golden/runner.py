"""Plans run on threads: single images by all of them together, batches by each on images of its own.

Threads beside the caller's help if they come in time: nothing waits for one that has not begun.
"""

import itertools
import os
import threading
from collections import OrderedDict
from collections.abc import Callable

import numpy as np

from hwshift.golden.context import Context
from hwshift.golden.crew import cores, offer, soon
from hwshift.golden.formats import Arithmetic
from hwshift.golden.plan import Plan
from hwshift.golden.recipe import Recipe
from hwshift.golden.strips import in_strips
from hwshift.golden.tiles import tile_choice
from hwshift.golden.validate import check
from hwshift.network.fixed import FixedNetwork

__all__ = ["Runner", "runner_of"]

_BLOCK_BYTES = 1 << 20  # maps of the images that are computed at once
_BLOCK_IMAGES = 16
_WORTH_THREADS = 1 << 21  # multiplications of an image below which one thread is quicker
_WORTH_STRIPS = (
    1 << 19
)  # the same in strips, where threads do not wait for each other, if nobody has to be woken


class Runner:
    """A network prepared for an arithmetic: plans and their memory, kept between runs.

    Safe to use from several threads.

    Parameters
    ----------
    network : FixedNetwork
    arithmetic : Arithmetic

    Members
    -------
    shape : (channels, height, width)
        Of the input.
    any_code : bool
        Whether every int32 is a code of the input.

    Raises
    ------
    NetworkError, QuantizeError
        As `hwshift.golden.check`.
    """

    def __init__(self, network: FixedNetwork, arithmetic: Arithmetic) -> None:
        check(network, arithmetic)
        self.recipe = Recipe(network, arithmetic)
        self.shape = tuple(network.input.shape)
        self.any_code = self.recipe.formats[network.input.name].output.bits == 32
        self._plans: dict[tuple[int, int, bool], Plan] = {}
        self._idle: dict[tuple[int, int, bool], list[Context]] = {}
        self._cuts: dict[tuple[int, int], tuple[int, int, int]] = {}
        self._lock = threading.Lock()

    def run(self, x: np.ndarray, out: np.ndarray, threads: int | None = None) -> None:
        """Outputs of a checked batch, into ``out``."""
        self._blocks(x, out, threads)

    def trace(self, x: np.ndarray, maps: dict[str, np.ndarray], threads: int | None = None) -> dict[str, int]:
        """Maps of all layers of a checked batch, into ``maps``; returns the saturated values of each layer."""
        layers = [layer.name for layer in self.recipe.network.layers if layer.epilogue is not None]
        saturated = dict.fromkeys(layers, 0)

        def read(context: Context, first: int, count: int) -> None:
            for name, data in maps.items():
                context.plan.views[name].read(context.memory, data[first : first + count])
            with self._lock:
                for name, number in zip(
                    context.plan.names, context.saturated.sum(axis=0).tolist(), strict=True
                ):
                    if name in saturated:
                        saturated[name] += number
            context.saturated[:] = 0

        self._blocks(x, x, threads, read)
        return saturated

    def _blocks(
        self,
        x: np.ndarray,
        out: np.ndarray,
        threads: int | None,
        read: Callable[[Context, int, int], None] | None = None,
    ) -> None:
        """Compute the batch block by block; ``read`` is given the memory of each one, with all its maps."""
        threads = cores() if threads is None else threads
        if not isinstance(threads, int) or isinstance(threads, bool) or threads < 1:
            raise ValueError(f"threads must be an integer of at least 1, not {threads!r}")
        images = len(x)
        size, together, beside = self._cut(images, threads)
        if together > 1 and self.recipe.macs < _WORTH_THREADS and not soon():
            together = 1
        if images <= size:
            self._compute(x, out, 0, together, read)
            return
        starts, numbers = range(0, images, size), itertools.count()

        def work(_: int) -> None:
            while (number := next(numbers)) < len(starts):
                block = slice(starts[number], min(starts[number] + size, images))
                self._compute(x[block], out[block], block.start, together, read)

        helps = offer(work, min(beside, len(starts)) - 1)
        try:
            work(0)
        finally:
            for each in helps:
                each.settle()

    def _compute(
        self,
        x: np.ndarray,
        out: np.ndarray,
        first: int,
        together: int,
        read: Callable[[Context, int, int], None] | None,
    ) -> None:
        """One block, whose first image has this number."""
        key = len(x), together, read is not None
        context = self._take(key)
        context.run(x, out)
        if read is not None:
            read(context, first, key[0])
        self._idle[key].append(context)

    def _cut(self, images: int, threads: int) -> tuple[int, int, int]:
        """Images of a block, threads that compute one together, threads that compute blocks beside each other."""
        key = images, threads
        if key not in self._cuts:
            if images < threads:
                worth = _WORTH_STRIPS if in_strips(self.recipe) else _WORTH_THREADS
                together = threads if self.recipe.macs >= worth else 1
                self._cuts[key] = 1 if together > 1 else self._block_images(images, 1), together, 1
            else:
                self._cuts[key] = self._block_images(images, threads), 1, threads
        return self._cuts[key]

    def _take(self, key: tuple[int, int, bool]) -> Context:
        """Memory for a plan, which is made when it is first asked for."""
        idle = self._idle.get(key)
        if idle is None:
            with self._lock:
                if key not in self._idle:
                    self._plans[key] = Plan(self.recipe, *key)
                    self._idle[key] = []
            idle = self._idle[key]
        try:
            return idle.pop()
        except IndexError:
            return Context(self._plans[key])

    def _block_images(self, images: int, threads: int) -> int:
        """How many images are computed at once: small maps together fill vectors and caches better.

        Each of the threads gets as many blocks as the others.
        """
        most = max(1, min(_BLOCK_IMAGES, _BLOCK_BYTES // self.recipe.pixels))
        rounds = -(-images // (most * threads))
        return -(-images // (rounds * threads))


_KEPT = 32
_RUNNERS: OrderedDict[tuple[int, Arithmetic, str], Runner] = OrderedDict()
_RUNNERS_LOCK = threading.Lock()
_last: Runner | None = None  # the one that was asked for last


def runner_of(network: FixedNetwork, arithmetic: Arithmetic) -> Runner:
    """The runner of a network; those used last are kept. Raises as `Runner`, or TypeError for other things."""
    global _last
    choice = tile_choice()
    last = _last
    if last is not None and last.recipe.network is network and last.recipe.tile_choice == choice:
        if last.recipe.arithmetic is arithmetic:
            return last
    if not isinstance(network, FixedNetwork):
        raise TypeError(
            f"network must be a FixedNetwork (hwshift.quantize makes one of a float network), not a "
            f"{type(network).__name__}"
        )
    if not isinstance(arithmetic, Arithmetic):
        raise TypeError(f"arithmetic must be an Arithmetic, not a {type(arithmetic).__name__}")
    key = id(network), arithmetic, choice  # a kept runner holds its network, so that the number stays its own
    with _RUNNERS_LOCK:
        runner = _RUNNERS.get(key)
        if runner is not None:
            _RUNNERS.move_to_end(key)
            _last = runner
            return runner
    runner = Runner(network, arithmetic)
    with _RUNNERS_LOCK:
        _last = runner = _RUNNERS.setdefault(key, runner)
        while len(_RUNNERS) > _KEPT:
            _RUNNERS.popitem(last=False)
    return runner


def _after_fork() -> None:
    """Locks do not survive a fork."""
    global _RUNNERS_LOCK, _last
    _RUNNERS.clear()
    _last = None
    _RUNNERS_LOCK = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
