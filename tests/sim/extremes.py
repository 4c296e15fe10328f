"""Programs whose fields are at the ends of their ranges: drawn ones, changed as far as the verifier agrees.

What they compute is what the functional simulator says, how long they take what the cycle model says.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from hwshift.compiler import compile as compile_network
from hwshift.config import AcceleratorConfig
from hwshift.errors import ProgramError, SimulationError
from hwshift.network.graph import Network
from hwshift.network.random import NetworkBuilder, csc_network
from hwshift.program.image import Program, Region
from hwshift.program.instruction import Instruction
from hwshift.program.isa import (
    FORMATS,
    INPUT_CHANNELS,
    INSTRUCTION_BYTES,
    TOKENS,
    Field,
    LoadKind,
    Opcode,
    Token,
)
from hwshift.program.verifier import problems, verify
from hwshift.resolve import prepare
from hwshift.sim.cycle.model import MemoryTiming, simulate_cycles
from hwshift.sim.functional import FunctionalSimulator
from hwshift.timing import timing

from .drawn import draw_for, first_good

Bin = tuple[str, str, str]
"""Operation, field, and "low" or "high"."""
FIXED: dict[tuple[str, str], str] = {
    **{("HEADER", name): "has one right value; the others are refused" for name in
       ("version", "magic", "config_hash", "count", "pop", "push")},
    **{(name, field): "takes and gives no tokens; the verifier refuses them"
       for name in ("DESCRIPTOR", "ACTIVATION") for field in ("pop", "push")},
    **{(name, "row_beats"): "is the product of what it moves; the verifier refuses all others"
       for name in ("LOAD", "STORE")},
    **{(name, "address"): "at the ends of the address space: the far memories of the mutation benches"
       for name in ("LOAD", "STORE")},
}  # fmt: skip
"""Fields without ends of their own, and why."""
LONG = {
    ("STORE", "slots", "high"): "65535 vectors per pixel",
    ("STORE", "rows", "high"): "65535 rows of at least a vector, in memory",
}
"""Ends that only runs of more than 100 000 beats have."""


_COUNTS = {("LOAD", "rows", "high"), ("COMPUTE", "rows", "high"), ("COMPUTE", "chunks", "high")}
_ROOM = 8192
_LONG_RUN = 400_000
"""Cycles within which 65535 rows are moved."""


@dataclass(frozen=True)
class Extreme:
    """A program with what it must leave in memory, and the bins it covers."""

    program: Program
    before: np.ndarray
    after: np.ndarray
    bins: frozenset[Bin]

    def expected(self, time: MemoryTiming | None = None) -> dict[str, int]:
        return simulate_cycles(self.program, time)


def limits(config: AcceleratorConfig) -> dict[tuple[str, str], tuple[int, int, str]]:
    """Fields whose legal values end before their format does: lowest, highest, and the rule that says so."""
    depth, last = config.feature_depth, config.feature_depth - 1
    buffer = f"base + length is at most feature_depth = {depth}"
    below = f"offsets are below a length of at most feature_depth = {depth}"
    out: dict[tuple[str, str], tuple[int, int, str]] = {}
    for name, prefix in {"STORE": "", "DESCRIPTOR": "", "COMPUTE": "out_"}.items():
        out[name, f"{prefix}base"] = (0, last, buffer)
        out[name, f"{prefix}length"] = (1, depth, buffer)
        for field in ("offset", "row_step"):
            out[name, f"{prefix}{field}"] = (0, last, below)
    out["DESCRIPTOR", "chunk_step"] = (0, last, below)
    for field in ("rows", "slots"):
        out["STORE", field] = (1, 0xFFFF, "at least 1")
    out["STORE", "width"] = (1, depth * config.sub_banks, "a row lies in its buffer")
    out["STORE", "x0"] = (0, depth * config.sub_banks - 1, "a row lies in its buffer")
    out["LOAD", "rows"] = (1, 0xFFFF, "at least 1")
    for field in ("height", "width", "rows", "chunks"):
        out["COMPUTE", field] = (1, 0xFFFF, "at least 1")
    out["COMPUTE", "out_x0"] = (0, depth * config.sub_banks - 1, "a row lies in its buffer")
    for name, (pops, pushes) in TOKENS.items():
        out[name.upper(), "pop"] = (0, int(pops), "tokens of its queue")
        out[name.upper(), "push"] = (0, int(pushes), "tokens of its queue")
    out["STORE", "last_lanes"] = (0, (1 << config.rows) - 1, "a bit per lane")
    out["COMPUTE", "last_columns"] = (1, (1 << config.columns) - 1, "a bit per column, at least one")
    out["COMPUTE", "group0"] = (0, config.groups - 1, "a group of columns that there is")
    out["COMPUTE", "param_base"] = (0, config.param_tiles - 1, "inside the table")
    out["COMPUTE", "ktile_base"] = (0, config.ktile_entries - 1, "inside the table")
    out["COMPUTE", "ktile_count"] = (1, config.ktile_entries, "inside the table")
    out["COMPUTE", "tiles"] = (1, config.param_tiles, "each tile has its entry of the parameter table")
    out["COMPUTE", "chunk_rows"] = (1, config.acc_depth, "a chunk fits the accumulators")
    out["COMPUTE", "steps"] = (1, config.acc_depth, "a chunk fits the accumulators")
    out["COMPUTE", "act"] = (0, 2, "codes of activations")
    out["COMPUTE", "residual_act"] = (0, 2, "codes of activations")
    out["COMPUTE", "out_step"] = (1, config.pixels, "a power of two of at most P pixels")
    out["COMPUTE", "last_pixels"] = (1, config.pixels, "at least one lane of a step")
    for name in ("lo", "hi", "residual_lo", "residual_hi"):
        out["ACTIVATION", name] = (config.act.min, config.act.max, "a value of the activations")
    out["LOAD", "kind"] = (0, 5, "a kind that there is")
    return out


def ends(config: AcceleratorConfig, opcode: Opcode, item: Field) -> tuple[int, int]:
    """Lowest and highest value of a field that may be legal."""
    low, high, _ = limits(config).get((opcode.name, item.name), (item.low, item.high, ""))
    return low, high


def all_bins(config: AcceleratorConfig) -> set[Bin]:
    """Both ends of every field that has two."""
    out: set[Bin] = set()
    for opcode, layout in FORMATS.items():
        for item in layout.fields:
            if item.name == "opcode" or (opcode.name, item.name) in FIXED:
                continue
            low, high = ends(config, opcode, item)
            out.add((opcode.name, item.name, "low"))
            if high > low:
                out.add((opcode.name, item.name, "high"))
    return out - set(LONG)


def _recipes(
    config: AcceleratorConfig, item: Instruction, field: str, value: int
) -> Iterator[dict[str, int]]:
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


def bins_of(program: Program) -> set[Bin]:
    """The bins that a program covers."""
    out: set[Bin] = set()
    for instruction in program.instructions:
        for item in FORMATS[instruction.opcode].fields:
            if item.name == "opcode":
                continue
            low, high = ends(program.config, instruction.opcode, item)
            value = instruction[item.name]
            out |= {(instruction.opcode.name, item.name, "low")} if value == low else set()
            out |= {(instruction.opcode.name, item.name, "high")} if value == high else set()
    return out & all_bins(program.config)


def _changed(program: Program, index: int, fields: dict[str, int]) -> Program | None:
    """The program with fields of an instruction replaced, if the verifier agrees."""
    items = list(program.instructions)
    if set(fields) - set(items[index].fields):
        return None
    items[index] = items[index].with_(**fields)
    changed = replace(program, instructions=tuple(items))
    try:
        return None if problems(changed) else changed
    except (ProgramError, IndexError):
        return None


def run(program: Program, x: np.ndarray, longest: int) -> Extreme | None:
    """What the models say about a program, if they do, it is short enough, and uses nothing that it has not written."""
    before, left = program.memory_image(x), []
    try:
        simulate_cycles(program, max_cycles=longest)
        for content in (0, 1):  # of the shift buffer: what a run before has left there
            simulator = FunctionalSimulator(program.config, before.copy())
            simulator.buffer[:] = content
            simulator.run(program.program_base)
            left.append(simulator.memory)
    except SimulationError:
        return None
    if not np.array_equal(*left):
        return None
    return Extreme(program, before, left[0], frozenset(bins_of(program)))


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
        for fields in _recipes(best.program.config, best.program.instructions[index], goal[1], value):
            changed = _changed(best.program, index, fields)
            found = changed and run(changed, x, longest)
            if found and goal in found.bins:
                return found
    return best


def _of(program: Program, items: list[Instruction]) -> Program:
    """With other instructions, however many: the header and the region that they are fetched from agree."""
    header, base = items[0].with_(count=len(items)), program.program_base
    regions = dict(program.regions) | {"program": Region(base, base + len(items) * INSTRUCTION_BYTES - 1)}
    return replace(program, instructions=(header, *items[1:]), regions=regions)


def _store_again(program: Program) -> Program:
    """With the last STORE a second time, without tokens."""
    items = list(program.instructions)
    index = max(index for index, item in enumerate(items) if item.opcode is Opcode.STORE)
    items.insert(index + 1, items[index].with_(pop=0, push=0))
    return _of(program, items)


def _at_the_end_of_the_table(program: Program) -> Program:
    """With its k-tiles in the last entries of the table."""
    config, items = program.config, list(program.instructions)
    per_beat = config.bus_width // 32
    loads = [item for item in items if item.opcode is Opcode.LOAD and item["kind"] == LoadKind.KTILES]
    distance = config.ktile_entries - max(
        item["dest"] + -(-item["count"] // per_beat) * per_beat for item in loads
    )
    for index, item in enumerate(items):
        if item in loads:
            items[index] = item.with_(dest=item["dest"] + distance)
        elif item.opcode is Opcode.COMPUTE:
            items[index] = item.with_(ktile_base=item["ktile_base"] + distance)
    return replace(program, instructions=tuple(items))


def _with_one_more_token(program: Program, goal: Bin) -> Iterator[Program]:
    """With a token that one instruction gives and a later one takes, so that one of them reaches a goal."""
    items = list(program.instructions)
    queues = {Opcode[name.upper()]: masks for name, masks in TOKENS.items()}
    for first, second in combinations(
        [index for index, item in enumerate(items) if item.opcode in queues], 2
    ):
        gives, takes = items[first], items[second]
        for token in Token:
            if (
                not queues[gives.opcode][1] & queues[takes.opcode][0] & token
                or (gives.push | takes.pop) & token
            ):
                continue
            changed = list(items)
            changed[first] = gives.with_(push=int(gives.push | token))
            changed[second] = takes.with_(pop=int(takes.pop | token))
            found = replace(program, instructions=tuple(changed))
            if goal in bins_of(found) and not problems(found):
                yield found
                return


def many_tokens(config: AcceleratorConfig) -> Program:
    """More COMPUTEs in a row, each of which gives a token, than a token counter counts; their STOREs come behind."""
    narrow = NetworkBuilder(2, 3, 4, 1)
    narrow.conv("conv", "input", 4)
    program = _network(config, narrow.network("tokens"))
    by = {item.opcode: item for item in program.instructions}
    computes = [item for item in program.instructions if item.opcode is Opcode.COMPUTE]
    weights = next(item for item in program.instructions
                   if item.opcode is Opcode.LOAD and item["kind"] == LoadKind.WEIGHTS)  # fmt: skip
    assert len(computes) == 1
    first = program.instructions.index(weights)
    head = [item for item in program.instructions[:-1] if item.opcode not in (Opcode.COMPUTE, Opcode.STORE)]
    one = {"rows": 1, "chunk_rows": 1, "chunks": 1}
    body, tail = [], []
    for number in range(timing(config).token_limit + 4):
        place = {"out_base": 8 + number, "out_length": 1, "out_offset": 0, "out_row_step": 0}
        compute = computes[0].with_(**one, **place, pop=computes[0]["pop"] if number == 0 else 0)
        body += [compute] if number == 0 else [weights.with_(pop=0, push=0), compute]
        tail.append(by[Opcode.STORE].with_(rows=1, base=8 + number, length=1, offset=0, row_step=0))
    items = [*head, *body, *tail, program.instructions[-1]]
    assert items[first] == weights
    return verify(_of(program, items))


def _network(config: AcceleratorConfig, network: Network) -> Program:
    return _roomy(compile_network(prepare(network, config), config))


def directed(config: AcceleratorConfig) -> Iterator[Program]:
    """Programs for ends that drawn ones hardly reach."""
    taps = config.ktile_entries // 2
    build = NetworkBuilder(1, 2 * config.rows, 4, taps // 4 + 2)
    build.conv("conv", "input", config.param_tiles * config.columns, (4, taps // 4), padding=(0, 0, 0, 0))
    build.conv("after", "conv", 1)
    program = _network(config, build.network("tables"))
    yield program
    yield _store_again(program)
    narrow = NetworkBuilder(2, 3, 4, 1)
    narrow.conv("conv", "input", 4)
    program = _network(config, narrow.network("narrow"))
    last = _at_the_end_of_the_table(program)
    compute = next(index for index, item in enumerate(last.instructions) if item.opcode is Opcode.COMPUTE)
    empty = _changed(
        last, compute, {"ktile_base": config.ktile_entries - 1}
    )  # all zeros: what the first k-tile is too
    yield empty or last
    wide = NetworkBuilder(2, INPUT_CHANNELS + 1, 4, 1)  # its input is a map, of many rows
    wide.conv("conv", "input", 4)
    program = _network(config, wide.network("wide"))
    load = next(index for index, item in enumerate(program.instructions)
                if item.opcode is Opcode.LOAD and item["kind"] == LoadKind.MAP)  # fmt: skip
    repeated = _changed(program, load, {"rows": 0xFFFF, "row_stride": 0})
    assert repeated is not None
    yield repeated
    yield many_tokens(config)
    strips = _network(config, csc_network(4, 10, 5, 2, stride2=(1,)))  # its maps go through memory
    yield strips
    for goal in (("STORE", "push", "high"), ("LOAD", "pop", "high")):
        yield from _with_one_more_token(strips, goal)


def extremes(config: AcceleratorConfig, count: int, seed: int, longest: int = 3000) -> Iterator[Extreme]:
    """Programs that cover bins which those before did not: drawn and changed, directed, and one that is long."""
    rng = np.random.default_rng(seed)
    left = all_bins(config)

    def kept(found: Extreme | None) -> Iterator[Extreme]:
        if found and found.bins & left:
            left.difference_update(found.bins)
            yield found

    for program in directed(config):
        found = run(program, _input(program, rng), _LONG_RUN)
        assert found is not None
        left.difference_update(found.bins)
        yield found
    for number in range(count):
        program = _drawn(config, rng)
        yield from kept(push_out(program, _input(program, rng), left, rng, longest, tries=4 + number))
    for _ in range(20):
        if left & _COUNTS:
            program = _drawn(config, rng)
            yield from kept(push_out(program, _input(program, rng), left & _COUNTS, rng, _LONG_RUN))


def _drawn(config: AcceleratorConfig, rng: np.random.Generator) -> Program:
    return _roomy(first_good(lambda: draw_for(config, rng))[0])


def _roomy(program: Program) -> Program:
    """With more room for stores than the maps need."""
    write = program.regions["write"]
    return replace(program, size=program.size + _ROOM,
                   regions=dict(program.regions) | {"write": Region(write.base, write.limit + _ROOM)})  # fmt: skip


def _input(program: Program, rng: np.random.Generator) -> np.ndarray:
    act = program.config.act
    return rng.integers(act.min, act.max + 1, program.tensors[0].shape)
