"""Runs that wait for the one before, snapshots of counters, interrupts: what the host does while a run goes on."""

import numpy as np
import pytest

from hwshift.config import PRESETS
from hwshift.program.counters import COUNTERS, Cause
from hwshift.program.expected import launch_of
from hwshift.program.registers import ErrorCode
from hwshift.rtl.axi_lite import OKAY, SLVERR
from hwshift.sim.cycle.model import MemoryTiming, simulate_cycles
from hwshift.sim.rtl_run import ENABLE_ALL, RtlRun, run_rtl
from hwshift.sim.stalls import StallPattern
from hwshift.timing import COMMAND_QUEUE, RESTART_CYCLES

from ..seeds import offset
from .cases import make_case, small_csc, together

START, SOFT_RESET, QUEUE, SNAPSHOT = 1, 2, 4, 8
DONE, ERROR, ABORTED = 1, 2, 4
CONFIG = PRESETS["4x4"].with_(feature_depth=64, acc_depth=16)


@pytest.fixture(scope="module")
def cases():
    """Four programs on four images, beside each other in memory."""
    return together([make_case(small_csc(1 + index % 2), CONFIG, seed=index) for index in range(4)])


def settings(case) -> list[tuple]:
    """Writes of everything a run that waits keeps."""
    return [("write", name, value) for name, value in launch_of(case.program).registers().items()
            if name not in ("WATCHDOG", "CYCLE_LIMIT")]  # fmt: skip


def queued(cases) -> list[tuple]:
    """Start the first, let the others wait; no interrupts."""
    first = [("write", "CONTROL", QUEUE), ("write", "IRQ_ENABLE", 0)]
    return first + [item for case in cases[1:] for item in (*settings(case), ("write", "CONTROL", QUEUE))]


def last_irq(runs: int) -> list[tuple]:
    """Let irq rise with the end of the last run alone."""
    return [("until", "RUNS", 0xFFFFFFFF, runs - 1), ("write", "IRQ_STATUS", ENABLE_ALL),
            ("write", "IRQ_ENABLE", ENABLE_ALL), ("finish",)]  # fmt: skip


def run_script(case, script, builds, stalls=None):
    run = case.run(MemoryTiming(stalls=stalls), script=tuple(script))
    return run_rtl(CONFIG, [run], simulator="icarus", build_dir=builds)[0]


def _from_cycle(pattern: StallPattern | None, first: int) -> StallPattern | None:
    return pattern and StallPattern(*(np.roll(stream, -first) for stream in pattern.matrix()))


READ_COUNTERS = [("read", f"COUNT_{item.name.upper()}_{half}") for item in COUNTERS for half in ("LO", "HI")]


@pytest.mark.parametrize("stalled", [pytest.param(False, marks=pytest.mark.slow), True])
def test_images_back_to_back(cases, stalled, rtl_builds) -> None:
    """All bits of every image; the last interrupt comes after the sum of the runs and two cycles between them."""
    pattern = StallPattern.random(0.4, seed=5 + offset()) if stalled else None
    result = run_script(cases[0], [*queued(cases), *last_irq(len(cases))], rtl_builds, stalls=pattern)
    for case in cases:
        assert case.check_memory(result.check().memory) > 0
    assert {OKAY} == {answer for answer in result.log if isinstance(answer, int)}
    begin, expected = 0, {}
    for case in cases:
        expected = simulate_cycles(case.program, MemoryTiming(stalls=_from_cycle(pattern, begin)))
        begin += expected["total"] + RESTART_CYCLES
    assert result.irq_cycle == begin - RESTART_CYCLES
    assert result.counters == expected, "of the last run"


def test_snapshot_in_mid_run(cases, rtl_builds) -> None:
    """Its causes sum to its total, it stays while the run goes on, and no counter ever falls."""
    shots = [
        item for _ in range(4) for item in (("cycles", 40), ("write", "CONTROL", SNAPSHOT), *READ_COUNTERS)
    ]
    result = run_script(
        cases[0], [("write", "CONTROL", START), *shots, *READ_COUNTERS, ("finish",)], rtl_builds
    )
    cases[0].check_memory(result.check().memory)
    values = [answer[1] for answer in result.log if isinstance(answer, list)]
    tables = np.array(values).reshape(5, len(COUNTERS), 2) @ [1, 1 << 32]
    totals, causes = (
        tables[:, 0],
        tables[:, [index for index, item in enumerate(COUNTERS) if item.cause is not None]],
    )
    assert causes.shape[1] == len(Cause) and np.array_equal(causes.sum(1), totals) and totals[0] > 0
    assert (np.diff(tables[:4], axis=0) >= 0).all() and (np.diff(totals[:4]) > 0).all()
    assert np.array_equal(tables[3], tables[4])
    assert result.counters == simulate_cycles(cases[0].program)
    assert (np.array(list(result.counters.values())) >= tables[4]).all()


def test_places_to_wait_and_interrupts(cases, rtl_builds) -> None:
    """A fifth run that would wait is refused; irq follows enable and clear."""
    script = [
        ("write", "IRQ_ENABLE", 0),
        ("write", "CONTROL", START),
        *[("write", "CONTROL", QUEUE)] * (COMMAND_QUEUE + 1),
        ("write", "CONTROL", START),
        ("read", "STATUS"),
        ("until", "RUNS", 0xFFFFFFFF, COMMAND_QUEUE + 1),
        ("read", "IRQ_STATUS"),
        ("write", "IRQ_STATUS", ERROR | ABORTED),
        ("read", "IRQ_STATUS"),
        ("write", "IRQ_STATUS", DONE),
        ("read", "IRQ_STATUS"),
        ("write", "IRQ_ENABLE", DONE),
        ("write", "CONTROL", START),
        ("finish",),
        ("read", "RUNS"),
    ]
    result = run_script(cases[0], script, rtl_builds)
    cases[0].check_memory(result.check().memory)
    busy, refused, waiting = 1, 4, COMMAND_QUEUE << 16
    expected = [OKAY, OKAY, *[OKAY] * COMMAND_QUEUE, SLVERR, SLVERR, [OKAY, busy | refused | waiting], None,
                [OKAY, DONE], OKAY, [OKAY, DONE], OKAY, [OKAY, 0], OKAY, OKAY, None,
                [OKAY, COMMAND_QUEUE + 2]]  # fmt: skip
    assert result.log == expected


@pytest.mark.slow
def test_what_waits_is_dropped_by_an_error_and_by_a_soft_reset(cases, rtl_builds) -> None:
    """Only the first run of a bad program and a run in the middle of a soft reset begin; the next is right."""
    broken = cases[0].image.copy()
    broken[cases[0].program.program_base + 64] |= 0xF  # the second instruction: an unknown operation
    launch = launch_of(cases[0].program)
    bad = [("write", "CONTROL", QUEUE), *[("write", "CONTROL", QUEUE)] * 2, ("finish",), ("cycles", 50),
           ("read", "STATUS"), ("read", "RUNS")]  # fmt: skip
    cut = [("write", "CONTROL", QUEUE), *[("write", "CONTROL", QUEUE)] * 2, ("cycles", 60),
           ("write", "CONTROL", SOFT_RESET), ("finish",), ("cycles", 50), ("read", "STATUS"),
           ("read", "RUNS")]  # fmt: skip
    good = cases[0].image.tobytes()
    runs = [
        RtlRun(launch, broken.tobytes(), script=tuple(bad), max_cycles=20_000, read_latency=60),
        RtlRun(launch, good),
        RtlRun(launch, good, script=tuple(cut), max_cycles=20_000),
        RtlRun(launch, good),
    ]
    error, after, reset, last = run_rtl(CONFIG, runs, simulator="icarus", build_dir=rtl_builds)
    assert (
        error.interrupted
        and error.error is ErrorCode.BAD_OPCODE
        and error.log[-2:] == [[OKAY, 0x100], [OKAY, 0]]
    )
    assert reset.interrupted and reset.status["aborted"] and reset.log[-2:] == [[OKAY, 8], [OKAY, 1]]
    for result in (after, last):
        cases[0].check_memory(result.check().memory)
        assert result.counters == simulate_cycles(cases[0].program)
