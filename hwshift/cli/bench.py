"""``hwshift bench``: how fast the models are on this machine."""

import click

from hwshift.cli import _common as common

__all__ = ["command"]


@click.command("bench", short_help="Measure how fast the models run on this machine.")
@click.option(
    "--repeats",
    metavar="N",
    type=click.IntRange(min=1),
    default=5,
    show_default=True,
    help="Counted runs of each.",
)
@common.json_option
@common.quiet_option
def command(repeats: int, as_json: bool, quiet: bool) -> None:
    """Measure golden model, functional simulator and cycle model, in one run; medians."""
    from hwshift.benchmark import run_benchmarks

    with common.progress(quiet) as say:
        results = run_benchmarks(repeats, say)
    if as_json:
        common.print_json([
            {"name": item.name, "unit": item.unit, "rate": item.rate, "seconds": item.seconds} for item in results
        ])  # fmt: skip
    elif not quiet:
        rows = [
            (item.name, f"{item.rate / 1e6:,.2f} M{item.unit}/s", f"{1000 * min(item.seconds):,.1f} ms",
             f"{1000 * max(item.seconds):,.1f} ms") for item in results
        ]  # fmt: skip
        common.print_table(rows, ("what", "median rate", "fastest", "slowest"))
