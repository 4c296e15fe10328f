"""One COMPUTE: how a rectangle of output pixels is cut into instructions, and every field of them."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from hwshift.compiler.buffers import Block
from hwshift.compiler.lowered import Lowered
from hwshift.compiler.tables import Run
from hwshift.config import AcceleratorConfig
from hwshift.errors import CompileError
from hwshift.network.fixed import Activation
from hwshift.program.isa import COMPUTE, Act
from hwshift.program.ports import lanes_per_step
from hwshift.program.ranges import reach_problem

__all__ = ["Piece", "Spread", "compute_fields", "descriptor_fields", "pieces_of"]

_ACT = {"none": Act.NONE, "relu": Act.RELU, "clamp": Act.CLAMP, "sigmoid": Act.SIGMOID}

_OUT_STEP = COMPUTE.by_name["out_step"].high


@dataclass(frozen=True)
class Spread:
    """How an upsampled map is written: ``lanes`` pixels from ``phase`` (row, column) on, every ``factor`` rows and
    ``out_step`` columns.
    """

    factor: tuple[int, int]
    phase: tuple[int, int]
    out_step: int
    lanes: int


@dataclass(frozen=True)
class Piece:
    """Output rows and columns (first, end) of one instruction, ``step`` pixels at a time, in chunks of rows.

    With a spread they are those of the source. The first ``lead`` steps of a row give no pixels.
    """

    rows: tuple[int, int]
    columns: tuple[int, int]
    step: int
    chunk_rows: int
    spread: Spread | None = None
    lead: int = 0

    @property
    def out_rows(self) -> tuple[int, int]:
        """Output rows (first, end)."""
        if self.spread is None:
            return self.rows
        every, phase = self.spread.factor[0], self.spread.phase[0]
        return self.rows[0] * every + phase, (self.rows[1] - 1) * every + phase + 1

    @property
    def steps(self) -> int:
        """Steps per row."""
        return self.lead - (self.columns[0] - self.columns[1]) // self.step

    @property
    def chunks(self) -> int:
        """Chunks of rows."""
        return -(-(self.rows[1] - self.rows[0]) // self.chunk_rows)


def pieces_of(
    low: Lowered, run: Run, rows: tuple[int, int], columns: tuple[int, int], config: AcceleratorConfig
) -> Iterator[Piece]:
    """Instructions for a rectangle: columns so that a row fits the accumulators, rows in chunks that fit.

    Several chunks need all weight tiles of an output tile in the ring at once; where they do not fit, every chunk
    is an instruction of its own.
    """
    if low.spread != (1, 1):
        yield from _spread_pieces(low, run, rows, columns, config)
        return
    for first, end, step in _columns(low, columns, config):
        yield from _chunked(low, run, Piece(rows, (first, end), step, 0, lead=low.lead), config)


def _chunked(low: Lowered, run: Run, piece: Piece, config: AcceleratorConfig) -> Iterator[Piece]:
    rows = piece.rows
    height = rows[1] - rows[0]
    chunks = -(-height // (config.acc_depth // piece.steps))
    chunk_rows = -(-height // chunks)
    if chunks > 1 and low.constant is None and run.count > config.weight_tiles:
        for start in range(rows[0], rows[1], chunk_rows):
            stop = min(rows[1], start + chunk_rows)
            yield replace(piece, rows=(start, stop), chunk_rows=stop - start)
    else:
        yield replace(piece, chunk_rows=chunk_rows)


def _spread_pieces(
    low: Lowered, run: Run, rows: tuple[int, int], columns: tuple[int, int], config: AcceleratorConfig
) -> Iterator[Piece]:
    """Instructions that together write every row and column of a source ``low.spread`` times; all columns."""
    for phase in range(low.spread[0]):
        own = tuple(-(-(row - phase) // low.spread[0]) for row in rows)
        if own[0] < own[1]:
            for (first, end), step, spread in _spread_columns(low, phase, columns, config):
                yield from _chunked(low, run, Piece((own[0], own[1]), (first, end), step, 0, spread), config)


def _spread_columns(
    low: Lowered, phase: int, columns: tuple[int, int], config: AcceleratorConfig
) -> Iterator[tuple[tuple[int, int], int, Spread]]:
    """Source columns, pixels per step, and where they go.

    A step writes one source pixel to as many lanes as the factor, or all lanes, divide; where it is not to be had,
    each output column is written by an instruction of its own.
    """
    factor, width, lanes = low.spread[1], low.extent[1], config.pixels
    if factor == 1:
        for first, end, step in _columns(low, columns, config):
            yield (first, end), step, Spread(low.spread, (phase, 0), step, step)
    elif factor in (2, 4) and factor <= lanes or (factor % lanes == 0 and factor <= _OUT_STEP):
        together = min(factor, lanes)
        for column in range(0, factor, together):
            for first in range(0, width, config.acc_depth):
                end = min(width, first + config.acc_depth)
                yield (first, end), 1, Spread(low.spread, (phase, column), factor, together)
    else:
        for column in range(width * factor):
            first = column // factor
            yield (first, first + 1), 1, Spread(low.spread, (phase, column % factor), 1, 1)


def _columns(
    low: Lowered, columns: tuple[int, int], config: AcceleratorConfig
) -> Iterator[tuple[int, int, int]]:
    """(first, end, pixels per step): a step starts at a multiple of its pixels."""
    stride = low.stride[1]
    lanes = lanes_per_step(config.pixels, stride) if stride <= COMPUTE.by_name["stride_x"].high else 1
    first = columns[0]
    while first < columns[1]:
        step = lanes
        while first % step:
            step //= 2
        end = columns[1] if step == lanes else min(columns[1], -(-first // lanes) * lanes)
        end = min(end, first + (config.acc_depth - low.lead) * step)
        yield first, end, step
        first = end


def descriptor_fields(low: Lowered, piece: Piece, block: Block) -> dict[str, int]:
    """The source descriptor of one tensor."""
    stride = low.stride[0]
    y0 = piece.rows[0] * stride + low.corner[0]
    chunk = piece.chunk_rows * stride * block.row_words % block.length if piece.chunks > 1 else 0
    return {
        "base": block.base,
        "length": block.length,
        "offset": block.offset(y0),
        "row_step": stride * block.row_words % block.length if piece.rows[1] - piece.rows[0] > 1 else 0,
        "chunk_step": chunk,
    }


def compute_fields(
    low: Lowered, run: Run, piece: Piece, out: Block, residual: Block | None, config: AcceleratorConfig
) -> dict[str, int]:
    """Fields of the instruction but for its table entries and tokens."""
    stride_y, stride_x = low.stride
    width = piece.columns[1] - piece.columns[0]
    group, slot = run.first % config.groups, run.first // config.groups
    left = low.layer.shape[0] - (run.end - 1) * config.columns
    fields = {
        "maximum": int(low.maximum),
        "pad_min": int(low.maximum),
        "hold_weights": int(low.constant is not None),
        "ktile_advance": int(run.advance),
        "act": _act(low.activation),
        "group0": group,
        "row_taps": int(low.row_taps),
        "ktile_count": run.count,
        "tiles": run.end - run.first,
        "rows": piece.rows[1] - piece.rows[0],
        "steps": piece.steps,
        "chunk_rows": piece.chunk_rows,
        "chunks": piece.chunks,
        "chunk_y": piece.chunk_rows * stride_y,
        "height": low.extent[0],
        "width": low.extent[1],
        "y0": piece.rows[0] * stride_y + low.corner[0],
        "x0": (piece.columns[0] - low.lead * piece.step) * stride_x + low.corner[1],
        "stride_y": stride_y,
        "x_step": piece.step * stride_x,
        "stride_x": stride_x if piece.step > 1 else 1,
        "out_step": piece.step,
        "last_pixels": width - (piece.steps - piece.lead - 1) * piece.step,
        "out_x0": piece.columns[0],
        **_spread_fields(piece),
        "last_columns": (1 << min(left, config.columns)) - 1,
        **_target("out", out, piece, slot),
    }
    if residual is not None:
        fields |= {
            "residual": 1,
            "residual_act": _act(low.residual_activation),
            **_target("res", residual, piece, slot),
        }
    for name, value in fields.items():
        item = COMPUTE.by_name[name]
        if not item.low <= value <= item.high:
            raise CompileError(
                f"its {name} is {value}, an instruction holds {item.low}..{item.high}", where=low.layer.name
            )
    beyond = reach_problem(fields)
    if beyond:
        raise CompileError(beyond, where=low.layer.name)
    return fields


def _spread_fields(piece: Piece) -> dict[str, int]:
    """What is different where one source pixel goes to several columns."""
    spread = piece.spread
    if spread is None or spread.factor[1] == 1:
        return {}
    return {
        "stride_x": 0,
        "out_step": spread.out_step,
        "last_pixels": spread.lanes,
        "out_x0": piece.columns[0] * spread.factor[1] + spread.phase[1],
    }


def _target(prefix: str, block: Block, piece: Piece, slot: int) -> dict[str, int]:
    offset = (block.offset(piece.out_rows[0]) + slot * block.pitch) % block.length
    every = 1 if piece.spread is None else piece.spread.factor[0]
    values = {
        "base": block.base,
        "length": block.length,
        "offset": offset,
        "row_step": every * block.row_words % block.length,
        "pitch": block.pitch,
    }
    return {f"{prefix}_{name}": value for name, value in values.items()}


def _act(activation: Activation) -> int:
    return int(_ACT[activation.kind])
