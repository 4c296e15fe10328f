"""Runs in which something is wrong: what a host, a compiler, a cable or a memory can do to an accelerator."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from hwshift.program.expected import launch_of
from hwshift.program.isa import FORMATS, INSTRUCTION_BYTES, Opcode
from hwshift.program.registers import ErrorCode
from hwshift.sim.rtl_run import RtlRun
from hwshift.sim.stalls import CHANNELS, StallPattern

from .cases import Case

WATCHDOG = 400
"""Cycles; longer than any latency here keeps a good run quiet."""
CYCLE_LIMIT = 4000
START, SOFT_RESET, QUEUE = 1, 2, 4
_HEAD_BITS = 4

Kind = Callable[[np.random.Generator, Case, np.ndarray], RtlRun]
KINDS: dict[str, Kind] = {}
"""Name to a function of a generator, the case and a copy of its memory."""
ALWAYS: dict[str, set[ErrorCode]] = {}
"""Kinds that always end with one of some codes."""


def _kind(name: str, *codes: ErrorCode) -> Callable[[Kind], Kind]:
    def add(function: Kind) -> Kind:
        KINDS[name] = function
        if codes:
            ALWAYS[name] = set(codes)
        return function

    return add


def draw(rng: np.random.Generator, cases: list[Case], kind: str) -> tuple[Case, RtlRun]:
    """A corrupted run of one of the cases, with drawn latencies and stalls."""
    case = cases[rng.integers(len(cases))]
    run = KINDS[kind](rng, case, case.image.copy())
    stalls = None
    if rng.random() < 0.3:
        density = {name: float(rng.choice([0, 0.3, 0.7])) for name in CHANNELS}
        stalls = StallPattern.random(density, int(rng.integers(1 << 30)), 509)
    launch = replace(run.launch, watchdog=WATCHDOG, cycle_limit=CYCLE_LIMIT)
    latencies = [int(value) for value in rng.integers(1, 40, 2)]
    return case, replace(run, launch=launch, stalls=stalls, read_latency=latencies[0], write_latency=latencies[1],
                         max_cycles=bound())  # fmt: skip


def bound() -> int:
    """Cycles within which every run has to interrupt: its limit, then two watchdogs for what is under way."""
    return CYCLE_LIMIT + 2 * WATCHDOG + 100


def _plain(case: Case, memory: np.ndarray, **changes: object) -> RtlRun:
    return RtlRun(launch_of(case.program), memory.tobytes(), **changes)  # type: ignore[arg-type]


def _instructions(case: Case, memory: np.ndarray) -> np.ndarray:
    """A view of the program: ndarray of uint8, shape (instructions, 64)."""
    base, count = case.program.program_base, len(case.program.instructions)
    return memory[base : base + count * INSTRUCTION_BYTES].reshape(count, INSTRUCTION_BYTES)


def _set_bits(row: np.ndarray, offset: int, width: int, value: int) -> None:
    word = int.from_bytes(row.tobytes(), "little")
    mask = ((1 << width) - 1) << offset
    word = word & ~mask | (value << offset & mask)
    row[:] = np.frombuffer(word.to_bytes(INSTRUCTION_BYTES, "little"), np.uint8)


@_kind("flipped bits")
def _flipped(rng: np.random.Generator, case: Case, memory: np.ndarray) -> RtlRun:
    flat = _instructions(case, memory).reshape(-1)
    for _ in range(int(rng.integers(1, 9))):
        flat[rng.integers(len(flat))] ^= 1 << int(rng.integers(8))
    return _plain(case, memory)


@_kind("random instruction")
def _random(rng: np.random.Generator, case: Case, memory: np.ndarray) -> RtlRun:
    rows = _instructions(case, memory)
    row = rows[rng.integers(len(rows))]
    row[:] = rng.integers(0, 256, INSTRUCTION_BYTES)
    if rng.random() < 0.7:  # otherwise most are refused for their operation
        _set_bits(row, 0, _HEAD_BITS, int(rng.choice(list(Opcode))))
    return _plain(case, memory)


@_kind("unknown operation", ErrorCode.BAD_OPCODE, ErrorCode.PROGRAM_END)
def _unknown(rng: np.random.Generator, case: Case, memory: np.ndarray) -> RtlRun:
    rows = _instructions(case, memory)
    unknown = [code for code in range(1 << _HEAD_BITS) if code not in set(Opcode)]
    _set_bits(rows[rng.integers(len(rows))], 0, _HEAD_BITS, int(rng.choice(unknown)))
    return _plain(case, memory)


@_kind("program of another configuration", ErrorCode.CONFIG_MISMATCH)
def _mismatch(rng: np.random.Generator, case: Case, memory: np.ndarray) -> RtlRun:
    """Bits of the header's hash of the configuration are inverted."""
    layout = FORMATS[Opcode.HEADER]
    width = layout.by_name["config_hash"].width
    value = case.program.instructions[0]["config_hash"] ^ int(rng.integers(1, 1 << width))
    _set_bits(_instructions(case, memory)[0], layout.offsets["config_hash"], width, value)
    return _plain(case, memory)


@_kind("field at an extreme")
def _field(rng: np.random.Generator, case: Case, memory: np.ndarray) -> RtlRun:
    """Any field of any instruction: 0, all ones, or anything."""
    index = int(rng.integers(len(case.program.instructions)))
    layout = FORMATS[case.program.instructions[index].opcode]
    item = layout.fields[rng.integers(1, len(layout.fields))]
    value = int(rng.choice([0, (1 << item.width) - 1, int(rng.integers(1 << min(item.width, 62)))]))
    _set_bits(_instructions(case, memory)[index], layout.offsets[item.name], item.width, value)
    return _plain(case, memory)


def _transfers(case: Case, opcode: Opcode) -> list[int]:
    return [index for index, item in enumerate(case.program.instructions) if item.opcode == opcode]


@_kind("load elsewhere", ErrorCode.READ_REGION)
def _load(rng: np.random.Generator, case: Case, memory: np.ndarray) -> RtlRun:
    return _elsewhere(rng, case, memory, Opcode.LOAD, "read")


@_kind("store elsewhere", ErrorCode.WRITE_REGION)
def _store(rng: np.random.Generator, case: Case, memory: np.ndarray) -> RtlRun:
    return _elsewhere(rng, case, memory, Opcode.STORE, "write")


def _elsewhere(
    rng: np.random.Generator, case: Case, memory: np.ndarray, opcode: Opcode, region: str
) -> RtlRun:
    """An address before the region, just behind it, far away or beyond the bus."""
    index = int(rng.choice(_transfers(case, opcode)))
    limits, beat = case.program.regions[region], case.program.config.beat_bytes
    far = int(rng.integers(1 << 20, 1 << case.program.config.address_width)) // beat * beat
    address = [limits.base - beat, limits.limit + 1, far, int(rng.integers(1 << 40, 1 << 62)), 0][
        rng.integers(5)
    ]
    layout = FORMATS[opcode]
    _set_bits(_instructions(case, memory)[index], layout.offsets["address"], 64, address)
    return _plain(case, memory)


@_kind("data and tables")
def _data(rng: np.random.Generator, case: Case, memory: np.ndarray) -> RtlRun:
    """Bytes of weights, parameters, k-tiles and lanes."""
    segments = [item for item in case.program.segments if item.name in ("tables", "weights") and item.size]
    segment = segments[rng.integers(len(segments))]
    count = int(rng.integers(1, 65))
    memory[segment.base + rng.integers(0, segment.size, count)] = rng.integers(0, 256, count)
    return _plain(case, memory)


@_kind("instructions in another order")
def _order(rng: np.random.Generator, case: Case, memory: np.ndarray) -> RtlRun:
    """Two are exchanged, one is lost, or one comes twice."""
    rows = _instructions(case, memory)
    first, second = sorted(rng.integers(len(rows), size=2))
    how = rng.integers(3)
    if how == 0:
        rows[[first, second]] = rows[[second, first]]
    elif how == 1:
        rows[first:-1] = rows[first + 1 :].copy()
    else:
        rows[first + 1 :] = rows[first:-1].copy()
    return _plain(case, memory)


@_kind("registers")
def _registers(rng: np.random.Generator, case: Case, memory: np.ndarray) -> RtlRun:
    """A limit, a base or the count that the host sets."""
    launch = launch_of(case.program)
    width = case.program.config.address_width
    name = str(rng.choice(["program_limit", "read_base", "read_limit", "write_base", "write_limit", "program_count",
                           "program_base"]))  # fmt: skip
    value = getattr(launch, name)
    value = int([0, rng.integers(1 << 20), max(0, value - int(rng.integers(1, 4096))),
                 rng.integers(1 << (32 if name == "program_count" else width))][rng.integers(4)])  # fmt: skip
    return replace(_plain(case, memory), launch=replace(launch, **{name: value}))


@_kind("bus error", ErrorCode.READ_RESPONSE, ErrorCode.WRITE_RESPONSE)
def _bus(rng: np.random.Generator, case: Case, memory: np.ndarray) -> RtlRun:
    """A beat of what the program fetches, loads or stores is answered with an error."""
    program = case.program
    if rng.random() < 0.3:
        first = program.program_base + int(rng.integers(len(program.instructions) * INSTRUCTION_BYTES))
    else:
        opcode = Opcode.STORE if rng.random() < 0.5 else Opcode.LOAD
        item = program.instructions[int(rng.choice(_transfers(case, opcode)))]
        row = item["address"] + int(rng.integers(item["rows"])) * item["row_stride"]
        first = row + int(rng.integers(item["row_beats"])) * program.config.beat_bytes
    first -= first % program.config.beat_bytes
    return replace(_plain(case, memory), error_range=(first, first + program.config.beat_bytes - 1))


@_kind("memory that ends early", ErrorCode.READ_RESPONSE, ErrorCode.WRITE_RESPONSE)
def _short(rng: np.random.Generator, case: Case, memory: np.ndarray) -> RtlRun:
    """The bus answers with DECERR from some address on."""
    end = case.program.program_base + int(rng.integers(1, len(memory) // 2))
    end = max(end - end % 64, 64)
    return _plain(case, memory[:end])


@_kind("start while busy")
def _start(rng: np.random.Generator, case: Case, memory: np.ndarray) -> RtlRun:
    """The second start is refused, and the run goes on as if nothing had been."""
    script = (("write", "CONTROL", START), ("cycles", int(rng.integers(1, 120))), ("write", "CONTROL", START),
              ("read", "STATUS"), ("finish",))  # fmt: skip
    return _plain(case, memory, script=script)


@_kind("soft reset")
def _reset(rng: np.random.Generator, case: Case, memory: np.ndarray) -> RtlRun:
    return _plain(case, memory, soft_reset=int(rng.integers(1, 400)))


@_kind("runs that wait behind a bad one", ErrorCode.BAD_OPCODE, ErrorCode.PROGRAM_END)
def _queued(rng: np.random.Generator, case: Case, memory: np.ndarray) -> RtlRun:
    run = _unknown(rng, case, memory)
    script = (*[("write", "CONTROL", QUEUE)] * int(rng.integers(2, 7)), ("finish",))
    return replace(run, script=script)
