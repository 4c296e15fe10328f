"""Corrupted programs, registers and memories: a defined end in time, no write outside, and the next run is right."""

from dataclasses import replace

import numpy as np
import pytest

from hwshift.program.expected import launch_of
from hwshift.program.registers import ErrorCode
from hwshift.rtl.axi_lite import OKAY, SLVERR
from hwshift.sim.cycle.model import MemoryTiming, simulate_cycles
from hwshift.sim.native import run_natives
from hwshift.sim.rtl_run import RtlResult, RtlRun

from ..seeds import generator, seed_of
from .cases import SMALL as CONFIG
from .cases import Case, noise_case
from .corrupt import ALWAYS, KINDS, bound, draw
from .drawn import draw_for, first_good

PROGRAMS = 12


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    rng = generator(5)
    found: list[Case] = []
    while len(found) < PROGRAMS:
        program, network = first_good(lambda: draw_for(CONFIG, rng))
        if simulate_cycles(program)["total"] <= 600:
            found.append(noise_case(program, network, rng))
    return found


@pytest.mark.slow
def test_a_thousand_corrupted_programs(cases, rtl_builds) -> None:
    _inject(cases, seed_of("fault injection", 1), 1000, rtl_builds)


@pytest.mark.soak
@pytest.mark.parametrize("part", range(10))
def test_ten_thousand_corrupted_programs(cases, part, rtl_builds) -> None:
    _inject(cases, seed_of(f"fault injection {part}", 1000 + part), 1000, rtl_builds)


def _inject(cases: list[Case], seed: int, count: int, builds) -> None:
    rng = generator(seed)
    kinds = [list(KINDS)[index % len(KINDS)] for index in range(count)]
    drawn = [draw(rng, cases, kind) for kind in kinds]
    good = [cases[rng.integers(len(cases))] for _ in drawn]
    runs = [item for (_, bad), case in zip(drawn, good, strict=True)
            for item in (bad, case.run(MemoryTiming(3, 3), max_cycles=20_000))]  # fmt: skip
    results = [result for result, _ in run_natives(CONFIG, runs, build_dir=builds)]
    expected = {id(case): simulate_cycles(case.program, MemoryTiming(3, 3)) for case in cases}
    ends: dict[str, dict[str, int]] = {kind: {} for kind in KINDS}
    for index, (kind, (case, run), after) in enumerate(zip(kinds, drawn, good, strict=True)):
        what = f"seed {seed}, run {index}, {kind}"
        bad, result = results[2 * index : 2 * index + 2]
        end = check(kind, case, run, bad, what)
        ends[kind][end] = ends[kind].get(end, 0) + 1
        assert result.check().counters == expected[id(after)], what
        after.check_memory(result.memory)
    for kind, found in ends.items():
        print(f"{kind}: {found}")
    seen = {end for found in ends.values() for end in found}
    assert seen >= {code.name for code in ErrorCode if code is not ErrorCode.NONE} | {"done", "aborted"}


def check(kind: str, case: Case, run: RtlRun, result: RtlResult, what: str) -> str:
    """The end of a corrupted run: its error, "done" or "aborted"; fails if it is not as it has to be."""
    status = result.status
    assert result.interrupted and result.irq_cycle < bound(), what
    assert not result.violations, (what, result.broken)
    ends = [status["done"], status["aborted"], result.error is not ErrorCode.NONE]
    if kind == "soft reset" and not any(status.values()):
        ends = [True]  # it came after the end, and cleared STATUS
    assert sum(ends) == 1 and not status["busy"] and not status["halting"] and not status["undrained"], (
        what,
        status,
    )
    before, after = (np.frombuffer(data, np.uint8) for data in (run.memory, result.memory))
    inside = np.zeros(len(before), bool)
    inside[run.launch.write_base : run.launch.write_limit + 1] = True
    assert np.array_equal(before[~inside], after[~inside]), what
    if kind in ALWAYS:
        assert result.error in ALWAYS[kind], (what, result.error)
    if kind == "start while busy":
        assert status["done"] and case.check_memory(result.memory) > 0, what
        assert [item for item in result.log if item is not None][:2] == [OKAY, SLVERR], (what, result.log)
    if not any(status.values()):
        return "cleared"
    return "done" if status["done"] else "aborted" if status["aborted"] else result.error.name


# -- the checks themselves can fail ----------------------------------------------------------------


def _result(case: Case, **changes: object) -> tuple[RtlRun, RtlResult]:
    status = {
        "busy": 0,
        "done": 1,
        "refused": 0,
        "aborted": 0,
        "undrained": 0,
        "halting": 0,
        "error": 0,
        "queued": 0,
    }
    memory = case.image.tobytes()
    good = RtlResult(memory, {}, status, ErrorCode.NONE, True, 100, 0, ())
    return RtlRun(launch_of(case.program), memory), replace(good, **changes)  # type: ignore[arg-type]


def test_a_right_result_passes(cases) -> None:
    run, result = _result(cases[0])
    assert check("data and tables", cases[0], run, result, "") == "done"


@pytest.mark.parametrize("changes", [
    {"interrupted": False}, {"irq_cycle": bound()}, {"violations": 1}, {"error": ErrorCode.WATCHDOG},
    {"status": {"done": 0, "busy": 1, "aborted": 0, "halting": 0, "undrained": 0}},
    {"status": {"done": 1, "busy": 0, "aborted": 1, "halting": 0, "undrained": 0}},
    {"status": {"done": 1, "busy": 0, "aborted": 0, "halting": 0, "undrained": 1}},
], ids=str)  # fmt: skip
def test_a_wrong_end_is_noticed(cases, changes) -> None:
    run, result = _result(cases[0], **changes)
    with pytest.raises(AssertionError):
        check("data and tables", cases[0], run, result, "")


@pytest.mark.parametrize("place", [-1, 1])
def test_a_byte_written_outside_is_noticed(cases, place) -> None:
    launch, memory = launch_of(cases[0].program), bytearray(cases[0].image.tobytes())
    limit = launch.write_base + 15
    memory[launch.write_base - 1 if place < 0 else limit + 1] ^= 1
    run, result = _result(cases[0], memory=bytes(memory))
    with pytest.raises(AssertionError):
        check(
            "data and tables", cases[0], replace(run, launch=replace(launch, write_limit=limit)), result, ""
        )


def test_a_wrong_code_is_noticed(cases) -> None:
    status = _result(cases[0])[1].status | {"done": 0}
    run, result = _result(cases[0], status=status, error=ErrorCode.WATCHDOG)
    with pytest.raises(AssertionError, match="store elsewhere"):
        check("store elsewhere", cases[0], run, result, "store elsewhere")
