"""The whole accelerator on drawn configurations and networks: RTL, golden model and cycle model agree."""

import numpy as np
import pytest

from hwshift.program.isa import LoadKind, Opcode
from hwshift.sim.cycle.model import MemoryTiming, simulate_cycles
from hwshift.sim.functional import FunctionalSimulator
from hwshift.sim.rtl_run import run_rtl
from hwshift.sim.stalls import StallPattern

from ..seeds import generator, seed_of
from .cases import Case, noise_case
from .drawn import draw, draw_gated, draw_row_taps, first_good

CANDIDATES = 8
"""Programs drawn per seed; the one with the most of what is rare is run."""


@pytest.mark.parametrize("seed", [pytest.param(6, marks=pytest.mark.slow), 7, 8])
def test_drawn_cases(seed: int, rtl_builds) -> None:
    _check(seed, 500, ("none", "bursts"), rtl_builds)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(100, 120))
def test_many_drawn_cases(seed: int, rtl_builds) -> None:
    _check(seed, 1500, ("none", "half", "bursts", "one channel", "dense"), rtl_builds)


@pytest.mark.parametrize("seed", [300])
def test_drawn_cases_with_row_taps(seed: int, rtl_builds) -> None:
    _check(seed, 800, ("none", "half"), rtl_builds, draw_row_taps)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(301, 321))
def test_many_drawn_cases_with_row_taps(seed: int, rtl_builds) -> None:
    _check(seed, 2500, ("none", "half", "bursts", "one channel", "dense"), rtl_builds, draw_row_taps)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(200, 210))
def test_drawn_cases_with_gates(seed: int, rtl_builds) -> None:
    _check(seed, 2500, ("none", "half", "bursts", "one channel"), rtl_builds, draw_gated)


@pytest.mark.slow
def test_drawn_gates_in_the_functional_simulator() -> None:
    done = gates = 0
    rng = generator(5)
    while done < 30:
        case = _case(rng, draw_gated)
        simulator = FunctionalSimulator(case.program.config, case.image.copy())
        simulator.run(case.program.program_base)
        assert case.check_memory(simulator.memory.tobytes()) > 0
        done += 1
        gates += any(item.opcode == Opcode.STORE and item["gates"] for item in case.program.instructions)
    assert gates > 5


def _check(seed: int, longest: int, patterns: tuple[str, ...], build_dir, drawing=draw) -> None:
    """Run one case under every pattern, each with latencies of its own, after a run that the host cuts off."""
    seed = seed_of("drawn case", seed)
    rng = generator(seed)
    case = _draw_case(rng, longest, drawing)
    config = case.program.config
    print(f"seed {seed}: {config.to_dict()}, {len(case.program.instructions)} instructions")
    drawn = _stalls(rng)
    latencies = [(16, 8), (1, 1), (2, 30), *rng.integers(1, 40, (len(patterns), 2)).tolist()]
    times = [MemoryTiming(*pair, drawn[name]) for pair, name in zip(latencies, patterns, strict=False)]
    cut = int(rng.integers(5, simulate_cycles(case.program)["total"]))
    runs = [case.run(MemoryTiming(stalls=drawn["half"]), soft_reset=cut), *map(case.run, times)]
    first, *results = run_rtl(config, runs, simulator="icarus", build_dir=build_dir)
    assert first.interrupted and not first.violations
    for name, time, result in zip(patterns, times, results, strict=True):
        case.check(result, time, name)


def _draw_case(rng: np.random.Generator, longest: int, drawing) -> Case:
    found: list[Case] = []
    while len(found) < CANDIDATES:
        case = _case(rng, drawing)
        if simulate_cycles(case.program)["total"] <= longest:
            found.append(case)
    return max(found, key=_rarities)


def _case(rng: np.random.Generator, drawing) -> Case:
    return noise_case(*first_good(lambda: drawing(rng)), rng)


def _rarities(case: Case) -> int:
    """How many of the things that few programs hold this one holds."""
    config, counters = case.program.config, simulate_cycles(case.program)
    computes = [item for item in case.program.instructions if item.opcode == Opcode.COMPUTE]
    loads = [item for item in case.program.instructions if item.opcode == Opcode.LOAD]
    each = [
        *(counters[name] > 0 for name in ("port", "drain", "wait_store", "token_full")),
        any(item["kind"] == LoadKind.MAP for item in loads),
        any(item.opcode == Opcode.ACTIVATION for item in case.program.instructions),
        any(item["chunks"] > 1 and item["ktile_count"] > 1 for item in computes),
        any(item["chunk_rows"] * item["steps"] == config.acc_depth for item in computes),
        any(item["ktile_count"] > config.weight_tiles for item in computes),
        any(item["group0"] + item["tiles"] > config.groups for item in computes),
        any(item["out_step"] < config.pixels for item in computes),
        any(item["hold_weights"] for item in computes),
        any(item["keep_weights"] for item in computes),
        any(item["weight_offset"] for item in computes),
        any(item["residual"] for item in computes),
        any(item["maximum"] for item in computes),
        any(item["row_taps"] and item["hold_weights"] for item in computes),
        any(item["row_taps"] and item["residual"] for item in computes),
        any(item["out_step"] > config.pixels for item in computes),
        2 * any(item.opcode == Opcode.STORE and item["gates"] for item in case.program.instructions),
    ]
    return sum(each)


def _stalls(rng: np.random.Generator) -> dict[str, StallPattern | None]:
    channel = ("ar", "r", "aw", "w", "b")[rng.integers(5)]
    seeds = rng.integers(1 << 30, size=4).tolist()
    return {
        "none": None,
        "half": StallPattern.random(0.5, seed=seeds[0]),
        "bursts": StallPattern.bursty(0.5, run=40, seed=seeds[1]),
        "one channel": StallPattern.bursty({channel: 0.8}, run=60, seed=seeds[2]),
        "dense": StallPattern.random(0.9, seed=seeds[3]),
    }
