"""What the schedule does with a layer and what it is up against, for people and reports."""

from collections.abc import Collection, Sequence

from hwshift.compiler.buffers import Group
from hwshift.compiler.lowered import Lowered
from hwshift.config import AcceleratorConfig
from hwshift.network.fixed import Conv
from hwshift.program.hazards import total_steps
from hwshift.program.instruction import Instruction
from hwshift.program.isa import INSTRUCTION_BYTES, LoadKind, Opcode

__all__ = ["describe"]

_FULL = 0.9
"""Share of useful products from which on a layer's steps count as full."""


def describe(
    low: Lowered,
    group: Group,
    items: Sequence[Instruction],
    config: AcceleratorConfig,
    whole: Collection[str],
    in_memory: Collection[str],
    over: str | None = None,
) -> dict:
    """The record of one layer but for where its instructions stand.

    Parameters
    ----------
    low : Lowered
    group : Group
        With the layers that it takes turns with.
    items : sequence of Instruction
        Its own: loads of its maps, tables and weights, computations, stores.
    config : AcceleratorConfig
    whole, in_memory : collections of str
        Tensors that lie on chip as a whole, and those that have a place in memory.
    over : str or None
        The tensor over a part of which it is written.
    """
    computes = [item for item in items if item.opcode == Opcode.COMPUTE]
    name, steps = low.layer.name, sum(map(total_steps, computes))
    cycles, beats = sum(_least_cycles(item, config) for item in computes), _beats(items, config)
    useful = _useful_steps(low, config)
    if over is not None:
        where = "in place"
    elif name in whole:
        where = "on chip"
    else:
        where = "through memory" if name in in_memory else f"{group.blocks[name].rows} rows on chip"
    return {
        "name": name,
        "op": type(low.layer.op).__name__,
        "shape": list(low.layer.shape),
        "tiles": low.tiles,
        "ktiles": max(pattern.count for pattern in low.patterns),
        "strips": sum(len(part.ends) for part in group.parts or (group,)),
        "parts": max(1, len(group.parts)),
        "together": [other.layer.name for other in group.chain.layers],
        "instructions": len(computes),
        "corner": list(low.corner),
        "chunks": sum(item["chunks"] for item in computes),
        "steps": steps,
        "cycles": cycles,
        "bus_beats": beats,
        "useful_steps": useful,
        "bound": _bound(useful, steps, cycles, beats, _is_diagonal(low)),
        "weights": _weights(low, items, computes),
        "where": where,
    } | ({} if over is None else {"over": over})


def _bound(useful: float, steps: int, cycles: int, beats: int, diagonal: bool) -> str:
    """What would have to change first for the layer to take fewer cycles."""
    if beats > cycles:
        return "load"
    if diagonal:
        return "diagonal"
    if cycles - steps > steps - useful:
        return "tile load"
    return "compute" if useful >= _FULL * steps else "quantisation"


def _is_diagonal(low: Lowered) -> bool:
    """Whether each column has one lane only."""
    op = low.layer.op
    return not isinstance(op, Conv) or (op.groups > 1 and op.weights.values.shape[1] == 1)


def _useful_steps(low: Lowered, config: AcceleratorConfig) -> float:
    """Steps that the layer's multiplications would take on an array without an idle place."""
    op, (_, height, width) = low.layer.op, low.layer.shape
    if not isinstance(op, Conv):
        return 0.0
    return op.weights.values.size * height * width / (config.rows * config.columns * config.pixels)


def _beats(items: Sequence[Instruction], config: AcceleratorConfig) -> int:
    moved = sum(
        item["rows"] * item["row_beats"] for item in items if item.opcode in (Opcode.LOAD, Opcode.STORE)
    )
    return moved + len(items) * INSTRUCTION_BYTES // config.beat_bytes


def _weights(low: Lowered, items: Sequence[Instruction], computes: Sequence[Instruction]) -> str:
    if low.constant is not None:
        return "constant"
    loads = [item for item in items if item.opcode == Opcode.LOAD and item["kind"] == LoadKind.WEIGHTS]
    if sum(item["count"] for item in loads) > sum(map(len, low.weights)):
        return "again"
    return "stay" if any(item["keep_weights"] for item in computes) else "once"


def _least_cycles(item: Instruction, config: AcceleratorConfig) -> int:
    """A pass takes its steps, or as long as its weight tile takes to load."""
    if item["hold_weights"]:
        return total_steps(item)
    full, rest = divmod(item["rows"], item["chunk_rows"])
    sizes = [item["chunk_rows"] * item["steps"]] * full + ([rest * item["steps"]] if rest else [])
    passes = sum(max(size, config.tile_words) for size in sizes)
    return passes * item["tiles"] * item["ktile_count"]
