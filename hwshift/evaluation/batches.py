"""Work on images in batches: on all cores, in order, and with bounded memory."""

import math
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import numpy as np

from hwshift.network.fixed import FixedNetwork
from hwshift.network.graph import Network

__all__ = ["Advance", "batch_size", "in_batches"]

Advance = Callable[[str, int, int], None]
"""Is told a stage's name, how many images of it are done, and how many there are."""

T = TypeVar("T")

_LARGEST_MAP = 1 << 23  # values of the largest map of a batch
_ALL_MAPS = 1 << 24  # values of all maps of a batch, where all are kept


def in_batches(
    work: Callable[[np.ndarray], T], images: np.ndarray, size: int, name: str, advance: Advance | None = None
) -> Iterator[tuple[int, T]]:
    """``work(images[i : i + size])`` for each part, on all cores; pairs (i, result) in the order of i.

    At most twice as many parts as cores are begun ahead of the one that is given, so that results that are not
    kept take no memory.
    """
    workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    tell = advance or _silent
    tell(name, 0, len(images))
    executor = ThreadPoolExecutor(workers, "evaluation")
    begun: deque[tuple[int, Future[T]]] = deque()
    starts = iter(range(0, len(images), size))

    def begin() -> None:
        start = next(starts, None)
        if start is not None:
            begun.append((start, executor.submit(work, images[start : start + size])))

    try:
        for _ in range(2 * workers):
            begin()
        while begun:
            start, future = begun.popleft()
            result = future.result()
            begin()
            tell(name, min(start + size, len(images)), len(images))
            yield start, result
    finally:
        executor.shutdown(cancel_futures=True)


def batch_size(network: Network | FixedNetwork, images: int, *, every_map: bool = False) -> int:
    """Images per batch: enough batches for all cores, and maps of moderate size.

    Parameters
    ----------
    network : Network or FixedNetwork
    images : int
    every_map : bool
        Whether the maps of all layers are kept, not only those that are still read.
    """
    if isinstance(network, FixedNetwork):
        shapes: Iterable[tuple[int, int, int]] = (layer.shape for layer in network.layers)
    else:
        shapes = network.shapes().values()
    sizes = [math.prod(shape) for shape in shapes]
    room = _ALL_MAPS // sum(sizes) if every_map else _LARGEST_MAP // max(sizes)
    return max(1, min(64, -(-images // (4 * (os.cpu_count() or 1))), room))


def _silent(name: str, done: int, total: int) -> None:  # noqa: ARG001
    """Tell nobody."""
