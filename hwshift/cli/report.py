"""``hwshift report``: cycles, traffic and energy by layer, as one page."""

import shlex
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

import click

from hwshift.cli import _common as common
from hwshift.cli._options import DataOptions, data_options

if TYPE_CHECKING:
    from hwshift.config import AcceleratorConfig
    from hwshift.network.fixed import FixedNetwork

__all__ = ["command"]


@click.command("report", short_help="Write cycles, traffic and energy of one image as a page.")
@common.network_options
@click.option("--out", metavar="FILE", required=True, help="The page to write; with --json the JSON file.")
@click.option(
    "--costs", metavar="FILE", default="45nm", show_default=True, help="Unit costs: a name or a TOML file."
)
@common.latency_option
@common.clock_option
@common.keep_option("outputs")
@data_options(limit=None, noise=0)
@click.option("--json", "as_json", is_flag=True, help="Write JSON instead of a page.")
@common.quiet_option
def command(
    net: str,
    config: str,
    weights: str | None,
    shift: str | None,
    out: str,
    costs: str,
    latency: int,
    clock: float,
    keep: Literal["all", "outputs"],
    data: DataOptions,
    as_json: bool,
    quiet: bool,
) -> None:
    """Report what one image of NET, a network file or the name of a built-in network, takes.

    Cycles come from the cycle model, which equals the RTL's counters exactly; energy is the program's actions times
    unit costs. With --data, labelled images, it tells the accuracy too.
    """
    from hwshift.compiler import compile as compile_network
    from hwshift.cost.counting import count_program
    from hwshift.cost.energy import energy_of
    from hwshift.cost.tables import load_table
    from hwshift.reports.html import write_html, write_json
    from hwshift.reports.report import build_report
    from hwshift.sim.cycle.model import MemoryTiming
    from hwshift.simulation import simulate_program

    table = load_table(costs)
    with common.progress(quiet) as say:
        say("quantizing")
        network, accelerator = common.resolve(net, config, weights, shift)
        say("compiling")
        program = compile_network(network, accelerator, keep=keep)
        memory = MemoryTiming(read_latency=latency)
        simulation = simulate_program(program, network, memory=memory, clock_mhz=clock, progress=say)
        say("counting")
        counts = count_program(program)
        energy = energy_of(counts, accelerator, table)
        accuracy = _accuracy(network, accelerator, data, say) if data.source is not None else None
        again = _command_line(data)
        report = build_report(network, program, simulation, counts, energy, accuracy=accuracy, command=again)
        say("drawing")
        (write_json if as_json else write_html)(report, out)
    if not quiet:
        click.echo(
            f"{out}: {simulation.counters['total']:,} cycles, {energy.total_pj / 1e6:,.2f} µJ ({table.name}), "
            f"{counts.total.memory.total_bits // 8:,} bytes of traffic for one image"
        )


def _accuracy(
    network: "FixedNetwork",
    config: "AcceleratorConfig",
    data: DataOptions,
    say: Callable[[str], None],
) -> dict[str, object]:
    """What the accelerator's arithmetic gets right, for people."""
    from hwshift.evaluation import evaluate

    say("loading images")
    images = data.load(network)
    say("evaluating")
    return evaluate(network, images, config=config).accuracy()


def _command_line(data: DataOptions) -> str:
    """The command line with every option that has a value."""
    context = click.get_current_context()
    words = ["hwshift", "report"]
    for item in context.command.params:
        value = context.params[item.name or ""]
        if isinstance(item, click.Argument):
            words.append(str(value))
        elif item.name not in ("quiet", *data.NAMES) and value is not None and value is not False:
            words += (
                [item.opts[0]]
                if value is True
                else [item.opts[0], f"{value:g}" if item.name == "clock" else str(value)]
            )
    return shlex.join([*words, *data.words()])
