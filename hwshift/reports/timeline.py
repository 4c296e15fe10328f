"""The timeline: what load, compute and store units do over the cycles of one image."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape

from hwshift.program.counters import Cause
from hwshift.program.isa import Opcode
from hwshift.reports.figures import CAUSE_GROUPS
from hwshift.reports.markup import legend, ticks
from hwshift.reports.report import Report
from hwshift.reports.text import short
from hwshift.trace import slices

__all__ = ["TRACKS", "Span", "merged", "render", "spans", "stall_spans", "titles"]

TRACKS = {"load": 0, "compute": 1, "stalls": 2, "store": 3}
"""Tracks from top to bottom."""

_KINDS = {
    "weights": ("weights", "weights"),
    "map": ("maps", "maps"),
    "input": ("maps", "input"),
    "params": ("control", "parameters"),
    "ktiles": ("control", "k-tiles"),
    "lanes": ("control", "lanes"),
}
_MOST = 2500  # spans of a track
_HEIGHT, _GAP = 22, 4


@dataclass(frozen=True)
class Span:
    """Cycles ``begin`` to ``end`` (not included) of a track.

    Members
    -------
    track : str
        Of `TRACKS`.
    key : str
        Colour.
    label : str
    height : float
        Share of the track's height.
    """

    track: str
    key: str
    label: str
    begin: int
    end: int
    height: float = 1.0


def spans(report: Report) -> list[Span]:
    """What each unit does, instruction by instruction, and the cycles without a step."""
    analysis = report.analysis
    owner = {
        index: analysis.program.layers[number]["name"] for index, number in analysis.program.owners.items()
    }
    shades: dict[str, int] = {}
    out = []
    for track, name, begin, cycles, index in slices(analysis.program, analysis.timeline):
        if track == "load":
            key, label = _KINDS[name]
        elif track == "compute":
            label = owner.get(index, name)
            key = f"busy{shades.setdefault(label, len(shades)) % 2}"
        elif track == "store":
            key, label = "write", "map, written"
        else:
            continue
        out.append(Span(track, key, label, begin, begin + cycles))
    return out + stall_spans(report)


def stall_spans(report: Report) -> list[Span]:
    """Cycles without a step between the ends of COMPUTE instructions: their share, and most of what."""
    analysis = report.analysis
    groups = {
        key: [int(cause) for cause in causes] for key, (_, causes) in CAUSE_GROUPS.items() if key != "busy"
    }
    out, before, begin = [], [0] * len(Cause), 0
    for index, item in enumerate(analysis.program.instructions):
        if item.opcode != Opcode.COMPUTE or analysis.timeline.end[index] < 0:
            continue
        now = analysis.timeline.causes[index].tolist()
        end = int(analysis.timeline.end[index]) + 1
        idle = {key: sum(now[c] - before[c] for c in causes) for key, causes in groups.items()}
        worst = max(idle, key=idle.__getitem__)
        if idle[worst] and end > begin:
            share = sum(idle.values()) / (end - begin)
            label = f"{CAUSE_GROUPS[worst][0]}, {sum(idle.values()):,} cycles without a step"
            out.append(Span("stalls", worst, label, begin, end, min(1.0, share)))
        before, begin = now, end
    return out


def merged(items: Sequence[Span], total: int, most: int = _MOST) -> list[Span]:
    """At most so many spans: those of one colour and label that are nearly next to each other become one."""
    gap = 0
    out = list(items)
    while True:
        out = _joined(out, gap)
        if len(out) <= most or gap > total:
            return out
        gap = max(total // 4000, 2 * gap, 1)


def _joined(items: Sequence[Span], gap: int) -> list[Span]:
    out: list[Span] = []
    last: dict[tuple[str, str], int] = {}
    for span in sorted(items, key=lambda span: span.begin):
        kind = (span.key, span.label if gap == 0 or span.track == "compute" else "")
        at = last.get(kind)
        if at is not None and span.begin <= out[at].end + gap and (gap or span.height == out[at].height):
            out[at] = _join(out[at], span)
        else:
            last[kind] = len(out)
            out.append(span)
    return out


def _join(first: Span, second: Span) -> Span:
    """One span over both, as high as they are on average."""
    lengths = first.end - first.begin, second.end - second.begin
    height = (first.height * lengths[0] + second.height * lengths[1]) / sum(lengths)
    return replace(first, end=max(first.end, second.end), height=height)


def titles(found: Sequence[Span]) -> dict[str, str]:
    """What each colour of some spans stands for."""
    stalls = {key: f"stalls: {title}" for key, (title, _) in CAUSE_GROUPS.items()}
    words = {
        "weights": "loads of weights",
        "maps": "of maps and input",
        "control": "of tables",
        "busy0": "array, layers",
        "busy1": "in turns",
        **stalls,
        "write": "stores",
    }
    seen = {span.key for span in found}
    return {key: title for key, title in words.items() if key in seen}


def render(report: Report) -> str:
    """HTML with an SVG that scales along the cycles alone, the layers' names above it."""
    total = report.simulation.counters["total"]
    found = spans(report)
    thin = total / 2400
    parts = []
    for track, row in TRACKS.items():
        for span in merged([item for item in found if item.track == track], total):
            width = max(span.end - span.begin, thin)
            height = max(_HEIGHT * span.height, 2)
            y = row * (_HEIGHT + _GAP) + (_HEIGHT - height)
            about = f"{span.label}: cycles {span.begin:,} to {span.end - 1:,}"
            parts.append(
                f'<rect x="{span.begin}" y="{y:.4g}" width="{width:.6g}" height="{height:.4g}" class="c-{span.key}">'
                f"<title>{escape(about)}</title></rect>"
            )
    height = len(TRACKS) * (_HEIGHT + _GAP)
    svg = (
        f'<svg viewBox="0 0 {total} {height}" preserveAspectRatio="none" style="height:{height}px" role="img" '
        f'aria-label="Timeline">{"".join(parts)}</svg>'
    )
    marks = "".join(
        f'<i style="left:{100 * tick / total:.3f}%"><b>{short(tick)}</b></i>' for tick in ticks(total, 8)
    )
    names = "".join(f"<span>{name}</span>" for name in ("", *TRACKS))
    zoom = "".join(f'<button type="button" data-zoom="{factor}">{factor}×</button>' for factor in (1, 4, 16))
    return (
        f'{legend(titles(found))}<div class="zoom screen" data-for="cycles">zoom {zoom}</div>'
        f'<div class="timeline"><div class="tracks">{names}</div><div class="scroll"><div class="wide" id="cycles">'
        f'<div class="names">{_names(report, total)}</div>{svg}<div class="track axis">{marks}</div></div></div></div>'
        '<p class="unit">cycles since start</p>'
    )


def _names(report: Report, total: int) -> str:
    """Where each layer begins and ends, for those that take turns with no other."""
    out, end = [], 0
    for layer in report.simulation.layers:
        if layer.first is None or layer.last is None or layer.first < end:
            continue
        end = layer.last + 1
        left, width = 100 * layer.first / total, 100 * (end - layer.first) / total
        name = escape(layer.name)
        thin = ' class="thin"' if width < 1.5 else ""
        out.append(f'<span{thin} style="left:{left:.3f}%;width:{width:.3f}%" title="{name}">{name}</span>')
    return "".join(out)
