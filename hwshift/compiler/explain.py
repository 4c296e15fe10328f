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
    ("parts", "parts"),
    ("instr.", "instructions"),
    ("chunks", "chunks"),
    ("steps", "steps"),
    ("cycles >=", "cycles"),
    ("bus", "bus_beats"),
    ("weights", "weights"),
    ("output", "where"),
    ("bound", "bound"),
)


def explain(program: Program) -> str:
    """One line per layer: output tiles, most k-tiles of a tile, strips of rows in all, parts by columns or slots,
    instructions, chunks, steps, the least number of cycles (a pass takes its steps, or as long as a weight tile takes
    to load), beats on the bus; whether the weights are one constant tile, are loaded once, stay for later strips, or
    are loaded again for each; where the output goes (``in place``: over channels of an earlier map, whose others stay
    where they are); and what the layer is up against:

    ``load`` the bus takes longer than the array; ``tile load`` passes are shorter than a weight tile takes to load into
    the array; ``diagonal`` each column uses one lane; ``quantisation`` channels do not fill the tiles; ``compute`` none
    of these. Layers that are only renamed take nothing.
    """
    rows = [tuple(title for title, _ in _COLUMNS)]
    for layer in program.layers:
        rows.append(tuple(_text(layer.get(key, "-")) for _, key in _COLUMNS))
    why = [f"{layer['name']} is a pass: {layer['why']}" for layer in program.layers if "why" in layer]
    total = sum(layer.get("cycles", 0) for layer in program.layers)
    steps = sum(layer.get("steps", 0) for layer in program.layers)
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
    size = f"{len(program.instructions)} instructions, {program.size} bytes of memory"
    return "\n".join([*lines, *why, f"{steps} steps, at least {total} cycles; {size}"]) + "\n"


def _text(value: object) -> str:
    return "x".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
