"""The matrix unit of x86 processors (AMX): products of bytes, 16 output channels by 16 pixels by up to 64 taps.

Numbers are cut into limbs of a byte (`hwshift.golden.limbs`). The product of limb i of a weight and limb j of a pixel
counts ``2**(8 * (i + j))``; products of one i + j are summed in one tile of 32-bit integers, in which a sum over all
taps fits. The sums of a tile, weighted and added, are integers below 2**53, so that float64 holds them and all that
comes in between.

Scratch is an array of int64 taken as bytes from its first whole cache line on: `_SUMS`, then pixels of shape
(tiles, chunks, limbs, chunk / 4, 16 pixels, 4 taps).
"""

import ctypes
import os
import platform
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import llvmlite.binding
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from hwshift.golden.limbs import LIMBS, ROW, TILE
from hwshift.golden.llvm import FLOATS, I32, I64, LANES, VECTORS, Loop, address, call, load, spread, store

__all__ = [
    "CHOICES",
    "PIXELS",
    "available",
    "combine_rows",
    "configure",
    "pack_tile",
    "product_tile",
    "release",
    "tile_choice",
    "tile_words",
    "use_tiles",
]

PIXELS = 16
"""Of a tile."""
SUMS = 6
"""Tiles of sums: for each i + j."""
PANEL = VECTORS * LANES * 2 // PIXELS
"""Tiles whose sums are kept at a time: they are two rows of COLUMNS."""

_COMPILED = LANES == 8 and all(
    llvmlite.binding.get_host_cpu_features().get(name) for name in ("amx-tile", "amx-int8", "avx512bw")
)

CHOICES = ("auto", "never", "always")
_choice = os.environ.get("HWSHIFT_TILES", CHOICES[0])


def available() -> bool:
    """Whether this process may use the unit; the first call asks the system for it."""
    return _COMPILED and sys.platform == "linux" and platform.machine() == "x86_64" and _permitted()


def tile_choice() -> str:
    """When plans use tiles: "auto" where they are quicker, "always" wherever they can, "never"."""
    return _choice


@contextmanager
def use_tiles(choice: str) -> Iterator[None]:
    """Plans made inside use tiles as `CHOICES` says."""
    global _choice
    if choice not in CHOICES:
        raise ValueError(f"choice must be one of {', '.join(CHOICES)}, not {choice!r}")
    before, _choice = _choice, choice
    try:
        yield
    finally:
        _choice = before


def _permitted() -> bool:
    arch_prctl, request_permission, tile_data = 158, 0x1023, 18
    return ctypes.CDLL(None).syscall(arch_prctl, request_permission, tile_data) == 0


def tile_words(pixels: int, taps: int) -> int:
    """Words of scratch for so many pixels and taps."""
    tiles = -(-pixels // PIXELS)
    return (ROW + PANEL * SUMS * TILE + tiles * PIXELS * 4 * (taps + 4 * (taps // ROW + 1))) // 8 + 1


# ... code

_I8 = ir.IntType(8)
_BYTES = _I8.as_pointer()
_CODES = ir.VectorType(I32, PIXELS)


def _x86(builder: ir.IRBuilder, name: str, result: ir.Type, *values: ir.Value) -> ir.Value:
    kind = ir.FunctionType(result, [value.type for value in values])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, f"llvm.x86.{name}"), values)


def _unit(builder: ir.IRBuilder, name: str, *values: ir.Value) -> None:
    _x86(builder, name, ir.VoidType(), *values)


def _bytes(builder: ir.IRBuilder, base: ir.Value, at: ir.Value | int = 0) -> ir.Value:
    """Pointer to byte ``at`` behind a pointer."""
    return builder.gep(builder.bitcast(base, _BYTES), [I64(at) if isinstance(at, int) else at])


def _scratch(context: Any, builder: ir.IRBuilder, signature: Any, args: Any, i: int) -> ir.Value:
    """The first whole cache line of array argument ``i``."""
    start = builder.ptrtoint(address(context, builder, signature, args, i, I64(0)), I64)
    return builder.inttoptr(builder.and_(builder.add(start, I64(ROW - 1)), I64(-ROW)), _BYTES)


def _where_compiled(code: Callable) -> Callable:
    """Code that is empty on other processors, where nothing calls it."""

    def whole(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        if _COMPILED:
            code(context, builder, signature, args)
        return context.get_dummy_value()

    return whole


def _cases(builder: ir.IRBuilder, value: ir.Value, numbers: range, code: Callable[[int], None]) -> None:
    """``code(n)`` for the case that ``value`` is n."""
    done = builder.append_basic_block("cases.done")
    switch = builder.switch(value, done)
    for n in numbers:
        block = builder.append_basic_block("cases.one")
        switch.add_case(I64(n), block)
        builder.position_at_end(block)
        code(n)
        builder.branch(done)
    builder.position_at_end(done)


@intrinsic
def configure(context, table, at):
    """Load the unit's configuration; no other call of this module but `release` works without one."""

    def code(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> None:
        _unit(builder, "ldtilecfg", address(context, builder, signature, args, 0, args[1]))

    return types.void(table, types.int64), _where_compiled(code)


@intrinsic
def release(context):
    """Leave the unit as it was found."""

    def code(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> None:
        _unit(builder, "tilerelease")

    return types.void(), _where_compiled(code)


@intrinsic
def pack_tile(context, scratch, tile, memory, place, taps, t_at, chunk, chunks, limbs, where, w_at, linear):
    """Limbs of 16 pixels: ``memory[taps[k] + place + p]``, or ``memory[taps[k] + where[p]]`` unless ``linear``."""

    def code(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> None:
        base = _bytes(builder, _scratch(context, builder, signature, args, 0), PANEL * SUMS * TILE)
        taps, where = (address(context, builder, signature, args, i, args[i + 1]) for i in (4, 9))
        chunk, chunks, limbs = args[6:9]
        one = builder.mul(limbs, builder.mul(chunk, I64(PIXELS)))
        base = _bytes(builder, base, builder.mul(args[1], builder.mul(one, chunks)))

        def body(n: int, linear: bool) -> None:
            memory = address(context, builder, signature, args, 2, args[3] if linear else I64(0))
            halves = None if linear else [load(builder, where, half * LANES) for half in (0, 1)]
            loop = Loop(builder, chunks, [])
            own = _bytes(builder, base, builder.mul(loop.index, one))
            quads = builder.udiv(chunk, I64(4))
            inner = Loop(builder, quads, [])
            first = builder.mul(builder.add(builder.mul(loop.index, quads), inner.index), I64(4))
            planes = [
                builder.gep(memory, [builder.load(builder.gep(taps, [builder.add(first, I64(i))]))])
                for i in range(4)
            ]
            codes = [_pixels(builder, plane, halves) for plane in planes]
            for j, bytes_ in enumerate(_transposed(builder, codes, n)):
                at = builder.add(
                    builder.mul(builder.mul(chunk, I64(PIXELS)), I64(j)), builder.mul(inner.index, I64(ROW))
                )
                builder.store(
                    bytes_, builder.bitcast(_bytes(builder, own, at), _CODES.as_pointer())
                ).align = ROW
            inner.close([])
            loop.close([])

        _cases(builder, args[11], range(2), lambda linear: _cases(
            builder, limbs, range(LIMBS[0], LIMBS[-1] + 2), lambda n: body(n, bool(linear))
        ))  # fmt: skip

    return types.void(
        scratch, types.int64, memory, types.int64, taps, *[types.int64] * 4, where, types.int64, types.int64
    ), _where_compiled(code)


def _pixels(builder: ir.IRBuilder, plane: ir.Value, halves: list[ir.Value] | None) -> ir.Value:
    """16 codes in a row, or at the places that two vectors of int64 name."""
    if halves is None:
        value = builder.load(builder.bitcast(plane, _CODES.as_pointer()))
        value.align = 4
        return value
    half = ir.VectorType(I32, LANES)
    every = ir.Constant(ir.VectorType(ir.IntType(1), LANES), [1] * LANES)
    low, high = (
        _x86(
            builder, "avx512.mask.gather.qpi.512", half, ir.Constant(half, [0] * LANES), _bytes(builder, plane),
            places, every, I32(4),
        )
        for places in halves
    )  # fmt: skip
    return builder.shuffle_vector(low, high, ir.Constant(_CODES, list(range(PIXELS))))


def _transposed(builder: ir.IRBuilder, codes: list[ir.Value], limbs: int) -> list[ir.Value]:
    """From 4 vectors of codes ``limbs`` vectors, each of the limb's byte of all four, side by side for each pixel."""

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
    return ir.Constant(_CODES, [value] * PIXELS)


@intrinsic
def product_tile(context, scratch, tile, slot, table, at, chunk, chunks, weight_limbs, limbs):
    """Products of one block of weights and one tile of pixels: their sums of each i + j into ``slot`` of the panel."""

    def code(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> None:
        sums = _scratch(context, builder, signature, args, 0)
        pixels = _bytes(builder, sums, PANEL * SUMS * TILE)
        weights = address(context, builder, signature, args, 3, args[4])
        chunk, chunks = args[5], args[6]
        sums = _bytes(builder, sums, builder.mul(args[2], I64(SUMS * TILE)))
        one = builder.mul(chunk, I64(PIXELS))
        pixels = _bytes(builder, pixels, builder.mul(builder.mul(args[1], args[8]), builder.mul(one, chunks)))
        whole = builder.mul(chunks, I64(TILE))

        def body(rows: int, columns: int) -> None:
            for s in range(rows + columns - 1):
                _unit(builder, "tilezero", _I8(s))
            loop = Loop(builder, chunks, [])
            w = _bytes(builder, weights, builder.mul(loop.index, I64(TILE)))
            x = _bytes(builder, pixels, builder.mul(loop.index, builder.mul(one, I64(columns))))
            for i in range(rows):
                _unit(
                    builder, "tileloadd64", _I8(6), _bytes(builder, w, builder.mul(whole, I64(i))), I64(ROW)
                )
                for j in range(columns):
                    _unit(
                        builder, "tileloadd64", _I8(7), _bytes(builder, x, builder.mul(one, I64(j))), I64(ROW)
                    )
                    kinds = ("s" if i == rows - 1 else "u") + ("s" if j == columns - 1 else "u")
                    _unit(builder, f"tdpb{kinds}d", _I8(i + j), _I8(6), _I8(7))
            loop.close([])
            for s in range(rows + columns - 1):
                _unit(builder, "tilestored64", _I8(s), _bytes(builder, sums, s * TILE), I64(ROW))

        _cases(builder, args[7], LIMBS, lambda rows: _cases(
            builder, args[8], range(LIMBS[0], LIMBS[-1] + 2), lambda columns: body(rows, columns)
        ))  # fmt: skip

    return types.void(scratch, types.int64, types.int64, table, *[types.int64] * 5), _where_compiled(code)


@intrinsic
def combine_rows(context, scratch, row, half, count, sums, s_at, rows):
    """``sums[r, c] = sum over s < count of 2**(8 * s) * (sum s of output channel row + r, pixel c)``.

    For the first or the second COLUMNS pixels of the panel (``half`` 0 or 1). Sums of shape (rows, COLUMNS).
    """

    def code(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> None:
        panel = _bytes(
            builder, _scratch(context, builder, signature, args, 0), builder.mul(args[1], I64(ROW))
        )
        out = address(context, builder, signature, args, 4, args[5])
        sources = []
        for v in range(VECTORS):
            number = builder.add(builder.mul(args[2], I64(VECTORS)), I64(v))
            tile, rest = builder.lshr(number, I64(1)), builder.and_(number, I64(1))
            at = builder.add(builder.mul(tile, I64(SUMS * TILE)), builder.mul(rest, I64(ROW // 2)))
            sources.append(_bytes(builder, panel, at))
        radix = spread(builder, ir.Constant(ir.DoubleType(), 256.0))

        def body(count: int) -> None:
            loop = Loop(builder, args[6], [])
            for v, source in enumerate(sources):
                own = _bytes(builder, source, builder.mul(loop.index, I64(ROW)))
                total = None
                for s in reversed(range(count)):
                    codes = load(
                        builder, builder.bitcast(_bytes(builder, own, s * TILE), I32.as_pointer()), 0
                    )
                    value = builder.sitofp(codes, FLOATS)
                    total = value if total is None else call(builder, "fma", total, radix, value)
                row = builder.gep(out, [builder.mul(loop.index, I64(VECTORS * LANES))])
                store(builder, total, row, v * LANES)
            loop.close([])

        _cases(builder, args[3], range(2 * LIMBS[0] - 1, SUMS + 1), body)

    return types.void(scratch, *[types.int64] * 3, sums, types.int64, types.int64), _where_compiled(code)
