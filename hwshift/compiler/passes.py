"""One COMPUTE: how a rectangle of output pixels is cut into instructions, and every field of them."""

from collections.abc import Iterator
from dataclasses import dataclass

from hwshift.compiler.buffers import Block
from hwshift.compiler.lowered import Lowered
from hwshift.compiler.tables import Run
from hwshift.config import AcceleratorConfig
from hwshift.errors import CompileError
from hwshift.network.fixed import Activation
from hwshift.program.isa import COMPUTE, Act
from hwshift.program.ports import lanes_per_step
from hwshift.program.ranges import reach_problem

__all__ = ["Piece", "compute_fields", "descriptor_fields", "pieces_of"]

_ACT = {"none": Act.NONE, "relu": Act.RELU, "clamp": Act.CLAMP}


@dataclass(frozen=True)
class Piece:
    """Output rows and columns (first, end) of one instruction, ``step`` pixels at a time, in chunks of rows."""

    rows: tuple[int, int]
    columns: tuple[int, int]
    step: int
    chunk_rows: int

    @property
    def steps(self) -> int:
        """Steps per row."""
        return -(-(self.columns[1] - self.columns[0]) // self.step)

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
    for first, end, step in _columns(low, columns, config):
        steps = -(-(end - first) // step)
        height = rows[1] - rows[0]
        chunks = -(-height // (config.acc_depth // steps))
        chunk_rows = -(-height // chunks)
        if chunks > 1 and low.constant is None and run.count > config.weight_tiles:
            for start in range(rows[0], rows[1], chunk_rows):
                stop = min(rows[1], start + chunk_rows)
                yield Piece((start, stop), (first, end), step, stop - start)
        else:
            yield Piece(rows, (first, end), step, chunk_rows)


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
        end = min(end, first + config.acc_depth * step)
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
        "x0": piece.columns[0] * stride_x + low.corner[1],
        "stride_y": stride_y,
        "x_step": piece.step * stride_x,
        "stride_x": stride_x if piece.step > 1 else 1,
        "out_step": piece.step,
        "last_pixels": width - (piece.steps - 1) * piece.step,
        "out_x0": piece.columns[0],
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


def _target(prefix: str, block: Block, piece: Piece, slot: int) -> dict[str, int]:
    offset = (block.offset(piece.rows[0]) + slot * block.pitch) % block.length
    values = {
        "base": block.base,
        "length": block.length,
        "offset": offset,
        "row_step": block.row_words % block.length,
        "pitch": block.pitch,
    }
    return {f"{prefix}_{name}": value for name, value in values.items()}


def _act(activation: Activation) -> int:
    return int(_ACT[activation.kind])
