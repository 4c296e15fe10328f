"""``hwshift generate``: a design as a folder, with Verilog or C++, program and bench."""

from typing import TYPE_CHECKING, Literal

import click

from hwshift.cli import _common as common
from hwshift.cli._options import DataOptions, data_options

if TYPE_CHECKING:
    from hwshift.generation import Design
    from hwshift.hls.estimates import Estimate
    from hwshift.hls.generation import HlsDesign

__all__ = ["command"]


@click.command("generate")
@common.network_options
@click.option("--out", metavar="DIR", required=True, help="The folder to write.")
@data_options(limit=1)
@common.seed_option
@common.keep_option("all")
@common.hls_option
@common.target_option
@click.option("--force", is_flag=True, help="Replace DIR, with everything in it, if it is not empty.")
@common.json_option
@common.quiet_option
def command(
    net: str,
    config: str,
    weights: str | None,
    shift: str | None,
    out: str,
    data: DataOptions,
    seed: int,
    keep: Literal["all", "outputs"],
    hls: Literal["engine", "stream"] | None,
    target_ii: int | None,
    force: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Write Verilog or C++, program and bench into a folder.

    NET is a network file or the name of a built-in network.

    DIR holds the Verilog, the program and its memory image, registers and constants, and in tb/ a cocotb bench
    that runs N images and compares the whole memory and every counter: `make -C DIR/tb` runs it. The folder is
    written as a whole or not at all, and the same input gives the same bytes.

    With --hls DIR holds C++ for high-level synthesis instead of Verilog, with a testbench that plain compilers build:
    `make -C DIR test`. engine: what runs the same program; stream: one process per layer, for small networks.
    """
    common.check_target(hls, target_ii)
    with common.progress(quiet) as say:
        say("quantizing")
        network, accelerator = common.resolve(net, config, weights, shift)
        inputs = data.codes(network, seed)
        design: Design | HlsDesign
        own: dict[str, object] = {}
        estimate = None
        if hls is None:
            from hwshift.generation import generate

            design = generate(network, accelerator, out, inputs, force=force, keep=keep, progress=say)
            own["cycles"] = design.cycles
        else:
            from hwshift.hls.generation import generate_hls

            design = generate_hls(
                network, accelerator, out, inputs, style=hls, target_ii=target_ii, keep=keep, force=force, progress=say
            )  # fmt: skip
            estimate = design.estimate
    facts: dict[str, object] = {
        "folder": out,
        "network": network.name,
        "config": accelerator.name,
        "config_hash": f"0x{accelerator.hash:08x}",
        **({} if hls is None else {"style": hls}),
        "images": len(inputs.codes),
        "input": inputs.description,
    }
    if design.program is not None:
        facts |= {"instructions": len(design.program.instructions), "memory_bytes": design.program.size}
    facts |= own
    if as_json:
        more = {} if estimate is None else {"estimate": estimate.as_dict()}
        common.print_json(facts | more | {"files": list(design.files)})
    elif not quiet:
        facts |= {} if estimate is None else _estimated(estimate)
        common.print_table([(name.replace("_", " "), value) for name, value in facts.items()])
        click.echo(f"test it: make -C {out}/tb" if hls is None else f"test it: make -C {out} test")


def _estimated(estimate: "Estimate") -> dict[str, object]:
    names = ("initiation_interval", "latency", "multipliers", "dsp", "lut", "ramb36")
    found: dict[str, object] = {f"{name} (estimate)": getattr(estimate, name) for name in names}
    return found | {"target_ii": estimate.target_ii}
