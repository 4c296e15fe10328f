"""The engine as C++: the project's files, and what a program may hold to run on it."""

from collections import deque
from collections.abc import Sequence

import numpy as np

from hwshift.config import AcceleratorConfig
from hwshift.data import Images
from hwshift.errors import CompileError
from hwshift.golden.formats import Pow2Format
from hwshift.golden.sigmoid import sigmoid_table
from hwshift.hls.render import plain, product_shifts, render, sources, tool_files, wrapped
from hwshift.program import isa
from hwshift.program.assembler import disassemble
from hwshift.program.expected import launch_of
from hwshift.program.file import program_archive
from hwshift.program.image import Program
from hwshift.program.instruction import Instruction
from hwshift.program.isa import Act, LoadKind, Opcode
from hwshift.program.registers import ERRORS
from hwshift.program.row_taps import ROW_TAPS
from hwshift.writing import toml_text

__all__ = ["Vector", "check_program", "engine_files", "engine_sources", "job_text"]

WEIGHT_JOBS = 16
"""Loads of weights that may wait for the array."""

# What the C++ interprets. A program that sets any other field, or uses another operation, is refused.
_TOKENS = ("pop", "push")
_REGION = ("base", "length", "offset", "row_step", "pitch", "slots", "width", "x0")
_TRANSFER = ("rows", "row_beats", "row_stride", "address")
_SIDES = tuple(
    f"{side}_{name}" for side in ("out", "res") for name in ("base", "length", "offset", "row_step", "pitch")
)
_SUPPORTED: dict[str, tuple[str, ...]] = {
    "END": (),
    "HEADER": ("version", "magic", "config_hash", "count"),
    "LOAD": ("kind", "zero_code", "channels", *_TRANSFER, *_REGION, "dest", "count"),
    "DESCRIPTOR": ("id", "base", "length", "offset", "row_step", "chunk_step"),
    "ACTIVATION": ("lo", "hi", "residual_lo", "residual_hi"),
    "COMPUTE": (
        "drain", "relu_fetch", "pad_min", "maximum", "hold_weights", "residual", "ktile_advance", "act",
        "residual_act", "group0", "row_taps", "ktile_base", "ktile_count", "tiles", "rows", "steps", "chunk_rows",
        "chunks", "chunk_y", "height", "width", "y0", "x0", "stride_y", "x_step", "stride_x", "out_step", "last_pixels",
        "param_base", "out_x0", *_SIDES, "last_columns", "weight_offset", "keep_weights",
    ),
    "STORE": (*_TRANSFER, *_REGION, "last_lanes", "gates"),
}  # fmt: skip
_KINDS = ("MAP", "INPUT", "WEIGHTS", "PARAMS", "KTILES", "LANES")
_ACTS = ("NONE", "RELU", "CLAMP", "SIGMOID")


class Vector:
    """One image: its bytes in memory and the whole memory after the run, ndarrays of uint8."""

    def __init__(self, data: np.ndarray, after: np.ndarray) -> None:
        self.data, self.after = data, after


def check_program(program: Program) -> None:
    """Refuse what the C++ does not interpret.

    Raises
    ------
    CompileError
        Names the instruction, the field and its value.
    """
    waiting = _Waiting(program.config.weight_tiles)
    for index, item in enumerate(program.instructions):
        where = f"{program.name}: instruction {index}"
        name = item.opcode.name
        if name not in _SUPPORTED:
            raise CompileError(f"the HLS engine does not know the operation {name}", where=where)
        for field, value in item.fields.items():
            if value and field not in _TOKENS and field not in _SUPPORTED[name]:
                raise CompileError(
                    f"the HLS engine does not know the field {field} = {value} of {name}", where=where
                )
        _check_choice(item.fields, "kind", LoadKind, _KINDS, where)
        for field in ("act", "residual_act"):
            _check_choice(item.fields, field, Act, _ACTS, where)
        waiting.follow(item)
        if len(waiting.jobs) > WEIGHT_JOBS:
            raise CompileError(
                f"{len(waiting.jobs)} loads of weights wait for the array, the HLS engine holds {WEIGHT_JOBS}",
                where=where,
            )


def _check_choice(fields: object, field: str, kind: type, known: tuple[str, ...], where: str) -> None:
    assert hasattr(fields, "get")
    value = fields.get(field)
    if value is None:
        return
    names = {item.value: item.name for item in kind}  # type: ignore[attr-defined]
    if names.get(value) not in known:
        shown = names.get(value, value)
        raise CompileError(
            f"the HLS engine does not know {field} = {shown}; known: {', '.join(known)}", where=where
        )


class _Waiting:
    """Loads of weights that wait, as tiles of each, and how many tiles the ring holds."""

    def __init__(self, capacity: int) -> None:
        self.jobs: deque[int] = deque()
        self._capacity, self._held = capacity, 0

    def follow(self, item: Instruction) -> None:
        """What an instruction brings or takes."""
        if item.opcode == Opcode.LOAD and item["kind"] == LoadKind.WEIGHTS:
            self.jobs.append(item["count"])
        if item.opcode != Opcode.COMPUTE:
            return
        tiles = 1 if item["hold_weights"] else item["tiles"] * item["ktile_count"]
        if item["keep_weights"]:
            if self._held < tiles + item["weight_offset"]:
                self._refill()
            return
        while tiles and (self._held or self.jobs):
            if not self._held:
                self._refill()
            taken = min(tiles, self._held)
            tiles, self._held = tiles - taken, self._held - taken

    def _refill(self) -> None:
        while self._held < self._capacity and self.jobs:
            taken = min(self._capacity - self._held, self.jobs[0])
            self._held += taken
            self.jobs[0] -= taken
            if not self.jobs[0]:
                self.jobs.popleft()


def engine_sources(config: AcceleratorConfig) -> dict[str, bytes]:
    """Path to content of the C++ that depends on the configuration alone."""
    fmt = config.weights
    power = isinstance(fmt, Pow2Format)
    numbers = {
        **product_shifts(config),
        "range": fmt.p_max - fmt.p_min if isinstance(fmt, Pow2Format) else 0,
    }
    assert power == (config.pe == "shift_add")
    layouts = [
        layout for name, layout in zip(isa.Opcode, isa.FORMATS.values(), strict=True) if name.name != "END"
    ]
    table = sigmoid_table(config.act).tolist() if config.sigmoid else [0]
    return {
        **sources("common", "engine"),
        "src/hwshift_config.h": render(
            "hwshift_config.h.j2", config=config, numbers=numbers, row_taps=ROW_TAPS, weight_jobs=WEIGHT_JOBS
        ),
        "src/hwshift_sigmoid.h": render(
            "hwshift_sigmoid.h.j2", config=config, count=len(table), table=wrapped(table, 4)
        ),
        "src/hwshift_isa.h": render(
            "hwshift_isa.h.j2",
            isa=isa,
            errors=ERRORS,
            layouts=layouts,
            tables=[isa.KTILE_ENTRY, isa.LANE_ENTRY, isa.PARAM_ENTRY],
        ),
    }


def job_text(program: Program, images: int) -> bytes:
    """What the testbench reads beside memory contents: launch registers, images, maps."""
    launch, source = launch_of(program), program.tensors[0]
    registers = (
        launch.program_base, launch.program_limit, launch.program_count, launch.read_base, launch.read_limit,
        launch.write_base, launch.write_limit,
    )  # fmt: skip
    lines = [f"launch {' '.join(map(str, registers))}", f"images {images} {source.address}"]
    for record in program.tensors:
        for part in record.parts:
            size = (*record.shape[1:], part.slots, part.lanes, program.config.act.storage_bits // 8)
            lines.append(f"map {part.address} {' '.join(map(str, size))} {plain(record.layer)}")
    return ("\n".join(lines) + "\n").encode()


def engine_files(program: Program, vectors: Sequence[Vector], images: Images) -> dict[str, bytes]:
    """Path to content of the whole project.

    Parameters
    ----------
    program : Program
    vectors : sequence of Vector
    images : Images
        Where the vectors come from.

    Raises
    ------
    CompileError
        From `check_program`.
    """
    check_program(program)
    config = program.config
    files = {
        **engine_sources(config),
        "src/hwshift_program.h": render("engine_program.h.j2", program=program, config=config),
        **tool_files("hwshift_engine", "src/engine.cpp"),
        "README.md": render(
            "engine_README.md.j2",
            program=program,
            config=config,
            images=len(vectors),
            description=images.description,
        ),
        "program/program.hwprog": program_archive(program),
        "config.toml": toml_text(config.to_dict()).encode(),
        "program/program.txt": disassemble(program.instructions).encode(),
        "vectors/job.txt": job_text(program, len(vectors)),
        "vectors/memory.bin": program.memory_image().tobytes(),
    }
    for index, vector in enumerate(vectors):
        files[f"vectors/input_{index}.bin"] = vector.data.tobytes()
        files[f"vectors/expected_{index}.bin"] = vector.after.tobytes()
    return files
