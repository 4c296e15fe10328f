"""Cycles taken many at a time give what cycles taken one at a time give: every counter, the cycle of every step."""

import numpy as np
import pytest

from hwshift.sim.cycle.model import MemoryTiming, simulate_cycles
from hwshift.sim.cycle.timeline import Timeline
from hwshift.sim.stalls import CHANNELS, StallPattern

from ..seeds import generator
from .drawn import draw_program


def patterns(rng):
    """Patterns of each kind, for all channels and for one."""
    channel = CHANNELS[rng.integers(len(CHANNELS))]
    seeds = rng.integers(1 << 30, size=4).tolist()
    return [
        None,
        None,
        None,
        StallPattern.random(0.5, seed=seeds[0]),
        StallPattern.random(0.95, seed=seeds[1], length=257),
        StallPattern.bursty(0.5, run=40, seed=seeds[2]),
        StallPattern.bursty({channel: 0.8}, run=60, seed=seeds[3]),
    ]


def compare(program, memory):
    """Both ways; the counters."""
    results = []
    for stepped in (True, False):
        issues, timeline = np.full(300_000, -1, np.int64), Timeline(len(program.instructions))
        counters = simulate_cycles(program, memory, issues=issues, timeline=timeline, stepped=stepped)
        results.append((counters, issues, timeline.marks))
    (expected, at, marks), (counters, skipped_at, skipped_marks) = results
    assert counters == expected, memory
    assert np.array_equal(at, skipped_at), memory
    assert np.array_equal(marks, skipped_marks), memory
    assert (at >= 0).sum() == min(len(at), expected["steps"])
    assert sum(expected[name] for name in CAUSES) == expected["total"]
    return counters


CAUSES = ("busy", "port", "drain", "weight_load", "weight_wait", "token_full", "wait_load", "wait_store", "setup",
          "fetch", "tail")  # fmt: skip


@pytest.mark.parametrize("first", range(0, 96, 12))
def test_drawn_programs(first: int) -> None:
    for seed in range(first, first + 12):
        rng = generator(55, seed)
        program = draw_program(rng, 1 + seed % 3)
        for pattern in patterns(rng):
            latencies = [int(value) for value in rng.choice([1, 2, 3, 8, 17, 40, 200], 2)]
            compare(program, MemoryTiming(*latencies, pattern))
