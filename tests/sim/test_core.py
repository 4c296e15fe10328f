"""The whole accelerator on random networks: RTL, functional simulator, golden model and cycle model agree."""

from dataclasses import dataclass

import numpy as np
import pytest

from hwshift.compiler import compile
from hwshift.config import PRESETS, AcceleratorConfig
from hwshift.golden.model import trace
from hwshift.network.bind import bind
from hwshift.network.fixed import FixedNetwork
from hwshift.network.graph import Network
from hwshift.network.quantize import quantize
from hwshift.network.random import csc_network, mixed_network
from hwshift.program.image import Program
from hwshift.program.registers import Launch
from hwshift.sim.cycle.model import MemoryTiming, simulate_cycles
from hwshift.sim.rtl_run import RtlRun, run_rtl
from hwshift.sim.stalls import StallPattern

STALLS = {
    "none": None,
    "half": StallPattern.random(0.5, seed=11),
    "dense": StallPattern.random(0.95, seed=12),
    "bursts": StallPattern.bursty(0.5, run=40, seed=13),
    **{f"bursts on {name}": StallPattern.bursty({name: 0.7}, run=60, seed=14) for name in ("ar", "r", "aw", "w", "b")},
}


@dataclass(frozen=True)
class Case:
    """A program with its input and what must come out."""

    program: Program
    image: np.ndarray
    maps: dict[str, np.ndarray]

    def run(self, stalls: StallPattern | None) -> RtlRun:
        regions = self.program.regions
        launch = Launch(
            program_base=self.program.program_base, program_count=len(self.program.instructions),
            program_limit=regions["program"].limit,
            read_base=regions["read"].base, read_limit=regions["read"].limit,
            write_base=regions["write"].base, write_limit=regions["write"].limit, watchdog=1 << 20,
        )  # fmt: skip
        return RtlRun(launch, self.image.tobytes(), stalls=stalls)

    def check_memory(self, memory: bytes) -> int:
        """Compare every element of every map in memory; returns how many."""
        values = np.frombuffer(memory, np.uint8).copy()
        compared = 0
        for record in self.program.tensors:
            actual = self.program.read_tensor(values, record.layer)
            np.testing.assert_array_equal(actual, self.maps[record.layer], err_msg=record.layer)
            assert not self.program.unused_lanes(values, record.layer).any(), record.layer
            compared += actual.size
        return compared


def make_case(network: Network, config: AcceleratorConfig, seed: int) -> Case:
    kind = "fixed" if config.pe == "mac" else "pow2"
    bound: FixedNetwork = bind(quantize(network, act=config.act, weights=kind), config.arithmetic)
    shape = bound.input.shape
    x = np.random.default_rng(seed).integers(-3 << config.act.n, 3 << config.act.n, shape)
    program = compile(bound, config)
    maps = {name: values[0] for name, values in trace(bound, config.arithmetic, x[None]).items()}
    return Case(program, program.memory_image(x), maps)


def small_csc(seed: int) -> Network:
    return csc_network(8, 9, 7, 2, stride2=(1,), seed=seed)


@pytest.mark.parametrize(("preset", "changes", "make"), [
    ("4x4", {}, small_csc),
    ("4x4-mac", {}, small_csc),
    ("4x4", {"pixels": 2, "weight_rows": 2}, small_csc),
    ("4x4", {}, lambda seed: mixed_network(seed)),
    ("4x4-mac", {"guard": 0, "acc_width": 48}, small_csc),
], ids=["4x4", "4x4-mac", "4x4x2", "mixed", "mac-g0"])  # fmt: skip
def test_random_networks_on_icarus(preset, changes, make, rtl_builds) -> None:
    _check(make_case(make(1), PRESETS[preset].with_(**changes), seed=5), "icarus", rtl_builds, tuple(STALLS))


def test_csc_on_8x8_on_verilator(rtl_builds) -> None:
    network = csc_network(16, 12, 12, 2, stride2=(1,), seed=3)
    _check(make_case(network, PRESETS["8x8"], seed=6), "verilator", rtl_builds, tuple(STALLS))


def _check(case: Case, simulator: str, build_dir, patterns: tuple[str, ...]) -> None:
    results = run_rtl(
        case.program.config, [case.run(STALLS[name]) for name in patterns], simulator=simulator, build_dir=build_dir
    )
    for name, result in zip(patterns, results, strict=True):
        result.check()
        assert case.check_memory(result.memory) > 0
        expected = simulate_cycles(case.program, MemoryTiming(stalls=STALLS[name]))
        assert result.counters == expected, name
        assert result.irq_cycle == expected["total"], name
