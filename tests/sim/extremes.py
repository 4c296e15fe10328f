"""Programs whose fields are at the ends of their ranges: drawn ones, changed as far as the verifier agrees.

What they compute is what the functional simulator says, how long they take what the cycle model says.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np

from hwshift.config import AcceleratorConfig
from hwshift.errors import SimulationError
from hwshift.program.image import Program
from hwshift.program.instruction import Instruction
from hwshift.program.isa import FORMATS, Opcode
from hwshift.sim.cycle.model import MemoryTiming, simulate_cycles
from hwshift.sim.functional import FunctionalSimulator

from ..seeds import generator
from .directed import directed, long_stores, roomy
from .drawn import draw_for, first_good
from .ends import Bin, all_bins, bins_of, changed, ends

_LONG_RUN = 600_000
"""Cycles within which 65535 rows are moved, or computed over two k-tiles."""


@dataclass(frozen=True)
class Extreme:
    """A program with what it must leave in memory, and the bins it covers."""

    program: Program
    before: np.ndarray
    after: np.ndarray
    bins: frozenset[Bin]

    def expected(self, time: MemoryTiming | None = None) -> dict[str, int]:
        return simulate_cycles(self.program, time)


def recipes(config: AcceleratorConfig, item: Instruction, field: str, value: int) -> Iterator[dict[str, int]]:
    """Changes that bring a field to a value: it alone, or with what has to go with it."""
    yield {field: value}
    name = field.removeprefix("out_")
    prefix = "out_" if item.opcode is Opcode.COMPUTE else ""
    whole = {f"{prefix}base": 0, f"{prefix}length": config.feature_depth}
    if name in ("offset", "row_step", "chunk_step", "x0", "width", "length"):
        yield whole | {field: value}
    alone = {f"{prefix}length": 1, f"{prefix}offset": 0, f"{prefix}row_step": 0}
    if item.opcode in (Opcode.STORE, Opcode.LOAD):
        moved = {"width": 1, "slots": 1, "x0": 0, "rows": 1, "row_beats": config.vector_beats}
        beats = config.vector_beats * (value if name == "width" else 1)
        yield moved | {field: value}
        yield moved | alone | {"base": 0} | {field: value}
        yield whole | moved | {"row_beats": beats} | {field: value}
        yield {"rows": value, "row_stride": 0}
        yield moved | {"rows": value, "row_stride": 0}
    if item.opcode is Opcode.ACTIVATION:
        residual = "residual_" if field.startswith("residual_") else ""
        yield {f"{residual}lo": value, f"{residual}hi": value}
    if item.opcode is Opcode.DESCRIPTOR:
        yield alone | {"chunk_step": 0} | {field: value}
    if item.opcode is Opcode.COMPUTE:
        yield {"drain": 1, field: value}
        yield whole | {
            "drain": 1,
            "out_pitch": 0,
            "res_pitch": 0,
            "param_base": 0,
            "ktile_advance": 0,
            field: value,
        }
        yield whole | {"steps": 1, "rows": 1, "chunk_rows": 1, "chunks": 1} | {field: value}
        rows = value if name == "rows" else item["rows"]
        yield {"rows": rows, "chunks": -(-rows // max(1, item["chunk_rows"])), field: value}
        yield {"rows": value, "chunk_rows": 1, "chunks": value, "chunk_y": item["stride_y"]}


def run(program: Program, x: np.ndarray, longest: int) -> Extreme | None:
    """What the models say about a program, if they do, it is short enough, and uses nothing that it has not written."""
    before, left = program.memory_image(x), None
    try:
        simulate_cycles(program, max_cycles=longest)
        for content in _contents(program.config):
            simulator = FunctionalSimulator(program.config, before.copy())
            simulator.buffer[:] = content
            simulator.run(program.program_base)
            if left is not None and not np.array_equal(left, simulator.memory):
                return None
            left = simulator.memory
    except SimulationError:
        return None
    return Extreme(program, before, left, frozenset(bins_of(program)))


@cache
def _contents(config: AcceleratorConfig) -> tuple[np.ndarray, ...]:
    """What a run before may have left in the shift buffer: an end of the format everywhere, and values all over it.

    The ends show in maxima and behind activations, drawn values in sums, where equal ones cancel.
    """
    act, shape = config.act, (config.rows, config.sub_banks, config.feature_depth)
    drawn = generator(config.rows).integers(act.min, act.max + 1, shape)
    return np.full(shape, act.min), np.full(shape, act.max), drawn


def push_out(
    program: Program, x: np.ndarray, wanted: set[Bin], rng: np.random.Generator, longest: int, tries: int = 4
) -> Extreme | None:
    """Change a program field by field towards bins that are wanted."""
    best = run(program, x, longest)
    for name, field, end in sorted(wanted):
        if best is None or (name, field, end) in best.bins:
            continue
        opcode = Opcode[name]
        value = ends(program.config, opcode, FORMATS[opcode].by_name[field])[end == "high"]
        places = [index for index, item in enumerate(best.program.instructions) if item.opcode == opcode]
        best = _towards(best, x, (name, field, end), value, rng.permutation(places)[:tries].tolist(), longest)
    return best


def _towards(best: Extreme, x: np.ndarray, goal: Bin, value: int, places: list[int], longest: int) -> Extreme:
    """The program with one of the instructions changed so that it reaches the goal; itself if none can be."""
    for index in places:
        for fields in recipes(best.program.config, best.program.instructions[index], goal[1], value):
            moved = changed(best.program, index, fields)
            found = moved and run(moved, x, longest)
            if found and goal in found.bins:
                return found
    return best


def extremes(config: AcceleratorConfig, count: int, seed: int, longest: int = 3000) -> Iterator[Extreme]:
    """Programs that cover bins which those before did not: directed, then up to ``count`` drawn and changed."""
    rng, inputs = generator(seed), generator(seed, 1)
    left = all_bins(config)

    def use(found: Extreme) -> Extreme:
        left.difference_update(found.bins)
        return found

    for programs, source in ((directed(config), rng), (long_stores(config), inputs)):
        for program in programs:
            found = run(program, any_input(program, source), _LONG_RUN)
            assert found is not None
            yield use(found)
    for number in range(count):
        if not left:
            return
        program = _drawn(config, rng)
        found = push_out(program, any_input(program, rng), left, rng, longest, tries=4 + number)
        if found and found.bins & left:
            yield use(found)


def _drawn(config: AcceleratorConfig, rng: np.random.Generator) -> Program:
    return roomy(first_good(lambda: draw_for(config, rng))[0])


def any_input(program: Program, rng: np.random.Generator) -> np.ndarray:
    """An input drawn over the whole range of activations."""
    act = program.config.act
    return rng.integers(act.min, act.max + 1, program.tensors[0].shape)
