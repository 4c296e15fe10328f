"""How a tile of sums ends where nothing can saturate: from 32-bit sums to 32-bit codes in one go."""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from hwshift.golden.limbs import LIMBS, ROW, TILE
from hwshift.golden.llvm import FLOATS, I32, I64, LANES, Loop, address, call, load, spread, store, zeros
from hwshift.golden.steps import PARAMETERS
from hwshift.golden.tiles import SUMS
from hwshift.golden.x86 import (
    CODES,
    HALF,
    I8,
    PIXELS,
    byte,
    cases,
    halves,
    joined,
    read_codes,
    scratch,
    where_compiled,
    x86,
)

__all__ = ["finish_tile"]

_BITS = ir.IntType(PIXELS)
_DOWN = I32(9)  # rounded towards minus infinity, no exceptions


@intrinsic
def finish_tile(
    context, room, slot, count, parameters, p_at, memory, targets, g_at, residuals, r_at, place, where, w_at, linear,
    mask, m_at, pixels, floor, ceiling, residual_floor, residual_ceiling, up, down, totals, t_at, rows, residual,
):  # fmt: skip
    """Scale, activation, residual, activation of the sums in ``slot`` of the panel; for values known to fit int32.

    ``count`` sums a row, ``parameters`` (rows, PARAMETERS). The first ``pixels`` of 16 codes go to
    ``memory[targets[r] + place:]`` if ``linear``, else ``memory[targets[r] + where[p]]``; 0 where ``mask`` is 0.
    The residual is ``(memory[residuals[r] + ...] << up) >> down`` at the same places. Magnitudes' maxima are kept in
    ``totals[LANES : 2 * LANES]``.

    ``floor(y * m / 2**t) + b`` is ``y * (m / 2**t) + b`` rounded down twice, to float64 and to an integer: an integer
    that is not above the exact value is not above the first result either, since float64 holds it.
    """

    def code(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> None:
        def linear_or_not(linear: int) -> None:
            cases(builder, args[26], range(2), lambda residual: with_residual(bool(linear), bool(residual)))

        def with_residual(linear: bool, residual: bool) -> None:
            numbers = range(2 * LIMBS[0] - 1, SUMS + 1)
            cases(
                builder,
                args[2],
                numbers,
                lambda n: _Tile(context, builder, signature, args).code(n, linear, residual),
            )

        cases(builder, args[13], range(2), linear_or_not)

    return types.void(
        room, *[types.int64] * 2, parameters, types.int64, memory, targets, types.int64, residuals, types.int64,
        types.int64, where, types.int64, types.int64, mask, *[types.int64] * 8, totals, *[types.int64] * 3,
    ), where_compiled(code)  # fmt: skip


class _Tile:
    """The code of `finish_tile` for one of its cases."""

    def __init__(self, context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> None:
        self.builder, self.args = builder, args
        self._call = context, builder, signature, args

    def array(self, i: int, at: ir.Value) -> ir.Value:
        """Pointer to element ``at`` of array argument ``i``."""
        return address(*self._call, i, at)

    def same(self, i: int) -> ir.Value:
        """Scalar argument ``i`` as a vector of codes."""
        vector = ir.Constant(CODES, ir.Undefined)
        one = self.builder.insert_element(vector, self.builder.trunc(self.args[i], I32), I32(0))
        return self.builder.shuffle_vector(one, vector, ir.Constant(CODES, [0] * PIXELS))

    def code(self, count: int, linear: bool, residual: bool) -> None:
        builder, args = self.builder, self.args
        sums = byte(builder, scratch(*self._call, 0), builder.mul(args[1], I64(SUMS * TILE)))
        written = builder.icmp_unsigned("<", ir.Constant(CODES, list(range(PIXELS))), self.same(16))
        mask = self.array(14, args[15])
        inside = joined(builder, *(
            builder.fcmp_unordered("!=", load(builder, mask, first), zeros(FLOATS)) for first in (0, LANES)
        ))  # fmt: skip
        places = None if linear else [load(builder, self.array(11, args[12]), first) for first in (0, LANES)]
        clips = [self.same(i) for i in (17, 18, 19, 20)]
        moves = [self.same(i) for i in (21, 22)]
        none = ir.Constant(CODES, [0] * PIXELS)
        runs = None if linear else self.runs(places, written)
        loop = Loop(builder, args[25], [none])
        y = self.scaled(byte(builder, sums, builder.mul(loop.index, I64(ROW))), loop.index, count)
        y = self.clip(y, *clips[:2])
        if residual:
            extra = read_codes(builder, self.plane(8, loop.index, linear), places)
            y = builder.add(y, builder.ashr(builder.shl(extra, moves[0]), moves[1]))
            y = self.clip(y, *clips[2:])
        y = builder.select(inside, y, none)
        self.write(y, self.plane(6, loop.index, linear), runs, written)
        size = builder.select(builder.icmp_signed("<", y, none), builder.sub(none, y), y)
        loop.close([builder.select(builder.icmp_signed(">", size, loop.values[0]), size, loop.values[0])])
        self.keep(loop.values[0])

    def scaled(self, sums: ir.Value, row: ir.Value, count: int) -> ir.Value:
        """The codes of one row: its sums combined, scaled and with its bias."""
        builder = self.builder
        own = self.array(3, builder.add(self.args[4], builder.mul(row, I64(PARAMETERS))))
        scale, bias = (spread(builder, builder.load(builder.gep(own, [I64(i)]))) for i in (6, 4))
        radix = spread(builder, ir.Constant(ir.DoubleType(), 256.0))
        parts = []
        for half in range(2):
            total = None
            for s in reversed(range(count)):
                codes = byte(builder, sums, s * TILE + half * ROW // 2)
                value = builder.sitofp(load(builder, builder.bitcast(codes, I32.as_pointer()), 0), FLOATS)
                total = value if total is None else call(builder, "fma", total, radix, value)
            y = x86(builder, "avx512.vfmadd.pd.512", FLOATS, total, scale, bias, _DOWN)
            nothing = ir.Constant(HALF, [0] * LANES)
            parts.append(x86(builder, "avx512.mask.cvtpd2dq.512", HALF, y, nothing, I8(-1), _DOWN))
        return joined(builder, *parts)

    def clip(self, value: ir.Value, low: ir.Value, high: ir.Value) -> ir.Value:
        builder = self.builder
        value = builder.select(builder.icmp_signed("<", value, low), low, value)
        return builder.select(builder.icmp_signed(">", value, high), high, value)

    def plane(self, i: int, row: ir.Value, linear: bool) -> ir.Value:
        """Pointer into memory for the row's plane in table argument ``i``."""
        builder = self.builder
        at = builder.load(builder.gep(self.array(i, self.args[i + 1]), [row]))
        return self.array(5, builder.add(at, self.args[10]) if linear else at)

    def runs(self, places: list[ir.Value], written: ir.Value) -> tuple[ir.Value, ir.Value, ir.Value]:
        """Pixels whose places are neighbours as they are: pointers to masks and places of pixel 0, and how many runs."""
        builder = self.builder
        masks, starts = (cgutils.alloca_once(builder, kind, PIXELS) for kind in (_BITS, I64))
        where = self.array(11, self.args[12])
        lanes = [ir.Constant(places[0].type, list(range(first, first + LANES))) for first in (0, LANES)]
        offsets = [builder.sub(place, lane) for place, lane in zip(places, lanes, strict=True)]
        entry, head, body, done = (
            builder.block,
            *(builder.append_basic_block(f"runs.{x}") for x in ("head", "body", "done")),
        )
        left_first = builder.bitcast(written, _BITS)
        builder.branch(head)
        builder.position_at_end(head)
        left, count = builder.phi(_BITS), builder.phi(I64)
        left.add_incoming(left_first, entry)
        count.add_incoming(I64(0), entry)
        builder.cbranch(builder.icmp_unsigned("!=", left, _BITS(0)), body, done)
        builder.position_at_end(body)
        first = builder.zext(builder.cttz(left, ir.IntType(1)(1)), I64)
        start = builder.sub(builder.load(builder.gep(where, [first])), first)
        same = joined(
            builder, *(builder.icmp_signed("==", offset, spread(builder, start)) for offset in offsets)
        )
        own = builder.and_(builder.bitcast(same, _BITS), left)
        builder.store(own, builder.gep(masks, [count]))
        builder.store(start, builder.gep(starts, [count]))
        left.add_incoming(builder.xor(left, own), body)
        count.add_incoming(builder.add(count, I64(1)), body)
        builder.branch(head)
        builder.position_at_end(done)
        return masks, starts, count

    def write(self, y: ir.Value, plane: ir.Value, runs: tuple | None, written: ir.Value) -> None:
        if runs is None:
            self.store(y, plane, written)
            return
        builder, (masks, starts, count) = self.builder, runs
        loop = Loop(builder, count, [])
        mask = builder.bitcast(builder.load(builder.gep(masks, [loop.index])), written.type)
        start = builder.load(builder.gep(starts, [loop.index]))
        self.store(y, builder.gep(plane, [start]), mask)
        loop.close([])

    def store(self, y: ir.Value, where: ir.Value, mask: ir.Value) -> None:
        builder = self.builder
        where = builder.bitcast(where, CODES.as_pointer())
        kind = ir.FunctionType(ir.VoidType(), [CODES, where.type, I32, mask.type])
        masked = cgutils.get_or_insert_function(builder.module, kind, "llvm.masked.store.v16i32.p0")
        builder.call(masked, [y, where, I32(4), mask])

    def keep(self, largest: ir.Value) -> None:
        """Add magnitudes to the maxima."""
        builder = self.builder
        totals = self.array(23, self.args[24])
        peak = load(builder, totals, LANES)
        for part in halves(builder, largest):
            size = builder.sitofp(part, FLOATS)
            peak = builder.select(builder.fcmp_ordered(">", size, peak), size, peak)
        store(builder, peak, totals, LANES)
