"""``hwshift assemble``: a program file with instructions from a text."""

from dataclasses import replace
from pathlib import Path

import click

from hwshift.cli import _common as common

__all__ = ["command"]


@click.command("assemble")
@click.argument("text", metavar="TEXT", type=click.Path(exists=True, dir_okay=False))
@click.option("--program", "file", metavar="FILE", required=True,
              help="The program file (.hwprog) that gives all but the instructions.")  # fmt: skip
@click.option("--out", metavar="FILE", required=True, help="The program file to write.")
@common.json_option
@common.quiet_option
def command(text: str, file: str, out: str, as_json: bool, quiet: bool) -> None:
    """Put a text of instructions into a program file.

    The text is what `hwshift disassemble` prints, as you changed it. The program is verified before it is written.
    """
    from hwshift.errors import ProgramError
    from hwshift.program.assembler import assemble
    from hwshift.program.file import load_program, save_program
    from hwshift.program.verifier import verify

    program = load_program(file)
    try:
        instructions = assemble(Path(text).read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise ProgramError(f"cannot be read as text: {error}", where=text) from None
    except ProgramError as error:
        raise ProgramError(f"{error.where}: {error.message}", where=text) from None
    changed = sum(one != other for one, other in zip(instructions, program.instructions, strict=False))
    changed += abs(len(instructions) - len(program.instructions))
    save_program(verify(replace(program, instructions=instructions)), Path(out))
    facts = {"program": out, "instructions": len(instructions), "changed": changed}
    if as_json:
        common.print_json(facts)
    elif not quiet:
        common.print_table(list(facts.items()))
