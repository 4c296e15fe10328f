"""Inner products held in registers: what a loop over arrays cannot say.

A block is `ROWS` output channels times `COLUMNS` pixels; its sums stay in registers over all taps, so that the
multiplier, not memory, is the limit. In float64 a sum of integers is exact as long as every partial sum stays
below 2**53, and a fused multiply-add does in one instruction what takes two in integers.

Arguments are one-dimensional arrays, each with the index of its first element: weights of shape (taps, ROWS),
panel (taps, COLUMNS), sums (ROWS, COLUMNS).
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from hwshift.golden.llvm import (
    FLOATS,
    I32,
    I64,
    INTEGERS,
    LANES,
    VECTORS,
    Loop,
    address,
    call,
    gather,
    load,
    spread,
    store,
    zeros,
)

__all__ = [
    "COLUMNS",
    "ROWS",
    "direct_block",
    "gather_panel",
    "integer_block",
    "pack_panel",
    "product_block",
    "scattered_block",
    "tap_sum",
    "term_block",
]

ROWS = 8 if LANES == 8 else 4
"""Output channels of a block."""
COLUMNS = VECTORS * LANES
"""Pixels of a block: with ROWS it fills the registers, sums, one column of pixels and one weight."""


def _block(vector: ir.VectorType, pixel: Callable, weight: Callable, term: Callable) -> Callable:
    """Code of ``sums[r, c] = sum over k of term(panel[k, c], weights[k, r])``.

    ``pixel(builder, vector)`` and ``weight(builder, pointer, taps)`` prepare the operands, ``term(builder, pixel,
    weight, sum)`` gives the new sum.
    """

    def code(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        weights, panel, sums = (address(context, builder, signature, args, i, args[i + 1]) for i in (0, 2, 4))
        loop = Loop(builder, args[6], [zeros(vector)] * (ROWS * VECTORS))
        column = builder.gep(panel, [builder.mul(loop.index, I64(COLUMNS))])
        row = builder.gep(weights, [builder.mul(loop.index, I64(ROWS))])
        pixels = [pixel(builder, load(builder, column, v * LANES)) for v in range(VECTORS)]
        new = []
        for r in range(ROWS):
            w = weight(builder, builder.gep(row, [I64(r)]), args[6])
            new += [term(builder, pixels[v], w, loop.values[r * VECTORS + v]) for v in range(VECTORS)]
        loop.close(new)
        for i, value in enumerate(loop.values):
            store(builder, value, sums, i * LANES)
        return context.get_dummy_value()

    return code


def _as_it_is(builder: ir.IRBuilder, value: ir.Value) -> ir.Value:
    return value


def _one_weight(builder: ir.IRBuilder, where: ir.Value, taps: ir.Value) -> ir.Value:
    return spread(builder, builder.load(where))


def _fused(builder: ir.IRBuilder, pixel: ir.Value, weight: ir.Value, total: ir.Value) -> ir.Value:
    return call(builder, "fma", pixel, weight, total)


def _factor_and_sign(builder: ir.IRBuilder, where: ir.Value, taps: ir.Value) -> tuple[ir.Value, ir.Value]:
    sign = builder.gep(where, [builder.mul(taps, I64(ROWS))])
    return spread(builder, builder.load(where)), spread(builder, builder.load(sign))


def _floored(builder: ir.IRBuilder, pixel: ir.Value, weight: tuple, total: ir.Value) -> ir.Value:
    return call(builder, "fma", call(builder, "floor", builder.fmul(pixel, weight[0])), weight[1], total)


def _narrow(builder: ir.IRBuilder, value: ir.Value) -> ir.Value:
    """Known to have 32 bits: a product is then one instruction where 64 bits take many."""
    return builder.sext(builder.trunc(value, ir.VectorType(I32, LANES)), INTEGERS)


def _integer_weight(builder: ir.IRBuilder, where: ir.Value, taps: ir.Value) -> ir.Value:
    code = builder.fptosi(builder.load(where), I64)
    return spread(builder, builder.sext(builder.trunc(code, I32), I64))


def _integer(builder: ir.IRBuilder, pixel: ir.Value, weight: ir.Value, total: ir.Value) -> ir.Value:
    return builder.add(total, builder.mul(pixel, weight))


@intrinsic
def product_block(context, weights, w_at, panel, p_at, sums, s_at, taps):
    """``sums[r, c] = sum over k of panel[k, c] * weights[k, r]`` in float64."""
    signature = types.void(weights, w_at, panel, p_at, sums, s_at, taps)
    return signature, _block(FLOATS, _as_it_is, _one_weight, _fused)


@intrinsic
def term_block(context, weights, w_at, panel, p_at, sums, s_at, taps):
    """``sums[r, c] = sum over k of sign[k, r] * floor(panel[k, c] * factor[k, r])`` in float64.

    ``weights``: the factors, then the signs, each of shape (taps, ROWS).
    """
    signature = types.void(weights, w_at, panel, p_at, sums, s_at, taps)
    return signature, _block(FLOATS, _as_it_is, _factor_and_sign, _floored)


@intrinsic
def integer_block(context, weights, w_at, panel, p_at, sums, s_at, taps):
    """As `product_block` with panel and sums of int64; pixels and weights (still float64) of 32 bits."""
    signature = types.void(weights, w_at, panel, p_at, sums, s_at, taps)
    return signature, _block(INTEGERS, _narrow, _integer_weight, _integer)


def _direct(read: Callable) -> Callable:
    """Code of ``sums[c] = sum over k of weights[k] * read(row of tap k, c)`` for one row of COLUMNS."""

    def code(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        weights, taps, memory, sums = (
            address(context, builder, signature, args, i, args[i + 1]) for i in (0, 2, 4, 6)
        )
        where = address(context, builder, signature, args, 9, args[10]) if len(args) > 9 else None
        loop = Loop(builder, args[8], [zeros(FLOATS)] * VECTORS)
        row = builder.gep(memory, [builder.load(builder.gep(taps, [loop.index]))])
        w = spread(builder, builder.load(builder.gep(weights, [loop.index])))
        pixels = [builder.sitofp(read(builder, row, where, v), FLOATS) for v in range(VECTORS)]
        loop.close([_fused(builder, pixels[v], w, loop.values[v]) for v in range(VECTORS)])
        for v, value in enumerate(loop.values):
            store(builder, value, sums, v * LANES)
        return context.get_dummy_value()

    return code


@intrinsic
def direct_block(context, weights, w_at, taps, t_at, memory, place, sums, s_at, count):
    """``sums[c] = sum over k of memory[taps[k] + place + c] * weights[k]`` in float64, for one row of COLUMNS.

    ``memory`` is an array of int32.
    """
    signature = types.void(weights, w_at, taps, t_at, memory, place, sums, s_at, count)
    return signature, _direct(lambda builder, row, _, v: load(builder, row, v * LANES))


@intrinsic
def scattered_block(context, weights, w_at, taps, t_at, memory, place, sums, s_at, count, where, x_at):
    """As `direct_block` with ``memory[taps[k] + place + where[c]]``."""
    signature = types.void(weights, w_at, taps, t_at, memory, place, sums, s_at, count, where, x_at)
    return signature, _direct(gather)


@intrinsic
def tap_sum(context, weights, w_at, taps, t_at, memory, place, count):
    """``sum over k of memory[taps[k] + place] * weights[k]`` in float64, for one pixel and LANES * ``count`` taps."""

    def code(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        weights, taps, memory = (
            address(context, builder, signature, args, i, args[i + 1]) for i in (0, 2, 4)
        )
        loop = Loop(builder, args[6], [zeros(FLOATS)])
        first = builder.mul(loop.index, I64(LANES))
        pixels = builder.sitofp(gather(builder, memory, builder.gep(taps, [first]), 0), FLOATS)
        loop.close([_fused(builder, pixels, load(builder, weights, first), loop.values[0])])
        parts = [builder.extract_element(loop.values[0], I32(lane)) for lane in range(LANES)]
        while len(parts) > 1:
            parts = [builder.fadd(a, b) for a, b in zip(parts[::2], parts[1::2], strict=True)]
        return parts[0]

    return types.float64(weights, w_at, taps, t_at, memory, place, count), code


@intrinsic
def pack_panel(context, packed, p_at, memory, place, taps, t_at, count):
    """``packed[k, c] = memory[taps[k] + place + c]`` for ``count`` taps: int32 as float64 or int64."""
    return types.void(packed, p_at, memory, place, taps, t_at, count), _pack(packed.dtype)


@intrinsic
def gather_panel(context, packed, p_at, memory, place, taps, t_at, count, where, w_at):
    """``packed[k, c] = memory[taps[k] + place + where[c]]``, otherwise as `pack_panel`."""
    return types.void(packed, p_at, memory, place, taps, t_at, count, where, w_at), _pack(packed.dtype)


def _pack(dtype: Any) -> Callable:
    def code(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        packed, memory, taps = (address(context, builder, signature, args, i, args[i + 1]) for i in (0, 2, 4))
        where = address(context, builder, signature, args, 7, args[8]) if len(args) > 7 else None
        loop = Loop(builder, args[6], [])
        row = builder.gep(memory, [builder.load(builder.gep(taps, [loop.index]))])
        target = builder.gep(packed, [builder.mul(loop.index, I64(COLUMNS))])
        for v in range(VECTORS):
            codes = load(builder, row, v * LANES) if where is None else gather(builder, row, where, v)
            real = isinstance(dtype, types.Float)
            values = builder.sitofp(codes, FLOATS) if real else builder.sext(codes, INTEGERS)
            store(builder, values, target, v * LANES)
        loop.close([])
        return context.get_dummy_value()

    return code
