"""Where data flows: from the external memory through the buffers to the array, and back, in bytes per image."""

from collections import Counter
from dataclasses import dataclass
from html import escape

from hwshift.reports.markup import legend
from hwshift.reports.report import Report
from hwshift.reports.text import size

__all__ = [
    "BAR",
    "HEIGHT",
    "NODES",
    "TITLES",
    "WIDTH",
    "Box",
    "Link",
    "bits_of",
    "geometry",
    "links",
    "render",
]

NODES: dict[str, tuple[int, str]] = {
    "external": (0, "external memory"),
    "queue": (1, "instruction queue"),
    "tables": (1, "tables"),
    "weights": (1, "weight buffer"),
    "buffer": (1, "shift buffer"),
    "array": (2, "array"),
    "accumulators": (3, "accumulators"),
    "epilogue": (4, "epilogue"),
    "buffer_out": (5, "shift buffer"),
    "external_out": (6, "external memory"),
}
"""Column and title of each place, in the order of data flow; what is read and written stands at both ends."""

TITLES = {"weights": "weights", "maps": "maps", "sums": "sums", "control": "instructions, tables"}
"""What flows, by the key of its colour."""


@dataclass(frozen=True)
class Link:
    """Bits that go from one place to another.

    Members
    -------
    source, target : str
        Of `NODES`.
    key : str
        ``weights``, ``maps``, ``sums`` or ``control``.
    what : str
    bits : int
    """

    source: str
    target: str
    key: str
    what: str
    bits: int


def links(report: Report) -> list[Link]:
    """Every way that takes any bits, from the counts and the words' widths."""
    config, total = report.config, report.counts.total
    width = {(item.memory, item.port, item.kind): item.bits for item in report.analysis.accesses}
    memory, acc = total.memory, config.arithmetic.acc_width
    found = [
        Link("external", "queue", "control", "instructions", memory.instruction_bits),
        Link("external", "tables", "control", "tables", memory.table_bits),
        Link("external", "weights", "weights", "weights", memory.weight_bits),
        Link("external", "buffer", "maps", "input", memory.input_bits),
        Link("external", "buffer", "maps", "maps read back", memory.map_read_bits),
        Link("tables", "array", "control", "lane table", width["lane table", "array", "read"]),
        Link("tables", "array", "control", "k-tile table", width["k-tile table", "sequencer", "read"]),
        Link("tables", "epilogue", "control", "parameters", width["parameter buffer", "epilogue", "read"]),
        Link("weights", "array", "weights", "weight tiles", width["weight buffer", "array", "read"]),
        Link("buffer", "array", "maps", "activations", width["shift buffer", "port A: array", "read"]),
        Link("buffer", "epilogue", "maps", "residuals", width["shift buffer", "port B: residual", "read"]),
        Link("array", "accumulators", "sums", "column sums", total.accumulator.sums * acc),
        Link("accumulators", "epilogue", "sums", "finished sums", total.epilogue.outputs * acc),
        Link("epilogue", "buffer_out", "maps", "outputs", width["shift buffer", "port B: epilogue", "write"]),
        Link("buffer_out", "external_out", "maps", "maps written", memory.map_write_bits),
    ]
    return [link for link in found if link.bits]


WIDTH, HEIGHT, BAR = 1000.0, 400.0, 12.0
"""Of the drawing, and of the bar that stands for a place."""
_GAP, _MARGIN, _TOP, _LAST = 40.0, 4.0, 32.0, 60.0


@dataclass
class Box:
    """Where a place's bar stands, and how much of it bands have taken."""

    x: float
    y: float
    height: float
    taken_in: float = 0.0
    taken_out: float = 0.0


Band = tuple[float, float, float, float, float]
"""Where a band begins and ends, and its thickness: x0, y0, x1, y1, thick."""


def geometry(found: list[Link]) -> tuple[dict[str, Box], list[tuple[Link, Band]]]:
    """Bars and bands; a bar is as high as the larger of what comes and goes."""
    into, out = bits_of(found)
    through = {name: max(into[name], out[name]) for name in NODES if into[name] or out[name]}
    scale = _scale(through)
    boxes = _place(through, scale)
    return boxes, [(link, _band(link, boxes, scale)) for link in found]


def bits_of(found: list[Link]) -> tuple[Counter[str], Counter[str]]:
    """What comes to and goes from each place."""
    into: Counter[str] = Counter()
    out: Counter[str] = Counter()
    for link in found:
        into[link.target] += link.bits
        out[link.source] += link.bits
    return into, out


def _scale(through: dict[str, int]) -> float:
    """Height of a bit: the fullest column fits."""
    columns: dict[int, list[int]] = {}
    for name, bits in through.items():
        columns.setdefault(NODES[name][0], []).append(bits)
    free = HEIGHT - _TOP - 10
    return min((free - _GAP * (len(column) - 1)) / max(1, sum(column)) for column in columns.values())


def _place(through: dict[str, int], scale: float) -> dict[str, Box]:
    last = max(NODES[name][0] for name in through)
    step = (WIDTH - 2 * _MARGIN - BAR - _LAST) / max(1, last)
    boxes: dict[str, Box] = {}
    below: dict[int, float] = {}
    for name, bits in through.items():
        column = NODES[name][0]
        height = max(2.0, bits * scale)
        y = below.get(column, _TOP)
        x = _MARGIN + column * step + (_LAST if column == last else 0)
        boxes[name] = Box(x, y, height)
        below[column] = y + height + _GAP
    return boxes


def _band(link: Link, boxes: dict[str, Box], scale: float) -> Band:
    source, target = boxes[link.source], boxes[link.target]
    thick = link.bits * scale
    y0, y1 = source.y + source.taken_out + thick / 2, target.y + target.taken_in + thick / 2
    source.taken_out += thick
    target.taken_in += thick
    return source.x + BAR, y0, target.x, y1, thick


def render(report: Report) -> str:
    """An SVG: bands as thick as their bits, from left to right."""
    found = links(report)
    boxes, bands = geometry(found)
    into, out = bits_of(found)
    parts = [_curve(link, band) for link, band in bands]
    parts += [
        f'<rect x="{box.x:.1f}" y="{box.y:.1f}" width="{BAR}" height="{box.height:.1f}" class="place"/>'
        for box in boxes.values()
    ]
    parts += [_text(name, box, into[name], out[name]) for name, box in boxes.items()]
    shown = {key: title for key, title in TITLES.items() if any(link.key == key for link in found)}
    return (
        f'{legend(shown)}<div class="scroll"><svg viewBox="0 0 {WIDTH:.0f} {HEIGHT:.0f}" role="img" class="flow" '
        f'aria-label="Flow of data">{"".join(parts)}</svg></div>'
        '<p class="unit">bytes per image; a band is as thick as its bytes, at least a hair</p>'
    )


def _curve(link: Link, band: Band) -> str:
    x0, y0, x1, y1, thick = band
    middle = (x0 + x1) / 2
    about = f"{link.what}: {size(link.bits / 8)}, {NODES[link.source][1]} to {NODES[link.target][1]}"
    return (
        f'<path d="M{x0:.1f} {y0:.1f}C{middle:.1f} {y0:.1f} {middle:.1f} {y1:.1f} {x1:.1f} {y1:.1f}" '
        f'stroke-width="{max(thick, 0.8):.2f}" class="band s-{link.key}"><title>{escape(about)}</title></path>'
    )


def _text(name: str, box: Box, into: int, out: int) -> str:
    """Title and bytes above the bar; both ways where they differ."""
    told = " → ".join(size(bits / 8) for bits in dict.fromkeys((into, out)) if bits)
    last = name == "external_out"
    x, side = (box.x + BAR, ' class="end"') if last else (box.x, "")
    return (
        f'<text x="{x:.1f}" y="{box.y - 17:.1f}"{side}><tspan class="strong">{NODES[name][1]}</tspan></text>'
        f'<text x="{x:.1f}" y="{box.y - 4:.1f}"{side}>{told}</text>'
    )
