"""What is done to a row of COLUMNS pixels beside products: read, scale, saturate, add, write.

Arguments are one-dimensional arrays, each with the index of its first element. Values are float64, and integers.
"""

from collections.abc import Callable
from itertools import product
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from hwshift.golden.blocks import COLUMNS
from hwshift.golden.llvm import (
    FLOATS,
    I32,
    I64,
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
from hwshift.golden.steps import PARAMETERS

__all__ = [
    "AS_IT_IS",
    "FULL",
    "PLAIN",
    "add_row",
    "clip_row",
    "finish_rows",
    "gather_row",
    "pack_row",
    "scale_row",
    "settle_row",
]

AS_IT_IS, PLAIN, FULL = range(3)
"""How sums are scaled: not at all, by powers of two, by m / 2**t."""


class _Row:
    """One of the vectors of a row: the arguments of an intrinsic as vectors."""

    def __init__(self, context: Any, builder: ir.IRBuilder, signature: Any, args: Any, v: int) -> None:
        self.builder, self.v = builder, v
        self._call = context, builder, signature, args

    def base(self, i: int) -> ir.Value:
        """Pointer to the first element of array argument ``i``."""
        return address(*self._call, i, self._call[3][i + 1])

    def load(self, i: int) -> ir.Value:
        """This vector of array argument ``i``."""
        return load(self.builder, self.base(i), self.v * LANES)

    def store(self, i: int, value: ir.Value) -> None:
        """Write this vector of array argument ``i``."""
        store(self.builder, value, self.base(i), self.v * LANES)

    def scalar(self, i: int) -> ir.Value:
        """Scalar argument ``i`` in every element."""
        return spread(self.builder, self._call[3][i])

    def element(self, i: int, offset: int) -> ir.Value:
        """One element of array argument ``i`` in every element."""
        return spread(self.builder, self.builder.load(self.builder.gep(self.base(i), [I64(offset)])))


def _code(body: Callable[[_Row], None]) -> Callable:
    def code(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        for v in range(VECTORS):
            body(_Row(context, builder, signature, args, v))
        return context.get_dummy_value()

    return code


@intrinsic
def pack_row(context, packed, p_at, memory, place):
    """``packed[c] = memory[place + c]``: int32 as float64."""

    def body(row: _Row) -> None:
        row.store(0, row.builder.sitofp(row.load(2), FLOATS))

    return types.void(packed, p_at, memory, place), _code(body)


@intrinsic
def gather_row(context, packed, p_at, memory, place, where, w_at):
    """``packed[c] = memory[place + where[c]]``: int32 as float64."""

    def body(row: _Row) -> None:
        row.store(0, row.builder.sitofp(gather(row.builder, row.base(2), row.base(4), row.v), FLOATS))

    return types.void(packed, p_at, memory, place, where, w_at), _code(body)


def _plain_scale(builder: ir.IRBuilder, y: ir.Value, parameter: Callable[[int], ir.Value]) -> ir.Value:
    """``floor(y / 2**t) + b``."""
    factor = builder.fmul(parameter(2), parameter(3))
    return builder.fadd(call(builder, "floor", builder.fmul(y, factor)), parameter(4))


def _full_scale(builder: ir.IRBuilder, y: ir.Value, parameter: Callable[[int], ir.Value]) -> ir.Value:
    """``floor(y * m / 2**t) + b`` for ``|y| < 2**53``.

    y is cut at bit k = min(t, 24). The upper part times m has at most 29 + 17 bits and is exact, or, where t is small,
    it is so large that the value saturates however it is rounded; the lower part times m is exact.
    """
    m, up, down, rest, b = (parameter(i) for i in range(5))
    upper = call(builder, "floor", builder.fmul(y, down))
    lower = builder.fsub(y, builder.fmul(upper, up))
    carried = call(builder, "floor", builder.fmul(builder.fmul(lower, m), down))
    whole = builder.fadd(builder.fmul(upper, m), carried)
    return builder.fadd(call(builder, "floor", builder.fmul(whole, rest)), b)


def _clip(builder: ir.IRBuilder, value: ir.Value, low: ir.Value, high: ir.Value) -> ir.Value:
    value = builder.select(builder.fcmp_ordered("<", value, low), low, value)
    return builder.select(builder.fcmp_ordered(">", value, high), high, value)


def _outside(builder: ir.IRBuilder, value: ir.Value, low: ir.Value, high: ir.Value) -> ir.Value:
    return builder.or_(builder.fcmp_ordered("<", value, low), builder.fcmp_ordered(">", value, high))


def _settled(
    builder: ir.IRBuilder, y: ir.Value, flags: ir.Value, mask: ir.Value, over: ir.Value, largest: ir.Value
) -> tuple[ir.Value, ir.Value, ir.Value]:
    """The masked value, and both totals with it."""
    y = builder.fmul(y, mask)
    size = call(builder, "fabs", y)
    bigger = builder.select(builder.fcmp_ordered(">", size, largest), size, largest)
    return y, call(builder, "fma", flags, mask, over), bigger


def _as_it_is(builder: ir.IRBuilder, y: ir.Value, parameter: Callable[[int], ir.Value]) -> ir.Value:
    return y


_SCALES = {AS_IT_IS: _as_it_is, PLAIN: _plain_scale, FULL: _full_scale}


@intrinsic
def finish_rows(
    context, sums, s_at, parameters, p_at, added, a_at, mask, m_at, totals, t_at, memory, targets, g_at, place, rows,
    low, high, floor, ceiling, factor, residual_floor, residual_ceiling, scale, residual, to_memory,
):  # fmt: skip
    """A whole epilogue without tables: scale, saturation, activation, residual, saturation, activation.

    ``sums`` and ``added`` (the residual) have shape (rows, COLUMNS), ``parameters`` (rows, PARAMETERS). What saturates
    is added to ``totals[:LANES]`` where ``mask`` is 1.0, magnitudes' maxima are kept in ``totals[LANES : 2 * LANES]``.
    ``scale`` is AS_IT_IS, PLAIN or FULL; ``residual`` and ``to_memory`` are 0 or 1: row r goes as int32 to
    ``memory[targets[r] + place:]``, or back to ``sums``.
    """

    def code(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        done = builder.append_basic_block("finish.done")
        mode = builder.add(
            args[22], builder.mul(I64(3), builder.add(args[23], builder.mul(I64(2), args[24])))
        )
        switch = builder.switch(mode, done)
        for kind, (added, written) in product(_SCALES, product((0, 1), (0, 1))):
            block = builder.append_basic_block("finish.mode")
            switch.add_case(I64(kind + 3 * (added + 2 * written)), block)
            builder.position_at_end(block)
            _finish(context, builder, signature, args, _SCALES[kind], bool(added), bool(written))
            builder.branch(done)
        builder.position_at_end(done)
        return context.get_dummy_value()

    return types.void(
        sums, s_at, parameters, p_at, added, a_at, mask, m_at, totals, t_at, memory, targets, g_at, place, rows,
        *[types.float64] * 7, *[types.int64] * 3,
    ), code  # fmt: skip


def _finish(
    context: Any,
    builder: ir.IRBuilder,
    signature: Any,
    args: Any,
    scale: Callable,
    residual: bool,
    to_memory: bool,
) -> None:
    """One mode of `finish_rows`; the totals stay in registers over the rows."""
    sums, parameters, added, mask, totals = (
        address(context, builder, signature, args, i, args[i + 1]) for i in range(0, 10, 2)
    )
    targets = address(context, builder, signature, args, 11, args[12])
    low, high, floor, ceiling, factor, residual_floor, residual_ceiling = (
        spread(builder, value) for value in args[15:22]
    )
    inside = [load(builder, mask, v * LANES) for v in range(VECTORS)]
    loop = Loop(builder, args[14], [zeros(FLOATS)] * (2 * VECTORS))
    row = builder.mul(loop.index, I64(COLUMNS))
    own = builder.gep(parameters, [builder.mul(loop.index, I64(PARAMETERS))])
    place = builder.add(builder.load(builder.gep(targets, [loop.index])), args[13])
    target = address(context, builder, signature, args, 10, place)
    over, largest = list(loop.values[:VECTORS]), list(loop.values[VECTORS:])
    for v in range(VECTORS):
        y = load(builder, builder.gep(sums, [row]), v * LANES)
        y = scale(builder, y, lambda i: spread(builder, builder.load(builder.gep(own, [I64(i)]))))
        outside = _outside(builder, y, low, high)
        y = _clip(builder, y, floor, ceiling)
        if residual:
            extra = load(builder, builder.gep(added, [row]), v * LANES)
            y = builder.fadd(y, call(builder, "floor", builder.fmul(extra, factor)))
            outside = builder.or_(outside, _outside(builder, y, low, high))
            y = _clip(builder, y, residual_floor, residual_ceiling)
        flags = builder.uitofp(outside, FLOATS)
        y, over[v], largest[v] = _settled(builder, y, flags, inside[v], over[v], largest[v])
        if to_memory:
            store(builder, builder.fptosi(y, ir.VectorType(I32, LANES)), target, v * LANES)
        else:
            store(builder, y, builder.gep(sums, [row]), v * LANES)
    loop.close([*over, *largest])
    total, peak = load(builder, totals, 0), load(builder, totals, LANES)
    for v in range(VECTORS):
        total = builder.fadd(total, loop.values[v])
        size = loop.values[VECTORS + v]
        peak = builder.select(builder.fcmp_ordered(">", size, peak), size, peak)
    store(builder, total, totals, 0)
    store(builder, peak, totals, LANES)


@intrinsic
def clip_row(context, y, y_at, flags, f_at, low, high, floor, ceiling):
    """Saturate to low..high, flag 1.0 what that changes and 0.0 the rest, then clip to floor..ceiling within."""

    def body(row: _Row) -> None:
        y = row.load(0)
        row.store(2, row.builder.uitofp(_outside(row.builder, y, row.scalar(4), row.scalar(5)), FLOATS))
        row.store(0, _clip(row.builder, y, row.scalar(6), row.scalar(7)))

    return types.void(y, y_at, flags, f_at, *[types.float64] * 4), _code(body)


@intrinsic
def add_row(context, y, y_at, flags, f_at, added, a_at, factor, low, high, floor, ceiling):
    """``y += floor(added * factor)``, then as `clip_row`; flags that are set stay set."""

    def body(row: _Row) -> None:
        builder = row.builder
        y = builder.fadd(row.load(0), call(builder, "floor", builder.fmul(row.load(4), row.scalar(6))))
        one = ir.Constant(FLOATS, [1.0] * LANES)
        row.store(2, builder.select(_outside(builder, y, row.scalar(7), row.scalar(8)), one, row.load(2)))
        row.store(0, _clip(builder, y, row.scalar(9), row.scalar(10)))

    return types.void(y, y_at, flags, f_at, added, a_at, *[types.float64] * 5), _code(body)


@intrinsic
def scale_row(context, y, y_at, parameters, p_at):
    """``y = floor(y * m / 2**t) + b`` for ``|y| < 2**53``; parameters of a channel as in a step."""

    def body(row: _Row) -> None:
        row.store(0, _full_scale(row.builder, row.load(0), lambda i: row.element(2, i)))

    return types.void(y, y_at, parameters, p_at), _code(body)


@intrinsic
def settle_row(context, y, y_at, flags, f_at, mask, m_at, totals, t_at):
    """``y *= mask``; add the flags to ``totals[:LANES]``, keep magnitudes' maxima in ``totals[LANES : 2 * LANES]``."""

    def body(row: _Row) -> None:
        builder, base = row.builder, row.base(6)
        over, largest = load(builder, base, 0), load(builder, base, LANES)
        y, over, largest = _settled(builder, row.load(0), row.load(2), row.load(4), over, largest)
        row.store(0, y)
        store(builder, over, base, 0)
        store(builder, largest, base, LANES)

    return types.void(y, y_at, flags, f_at, mask, m_at, totals, t_at), _code(body)
