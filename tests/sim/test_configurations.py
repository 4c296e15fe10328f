"""Every pair of configuration values that go together, on drawn programs: all bits and all counters are equal."""

from itertools import product
from pathlib import Path

import numpy as np
import pytest

from hwshift.config import AcceleratorConfig
from hwshift.sim.cycle.model import MemoryTiming, simulate_cycles
from hwshift.sim.rtl_run import run_rtl
from hwshift.sim.stalls import StallPattern

from ..seeds import generator, seed_of
from .cases import Case, noise_case
from .covering import (
    FACTORS,
    SMALL_BUFFERS,
    configuration,
    covering_array,
    possible_pairs,
    refused,
    table,
    valid,
)
from .drawn import draw_for, first_good, has_row_taps

ROWS = covering_array()
QUICK = 64
"""Multipliers or shifters up to which a configuration runs with the slow tests; the others soak."""
WIDE = 1024
"""From so many on Icarus takes longer for the runs than Verilator for its build."""
LONGEST = {"icarus": 600, "verilator": 6000}
"""Cycles of a run; a tile of 32 x 32 weights alone takes up to 512 on a bus of 32 bits."""


def test_every_pair_stands_in_a_row() -> None:
    pairs = possible_pairs()
    assert all(valid(row) for row in ROWS) and len(ROWS) < 40
    covered = {((a, row[a]), (b, row[b])) for row in ROWS for a, b in product(FACTORS, FACTORS)}
    assert pairs and not pairs - covered
    # the values themselves, whatever the rules of combinations are
    assert all({row[name] for row in ROWS} == set(values) for name, values in FACTORS.items())


def test_the_page_shows_the_rows() -> None:
    assert table(ROWS) in (Path(__file__).parents[2] / "docs" / "verification.md").read_text()


def test_what_does_not_go_together_is_refused_at_construction() -> None:
    """All combinations of what the rules are about: C divides R; a beat is at most one vector."""
    rest = {
        "P": 1,
        "PE": "mac",
        "G": "exact",
        "scale": "multiplier",
        "max pool": True,
        "residual": True,
        "W_r": 1,
        "input": 3,
        "row taps": False,
    }
    names, wrong = ("R", "C", "act", "bus"), 0
    for values in product(*(FACTORS[name] for name in names)):
        choice = dict(zip(names, values, strict=True)) | rest
        assert refused(choice) == (not valid(choice)), choice
        wrong += not valid(choice)
    assert wrong == 6 * len(FACTORS["act"]) * len(FACTORS["bus"]) + _too_wide()
    good = rest | {"R": 8, "C": 8, "act": "Q8.8", "bus": 32}
    assert [refused(good | {"row taps": True, "P": pixels}) for pixels in FACTORS["P"]] == [False, True, True]


def _too_wide() -> int:
    """Combinations in which C divides R and the beat is wider than a vector."""
    shapes = {4: 1, 8: 2, 16: 3, 32: 4}
    return sum(shapes[rows] for rows, act, bus in product(shapes, FACTORS["act"], FACTORS["bus"])
               if bus > rows * (32 if act == "Q16.16" else 16))  # fmt: skip


def _draw(config: AcceleratorConfig, channels: int, rng: np.random.Generator, longest: int) -> Case:
    """Of four programs the one that waits for the most causes, with row taps where there are some."""
    found: list[tuple[int, Case]] = []
    while len(found) < 4:
        program, network = first_good(lambda: draw_for(config, rng, channels=channels))
        counters = simulate_cycles(program)
        if counters["total"] <= longest:
            worth = sum(value > 0 for value in counters.values()) + 4 * has_row_taps(program)
            found.append((worth, noise_case(program, network, rng)))
    return max(found, key=lambda item: item[0])[1]


@pytest.mark.parametrize("number", [
    pytest.param(index, marks=pytest.mark.slow if row["R"] * row["C"] * row["P"] <= QUICK else pytest.mark.soak)
    for index, row in enumerate(ROWS)
])  # fmt: skip
def test_configuration(number: int, rtl_builds) -> None:
    row = ROWS[number]
    config = configuration(row, **SMALL_BUFFERS)
    simulator = "verilator" if row["R"] * row["C"] * row["P"] >= WIDE else "icarus"
    seed = seed_of(f"configuration {number} ({config.name})", number)
    rng = generator(9, seed)
    cases = [_draw(config, row["input"], rng, LONGEST[simulator]) for _ in range(3)]
    times = [
        MemoryTiming(),
        MemoryTiming(2, 30, StallPattern.random(0.5, int(rng.integers(1 << 30)))),
        MemoryTiming(40, 1, StallPattern.bursty(0.6, 30, int(rng.integers(1 << 30)))),
    ]
    cut = int(rng.integers(5, simulate_cycles(cases[0].program)["total"]))
    runs = [cases[0].run(soft_reset=cut)]
    runs += [case.run(time) for case, time in zip(cases, times, strict=True)]
    first, *results = run_rtl(config, runs, simulator=simulator, build_dir=rtl_builds)
    assert first.interrupted and not first.violations
    for case, time, result in zip(cases, times, results, strict=True):
        case.check(result, time)
