"""``hwshift compile``: a network as a program for an accelerator."""

from dataclasses import asdict
from pathlib import Path
from typing import Literal

import click

from hwshift.cli import _common as common

__all__ = ["command"]


@click.command("compile")
@common.network_options
@click.option("--out", metavar="FILE", required=True, help="The program file (.hwprog) to write.")
@common.keep_option("outputs")
@click.option("--minimize", type=click.Choice(["cycles", "dram", "energy"]),
              help="Compile in several ways and keep the one that costs least.")  # fmt: skip
@click.option("--explain", is_flag=True, help="Show what the compiler did with each layer.")
@common.json_option
@common.quiet_option
def command(
    net: str,
    config: str,
    weights: str | None,
    shift: str | None,
    out: str,
    keep: Literal["all", "outputs"],
    minimize: Literal["cycles", "dram", "energy"] | None,
    explain: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Compile a network into a program file.

    NET is a network file or the name of a built-in network.
    """
    from hwshift.compiler.driver import compile as compile_network
    from hwshift.compiler.explain import explain as explain_program
    from hwshift.program.file import save_program
    from hwshift.search import compile_for

    with common.progress(quiet) as say:
        say("compiling")
        network, accelerator = common.resolve(net, config, weights, shift)
        found = compile_for(minimize, network, accelerator, keep=keep, progress=say) if minimize else None
        program = found.program if found else compile_network(network, accelerator, keep=keep, progress=say)
        save_program(program, Path(out))
    facts = {
        "program": out,
        "network": program.name,
        "config": accelerator.name,
        "config_hash": f"0x{accelerator.hash:08x}",
        "instructions": len(program.instructions),
        "memory_bytes": program.size,
        "maps_in_memory": len(program.tensors),
    }
    trials = [asdict(trial) for trial in found.trials] if found else []
    if as_json:
        more = {"minimized": minimize, "schedule": found.best.name, "schedules": trials} if found else {}
        common.print_json(facts | more | {"layers": list(program.layers)})
    elif not quiet:
        common.print_table([(name.replace("_", " "), value) for name, value in facts.items()])
        if found:
            click.echo()
            rows = [
                [*trial.values(), "chosen" if trial["name"] == found.best.name else ""] for trial in trials
            ]
            common.print_table(rows, ("schedule", "cycles", "DRAM bytes", "energy pJ", ""))
        if explain:
            click.echo()
            click.echo(explain_program(program), nl=False)
