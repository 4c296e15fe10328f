"""From views to nodes: what an operator needs to read a value."""

from dataclasses import dataclass, replace

import numpy as np

from hwshift.importers.builder import Builder
from hwshift.importers.channels import pick, pick_or_zero
from hwshift.importers.views import ZERO, Trace, View, trace
from hwshift.network import ops
from hwshift.network.checks import Padding, Pair

__all__ = ["Window", "as_flat", "as_map", "as_vector", "as_window", "define"]


@dataclass(frozen=True)
class Window:
    """A map with zeros around it, or with lines cut off.

    Parameters
    ----------
    node : str
    padding : (top, left, bottom, right)
        Lines of zeros; negative at the bottom and right where lines are cut off.
    zeros : (rows, columns)
        How many lines at the node's own bottom and right are zero for sure.
    """

    node: str
    padding: Padding = (0, 0, 0, 0)
    zeros: Pair = (0, 0)


def define(builder: Builder, name: str, view: View) -> None:
    """Give a name of the graph a view that has just been computed; channels that are only picked become nodes."""
    if view.index is not None:
        builder.spend(view.index.size)
        view = _simplified(builder, view)
    if view.index is not None and (size := _map_size(builder, view)) is not None:
        found = trace(_map_index(view), size)
        if found and (found.channels != ZERO).all() and not found.moves.any() and _plain(found, size):
            node = pick(builder, view.sources, found.channels, view.origin)
            view = replace(builder.whole(node, len(view.shape)), origin=view.origin)
    builder.values[name] = view


def _simplified(builder: Builder, view: View) -> View:
    """Without an index where the elements stand in order."""
    index = view.elements
    if len(view.sources) == 1 and index.size == np.prod(builder.shapes[view.sources[0]]):
        flat = index.reshape(-1)
        if np.array_equal(flat, np.arange(flat.size, dtype=np.int32)):
            return replace(view, index=None)
    return view


def _plain(found: Trace, size: Pair) -> bool:
    return found.size == size and found.stride == found.upsample == (1, 1)


def _map_size(builder: Builder, view: View) -> Pair | None:
    """Rows and columns of the sources, None where they differ or where the view is no map."""
    sizes = {builder.shapes[source][1:] for source in view.sources}
    if len(sizes) > 1 or not 2 <= len(view.shape) <= 4 or view.shape[0] != 1 or 0 in view.shape:
        return None
    size = sizes.pop()
    return size if len(view.shape) == 4 or size[1] == 1 else None


def _map_index(view: View) -> np.ndarray:
    """The index with channels, rows and columns."""
    shape = (*view.shape[1:], 1, 1)[:3]
    return view.elements.reshape(shape)


def _is_whole(builder: Builder, view: View) -> bool:
    """Whether the view is a node's output as it is."""
    if view.index is not None or len(view.shape) > 4 or len(view.shape) < 2 or view.shape[0] != 1:
        return False
    return (*view.shape[1:], 1, 1)[:3] == builder.shapes[view.sources[0]]


def as_map(builder: Builder, name: str) -> str:
    """The node whose output this value is, as a map.

    Raises ValueError where its elements stand in an order that no operator gives.
    """
    view = builder.view(name)
    if _is_whole(builder, view):
        return view.sources[0]
    found, size = _traced(builder, name, view)
    node = _moved(builder, view, found)
    node = _sampled(builder, view, found, size, node)
    shape = tuple(value * factor for value, factor in zip(found.size, found.upsample, strict=True))
    if builder.shapes[node][1:] != shape:
        raise ValueError(
            f"its input {name!r} (from {view.origin!r}) is a map with zeros around it or lines cut off, which only "
            "a convolution or a pool can read"
        )
    builder.values[name] = replace(builder.whole(node, len(view.shape)), origin=view.origin)
    return node


def _traced(builder: Builder, name: str, view: View) -> tuple[Trace, Pair]:
    size = _map_size(builder, view)
    found = None
    if size is not None:
        builder.spend(int(np.prod(view.shape)))
        found = trace(_map_index(view), size)
    if found is None or size is None:
        raise ValueError(
            f"its input {name!r} (from {view.origin!r}) is reordered in a way that is no choice of channels, "
            "spatial shift, stride or nearest upsampling"
        )
    return found, size


def _moved(builder: Builder, view: View, found: Trace) -> str:
    """The channels, each shifted."""
    shifts = bool(found.moves.any())
    node = pick_or_zero(
        builder, view.sources, found.channels, f"{view.origin}_channels" if shifts else view.origin
    )
    if not shifts:
        return node
    return builder.add(view.origin, ops.SpatialShift(found.moves.astype(np.int64)), node)


def _sampled(builder: Builder, view: View, found: Trace, size: Pair, node: str) -> str:
    """Every n-th line, then each line n times."""
    if found.stride != (1, 1) and size != (1, 1):
        node = builder.add(f"{view.origin}_stride", ops.AveragePool((1, 1), found.stride), node)
    if found.upsample != (1, 1):
        node = builder.add(f"{view.origin}_upsample", ops.UpsampleNearest(found.upsample), node)
    return node


def as_window(builder: Builder, name: str) -> Window:
    """A map as a convolution or pool can read it: with zeros around it, or with lines cut off.

    Raises ValueError as `as_map`.
    """
    view = builder.view(name)
    if _is_whole(builder, view):
        return Window(view.sources[0])
    found, size = _traced(builder, name, view)
    if _plain(found, size) or found.stride != (1, 1) or found.upsample != (1, 1):
        return Window(as_map(builder, name))
    if (found.channels == ZERO).any() or not found.uniform:
        return Window(as_map(builder, name))
    dy, dx = found.moves[0].tolist()
    node = pick(builder, view.sources, found.channels, f"{view.origin}_channels")
    zeros = max(dy, 0), max(dx, 0)
    if any(zeros):
        offsets = np.tile(np.array(zeros, np.int64), (len(found.channels), 1))
        node = builder.add(view.origin, ops.SpatialShift(offsets), node)
    top, left = max(-dy, 0), max(-dx, 0)
    return Window(node, (top, left, found.size[0] - size[0] - top, found.size[1] - size[1] - left), zeros)


def as_vector(builder: Builder, name: str) -> str:
    """The node of shape (values, 1, 1) that holds these values in order. Raises ValueError as `as_map`."""
    view = builder.view(name)
    if view.index is None and builder.shapes[view.sources[0]][1:] != (1, 1):
        node = builder.add(f"{view.sources[0]}_flat", ops.Flatten(), view.sources[0])
        builder.values[name] = replace(view, sources=(node,))
        return node
    if view.index is None:
        return view.sources[0]
    return as_map(builder, name)


def as_flat(builder: Builder, name: str) -> tuple[str, np.ndarray | None]:
    """For a fully connected layer: the node it reads, and which of its flattened values stand where.

    Returns
    -------
    (str, ndarray of int or None)
        None: all in order; `ZERO` entries are zeros.
    """
    view = builder.view(name)
    if view.index is None:
        return view.sources[0], None
    order = view.index.reshape(-1)
    if len(view.sources) == 1:
        return view.sources[0], order
    flat = [
        source
        if builder.shapes[source][1:] == (1, 1)
        else builder.add(f"{source}_flat", ops.Flatten(), source)
        for source in view.sources
    ]
    return builder.add(f"{view.origin}_joined", ops.Concat(), *flat), order


def as_gate(builder: Builder, name: str) -> tuple[tuple[str, ...], np.ndarray] | None:
    """A value per channel, also where it has been expanded to a map: nodes of single pixels and the channels' order.

    None for any other map.
    """
    view = builder.view(name)
    size = _map_size(builder, view)
    if size != (1, 1):
        return None
    if view.index is None:
        return view.sources, np.arange(builder.shapes[view.sources[0]][0])
    found = trace(_map_index(view), size)
    if found is None or found.size != (1, 1) or (found.channels == ZERO).any():
        return None
    return view.sources, found.channels
