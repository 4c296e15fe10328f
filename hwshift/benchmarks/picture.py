"""The curve over feature buffers as a picture."""

from collections.abc import Sequence
from pathlib import Path

from hwshift.errors import DataError
from hwshift.palette import BLUE, RED, picture, styled
from hwshift.writing import refusals_as, replace_file

__all__ = ["draw_curve"]


def draw_curve(curve: Sequence[dict], path: Path | str) -> None:
    """Draw DRAM bytes over compulsory ones, and cycles over the bound, by the size of the feature buffer.

    Parameters
    ----------
    curve : sequence of dict
        Of `hwshift.benchmarks.bars.buffer_curve`; sizes that are refused are left out.
    path : Path or str
        An SVG or PNG file, by its suffix.

    Raises
    ------
    DataError
        For another suffix, or when the file cannot be written.
    """
    path = Path(path)
    if path.suffix not in (".svg", ".png"):
        raise DataError(f"a picture ends in .svg or .png, not {path.suffix!r}", where=str(path))
    from matplotlib.figure import Figure

    rows = [row for row in curve if row["refused"] is None]
    sizes = [row["feature_kib"] for row in rows]
    with styled():
        figure = Figure(figsize=(6.4, 3.2), layout="constrained")
        axes = figure.add_subplot()
        for key, label, colour, marker, above in (
            ("dram_over_compulsory", "DRAM bytes over compulsory", BLUE, "o", 5),
            ("cycles_over_bound", "cycles over bound", RED, "s", -12),
        ):
            values = [row[key] for row in rows]
            axes.plot(sizes, values, color=colour, marker=marker, label=label)
            for size, value in zip(sizes, values, strict=True):
                axes.annotate(f"{value:.2f}", (size, value), (0, above), textcoords="offset points", ha="center",
                              color=colour, fontsize="small")  # fmt: skip
        top = max((row["dram_over_compulsory"] for row in rows), default=1)
        axes.set(
            xscale="log", yscale="log", ylim=(0.6, 2 * top), xlabel="feature buffer in KiB", ylabel="ratio"
        )
        # a size between powers of two stands one line lower, beside their labels it has no room
        axes.set_xticks(sizes, [str(size) if size & (size - 1) == 0 else f"\n{size}" for size in sizes])
        ratios = [2**power for power in range(6) if 2**power <= top]
        axes.set_yticks(ratios, [str(ratio) for ratio in ratios])
        axes.minorticks_off()
        axes.legend(frameon=False)
        axes.set_title(curve[0]["network"] if curve else "")
        data = picture(figure, path.suffix)
    with refusals_as(DataError, path):
        replace_file(path, data)
