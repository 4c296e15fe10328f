"""Vector code that a loop cannot say: inner products held in registers, and counters shared by threads.

Each function here is LLVM code that works inside compiled kernels. A block is `ROWS` output channels times
`COLUMNS` pixels; its sums stay in registers over all taps, so that the multiplier, not memory, is the limit.
In float64 a sum of integers is exact as long as every partial sum stays below 2**53, and a fused
multiply-add does in one instruction what takes two in integers.
"""

from collections.abc import Callable
from typing import Any

import llvmlite.binding
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

__all__ = [
    "COLUMNS",
    "LANES",
    "ROWS",
    "direct_block",
    "fetch_add",
    "integer_block",
    "product_block",
    "read_shared",
    "term_block",
]

_WIDE = bool(llvmlite.binding.get_host_cpu_features().get("avx512f"))

LANES = 8 if _WIDE else 4
"""Values of 64 bits in a vector register."""
ROWS = 8 if _WIDE else 4
"""Output channels of a block."""
COLUMNS = 3 * LANES
"""Pixels of a block: with ROWS it fills the registers, sums, one column of pixels and one weight."""

_VECTORS = COLUMNS // LANES
_I32, _I64, _F64 = ir.IntType(32), ir.IntType(64), ir.DoubleType()
_FLOATS, _INTEGERS = ir.VectorType(_F64, LANES), ir.VectorType(_I64, LANES)


class _Block:
    """Emits the loop ``sums[r, c] += term(panel[k, c], weights[k, r])`` over k, into ``sums``.

    Arguments of the intrinsics: (weights, at, panel, at, sums, at, taps), one-dimensional arrays with the
    index of their first element; weights of shape (taps, ROWS), panel (taps, COLUMNS), sums (ROWS, COLUMNS).
    """

    def __init__(self, context: Any, builder: ir.IRBuilder, signature: Any, args: Any, vector: ir.VectorType) -> None:
        self.builder, self.vector = builder, vector
        pointers = []
        for i in (0, 2, 4):
            array = context.make_array(signature.args[i])(context, builder, args[i])
            pointers.append(builder.gep(array.data, [args[i + 1]]))
        self.weights, self.panel, self.sums = pointers
        self.taps = args[6]

    def emit(self, add_terms: Callable[["_Block", ir.Value, list, list], list]) -> None:
        """The whole loop; ``add_terms(block, k, pixels, sums)`` gives the new sums."""
        builder = self.builder
        entry = builder.block
        head, body, done = (builder.append_basic_block(f"block.{name}") for name in ("head", "body", "done"))
        builder.branch(head)
        builder.position_at_end(head)
        k = builder.phi(_I64)
        k.add_incoming(_I64(0), entry)
        sums = [builder.phi(self.vector) for _ in range(ROWS * _VECTORS)]
        for value in sums:
            value.add_incoming(ir.Constant(self.vector, [0] * LANES), entry)
        builder.cbranch(builder.icmp_signed("<", k, self.taps), body, done)
        builder.position_at_end(body)
        pixels = [
            _load(builder, self.vector, self.panel, builder.add(builder.mul(k, _I64(COLUMNS)), _I64(v * LANES)), 8)
            for v in range(_VECTORS)
        ]
        for old, new in zip(sums, add_terms(self, k, pixels, sums), strict=True):
            old.add_incoming(new, body)
        k.add_incoming(builder.add(k, _I64(1)), body)
        builder.branch(head)
        builder.position_at_end(done)
        for i, value in enumerate(sums):
            _store(builder, value, self.sums, _I64(i * LANES))

    def weight(self, k: ir.Value, row: int | ir.Value) -> ir.Value:
        """One weight of tap ``k``, a scalar."""
        at = self.builder.add(self.builder.mul(k, _I64(ROWS)), _I64(row) if isinstance(row, int) else row)
        return self.builder.load(self.builder.gep(self.weights, [at]))


def _spread(builder: ir.IRBuilder, vector: ir.VectorType, scalar: ir.Value) -> ir.Value:
    """A vector whose elements are all ``scalar``."""
    empty = ir.Constant(vector, ir.Undefined)
    one = builder.insert_element(empty, scalar, _I32(0))
    return builder.shuffle_vector(one, empty, ir.Constant(ir.VectorType(_I32, LANES), [0] * LANES))


def _call(builder: ir.IRBuilder, name: str, *values: ir.Value) -> ir.Value:
    """An LLVM intrinsic on float vectors."""
    kind = ir.FunctionType(_FLOATS, [_FLOATS] * len(values))
    function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.{name}.v{LANES}f64")
    return builder.call(function, values)


def _load(builder: ir.IRBuilder, vector: ir.VectorType, base: ir.Value, at: ir.Value, align: int) -> ir.Value:
    value = builder.load(builder.bitcast(builder.gep(base, [at]), vector.as_pointer()))
    value.align = align
    return value


def _store(builder: ir.IRBuilder, value: ir.Value, base: ir.Value, at: ir.Value) -> None:
    builder.store(value, builder.bitcast(builder.gep(base, [at]), value.type.as_pointer())).align = 8


def _products(block: _Block, k: ir.Value, pixels: list, sums: list) -> list:
    out = []
    for row in range(ROWS):
        w = _spread(block.builder, block.vector, block.weight(k, row))
        out += [_call(block.builder, "fma", pixels[v], w, sums[row * _VECTORS + v]) for v in range(_VECTORS)]
    return out


def _floored_terms(block: _Block, k: ir.Value, pixels: list, sums: list) -> list:
    out = []
    beyond = block.builder.mul(block.taps, _I64(ROWS))
    for row in range(ROWS):
        factor = _spread(block.builder, block.vector, block.weight(k, row))
        sign = _spread(block.builder, block.vector, block.weight(k, block.builder.add(beyond, _I64(row))))
        for v in range(_VECTORS):
            term = _call(block.builder, "floor", block.builder.fmul(pixels[v], factor))
            out.append(_call(block.builder, "fma", term, sign, sums[row * _VECTORS + v]))
    return out


def _integer_products(block: _Block, k: ir.Value, pixels: list, sums: list) -> list:
    """Both factors are known to have 32 bits, which is one instruction where 64 bits are many."""
    builder, narrow = block.builder, ir.VectorType(_I32, LANES)
    out = []
    pixels = [builder.sext(builder.trunc(x, narrow), _INTEGERS) for x in pixels]
    for row in range(ROWS):
        code = builder.sext(builder.trunc(builder.fptosi(block.weight(k, row), _I64), _I32), _I64)
        w = _spread(builder, block.vector, code)
        out += [builder.add(sums[row * _VECTORS + v], builder.mul(pixels[v], w)) for v in range(_VECTORS)]
    return out


def _block_code(vector: ir.VectorType, terms: Callable) -> Callable:
    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _Block(context, builder, signature, args, vector).emit(terms)
        return context.get_dummy_value()

    return code


@intrinsic
def product_block(context, weights, w_at, panel, p_at, sums, s_at, taps):  # noqa: ARG001
    """``sums[r, c] = sum over k of panel[k, c] * weights[k, r]`` in float64."""
    return types.void(weights, w_at, panel, p_at, sums, s_at, taps), _block_code(_FLOATS, _products)


@intrinsic
def term_block(context, weights, w_at, panel, p_at, sums, s_at, taps):  # noqa: ARG001
    """``sums[r, c] = sum over k of sign[k, r] * floor(panel[k, c] * factor[k, r])`` in float64.

    ``weights``: the factors, then the signs, each of shape (taps, ROWS).
    """
    return types.void(weights, w_at, panel, p_at, sums, s_at, taps), _block_code(_FLOATS, _floored_terms)


@intrinsic
def integer_block(context, weights, w_at, panel, p_at, sums, s_at, taps):  # noqa: ARG001
    """As `product_block` with panel and sums of int64; pixels and weights (still float64) of 32 bits."""
    return types.void(weights, w_at, panel, p_at, sums, s_at, taps), _block_code(_INTEGERS, _integer_products)


@intrinsic
def direct_block(context, weights, w_at, taps, t_at, memory, place, sums, s_at, count):  # noqa: ARG001
    """``sums[c] = sum over k of memory[taps[k] + place + c] * weights[k]`` in float64, for one row of COLUMNS.

    ``memory`` is an array of int32.
    """

    def code(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        data = [context.make_array(signature.args[i])(context, builder, args[i]).data for i in (0, 2, 4, 6)]
        weight, tap, source, target = (builder.gep(base, [args[1 + 2 * i]]) for i, base in enumerate(data))
        entry = builder.block
        head, body, done = (builder.append_basic_block(f"direct.{name}") for name in ("head", "body", "done"))
        builder.branch(head)
        builder.position_at_end(head)
        k = builder.phi(_I64)
        k.add_incoming(_I64(0), entry)
        totals = [builder.phi(_FLOATS) for _ in range(_VECTORS)]
        for total in totals:
            total.add_incoming(ir.Constant(_FLOATS, [0] * LANES), entry)
        builder.cbranch(builder.icmp_signed("<", k, args[8]), body, done)
        builder.position_at_end(body)
        row = builder.gep(source, [builder.load(builder.gep(tap, [k]))])
        w = _spread(builder, _FLOATS, builder.load(builder.gep(weight, [k])))
        for v, total in enumerate(totals):
            codes = _load(builder, ir.VectorType(_I32, LANES), row, _I64(v * LANES), 4)
            total.add_incoming(_call(builder, "fma", builder.sitofp(codes, _FLOATS), w, total), body)
        k.add_incoming(builder.add(k, _I64(1)), body)
        builder.branch(head)
        builder.position_at_end(done)
        for v, total in enumerate(totals):
            _store(builder, total, target, _I64(v * LANES))
        return context.get_dummy_value()

    return types.void(weights, w_at, taps, t_at, memory, place, sums, s_at, count), code


def _element(context: Any, builder: Any, array_type: Any, array: Any, index: Any) -> Any:
    data = context.make_array(array_type)(context, builder, array).data
    return builder.gep(data, [index])


@intrinsic
def fetch_add(context, counters, index, amount):  # noqa: ARG001
    """``counters[index] += amount`` as one step for all threads; returns the value before."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        where = _element(context, builder, signature.args[0], args[0], args[1])
        return builder.atomic_rmw("add", where, args[2], "seq_cst")

    return types.int64(counters, types.int64, types.int64), code


@intrinsic
def read_shared(context, counters, index):  # noqa: ARG001
    """``counters[index]`` as the other threads left it; what they wrote before is visible afterwards."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        where = _element(context, builder, signature.args[0], args[0], args[1])
        return builder.load_atomic(where, "seq_cst", 8)

    return types.int64(counters, types.int64), code
