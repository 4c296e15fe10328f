"""Pieces of LLVM code for x86 processors with vectors of 512 bits and a matrix unit; empty on others."""

from collections.abc import Callable
from typing import Any

import llvmlite.binding
from llvmlite import ir
from numba.core import cgutils

from hwshift.golden.llvm import I32, I64, LANES, address, load, load_masked

__all__ = [
    "CODES",
    "COMPILED",
    "FAR",
    "HALF",
    "I8",
    "NEAR",
    "PIXELS",
    "VECTORS_512",
    "byte",
    "cases",
    "halves",
    "joined",
    "prefetch",
    "read_codes",
    "read_every_second",
    "read_halves",
    "read_masked",
    "scratch",
    "where_compiled",
    "x86",
]

_FEATURES = llvmlite.binding.get_host_cpu_features()
VECTORS_512 = LANES == 8 and all(_FEATURES.get(f"avx512{name}") for name in ("f", "bw", "dq", "vl"))
"""Whether vectors of 512 bits are there."""
COMPILED = VECTORS_512 and all(_FEATURES.get(f"amx-{name}") for name in ("tile", "int8"))
"""Whether a matrix unit is there too."""

PIXELS = 16
"""Codes of 32 bits in a vector."""

NEAR, FAR = 2 * PIXELS, 12 * PIXELS
"""Codes from what is read or written to what is asked for, since planes are more than the processor foresees: so few
that the nearest cache still has them when they are needed, or so many that they come from memory in time."""

I8 = ir.IntType(8)
CODES = ir.VectorType(I32, PIXELS)
HALF = ir.VectorType(I32, LANES)
_LINE = 64  # bytes
_BYTES = I8.as_pointer()


def x86(builder: ir.IRBuilder, name: str, result: ir.Type, *values: ir.Value) -> ir.Value:
    """Call ``llvm.x86.name``."""
    kind = ir.FunctionType(result, [value.type for value in values])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, f"llvm.x86.{name}"), values)


def byte(builder: ir.IRBuilder, base: ir.Value, at: ir.Value | int = 0) -> ir.Value:
    """Pointer to byte ``at`` behind a pointer."""
    return builder.gep(builder.bitcast(base, _BYTES), [I64(at) if isinstance(at, int) else at])


def prefetch(builder: ir.IRBuilder, plane: ir.Value, codes: ir.Value, write: bool = False) -> None:
    """Ask for the cache line so many codes behind a pointer, to read or to write."""
    pointer = byte(builder, builder.gep(plane, [codes]))
    kind = ir.FunctionType(ir.VoidType(), [pointer.type, I32, I32, I32])
    function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
    builder.call(function, [pointer, I32(int(write)), I32(3), I32(1)])


def scratch(context: Any, builder: ir.IRBuilder, signature: Any, args: Any, i: int) -> ir.Value:
    """The first whole cache line of array argument ``i``."""
    start = builder.ptrtoint(address(context, builder, signature, args, i, I64(0)), I64)
    return builder.inttoptr(builder.and_(builder.add(start, I64(_LINE - 1)), I64(-_LINE)), _BYTES)


def where_compiled(code: Callable, vectors_only: bool = False) -> Callable:
    """Code that is empty on processors without a matrix unit, or without these vectors, where nothing calls it."""

    def whole(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        if VECTORS_512 if vectors_only else COMPILED:
            code(context, builder, signature, args)
        return context.get_dummy_value()

    return whole


def cases(builder: ir.IRBuilder, value: ir.Value, numbers: range, code: Callable[[int], None]) -> None:
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


def read_codes(builder: ir.IRBuilder, plane: ir.Value, places: list[ir.Value] | None) -> ir.Value:
    """16 codes in a row, or at the places that two vectors of int64 name."""
    if places is None:
        value = builder.load(builder.bitcast(plane, CODES.as_pointer()))
        value.align = 4
        return value
    none, every = (
        ir.Constant(HALF, [0] * LANES),
        ir.Constant(ir.VectorType(ir.IntType(1), LANES), [1] * LANES),
    )
    base = byte(builder, plane)
    name = "avx512.mask.gather.qpi.512"
    return joined(builder, *(x86(builder, name, HALF, none, base, half, every, I32(4)) for half in places))


def read_masked(builder: ir.IRBuilder, plane: ir.Value, bits: ir.Value) -> ir.Value:
    """16 codes in a row whose bits, two bytes behind a pointer, are set; the others are not read, and 0."""
    whole = builder.load(builder.bitcast(bits, ir.IntType(PIXELS).as_pointer()))
    whole.align = 1
    mask = builder.bitcast(whole, ir.VectorType(ir.IntType(1), PIXELS))
    return load_masked(builder, builder.bitcast(plane, CODES.as_pointer()), mask)


def read_halves(
    builder: ir.IRBuilder, plane: ir.Value, stride: int, places: list[ir.Value] | None
) -> list[ir.Value]:
    """Both halves of 16 codes at this stride (1 or 2), or at places."""
    if places is not None:
        return halves(builder, read_codes(builder, plane, places))
    if stride == 2:
        return halves(builder, read_every_second(builder, plane))
    return [load(builder, plane, first) for first in (0, LANES)]


def read_every_second(builder: ir.IRBuilder, plane: ir.Value) -> ir.Value:
    """16 codes, each two behind the one before."""
    first, second = (read_codes(builder, builder.gep(plane, [I64(at)]), None) for at in (0, PIXELS))
    return builder.shuffle_vector(first, second, ir.Constant(CODES, list(range(0, 2 * PIXELS, 2))))


def joined(builder: ir.IRBuilder, low: ir.Value, high: ir.Value) -> ir.Value:
    """One vector of two halves."""
    return builder.shuffle_vector(low, high, ir.Constant(CODES, list(range(PIXELS))))


def halves(builder: ir.IRBuilder, whole: ir.Value) -> list[ir.Value]:
    """Both halves of a vector."""
    return [
        builder.shuffle_vector(whole, whole, ir.Constant(HALF, list(range(first, first + LANES))))
        for first in (0, LANES)
    ]
