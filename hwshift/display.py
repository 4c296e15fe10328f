"""How objects show themselves in notebooks: tables as HTML that take the notebook's own style."""

from collections.abc import Sequence
from html import escape

__all__ = ["frame", "table"]

_HIGHEST = 420  # pixels, before it scrolls


def table(
    titles: Sequence[str],
    rows: Sequence[Sequence[object]],
    *,
    caption: str = "",
    total: Sequence[object] = (),
) -> str:
    """A table: numbers with separators and to the right, `total` as its last line.

    Parameters
    ----------
    titles : sequence of str
    rows : sequence of sequences
        Texts and numbers; None leaves a cell empty.
    caption : str
    total : sequence
        As a row.
    """
    head = "".join(f"<th>{escape(title)}</th>" for title in titles)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    foot = f"<tfoot><tr>{''.join(map(_cell, total))}</tr></tfoot>" if total else ""
    title = (
        f'<caption style="caption-side: top; text-align: left"><b>{escape(caption)}</b></caption>'
        if caption
        else ""
    )
    return (
        f'<div style="max-height: {_HIGHEST}px; overflow: auto"><table>{title}<thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody>{foot}</table></div>"
    )


def frame(page: str, height: int = 720) -> str:
    """A whole page within the notebook, kept apart from it."""
    return (
        f'<iframe style="width: 100%; height: {height}px; border: 1px solid #8885" sandbox="allow-scripts" '
        f'srcdoc="{escape(page)}"></iframe>'
    )


def _cell(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f'<td style="text-align: left">{escape("" if value is None else str(value))}</td>'
    text = f"{value:,.2f}" if isinstance(value, float) else f"{value:,}"
    return f'<td style="text-align: right">{text}</td>'
