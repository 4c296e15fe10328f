"""Draws a network as SVG: boxes for layers, with what follows them alone, from top to bottom."""

from dataclasses import dataclass
from html import escape

from hwshift.network import ops
from hwshift.network.checks import Shape
from hwshift.network.graph import Network, Node
from hwshift.palette import BLUE, GREEN, ORANGE, PURPLE, RED, SKY, YELLOW, tint
from hwshift.zoo.layout import Layout, Point, curve, place

__all__ = ["draw_graph"]

_COLOURS: dict[type[ops.Op], tuple[str, str]] = {
    ops.Input: ("input", "#e4e4e4"),
    ops.Conv2d: ("convolution", tint(SKY, 0.35)),
    ops.Linear: ("fully connected", tint(BLUE, 0.34)),
    ops.SpatialShift: ("shift", tint(GREEN, 0.25)),
    ops.Add: ("sum, scale", tint(ORANGE, 0.35)),
    ops.ChannelScale: ("sum, scale", tint(ORANGE, 0.35)),
    ops.Concat: ("channels moved", tint(PURPLE, 0.33)),
    ops.ChannelSlice: ("channels moved", tint(PURPLE, 0.33)),
    ops.ChannelShuffle: ("channels moved", tint(PURPLE, 0.33)),
    ops.AveragePool: ("pool, resize", tint(YELLOW, 0.5)),
    ops.MaxPool: ("pool, resize", tint(YELLOW, 0.5)),
    ops.GlobalAveragePool: ("pool, resize", tint(YELLOW, 0.5)),
    ops.UpsampleNearest: ("pool, resize", tint(YELLOW, 0.5)),
}
_OTHER = ("other", "#f4f4f4")
_DEPTHWISE = ("depthwise", tint(RED, 0.33))
_FOLLOWERS = (ops.BatchNorm, ops.InstanceNorm, ops.ReLU, ops.Clamp, ops.Sigmoid)
_SHORT = {"BatchNorm": "BN", "InstanceNorm": "IN", "Clamp": "ReLU6", "GlobalAveragePool": "average all"}
_LINE, _CHAR, _SMALL_CHAR = 13.0, 6.1, 5.0
_LEGEND = 26.0
_HEADER = 17.0  # above the first layer of a block, for its name


@dataclass(frozen=True)
class _Box:
    """A layer and what follows it alone."""

    nodes: tuple[Node, ...]
    lines: tuple[str, ...]
    kind: tuple[str, str]

    @property
    def size(self) -> tuple[float, float]:
        return max(64.0, max(map(len, self.lines)) * _CHAR + 14), _LINE * len(self.lines) + 8


def draw_graph(network: Network) -> str:
    """The drawing of a network as the text of an SVG file.

    Raises
    ------
    NetworkError
        When the network is malformed.
    """
    boxes = _boxes(network)
    home = {node.name: name for name, box in boxes.items() for node in box.nodes}
    edges = [
        (home[source], name) for name, box in boxes.items() for source in dict.fromkeys(box.nodes[0].inputs)
    ]
    layout = place({name: box.size for name, box in boxes.items()}, edges)
    frames = _groups(boxes, layout)
    kinds = dict.fromkeys(box.kind for box in boxes.values())
    width, height = max(layout.width, 120.0 * len(kinds)), layout.height + _LEGEND + 20
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
            f'viewBox="0 {-_LEGEND - 20:.0f} {width:.0f} {height:.0f}" font-family="DejaVu Sans, Arial, sans-serif">'
        ),
        f"<title>{escape(network.name)}</title>",
        f'<rect x="0" y="{-_LEGEND - 20:.0f}" width="{width:.0f}" height="{height:.0f}" fill="#fff"/>',
        f'<text x="12" y="-28" font-size="14" font-weight="bold">{escape(network.name)}</text>',
        *_legend(kinds),
        *_frames(frames),
        *(_edge(pieces, boxes[target]) for pieces, (_, target) in zip(layout.routes, edges, strict=True)),
        *(_draw_box(box, layout.centres[name]) for name, box in boxes.items()),
        *_labels(frames),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _boxes(network: Network) -> dict[str, _Box]:
    """By the name of the first node."""
    shapes, readers = network.shapes(), network.consumers()
    chains: dict[str, list[Node]] = {}
    home: dict[str, str] = {}
    for node in network.nodes:
        before = node.inputs[0] if node.inputs else ""
        joins = isinstance(node.op, _FOLLOWERS) and before and len(readers[before]) == 1
        if joins and not isinstance(chains[home[before]][0].op, ops.Input):
            home[node.name] = home[before]
            chains[home[before]].append(node)
        else:
            home[node.name] = node.name
            chains[node.name] = [node]
    return {
        name: _Box(tuple(nodes), _lines(nodes, shapes), _kind(nodes[0])) for name, nodes in chains.items()
    }


def _kind(node: Node) -> tuple[str, str]:
    if isinstance(node.op, ops.Conv2d) and _is_depthwise(node.op):
        return _DEPTHWISE
    return _COLOURS.get(type(node.op), _OTHER)


def _is_depthwise(op: ops.Conv2d) -> bool:
    return op.groups > 1 and op.weight.shape[1] == 1


def _lines(nodes: list[Node], shapes: dict[str, Shape]) -> tuple[str, ...]:
    first = nodes[0]
    name, detail = first.name.rpartition(".")[2], _detail(first.op)
    title = name if name.rstrip("0123456789").lower() == detail.lower() else f"{name} {detail}".strip()
    after = ", ".join(_short(node.op) for node in nodes[1:])
    size = "×".join(map(str, shapes[nodes[-1].name]))
    return tuple(line for line in (title, after, size) if line)


def _short(op: ops.Op) -> str:
    name = type(op).__name__
    return _SHORT.get(name, name)


def _detail(op: ops.Op) -> str:
    match op:
        case ops.Conv2d():
            words = ["×".join(map(str, op.kernel))]
            words += [f"/{op.stride[0]}"] if op.stride != (1, 1) else []
            words += [f"d{op.dilation[0]}"] if op.dilation != (1, 1) else []
            words += ["dw"] if _is_depthwise(op) else [f"g{op.groups}"] if op.groups > 1 else []
            return " ".join(words)
        case ops.AveragePool() | ops.MaxPool():
            kind = "max" if isinstance(op, ops.MaxPool) else "average"
            return f"{kind} {op.kernel[0]}×{op.kernel[1]} /{op.stride[0]}"
        case ops.SpatialShift():
            moved = int(op.moves.any(axis=1).sum())
            return f"{moved} of {len(op.offsets)}"
        case ops.ChannelSlice():
            return f"{op.start}–{op.stop - 1}"
        case ops.UpsampleNearest():
            return f"{op.factor[0]}×{op.factor[1]}"
        case (
            ops.Input() | ops.Add() | ops.ChannelScale() | ops.Concat() | ops.Linear() | ops.ChannelShuffle()
        ):
            return ""
    return _short(op)


def _legend(kinds: dict[tuple[str, str], None]) -> list[str]:
    out, x = [], 12.0
    for text, colour in kinds:
        out.append(f'<rect x="{x:.0f}" y="-19" width="12" height="12" rx="2" fill="{colour}" stroke="#777"/>')
        out.append(f'<text x="{x + 17:.0f}" y="-9" font-size="10">{escape(text)}</text>')
        x += 17 + len(text) * _CHAR + 16
    return out


@dataclass(frozen=True)
class _Frame:
    """Where the layers of a block stand, in one column."""

    name: str
    left: float
    top: float
    right: float
    bottom: float


def _groups(boxes: dict[str, _Box], layout: Layout) -> list[_Frame]:
    """A frame around the layers of each block, one in each column it stands in."""
    members: dict[tuple[str, int], list[str]] = {}
    for name in boxes:
        scope = name.split(".")[:-1]
        depth = 1 if scope and scope[0].startswith(("cell", "block")) else 2
        if scope:
            members.setdefault((".".join(scope[:depth]), layout.columns[name]), []).append(name)
    frames = []
    for (scope_name, _), names in members.items():
        if len(names) < 2:
            continue
        spans = [(layout.centres[name], boxes[name].size) for name in names]
        frames.append(
            _Frame(
                scope_name,
                min(x - w / 2 for (x, _), (w, _) in spans) - 8,
                min(y - h / 2 for (_, y), (_, h) in spans) - _HEADER,
                max(x + w / 2 for (x, _), (w, _) in spans) + 8,
                max(y + h / 2 for (_, y), (_, h) in spans) + 7,
            )
        )
    return frames


def _frames(frames: list[_Frame]) -> list[str]:
    return [
        f'<rect x="{frame.left:.1f}" y="{frame.top:.1f}" width="{frame.right - frame.left:.1f}" '
        f'height="{frame.bottom - frame.top:.1f}" rx="7" fill="#eef2f6" fill-opacity="0.5" stroke="#c9d2da"/>'
        for frame in frames
    ]


def _labels(frames: list[_Frame]) -> list[str]:
    """The blocks' names, above the arrows into their first layers; what passes behind them is faded."""
    out = []
    for frame in frames:
        left, width = frame.left + 3, len(frame.name) * _SMALL_CHAR + 6
        out.append(
            f'<rect x="{left:.1f}" y="{frame.top + 1:.1f}" width="{width:.1f}" height="10" rx="4" fill="#f6f8fa" '
            f'fill-opacity="0.8"/><text x="{left + 3:.1f}" y="{frame.top + 9:.1f}" font-size="8.5" '
            f'fill="#4d5862">{escape(frame.name)}</text>'
        )
    return out


def _edge(pieces: list[list[Point]], target: _Box) -> str:
    """Pieces in columns are joined by marks where one ends and the next begins."""
    path, marks = [], []
    for number, piece in enumerate(pieces):
        last = number == len(pieces) - 1
        points = list(piece)
        if last:
            x, y = points[-1]
            points[-1] = (x, y - target.size[1] / 2 - 1)
        path.append(curve(points))
        if not last:
            marks += [points[-1], pieces[number + 1][0]]
    x, y = points[-1]
    out = f'<path d="{" ".join(path)}" fill="none" stroke="#555" stroke-width="1.1"/>'
    out += f'<path d="M{x - 3.2:.1f},{y - 6:.1f} L{x:.1f},{y:.1f} L{x + 3.2:.1f},{y - 6:.1f} Z" fill="#555"/>'
    return out + "".join(f'<circle cx="{mx:.1f}" cy="{my:.1f}" r="2.6" fill="#555"/>' for mx, my in marks)


def _draw_box(box: _Box, centre: Point) -> str:
    (x, y), (width, height) = centre, box.size
    out = [
        (
            f"<g><title>{escape(', '.join(node.name for node in box.nodes))}</title>"
            f'<rect x="{x - width / 2:.1f}" y="{y - height / 2:.1f}" width="{width:.1f}" height="{height:.1f}" rx="4" '
            f'fill="{box.kind[1]}" stroke="#777"/>'
        )
    ]
    for number, line in enumerate(box.lines):
        below = y - height / 2 + 4 + _LINE * (number + 0.78)
        style = ' font-weight="bold"' if number == 0 else ' fill="#444"'
        out.append(
            f'<text x="{x:.1f}" y="{below:.1f}" font-size="10" text-anchor="middle"{style}>{escape(line)}</text>'
        )
    return "".join(out) + "</g>"
