"""How time grows with work, how long a new process takes, how much memory a batch takes."""

import json
import subprocess
import sys
from collections.abc import Iterator
from functools import partial

import numpy as np

from hwshift.benchmarks.measure import Row, measure, rows_of
from hwshift.golden import run
from hwshift.golden.formats import Arithmetic, QFormat
from hwshift.network.fixed import RELU, Conv, Epilogue, FixedLayer, FixedNetwork, FixedWeights, Input
from hwshift.network.shifts import modulo_shifts
from hwshift.progress import Progress

__all__ = ["growth_rows", "memory_of_batches", "start_seconds"]

_SIDES = (11, 35, 110, 350, 1105)  # of the image: about 10**6 to 10**10 multiplications
_CHANNELS = 64


def growth_rows(repeats: int, threads: int, progress: Progress) -> Iterator[Row]:
    """Rates of two shift convolutions, 64 to 64 channels, on images of growing size, as ratios to the largest."""
    arithmetic = Arithmetic("mac", QFormat(), QFormat())
    measured = []
    for side in _SIDES:
        network, macs = _two_shift_convolutions(side), 2 * (_CHANNELS * side) ** 2
        progress(f"growth, {macs:,} MACs")
        x = np.random.default_rng(0).integers(-(1 << 16), 1 << 16, network.input.shape, np.int32)
        case = {f"{macs:.1e} MACs": partial(run, network, arithmetic, x, threads=threads)}
        measured += measure(case, "MACs", float(macs), max(repeats, min(200, int(1e9 // macs))))
    yield from rows_of("growth", measured, measured[-1].name)


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
