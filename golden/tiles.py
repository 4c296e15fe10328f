"""The matrix unit of x86 processors (AMX): products of bytes, 16 output channels by 16 pixels by up to 64 taps.

Numbers are cut into limbs of a byte (`hwshift.golden.limbs`). The product of limb i of a weight and limb j of a pixel
counts ``2**(8 * (i + j))``; products of one i + j are summed in one tile of 32-bit integers, in which a sum over all
taps fits. Of few taps all limbs are signed, and all products of one i + j are one product of tiles. The sums of a
tile, weighted and added, are integers below 2**53, so that float64 holds them and all that comes in between.

Scratch is an array of int64 taken as bytes from its first whole cache line on: `PANEL` times `SUMS` tiles, then
pixels of shape (tiles, chunks, limbs, chunk / 4, 16 pixels, 4 taps).
"""

import ctypes
import os
import platform
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from hwshift.golden.limbs import LIMBS, MOST_LIMBS, ROW, SPARE, TILE
from hwshift.golden.llvm import FLOATS, I32, I64, LANES, VECTORS, Loop, address, call, load, spread, store
from hwshift.golden.x86 import (
    CODES,
    COMPILED,
    I8,
    PIXELS,
    byte,
    cases,
    prefetch,
    read_codes,
    read_every_second,
    read_masked,
    scratch,
    where_compiled,
    x86,
)

__all__ = [
    "CHOICES",
    "MASKED",
    "PANEL",
    "SUMS",
    "available",
    "combine_rows",
    "configure",
    "merged_product",
    "pack_tile",
    "product_tile",
    "release",
    "tile_choice",
    "tile_words",
    "use_tiles",
]

SUMS = 6
"""Tiles of sums: for each i + j."""
PANEL = VECTORS * LANES * 2 // PIXELS
"""Tiles whose sums are kept at a time: they are two rows of COLUMNS."""

MASKED = 3
"""Instead of a stride: 1, and what lies beside the map is not read."""

CHOICES = ("auto", "never", "always")
_default = os.environ.get("HWSHIFT_TILES", CHOICES[0])
if _default not in CHOICES:
    raise ValueError(f"HWSHIFT_TILES must be one of {', '.join(CHOICES)}, not {_default!r}")
_choice = ContextVar("tile choice", default=_default)


def available() -> bool:
    """Whether this process may use the unit; the first call asks the system for it."""
    return COMPILED and sys.platform == "linux" and platform.machine() == "x86_64" and _permitted()


def tile_choice() -> str:
    """When plans use tiles: "auto" where they are quicker, "always" wherever they can, "never"."""
    return _choice.get()


@contextmanager
def use_tiles(choice: str) -> Iterator[None]:
    """Networks that are run inside, by this thread or task, use tiles as `CHOICES` says."""
    if choice not in CHOICES:
        raise ValueError(f"choice must be one of {', '.join(CHOICES)}, not {choice!r}")
    token = _choice.set(choice)
    try:
        yield
    finally:
        _choice.reset(token)


def _permitted() -> bool:
    arch_prctl, request_permission, tile_data = 158, 0x1023, 18
    return ctypes.CDLL(None).syscall(arch_prctl, request_permission, tile_data) == 0


def tile_words(pixels: int, taps: int) -> int:
    """Words of scratch for so many pixels and taps."""
    tiles = -(-pixels // PIXELS)
    return (ROW + PANEL * SUMS * TILE + tiles * PIXELS * 4 * (taps + 4 * (taps // ROW + 1))) // 8 + 1


def _unit(builder: ir.IRBuilder, name: str, *values: ir.Value) -> None:
    x86(builder, name, ir.VoidType(), *values)


@intrinsic
def configure(context, table, at):
    """Load the unit's configuration; no other call of this module but `release` works without one."""

    def code(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> None:
        _unit(builder, "ldtilecfg", address(context, builder, signature, args, 0, args[1]))

    return types.void(table, types.int64), where_compiled(code)


@intrinsic
def release(context):
    """Leave the unit as it was found."""

    def code(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> None:
        _unit(builder, "tilerelease")

    return types.void(), where_compiled(code)


@intrinsic
def pack_tile(
    context, room, tile, memory, place, taps, t_at, chunk, chunks, limbs, where, w_at, stride, ahead, signed, edges,
    e_at,
):  # fmt: skip
    """Limbs of 16 pixels ``memory[taps[k] + place + stride * p]``.

    Stride 1 or 2; or 0 for ``memory[taps[k] + where[p]]``; or MASKED, which is 1 for pixels whose bits are set in the
    two bytes ``edges[where[k] + e_at :]``; the others are not read, and 0. What is ``ahead`` strides behind is asked
    for, unless the stride is 0.
    """

    def code(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> None:
        base = byte(builder, scratch(context, builder, signature, args, 0), PANEL * SUMS * TILE)
        taps, where = (address(context, builder, signature, args, i, args[i + 1]) for i in (4, 9))
        chunk, chunks, limbs = args[6:9]
        one = builder.mul(limbs, builder.mul(chunk, I64(PIXELS)))
        base = byte(builder, base, builder.mul(args[1], builder.mul(one, chunks)))

        def body(n: int, stride: int, signed: bool) -> None:
            memory = address(context, builder, signature, args, 2, args[3] if stride else I64(0))
            halves = None if stride else [load(builder, where, half * LANES) for half in (0, 1)]
            masks = address(context, builder, signature, args, 14, args[15])
            loop = Loop(builder, chunks, [])
            own = byte(builder, base, builder.mul(loop.index, one))
            quads = builder.udiv(chunk, I64(4))
            inner = Loop(builder, quads, [])
            first = builder.mul(builder.add(builder.mul(loop.index, quads), inner.index), I64(4))
            planes = [
                builder.gep(memory, [builder.load(builder.gep(taps, [builder.add(first, I64(i))]))])
                for i in range(4)
            ]
            if stride:
                for plane in planes:
                    prefetch(builder, plane, builder.mul(args[12], I64(2 if stride == 2 else 1)))
            if stride == MASKED:
                bits = [builder.load(builder.gep(where, [builder.add(first, I64(i))])) for i in range(4)]
                codes = [
                    read_masked(builder, plane, builder.gep(masks, [at]))
                    for plane, at in zip(planes, bits, strict=True)
                ]
            elif stride == 2:
                codes = [read_every_second(builder, plane) for plane in planes]
            else:
                codes = [read_codes(builder, plane, halves) for plane in planes]
            for j, bytes_ in enumerate(_transposed(builder, codes, n, signed)):
                at = builder.add(
                    builder.mul(builder.mul(chunk, I64(PIXELS)), I64(j)), builder.mul(inner.index, I64(ROW))
                )
                builder.store(bytes_, builder.bitcast(byte(builder, own, at), CODES.as_pointer())).align = ROW
            inner.close([])
            loop.close([])

        cases(builder, args[11], range(4), lambda stride: cases(
            builder, limbs, range(LIMBS[0], MOST_LIMBS + 1), lambda n: cases(
                builder, args[13], range(2), lambda signed: body(n, stride, bool(signed))
            )
        ))  # fmt: skip

    return types.void(
        room, types.int64, memory, types.int64, taps, *[types.int64] * 4, where, *[types.int64] * 4, edges, types.int64,
    ), where_compiled(code)  # fmt: skip


def _transposed(builder: ir.IRBuilder, codes: list[ir.Value], limbs: int, signed: bool) -> list[ir.Value]:
    """From 4 vectors of codes ``limbs`` vectors, each of the limb's byte of all four, side by side for each pixel."""
    if signed:
        lower = _same(sum(128 << (8 * i) for i in range(limbs - 1)))
        codes = [builder.xor(builder.add(code, lower), lower) for code in codes]

    def both(mask: int, low: ir.Value, high: ir.Value) -> ir.Value:
        """Bits of ``low`` where the mask has 1, of ``high`` elsewhere."""
        return builder.or_(builder.and_(low, _same(mask)), builder.and_(high, _same(~mask & 0xFFFFFFFF)))

    def up(value: ir.Value, places: int) -> ir.Value:
        return builder.shl(value, _same(places))

    def down(value: ir.Value, places: int) -> ir.Value:
        return builder.lshr(value, _same(places))

    even, odd, out = [], [], []
    for a, b in (codes[:2], codes[2:]):
        even.append(both(0x00FF00FF, a, up(b, 8)))  # bytes 0 and 2 of both
        odd.append(both(0x00FF00FF, down(a, 8), b))  # bytes 1 and 3
    for a, b in (even, odd):
        out.append((both(0x0000FFFF, a, up(b, 16)), both(0x0000FFFF, down(a, 16), b)))
    return [out[0][0], out[1][0], out[0][1], out[1][1]][:limbs]


def _same(value: int) -> ir.Constant:
    return ir.Constant(CODES, [value] * PIXELS)


@intrinsic
def product_tile(context, room, tile, slot, table, at, chunk, chunks, weight_limbs, limbs, signed):
    """Products of one block of weights and one tile of pixels: their sums of each i + j into ``slot`` of the panel."""

    def code(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> None:
        sums, pixels, weights = _operands(context, builder, signature, args)
        chunk, chunks = args[5], args[6]
        one = builder.mul(chunk, I64(PIXELS))
        whole = builder.mul(chunks, I64(TILE))

        def body(rows: int, columns: int, signed: bool) -> None:
            for s in range(rows + columns - 1):
                _unit(builder, "tilezero", I8(s))
            loop = Loop(builder, chunks, [])
            w = byte(builder, weights, builder.mul(loop.index, I64(TILE)))
            x = byte(builder, pixels, builder.mul(loop.index, builder.mul(one, I64(columns))))
            for i in range(rows):
                at = builder.mul(chunk, I64(SPARE + rows - 1 - i)) if signed else builder.mul(whole, I64(i))
                step = builder.mul(chunk, I64(rows + 2 * SPARE)) if signed else I64(ROW)
                _unit(builder, "tileloadd64", I8(6), byte(builder, w, at), step)
                for j in range(columns):
                    _unit(builder, "tileloadd64", I8(7), byte(builder, x, builder.mul(one, I64(j))), I64(ROW))
                    left, right = ("s" if signed or n else "u" for n in (i == rows - 1, j == columns - 1))
                    _unit(builder, f"tdpb{left}{right}d", I8(i + j), I8(6), I8(7))
            loop.close([])
            _store_sums(builder, sums, rows + columns - 1)

        _for_limbs(builder, args, lambda rows, columns: cases(
            builder, args[9], range(2), lambda signed: body(rows, columns, bool(signed))
        ))  # fmt: skip

    return types.void(room, types.int64, types.int64, table, *[types.int64] * 6), where_compiled(code)


@intrinsic
def merged_product(context, room, tile, slot, table, at, chunk, chunks, weight_limbs, limbs):
    """As `product_tile` with signed limbs, all pairs of one i + j at once: one chunk, whose limbs fit a row."""

    def code(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> None:
        sums, pixels, weights = _operands(context, builder, signature, args)

        def body(rows: int, columns: int) -> None:
            step = builder.mul(args[5], I64(rows + 2 * SPARE))
            _unit(builder, "tileloadd64", I8(7), pixels, I64(ROW))
            for s in range(rows + columns - 1):
                at = builder.mul(args[5], I64(SPARE + rows - 1 - s))
                _unit(builder, "tilezero", I8(s))
                _unit(builder, "tileloadd64", I8(6), byte(builder, weights, at), step)
                _unit(builder, "tdpbssd", I8(s), I8(6), I8(7))
            _store_sums(builder, sums, rows + columns - 1)

        _for_limbs(builder, args, body)

    return types.void(room, types.int64, types.int64, table, *[types.int64] * 5), where_compiled(code)


def _operands(
    context: Any, builder: ir.IRBuilder, signature: Any, args: Any
) -> tuple[ir.Value, ir.Value, ir.Value]:
    """Pointers to the sums of a slot, to a tile of pixels, and to a block of weights."""
    room = scratch(context, builder, signature, args, 0)
    pixels = byte(builder, room, PANEL * SUMS * TILE)
    one = builder.mul(builder.mul(args[5], I64(PIXELS)), args[6])
    return (
        byte(builder, room, builder.mul(args[2], I64(SUMS * TILE))),
        byte(builder, pixels, builder.mul(builder.mul(args[1], args[8]), one)),
        address(context, builder, signature, args, 3, args[4]),
    )


def _store_sums(builder: ir.IRBuilder, sums: ir.Value, count: int) -> None:
    for s in range(count):
        _unit(builder, "tilestored64", I8(s), byte(builder, sums, s * TILE), I64(ROW))


def _for_limbs(builder: ir.IRBuilder, args: Any, body: Callable[[int, int], None]) -> None:
    """Code for each number of limbs of weights and of inputs."""
    cases(builder, args[7], LIMBS, lambda rows: cases(
        builder, args[8], range(LIMBS[0], MOST_LIMBS + 1), lambda columns: body(rows, columns)
    ))  # fmt: skip


@intrinsic
def combine_rows(context, room, row, half, count, sums, s_at, rows):
    """``sums[r, c] = sum over s < count of 2**(8 * s) * (sum s of output channel row + r, pixel c)``.

    For the first or the second COLUMNS pixels of the panel (``half`` 0 or 1). Sums of shape (rows, COLUMNS).
    """

    def code(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> None:
        panel = byte(builder, scratch(context, builder, signature, args, 0), builder.mul(args[1], I64(ROW)))
        out = address(context, builder, signature, args, 4, args[5])
        sources = []
        for v in range(VECTORS):
            number = builder.add(builder.mul(args[2], I64(VECTORS)), I64(v))
            tile, rest = builder.lshr(number, I64(1)), builder.and_(number, I64(1))
            at = builder.add(builder.mul(tile, I64(SUMS * TILE)), builder.mul(rest, I64(ROW // 2)))
            sources.append(byte(builder, panel, at))
        radix = spread(builder, ir.Constant(ir.DoubleType(), 256.0))

        def body(count: int) -> None:
            loop = Loop(builder, args[6], [])
            for v, source in enumerate(sources):
                own = byte(builder, source, builder.mul(loop.index, I64(ROW)))
                total = None
                for s in reversed(range(count)):
                    codes = load(builder, builder.bitcast(byte(builder, own, s * TILE), I32.as_pointer()), 0)
                    value = builder.sitofp(codes, FLOATS)
                    total = value if total is None else call(builder, "fma", total, radix, value)
                row = builder.gep(out, [builder.mul(loop.index, I64(VECTORS * LANES))])
                store(builder, total, row, v * LANES)
            loop.close([])

        cases(builder, args[3], range(2 * LIMBS[0] - 1, SUMS + 1), body)

    return types.void(room, *[types.int64] * 3, sums, types.int64, types.int64), where_compiled(code)
