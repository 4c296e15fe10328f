"""The models of the accelerator on one small network: golden, functional and cycle model."""

from collections.abc import Iterator

import numpy as np

from hwshift.benchmarks.measure import Row, measure, rows_of
from hwshift.compiler import compile as compile_network
from hwshift.config import PRESETS
from hwshift.golden import run as run_golden
from hwshift.network.bind import bind
from hwshift.network.quantize import quantize
from hwshift.network.random import csc_network
from hwshift.progress import Progress
from hwshift.sim.cycle.model import simulate_cycles
from hwshift.sim.functional import run_program

__all__ = ["model_rows"]


def model_rows(repeats: int, threads: int, progress: Progress) -> Iterator[Row]:
    """Rates in what each model counts."""
    config = PRESETS["16x16"]
    network = csc_network(16, 16, 16, 3, stride2=(1,), expansion=3)
    bound = bind(quantize(network), config.arithmetic)
    program = compile_network(bound, config, keep="outputs")
    image = np.random.default_rng(0).integers(-(1 << 16), 1 << 16, bound.input.shape)
    batch = np.repeat(image[None], 16, axis=0)
    progress("models")
    for name, unit, amount, case in (
        ("cycle model", "cycles", simulate_cycles(program)["total"], lambda: simulate_cycles(program)),
        ("functional simulator", "MACs", network.macs, lambda: run_program(program, image)),
        ("golden model, 16 images", "MACs", 16 * network.macs,
         lambda: run_golden(bound, config.arithmetic, batch, threads=threads)),
    ):  # fmt: skip
        yield from rows_of("models, 16x16", measure({name: case}, unit, float(amount), repeats), name)
