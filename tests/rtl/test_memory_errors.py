"""Regions, responses, unknown loads and halt: what the memory side refuses and how it stops."""

import numpy as np
import pytest

from hwshift.config import AcceleratorConfig
from hwshift.program.isa import LoadKind, Opcode
from hwshift.program.registers import ErrorCode
from hwshift.sim.models.transfers import OnChip
from hwshift.sim.stalls import StallPattern

from ..seeds import generator
from .memory_bench import BASE, EVENTS, PROGRAM, SIZE, STORES, MemoryBench, Scenario, Surroundings

CONFIG = AcceleratorConfig()
ADDRESS = 0x2000
BYTES = 40 * CONFIG.beat_bytes
REGION = {"length": 100, "width": 5, "slots": 4, "pitch": 3, "rows": 1, "row_beats": 40, "row_stride": BYTES}


def load(**fields):
    return Opcode.LOAD, {"kind": LoadKind.MAP, **REGION, "address": BASE + ADDRESS, **fields}


def store(**fields):
    return Opcode.STORE, {**REGION, "address": BASE + STORES + ADDRESS, "last_lanes": 15, **fields}


def run(instructions, cycles=300, stalls=None, **options):
    scenario = Scenario(CONFIG, instructions, np.zeros(SIZE, np.uint8), OnChip(CONFIG))
    around = Surroundings.draw(generator(0), cycles, 0.0)
    return MemoryBench(scenario, around, stalls or StallPattern.none(), (6, 4), **options).run(cycles)


def count(bench, event):
    return sum(row[EVENTS.index(event)] for row in bench.events)


READ, WRITE = BASE + ADDRESS, BASE + STORES + ADDRESS


@pytest.mark.parametrize(("instruction", "regions", "code"), [
    (load(), {"read_base": READ + 1}, ErrorCode.READ_REGION),
    (load(), {"read_limit": READ + BYTES - 2}, ErrorCode.READ_REGION),
    (load(), {"read_base": READ, "read_limit": READ + BYTES - 1}, None),
    (load(address=READ + (1 << 40)), {}, ErrorCode.READ_REGION),
    (store(), {"write_base": WRITE + 1}, ErrorCode.WRITE_REGION),
    (store(), {"write_limit": WRITE + BYTES - 2}, ErrorCode.WRITE_REGION),
    (store(), {"write_base": WRITE, "write_limit": WRITE + BYTES - 1}, None),
    (load(kind=6), {}, ErrorCode.BAD_OPCODE),
    (load(kind=7), {}, ErrorCode.BAD_OPCODE),
    (load(), {"program_limit": BASE + PROGRAM + 62}, ErrorCode.PROGRAM_REGION),
    (load(), {"program_limit": BASE + PROGRAM + 63}, None),
])  # fmt: skip
def test_what_is_outside_is_refused(instruction, regions, code):
    bench = run([instruction], regions=regions)
    if code is None:
        assert bench.errors == [] and bench.finished
        return
    assert set(bench.errors) == {code}
    # the rest of the engine goes on in this bench, but nothing is issued for what was refused
    fetched = [] if code == ErrorCode.PROGRAM_REGION else [(BASE + PROGRAM, 8)]
    assert bench.memory.reads == fetched
    assert count(bench, "aw") == 0 and bench.drained[-1]


def test_a_row_that_leaves_the_region_stops_there():
    instructions = [load(rows=3, row_stride=0x1000, length=200, row_step=12)]
    bench = run(instructions, regions={"read_limit": READ + 0x2000 - 1})
    assert set(bench.errors) == {ErrorCode.READ_REGION}
    assert [address for address, _ in bench.memory.reads[1:]] == [READ, READ + 0x1000]


@pytest.mark.parametrize(("instruction", "bad", "code"), [
    (load(), READ + 16, ErrorCode.READ_RESPONSE), (load(), BASE + PROGRAM + 8, ErrorCode.READ_RESPONSE),
    (store(), WRITE + BYTES - 8, ErrorCode.WRITE_RESPONSE),
])  # fmt: skip
def test_bad_responses_are_errors_and_are_taken(instruction, bad, code):
    bench = run([instruction], bad=range(bad, bad + 1))
    assert bench.errors == [code]
    assert bench.finished


@pytest.mark.parametrize("halt_at", range(8, 60, 3))
def test_halt_ends_what_is_under_way_and_starts_nothing(halt_at):
    rng = generator(halt_at)
    bench = run([load(), store(), load(), store(), load()], 900, StallPattern.random(0.5, int(rng.integers(99))),
                halt_at=halt_at)  # fmt: skip
    ar, aw = EVENTS.index("ar"), EVENTS.index("aw")
    later = bench.events[halt_at:]
    # at most the burst that waited in its register still goes
    assert sum(row[ar] for row in later) <= 1 and sum(row[aw] for row in later) <= 1
    assert bench.drained[-1] and bench.memory.quiet and not bench.finished
    first = bench.drained.index(1, halt_at)
    assert all(bench.drained[first:]), "it stays drained"
    assert not any(any(row[: EVENTS.index("o")]) for row in bench.events[first:]), (
        "and nothing moves on the bus"
    )
