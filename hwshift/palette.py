"""Colours and style of every picture: Okabe and Ito's colours, told apart by colour-blind readers too, and a grey."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "BLUE", "COLOURS", "GREEN", "GREY", "GRID", "ORANGE", "PURPLE", "RED", "SKY", "YELLOW", "picture", "styled", "tint"
]  # fmt: skip

ORANGE, SKY, GREEN, YELLOW = "#E69F00", "#56B4E9", "#009E73", "#F0E442"
BLUE, RED, PURPLE, GREY = "#0072B2", "#D55E00", "#CC79A7", "#8A8A8A"
GRID = "#DDDDDD"

COLOURS = (ORANGE, SKY, GREEN, YELLOW, RED, PURPLE, BLUE)
"""For parts of a whole, in the order in which neighbours differ most."""

_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "hwshift",
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
}


@contextmanager
def styled(**more: Any) -> Iterator[None]:
    """Matplotlib with the project's style; ``more``: names of its settings with ``_`` for ``.``, and their values."""
    import matplotlib

    with matplotlib.rc_context(_STYLE | {name.replace("_", "."): value for name, value in more.items()}):
        yield


def picture(figure: "Figure", suffix: str, **options: Any) -> bytes:
    """A figure as the content of a file: the same bytes for the same figure.

    Parameters
    ----------
    figure : matplotlib figure
        Drawn, and to be written, within `styled`.
    suffix : str
        "svg", "png" or "pdf", also with a dot and in capitals.
    options
        For ``savefig``.
    """
    form, data = suffix.lower().lstrip("."), io.BytesIO()
    dated = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
    figure.savefig(data, format=form, metadata=dated.get(form), **({"dpi": 150} | options))
    return data.getvalue()


def tint(colour: str, strength: float) -> str:
    """A colour mixed with white: 1 is the colour, 0 white."""
    values = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    return "#" + "".join(f"{round(255 + (value - 255) * strength):02x}" for value in values)
