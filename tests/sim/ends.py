"""Ends of instruction fields: the bins of functional coverage, and those that cannot be reached, each with its rule."""

from dataclasses import replace

from hwshift.config import AcceleratorConfig
from hwshift.errors import ProgramError
from hwshift.program.image import Program
from hwshift.program.isa import FORMATS, TOKENS, Field, Opcode
from hwshift.program.verifier import problems

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
    out["COMPUTE", "weight_offset"] = (
        0,
        config.weight_tiles - 1,
        "its tiles and those before them fit the ring",
    )
    if not config.gates:
        out["STORE", "gates"] = (0, 0, "the configuration leaves out gates")
    if not config.row_taps:
        out["COMPUTE", "row_taps"] = (0, 0, "the configuration leaves out row_taps")
    if not config.sigmoid:
        out["COMPUTE", "act"] = (0, 2, "the configuration leaves out sigmoids")
        out["COMPUTE", "residual_act"] = (0, 2, "the configuration leaves out sigmoids")
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
    return out


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


def changed(program: Program, index: int, fields: dict[str, int]) -> Program | None:
    """The program with fields of an instruction replaced, if the verifier agrees."""
    items = list(program.instructions)
    if set(fields) - set(items[index].fields):
        return None
    items[index] = items[index].with_(**fields)
    found = replace(program, instructions=tuple(items))
    try:
        return None if problems(found) else found
    except (ProgramError, IndexError):
        return None
