"""What the compiler did, as a table for people."""

from hwshift.program.image import Program

__all__ = ["explain"]

_COLUMNS = (
    ("layer", "name"),
    ("operation", "op"),
    ("map", "shape"),
    ("tiles", "tiles"),
    ("k-tiles", "ktiles"),
    ("strips", "strips"),
    ("instr.", "instructions"),
    ("chunks", "chunks"),
    ("steps", "steps"),
    ("cycles >=", "cycles"),
    ("weights", "weights"),
    ("output", "where"),
)


def explain(program: Program) -> str:
    """One line per layer: output tiles, most k-tiles of a tile, strips of rows, instructions, chunks, steps, the least
    number of cycles (a pass takes its steps, or as long as a weight tile takes to load), kind of weights, and where
    the output goes. Layers that are only renamed take nothing.
    """
    rows = [tuple(title for title, _ in _COLUMNS)]
    for layer in program.layers:
        rows.append(tuple(_text(layer.get(key, "-")) for _, key in _COLUMNS))
    total = sum(layer.get("cycles", 0) for layer in program.layers)
    steps = sum(layer.get("steps", 0) for layer in program.layers)
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
    size = f"{len(program.instructions)} instructions, {program.size} bytes of memory"
    return "\n".join([*lines, f"{steps} steps, at least {total} cycles; {size}"]) + "\n"


def _text(value: object) -> str:
    return "x".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
