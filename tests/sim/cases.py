"""Programs with their inputs and what must come out, for the benches of the whole accelerator."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hwshift.compiler import compile
from hwshift.config import PRESETS, AcceleratorConfig
from hwshift.golden.model import trace
from hwshift.network.fixed import FixedNetwork
from hwshift.network.graph import Network
from hwshift.network.random import csc_network
from hwshift.program.expected import launch_of
from hwshift.program.image import Program, Region
from hwshift.program.isa import Opcode
from hwshift.resolve import prepare
from hwshift.sim.cycle.model import MemoryTiming, simulate_cycles
from hwshift.sim.rtl_run import RtlResult, RtlRun

from ..seeds import generator

SMALL = PRESETS["4x4"].with_(
    feature_depth=32, weight_tiles=3, acc_depth=8, ktile_entries=32, lane_rows=16, param_tiles=4
)
"""A 4x4 core with small memories, so that programs of a few hundred cycles fill them."""


@dataclass(frozen=True)
class Case:
    """A program with its input and what must come out."""

    program: Program
    image: np.ndarray
    maps: dict[str, np.ndarray]

    def run(self, time: MemoryTiming | None = None, **options: Any) -> RtlRun:
        """With the memory's timing, and other members of the run."""
        time = time or MemoryTiming()
        return RtlRun(launch_of(self.program), self.image.tobytes(), time.read_latency, time.write_latency,
                      time.stalls, **options)  # fmt: skip

    def check(self, result: RtlResult, time: MemoryTiming | None = None, what: str = "") -> None:
        """The run ended well: all maps are right, counters and the interrupt's cycle what the cycle model says."""
        assert self.check_memory(result.check().memory) > 0, what
        expected = simulate_cycles(self.program, time)
        assert result.counters == expected, (what, result.counters, expected)
        assert result.irq_cycle == expected["total"], (what, result.irq_cycle)

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
    bound = prepare(network, config)
    x = generator(seed).integers(-3 << config.act.n, 3 << config.act.n, bound.input.shape)
    return case_of(compile(bound, config), bound, x)


def case_of(program: Program, network: FixedNetwork, x: np.ndarray) -> Case:
    """A program on an input; what must come out is what the golden model says of its network."""
    maps = {name: values[0] for name, values in trace(network, program.config.arithmetic, x[None]).items()}
    return Case(program, program.memory_image(x), maps)


def noise_case(program: Program, network: FixedNetwork, rng: np.random.Generator) -> Case:
    """A program on values that are drawn around zero, as far as the format holds them."""
    act = program.config.act
    x = rng.integers(-3 << act.n, 3 << act.n, network.input.shape).clip(act.min, act.max)
    return case_of(program, network, x)


def small_csc(seed: int) -> Network:
    return csc_network(4, 6, 5, 2, stride2=(1,), classes=5, seed=seed)


def moved(case: Case, offset: int) -> Case:
    """The case at addresses that are higher by a multiple of 4096; its image is as long as before."""
    program = case.program
    instructions = tuple(
        item.with_(address=item["address"] + offset) if item.opcode in (Opcode.LOAD, Opcode.STORE) else item
        for item in program.instructions
    )
    regions = {
        name: Region(item.base + offset, item.limit + offset) for name, item in program.regions.items()
    }
    tensors = tuple(
        replace(item, parts=tuple(replace(part, address=part.address + offset) for part in item.parts))
        for item in program.tensors
    )
    higher = replace(program, instructions=instructions, regions=regions, tensors=tensors)
    image, words = case.image.copy(), np.frombuffer(higher.words().tobytes(), np.uint8)
    image[program.program_base : program.program_base + len(words)] = words
    return Case(higher, image, case.maps)


def together(cases: list[Case]) -> list[Case]:
    """The cases one behind the other in one memory, whose image all of them hold."""
    placed, offset = [], 0
    for case in cases:
        placed.append(moved(case, offset))
        offset += -(-len(case.image) // 4096) * 4096
    memory = np.concatenate([np.pad(case.image, (0, -len(case.image) % 4096)) for case in placed])
    return [replace(case, image=memory) for case in placed]
