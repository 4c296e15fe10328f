"""How fast the models are, measured in one run: medians, and ratios to what stands beside them."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import numpy as np

from hwshift.compiler import compile as compile_network
from hwshift.config import PRESETS
from hwshift.golden import run as run_golden
from hwshift.network.bind import bind
from hwshift.network.fixed import Conv, Epilogue, FixedLayer, FixedNetwork, FixedWeights, Input
from hwshift.network.quantize import quantize
from hwshift.network.random import csc_network
from hwshift.progress import Progress, silent
from hwshift.sim.cycle.model import simulate_cycles
from hwshift.sim.functional import run_program

__all__ = ["Measurement", "run_benchmarks"]

_SIZE = 512  # of the square matrix product


@dataclass(frozen=True)
class Measurement:
    """One figure: ``amount`` of ``unit`` in the median of ``seconds``."""

    name: str
    unit: str
    amount: float
    seconds: tuple[float, ...]

    @property
    def rate(self) -> float:
        """Units per second, by the median."""
        return self.amount / median(self.seconds)


def run_benchmarks(repeats: int = 5, progress: Progress = silent) -> list[Measurement]:
    """Measure golden model, functional simulator, cycle model and matrix products.

    Parameters
    ----------
    repeats : int
        Counted runs of each, after one that warms up.
    progress : callable
        Is told what is being done.
    """
    config = PRESETS["16x16"]
    network = bind(quantize(csc_network(16, 16, 16, 3, stride2=(1,), expansion=3)), config.arithmetic)
    program = compile_network(network, config, keep="outputs")
    image = np.random.default_rng(0).integers(-(1 << 16), 1 << 16, network.input.shape)
    macs = float(sum(
        layer.op.weights.values.size * layer.shape[1] * layer.shape[2]
        for layer in network.layers if isinstance(layer.op, Conv)
    ))  # fmt: skip
    cycles = float(simulate_cycles(program)["total"])
    product, reference = _matrix_product()
    batch = np.repeat(image[None], 16, axis=0)
    cases: list[tuple[str, str, float, Callable[[], object]]] = [
        ("cycle model, 16x16", "cycles", cycles, lambda: simulate_cycles(program)),
        ("functional simulator, 16x16", "MACs", macs, lambda: run_program(program, image)),
        ("golden model, 16 images", "MACs", 16 * macs, lambda: run_golden(network, config.arithmetic, batch)),
        (f"golden matrix product, {_SIZE}^3 in Q16.16", "MACs", float(_SIZE**3), product),
        (f"float64 matrix product of NumPy, {_SIZE}^3", "MACs", float(_SIZE**3), reference),
    ]
    results = []
    for name, unit, amount, function in cases:
        progress(name)
        results.append(Measurement(name, unit, amount, _times(function, repeats)))
    return results


def _times(function: Callable[[], object], repeats: int) -> tuple[float, ...]:
    function()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return tuple(times)


def _matrix_product() -> tuple[Callable[[], object], Callable[[], object]]:
    """A pointwise convolution of 512 pixels, 512 channels to 512, exact; and the same in float64."""
    arithmetic = PRESETS["16x16-mac"].arithmetic
    rng = np.random.default_rng(1)
    weights = rng.integers(-(1 << 16), 1 << 16, (_SIZE, _SIZE, 1, 1))
    shape = (_SIZE, 16, _SIZE // 16)
    network = FixedNetwork("product", arithmetic.act, (
        FixedLayer("x", Input(), (), shape),
        FixedLayer("y", Conv(FixedWeights(arithmetic.weights, weights)), ("x",), shape, Epilogue.identity(_SIZE)),
    ))  # fmt: skip
    x = rng.integers(-(1 << 16), 1 << 16, (1, *shape))
    left, right = weights[:, :, 0, 0].astype(np.float64), x.reshape(_SIZE, _SIZE).astype(np.float64)
    return lambda: run_golden(network, arithmetic, x), lambda: left @ right
