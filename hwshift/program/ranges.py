"""Checks of single instructions: fields, addresses, table places, buffers."""

from collections.abc import Iterator, Mapping

import numpy as np

from hwshift.config import AcceleratorConfig
from hwshift.errors import ProgramError
from hwshift.program.footprint import Footprints
from hwshift.program.image import Program, Region
from hwshift.program.instruction import Instruction, encode
from hwshift.program.isa import (
    COORDINATE_BITS,
    INPUT_CHANNELS,
    INSTRUCTION_BYTES,
    ISA_VERSION,
    LANE_ENTRY,
    MAGIC,
    TOKENS,
    Act,
    LoadKind,
    Opcode,
)
from hwshift.program.ports import lanes_of, lanes_per_step
from hwshift.program.row_taps import lead_steps

__all__ = ["frame_problems", "instruction_problems", "reach_problem"]

_LAST_PIXEL = 0xFFFF  # of a row in the shift buffer

_QUEUE = {Opcode.LOAD: "load", Opcode.COMPUTE: "compute", Opcode.STORE: "store"}


def frame_problems(program: Program) -> Iterator[str]:
    """What is wrong with header, end and regions."""
    items, config = program.instructions, program.config
    opcodes = [item.opcode for item in items]
    if not items or opcodes[0] != Opcode.HEADER or Opcode.HEADER in opcodes[1:]:
        yield "a program has one HEADER, and it comes first"
        return
    if opcodes[-1] != Opcode.END or Opcode.END in opcodes[:-1]:
        yield "a program has one END, and it comes last"
    wanted = {"version": ISA_VERSION, "magic": MAGIC, "config_hash": config.hash, "count": len(items)}
    for name, value in wanted.items():
        if items[0][name] != value:
            yield f"the header's {name} must be {value}, not {items[0][name]}"
    region = program.regions["program"]
    if region.base % 256 or not region.holds(region.base, len(items) * INSTRUCTION_BYTES):
        yield "the program must start at a multiple of 256 and lie inside its region"
    for name, item in program.regions.items():
        if not 0 <= item.base <= item.limit < 1 << config.address_width:
            yield f"the region {name} must lie within {config.address_width} address bits"


def instruction_problems(item: Instruction, program: Program, state: Footprints) -> Iterator[str]:
    """What is wrong with one instruction, given the tables and descriptors before it."""
    config = program.config
    try:
        encode(item)
    except ProgramError as error:
        yield error.message
        return
    queue = _QUEUE.get(item.opcode)
    if queue is not None:
        pops, pushes = TOKENS[queue]
        if item.pop & ~pops or item.push & ~pushes:
            yield f"a {queue} takes {pops!s} and gives {pushes!s} only"
    elif item.opcode in (Opcode.DESCRIPTOR, Opcode.ACTIVATION) and (item.pop or item.push):
        yield "it can take and give no tokens"
    if item.opcode == Opcode.LOAD:
        yield from _load(item, config, program.regions["read"])
    elif item.opcode == Opcode.STORE:
        yield from _transfer(item, config, program.regions["write"])
        yield from _map(
            item, config, item["slots"], config.gate_beats if item["gates"] else config.vector_beats
        )
        if item["gates"] and not config.gates:
            yield "the configuration leaves out gates"
        if item["last_lanes"] >> config.rows:
            yield f"last_lanes has bits beyond the {config.rows} lanes"
    elif item.opcode == Opcode.DESCRIPTOR:
        yield from _buffer(item, config, "", ("offset", "row_step", "chunk_step"))
    elif item.opcode == Opcode.ACTIVATION:
        for low, high in (("lo", "hi"), ("residual_lo", "residual_hi")):
            if not config.act.min <= item[low] <= item[high] <= config.act.max:
                yield f"{low} and {high} must be ordered within {config.act}, not {item[low]} and {item[high]}"
    elif item.opcode == Opcode.COMPUTE:
        problems = list(_compute(item, config))
        yield from problems or _sources(item, config, state)


def reach_problem(fields: Mapping[str, int] | Instruction) -> str | None:
    """What is wrong with how far a COMPUTE walks: beyond the coordinates' bits it would meet the map again."""
    last = {
        "row": fields["y0"] + (fields["rows"] - 1) * fields["stride_y"],
        "column": fields["x0"]
        + (fields["steps"] - 1) * fields["x_step"]
        + (fields["out_step"] - 1) * fields["stride_x"],
    }
    highest = (1 << COORDINATE_BITS) - 1 - LANE_ENTRY.by_name["dx"].high
    for what, value in last.items():
        if value > highest:
            return f"it reaches source {what} {value}, the last it can count to is {highest}"
    return None


def _transfer(item: Instruction, config: AcceleratorConfig, region: Region, unit: int = 0) -> Iterator[str]:
    """Rows in memory; ``unit``: bytes of what may begin inside a beat, 0 if nothing may."""
    beat = config.beat_bytes
    if not (item["rows"] and item["row_beats"]):
        yield "rows and row_beats must be at least 1"
        return
    if item["address"] % (unit or beat) or (item["rows"] > 1 and item["row_stride"] % beat):
        yield f"address and row_stride must be multiples of the {unit or beat} bytes of a {'value' if unit else 'beat'}"
    size = (item["rows"] - 1) * item["row_stride"] + item["row_beats"] * beat
    first = item["address"] // beat * beat
    if not region.holds(first, size):
        last = first + size - 1
        yield f"bytes 0x{first:x} to 0x{last:x} lie outside the region 0x{region.base:x} to 0x{region.limit:x}"


def _map(item: Instruction, config: AcceleratorConfig, slots: int, beats: int) -> Iterator[str]:
    """Rows of a map; ``beats`` of a slot of a pixel."""
    yield from _lines(item, config, slots)
    if item["row_beats"] != item["width"] * slots * beats:
        yield f"row_beats must be width * slots * {beats} = {item['width'] * slots * beats}, not {item['row_beats']}"


def _input(item: Instruction, config: AcceleratorConfig) -> Iterator[str]:
    """Pixels of a network's input."""
    channels, count = item["channels"], item["count"]
    if not 1 <= channels <= INPUT_CHANNELS:
        yield f"channels must lie in 1..{INPUT_CHANNELS}, not {channels}"
    if not count:
        yield "count must be at least 1"
    yield from _lines(item, config, 1)
    before = item["address"] % config.beat_bytes * 8 // config.act.storage_bits
    beats = -(-(before + count * item["width"] * channels) // config.beat_elements)
    if item["rows"] != 1 or item["row_beats"] != beats:
        yield (
            f"count * width * channels values behind {before} of a beat take one row of {beats} beats, "
            f"not {item['rows']} of {item['row_beats']}"
        )


def _lines(item: Instruction, config: AcceleratorConfig, slots: int) -> Iterator[str]:
    """Rows in the shift buffer."""
    yield from _buffer(item, config, "", ("offset", "row_step"))
    if not (item["width"] and slots):
        yield "width and slots must be at least 1"
        return
    if item["x0"] + item["width"] - 1 > _LAST_PIXEL:
        yield f"a row reaches pixel {item['x0'] + item['width'] - 1}, the last is {_LAST_PIXEL}"
    last = (slots - 1) * item["pitch"] + (item["x0"] + item["width"] - 1) // config.sub_banks
    if last >= item["length"]:
        yield f"a row reaches word {last} of a buffer of {item['length']}"


def _buffer(
    item: Instruction, config: AcceleratorConfig, prefix: str, below: tuple[str, ...]
) -> Iterator[str]:
    length = item[f"{prefix}length"]
    if not length or item[f"{prefix}base"] + length > config.feature_depth:
        yield f"words {item[f'{prefix}base']} + {length} do not lie within feature_depth = {config.feature_depth}"
    for name in below:
        if item[f"{prefix}{name}"] >= max(1, length):
            yield f"{prefix}{name} must be below the length {length}, not {item[f'{prefix}{name}']}"


def _load(item: Instruction, config: AcceleratorConfig, region: Region) -> Iterator[str]:
    if item["kind"] >= len(LoadKind):
        yield f"unknown kind {item['kind']}"
        return
    kind = LoadKind(item["kind"])
    yield from _transfer(item, config, region, config.act.storage_bits // 8 if kind == LoadKind.INPUT else 0)
    if kind == LoadKind.MAP:
        yield from _map(item, config, item["slots"], config.vector_beats)
        return
    if kind == LoadKind.INPUT:
        yield from _input(item, config)
        return
    per_beat = config.bus_width // 32
    count = item["count"]
    beats, depth = {
        LoadKind.WEIGHTS: (count * config.tile_beats, None),
        LoadKind.PARAMS: (count * config.param_beats, config.param_tiles),
        LoadKind.KTILES: (-(-count // per_beat), config.ktile_entries),
        LoadKind.LANES: (count * config.lane_beats, config.lane_rows),
    }[kind]
    if not count or item["rows"] != 1 or item["row_beats"] != beats:
        yield f"{count} take one row of {beats} beats, not {item['rows']} of {item['row_beats']}"
    if kind == LoadKind.KTILES:
        count = -(-count // per_beat) * per_beat
        if item["dest"] % per_beat:
            yield f"dest must be a multiple of the {per_beat} entries of a beat, not {item['dest']}"
    if depth is not None and item["dest"] + count > depth:
        yield f"entries {item['dest']} to {item['dest'] + count - 1} lie outside a table of {depth}"


def _compute(item: Instruction, config: AcceleratorConfig) -> Iterator[str]:
    """Fields that need no table."""
    for name in ("ktile_count", "tiles", "rows", "steps", "chunk_rows", "height", "width", "last_columns"):
        if not item[name]:
            yield f"{name} must be at least 1"
            return
    if item["chunk_rows"] * item["steps"] > config.acc_depth:
        yield f"chunk_rows * steps = {item['chunk_rows'] * item['steps']} exceeds acc_depth = {config.acc_depth}"
    if item["chunks"] != -(-item["rows"] // item["chunk_rows"]):
        yield f"chunks must be rows / chunk_rows rounded up, not {item['chunks']}"
    if item["chunks"] > 1 and not item["hold_weights"] and item["ktile_count"] > config.weight_tiles:
        yield f"{item['ktile_count']} weight tiles are used again for every chunk, the ring holds {config.weight_tiles}"
    yield from _kept(item, config)
    if item["chunks"] > 1 and item["chunk_y"] != item["chunk_rows"] * item["stride_y"]:
        yield f"chunk_y must be chunk_rows * stride_y, not {item['chunk_y']}"
    beyond = reach_problem(item)
    if beyond:
        yield beyond
    yield from _lanes(item, config)
    if item["group0"] >= config.groups or item["last_columns"] >> config.columns:
        yield f"group0 and last_columns must fit {config.groups} groups of {config.columns} columns"
    if item["param_base"] + item["tiles"] > config.param_tiles:
        yield f"parameters {item['param_base']} + {item['tiles']} lie outside a table of {config.param_tiles}"
    entries = item["ktile_count"] * (item["tiles"] if item["ktile_advance"] else 1)
    if item["ktile_base"] + entries > config.ktile_entries:
        yield f"k-tiles {item['ktile_base']} + {entries} lie outside a table of {config.ktile_entries}"
    if item["steps"] <= lead_steps(item):
        yield f"the first {lead_steps(item)} steps of a row give no pixels: steps must be more, not {item['steps']}"
    if item["residual"] and item["act"] == Act.SIGMOID:
        yield "a sigmoid cannot come before a residual"
    sigmoid = Act.SIGMOID in (item["act"], item["residual_act"])
    needs = {
        "max_pool": item["maximum"],
        "residual": item["residual"],
        "sigmoid": sigmoid,
        "row_taps": item["row_taps"],
    }
    for name, needed in needs.items():
        if needed and not getattr(config, name):
            yield f"the configuration leaves out {name}"
    for prefix in ("out_", "res_") if item["residual"] else ("out_",):
        yield from _target(item, config, prefix)


def _lanes(item: Instruction, config: AcceleratorConfig) -> Iterator[str]:
    """Pixel lanes: a step touches one half, and its lanes read together."""
    together, step = lanes_per_step(config.pixels, item["stride_x"]), item["out_step"]
    lanes = lanes_of(config.pixels, step)
    if not step or lanes & (lanes - 1) or lanes > together or step % lanes:
        yield f"out_step must be a power of two of at most {together} pixels or a multiple of P, not {step}"
    elif item["out_x0"] % lanes or not 1 <= item["last_pixels"] <= lanes:
        yield f"out_x0 must be a multiple of the step's {lanes} lanes, and last_pixels lie in 1..{lanes}"


def _kept(item: Instruction, config: AcceleratorConfig) -> Iterator[str]:
    """Weight tiles that stay in the ring."""
    count = 1 if item["hold_weights"] else item["ktile_count"] * item["tiles"]
    if item["weight_offset"] and not item["keep_weights"]:
        yield f"weight_offset must be 0 without keep_weights, not {item['weight_offset']}"
    elif item["keep_weights"] and item["weight_offset"] + count > config.weight_tiles:
        last = item["weight_offset"] + count
        yield f"it keeps tiles up to {last} of the weight ring, which holds {config.weight_tiles}"


def _target(item: Instruction, config: AcceleratorConfig, prefix: str) -> Iterator[str]:
    yield from _buffer(item, config, prefix, ("offset", "row_step"))
    steps = item["steps"] - lead_steps(item)
    x = item["out_x0"] + (steps - 1) * item["out_step"] + item["last_pixels"] - 1
    if x > _LAST_PIXEL:
        yield f"a row reaches pixel {x}, the last is {_LAST_PIXEL}"
    slot = (item["group0"] + item["tiles"] - 1) // config.groups * item[f"{prefix}pitch"]
    if slot + x // config.sub_banks >= item[f"{prefix}length"]:
        yield f"a row reaches word {slot + x // config.sub_banks} of a buffer of {item[f'{prefix}length']}"


def _sources(item: Instruction, config: AcceleratorConfig, state: Footprints) -> Iterator[str]:
    """k-tiles, lanes and descriptors: every sum of offsets must stay below twice the length."""
    count = item["ktile_count"] * (item["tiles"] if item["ktile_advance"] else 1)
    entries = np.unique(state.tables.ktiles[item["ktile_base"] : item["ktile_base"] + count], axis=0)
    base, length = state.sources[entries[:, 1], :2].T
    known = (entries[:, 2] < config.lane_rows) & (length > 0) & (base + length <= config.feature_depth)
    for (_, number, lane_row), words in zip(entries[~known], length[~known], strict=True):
        yield f"a k-tile names lane row {lane_row} of {config.lane_rows} and descriptor {number} of length {words}"
    offset, number, lane_row = entries[known].T
    _, length, start, row_step, chunk_step = (column[:, None] for column in state.sources[number].T)
    lane_offset, _, dx, on = np.moveaxis(state.tables.lanes[lane_row], 2, 0)
    row = np.arange(item["rows"])
    chunk, inner = row // item["chunk_rows"], row % item["chunk_rows"]
    rows = (start + chunk * chunk_step + inner * row_step) % length
    lanes_used = lanes_of(config.pixels, item["out_step"])
    last = item["x0"] + (item["steps"] - 1) * item["x_step"] + (lanes_used - 1) * item["stride_x"]
    x = np.minimum(item["width"] - 1, last + dx) // config.sub_banks
    reach = np.where(on == 1, rows.max(axis=1, keepdims=True) + offset[:, None] + lane_offset + x, -1)
    beyond = (offset[:, None] >= length) | (lane_offset >= length) | (reach >= 2 * length)
    for index in np.flatnonzero((beyond & (on == 1)).any(axis=1)):
        yield f"offsets of k-tile and lanes reach {reach[index].max()} in a buffer of {length[index, 0]}"
