"""The report's figures as files, drawn by matplotlib."""

from collections.abc import Callable
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.path import Path as Curve
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from hwshift.errors import DataError
from hwshift.palette import GREY, picture, styled
from hwshift.reports import flow, timeline
from hwshift.reports.figures import COLOURS, FIGURES, SHADES, Bars, Roofline, Stacks
from hwshift.reports.report import Report
from hwshift.reports.text import size
from hwshift.writing import refusals_as, replace_file

__all__ = ["FORMATS", "PLOTS", "draw", "write_figures"]

FORMATS = ("svg", "png", "pdf")
"""Kinds of files."""

_STYLE = {"axes_titleweight": "bold", "axes_edgecolor": "#666666"}
_HALF, _FULL = 6.0, 12.3  # widths in inches
_MOST = 60.0  # height in inches

Drawing = tuple[Callable[[Axes], None], float, float]
"""What draws into axes, with the width and height of the figure in inches."""


def _stacks(figure: Stacks) -> Drawing:
    rows = len(figure.labels)

    def into(axes: Axes) -> None:
        left = [0.0] * rows
        for item in figure.series:
            if any(item.values):
                axes.barh(range(rows), item.values, left=left, color=COLOURS[item.key], label=item.title,
                          height=0.74, edgecolor="white", linewidth=0.4)  # fmt: skip
            left = [a + b for a, b in zip(left, item.values, strict=True)]
        _rows(axes, figure.labels)
        axes.set_xlabel(figure.unit)
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        axes.legend(ncols=len(figure.series), loc="lower left", bbox_to_anchor=(0, 1), frameon=False, borderpad=0,
                    handlelength=1, columnspacing=1.4)  # fmt: skip

    return into, _FULL, min(_MOST, 1.1 + (0.25 if rows <= 24 else 0.19) * rows)


def _bars(figure: Bars) -> Drawing:
    def into(axes: Axes) -> None:
        positions = range(len(figure.labels))
        axes.barh(positions, figure.values, color=[COLOURS[key] for key in figure.keys], height=0.7)
        _rows(axes, figure.labels)
        axes.set_xlim(0, max([*figure.values, 1e-12]) * 1.28)
        for position, value, text in zip(positions, figure.values, figure.texts, strict=True):
            axes.annotate(
                text, (value, position), (4, 0), textcoords="offset points", va="center", color="#333333"
            )
        for key, title in figure.legend.items():
            axes.barh([0], [0], color=COLOURS[key], label=title)
        axes.legend(loc="lower right", frameon=False, handlelength=1)
        axes.set_xlabel(figure.unit)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        if max(figure.values, default=0) >= 1000:
            axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))

    return into, _HALF, 1.0 + 0.27 * max(len(figure.labels), 6)


def _rows(axes: Axes, labels: tuple[str, ...]) -> None:
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x")


def _roofline(figure: Roofline) -> Drawing:
    def into(axes: Axes) -> None:
        if not figure.points:
            axes.text(0.5, 0.5, "no layer multiplies", ha="center", transform=axes.transAxes)
            return
        ridge = figure.peak / figure.slope
        xs = [*(point.x for point in figure.points), ridge]
        ends = min(xs) / 2, max(xs) * 2
        axes.plot([ends[0], ridge, ends[1]], [ends[0] * figure.slope, figure.peak, figure.peak], color=GREY)
        axes.annotate(f"array: {figure.peak:,.0f} MACs per cycle", (ridge, figure.peak), (-4, 3), ha="right",
                      textcoords="offset points", color="#555555")  # fmt: skip
        for key, mark in (("array_limit", "o"), ("bus_limit", "s")):
            own = [point for point in figure.points if point.key == key]
            axes.scatter([point.x for point in own], [point.y for point in own], color=COLOURS[key], marker=mark,
                         s=[20 + 400 * point.share for point in own], alpha=0.8, edgecolor="white", zorder=3,
                         label=figure.legend[key])  # fmt: skip
        if figure.whole:
            axes.scatter([figure.whole.x], [figure.whole.y], facecolor="none", edgecolor="black", marker="D", s=60,
                         label="whole image", zorder=4)  # fmt: skip
        low = min(point.y for point in figure.points) / 2
        axes.set(xscale="log", yscale="log", xlabel=figure.x_unit, ylabel=figure.y_unit, ylim=(low, None))
        axes.legend(loc="lower right", frameon=False)
        axes.grid()

    return into, _HALF, 3.6


def _timeline(report: Report) -> Drawing:
    found = timeline.spans(report)
    total = report.simulation.counters["total"]

    def into(axes: Axes) -> None:
        for track, row in timeline.TRACKS.items():
            for key in dict.fromkeys(span.key for span in found if span.track == track):
                own = timeline.merged([s for s in found if s.track == track and s.key == key], total)
                for span in own:
                    axes.broken_barh([(span.begin, span.end - span.begin)], (row + 0.4, -0.8 * span.height),
                                     facecolors=SHADES[key], linewidth=0)  # fmt: skip
        axes.set_yticks(list(timeline.TRACKS.values()), list(timeline.TRACKS))
        axes.set_ylim(len(timeline.TRACKS) - 0.4, -0.6)
        axes.set_xlim(0, total)
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        axes.set_xlabel("cycles since start")
        for key, title in timeline.titles(found).items():
            axes.barh([0], [0], color=SHADES[key], label=title)
        axes.legend(ncols=9, loc="lower left", bbox_to_anchor=(0, 1), frameon=False, borderpad=0, handlelength=1,
                    columnspacing=1.2)  # fmt: skip

    return into, _FULL, 2.6


def _flow(report: Report) -> Drawing:
    found = flow.links(report)
    boxes, bands = flow.geometry(found)
    into_bits, out_bits = flow.bits_of(found)

    def into(axes: Axes) -> None:
        for link, (x0, y0, x1, y1, thick) in bands:
            middle = (x0 + x1) / 2
            points = [(x0, y0), (middle, y0), (middle, y1), (x1, y1)]
            axes.add_patch(PathPatch(Curve(points, [Curve.MOVETO] + [Curve.CURVE4] * 3), fill=False, alpha=0.55,
                                     edgecolor=COLOURS[link.key], linewidth=max(thick * 0.82, 0.6)))  # fmt: skip
        for name, box in boxes.items():
            axes.add_patch(Rectangle((box.x, box.y), flow.BAR, box.height, color="#333333"))
            last = name == "external_out"
            axes.text(box.x + (flow.BAR if last else 0), box.y - 3,
                      f"{flow.NODES[name][1]}\n{size(max(into_bits[name], out_bits[name]) / 8)}",
                      ha="right" if last else "left", va="bottom", fontsize=8)  # fmt: skip
        axes.set_xlim(0, flow.WIDTH)
        axes.set_ylim(flow.HEIGHT, -12)
        axes.set_axis_off()
        axes.set_title("bytes per image")

    return into, _FULL, 5.2


def draw(report: Report, name: str) -> Canvas:
    """A figure by its name in `PLOTS`."""
    if name in FIGURES:
        figure = FIGURES[name](report)
        into, width, height = (
            _stacks(figure) if isinstance(figure, Stacks)
            else _bars(figure) if isinstance(figure, Bars)
            else _roofline(figure)
        )  # fmt: skip
    else:
        into, width, height = {"timeline": _timeline, "flow": _flow}[name](report)
    with styled(**_STYLE):
        canvas = Canvas(figsize=(width, height), layout="constrained")
        into(canvas.add_subplot())
    return canvas


PLOTS = (*FIGURES, "timeline", "flow")
"""Names of all figures."""


def write_figures(report: Report, folder: Path, form: str = "svg") -> list[Path]:
    """Write every figure into a folder, which is made if need be.

    Parameters
    ----------
    report : Report
    folder : Path
    form : str
        One of `FORMATS`.

    Returns
    -------
    list of Path
        The files; ``styles`` is left out where nothing was compared.

    Raises
    ------
    DataError
        When they cannot be written.
    """
    out = []
    with refusals_as(DataError, folder):
        folder.mkdir(exist_ok=True)
        for name in PLOTS:
            if name == "styles" and not report.styles:
                continue
            out.append(folder / f"{name}.{form}")
            with styled(**_STYLE):
                replace_file(out[-1], picture(draw(report, name), form))
    return out
