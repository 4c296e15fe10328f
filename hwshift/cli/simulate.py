"""``hwshift simulate``: cycles, utilisation and traffic without RTL."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from hwshift.cli import _common as common
from hwshift.cli._options import DataOptions, data_options

if TYPE_CHECKING:
    from hwshift.cost.analysis import CostAnalysis
    from hwshift.simulation import SimulationReport

__all__ = ["command"]


@click.command("simulate")
@common.network_options
@common.latency_option
@common.stalls_option
@data_options(limit=1, several=False)
@common.seed_option
@common.keep_option("outputs")
@common.clock_option
@click.option(
    "--stall-trace",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Replay recorded stalls: one byte per cycle, bits 0 to 4 hold up AR, R, AW, W, B; repeats at its end.",
)
@click.option(
    "--trace",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write when every instruction ran: for Perfetto (.json), or as a picture (.svg, .png).",
)
@click.option(
    "--scale-sim",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write COMPUTE_REPORT.csv, BANDWIDTH_REPORT.csv, DETAILED_ACCESS_REPORT.csv and topology.csv as SCALE-Sim's.",
)
@click.option(
    "--finn",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write estimate_layer_cycles.json and estimate_network_performance.json as FINN's.",
)
@common.json_option
@common.quiet_option
def command(
    net: str,
    config: str,
    weights: str | None,
    shift: str | None,
    latency: int,
    stalls: float,
    data: DataOptions,
    seed: int,
    keep: Literal["all", "outputs"],
    clock: float,
    stall_trace: Path | None,
    trace: Path | None,
    scale_sim: Path | None,
    finn: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Predict cycles, utilisation and traffic of one image.

    NET is a network file or the name of a built-in network. With --data the first image is run.

    The cycle model equals the RTL's counters exactly. Utilisation is the share of the array's multiplications that
    are useful ones, of convolutions: over the cycles in which the array works, over those that compute takes, and
    over all.
    """
    from hwshift.compiler import compile as compile_network
    from hwshift.cost.analysis import analysis_of
    from hwshift.sim.cycle.model import MemoryTiming
    from hwshift.sim.cycle.timeline import Timeline
    from hwshift.sim.stalls import StallPattern
    from hwshift.simulation import simulate_program
    from hwshift.trace import write_trace

    if stall_trace and stalls:
        raise click.UsageError("--stalls and --stall-trace exclude each other")
    with common.progress(quiet) as say:
        say("quantizing")
        network, accelerator = common.resolve(net, config, weights, shift)
        inputs = data.codes(network, seed)
        pattern = StallPattern.read(stall_trace) if stall_trace else common.stall_pattern(stalls, seed)
        memory = MemoryTiming(read_latency=latency, stalls=pattern)
        program = compile_network(network, accelerator, keep=keep, progress=say)
        timeline = Timeline(len(program.instructions))
        report = simulate_program(
            program, network, inputs.codes[0], memory=memory, clock_mhz=clock, progress=say, timeline=timeline
        )
        if trace:
            write_trace(trace, program, timeline)
        if scale_sim or finn:
            say("counting")
            _interchange(analysis_of(program, network, report, timeline), scale_sim, finn)
    if as_json:
        common.print_json(report.as_dict() | {"input": inputs.description, "stalls": stalls, "seed": seed})
    elif not quiet:
        _show(report, inputs.description)


def _interchange(analysis: "CostAnalysis", scale_sim: Path | None, finn: Path | None) -> None:
    """Write the files of other tools; nothing is written before all contents are there."""
    from hwshift.cost.interchange import finn_files, scale_sim_files, write_files

    contents = [
        (folder, make(analysis))
        for folder, make in ((scale_sim, scale_sim_files), (finn, finn_files))
        if folder is not None
    ]
    for folder, files in contents:
        write_files(folder, files)


def _show(report: "SimulationReport", description: str) -> None:
    from hwshift.program.counters import COUNTERS

    total = report.counters["total"]
    common.print_table(
        [
            (
                layer.name,
                layer.kind,
                layer.macs,
                layer.steps,
                layer.first,
                layer.last,
                100 * layer.utilisation,
            )
            for layer in report.layers
        ],
        ("layer", "operation", "MACs", "steps", "first step", "last step", "utilisation %"),
        heading=f"{report.network} on {report.config}, one image ({description})",
    )
    click.echo()
    common.print_table(
        [
            (
                item.name,
                report.counters[item.name],
                _share(item, report.counters, total),
                item.doc.removeprefix("cycles: "),
            )
            for item in COUNTERS
        ],
        ("counter", "value", "% of cycles", "counts"),
    )
    click.echo()
    shares = report.utilisation
    common.print_table([
        ("useful MACs", f"{report.macs:,}"),
        ("peak MACs per cycle", f"{report.peak:,}"),
        ("utilisation, array busy", f"{shares['busy']:.1%}"),
        ("utilisation, compute", f"{shares['compute']:.1%} of {report.compute_cycles:,} cycles"),
        ("utilisation, total", f"{shares['total']:.1%} of {total:,} cycles"),
        ("traffic", ", ".join(f"{name} {value:,} B" for name, value in report.traffic.items())),
        (f"images per second at {report.clock_mhz:g} MHz", f"{report.images_per_second:,.1f}, batch 1"),
    ])  # fmt: skip


def _share(counter: object, counters: dict[str, int], total: int) -> float | None:
    if getattr(counter, "cause", None) is None:
        return None
    return 100 * counters[counter.name] / total  # type: ignore[attr-defined]
