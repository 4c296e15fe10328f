"""``hwshift doctor``: which external tools are there, and what installs the missing ones."""

import click

from hwshift.cli import _common as common
from hwshift.errors import ToolError
from hwshift.tools import Tool, find_tools

__all__ = ["command"]


def _show(tools: list[Tool]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for title in ("tool", "state", "version", "purpose", "where, or what installs it"):
        table.add_column(title, overflow="fold")
    for tool in tools:
        state = "ok" if tool.usable else ("MISSING" if tool.required else "optional")
        place = tool.path if tool.usable else f"{tool.problem}; {tool.install}"
        table.add_row(tool.name, state, tool.version or "-", tool.purpose, place)
    # In a file or pipe a row stays one line, however long its path.
    width = None if Console().is_terminal else 200
    Console(markup=False, highlight=False, width=width).print(table)


@click.command("doctor", short_help="Look for the external tools; say what installs missing ones.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list instead of a table.")
@common.quiet_option
def command(as_json: bool, quiet: bool) -> None:
    """Look for the external tools and say what installs the missing ones."""
    tools = find_tools()
    if as_json:
        common.print_json([tool.as_dict() for tool in tools])
    elif not quiet:
        _show(tools)
    missing = [tool.name for tool in tools if tool.required and not tool.usable]
    if missing:
        raise ToolError(f"cannot be used: {', '.join(missing)}", where="doctor")
