"""``hwshift compile``: a network as a program for an accelerator."""

from pathlib import Path
from typing import Literal

import click

from hwshift.cli import _common as common

__all__ = ["command"]


@click.command("compile")
@common.network_options
@click.option("--out", metavar="FILE", required=True, help="The program file (.hwprog) to write.")
@common.keep_option("outputs")
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

    with common.progress(quiet) as say:
        say("compiling")
        network, accelerator = common.resolve(net, config, weights, shift)
        program = compile_network(network, accelerator, keep=keep, progress=say)
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
    if as_json:
        common.print_json(facts | {"layers": list(program.layers)})
    elif not quiet:
        common.print_table([(name.replace("_", " "), value) for name, value in facts.items()])
        if explain:
            click.echo()
            click.echo(explain_program(program), nl=False)
