"""How a tile of sums ends where nothing can saturate: from 32-bit sums to 32-bit codes in one go."""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from hwshift.golden.limbs import LIMBS, ROW, TILE
from hwshift.golden.llvm import (
    FLOATS,
    I32,
    I64,
    LANES,
    Loop,
    address,
    call,
    load,
    spread,
    store,
    store_masked,
    zeros,
)
from hwshift.golden.steps import CUTS, PARAMETERS, WHOLE_BIAS
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
    prefetch,
    read_codes,
    read_halves,
    scratch,
    where_compiled,
    x86,
)

__all__ = ["direct_tile", "finish_tile"]

_BITS = ir.IntType(PIXELS)
_DOWN = I32(9)  # rounded towards minus infinity, no exceptions


_TAIL = [
    "parameters", "p_at", "memory", "targets", "g_at", "residuals", "r_at", "place", "where", "w_at", "linear", "mask",
    "m_at", "pixels", "floor", "ceiling", "residual_floor", "residual_ceiling", "up", "down", "totals", "t_at", "rows",
    "residual", "ahead",
]  # fmt: skip
"""The last arguments of `finish_tile` and `direct_tile`."""


@intrinsic
def finish_tile(
    context, room, slot, count, cut, rest, lift, parameters, p_at, memory, targets, g_at, residuals, r_at, place, where,
    w_at, linear, mask, m_at, pixels, floor, ceiling, residual_floor, residual_ceiling, up, down, totals, t_at, rows,
    residual, ahead,
):  # fmt: skip
    """Scale, activation, residual, activation of the sums in ``slot`` of the panel; for values known to fit int32.

    ``count`` sums a row, ``parameters`` (rows, PARAMETERS). With a ``cut``, sums S of a scale ``1 / 2**t`` stay
    integers of 32 bits: ``y = (R >> rest) + ((S[cut + 1] + (S[cut + 2] << 8) + ...) << lift) + b`` with R the sums up
    to ``cut`` without the bits below it, ``rest = t - 8 * cut`` and ``lift = 8 * (cut + 1) - t``. What wraps around
    does no harm, since y fits. The first ``pixels`` of 16 codes go to
    ``memory[targets[r] + place:]`` if ``linear``, else ``memory[targets[r] + where[p]]``; 0 where ``mask`` is 0.
    The residual is ``(memory[residuals[r] + ...] << up) >> down`` at the same places. Magnitudes' maxima are kept in
    ``totals[LANES : 2 * LANES]``. What is ``ahead`` codes behind is asked for, if ``linear``.

    ``floor(y * m / 2**t) + b`` is ``y * (m / 2**t) + b`` rounded down twice, to float64 and to an integer: an integer
    that is not above the exact value is not above the first result either, since float64 holds it.
    """

    def code(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> None:
        tile = _Tile(context, builder, signature, args)
        numbers = range(2 * LIMBS[0] - 1, SUMS + 1)

        def end(n: int, cut: int, linear: bool, residual: bool) -> None:
            tile.code(
                lambda row: tile.cut_down(row, n, cut) if cut else tile.combined(row, n), linear, residual
            )

        tile.both("linear", lambda linear: tile.both("residual", lambda residual: cases(
            builder, args[3], range(CUTS + 1), lambda cut: cases(
                builder, args[2], numbers, lambda n: end(n, cut, linear, residual)
            )
        )))  # fmt: skip

    return types.void(
        room, *[types.int64] * 5, parameters, types.int64, memory, targets, types.int64, residuals, types.int64,
        types.int64, where, types.int64, types.int64, mask, *[types.int64] * 8, totals, *[types.int64] * 4,
    ), where_compiled(code)  # fmt: skip


@intrinsic
def direct_tile(
    context, weights, x_at, step, taps, k_at, channel, per_group, count, maximum, begin, sources, s_at, stride,
    parameters, p_at, memory, targets, g_at, residuals, r_at, place, where, w_at, linear, mask, m_at, pixels, floor,
    ceiling, residual_floor, residual_ceiling, up, down, totals, t_at, rows, residual, ahead,
):  # fmt: skip
    """As `finish_tile` for the sums over ``count`` taps of ``weights[r, k] * memory[taps[g, k] + begin + stride * p]``.

    Stride 1 or 2; or 0 for ``memory[taps[g, k] + sources[p]]``. From one row's weights to the next's it is ``step``;
    g is ``(channel + r) // per_group``. With ``maximum`` 1 it is the largest pixel, times the first weight.
    """

    def code(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> None:
        tile = _Tile(context, builder, signature, args)
        tile.both("residual", lambda residual: tile.both("linear", lambda linear: cases(
            builder, args[8], range(2), lambda maximum: cases(
                builder, args[12], range(1, 2) if linear else range(3),
                lambda stride: tile.code(lambda row: tile.reduced(row, stride, bool(maximum)), linear, residual),
            )
        )))  # fmt: skip

    return types.void(
        weights, *[types.int64] * 2, taps, *[types.int64] * 6, sources, *[types.int64] * 2, parameters, types.int64,
        memory, targets, types.int64, residuals, types.int64, types.int64, where, types.int64, types.int64, mask,
        *[types.int64] * 8, totals, *[types.int64] * 4,
    ), where_compiled(code, vectors_only=True)  # fmt: skip


class _Tile:
    """The code of `finish_tile` and `direct_tile`, in which arguments of `_TAIL` have names."""

    def __init__(self, context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> None:
        self.builder, self.args = builder, args
        self._call = context, builder, signature, args
        self._head = len(args) - len(_TAIL)

    def value(self, name: str, behind: int = 0) -> ir.Value:
        """An argument, or one that is so many places behind it."""
        return self.args[self._head + _TAIL.index(name) + behind]

    def both(self, name: str, code: Callable[[bool], None]) -> None:
        """Code for both values of an argument that is 0 or 1."""
        cases(self.builder, self.value(name), range(2), lambda n: code(bool(n)))

    def named(self, name: str, at: ir.Value) -> ir.Value:
        """Pointer to element ``at`` of an array argument."""
        return self.array(self._head + _TAIL.index(name), at)

    def array(self, i: int, at: ir.Value) -> ir.Value:
        """Pointer to element ``at`` of array argument ``i``."""
        return address(*self._call, i, at)

    def same(self, name: str) -> ir.Value:
        """A scalar argument as a vector of codes."""
        return self.codes(self.value(name))

    def codes(self, value: ir.Value) -> ir.Value:
        """The low 32 bits of an integer as a vector of codes."""
        return spread(self.builder, self.builder.trunc(value, I32), PIXELS)

    def code(self, scaled: Callable[[ir.Value], ir.Value], linear: bool, residual: bool) -> None:
        """What ends a tile; ``scaled(row)`` are the codes of a row, scaled and with their bias."""
        builder = self.builder
        written = builder.icmp_unsigned("<", ir.Constant(CODES, list(range(PIXELS))), self.same("pixels"))
        mask = self.named("mask", self.value("m_at"))
        inside = joined(builder, *(
            builder.fcmp_unordered("!=", load(builder, mask, first), zeros(FLOATS)) for first in (0, LANES)
        ))  # fmt: skip
        where = None if linear else self.named("where", self.value("w_at"))
        places = None if where is None else [load(builder, where, first) for first in (0, LANES)]
        floor, ceiling, last_floor, last_ceiling, up, down = (self.same(name) for name in _TAIL[14:20])
        none = ir.Constant(CODES, [0] * PIXELS)
        runs = None if places is None else self.runs(places, written)
        loop = Loop(builder, self.value("rows"), [none])
        y = self.clip(scaled(loop.index), floor, ceiling)
        if residual:
            extra = read_codes(builder, self.plane("residuals", loop.index, linear), places)
            y = self.clip(
                builder.add(y, builder.ashr(builder.shl(extra, up), down)), last_floor, last_ceiling
            )
        y = builder.select(inside, y, none)
        target = self.plane("targets", loop.index, linear)
        if linear:
            prefetch(builder, target, self.value("ahead"), write=True)
        self.write(y, target, runs, written)
        size = builder.select(builder.icmp_signed("<", y, none), builder.sub(none, y), y)
        loop.close([builder.select(builder.icmp_signed(">", size, loop.values[0]), size, loop.values[0])])
        self.keep(loop.values[0])

    def panel(self, row: ir.Value) -> ir.Value:
        """Pointer to a row of the first tile of sums."""
        builder = self.builder
        sums = byte(builder, scratch(*self._call, 0), builder.mul(self.args[1], I64(SUMS * TILE)))
        return byte(builder, sums, builder.mul(row, I64(ROW)))

    def cut_down(self, row: ir.Value, count: int, cut: int) -> ir.Value:
        """A row of the panel as codes, in integers of 32 bits: what is below the point is cut off sum by sum."""
        builder, sums, own = self.builder, self.panel(row), self.own(row)
        parts = [read_codes(builder, byte(builder, sums, s * TILE), None) for s in range(count)]
        eight = ir.Constant(CODES, [8] * PIXELS)
        rest, lift = (self.codes(self.args[i]) for i in (4, 5))
        total = parts[0]
        for part in parts[1 : cut + 1]:
            total = builder.add(builder.ashr(total, eight), part)
        total = builder.ashr(total, rest)
        above = None
        for part in reversed(parts[cut + 1 :]):
            above = part if above is None else builder.add(builder.shl(above, eight), part)
        if above is not None:
            total = builder.add(total, builder.shl(above, lift))
        bias = builder.load(builder.bitcast(byte(builder, own, 8 * WHOLE_BIAS), I32.as_pointer()))
        return builder.add(total, spread(builder, bias, PIXELS))

    def combined(self, row: ir.Value, count: int) -> ir.Value:
        """A row of the panel as codes: its tiles of sums weighted and added."""
        builder, sums = self.builder, self.panel(row)
        radix = spread(builder, ir.Constant(ir.DoubleType(), 256.0))
        parts = []
        for half in range(2):
            total = None
            for s in reversed(range(count)):
                codes = byte(builder, sums, s * TILE + half * ROW // 2)
                value = builder.sitofp(load(builder, builder.bitcast(codes, I32.as_pointer()), 0), FLOATS)
                total = value if total is None else call(builder, "fma", total, radix, value)
            parts.append(total)
        return self.scaled(parts, row)

    def reduced(self, row: ir.Value, stride: int, maximum: bool) -> ir.Value:
        """Sums of a row over the taps, or the weighted maxima, as codes."""
        builder, args = self.builder, self.args
        memory = self.named("memory", args[9] if stride else I64(0))
        places = (
            [load(builder, self.array(10, args[11]), first) for first in (0, LANES)] if stride == 0 else None
        )
        weights = self.array(0, builder.add(args[1], builder.mul(row, args[2])))
        group = builder.udiv(builder.add(args[5], row), args[6])
        taps = self.array(3, builder.add(args[4], builder.mul(group, args[7])))
        lowest = ir.Constant(HALF, [-(1 << 31)] * LANES)
        loop = Loop(builder, args[7], [lowest if maximum else zeros(FLOATS)] * 2)
        plane = builder.gep(memory, [builder.load(builder.gep(taps, [loop.index]))])
        codes = read_halves(builder, plane, stride, places)
        if maximum:
            loop.close([
                builder.select(builder.icmp_signed(">", part, largest), part, largest)
                for part, largest in zip(codes, loop.values, strict=True)
            ])  # fmt: skip
            weight = spread(builder, builder.load(weights))
            return self.scaled([builder.fmul(builder.sitofp(v, FLOATS), weight) for v in loop.values], row)
        weight = spread(builder, builder.load(builder.gep(weights, [loop.index])))
        loop.close([
            call(builder, "fma", builder.sitofp(part, FLOATS), weight, total)
            for part, total in zip(codes, loop.values, strict=True)
        ])  # fmt: skip
        return self.scaled(list(loop.values), row)

    def own(self, row: ir.Value) -> ir.Value:
        """Pointer to a row's parameters."""
        return self.named(
            "parameters", self.builder.add(self.value("p_at"), self.builder.mul(row, I64(PARAMETERS)))
        )

    def scaled(self, sums: list[ir.Value], row: ir.Value) -> ir.Value:
        """The codes of one row: its sums scaled and with its bias."""
        builder = self.builder
        own = self.own(row)
        scale, bias = (spread(builder, builder.load(builder.gep(own, [I64(i)]))) for i in (6, 4))
        parts = []
        for total in sums:
            y = x86(builder, "avx512.vfmadd.pd.512", FLOATS, total, scale, bias, _DOWN)
            nothing = ir.Constant(HALF, [0] * LANES)
            parts.append(x86(builder, "avx512.mask.cvtpd2dq.512", HALF, y, nothing, I8(-1), _DOWN))
        return joined(builder, *parts)

    def clip(self, value: ir.Value, low: ir.Value, high: ir.Value) -> ir.Value:
        builder = self.builder
        value = builder.select(builder.icmp_signed("<", value, low), low, value)
        return builder.select(builder.icmp_signed(">", value, high), high, value)

    def plane(self, table: str, row: ir.Value, linear: bool) -> ir.Value:
        """Pointer into memory for the row's plane in a table."""
        builder = self.builder
        at = builder.load(builder.gep(self.named(table, self.value(table, 1)), [row]))
        return self.named("memory", builder.add(at, self.value("place")) if linear else at)

    def runs(self, places: list[ir.Value], written: ir.Value) -> tuple[ir.Value, ir.Value, ir.Value]:
        """Pixels whose places are neighbours like themselves: pointers to masks and places of pixel 0, and how many."""
        builder = self.builder
        masks, starts = (cgutils.alloca_once(builder, kind, PIXELS) for kind in (_BITS, I64))
        where = self.named("where", self.value("w_at"))
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
            store_masked(self.builder, y, plane, written)
            return
        builder, (masks, starts, count) = self.builder, runs
        loop = Loop(builder, count, [])
        mask = builder.bitcast(builder.load(builder.gep(masks, [loop.index])), written.type)
        start = builder.load(builder.gep(starts, [loop.index]))
        store_masked(builder, y, builder.gep(plane, [start]), mask)
        loop.close([])

    def keep(self, largest: ir.Value) -> None:
        """Add magnitudes to the maxima."""
        builder = self.builder
        totals = self.named("totals", self.value("t_at"))
        peak = load(builder, totals, LANES)
        for part in halves(builder, largest):
            size = builder.sitofp(part, FLOATS)
            peak = builder.select(builder.fcmp_ordered(">", size, peak), size, peak)
        store(builder, peak, totals, LANES)
