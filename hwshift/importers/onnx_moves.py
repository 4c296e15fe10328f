"""ONNX operators that place the elements of one map: reshapes, transposes, slices, pads."""

import math
from dataclasses import replace

import numpy as np

from hwshift.importers.channels import pick
from hwshift.importers.onnx_call import Call, Handler
from hwshift.importers.views import ZERO, View

__all__ = ["MOVES", "axis_of", "give", "per_image"]


_OPEN = (1 << 31) - 1  # the least end of a slice that stands for all of an axis of open size


def _elements(call: Call, view: View) -> np.ndarray:
    if view.index is None:
        call.builder.spend(math.prod(view.shape))
    return view.elements


def give(call: Call, view: View, index: np.ndarray, output: int = 0) -> None:
    """Let an output show these elements of the view's sources. Raises ValueError where there are none."""
    if index.size == 0:
        raise ValueError("it gives an empty map")
    call.give(replace(view, shape=index.shape, index=index), output)


def axis_of(axis: int, rank: int) -> int:
    """An axis counted from the front. Raises ValueError where there is none."""
    if not -rank <= axis < rank:
        raise ValueError(f"the axis must lie in {-rank}..{rank - 1}, not {axis}")
    return axis % rank


def per_image(call: Call, mixes: bool) -> None:
    """Refuse what looks at several images, unless the file has one at a time."""
    if mixes and call.builder.batch != 1:
        raise ValueError("it does not keep the images of a batch apart (axis 0)")


def identity(call: Call) -> None:
    """Identity, and Dropout at inference."""
    if call.op == "Dropout" and call.optional(2) is not None and call.constant(2).any():
        raise ValueError("training_mode is not supported: export the model for inference")
    if call.op == "Cast" and call.integer("to", 1) not in (1, 11):
        raise ValueError("a map can be cast to float and double only")
    call.builder.values[call.node.output[0]] = call.view()


def reshape(call: Call) -> None:
    """Reshape."""
    view, sizes = call.view(), call.values(1)
    if sizes is None:
        raise ValueError("its shape is missing")
    batch = call.builder.batch
    if batch > 1 and sizes[:1] not in ([batch], [0], [-1]):
        raise ValueError(f"it does not keep the images of a batch of {batch} apart: {sizes}")
    if batch > 1 and sizes[0] == batch:
        sizes[0] = 1
    if not call.integer("allowzero", 0):
        sizes = [view.shape[axis] if size == 0 and axis < len(view.shape) else size
                 for axis, size in enumerate(sizes)]  # fmt: skip
    known = math.prod(size for size in sizes if size != -1)
    total = math.prod(view.shape)
    if sizes.count(-1) == 1 and known > 0 and total % known == 0:
        sizes[sizes.index(-1)] = total // known
    if min(sizes, default=1) < 1 or math.prod(sizes) != total:
        raise ValueError(f"{view.shape} cannot be reshaped to {call.values(1)}")
    per_image(call, batch > 1 and sizes[:1] != [1])
    call.give(view.reshaped(tuple(sizes)))


def flatten(call: Call) -> None:
    """Flatten."""
    view = call.view()
    axis = call.integer("axis", 1)
    if axis != len(view.shape):
        axis = axis_of(axis, len(view.shape))
    per_image(call, call.builder.batch > 1 and axis == 0)
    call.give(view.reshaped((math.prod(view.shape[:axis]), math.prod(view.shape[axis:]))))


def squeeze(call: Call) -> None:
    """Squeeze and Unsqueeze."""
    view, axes = call.view(), call.axes(1)
    if axes is None and call.op == "Squeeze":
        first = 0 if call.builder.batch == 1 else 1
        axes = [axis for axis in range(first, len(view.shape)) if view.shape[axis] == 1]
    if axes is None:
        raise ValueError("axes are missing")
    rank = len(view.shape) + (len(axes) if call.op == "Unsqueeze" else 0)
    if rank > 16:
        raise ValueError(f"a value of {rank} dimensions is not supported")
    chosen = {axis_of(axis, rank) for axis in axes}
    if len(chosen) < len(axes):
        raise ValueError(f"axes must be different, not {axes}")
    per_image(call, 0 in chosen)
    if call.op == "Unsqueeze":
        rest = iter(view.shape)
        call.give(view.reshaped(tuple(1 if axis in chosen else next(rest) for axis in range(rank))))
        return
    if any(view.shape[axis] != 1 for axis in chosen):
        raise ValueError(f"only axes of size 1 can be removed, not {axes} of {view.shape}")
    call.give(view.reshaped(tuple(size for axis, size in enumerate(view.shape) if axis not in chosen)))


def transpose(call: Call) -> None:
    """Transpose."""
    view = call.view()
    rank = len(view.shape)
    order = call.integers("perm") or list(range(rank))[::-1]
    if sorted(order) != list(range(rank)):
        raise ValueError(f"perm must be a permutation of 0..{rank - 1}, not {order}")
    per_image(call, rank > 0 and order[0] != 0)
    moved = [axis for axis in order if view.shape[axis] != 1]
    shape = tuple(view.shape[axis] for axis in order)
    if moved == sorted(moved):  # only axes of size 1 change places
        call.give(view.reshaped(shape))
    else:
        give(call, view, _elements(call, view).transpose(order))


def slices(call: Call) -> None:
    """Slice, with any steps."""
    view, starts, ends = call.view(), call.values(1), call.values(2)
    if starts is None or ends is None:
        raise ValueError("starts and ends must be given")
    axes, steps = call.values(3), call.values(4)
    axes = list(range(len(starts))) if axes is None else [axis_of(axis, len(view.shape)) for axis in axes]
    steps = [1] * len(starts) if steps is None else steps
    if not len(starts) == len(ends) == len(axes) == len(steps) == len(set(axes)) or 0 in steps:
        raise ValueError(f"starts, ends, axes and steps do not agree: {starts}, {ends}, {axes}, {steps}")
    if any(axis >= len(view.shape) for axis in axes):
        raise ValueError(f"axes must lie in 0..{len(view.shape) - 1}, not {axes}")
    ranges = [range(size) for size in view.shape]
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        all_images = start == 0 and step == 1 and end >= (call.builder.batch or _OPEN)
        per_image(call, axis == 0 and not all_images)
        ranges[axis] = ranges[axis][start:end:step]
    _give_ranges(call, view, ranges)


def _give_ranges(call: Call, view: View, ranges: list[range], output: int = 0) -> None:
    """Some of the elements along each axis."""
    if any(len(each) == 0 for each in ranges):
        raise ValueError("it gives an empty map")
    others = [axis for axis in range(len(ranges)) if axis != 1 and ranges[axis] != range(view.shape[axis])]
    if not others and _give_channels(call, view, np.array(ranges[1], np.int64), output):
        return
    index = _elements(call, view)
    for axis, each in enumerate(ranges):
        stop = each.stop if each.step > 0 or each.stop >= 0 else None
        index = index[(*[slice(None)] * axis, slice(each.start, stop, each.step))]
    give(call, view, np.ascontiguousarray(index), output)


def _give_channels(call: Call, view: View, order: np.ndarray, output: int = 0) -> bool:
    """Without placing elements: channels of a node's whole output. Returns whether it is that simple."""
    if (
        view.index is not None
        or len(view.shape) != 4
        or view.shape[1:] != call.builder.shapes[view.sources[0]]
    ):
        return False
    node = pick(call.builder, view.sources, order, call.name if output == 0 else f"{call.name}_{output}")
    call.builder.values[call.node.output[output]] = replace(call.builder.whole(node), origin=call.name)
    return True


def split(call: Call) -> None:
    """Split."""
    view = call.view()
    axis = axis_of(call.integer("axis", 0), len(view.shape))
    per_image(call, axis == 0)
    size, count = view.shape[axis], len(call.node.output)
    parts = call.integers("split") if call.has("split") else call.values(1)
    if parts is None:
        if call.opset >= 18 and call.integer("num_outputs", 0) != count:
            raise ValueError(f"the parts' sizes or num_outputs = {count} must be given")
        part = -(-size // count)
        parts = [max(0, min(part, size - part * number)) for number in range(count)]
        if call.opset < 18 and size % count:
            raise ValueError(f"{size} cannot be split into {count} equal parts")
    if len(parts) != count or min(parts) < 1 or sum(parts) != size:
        raise ValueError(f"the parts {parts} do not make {count} outputs of {size}")
    start = 0
    for number, part in enumerate(parts):
        ranges = [range(length) for length in view.shape]
        ranges[axis] = range(start, start + part)
        if call.node.output[number]:
            _give_ranges(call, view, ranges, number)
        start += part


def gather(call: Call) -> None:
    """Gather with constant indices."""
    view, indices = call.view(), call.constant(1)
    axis = axis_of(call.integer("axis", 0), len(view.shape))
    size = view.shape[axis]
    if indices.dtype.kind not in "iu" or indices.size == 0:
        raise ValueError("its indices must be integers, at least one")
    if indices.min() < -size or indices.max() >= size:
        raise ValueError(f"its indices must lie in {-size}..{size - 1}")
    per_image(call, axis == 0)
    indices = np.where(indices < 0, indices + size, indices).astype(np.int64)
    if axis == 1 and indices.ndim == 1 and _give_channels(call, view, indices):
        return
    if len(view.shape) + indices.ndim > 17:
        raise ValueError("its indices have too many dimensions")
    call.builder.spend(math.prod(view.shape) // size * indices.size)
    give(call, view, np.take(_elements(call, view), indices, axis=axis))


def gather_nd(call: Call) -> None:
    """GatherND with constant indices, as PyTorch writes an index of tensors."""
    view, indices = call.view(), call.constant(1)
    batch = call.integer("batch_dims", 0)
    if indices.dtype.kind not in "iu" or indices.size == 0 or indices.ndim == 0:
        raise ValueError("its indices must be integers, at least one")
    depth, rest = indices.shape[-1], view.shape[batch:]
    if not 0 <= batch < indices.ndim or indices.shape[:batch] != view.shape[:batch] or depth > len(rest):
        raise ValueError(f"indices of the shape {indices.shape} do not fit {view.shape}")
    if len(rest) - depth + indices.ndim > 17:
        raise ValueError("its indices have too many dimensions")
    sizes = np.array(rest[:depth], np.int64)
    if (indices < -sizes).any() or (indices >= sizes).any():
        raise ValueError(f"its indices must lie within the sizes {rest[:depth]}")
    per_image(call, batch == 0)
    call.builder.spend(indices.size // depth * math.prod(rest[depth:]))
    chosen = np.where(indices < 0, indices + sizes, indices).astype(np.int64)
    own = [np.arange(size).reshape(-1, *[1] * (indices.ndim - 2 - axis))
           for axis, size in enumerate(indices.shape[:batch])]  # fmt: skip
    give(call, view, _elements(call, view)[(*own, *np.moveaxis(chosen, -1, 0))])


def pad(call: Call) -> None:
    """Pad with zeros; negative amounts cut off."""
    view = call.view()
    rank = len(view.shape)
    mode = call.text("mode", "constant")
    if mode != "constant":
        raise ValueError(f"mode {mode!r} is not supported, only 'constant'")
    if call.optional(2) is not None and call.constant(2).any():
        raise ValueError("only zeros can be padded")
    pads, axes = call.values(1) or [], call.values(3)
    axes = list(range(rank)) if axes is None else [axis_of(axis, rank) for axis in axes]
    if len(pads) != 2 * len(axes) or len(set(axes)) < len(axes):
        raise ValueError(f"pads must be two values per axis, not {pads}")
    before, after = [0] * rank, [0] * rank
    for position, axis in enumerate(axes):
        before[axis], after[axis] = pads[position], pads[position + len(axes)]
    per_image(call, bool(before[0] or after[0]))
    shape = tuple(b + size + a for b, size, a in zip(before, view.shape, after, strict=True))
    if min(shape) < 1:
        raise ValueError(f"the pads {pads} leave nothing of {view.shape}")
    call.builder.spend(math.prod(shape))
    index = _elements(call, view)
    kept = tuple(
        slice(max(0, -b), size - max(0, -a)) for b, size, a in zip(before, view.shape, after, strict=True)
    )
    if all(part.start < part.stop for part in kept):
        index = np.pad(index[kept], [(max(0, b), max(0, a)) for b, a in zip(before, after, strict=True)],
                       constant_values=ZERO)  # fmt: skip
    else:
        index = np.full(shape, ZERO, np.int32)
    if not (index != ZERO).any():
        raise ValueError("it gives nothing but zeros")
    give(call, view, index)


def expand(call: Call) -> None:
    """Expand."""
    view, target = call.view(), call.values(1) or []
    if call.builder.batch > 1 and len(target) == len(view.shape) and target[:1] == [call.builder.batch]:
        target[0] = 1
    if len(target) > 16 or min(target, default=1) < 1:
        raise ValueError(f"a shape of at most 16 sizes of at least 1 is needed, not {target}")
    rank = max(len(target), len(view.shape))
    pairs = zip(
        (*[1] * (rank - len(view.shape)), *view.shape), (*[1] * (rank - len(target)), *target), strict=True
    )
    sizes = [(one, other) for one, other in pairs]
    if any(1 not in pair and pair[0] != pair[1] for pair in sizes):
        raise ValueError(f"{view.shape} cannot be expanded to {target}")
    shape = tuple(max(pair) for pair in sizes)
    per_image(call, rank > len(view.shape) or shape[0] != view.shape[0])
    if math.prod(shape) == math.prod(view.shape):
        call.give(view.reshaped(shape))
        return
    call.builder.spend(math.prod(shape))
    give(call, view, np.broadcast_to(_elements(call, view), shape).copy())


MOVES: dict[str, Handler] = {
    **dict.fromkeys(("Cast", "Dropout", "Identity"), identity),
    **dict.fromkeys(("Squeeze", "Unsqueeze"), squeeze),
    "Expand": expand,
    "Flatten": flatten,
    "Gather": gather,
    "GatherND": gather_nd,
    "Pad": pad,
    "Reshape": reshape,
    "Slice": slices,
    "Split": split,
    "Transpose": transpose,
}
"""Operator type to the function that adds it."""
