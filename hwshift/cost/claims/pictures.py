"""Pictures of the claims: roofline, energy by part, the price of moving shifts."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from hwshift.cost.claims.bench import Bench
from hwshift.cost.closed_form import plot_intensity
from hwshift.cost.energy import PARTS
from hwshift.errors import DataError
from hwshift.palette import BLUE, COLOURS, GREEN, ORANGE, PURPLE, RED, picture, styled
from hwshift.writing import refusals_as, replace_file

__all__ = ["PICTURES", "draw_pictures"]


def _roofline(figure: Figure, bench: Bench) -> None:
    axes = figure.add_subplot()
    some = next(iter(bench.layers.values())).roofline
    lowest, highest = 1.0, 200.0
    axes.plot(
        [lowest, some.ridge, highest], [lowest * some.bytes_per_cycle, some.peak, some.peak], color="#333333"
    )
    axes.text(
        highest, some.peak * 1.1, f"array: {some.peak} MACs per cycle", ha="right", va="bottom", fontsize=8
    )
    axes.text(
        2.0,
        2.0 * some.bytes_per_cycle * 1.15,
        f"bus: {some.bytes_per_cycle} bytes per cycle",
        rotation=37,
        rotation_mode="anchor",
        fontsize=8,
    )
    for number, (name, item) in enumerate(bench.layers.items()):
        point, colour = item.roofline, (ORANGE, RED, BLUE, GREEN, PURPLE)[number]
        label = f"{name}: {point.achieved:.3g} of {point.roof:.3g} MACs per cycle"
        size = 11 - 1.5 * number  # one point may lie on another
        axes.plot(
            point.intensity, point.achieved, "osD^v"[number], markersize=size, color=colour, label=label
        )
    axes.legend(frameon=False, loc="lower right", fontsize=8)
    axes.set(xscale="log", yscale="log", xlim=(lowest, highest), ylim=(4, 500))
    axes.set_xlabel("intensity: multiply-accumulates per byte of the busier bus direction")
    axes.set_ylabel("multiply-accumulates per cycle")
    axes.set_title(
        f"Layers of {bench.CHANNELS} channels, {bench.SIZE} × {bench.SIZE} pixels, on 16 × 16 multipliers"
    )
    axes.grid(True, which="major")


def _energy(figure: Figure, bench: Bench) -> None:
    axes = figure.add_subplot()
    names = list(bench.styles)
    left = [0.0] * len(names)
    for colour, (part, title) in zip(COLOURS, PARTS.items(), strict=True):
        values = [item.energy.by_part_pj[part] / 1e6 for item in bench.styles.values()]
        axes.barh(names, values, left=left, color=colour, label=title, height=0.7)
        left = [a + b for a, b in zip(left, values, strict=True)]
    for place, (total, item) in enumerate(zip(left, bench.styles.values(), strict=True)):
        cycles = item.simulation.counters["total"]
        axes.text(
            total + max(left) / 100, place, f"{total:,.0f} µJ, {cycles:,} cycles", va="center", fontsize=8
        )
    axes.invert_yaxis()
    axes.set_xlim(0, max(left) * 1.28)
    axes.set_xlabel(f"energy of one image, µJ ({bench.table.name})")
    axes.set_title(f"{bench.NETWORK} in six styles, arrays of 16 × 16")
    axes.legend(frameon=False, fontsize=8, loc="lower right")
    axes.grid(True, axis="x")


def _shifts(figure: Figure, bench: Bench) -> None:
    shares = [100 * share for share in bench.sparse]
    panels: tuple[tuple[str, Callable[[Any], float]], ...] = (
        ("moved elements, thousands", lambda item: item.counts.total.moves.shifted_elements / 1e3),
        ("cycles, thousands", lambda item: item.simulation.counters["total"] / 1e3),
        (f"energy, µJ ({bench.table.name})", lambda item: item.energy.total_pj / 1e6),
    )
    for axes, (title, value) in zip(figure.subplots(1, 3), panels, strict=True):
        for which, (label, colour, marker) in enumerate((("fused", BLUE, "o"), ("moved", RED, "s"))):
            axes.plot(
                shares,
                [value(pair[which]) for pair in bench.sparse.values()],
                marker=marker,
                color=colour,
                label=label,
            )
        axes.set_title(title)
        axes.set_ylim(0, 1.1 * axes.get_ylim()[1])
        axes.set_xlabel("unshifted channels, %")
        axes.grid(True)
    figure.axes[0].legend(frameon=False)
    figure.suptitle(f"{bench.SPARSE} on {bench.pow2.name}: shifts in the reads, and as passes of their own",
                    x=0.01, ha="left", fontsize=10)  # fmt: skip


PICTURES: dict[str, tuple[str, float, float, Callable[[Figure, Bench], None], str]] = {
    "roofline": ("roofline", 7.5, 4.2, _roofline, "Roofline of single layers"),
    "styles": ("energy", 9.0, 3.6, _energy, "Energy of one network in six styles, by part"),
    "shifts": (
        "shifts",
        9.0,
        3.0,
        _shifts,
        "Moved elements, cycles and energy over the share of unshifted channels",
    ),
}
"""Topic to its picture: file name without suffix, inches across and down, what draws it, alternative text."""


def draw_pictures(folder: Path, bench: Bench, topics: tuple[str, ...], suffix: str = "svg") -> list[Path]:
    """Draw the pictures of these topics, and that of the formulas.

    Parameters
    ----------
    folder : Path
        Is made if it is not there.
    bench : Bench
    topics : tuple of str
        Keys of topics; those without a picture are passed over.
    suffix : "svg", "png" or "pdf"

    Raises
    ------
    DataError
        When it cannot be written.
    """
    out = []
    with refusals_as(DataError, folder):
        folder.mkdir(parents=True, exist_ok=True)
        for topic in topics:
            if topic == "intensity":
                out.append(folder / f"intensity.{suffix}")
                plot_intensity(out[-1])
            if topic not in PICTURES:
                continue
            name, width, height, draw, _ = PICTURES[topic]
            with styled():
                figure = Figure(figsize=(width, height), layout="constrained")
                draw(figure, bench)
                out.append(folder / f"{name}.{suffix}")
                replace_file(out[-1], picture(figure, suffix))
    return out
