"""How time grows with work, how long a new process takes, how much memory a batch takes."""

import json
import subprocess
import sys
from collections.abc import Iterator
from functools import partial

import numpy as np

from hwshift.benchmarks.measure import Measurement, Row, measure, rows_of
from hwshift.golden import run
from hwshift.golden.formats import Arithmetic, QFormat
from hwshift.network.fixed import RELU, Conv, Epilogue, FixedLayer, FixedNetwork, FixedWeights, Input
from hwshift.network.shifts import modulo_shifts
from hwshift.progress import Progress

__all__ = ["growth_rows", "memory_of_batches", "spread", "start_seconds"]

_SIDES = (11, 35, 110, 350, 1105)  # of the image: about 10**6 to 10**10 multiplications
_CHANNELS = 64
_RUNS = 300_000_000  # multiplications of a turn, as long as these are not 30 runs


def growth_rows(repeats: int, threads: int, progress: Progress) -> Iterator[Row]:
    """Rates of two shift convolutions, 64 to 64 channels, on images of growing size, as ratios to the largest.

    On one thread, then on all. Sizes take turns, small ones with several runs a turn, so that a slow minute of the
    machine hits all of them.
    """
    arithmetic = Arithmetic("mac", QFormat(), QFormat())
    cases = []
    for side in _SIDES:
        network = _two_shift_convolutions(side)
        x = np.random.default_rng(0).integers(-(1 << 16), 1 << 16, network.input.shape, np.int32)
        cases.append((2 * (_CHANNELS * side) ** 2, partial(run, network, arithmetic, x)))
    for count in sorted({1, threads}):
        group = f"growth, {count} thread{'s' if count > 1 else ''}"
        seconds: dict[int, list[float]] = {macs: [] for macs, _ in cases}
        for turn in range(repeats + 1):
            progress(f"{group}, turn {turn} of {repeats}")
            for macs, case in cases:
                runs = max(1, min(30, _RUNS // macs))
                timed = measure({"": partial(case, threads=count)}, "MACs", float(macs), runs, warm=turn == 0)
                if turn:
                    seconds[macs] += timed[0].seconds
        measured = [
            Measurement(f"{macs:.1e} MACs", "MACs", float(macs), tuple(times))
            for macs, times in seconds.items()
        ]
        yield from rows_of(group, measured, measured[-1].name)


def spread(rows: list[Row]) -> dict[str, float]:
    """For each group of `growth_rows`: the longest time per multiplication over the shortest."""
    groups: dict[str, list[float]] = {}
    for row in rows:
        groups.setdefault(row.group, []).append(row.rate)
    return {group: max(rates) / min(rates) for group, rates in groups.items()}


def _two_shift_convolutions(side: int) -> FixedNetwork:
    rng = np.random.default_rng(side)
    shape = (_CHANNELS, side, side)
    layers = [FixedLayer("input", Input(), (), shape)]
    for name in ("first", "second"):
        weights = FixedWeights(QFormat(), rng.integers(-(1 << 12), 1 << 12, (_CHANNELS, _CHANNELS, 1, 1)))
        conv = Conv(weights, shift=modulo_shifts(_CHANNELS, 3).astype(np.int64))
        layers.append(FixedLayer(name, conv, (layers[-1].name,), shape, Epilogue.identity(_CHANNELS, RELU)))
    return FixedNetwork("growth", QFormat(), tuple(layers))


_START = """
import time
begin = time.perf_counter()
import numpy as np, hwshift
from hwshift.golden import run
from hwshift.golden.formats import Arithmetic
from hwshift.network.bind import bind
network = bind(hwshift.quantize("fashion-shiftnet-pow2"), Arithmetic())
run(network, Arithmetic(), np.zeros(network.input.shape, np.int32))
print(time.perf_counter() - begin)
"""


def start_seconds() -> float:
    """Seconds from the start of a new process's imports to its first result, with the kernels in the cache."""
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", _START], capture_output=True, text=True, check=True)
    return float(done.stdout)


_MEMORY = """
import json, re, sys
import numpy as np, hwshift
from hwshift.golden import run
from hwshift.golden.formats import Arithmetic
from hwshift.network.bind import bind
network = bind(hwshift.quantize(sys.argv[1]), Arithmetic())
found = {}
for images in (1, 64, 512):
    run(network, Arithmetic(), np.zeros((images, *network.input.shape), np.int32))
    with open("/proc/self/status") as status:
        found[images] = int(re.search(r"VmHWM:\\s*(\\d+)", status.read())[1]) / 1024
print(json.dumps(found))
"""


def memory_of_batches(name: str = "ShiftResNet20-6") -> dict[int, float]:
    """Peak memory in MiB of a process after batches of growing size, their inputs and outputs included."""
    command = [sys.executable, "-c", _MEMORY, name]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return {int(images): peak for images, peak in json.loads(done.stdout).items()}
