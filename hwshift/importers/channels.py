"""Picking channels of maps with the fewest nodes: slices, shuffles, concatenations, or none at all.

A pick is ``(pool, order)``: maps of one size, and which of their channels, counted through all of them, stand where.
"""

from collections.abc import Sequence

import numpy as np

from hwshift.importers.builder import Builder
from hwshift.network import ops

__all__ = ["pick", "pick_or_zero"]

Pick = tuple[tuple[str, ...], np.ndarray]

_MAX_RUNS = 4096  # pieces of a pick that repeats channels


def pick(builder: Builder, pool: Sequence[str], order: np.ndarray, name: str) -> str:
    """The node that holds these channels; what is needed for it is added under `name`.

    Parameters
    ----------
    builder : Builder
    pool : sequence of str
        Nodes with maps of one size.
    order : ndarray of int64, shape (channels,)
    name : str

    Raises
    ------
    ValueError
        For a pick of too many pieces.
    """
    direct = _compact(builder, tuple(pool), order)
    spread = _compact(builder, *_through(builder, *direct))
    plans = [(_cost(builder, *each), len(each[0]), each) for each in (direct, spread)]
    best = min(plans, key=lambda plan: plan[:2])[2]
    return _build(builder, *best, name)


def pick_or_zero(builder: Builder, pool: Sequence[str], order: np.ndarray, name: str) -> str:
    """As `pick`, where negative entries of `order` are channels of zeros: a 1x1 convolution of ones and zeros."""
    if (order >= 0).all():
        return pick(builder, pool, order, name)
    if (order < 0).all():
        raise ValueError("it gives nothing but zeros")
    used, column = np.unique(order[order >= 0], return_inverse=True)
    source = pick(builder, pool, used, f"{name}_channels")
    builder.spend(len(order) * len(used))
    weight = np.zeros((len(order), len(used), 1, 1), np.float32)
    weight[np.flatnonzero(order >= 0), column] = 1
    return builder.add(name, ops.Conv2d(weight), source)


def _counts(builder: Builder, pool: tuple[str, ...]) -> np.ndarray:
    return np.array([builder.shapes[name][0] for name in pool], np.int64)


def _compact(builder: Builder, pool: tuple[str, ...], order: np.ndarray) -> Pick:
    """Without maps that are not used, the others in the order of their first use."""
    counts = _counts(builder, pool)
    starts = np.cumsum(counts) - counts
    owner = np.searchsorted(np.cumsum(counts), order, side="right")
    used, first = np.unique(owner, return_index=True)
    used = used[np.argsort(first)]
    place = np.zeros(len(pool), np.int64)
    place[used] = np.cumsum(counts[used]) - counts[used]
    return tuple(pool[i] for i in used), order - starts[owner] + place[owner]


def _through(builder: Builder, pool: tuple[str, ...], order: np.ndarray) -> Pick:
    """The same pick from what the maps were picked from themselves."""
    names: list[str] = []
    tables: list[np.ndarray] = []
    total = 0
    for name in pool:
        inner, table = builder.picked.get(name, ((name,), np.arange(builder.shapes[name][0])))
        names.extend(inner)
        tables.append(table + total)
        total += int(_counts(builder, inner).sum())
    merged = np.concatenate(tables)[order]
    unique = tuple(dict.fromkeys(names))
    if len(unique) == len(names):
        return unique, merged
    counts = _counts(builder, tuple(names))
    owner = np.searchsorted(np.cumsum(counts), merged, side="right")
    target = _counts(builder, unique)
    starts = dict(zip(unique, (np.cumsum(target) - target).tolist(), strict=True))
    moved = np.array([starts[name] for name in names], np.int64)
    return unique, merged - (np.cumsum(counts) - counts)[owner] + moved[owner]


def _runs(builder: Builder, pool: tuple[str, ...], order: np.ndarray) -> list[tuple[str, int, int]]:
    """(map, start, stop) of the pieces that stand in their own order."""
    ends = np.cumsum(_counts(builder, pool))
    owner = np.searchsorted(ends, order, side="right")
    cuts = np.flatnonzero((np.diff(order) != 1) | (np.diff(owner) != 0)) + 1
    bounds = [0, *cuts.tolist(), len(order)]
    if len(bounds) > _MAX_RUNS:
        raise ValueError(f"it picks channels in {len(bounds) - 1} pieces, {_MAX_RUNS} are allowed")
    runs = []
    for start, stop in zip(bounds, bounds[1:], strict=False):
        name = pool[owner[start]]
        first = int(order[start] - (ends[owner[start]] - builder.shapes[name][0]))
        runs.append((name, first, first + stop - start))
    return runs


def _partial(builder: Builder, runs: list[tuple[str, int, int]]) -> int:
    return sum(stop - start < builder.shapes[name][0] for name, start, stop in runs)


def _shuffles(builder: Builder, pool: tuple[str, ...], order: np.ndarray) -> int | None:
    """Nodes of the plan that shuffles; None where it is none, because a channel is repeated."""
    if len(np.unique(order)) < len(order):
        return None
    return (len(pool) > 1) + 1 + (len(order) < _counts(builder, pool).sum())


def _pieces(builder: Builder, pool: tuple[str, ...], order: np.ndarray) -> int | None:
    """Nodes of the plan that slices and joins; None where the other one is sure to be better."""
    if np.count_nonzero(np.diff(order) != 1) > 8 and _shuffles(builder, pool, order) is not None:
        return None
    runs = _runs(builder, pool, order)
    return _partial(builder, runs) + (len(runs) > 1)


def _cost(builder: Builder, pool: tuple[str, ...], order: np.ndarray) -> int:
    return min(
        cost for cost in (_pieces(builder, pool, order), _shuffles(builder, pool, order)) if cost is not None
    )


def _build(builder: Builder, pool: tuple[str, ...], order: np.ndarray, name: str) -> str:
    pieces, shuffles = _pieces(builder, pool, order), _shuffles(builder, pool, order)
    if pieces is not None and (shuffles is None or pieces <= shuffles):
        runs = _runs(builder, pool, order)
        parts = [_slice(builder, *run, name if len(runs) == 1 else f"{name}_part") for run in runs]
        return _concat(builder, tuple(parts), name)
    source = _concat(builder, pool, f"{name}_joined")
    count = builder.shapes[source][0]
    if len(order) == count:
        return _remember(builder, ops.ChannelShuffle(order), (source,), order, name)
    rest = np.setdiff1d(np.arange(count), order)
    full = np.concatenate([order, rest])
    shuffled = _remember(builder, ops.ChannelShuffle(full), (source,), full, f"{name}_shuffled")
    return _slice(builder, shuffled, 0, len(order), name)


def _slice(builder: Builder, source: str, start: int, stop: int, name: str) -> str:
    if stop - start == builder.shapes[source][0]:
        return source
    return _remember(builder, ops.ChannelSlice(start, stop), (source,), np.arange(start, stop), name)


def _concat(builder: Builder, parts: tuple[str, ...], name: str) -> str:
    if len(parts) == 1:
        return parts[0]
    return _remember(builder, ops.Concat(), parts, np.arange(_counts(builder, parts).sum()), name)


def _remember(builder: Builder, op: ops.Op, inputs: tuple[str, ...], order: np.ndarray, name: str) -> str:
    """Add a node and what it picks."""
    node = builder.add(name, op, *inputs)
    builder.picked[node] = _compact(builder, *_through(builder, inputs, order))
    return node
