"""Tables for terminals of any width: a number never breaks, long texts do, and columns that do not fit follow below."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import click

__all__ = ["fits", "print_table"]

Rows = Sequence[Sequence[object]]

_NUMBER = re.compile(r"[-+]?[\d.,]+(e[-+]?\d+)?[KMG%]?|-|exact")
_LEAST = 16  # characters that a text which is broken keeps at least


@dataclass(frozen=True)
class _Column:
    """One column as it is printed."""

    title: str
    cells: tuple[str, ...]
    right: bool

    @property
    def lines(self) -> list[str]:
        return [line for text in (self.title, *self.cells) for line in text.split("\n")]

    @property
    def width(self) -> int:
        from rich.cells import cell_len

        return max(map(cell_len, self.lines), default=0)

    @property
    def least(self) -> int:
        """The width that it cannot do without."""
        return self.width if self.right else min(self.width, _LEAST)

    def stripped(self) -> "_Column":
        """Without the blanks that only align it."""
        title = "\n".join(line.strip() for line in self.title.split("\n"))
        return replace(self, title=title, cells=tuple(text.strip() for text in self.cells))


def print_table(rows: Rows, titles: Sequence[str] = (), *, heading: str | None = None) -> None:
    """Rows as a table: numbers to the right, with separators between thousands.

    In a file or pipe a row is one line, however long. On a terminal too narrow for that, texts are broken; if that
    does not do, the table is printed in parts, one below the other, each with the first column.
    """
    columns, limit = _columns(rows, titles), _limit()
    if heading is not None:
        click.echo(heading)
    if limit is None or _total(columns, 2) <= limit:
        _print(columns, [column.width for column in columns], 2, bool(titles))
        return
    columns = [column.stripped() for column in columns]
    for number, part in enumerate(_parts(columns, limit)):
        if number:
            click.echo()
        _print(part, _widths(part, limit), 1, bool(titles))


def fits(rows: Rows, titles: Sequence[str] = ()) -> bool:
    """Whether the table has one line for each row on this terminal, or is not printed on one."""
    limit = _limit()
    return limit is None or _total([column.stripped() for column in _columns(rows, titles)], 1) <= limit


def _limit() -> int | None:
    """Characters of a line of the terminal; None: a file or pipe."""
    from rich.console import Console

    console = Console()
    return console.width if console.is_terminal else None


def _columns(rows: Rows, titles: Sequence[str]) -> list[_Column]:
    columns = []
    for number in range(len(rows[0]) if rows else len(titles)):
        cells = tuple(_cell(row[number]) for row in rows)
        right = bool(rows) and all(
            isinstance(row[number], int | float)
            or row[number] is None
            or _NUMBER.fullmatch(str(row[number]).strip())
            for row in rows
        )
        columns.append(_Column(titles[number] if titles else "", cells, right))
    return columns


def _total(columns: Sequence[_Column], gap: int) -> int:
    return sum(column.width + gap for column in columns) - gap


def _parts(columns: list[_Column], limit: int) -> list[list[_Column]]:
    """Columns that fit beside each other, the first in each part."""
    first, *rest = columns
    parts: list[list[_Column]] = [[first]]
    for column in rest:
        used = sum(each.least + 1 for each in parts[-1])
        if len(parts[-1]) > 1 and used + column.least > limit:
            parts.append([first])
        parts[-1].append(column)
    return parts


def _widths(columns: list[_Column], limit: int) -> list[int]:
    """Of columns in a part: the widest texts give way until they fit."""
    widths = [column.width for column in columns]
    while sum(widths) + len(widths) - 1 > limit:
        spare = [width - column.least for width, column in zip(widths, columns, strict=True)]
        if max(spare) <= 0:
            break
        widest = max((i for i, more in enumerate(spare) if more > 0), key=lambda i: widths[i])
        widths[widest] -= 1
    return widths


def _print(columns: Sequence[_Column], widths: Sequence[int], gap: int, titled: bool) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, gap, 0, 0), show_header=titled)
    for column, width in zip(columns, widths, strict=True):
        side = "right" if column.right else "left"
        table.add_column(column.title, justify=side, overflow="fold", width=width)  # type: ignore[arg-type]
    for cells in zip(*(column.cells for column in columns), strict=True):
        table.add_row(*cells)
    console = Console(markup=False, highlight=False, width=sum(widths) + gap * len(widths))
    with console.capture() as text:
        console.print(table)
    click.echo("\n".join(line.rstrip() for line in text.get().splitlines()))


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.1f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
