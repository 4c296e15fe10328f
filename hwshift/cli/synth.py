"""``hwshift synth``: area and clock of a configuration."""

from typing import TYPE_CHECKING

import click

from hwshift.cli import _common as common

if TYPE_CHECKING:
    from hwshift.synthesis import AreaEstimate, Synthesis

__all__ = ["command"]


@click.command("synth")
@click.argument("config", metavar="CFG")
@click.option(
    "--target",
    type=click.Choice(["ecp5", "ice40", "xilinx", "generic"]),
    default="ecp5",
    show_default=True,
    help="Whose cells to count.",
)
@click.option("--estimate", is_flag=True, help="Estimate instead, in milliseconds and without a tool.")
@click.option("--no-dsp", is_flag=True, help="Make multipliers of LUTs.")
@click.option("--pnr", is_flag=True, help="Place and route on an ECP5-85 of speed grade 6, too.")
@click.option(
    "--seeds",
    metavar="N",
    type=click.IntRange(1, 100),
    default=1,
    show_default=True,
    help="Runs of place and route, with seeds 1 to N.",
)
@common.json_option
@common.quiet_option
def command(
    config: str,
    target: str,
    estimate: bool,
    no_dsp: bool,
    pnr: bool,
    seeds: int,
    as_json: bool,
    quiet: bool,
) -> None:
    """Count LUTs, DSP blocks and block RAMs with Yosys.

    The accelerator CFG, a preset such as 4x4 or 16x16-mac or a TOML file, is mapped to a device; flip-flops and
    carries are counted too. Alike modules are mapped once. With --pnr the core is mapped again as one, with a
    register at each port, placed and routed: minutes with native programs, an hour with the wheels.
    """
    from hwshift.config import load_config
    from hwshift.synthesis import estimate as estimated
    from hwshift.synthesis import place_core, synthesize

    if estimate and (pnr or no_dsp):
        raise click.UsageError("--estimate is of designs with DSP blocks, and places nothing")
    if pnr and target != "ecp5":
        raise click.UsageError("--pnr is for --target ecp5")
    accelerator = load_config(config)
    if estimate:
        _show_estimate(estimated(accelerator, target), as_json, quiet)
        return
    with common.progress(quiet) as say:
        found = synthesize(accelerator, target, dsp=not no_dsp, progress=say)
        runs = range(1, seeds + 1) if pnr else ()
        placed = place_core(accelerator, seeds=runs, progress=say) if pnr else []
    if as_json:
        common.print_json(found.to_dict() | ({"placed": [run.to_dict() for run in placed]} if pnr else {}))
    elif not quiet:
        _print(found)
        for run in placed:
            click.echo(f"seed {run.seed}: {run.fmax_mhz:.1f} MHz")
        if placed:
            slowest = min(placed, key=lambda run: run.fmax_mhz)
            click.echo(f"slowest path of seed {slowest.seed}:")
            for step in slowest.path:
                click.echo(f"  {step}")


def _show_estimate(found: "AreaEstimate", as_json: bool, quiet: bool) -> None:
    if as_json:
        common.print_json(found.to_dict())
    elif not quiet:
        _print(found)
        click.echo(f"\nestimated; LUTs, flip-flops and carry cells fitted to {found.source}")
        click.echo(f"clock: {found.clock}")


def _print(found: "Synthesis | AreaEstimate") -> None:
    names = ["lut", "ff", "dsp", "bram", "carry", "lutram", "memory_bits"]
    total = found.total.to_dict()
    names = [name for name in names if total[name] or name in ("lut", "ff", "dsp", "bram")]
    rows = [*found.blocks.items(), ("total", found.total)]
    cells = [(block, *(f"{taken.to_dict()[name]:,}" for name in names)) for block, taken in rows]
    common.print_table(cells, ["block", *(name.replace("_", " ") for name in names)])
