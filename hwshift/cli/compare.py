"""``hwshift compare``: networks and configurations side by side."""

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from hwshift.cli import _common as common

if TYPE_CHECKING:
    from hwshift.config import AcceleratorConfig
    from hwshift.cost.compare import Candidate
    from hwshift.cost.tables import CostTable
    from hwshift.progress import Progress
    from hwshift.synthesis import AreaEstimate

__all__ = ["command"]


@click.command("compare", short_help="Put networks and configurations side by side.")
@click.argument("nets", metavar="NET...", nargs=-1, required=True)
@click.option(
    "--config",
    "configs",
    metavar="CFG",
    multiple=True,
    required=True,
    help="A preset or a TOML file; may be given several times.",
)
@click.option(
    "--shift",
    "shifts",
    type=click.Choice(["fused", "moved"]),
    multiple=True,
    help="Spatial shifts in the reads or as layers; given twice, both are compared.",
)
@common.weights_option
@click.option(
    "--styles",
    is_flag=True,
    help="Each network as convolutions, depthwise-separable and with shifts, on multipliers and on shifters.",
)
@click.option(
    "--costs", metavar="FILE", default="45nm", show_default=True, help="Unit costs: a name or a TOML file."
)
@common.latency_option
@common.clock_option
@common.keep_option("outputs")
@common.area_option
@click.option("--layers", is_flag=True, help="Also cycles and energy of each layer.")
@click.option("--csv", "csv_file", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path),
              help="Write a line for each candidate.")  # fmt: skip
@click.option("--html", "html_file", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path),
              help="Write one page that needs nothing else.")  # fmt: skip
@common.json_option
@common.quiet_option
def command(
    nets: tuple[str, ...],
    configs: tuple[str, ...],
    shifts: tuple[Literal["fused", "moved"], ...],
    weights: str | None,
    styles: bool,
    costs: str,
    latency: int,
    clock: float,
    keep: Literal["all", "outputs"],
    target: str,
    layers: bool,
    csv_file: Path | None,
    html_file: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Compare what one image takes: every NET, a network file or the name of a built-in network, on every CFG.

    Cycles come from the cycle model, which equals the RTL's counters exactly; energy is counted actions times unit
    costs. Ratios are to the first column.
    """
    from hwshift.cost.compare import as_csv, as_dict
    from hwshift.cost.tables import load_table
    from hwshift.progress import Stage
    from hwshift.writing import check_writable

    if styles and (shifts or weights):
        raise click.UsageError("--styles sets shifts and weights itself: leave --shift and --weights out")
    costs_table = load_table(costs)
    for path in (csv_file, html_file):
        if path is not None:
            check_writable(path)
    setting = _Setting(costs_table, latency, clock, keep, common.area_target(target))
    with common.progress(quiet) as say:
        candidates = []
        pairs = [(net, config) for net in nets for config in configs]
        for done, (net, config) in enumerate(pairs):
            say(Stage(f"comparing: {net} on {config}", done, len(pairs)))
            if styles:
                candidates += _styles(net, config, setting, say)
                continue
            for shift in shifts or (None,):
                candidates.append(_candidate(net, config, weights, shift, setting))
    if csv_file is not None:
        _write(csv_file, as_csv(candidates))
    if html_file is not None:
        from hwshift.reports.compare import render_comparison

        _write(html_file, render_comparison(candidates, _command_line()))
    if as_json:
        common.print_json({"warning": costs_table.warning, "candidates": as_dict(candidates)})
    elif not quiet:
        _show(candidates, layers)
        if costs_table.warning:
            click.echo(f"hwshift: warning: {costs_table.name}: {costs_table.warning}", err=True)


@dataclass(frozen=True)
class _Setting:
    """What all candidates share."""

    table: "CostTable"
    latency: int
    clock: float
    keep: Literal["all", "outputs"]
    target: str | None


def _candidate(
    net: str, config: str, weights: str | None, shift: Literal["fused", "moved"] | None, setting: _Setting
) -> "Candidate":
    from hwshift.cost.analysis import analyse
    from hwshift.cost.compare import Candidate
    from hwshift.errors import HwshiftError
    from hwshift.sim.cycle.model import MemoryTiming

    try:
        network, accelerator = common.resolve(net, config, weights)
        analysis = analyse(
            network,
            accelerator,
            shift=shift,
            keep=setting.keep,
            table=setting.table,
            memory=MemoryTiming(read_latency=setting.latency),
            clock_mhz=setting.clock,
        )
    except HwshiftError as error:
        if error.where in (net, config):
            raise
        raise type(error)(str(error), where=f"{net} on {config}") from None
    return Candidate(net, config, shift or "", analysis, _area(accelerator, setting))


def _area(config: "AcceleratorConfig", setting: _Setting) -> "AreaEstimate | None":
    from hwshift.synthesis import estimate

    return None if setting.target is None else estimate(config, setting.target)


def _styles(net: str, config: str, setting: _Setting, say: "Progress") -> "list[Candidate]":
    """Every style of a network; one that does not fit is told and left out."""
    from hwshift.config import load_config
    from hwshift.cost.compare import Candidate
    from hwshift.cost.styles import analyse_styles
    from hwshift.errors import CompileError, NetworkError
    from hwshift.network.graph import Network
    from hwshift.sim.cycle.model import MemoryTiming

    network = common.load(net)
    if not isinstance(network, Network):
        raise NetworkError("it is quantized; --styles needs a float network", where=net)
    found = analyse_styles(
        network,
        load_config(config),
        keep=setting.keep,
        table=setting.table,
        memory=MemoryTiming(read_latency=setting.latency),
        clock_mhz=setting.clock,
        progress=say,
    )
    for item in found:
        if item.refused:
            click.echo(f"hwshift: warning: {net}: {item.style.name}: {item.refused}", err=True)
    fitting = [
        Candidate(
            net,
            item.analysis.config.name,
            item.style.name,
            item.analysis,
            _area(item.analysis.config, setting),
        )
        for item in found
        if item.analysis is not None
    ]
    if not fitting:
        raise CompileError(f"no style fits: {found[0].refused}", where=f"{net} on {config}")
    return fitting


def _command_line() -> str:
    """The command line with every option that has a value."""
    context = click.get_current_context()
    words = ["hwshift", "compare"]
    for item in context.command.params:
        value = context.params[item.name or ""]
        several = value if isinstance(value, tuple) else (value,)
        words += [word for one in several for word in common.words_of(item, one)]
    return shlex.join(words)


def _write(path: Path, text: str) -> None:
    from hwshift.errors import DataError
    from hwshift.writing import refusals_as, replace_file

    with refusals_as(DataError, path):
        replace_file(path, text.encode())


def _show(candidates: "list[Candidate]", layers: bool) -> None:
    from hwshift.cost.compare import clock_notes, labels, layer_table, ratio, shown, table

    names, first = labels(candidates), candidates[0]
    rows = []
    for metric, values in table(candidates):
        cells = [metric.title, shown(metric, values[0])]
        for value in values[1:]:
            cells += [shown(metric, value), ratio(value, values[0])]
        rows.append(tuple(cells))
    titles = ["", names[0], *(text for name in names[1:] for text in (name, ""))]
    networks = ", ".join(dict.fromkeys(item.network for item in candidates))
    configs = ", ".join(dict.fromkeys(item.config for item in candidates))
    heading = f"{networks} on {configs}: one image, energy by {first.analysis.energy.table.name}"
    if first.area is not None:
        heading += f", area estimated for {first.area.device}"
    common.print_table(rows, titles, heading=heading)
    for config, note in clock_notes(candidates).items():
        click.echo(f"clock of {config}: {note}")
    if not layers:
        return
    click.echo()
    found = [
        (layer, *(cell for pair in pairs for cell in ((None, None) if pair is None else (pair[0], f"{pair[1]:,.4g}"))))
        for layer, pairs in layer_table(candidates)
    ]  # fmt: skip
    heads = [text for name in names for text in (f"cycles, {name}", "µJ")]
    common.print_table(found, ["layer", *heads])
