"""The core under Verilator with a C++ main: the same memory and counters as everywhere else, whole trained networks."""

import pytest

from hwshift.compiler import compile as compile_network
from hwshift.config import PRESETS
from hwshift.network.random import csc_network
from hwshift.resolve import prepare
from hwshift.sim.cycle.model import MemoryTiming
from hwshift.sim.native import run_native
from hwshift.zoo.trained import trained_network

from ..seeds import generator
from .cases import Case, case_of, make_case


@pytest.mark.slow
def test_small_network(rtl_builds):
    """Two runs of one build; the interrupt comes in the cycle that the model tells."""
    case = make_case(csc_network(4, 6, 5, 2, stride2=(1,), classes=5, seed=1), PRESETS["4x4"], seed=5)
    for latencies in ((16, 8), (3, 40)):
        _check(case, latencies, rtl_builds)


@pytest.mark.soak
@pytest.mark.parametrize("preset", ["8x8", "16x16"])
def test_trained_networks_whole(preset, rtl_builds):
    """ShiftResNet20-1 as trained on CIFAR-10, every layer in memory."""
    config = PRESETS[preset]
    network = prepare(trained_network("cifar10-shiftresnet20-1-pow2"), config)
    program = compile_network(network, config, keep="all")
    x = generator(8).integers(-2 << 16, 2 << 16, network.input.shape)
    _check(case_of(program, network, x), (40, 40), rtl_builds)


def _check(case: Case, latencies: tuple[int, int], build_dir) -> None:
    time = MemoryTiming(*latencies)
    result, seconds = run_native(case.program.config, case.run(time), build_dir=build_dir)
    case.check(result, time)
    assert seconds > 0
