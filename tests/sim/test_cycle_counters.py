"""Every counter of the RTL is what the cycle model says: 12 configurations, under 18 stall patterns each."""

import numpy as np
import pytest

from hwshift.config import PRESETS, AcceleratorConfig
from hwshift.golden.formats import QFormat
from hwshift.program.expected import launch_of
from hwshift.program.image import Program
from hwshift.sim.cycle.model import MemoryTiming, simulate_cycles
from hwshift.sim.rtl_run import RtlRun, run_rtl
from hwshift.sim.stalls import CHANNELS, StallPattern

from ..seeds import seed_of
from .drawn import draw_for, first_good

KINDS, PIXELS, GUARDS, BUSES = ("shift_add", "mac"), (1, 2, 4), ("exact", "none"), (32, 64, 128)
CONFIGS = [
    (pe, pixels, guard, BUSES[(index + part) % len(BUSES)])
    for part, pe in enumerate(KINDS)
    for index, (pixels, guard) in enumerate((pixels, guard) for guard in GUARDS for pixels in PIXELS)
]
LATENCIES = [(40, 40), (1, 1), (16, 8), (3, 25), (90, 2)]


def configuration(pe: str, pixels: int, guard: str, bus: int, index: int) -> AcceleratorConfig:
    """With small buffers, so that rings, queues and credits fill."""
    config = PRESETS["4x4" if pe == "shift_add" else "4x4-mac"].with_(
        pixels=pixels,
        bus_width=bus,
        act=(QFormat(), QFormat(8, 8))[index % 2] if bus < 128 else QFormat(),
        weight_rows=(1, 2, 4)[index % 3],
        weight_tiles=2 + index % 5,
        feature_depth=64,
        acc_depth=(8, 16)[index % 2],
        ktile_entries=32,
        lane_rows=16,
        param_tiles=(2, 4)[index % 2],
    )
    return config if guard == "exact" else config.with_(guard=0)


def program_for(config: AcceleratorConfig, rng: np.random.Generator) -> Program:
    """The one out of six of at most 500 cycles that waits for the most causes."""
    found: list[tuple[int, Program]] = []
    while len(found) < 6:
        program, _ = first_good(lambda: draw_for(config, rng))
        counters = simulate_cycles(program)
        if counters["total"] <= 500:
            found.append((sum(value > 0 for value in counters.values()), program))
    return max(found, key=lambda item: item[0])[1]


def patterns(rng: np.random.Generator) -> dict[str, StallPattern | None]:
    """None, half and dense on all channels, bursts on all; half, dense and bursts on each."""

    def drawn(density: float | dict[str, float], run: int | None = None) -> StallPattern:
        seed = int(rng.integers(1 << 30))
        return StallPattern.bursty(density, run, seed) if run else StallPattern.random(density, seed)

    out = {"none": None, "half": drawn(0.5), "dense": drawn(0.95)}
    for name in CHANNELS:
        out |= {
            f"half {name}": drawn({name: 0.5}),
            f"dense {name}": drawn({name: 0.95}),
            f"bursts {name}": drawn({name: 0.7}, 60),
        }
    return out


def test_the_configurations_cover_every_value() -> None:
    assert len(set(CONFIGS)) == len(CONFIGS) == 12
    for pe in KINDS:
        chosen = [choice[1:] for choice in CONFIGS if choice[0] == pe]
        assert {(pixels, guard) for pixels, guard, _ in chosen} == {(p, g) for p in PIXELS for g in GUARDS}
        assert {bus for *_, bus in chosen} == set(BUSES)


@pytest.mark.parametrize("index", [
    pytest.param(
        index,
        id="-".join(map(str, choice)),
        marks=pytest.mark.slow if choice[1] > 1 and choice[2] == "none" else (),  # the wide ones once
    )
    for index, choice in enumerate(CONFIGS)
])  # fmt: skip
def test_counters(index: int, rtl_builds) -> None:
    config = configuration(*CONFIGS[index], index)
    assert (config.guard == 0) == (CONFIGS[index][2] == "none")
    rng = np.random.default_rng([77, seed_of("counters", index)])
    program, chosen = program_for(config, rng), patterns(rng)
    times = [
        MemoryTiming(*LATENCIES[number % len(LATENCIES)], pattern)
        for number, pattern in enumerate(chosen.values())
    ]
    image = program.memory_image(np.zeros(program.tensors[0].shape, np.int64)).tobytes()
    runs = [
        RtlRun(launch_of(program), image, item.read_latency, item.write_latency, item.stalls)
        for item in times
    ]
    results = run_rtl(config, runs, simulator="icarus", build_dir=rtl_builds)
    assert len(results) == len(chosen) == 18
    for name, item, result in zip(chosen, times, results, strict=True):
        expected = simulate_cycles(program, item)
        assert result.check().counters == expected, name
        assert result.irq_cycle == expected["total"], name
