"""``hwshift report``: cycles, traffic and energy by layer, as one page."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from hwshift.cli import _common as common
from hwshift.cli._options import DataOptions, data_options

if TYPE_CHECKING:
    from hwshift.reports.report import Report

__all__ = ["command"]


@click.command("report", short_help="Write cycles, traffic and energy of one image as a page.")
@common.network_options
@click.option("--out", metavar="FILE", help="The page to write; JSON or CSV if it ends in .json or .csv.")
@click.option(
    "--costs", metavar="FILE", default="45nm", show_default=True, help="Unit costs: a name or a TOML file."
)
@common.latency_option
@common.clock_option
@common.keep_option("outputs")
@click.option(
    "--styles/--no-styles",
    default=True,
    show_default=True,
    help="Compare with other elements, convolutions, shifts and sizes of the array.",
)
@common.area_option
@click.option("--figures", metavar="FOLDER", help="Also write every figure there.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["svg", "png", "pdf"]),
    default="svg",
    show_default=True,
    help="Of these figures.",
)
@data_options(limit=None, noise=0)
@click.option("--json", "as_json", is_flag=True, help="Print JSON; with --out write it there.")
@click.option(
    "--csv", "as_csv", is_flag=True, help="Print the layer table as CSV; with --out write it there."
)
@common.quiet_option
def command(
    net: str,
    config: str,
    weights: Literal["pow2", "fixed"] | None,
    shift: Literal["fused", "moved"] | None,
    out: str | None,
    costs: str,
    latency: int,
    clock: float,
    keep: Literal["all", "outputs"],
    styles: bool,
    target: str,
    figures: str | None,
    form: str,
    data: DataOptions,
    as_json: bool,
    as_csv: bool,
    quiet: bool,
) -> None:
    """Report what one image of NET, a network file or the name of a built-in network, takes.

    Cycles come from the cycle model, which equals the RTL's counters exactly; energy is the program's actions times
    unit costs. With --data, labelled images, it tells accuracy and saturation too.
    """
    if as_json and as_csv:
        raise click.UsageError("--json and --csv exclude each other")
    if out is None and figures is None and not (as_json or as_csv):
        raise click.UsageError("name the page with --out, or what else to make: --json, --csv, --figures")
    from hwshift.config import load_config
    from hwshift.cost.tables import load_table
    from hwshift.reports.make import make_report
    from hwshift.sim.cycle.model import MemoryTiming
    from hwshift.writing import check_writable

    table = load_table(costs)
    if out is not None:
        check_writable(out)
    if figures is not None:
        check_writable(figures, folder=True)
    with common.progress(quiet) as say:
        say("loading the network")
        report = make_report(
            common.load(net),
            load_config(config),
            weights=weights,
            shift=shift,
            keep=keep,
            table=table,
            memory=MemoryTiming(read_latency=latency),
            clock_mhz=clock,
            images=data.load if data.source is not None else None,
            styles=styles,
            target=common.area_target(target),
            command=_command_line(data),
            progress=say,
        )
        say("drawing")
        text = _write(report, out, as_json, as_csv)
        if figures is not None:
            from hwshift.reports.plots import write_figures

            write_figures(report, Path(figures), form)
    if text is not None:
        click.echo(text, nl=False)
    elif not quiet:
        simulation, energy = report.simulation, report.energy
        click.echo(
            f"{out or figures}: {simulation.counters['total']:,} cycles, {energy.total_pj / 1e6:,.2f} µJ "
            f"({energy.table.name}), {report.counts.total.memory.total_bits // 8:,} bytes of traffic for one image"
        )


def _write(report: "Report", out: str | None, as_json: bool, as_csv: bool) -> str | None:
    """Write what was asked for; what is to be printed instead is returned."""
    from hwshift.reports.html import write_html
    from hwshift.reports.writers import csv_text, json_text, write_csv, write_json

    suffix = "" if out is None else Path(out).suffix.lower()
    as_csv = as_csv or (suffix == ".csv" and not as_json)
    as_json = as_json or (suffix == ".json" and not as_csv)
    if out is None:
        return json_text(report) if as_json else csv_text(report) if as_csv else None
    (write_json if as_json else write_csv if as_csv else write_html)(report, out)
    return None


def _command_line(data: DataOptions) -> str:
    """The command line with every option that has a value."""
    context = click.get_current_context()
    words = ["hwshift", "report"]
    for item in context.command.params:
        value, name = context.params[item.name or ""], item.name
        if name == "styles":
            words += [] if value else ["--no-styles"]
        elif name == "form":
            words += ["--format", value] if context.params["figures"] else []
        elif name not in ("quiet", *data.NAMES):
            words += common.words_of(item, value)
    return shlex.join([*words, *data.words()])
