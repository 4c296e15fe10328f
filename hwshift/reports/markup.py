"""Bars and points for the page: HTML and SVG that take their colours and sizes from the page's style."""

import math
from html import escape

from hwshift.reports.figures import Bars, Point, Roofline, Stacks
from hwshift.reports.text import short

__all__ = ["bars", "legend", "roofline", "stacks", "ticks"]


def ticks(largest: float, most: int = 6) -> list[float]:
    """Round numbers from 0 to at most ``largest``."""
    if largest <= 0:
        return [0.0]
    step = 10.0 ** math.floor(math.log10(largest / most))
    step *= next(factor for factor in (1, 2, 5, 10) if largest / (step * factor) <= most)
    return [step * i for i in range(int(largest / step + 1e-9) + 1)]


def legend(titles: dict[str, str]) -> str:
    """Coloured squares with words."""
    items = (f'<span><i class="c-{key}"></i>{escape(title)}</span>' for key, title in titles.items())
    return f'<p class="legend">{"".join(items)}</p>'


def stacks(figure: Stacks) -> str:
    """Rows of label, stack and total, with an axis below."""
    totals = figure.totals
    largest = max([*totals, 1e-12])
    rows = []
    for i, label in enumerate(figure.labels):
        parts = "".join(
            f'<i class="c-{item.key}" style="--v:{item.values[i] / largest:.4f}"></i>'
            for item in figure.series
            if item.values[i] / largest > 1e-4
        )
        note = f"{label}: {figure.notes[i]}"
        rows.append(_row(label, parts, f"{totals[i]:,.0f}", note))
    shown = {item.key: item.title for item in figure.series if any(item.values)}
    return legend(shown) + _frame(rows, figure.labels, largest, figure.unit)


def bars(figure: Bars) -> str:
    """Rows of label, bar and text, with an axis below."""
    largest = max([*figure.values, 1e-12])
    rows = [
        _row(
            label,
            f'<i class="c-{key}" style="--v:{value / largest:.4f}"></i>',
            text,
            f"{label}: {text}",
        )
        for label, value, text, key in zip(
            figure.labels, figure.values, figure.texts, figure.keys, strict=True
        )
    ]
    return legend(figure.legend) + _frame(rows, figure.labels, largest, figure.unit, "long-texts")


def _row(label: str, parts: str, text: str, note: str) -> str:
    return (
        f'<div class="bar" title="{escape(note)}"><span class="name">{escape(label)}</span>'
        f'<span class="track">{parts}<b>{escape(text)}</b></span></div>'
    )


def _frame(rows: list[str], labels: tuple[str, ...], largest: float, unit: str, kind: str = "") -> str:
    marks = "".join(
        f'<i style="--v:{tick / largest:.4f}"><b>{short(tick)}</b></i>' for tick in ticks(largest)
    )
    kind += " many" if len(rows) > 40 else ""
    width = 0.56 * max(map(len, labels), default=0)
    return (
        f'<div class="bars {kind}" style="--name:{width:.1f}em"><div class="rows">{"".join(rows)}</div>'
        f'<div class="bar axis"><span class="name"></span><span class="track">{marks}</span></div>'
        f'<p class="unit">{escape(unit)}</p></div>'
    )


# -- the roofline --------------------------------------------------------------------------------------------

_WIDTH, _HEIGHT = 600.0, 390.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 58.0, 14.0, 14.0, 46.0
_NAMED = 4


class _Axes:
    """Logarithmic axes with room around the values."""

    def __init__(self, xs: list[float], ys: list[float]) -> None:
        self.x0, self.x1 = math.log10(min(xs) / 1.6), math.log10(max(xs) * 1.6)
        self.y0, self.y1 = math.log10(min(ys) / 1.6), math.log10(max(ys) * 2.2)

    def x(self, value: float) -> float:
        share = (math.log10(value) - self.x0) / (self.x1 - self.x0)
        return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        share = (math.log10(value) - self.y0) / (self.y1 - self.y0)
        return _HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM)


def roofline(figure: Roofline) -> str:
    """Points below the roof; the layers that cost most cycles by lying below it are named."""
    if not figure.points:
        return '<p class="soft">No layer multiplies with memory traffic of its own.</p>'
    points = [*figure.points, *([figure.whole] if figure.whole else [])]
    ridge = figure.peak / figure.slope
    axes = _Axes([*(point.x for point in points), ridge], [*(point.y for point in points), figure.peak])
    low = 10**axes.x0
    start = min(low, ridge)
    roof = [(start, start * figure.slope), (ridge, figure.peak), (10**axes.x1, figure.peak)]
    roof = [(x, y) for x, y in roof if y >= 10**axes.y0] or roof
    if roof[0][1] > 10**axes.y0 and roof[0][0] > low:
        roof.insert(0, (10**axes.y0 / figure.slope, 10**axes.y0))
    path = " ".join(f"{axes.x(max(x, low)):.1f},{axes.y(max(y, 10**axes.y0)):.1f}" for x, y in roof)
    parts = [
        f'<svg viewBox="0 0 {_WIDTH:.0f} {_HEIGHT:.0f}" role="img" aria-label="{escape(figure.title)}" class="plot">',
        *_grid(axes),
        f'<polyline points="{path}" class="roof"/>',
        (
            f'<text x="{_WIDTH - _RIGHT:.0f}" y="{axes.y(figure.peak) - 20:.1f}" class="end">'
            f"array: {figure.peak:,.0f} MACs per cycle</text>"
        ),
        *(_point(axes, point) for point in sorted(points, key=lambda point: -point.share)),
        *_names(axes, figure),
        f'<text x="{(_LEFT + _WIDTH - _RIGHT) / 2:.0f}" y="{_HEIGHT - 8:.0f}" class="middle">{figure.x_unit}</text>',
        (
            f'<text transform="translate(14 {(_TOP + _HEIGHT - _BOTTOM) / 2:.0f}) rotate(-90)" class="middle">'
            f"{figure.y_unit}</text>"
        ),
        "</svg>",
    ]
    return legend(figure.legend) + "".join(parts)


def _grid(axes: _Axes) -> list[str]:
    out = []
    right, bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
    for value in _marks(axes.x0, axes.x1):
        x = axes.x(value)
        out.append(f'<path d="M{x:.1f} {_TOP}V{bottom}" class="grid"/>')
        out.append(f'<text x="{x:.1f}" y="{bottom + 16}" class="middle">{short(value)}</text>')
    for value in _marks(axes.y0, axes.y1):
        y = axes.y(value)
        out.append(f'<path d="M{_LEFT} {y:.1f}H{right}" class="grid"/>')
        out.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" class="end">{short(value)}</text>')
    return [*out, f'<path d="M{_LEFT} {_TOP}V{bottom}H{right}" class="axis"/>']


def _marks(low: float, high: float) -> list[float]:
    """Powers of ten between two logarithms; 2 and 5 times them too where there are few."""
    steps = (1, 2, 5) if high - low < 2 else (1,)
    values = [step * 10.0**power for power in range(math.floor(low), math.ceil(high) + 1) for step in steps]
    return [value for value in values if low <= math.log10(value) <= high]


def _point(axes: _Axes, point: Point) -> str:
    x, y = axes.x(point.x), axes.y(point.y)
    note = f"{point.label}: {point.y:,.2f} MACs per cycle, {point.x:,.2f} MACs per byte, {point.share:.1%} of cycles"
    title = f"<title>{escape(note)}</title>"
    if point.share == 1.0 and point.label == "whole image":
        return f'<path d="M{x:.1f} {y - 9:.1f}l9 9-9 9-9-9z" class="whole">{title}</path>'
    radius = 3.5 + 14 * math.sqrt(point.share)
    if point.key == "bus_limit":
        side = 1.8 * radius
        return (
            f'<rect x="{x - side / 2:.1f}" y="{y - side / 2:.1f}" width="{side:.1f}" height="{side:.1f}" '
            f'class="c-{point.key} dot">{title}</rect>'
        )
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" class="c-{point.key} dot">{title}</circle>'


def _names(axes: _Axes, figure: Roofline) -> list[str]:
    """Of the layers whose cycles beyond what the roof allows are most, where there is room."""

    def lost(point: Point) -> float:
        roof = min(figure.peak, point.x * figure.slope)
        return point.share * max(0.0, 1 - point.y / roof)

    out: list[str] = []
    taken: list[tuple[float, float]] = []
    whole = figure.whole
    if whole:
        x, y = axes.x(whole.x), axes.y(whole.y)
        out.append(f'<text x="{x:.1f}" y="{y + 26:.1f}" class="middle strong">whole image</text>')
        taken.append((x, y + 22))
    for point in sorted(figure.points, key=lost, reverse=True)[: 3 * _NAMED]:
        x, y = axes.x(point.x), axes.y(point.y)
        if len(taken) > _NAMED or lost(point) <= 0.001 or any(abs(y - b) < 15 for _, b in taken):
            continue
        taken.append((x, y))
        out.append(_name(axes, point))
    return out


def _name(axes: _Axes, point: Point) -> str:
    x, y = axes.x(point.x), axes.y(point.y)
    away = 11.5 + 14 * math.sqrt(point.share)
    left = x > (_LEFT + _WIDTH) / 2
    side = ' class="end"' if left else ""
    return (
        f'<text x="{x - away if left else x + away:.1f}" y="{y + 4:.1f}"{side}>{escape(point.label)}</text>'
    )
