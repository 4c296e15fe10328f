"""ONNX operators that place the elements of several maps in one: concatenations and assignments."""

import math
from dataclasses import replace

import numpy as np

from hwshift.importers.channels import pick
from hwshift.importers.onnx_call import Call, Handler
from hwshift.importers.onnx_moves import axis_of, give, per_image
from hwshift.importers.views import ZERO, View

__all__ = ["JOINS"]


def concat(call: Call) -> None:
    """Concat of maps and constant zeros."""
    values = [call.builder.values.get(call.input(index)) for index in range(len(call.node.input))]
    views = [value if isinstance(value, View) else _zeros(value) for value in values]
    rank = len(views[0].shape)
    axis = axis_of(call.integer("axis", 1), rank)
    per_image(call, axis == 0)
    rest = {(*view.shape[:axis], *view.shape[axis + 1 :]) for view in views}
    if len(rest) > 1 or any(len(view.shape) != rank for view in views):
        raise ValueError(f"its inputs do not fit along axis {axis}: {', '.join(str(v.shape) for v in views)}")
    whole = all(
        view.index is None and view.sources and view.shape[1:] == call.builder.shapes[view.sources[0]]
        for view in views
    )
    if axis == 1 and whole:
        sources = tuple(view.sources[0] for view in views)
        total = sum(view.shape[1] for view in views)
        _give_joined(call, sources, total)
        return
    call.builder.spend(sum(math.prod(view.shape) for view in views))
    sources = tuple(dict.fromkeys(source for view in views for source in view.sources))
    parts = [_renumbered(call, view, sources) for view in views]
    give(call, View(sources, ()), np.concatenate(parts, axis=axis))


def _give_joined(call: Call, sources: tuple[str, ...], total: int) -> None:
    """Whole maps one after the other."""
    unique = tuple(dict.fromkeys(sources))
    if len(unique) == len(sources):
        order = np.arange(total)
    else:
        counts = [call.builder.shapes[name][0] for name in unique]
        starts = dict(zip(unique, (np.cumsum(counts) - counts).tolist(), strict=True))
        shapes = call.builder.shapes
        order = np.concatenate([starts[name] + np.arange(shapes[name][0]) for name in sources])
    node = pick(call.builder, unique, order, call.name)
    call.builder.values[call.node.output[0]] = replace(call.builder.whole(node), origin=call.name)


def _zeros(value: np.ndarray | None) -> View:
    """A constant as a view, if it is zero throughout."""
    if value is None:
        raise ValueError("an input is not computed")
    if value.dtype.kind not in "fiu" or value.any():
        raise ValueError("maps can be joined with maps and constant zeros only")
    return View((), value.shape, np.full(value.shape, ZERO, np.int32))


def _renumbered(call: Call, view: View, sources: tuple[str, ...]) -> np.ndarray:
    """The view's index as one into `sources`, which hold its own."""
    index = view.elements
    shapes = call.builder.shapes
    sizes = [math.prod(shapes[name]) for name in sources]
    if sum(sizes) >= 1 << 31:
        raise ValueError("it joins maps of too many elements")
    starts = dict(zip(sources, (np.cumsum(sizes) - sizes).tolist(), strict=True))
    own = np.cumsum([math.prod(shapes[name]) for name in view.sources], dtype=np.int64)
    first = own - np.array([math.prod(shapes[name]) for name in view.sources], np.int64)
    change = np.array([starts[name] for name in view.sources], np.int64) - first
    if not change.any():
        return index
    owner = np.searchsorted(own, np.maximum(index, 0), side="right")
    return np.where(index == ZERO, ZERO, index + change[owner]).astype(np.int32)


def scatter(call: Call) -> None:
    """ScatterND of a map into a map or into constant zeros, at constant places."""
    data, indices, updates = _scattered(call)
    if indices.ndim < 1 or not 1 <= indices.shape[-1] <= len(data.shape):
        raise ValueError("its indices do not fit")
    depth = indices.shape[-1]
    bounds = np.array(data.shape[:depth])
    if (*indices.shape[:-1], *data.shape[depth:]) != updates.shape or indices.size == 0:
        raise ValueError(f"updates of the shape {updates.shape} do not fit its indices {indices.shape}")
    if (indices < -bounds).any() or (indices >= bounds).any():
        raise ValueError(f"its indices must lie within {data.shape[:depth]}")
    _place(call, data, tuple(np.moveaxis(indices.astype(np.int64), -1, 0)), updates)


def scatter_elements(call: Call) -> None:
    """ScatterElements of a map into a map or into constant zeros, at constant places along one axis."""
    data, indices, updates = _scattered(call)
    rank = len(data.shape)
    axis = axis_of(call.integer("axis", 0), rank)
    per_image(call, axis == 0)
    if indices.shape != updates.shape or indices.size == 0:
        raise ValueError(f"updates of the shape {updates.shape} do not fit its indices {indices.shape}")
    others = zip(indices.shape, data.shape, strict=False)
    if indices.ndim != rank or any(one > all_of for i, (one, all_of) in enumerate(others) if i != axis):
        raise ValueError(f"indices of the shape {indices.shape} do not fit {data.shape}")
    size = data.shape[axis]
    if indices.min() < -size or indices.max() >= size:
        raise ValueError(f"its indices must lie in {-size}..{size - 1}")
    places: list[np.ndarray] = list(np.indices(indices.shape, sparse=True))
    places[axis] = indices.astype(np.int64)
    _place(call, data, tuple(places), updates)


def _scattered(call: Call) -> tuple[View, np.ndarray, View]:
    """What is written into, the places, and what is written."""
    values = [call.builder.values.get(call.input(index)) for index in (0, 2)]
    data, updates = (value if isinstance(value, View) else _zeros(value) for value in values)
    indices = call.constant(1)
    if call.text("reduction", "none") != "none":
        raise ValueError("a reduction is not supported")
    if indices.dtype.kind not in "iu":
        raise ValueError("its indices must be integers")
    if call.builder.batch > 1:
        raise ValueError(
            f"it is read for one image at a time: export with a batch of 1, not {call.builder.batch}"
        )
    return data, indices, updates


def _place(call: Call, data: View, places: tuple[np.ndarray, ...], updates: View) -> None:
    call.builder.spend(math.prod(data.shape) + math.prod(updates.shape))
    sources = tuple(dict.fromkeys((*data.sources, *updates.sources)))
    index = _renumbered(call, data, sources).copy()
    index[places] = _renumbered(call, updates, sources)
    give(call, View(sources, ()), index)


JOINS: dict[str, Handler] = {
    "Concat": concat,
    "ScatterElements": scatter_elements,
    "ScatterND": scatter,
}
"""Operator type to the function that adds it."""
