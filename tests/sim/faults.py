"""Runs that end with an error, each with its code."""

from dataclasses import replace

import numpy as np

from hwshift.program.expected import launch_of
from hwshift.program.instruction import encode
from hwshift.program.isa import Opcode
from hwshift.program.registers import ErrorCode
from hwshift.sim.rtl_run import RtlRun

from .cases import Case


def with_words(case: Case, index: int, words: np.ndarray) -> RtlRun:
    """The case's run with one instruction replaced."""
    image = case.image.copy()
    start = case.program.program_base + 64 * index
    image[start : start + 64] = np.frombuffer(words.astype("<u4").tobytes(), np.uint8)
    return RtlRun(launch_of(case.program), image.tobytes())


def _first(case: Case, opcode: Opcode) -> int:
    return next(i for i, item in enumerate(case.program.instructions) if item.opcode == opcode)


def _changed(case: Case, opcode: Opcode, **fields: int) -> RtlRun:
    index = _first(case, opcode)
    return with_words(case, index, encode(case.program.instructions[index].with_(**fields)))


def _launched(case: Case, **changes: int) -> RtlRun:
    return RtlRun(replace(launch_of(case.program), **changes), case.image.tobytes())


def faults(case: Case) -> list[tuple[ErrorCode, RtlRun]]:
    """One or more runs for every error code; the case's program waits for tokens and is longer than 8 instructions."""
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
        (ErrorCode.BAD_OPCODE, with_words(case, _first(case, Opcode.COMPUTE), unknown)),
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
        (ErrorCode.CYCLE_LIMIT, _launched(case, cycle_limit=200)),
        (
            ErrorCode.WATCHDOG,
            replace(with_words(case, compute, encode(stuck)), launch=replace(launch, watchdog=500)),
        ),
    ]
