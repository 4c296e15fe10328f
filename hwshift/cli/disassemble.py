"""``hwshift disassemble``: the instructions of a program file as text."""

import click

from hwshift.cli import _common as common

__all__ = ["command"]


@click.command("disassemble")
@click.argument("file", metavar="FILE")
@click.option("--config", metavar="CFG", help="Refuse a program that is for another configuration.")
@click.option("--explain", is_flag=True, help="Show what the compiler did with each layer instead.")
@common.json_option
@common.quiet_option
def command(file: str, config: str | None, explain: bool, as_json: bool, quiet: bool) -> None:
    """Print the instructions of a program file.

    With --quiet it only checks the file: its checksum, its instructions, and with --config whom it is for.
    """
    from hwshift.compiler.explain import explain as explain_program
    from hwshift.config import load_config
    from hwshift.program.assembler import disassemble
    from hwshift.program.file import load_program

    program = load_program(file, None if config is None else load_config(config))
    if as_json:
        common.print_json({
            "name": program.name,
            "config": program.config.to_dict(),
            "config_hash": program.config_hash,
            "instructions": [
                {"opcode": item.opcode.name, **{name: int(value) for name, value in item.fields.items()}}
                for item in program.instructions
            ],
        })  # fmt: skip
    elif not quiet:
        click.echo(explain_program(program) if explain else disassemble(program.instructions), nl=False)
