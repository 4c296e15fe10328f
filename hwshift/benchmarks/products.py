"""The golden model's inner products beside BLAS, NumPy's integers and the machine's own peak."""

from collections.abc import Iterator
from contextlib import nullcontext
from functools import partial
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from hwshift.benchmarks.measure import Row, measure, rows_of
from hwshift.golden import run
from hwshift.golden.crew import cores
from hwshift.golden.formats import Arithmetic, QFormat
from hwshift.golden.llvm import INTEGERS, LANES, Loop, load, spread
from hwshift.network.fixed import Conv, Epilogue, FixedLayer, FixedNetwork, FixedWeights, Input
from hwshift.progress import Progress

__all__ = ["SHAPES", "multiply_peak", "product_rows"]

SHAPES = {
    "512 x 512 x 512": (512, 512, (16, 32)),
    "ShiftNet-A 64 to 256, 56 x 56": (64, 256, (56, 56)),
    "ShiftNet-A 128 to 512, 28 x 28": (128, 512, (28, 28)),
    "ShiftNet-A 768 to 256, 14 x 14": (768, 256, (14, 14)),
    "ShiftNet-A 1536 to 512, 7 x 7": (1536, 512, (7, 7)),
}
"""Inputs, outputs and pixels of the pointwise convolutions that are measured."""

_CHAINS = 12  # independent products under way
_ROUNDS = 1 << 20


def product_rows(repeats: int, threads: int, progress: Progress) -> Iterator[Row]:
    """Rates in multiply-accumulates per second, as ratios to OpenBLAS ``dgemm``; exact Q16.16 with its epilogue."""
    rng = np.random.default_rng(1)
    for name, (inputs, outputs, size) in SHAPES.items():
        progress(f"products, {name}")
        network, arithmetic = _pointwise(rng, inputs, outputs, size)
        codes = rng.integers(-(1 << 16), 1 << 16, (1, inputs, *size), dtype=np.int32)
        conv = network.layers[1].op
        assert isinstance(conv, Conv)
        cases = {
            "golden, exact Q16.16": lambda n=network, a=arithmetic, x=codes: run(n, a, x, threads=threads)
        }
        for label, dtype in (("dgemm", np.float64), ("sgemm", np.float32), ("NumPy int64 @", np.int64)):
            left = conv.weights.values[:, :, 0, 0].astype(dtype)
            right = codes.reshape(inputs, -1).astype(dtype)
            cases[label] = partial(np.matmul, left, right)
        with _blas_threads(threads):
            measured = measure(cases, "MACs", float(inputs * outputs * size[0] * size[1]), repeats)
        yield from rows_of(name, measured, "dgemm")
    progress("the multiplier's peak")
    peak = measure(
        {"32-bit multiplies, one core": multiply_peak}, "MACs", float(LANES * _CHAINS * _ROUNDS), repeats
    )
    yield from rows_of("peak", peak, "32-bit")


def _pointwise(
    rng: np.random.Generator, inputs: int, outputs: int, size: tuple[int, int]
) -> tuple[FixedNetwork, Arithmetic]:
    arithmetic = Arithmetic("mac", QFormat(), QFormat())
    weights = FixedWeights(QFormat(), rng.integers(-(1 << 16), 1 << 16, (outputs, inputs, 1, 1)))
    layers = (
        FixedLayer("x", Input(), (), (inputs, *size)),
        FixedLayer("y", Conv(weights), ("x",), (outputs, *size), Epilogue.identity(outputs)),
    )
    return FixedNetwork("product", arithmetic.act, layers), arithmetic


def _blas_threads(threads: int) -> Any:
    """The same number of threads for BLAS; as it is where threadpoolctl is not installed."""
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        return nullcontext()
    return threadpool_limits(limits=threads)


@intrinsic
def _multiply_chains(context, start, factor, rounds):  # noqa: ARG001
    """Products of 32-bit integers, as many at a time as registers hold, and nothing else."""

    def code(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        narrow = ir.VectorType(ir.IntType(32), LANES)

        def extend(x: ir.Value) -> ir.Value:
            return builder.sext(builder.trunc(x, narrow), INTEGERS)

        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        loop = Loop(builder, args[2], [load(builder, data, i * LANES) for i in range(_CHAINS)])
        w = extend(spread(builder, args[1]))
        loop.close([builder.mul(extend(value), w) for value in loop.values])
        total = loop.values[0]
        for value in loop.values[1:]:
            total = builder.xor(total, value)
        return builder.extract_element(total, ir.IntType(32)(0))

    return types.int64(start, types.int64, types.int64), code


@njit(nogil=True)
def _multiply(start, factor, rounds):
    return _multiply_chains(start, factor, rounds)


def multiply_peak() -> int:
    """Multiply LANES * 12 * 2**20 pairs of 32-bit integers on one core."""
    return int(_multiply(np.arange(_CHAINS * LANES), 3, _ROUNDS))


def peak_share(rows: list[Row], threads: int) -> float:
    """The golden model's rate on the square product as a share of the peak of all threads' multipliers."""
    own = next(row for row in rows if row.name.startswith("golden"))
    peak = next(row for row in rows if row.group == "peak")
    return own.rate / (peak.rate * min(threads, cores()))
