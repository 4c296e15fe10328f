"""``hwshift demo``: trained networks on real images, from file to verified accelerator and report."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from hwshift.cli import _common as common
from hwshift.errors import MismatchError

if TYPE_CHECKING:
    from hwshift.demo import DemoResult

__all__ = ["command"]


@click.command("demo", short_help="Run two trained networks on real images, end to end.")
@click.option(
    "--out", metavar="DIR", default="out/demo", show_default=True, help="Where everything is written."
)
@click.option(
    "--images", "count", metavar="N", type=click.IntRange(min=1), default=4, show_default=True,
    help="Images per run that go through the RTL.",
)  # fmt: skip
@click.option(
    "--simulator", type=click.Choice(["auto", "icarus", "verilator"]), default="auto", show_default=True,
    help="For the RTL.",
)  # fmt: skip
@common.json_option
@common.quiet_option
def command(out: str, count: int, simulator: str, as_json: bool, quiet: bool) -> None:
    """Run two trained networks on real images through golden model, RTL and cycle model, and report.

    Fixed-point weights run on an array of multipliers, power-of-two weights on both kinds of array. Every element
    of every layer is compared. Writes Verilog, reports and demo.json.
    """
    from hwshift.demo import run_demo

    folder = Path(out)
    with common.progress(quiet) as say:
        results = run_demo(folder, images=count, simulator=simulator, progress=say)
    if as_json:
        click.echo((folder / "demo.json").read_text(encoding="utf-8"), nl=False)
    elif not quiet:
        _show(results, folder)
    wrong = [item for item in results if item.mismatches or not item.counters_equal]
    if wrong:
        raise MismatchError("RTL and models disagree; see demo.json", where=wrong[0].network)


def _show(results: "list[DemoResult]", folder: Path) -> None:
    titles: tuple[str, ...] = (
        "network",
        "configuration",
        "float",
        "fixed",
        "RTL",
        "values compared",
        "mismatches",
        "counters",
    )
    rows: list[tuple] = [
        (item.network, item.config, *(_share(item.accuracy[kind]) for kind in ("float", "fixed", "rtl")),
         item.values_compared, item.mismatches, "equal" if item.counters_equal else "DIFFER")
        for item in results
    ]  # fmt: skip
    common.print_table(rows, titles, heading="Accuracy, and RTL against golden model and cycle model")
    click.echo()
    rows = [
        (item.network, item.config, item.cycles_model, item.cycles_deployed, round(item.energy_uj, 2))
        for item in results
    ]
    titles = (
        "network",
        "configuration",
        "cycles, all maps stored",
        "cycles, deployed",
        "energy in µJ, deployed",
    )
    common.print_table(rows, titles, heading="One image")
    click.echo()
    rows = [
        (part, *(round(item.energy_by_part_uj[part], 2) for item in results))
        for part in results[0].energy_by_part_uj
    ]
    titles = ("part", *(f"{item.network} on {item.config}" for item in results))
    common.print_table(rows, titles, heading="Energy of one image by part in µJ (unit costs of a 45 nm ASIC)")
    click.echo("\nWritten:")
    for item in results:
        for kind, path in item.files.items():
            click.echo(f"  {kind:8} {path}")
    click.echo(f"  {'results':8} {folder / 'demo.json'}")


def _share(score: dict[str, int]) -> str:
    share = 100 * score["correct"] / score["images"]
    return f"{share:.1f} % of {score['images']}"
