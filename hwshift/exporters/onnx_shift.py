"""A spatial shift in the operators ONNX has."""

from dataclasses import dataclass

import numpy as np

from hwshift.exporters.onnx_writer import Writer
from hwshift.network import ops
from hwshift.network.checks import Padding, Pair
from hwshift.network.graph import Node

__all__ = ["spatial_shift"]

_NODE_COST = 4096  # a node costs about as much as moving so many elements


def spatial_shift(node: Node, writer: Writer) -> None:
    """SpatialShift, in the form that `Writer.shift` names."""
    op = node.op
    assert isinstance(op, ops.SpatialShift)
    source = writer.as_map(node.inputs[0])
    channels, height, width = writer.shapes[node.name]
    moves = np.clip(op.moves, (-height, -width), (height, width))  # farther moves find zeros as well
    if not moves.any():
        writer.node("Identity", [source], node.name)
    elif writer.shift == "depthwise":
        _depthwise(node.name, source, op, writer)
    else:
        _slices(node.name, source, moves, (height, width), writer)


def _depthwise(name: str, source: str, op: ops.SpatialShift, writer: Writer) -> None:
    """One 1.0 per kernel; channels that leave the map altogether have none."""
    channels, *size = writer.shapes[name]
    offsets, dilation = op.offsets.astype(np.int64), op.dilation
    inside = np.flatnonzero((np.abs(op.moves) < size).all(axis=1))
    low = offsets[inside].min(axis=0, initial=0)
    high = offsets[inside].max(axis=0, initial=0)
    kernel = np.zeros((channels, 1, *(high - low + 1)), np.float32)
    kernel[inside, 0, *(offsets[inside] - low).T] = 1
    writer.node(
        "Conv",
        [source, writer.floats(name, "weight", kernel)],
        name,
        kernel_shape=kernel.shape[2:],
        strides=(1, 1),
        pads=[int(value) * dilation for value in (*-low, *high)],
        dilations=(dilation, dilation),
        group=channels,
    )


@dataclass(frozen=True)
class _Group:
    """Channels that move alike: those of ``range(start, stop, step)`` of the padded map."""

    start: int
    stop: int
    step: int
    move: Pair


def _slices(name: str, source: str, moves: np.ndarray, size: Pair, writer: Writer) -> None:
    """Pad, a Slice per group, Concat; where it is cheaper, channels of one offset are brought together."""
    order = np.lexsort((moves[:, 1], moves[:, 0]))  # stable: channels of one offset keep their order
    runs, sorted_runs, strided = _runs(moves), _runs(moves[order]), _strided(moves, order)
    elements = len(moves) * size[0] * size[1]
    plans = [
        (_NODE_COST * len(runs), runs, False, False),
        (_NODE_COST * (len(sorted_runs) + 2) + 2 * elements, sorted_runs, True, True),
    ]
    if strided is not None:
        plans.append((_NODE_COST * (len(strided) + 1) + elements, strided, False, True))
    _, groups, before, after = min(plans, key=lambda plan: plan[0])
    if before:
        indices = writer.ints(name, "together", order)
        source = writer.node("Gather", [source, indices], writer.name(f"{name}/sorted"), axis=1)
    low, high = moves.min(axis=0, initial=0), moves.max(axis=0, initial=0)
    border = (*(-low).tolist(), *high.tolist())
    pads = writer.ints(name, "pads", [0, 0, border[0], border[1], 0, 0, border[2], border[3]])
    padded = writer.node("Pad", [source, pads], writer.name(f"{name}/padded"))
    last = name if not after else writer.name(f"{name}/moved")
    _cut(name, padded, groups, border, size, last, writer)
    if after:
        indices = writer.ints(name, "apart", np.argsort(order))
        writer.node("Gather", [last, indices], name, axis=1)


def _cut(
    name: str, padded: str, groups: list[_Group], border: Padding, size: Pair, last: str, writer: Writer
) -> None:
    """The groups' slices of the padded map, joined to `last`."""
    axes = writer.ints(name, "axes", [1, 2, 3])
    parts = []
    for group in groups:
        first = (border[0] + group.move[0], border[1] + group.move[1])
        part = last if len(groups) == 1 else writer.name(f"{name}/part")
        inputs = [
            writer.ints(name, "starts", [group.start, *first]),
            writer.ints(name, "ends", [group.stop, first[0] + size[0], first[1] + size[1]]),
            axes,
            writer.ints(name, "steps", [group.step, 1, 1]),
        ]
        parts.append(writer.node("Slice", [padded, *inputs], part))
    if len(parts) > 1:
        writer.node("Concat", parts, last, axis=1)


def _runs(moves: np.ndarray) -> list[_Group]:
    """Neighbouring channels that move alike."""
    bounds = [0, *(np.flatnonzero((moves[1:] != moves[:-1]).any(axis=1)) + 1).tolist(), len(moves)]
    return [
        _Group(start, stop, 1, tuple(moves[start].tolist()))
        for start, stop in zip(bounds, bounds[1:], strict=False)
    ]


def _strided(moves: np.ndarray, order: np.ndarray) -> list[_Group] | None:
    """One group per offset where each one's channels have equal distances; in the order of `order`."""
    groups = []
    for run in _runs(moves[order]):
        channels = order[run.start : run.stop]
        step = int(channels[1] - channels[0]) if len(channels) > 1 else 1
        if (np.diff(channels) != step).any():
            return None
        groups.append(_Group(int(channels[0]), int(channels[-1]) + 1, step, run.move))
    return groups
