"""What goes wrong ends in a defined status and an interrupt, damages nothing, and the next run is right."""

from dataclasses import replace

import numpy as np
import pytest

from hwshift.config import PRESETS
from hwshift.program.expected import launch_of
from hwshift.program.registers import ErrorCode
from hwshift.sim.cycle.model import simulate_cycles
from hwshift.sim.rtl_run import run_rtl
from hwshift.sim.stalls import StallPattern

from ..seeds import offset
from .cases import make_case, small_csc
from .faults import faults


@pytest.fixture(scope="module")
def case():
    return make_case(small_csc(1), PRESETS["4x4"], seed=5)


def test_every_error_is_reported_and_survived(case, rtl_builds) -> None:
    listed = faults(case)
    good = case.run(max_cycles=20_000)
    runs = [replace(run, max_cycles=20_000) for _, run in listed]
    results = run_rtl(
        case.program.config, [run for pair in zip(runs, [good] * len(runs), strict=True) for run in pair],
        simulator="icarus", build_dir=rtl_builds,
    )  # fmt: skip
    expected = simulate_cycles(case.program)
    first, last = launch_of(case.program).write_base, launch_of(case.program).write_limit
    for (code, run), bad, after in zip(listed, results[::2], results[1::2], strict=True):
        assert bad.interrupted, code
        assert bad.error is code, (bad.error, code)
        assert not bad.status["done"] and not bad.status["busy"] and not bad.violations, code
        before, left = (np.frombuffer(data, np.uint8) for data in (run.memory, bad.memory))
        outside = np.ones(len(before), bool)
        outside[first : last + 1] = False
        assert np.array_equal(before[outside], left[outside]), code
        case.check_memory(after.check().memory)
        assert after.counters == expected, code


def test_a_soft_reset_ends_a_run_and_the_next_is_right(case, rtl_builds) -> None:
    good = case.run(max_cycles=20_000)
    stalled = replace(good, stalls=StallPattern.random(0.5, seed=3 + offset()))
    runs = [run for at in (3, 100, 400, 900) for run in (replace(stalled, soft_reset=at), good)]
    results = run_rtl(case.program.config, runs, simulator="icarus", build_dir=rtl_builds)
    for reset, after in zip(results[::2], results[1::2], strict=True):
        assert reset.interrupted and reset.error is ErrorCode.NONE and not reset.violations
        assert reset.status["aborted"] and not reset.status["done"] and not reset.status["busy"]
        case.check_memory(after.check().memory)
        assert after.counters == simulate_cycles(case.program)
