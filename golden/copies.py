"""Rows of codes from one place to another, with their largest magnitude."""

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from hwshift.golden.llvm import I32, I64, Loop, address, load_masked, spread, store_masked

__all__ = ["copy_rows"]

_CODES = 16  # in a vector, which smaller machines take in parts
_VECTOR = ir.VectorType(I32, _CODES)


@intrinsic
def copy_rows(context, source, s_at, s_pitch, target, t_at, t_pitch, rows, width):
    """``target[t_at + r * t_pitch + j] = source[s_at + r * s_pitch + j]`` for r < rows and j < width: arrays of int32.

    Returns the largest magnitude as float64. Nothing else is read or written.
    """

    def code(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> ir.Value:
        none = ir.Constant(_VECTOR, [0] * _CODES)
        loop = Loop(builder, args[6], [none, none])
        places = (builder.add(args[i + 1], builder.mul(loop.index, args[i + 2])) for i in (0, 3))
        begin, end = (
            address(context, builder, signature, args, i, at) for i, at in zip((0, 3), places, strict=True)
        )
        vectors = builder.lshr(builder.add(args[7], I64(_CODES - 1)), I64(4))
        inner = Loop(builder, vectors, list(loop.values))
        first = builder.mul(inner.index, I64(_CODES))
        mask = builder.icmp_signed(
            "<", ir.Constant(_VECTOR, list(range(_CODES))), _spread(builder, builder.sub(args[7], first))
        )
        value = load_masked(builder, builder.bitcast(builder.gep(begin, [first]), _VECTOR.as_pointer()), mask)
        store_masked(builder, value, builder.gep(end, [first]), mask)
        least, most = inner.values
        inner.close([
            builder.select(builder.icmp_signed("<", value, least), value, least),
            builder.select(builder.icmp_signed(">", value, most), value, most),
        ])  # fmt: skip
        loop.close(list(inner.values))
        least, most = (builder.sitofp(v, ir.VectorType(ir.DoubleType(), _CODES)) for v in loop.values)
        least = builder.fsub(ir.Constant(least.type, [0.0] * _CODES), least)
        largest = builder.select(builder.fcmp_ordered(">", least, most), least, most)
        parts = [builder.extract_element(largest, I32(i)) for i in range(_CODES)]
        while len(parts) > 1:
            parts = [
                builder.select(builder.fcmp_ordered(">", a, b), a, b)
                for a, b in zip(parts[::2], parts[1::2], strict=True)
            ]
        return parts[0]

    return types.float64(source, *[types.int64] * 2, target, *[types.int64] * 4), code


def _spread(builder: ir.IRBuilder, value: ir.Value) -> ir.Value:
    """A count, cut to what a mask needs to know, in every element."""
    most = I64(_CODES)
    value = builder.trunc(builder.select(builder.icmp_signed("<", value, most), value, most), I32)
    return spread(builder, value, _CODES)
