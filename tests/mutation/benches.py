"""What the mutants have to survive: benches of the whole core, the cheapest first.

Every bench is a list of runs whose results the models know: maps in memory, counters, the cycle of the interrupt,
status, answers of the control port, rules of the bus. A mutant whose bench sees anything else is killed. So is one
that does not come to an end.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import product

import numpy as np

from hwshift.program.expected import launch_of
from hwshift.program.image import Program
from hwshift.program.isa import FORMATS, INSTRUCTION_BYTES
from hwshift.program.registers import REGISTER, REGISTERS, Access, ErrorCode
from hwshift.sim.cycle.model import MemoryTiming, simulate_cycles
from hwshift.sim.rtl_run import RtlResult, RtlRun
from hwshift.sim.stalls import CHANNELS, StallPattern
from hwshift.timing import RESTART_CYCLES

from ..sim.cases import SMALL as CONFIG
from ..sim.cases import Case, moved, noise_case, together
from ..sim.directed import directed
from ..sim.drawn import draw_for, first_good
from ..sim.extremes import Extreme, any_input
from ..sim.extremes import run as models
from ..sim.faults import faults
from .fields import drawn_fields

START, SOFT_RESET, QUEUE, SNAPSHOT = 1, 2, 4, 8
CHANGED_PROGRAMS, CHANGES = 24, 60
"""Programs with drawn fields, and the changes that are tried on each."""


@dataclass(frozen=True)
class Bench:
    """Runs in one simulation, and a check of their results against the models, for the design as it was."""

    name: str
    runs: tuple[RtlRun, ...]
    check: Callable[[list[RtlResult]], None]


@cache
def _cases(count: int, seed: int, longest: int) -> tuple[Case, ...]:
    """Drawn programs of at most ``longest`` cycles."""
    rng = np.random.default_rng(seed)
    found: list[Case] = []
    while len(found) < count:
        program, network = first_good(lambda: draw_for(CONFIG, rng))
        if 150 <= simulate_cycles(program)["total"] <= longest:
            found.append(noise_case(program, network, rng))
    return tuple(found)


def _run(case: Case, time: MemoryTiming, base: int = 0) -> RtlRun:
    longest = 2 * simulate_cycles(case.program, time)["total"] + 600  # one that hangs does not cost much more
    return case.run(time, max_cycles=longest, base=base)


def _programs(name: str, cases: Sequence[Case], times: Sequence[MemoryTiming]) -> Bench:
    def check(results: list[RtlResult]) -> None:
        for case, time, result in zip(cases, times, results, strict=True):
            case.check(result, time)

    return Bench(name, tuple(_run(case, time) for case, time in zip(cases, times, strict=True)), check)


def _first() -> Bench:
    return _programs("program", _cases(8, 1, 500)[:2], [MemoryTiming()] * 2)


def _stalled() -> Bench:
    cases = _cases(8, 1, 500)
    patterns = [StallPattern.random(0.5, seed=1), StallPattern.bursty(0.5, run=30, seed=2), None]
    patterns += [StallPattern.bursty({name: 0.7}, run=40, seed=3) for name in CHANNELS]
    latencies = [(1, 1), (3, 20), (60, 2), (16, 8), (2, 2), (30, 1), (1, 40), (5, 5)]
    return _programs("stalls", cases, [MemoryTiming(*pair, item)
                                       for pair, item in zip(latencies, patterns, strict=True)])  # fmt: skip


def _more() -> Bench:
    cases = _cases(24, 2, 1500)
    return _programs("more programs", cases, [MemoryTiming(2, 2)] * len(cases))


def _far() -> Bench:
    """Programs whose memory lies across multiples of 2**32, and at the end of the address space."""
    cases, runs = _cases(8, 1, 500)[:3], []
    for case, base in zip(cases, (0x00_FFFF_F000, 0xAA_FFFF_E000, 0x55_5555_5000), strict=True):
        end = (1 << CONFIG.address_width) - -(-len(case.image) // 4096) * 4096
        for place in (base, end):
            far = moved(case, place)
            runs.append(_run(far, MemoryTiming(), place))

    def check(results: list[RtlResult]) -> None:
        for index, result in enumerate(results):
            case = cases[index // 2]
            assert case.check_memory(result.check().memory) > 0
            assert result.counters == simulate_cycles(case.program)

    return Bench("far memory", tuple(runs), check)


def _registers() -> Bench:
    """Every bit of every register, strobes, unmapped addresses, interrupts, runs that wait, snapshots."""
    case = _cases(8, 1, 500)[0]
    known = {item.offset for item in REGISTERS}
    script: list[tuple] = [
        ("write", "CONTROL", START),
        ("finish",),
        ("read", "STATUS"),
        ("read", "IRQ_STATUS"),
    ]
    for value, strobes in product((0xFFFFFFFF, 0x00000000, 0xA5C39669, 0x5A3C6996), (0b1111, 0b0101, 0b1010)):
        for item in REGISTERS:
            if item.access is Access.RW:
                script.append(("write", item.name, value ^ item.offset * 0x01010101 & 0xFFFFFFFF, strobes))
        script += [("read", item.name) for item in REGISTERS if item.access is not Access.STROBE]
    script += [("write", item.name, 0xFFFFFFFF) for item in REGISTERS if item.access is Access.RO]
    script += [
        ("read", offset) for offset in range(0, 4096, 4) if offset not in known and not offset & offset - 1
    ]
    script += [("write", offset, 1) for offset in (0x60, 0xFFC)]
    script += [("write", name, value) for name, value in launch_of(case.program).registers().items()]
    script += [("write", "IRQ_ENABLE", 0), ("write", "IRQ_STATUS", 7), ("write", "CONTROL", START),
               ("cycles", 30), ("write", "CONTROL", SNAPSHOT)]  # fmt: skip
    counters = [("read", item.name) for item in REGISTERS if item.name.startswith("COUNT_")]
    script += [*counters, *[("write", "CONTROL", QUEUE)] * 5, ("write", "CONTROL", START), ("read", "STATUS"),
               ("until", "RUNS", 0xFF, 3), ("write", "CONTROL", SOFT_RESET), ("cycles", 80), ("read", "STATUS"),
               ("read", "RUNS"), *counters, ("write", "IRQ_ENABLE", 7), ("read", "IRQ_STATUS"),
               ("write", "IRQ_STATUS", 2), ("read", "IRQ_STATUS"), ("write", "IRQ_STATUS", 4),
               ("read", "IRQ_STATUS"), ("write", "CONTROL", START), ("finish",), ("read", "STATUS")]  # fmt: skip
    run = replace(_run(case, MemoryTiming()), script=tuple(script), max_cycles=30_000)

    def check(results: list[RtlResult]) -> None:
        (result,) = results
        assert case.check_memory(result.memory) > 0 and not result.violations
        answers = list(zip(script, result.log, strict=True))
        written = [answer for item, answer in answers if item[0] == "write" and item[1] == "READ_LIMIT_LO"]
        assert written and set(written) == {0}
        refused = [answer for item, answer in answers if item[:2] == ("write", "RUNS")]
        assert refused == [2]
        assert [0, REGISTER["ID"].reset] in result.log

    return Bench("registers", (run,), check)


def _faults() -> Bench:
    """Everything that ends a run early, each with a good run behind it."""
    case = _cases(8, 1, 500)[1]
    listed = faults(case)
    good = _run(case, MemoryTiming())
    runs = [item for _, run in listed for item in (replace(run, max_cycles=good.max_cycles), good)]

    def check(results: list[RtlResult]) -> None:
        expected = simulate_cycles(case.program)
        for (code, _), bad, after in zip(listed, results[::2], results[1::2], strict=True):
            assert bad.interrupted and bad.error is code, (bad.error, code)
            assert after.check().counters == expected
            case.check_memory(after.memory)

    return Bench("faults", tuple(runs), check)


def _queue() -> Bench:
    """Four programs that wait for each other, at addresses that have each bit once as 0 and once as 1."""
    placed = together(list(_cases(8, 1, 500)[:4]))
    runs, expected = [], []
    for base in (0x55_5555_5000, 0xAA_AAAA_A000):
        far, memory = [moved(case, base) for case in placed], placed[0].image.copy()
        for case, higher in zip(placed, far, strict=True):
            words = np.frombuffer(higher.program.words().tobytes(), np.uint8)
            memory[case.program.program_base : case.program.program_base + len(words)] = words
        script: list[tuple] = [("write", "CONTROL", QUEUE), ("write", "IRQ_ENABLE", 0)]
        for case in far[1:]:
            script += [("write", name, value) for name, value in launch_of(case.program).registers().items()]
            script.append(("write", "CONTROL", QUEUE))
        script += [("until", "RUNS", 3, 3), ("read", "STATUS"), ("write", "IRQ_STATUS", 7),
                   ("write", "IRQ_ENABLE", 7), ("finish",)]  # fmt: skip
        total = sum(simulate_cycles(case.program)["total"] for case in placed)
        runs.append(RtlRun(launch_of(far[0].program), memory.tobytes(), script=tuple(script), base=base,
                           max_cycles=2 * total + 2000))  # fmt: skip
        expected.append(total + RESTART_CYCLES * (len(placed) - 1))

    def check(results: list[RtlResult]) -> None:
        for result, total in zip(results, expected, strict=True):
            result.check()
            assert all(case.check_memory(result.memory) > 0 for case in placed)
            assert result.irq_cycle % total == 0 or result.irq_cycle > total  # RUNS counts on from run to run

    return Bench("runs that wait", tuple(runs), check)


def _dropped() -> Bench:
    """A run that ends with an error drops the one that waits behind it."""
    case = _cases(8, 1, 500)[0]
    script = (("write", "IRQ_ENABLE", 0), ("write", "CYCLE_LIMIT", 100), ("write", "CONTROL", QUEUE),
              ("write", "CONTROL", QUEUE), ("cycles", 120), ("write", "CYCLE_LIMIT", 0), ("cycles", 1000),
              ("read", "STATUS"), ("read", "RUNS"), ("write", "IRQ_STATUS", 7), ("write", "IRQ_ENABLE", 7),
              ("write", "CONTROL", START), ("finish",), ("read", "RUNS"))  # fmt: skip
    run = replace(_run(case, MemoryTiming()), script=script, max_cycles=5000)

    def check(results: list[RtlResult]) -> None:
        (result,) = results
        assert result.check().counters == simulate_cycles(case.program)
        status, runs, later = (
            answer for item, answer in zip(script, result.log, strict=True) if item[0] == "read"
        )
        fields = {name: value for name, value in REGISTER["STATUS"].unpack(status[1]).items() if value}
        assert fields == {"error": ErrorCode.CYCLE_LIMIT} and later[1] == runs[1] + 1

    return Bench("a run that is dropped", (run,), check)


def _edges() -> Bench:
    """Regions whose ends are wrong in one bit: every bit of every base and limit, as 0 and as 1."""
    case, runs, codes = _cases(8, 1, 500)[0], [], []
    errors = {
        "program": ErrorCode.PROGRAM_REGION,
        "read": ErrorCode.READ_REGION,
        "write": ErrorCode.WRITE_REGION,
    }
    for place in (0x55_5555_5000, 0xAA_AAAA_A000):
        far = moved(case, place)
        good = _run(far, MemoryTiming(), place)
        for name, bit in product(errors, range(CONFIG.address_width)):
            base, limit = (getattr(good.launch, f"{name}_{end}") for end in ("base", "limit"))
            changed = {f"{name}_base": (base | 1 << bit) >> bit << bit} if not base >> bit & 1 else {
                f"{name}_limit": (limit >> bit << bit) - 1}  # fmt: skip
            if name == "program" and "program_base" in changed:
                continue  # where the program is fetched from, too
            runs.append(replace(good, launch=replace(good.launch, **changed)))
            codes.append(errors[name])

    def check(results: list[RtlResult]) -> None:
        ends = [result.error for result in results]
        assert sum(end is code for end, code in zip(ends, codes, strict=True)) > len(codes) // 2
        assert set(ends) <= {ErrorCode.NONE, *errors.values()}

    return Bench("edges of regions", tuple(runs), check)


def _unused() -> Bench:
    """Programs whose instructions have anything in the bits that no field has: nothing changes."""
    rng, cases = np.random.default_rng(11), []
    for case in _cases(8, 1, 500):
        image = case.image.copy()
        _fill_unused(case.program, image, rng)
        cases.append(replace(case, image=image))
    return _programs("unused bits", cases, [MemoryTiming()] * len(cases))


def _fill_unused(program: Program, image: np.ndarray, rng: np.random.Generator) -> None:
    """Anything in the bits of a program in memory that no field has."""
    for index, item in enumerate(program.instructions):
        layout = FORMATS[item.opcode]
        used = sum((1 << field.width) - 1 << layout.offsets[field.name] for field in layout.fields)
        noise = int.from_bytes(rng.bytes(INSTRUCTION_BYTES), "little") & ~used
        first = program.program_base + index * INSTRUCTION_BYTES
        place = slice(first, first + INSTRUCTION_BYTES)
        word = int.from_bytes(image[place].tobytes(), "little") | noise
        image[place] = np.frombuffer(word.to_bytes(INSTRUCTION_BYTES, "little"), np.uint8)


def _unused_at_ends() -> Bench:
    """The same for programs at the ends of their fields, whose loads and stores have many rows."""
    rng, chosen = np.random.default_rng(13), []
    for item in _at_ends():
        before, after = item.before.copy(), item.after.copy()
        _fill_unused(item.program, before, rng)
        words = slice(item.program.program_base,
                      item.program.program_base + len(item.program.instructions) * INSTRUCTION_BYTES)  # fmt: skip
        after[words] = before[words]
        chosen.append(replace(item, before=before, after=after))
    return _extreme("unused bits, ends of fields", chosen)


def _fields() -> Bench:
    """Programs whose fields are drawn one after the other, as far as the verifier and the models agree."""
    rng, chosen = np.random.default_rng(7), []
    while len(chosen) < CHANGED_PROGRAMS:
        program, _ = first_good(lambda: draw_for(CONFIG, rng))
        if found := drawn_fields(program, rng, tries=CHANGES, longest=3000):
            chosen.append(found)
    return _extreme("drawn fields", chosen)


def _extreme(name: str, chosen: Sequence[Extreme]) -> Bench:
    runs = [RtlRun(launch_of(item.program), item.before.tobytes(), max_cycles=2 * item.expected()["total"] + 600)
            for item in chosen]  # fmt: skip

    def check(results: list[RtlResult]) -> None:
        for item, result in zip(chosen, results, strict=True):
            assert result.check().counters == simulate_cycles(item.program, MemoryTiming())
            assert result.memory == item.after.tobytes()

    return Bench(name, tuple(runs), check)


@cache
def _at_ends() -> tuple[Extreme, ...]:
    rng = np.random.default_rng(3)
    found = (models(program, any_input(program, rng), 5000) for program in directed(CONFIG))
    return tuple(item for item in found if item)


def _ends() -> Bench:
    """Programs at the ends of their fields."""
    return _extreme("ends of fields", _at_ends())


BENCHES: tuple[Callable[[], Bench], ...] = (
    _first, _stalled, _unused, _registers, _queue, _dropped, _more, _far, _faults, _fields, _edges, _ends,
    _unused_at_ends,
)  # fmt: skip
"""In the order in which mutants meet them."""
