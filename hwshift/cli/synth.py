"""``hwshift synth``: area and clock of a configuration."""

import click

from hwshift.cli import _common as common

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
@click.option("--no-dsp", is_flag=True, help="Make multipliers of LUTs.")
@common.json_option
@common.quiet_option
def command(config: str, target: str, no_dsp: bool, as_json: bool, quiet: bool) -> None:
    """Count LUTs, DSP blocks and block RAMs with Yosys.

    The accelerator CFG, a preset such as 4x4 or 16x16-mac or a TOML file, is mapped to a device; flip-flops and
    carries are counted too. Alike modules are mapped once, so that large arrays take minutes.
    """
    from hwshift.config import load_config
    from hwshift.synthesis import synthesize

    accelerator = load_config(config)
    with common.progress(quiet) as say:
        found = synthesize(accelerator, target, dsp=not no_dsp, progress=say)
    if as_json:
        common.print_json(found.to_dict())
        return
    if quiet:
        return
    names = ["lut", "ff", "dsp", "bram", "carry", "lutram"]
    rows = [(block, taken.to_dict()) for block, taken in [*found.blocks.items(), ("total", found.total)]]
    common.print_table(
        [(block, *(f"{values[name]:,}" for name in names)) for block, values in rows], ["block", *names]
    )
