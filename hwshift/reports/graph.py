"""The network as a graph whose boxes show what each layer costs."""

from html import escape

from hwshift.network.fixed import Concat, Conv, FixedLayer, Pool, Shift, Shuffle, Slice, Upsample
from hwshift.reports.report import LayerRow, Report
from hwshift.zoo.layout import Layout, Point, curve, place

__all__ = ["MEASURES", "edges", "lines", "render"]

MEASURES: dict[str, str] = {"cycles": "cycles", "energy": "energy", "memory": "memory traffic"}
"""What boxes can be coloured by: key and title."""

_LINE, _CHAR = 13.0, 6.1
_LONGEST = 900.0


def edges(report: Report) -> list[tuple[str, str]]:
    """Who reads whom, residuals included."""
    out = []
    for layer in report.analysis.network.layers:
        sources = [*layer.inputs, *([layer.residual] if layer.residual is not None else [])]
        out += [(source, layer.name) for source in dict.fromkeys(sources)]
    return out


def shares(report: Report) -> dict[str, dict[str, float]]:
    """By layer and measure, its part of the whole image."""
    total = {
        "cycles": report.simulation.counters["total"],
        "energy": report.energy.total_pj,
        "memory": report.counts.total.memory.total_bits / 8,
    }

    def of(row: LayerRow) -> dict[str, float]:
        values = {
            "cycles": row.busy_cycles + row.idle_cycles,
            "energy": row.energy_pj,
            "memory": row.memory_bytes,
        }
        return {key: value / total[key] if total[key] else 0.0 for key, value in values.items()}

    return {row.name: of(row) for row in report.rows}


def lines(layer: FixedLayer) -> tuple[str, str]:
    """Operation and size of the output, for people."""
    return _operation(layer), "×".join(map(str, layer.shape))


def _operation(layer: FixedLayer) -> str:
    match layer.op:
        case Conv():
            _, _, rows, columns = layer.op.weights.values.shape
            words = ["shift +"] if layer.op.shift is not None else []
            words.append(f"conv {rows}×{columns}")
            words += [f"/{layer.op.stride[0]}"] if layer.op.stride != (1, 1) else []
            words += [f"g{layer.op.groups}"] if layer.op.groups > 1 else []
            words += ["+ residual"] if layer.residual is not None else []
            return " ".join(words)
        case Pool():
            kind = "average" if layer.op.kind == "avg" else "max"
            return f"{kind} {layer.op.kernel[0]}×{layer.op.kernel[1]} /{layer.op.stride[0]}"
        case Shift():
            moved = int((layer.op.offsets != 0).any(axis=1).sum())
            return f"shift {moved} of {len(layer.op.offsets)}"
        case Concat() | Shuffle() | Slice() | Upsample():
            return type(layer.op).__name__.lower()
    return type(layer.op).__name__


def render(report: Report) -> str:
    """An SVG in a box that scrolls, and buttons that choose the measure."""
    layers = {layer.name: layer for layer in report.analysis.network.layers}
    part = shares(report)
    texts = {name: (name, *lines(layer), _told(part.get(name))) for name, layer in layers.items()}
    sizes = {
        name: (max(70.0, max(map(len, words)) * _CHAR + 14), _LINE * 4 + 10) for name, words in texts.items()
    }
    links = edges(report)
    layout = place(sizes, links, longest=_LONGEST)
    largest = {key: max([*(values[key] for values in part.values()), 1e-9]) for key in MEASURES}
    boxes = [_box(texts[name], sizes[name], layout, name, part.get(name), largest) for name in layers]
    arrows = [_edge(pieces, sizes[target]) for pieces, (_, target) in zip(layout.routes, links, strict=True)]
    buttons = "".join(
        f'<button type="button" data-measure="{key}">{title}</button>' for key, title in MEASURES.items()
    )
    return (
        f'<div class="zoom screen">darker boxes take more {buttons}</div><div class="scroll graph-box">'
        f'<svg id="graph" class="graph by-cycles" width="{layout.width:.0f}" height="{layout.height:.0f}" '
        f'viewBox="0 0 {layout.width:.0f} {layout.height:.0f}" role="img" aria-label="Graph of the network">'
        f"{''.join(arrows)}{''.join(boxes)}</svg></div>"
    )


def _told(part: dict[str, float] | None) -> str:
    if part is None or not any(part.values()):
        return "no cost"
    return f"{part['cycles']:.1%} cycles, {part['energy']:.1%} energy"


def _box(
    words: tuple[str, ...],
    box: tuple[float, float],
    layout: Layout,
    name: str,
    part: dict[str, float] | None,
    largest: dict[str, float],
) -> str:
    (x, y), (width, height) = layout.centres[name], box
    left, top = x - width / 2, y - height / 2
    heat = ";".join(f"--{key}:{0.6 * (part or {}).get(key, 0.0) / largest[key]:.3f}" for key in MEASURES)
    told = ", ".join(f"{title} {(part or {}).get(key, 0.0):.2%}" for key, title in MEASURES.items())
    size = f'x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}" rx="4"'
    rows = "".join(
        f'<text x="{x:.1f}" y="{top + 4 + _LINE * (i + 0.8):.1f}" class="middle{" strong" if i == 0 else ""}">'
        f"{escape(word)}</text>"
        for i, word in enumerate(words)
    )
    return (
        f'<g style="{heat}"><title>{escape(name)}: {told}</title><rect {size} class="back"/>'
        f'<rect {size} class="heat"/>{rows}</g>'
    )


def _edge(pieces: list[list[Point]], target: tuple[float, float]) -> str:
    """Pieces in columns, each with a point where it goes on elsewhere."""
    path, marks = [], []
    for number, piece in enumerate(pieces):
        points = list(piece)
        if number == len(pieces) - 1:
            x, y = points[-1]
            points[-1] = (x, y - target[1] / 2 - 1)
        else:
            marks += [points[-1], pieces[number + 1][0]]
        path.append(curve(points))
    x, y = points[-1]
    head = f'<path d="M{x - 3.2:.1f} {y - 6:.1f}L{x:.1f} {y:.1f}L{x + 3.2:.1f} {y - 6:.1f}z" class="head"/>'
    dots = "".join(f'<circle cx="{mx:.1f}" cy="{my:.1f}" r="2.6" class="head"/>' for mx, my in marks)
    return f'<path d="{" ".join(path)}" class="edge"/>{head}{dots}'
