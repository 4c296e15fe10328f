"""ONNX's Resize, where it repeats each line of a map."""

import math
from fractions import Fraction

import numpy as np

from hwshift.importers.onnx_call import Call
from hwshift.importers.settle import as_map
from hwshift.importers.views import View
from hwshift.network import ops

__all__ = ["resize"]


def resize(call: Call) -> None:
    """Resize: nearest, where each line of the result is line ``y // factor`` of the map."""
    view = call.view()
    if len(view.shape) != 4:
        raise ValueError(f"it is supported for maps of four dimensions, not {len(view.shape)}")
    mode = call.text("mode", "nearest")
    if mode != "nearest":
        raise ValueError(f"mode {mode!r} is not supported, only 'nearest'")
    factors = _factors(call, view)
    coordinates = call.text("coordinate_transformation_mode", "half_pixel")
    rounding = call.text("nearest_mode", "round_prefer_floor")
    for axis in (2, 3):
        _check_lines(view.shape[axis], factors[axis], coordinates, rounding)
    if math.prod(view.shape) * factors[2] * factors[3] > 1 << 28:
        raise ValueError("its result is too large")
    node = as_map(call.builder, call.input())
    if factors[2:] != [1, 1]:
        node = call.builder.add(call.name, ops.UpsampleNearest((factors[2], factors[3])), node)
    call.give_node(node)


def _factors(call: Call, view: View) -> list[int]:
    """By how much each axis grows; 1 for batch and channels."""
    axes = [axis + 4 if axis < 0 else axis for axis in call.integers("axes") or range(4)]
    if not set(axes) <= set(range(4)):
        raise ValueError(f"axes must lie in -4..3, not {axes}")
    result = [Fraction(1)] * 4
    sizes = call.values(3)
    scales = None if call.optional(2) is None else call.constant(2).reshape(-1)
    if scales is not None and scales.size and scales.dtype.kind == "f" and np.isfinite(scales).all():
        given = [Fraction(float(scale)) for scale in scales]
    elif sizes and call.text("keep_aspect_ratio_policy", "stretch") == "stretch":
        given = [Fraction(size, view.shape[axis]) for size, axis in zip(sizes, axes, strict=False)]
        if 0 in axes and sizes and sizes[axes.index(0)] == call.builder.batch:
            given[axes.index(0)] = Fraction(1)
    else:
        raise ValueError("constant scales, or sizes that are stretched to, are needed")
    if len(given) != len(axes):
        raise ValueError(f"one scale or size per axis is needed, not {len(given)} for {len(axes)}")
    for axis, factor in zip(axes, given, strict=True):
        result[axis] = factor
    if result[:2] != [1, 1] or any(factor.denominator != 1 or factor < 1 for factor in result):
        told = ", ".join(str(float(factor)) for factor in result)
        raise ValueError(f"rows and columns can grow by whole factors, nothing else; not by {told}")
    return [int(factor) for factor in result]


def _check_lines(size: int, factor: int, coordinates: str, rounding: str) -> None:
    """That line y of the result is line ``y // factor``.

    All coordinate modes but one move on by a whole line after `factor` lines, so that the ends tell everything.
    """
    count = size * factor
    if count > 1 << 16:
        raise ValueError(f"its result has {count} rows or columns, {1 << 16} are allowed")
    ends = range(count) if coordinates == "align_corners" else (
        *range(min(count, 2 * factor)), *range(max(0, count - 2 * factor), count))  # fmt: skip
    for y in ends:
        place = _place(y, size, factor, coordinates)
        line = min(max(_rounded(place, rounding), 0), size - 1)
        if line != y // factor:
            raise ValueError(
                f"coordinate_transformation_mode {coordinates!r} with nearest_mode {rounding!r} reads line {line} "
                f"for line {y}, only line {y // factor} (address / {factor}) is supported"
            )


def _place(y: int, size: int, factor: int, coordinates: str) -> Fraction:
    count = size * factor
    match coordinates:
        case "half_pixel" | "half_pixel_symmetric":
            return Fraction(2 * y + 1, 2 * factor) - Fraction(1, 2)
        case "pytorch_half_pixel":
            return Fraction(2 * y + 1, 2 * factor) - Fraction(1, 2) if count > 1 else Fraction(0)
        case "asymmetric":
            return Fraction(y, factor)
        case "align_corners":
            return Fraction(y * (size - 1), count - 1) if count > 1 else Fraction(0)
        case "tf_half_pixel_for_nn":
            return Fraction(2 * y + 1, 2 * factor)
    raise ValueError(f"coordinate_transformation_mode {coordinates!r} is not supported")


def _rounded(place: Fraction, rounding: str) -> int:
    match rounding:
        case "floor":
            return math.floor(place)
        case "ceil":
            return math.ceil(place)
        case "round_prefer_floor":
            return math.ceil(place - Fraction(1, 2))
        case "round_prefer_ceil":
            return math.floor(place + Fraction(1, 2))
    raise ValueError(f"nearest_mode {rounding!r} is not supported")
