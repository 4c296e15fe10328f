"""``hwshift bench``: how fast the models are on this machine."""

from typing import TYPE_CHECKING, Any

import click

from hwshift.cli import _common as common
from hwshift.cli._bars import show_bars
from hwshift.cli._layers import show_layers

if TYPE_CHECKING:
    from hwshift.benchmarks import Row
    from hwshift.benchmarks.cycle import CycleRow
    from hwshift.progress import Progress

__all__ = ["command"]

_RATES = ("models", "products", "networks", "growth")
_TOPICS = (*_RATES, "bars", "layers", "cycle")
_CYCLE_NETWORKS = ("ShiftResNet20-1", "ShiftNet-A")
_CYCLE_TITLES = (
    "network", "cycles", "compile s", "cycle model s", "Mcycles/s", "µs per pass", "Verilator s", "ratio"
)  # fmt: skip


@click.command("bench", short_help="Measure how fast the models run on this machine.")
@click.argument("topics", nargs=-1, type=click.Choice(_TOPICS), metavar="[TOPIC]...")
@click.option("--repeats", metavar="N", type=click.IntRange(min=1), default=7, show_default=True,
              help="Counted runs of each.")  # fmt: skip
@click.option("--all", "everything", is_flag=True, help="bars: every network of `hwshift networks`.")
@click.option(
    "--verilator", is_flag=True, help="cycle: build the core with a C++ main and run it too (minutes)."
)
@click.option(
    "--picture", metavar="FILE", help="bars: draw the curve over feature buffers into an .svg or .png."
)
@click.option("--threads", metavar="N", type=click.IntRange(min=1), help="Default: one for each core.")
@common.json_option
@common.quiet_option
def command(
    topics: tuple[str, ...], repeats: int, everything: bool, verilator: bool, picture: str | None,
    threads: int | None, as_json: bool, quiet: bool,
) -> None:  # fmt: skip
    """Measure on this machine, in one run; medians and ratios.

    \b
    models    golden model, functional simulator and cycle model on a small network
    products  exact inner products beside OpenBLAS, NumPy's integers and the multiplier's peak
    networks  whole networks in exact Q16.16 beside float32 in ONNX Runtime and PyTorch
    growth    time per multiplication from 10**6 to 10**10, start of a new process, memory of batches
    bars      compiled networks against the bound on cycles and memory traffic, in one fixed setting
    layers    where their cycles go, by kind of operation, beside the times the papers measured (minutes)
    cycle     the cycle model on a small and a large network; with --verilator beside Verilator on the large one

    Without a topic: models and products.
    """
    from hwshift.golden.crew import cores

    threads = threads or cores()
    with common.progress(quiet) as say:
        rows, figures = _rates(topics or ("models", "products"), repeats, threads, say)
        more = _compiled(topics, repeats, everything, verilator, say)
    if picture and "curve" in more:
        from hwshift.benchmarks.picture import draw_curve

        draw_curve(more["curve"], picture)
    if as_json:
        found = {name: [_plain(row) for row in part] for name, part in more.items()}
        common.print_json({"rows": [row.as_dict() for row in rows], "figures": figures} | found)
    elif not quiet:
        _show(rows, figures, more)


def _rates(
    topics: tuple[str, ...], repeats: int, threads: int, say: "Progress"
) -> tuple[list["Row"], dict[str, object]]:
    """Rows of the topics that measure rates, and single figures."""
    from hwshift.benchmarks.growth import growth_rows, memory_of_batches, spread, start_seconds
    from hwshift.benchmarks.models import model_rows
    from hwshift.benchmarks.networks import network_rows
    from hwshift.benchmarks.products import peak_share, product_rows

    makers = dict(zip(_RATES, (model_rows, product_rows, network_rows, growth_rows), strict=True))
    rows = {topic: list(makers[topic](repeats, threads, say)) for topic in _RATES if topic in topics}
    figures: dict[str, object] = {"threads": threads}
    if "products" in rows:
        share = peak_share(rows["products"], threads)
        figures["share of the multiplier's peak, 512 x 512 x 512"] = round(share, 3)
    if "growth" in rows:
        for group, ratio in spread(rows["growth"]).items():
            figures[f"{group}: longest time per MAC over the shortest"] = round(ratio, 2)
        say("start of a process")
        figures["seconds to the first result of a new process"] = round(start_seconds(), 2)
        say("memory of batches")
        for images, mebibytes in memory_of_batches().items():
            figures[f"peak MiB after a batch of {images}"] = round(mebibytes)
    return [row for part in rows.values() for row in part], figures


def _compiled(
    topics: tuple[str, ...], repeats: int, everything: bool, verilator: bool, say: "Progress"
) -> dict[str, list]:
    """What there is of compiled networks, under the names it has in JSON."""
    from hwshift.benchmarks.bars import bar_results, buffer_curve
    from hwshift.benchmarks.cycle import run_cycle_benchmarks
    from hwshift.benchmarks.layers import study_results

    found: dict[str, list] = {}
    if "bars" in topics:
        found |= {"bars": list(bar_results(say, everything)), "curve": list(buffer_curve(say))}
    if "layers" in topics:
        found["layers"] = list(study_results(say))
    if "cycle" in topics:
        native = _CYCLE_NETWORKS[-1] if verilator else None
        found["cycle"] = run_cycle_benchmarks(_CYCLE_NETWORKS, native=native, repeats=repeats, progress=say)
    return found


def _plain(row: Any) -> Any:
    """For JSON."""
    return row.as_dict() if hasattr(row, "as_dict") else row


def _show(rows: list["Row"], figures: dict[str, object], more: dict[str, list]) -> None:
    """All of it as tables."""
    if rows:
        titles = ("", "what", "median rate", "least ms", "most ms", "ratio of rates")
        common.print_table([_cells(row) for row in rows], titles)
    common.print_table(list(figures.items()))
    if more.get("bars"):
        click.echo()
        show_bars(more["bars"], more["curve"])
    if more.get("layers"):
        click.echo()
        show_layers(more["layers"])
    if more.get("cycle"):
        common.print_table([_cycle_cells(row) for row in more["cycle"]], _CYCLE_TITLES)


def _cycle_cells(row: "CycleRow") -> tuple[object, ...]:
    time = row.median_seconds
    native = ("", "") if row.native is None else (f"{row.native.seconds:,.1f}", f"{row.native.ratio:,.0f}")
    return (row.network, row.cycles, f"{row.compile_seconds:.1f}", f"{time:.3f}", f"{row.cycles / time / 1e6:.1f}",
            f"{1e6 * time / row.passes:.2f}", *native)  # fmt: skip


def _cells(row: "Row") -> tuple[str, ...]:
    rate = f"{row.rate / 1e9:,.3f} G{row.unit}/s" if row.rate > 1e8 else f"{row.rate:,.1f} {row.unit}/s"
    times = f"{1000 * min(row.seconds):,.2f}", f"{1000 * max(row.seconds):,.2f}"
    return row.group, row.name, rate, *times, "" if row.ratio is None else f"{row.ratio:.2f} x {row.against}"
