"""Whole networks in exact Q16.16 beside float32 in ONNX Runtime and PyTorch, on the same threads."""

from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec

import numpy as np

from hwshift.benchmarks.measure import Row, measure, rows_of
from hwshift.exporters.onnx import ShiftForm, to_onnx
from hwshift.golden import run
from hwshift.golden.formats import Arithmetic, QFormat
from hwshift.network.bind import bind
from hwshift.network.graph import Network
from hwshift.network.quantize import quantize
from hwshift.progress import Progress
from hwshift.resolve import load_network

__all__ = ["CASES", "network_rows"]

CASES = (
    ("ShiftResNet20-6", "fixed"),
    ("ShiftNet-A", "fixed"),
    ("FE-Net-1.0x", "fixed"),
    ("ShuffleNet-1x-g3", "fixed"),
    ("ShiftResNet20-6", "pow2"),
)
"""Networks and the kind of their weights."""

_BATCHES = (1, 32)
_EXPORTS: tuple[ShiftForm, ...] = ("depthwise", "slices")


def network_rows(
    repeats: int,
    threads: int,
    progress: Progress,
    cases: tuple[tuple[str, str], ...] = CASES,
    batches: tuple[int, ...] = _BATCHES,
) -> Iterator[Row]:
    """Rates in images per second, as ratios to the faster ONNX Runtime export (one-hot depthwise or slices)."""
    for name, kind in cases:
        network = load_network(name)
        assert isinstance(network, Network)
        arithmetic = Arithmetic() if kind == "pow2" else Arithmetic("mac", QFormat(), QFormat())
        bound = bind(quantize(network, weights=kind), arithmetic)  # type: ignore[arg-type]
        for batch in batches:
            group = f"{name}{' pow2' if kind == 'pow2' else ''}, batch {batch}"
            progress(group)
            x = np.random.default_rng(0).standard_normal((batch, *bound.input.shape)).astype(np.float32)
            codes = arithmetic.act.floor(x).astype(np.int32)
            runs: dict[str, Callable[[], object]] = {
                "golden, exact Q16.16": partial(run, bound, arithmetic, codes, threads=threads)
            }
            runs |= _onnx_runtime(network, x, threads) | _torch(network, x, threads)
            yield from rows_of(group, measure(runs, "images", float(batch), repeats), "ONNX Runtime")


def _onnx_runtime(network: Network, x: np.ndarray, threads: int) -> dict[str, Callable[[], object]]:
    """Sessions of both exports with every graph optimisation on; none where it is not installed."""
    if find_spec("onnxruntime") is None:
        return {}
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    runs: dict[str, Callable[[], object]] = {}
    for label in _EXPORTS:
        model = to_onnx(network, shift=label)
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
        source = session.get_inputs()[0].name
        runs[f"ONNX Runtime float32, shift as {label}"] = partial(session.run, None, {source: x})
    return runs


def _torch(network: Network, x: np.ndarray, threads: int) -> dict[str, Callable[[], object]]:
    """PyTorch without a compiler; none where it is not installed."""
    if find_spec("torch") is None:
        return {}
    from hwshift.benchmarks.eager import eager

    return {"PyTorch float32, eager": eager(network, x, threads)}
