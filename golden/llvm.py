"""Pieces of LLVM code that the vector kernels are made of, and the counters that threads share."""

import platform
from typing import Any

import llvmlite.binding
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import populate_array

__all__ = [
    "FLOATS",
    "I32",
    "I64",
    "INTEGERS",
    "LANES",
    "Loop",
    "VECTORS",
    "address",
    "array_at",
    "call",
    "exchange",
    "fetch_add",
    "gather",
    "load",
    "load_masked",
    "pause",
    "read_shared",
    "spread",
    "store",
    "store_masked",
    "zeros",
]

LANES = 8 if llvmlite.binding.get_host_cpu_features().get("avx512f") else 4
"""Values of 64 bits in a vector register."""
VECTORS = 3
"""Vectors in a row of pixels."""

I32, I64 = ir.IntType(32), ir.IntType(64)
FLOATS, INTEGERS = ir.VectorType(ir.DoubleType(), LANES), ir.VectorType(I64, LANES)


class Loop:
    """A loop that counts from 0 and keeps values in registers; the builder is left in its body.

    Parameters
    ----------
    builder : IRBuilder
    count : Value
    initial : list of Value
        What the kept values start as.

    Members
    -------
    index : Value
    values : list of Value
    """

    def __init__(self, builder: ir.IRBuilder, count: ir.Value, initial: list[ir.Value]) -> None:
        self.builder = builder
        entry = builder.block
        self._head, body, self._done = (
            builder.append_basic_block(f"loop.{x}") for x in ("head", "body", "done")
        )
        builder.branch(self._head)
        builder.position_at_end(self._head)
        self.index = builder.phi(I64)
        self.index.add_incoming(I64(0), entry)
        self.values = [builder.phi(value.type) for value in initial]
        for phi, value in zip(self.values, initial, strict=True):
            phi.add_incoming(value, entry)
        builder.cbranch(builder.icmp_signed("<", self.index, count), body, self._done)
        builder.position_at_end(body)

    def close(self, updated: list[ir.Value]) -> None:
        """End the body with the new values; the builder goes on behind the loop, where `values` are the last."""
        builder = self.builder
        for phi, value in zip(self.values, updated, strict=True):
            phi.add_incoming(value, builder.block)
        self.index.add_incoming(builder.add(self.index, I64(1)), builder.block)
        builder.branch(self._head)
        builder.position_at_end(self._done)


def zeros(vector: ir.VectorType) -> ir.Value:
    """A vector of zeros."""
    return ir.Constant(vector, [0] * LANES)


def address(context: Any, builder: ir.IRBuilder, signature: Any, args: Any, i: int, at: ir.Value) -> ir.Value:
    """Pointer to element ``at`` of argument ``i``, a one-dimensional array."""
    data = context.make_array(signature.args[i])(context, builder, args[i]).data
    return builder.gep(data, [at])


def spread(builder: ir.IRBuilder, scalar: ir.Value, count: int = LANES) -> ir.Value:
    """A vector of so many elements that are all ``scalar``."""
    vector = ir.VectorType(scalar.type, count)
    empty = ir.Constant(vector, ir.Undefined)
    one = builder.insert_element(empty, scalar, I32(0))
    return builder.shuffle_vector(one, empty, ir.Constant(ir.VectorType(I32, count), [0] * count))


def call(builder: ir.IRBuilder, name: str, *values: ir.Value) -> ir.Value:
    """An LLVM intrinsic on float vectors."""
    kind = ir.FunctionType(FLOATS, [FLOATS] * len(values))
    function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.{name}.v{LANES}f64")
    return builder.call(function, values)


def load(builder: ir.IRBuilder, base: ir.Value, at: ir.Value | int) -> ir.Value:
    """The vector of LANES elements that begins ``at`` elements behind ``base``."""
    where, vector = _vector(builder, base, at)
    value = builder.load(where)
    value.align = 4 if vector.element == I32 else 8
    return value


def gather(builder: ir.IRBuilder, base: ir.Value, where: ir.Value, v: int) -> ir.Value:
    """Vector ``v`` of a row of int32: element c is ``base[where[c]]``."""
    codes = ir.Constant(ir.VectorType(I32, LANES), ir.Undefined)
    for lane in range(LANES):
        index = builder.load(builder.gep(where, [I64(v * LANES + lane)]))
        codes = builder.insert_element(codes, builder.load(builder.gep(base, [index])), I32(lane))
    return codes


def store(builder: ir.IRBuilder, value: ir.Value, base: ir.Value, at: ir.Value | int) -> None:
    """Write a vector ``at`` elements behind ``base``."""
    where, vector = _vector(builder, base, at)
    builder.store(value, where).align = 4 if vector.element == I32 else 8


def load_masked(builder: ir.IRBuilder, where: ir.Value, mask: ir.Value) -> ir.Value:
    """Those of a vector of int32 that ``mask`` names, and 0 for the others, which are not touched."""
    kind = where.type.pointee
    function = cgutils.get_or_insert_function(
        builder.module,
        ir.FunctionType(kind, [where.type, I32, mask.type, kind]),
        f"llvm.masked.load.v{kind.count}i32.p0",
    )
    return builder.call(function, [where, I32(4), mask, ir.Constant(kind, [0] * kind.count)])


def store_masked(builder: ir.IRBuilder, codes: ir.Value, where: ir.Value, mask: ir.Value) -> None:
    """Write those of a vector of int32 that ``mask`` names, from the pointer on."""
    kind = codes.type
    where = builder.bitcast(where, kind.as_pointer())
    function = cgutils.get_or_insert_function(
        builder.module,
        ir.FunctionType(ir.VoidType(), [kind, where.type, I32, mask.type]),
        f"llvm.masked.store.v{kind.count}i32.p0",
    )
    builder.call(function, [codes, where, I32(4), mask])


def _vector(builder: ir.IRBuilder, base: ir.Value, at: ir.Value | int) -> tuple[ir.Value, ir.VectorType]:
    vector = ir.VectorType(base.type.pointee, LANES)
    element = builder.gep(base, [I64(at) if isinstance(at, int) else at])
    return builder.bitcast(element, vector.as_pointer()), vector


@intrinsic
def fetch_add(context, counters, index, amount):
    """``counters[index] += amount`` as one step for all threads; returns the value before."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        where = address(context, builder, signature, args, 0, args[1])
        return builder.atomic_rmw("add", where, args[2], "seq_cst")

    return types.int64(counters, types.int64, types.int64), code


@intrinsic
def read_shared(context, counters, index):
    """``counters[index]`` as the other threads left it; what they wrote before is visible afterwards."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load_atomic(address(context, builder, signature, args, 0, args[1]), "seq_cst", 8)

    return types.int64(counters, types.int64), code


@intrinsic
def exchange(context, counters, index, expected, new):
    """Write ``new`` to ``counters[index]`` if it is ``expected``, as one step for all; returns whether it was."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        where = address(context, builder, signature, args, 0, args[1])
        pair = builder.cmpxchg(where, args[2], args[3], "seq_cst", "seq_cst")
        return builder.extract_value(pair, 1)

    return types.boolean(counters, *[types.int64] * 3), code


@intrinsic
def pause(context):
    """Tell the core that this thread waits for another one."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        if platform.machine() == "x86_64":
            kind = ir.FunctionType(ir.VoidType(), [])
            builder.call(cgutils.get_or_insert_function(builder.module, kind, "llvm.x86.sse2.pause"), [])
        return context.get_dummy_value()

    return types.void(), code


@intrinsic
def array_at(context, address, size, dtype):
    """The array of so many elements at an address."""
    kind = types.Array(dtype.dtype, 1, "C")

    def code(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        array = context.make_array(kind)(context, builder)
        item = context.get_abi_sizeof(context.get_data_type(kind.dtype))
        populate_array(
            array, data=builder.inttoptr(args[0], array.data.type), shape=[args[1]],
            strides=[ir.Constant(ir.IntType(64), item)], itemsize=item, meminfo=None,
        )  # fmt: skip
        return array._getvalue()

    return kind(address, size, dtype), code
