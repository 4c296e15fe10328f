"""``hwshift costs``: tables of unit costs, line by line with their sources."""

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from hwshift.cli import _common as common

if TYPE_CHECKING:
    from hwshift.cost.tables import CostTable

__all__ = ["command"]


@click.command("costs", short_help="Show and check tables of unit costs.")
@click.argument("table", required=False)
@common.json_option
@common.quiet_option
def command(table: str | None, as_json: bool, quiet: bool) -> None:
    """Show a table of unit costs, TABLE: the name of one that comes with hwshift, or a TOML file, which is checked.

    Without TABLE: the tables that come with hwshift.
    """
    from hwshift.cost.tables import TABLES, load_table

    found = [load_table(name) for name in ([table] if table else TABLES)]
    if as_json:
        common.print_json([_as_dict(item) for item in found] if table is None else _as_dict(found[0]))
    elif not quiet and table is None:
        common.print_table([(item.name, item.kind, item.title) for item in found], ("table", "of", "title"))
    elif not quiet:
        _show(found[0])


def _as_dict(table: "CostTable") -> dict[str, object]:
    return {
        "name": table.name,
        "title": table.title,
        "kind": table.kind,
        "base": table.base,
        "warning": table.warning,
        "notes": list(table.notes),
        "laws": {
            action: {"exponent": law.exponent, "points": [asdict(point) for point in law.points]}
            for action, law in table.laws.items()
        },
        "sram_bits": table.sram_bits,
        "figures": [asdict(item) for item in table.figures.values()],
    }


def _show(table: "CostTable") -> None:
    from hwshift.cost.tables import ACTIONS

    rows = [
        (ACTIONS[action], f"{point.size:,.0f}", "bytes" if action == "sram" else "bits", f"{point.pj:,.6g}",
         f"{table.laws[action].exponent:g}", point.status, point.source)
        for action, point in table.lines
    ]  # fmt: skip
    titles = ("action", "size", "of", "pJ", "exponent", "status", "source")
    common.print_table(rows, titles, heading=f"{table.name}: {table.title} ({table.kind})")
    if table.figures:
        click.echo()
        common.print_table(
            [(item.name, f"{item.value:g}", item.unit, item.status, item.source) for item in table.figures.values()],
            ("figure", "value", "unit", "status", "source"),
        )  # fmt: skip
    click.echo()
    for note in (*table.notes, *([table.warning] if table.warning else [])):
        click.echo(f"* {note}")
