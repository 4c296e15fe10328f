"""What goes wrong ends in a defined status and an interrupt, damages nothing, and the next run is right."""

from dataclasses import replace

import numpy as np
import pytest

from hwshift.config import PRESETS
from hwshift.program.expected import launch_of
from hwshift.program.instruction import encode
from hwshift.program.isa import Opcode
from hwshift.program.registers import ErrorCode
from hwshift.sim.cycle.model import simulate_cycles
from hwshift.sim.rtl_run import RtlRun, run_rtl
from hwshift.sim.stalls import StallPattern

from .cases import make_case, small_csc


@pytest.fixture(scope="module")
def case():
    return make_case(small_csc(1), PRESETS["4x4"], seed=5)


def _with(case, index: int, words: np.ndarray) -> RtlRun:
    """The case's run with one instruction replaced."""
    image = case.image.copy()
    start = case.program.program_base + 64 * index
    image[start : start + 64] = np.frombuffer(words.astype("<u4").tobytes(), np.uint8)
    return RtlRun(launch_of(case.program), image.tobytes())


def _first(case, opcode: Opcode) -> int:
    return next(i for i, item in enumerate(case.program.instructions) if item.opcode == opcode)


def _changed(case, opcode: Opcode, **fields: int) -> RtlRun:
    index = _first(case, opcode)
    return _with(case, index, encode(case.program.instructions[index].with_(**fields)))


def _launched(case, **changes: int) -> RtlRun:
    return RtlRun(replace(launch_of(case.program), **changes), case.image.tobytes())


def _faults(case) -> list[tuple[ErrorCode, RtlRun]]:
    launch, program = launch_of(case.program), case.program
    unknown = np.zeros(16, np.uint32)
    unknown[0] = 15
    weights, maps = program.segment("weights"), program.segment("maps")
    good = RtlRun(launch, case.image.tobytes())
    compute = next(
        i for i, item in enumerate(program.instructions) if item.opcode == Opcode.COMPUTE and item["pop"]
    )
    stuck = program.instructions[compute].with_(pop=program.instructions[compute]["pop"] | 8)
    return [
        (ErrorCode.BAD_OPCODE, _with(case, _first(case, Opcode.COMPUTE), unknown)),
        (ErrorCode.BAD_OPCODE, _changed(case, Opcode.LOAD, kind=7)),
        (ErrorCode.BAD_HEADER, _changed(case, Opcode.HEADER, magic=1)),
        (ErrorCode.BAD_HEADER, _changed(case, Opcode.HEADER, version=99)),
        (ErrorCode.CONFIG_MISMATCH, _changed(case, Opcode.HEADER, config_hash=0x12345678)),
        (ErrorCode.PROGRAM_REGION, _launched(case, program_limit=launch.program_base + 511)),
        (ErrorCode.PROGRAM_END, _launched(case, program_count=launch.program_count - 1)),
        (ErrorCode.PROGRAM_END, _launched(case, program_count=0)),
        (ErrorCode.READ_REGION, _launched(case, read_limit=weights.base - 1)),
        (ErrorCode.READ_REGION, _changed(case, Opcode.LOAD, address=1 << 50)),
        (ErrorCode.WRITE_REGION, _launched(case, write_limit=maps.base + 63)),
        (ErrorCode.WRITE_REGION, _changed(case, Opcode.STORE, address=weights.base)),
        (ErrorCode.READ_RESPONSE, replace(good, error_range=(weights.base, weights.base + 7))),
        (ErrorCode.WRITE_RESPONSE, replace(good, error_range=(maps.base, maps.base + 7))),
        (ErrorCode.WATCHDOG, replace(_with(case, compute, encode(stuck)), launch=replace(launch, watchdog=500))),
    ]  # fmt: skip


def test_every_error_is_reported_and_survived(case, rtl_builds) -> None:
    faults = _faults(case)
    good = RtlRun(launch_of(case.program), case.image.tobytes(), max_cycles=20_000)
    runs = [replace(run, max_cycles=20_000) for _, run in faults]
    results = run_rtl(
        case.program.config, [run for pair in zip(runs, [good] * len(runs), strict=True) for run in pair],
        simulator="icarus", build_dir=rtl_builds,
    )  # fmt: skip
    expected = simulate_cycles(case.program)
    first, last = launch_of(case.program).write_base, launch_of(case.program).write_limit
    for (code, run), bad, after in zip(faults, results[::2], results[1::2], strict=True):
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
    good = RtlRun(launch_of(case.program), case.image.tobytes(), max_cycles=20_000)
    stalled = replace(good, stalls=StallPattern.random(0.5, seed=3))
    runs = [run for at in (3, 100, 400, 900) for run in (replace(stalled, soft_reset=at), good)]
    results = run_rtl(case.program.config, runs, simulator="icarus", build_dir=rtl_builds)
    for reset, after in zip(results[::2], results[1::2], strict=True):
        assert reset.interrupted and reset.error is ErrorCode.NONE and not reset.violations
        assert reset.status["aborted"] and not reset.status["done"] and not reset.status["busy"]
        case.check_memory(after.check().memory)
        assert after.counters == simulate_cycles(case.program)
