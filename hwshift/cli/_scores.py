"""Tables of scores, of errors and of layers: what evaluating and quantizing print."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import click

from hwshift.cli import _common as common

if TYPE_CHECKING:
    from hwshift.evaluation import LayerScore, Score

__all__ = [
    "cell",
    "layer_cells",
    "layer_titles",
    "show_errors",
    "show_layers",
    "show_ratios",
    "show_scores",
    "small",
]

_MOST_COLUMNS = 7
_TITLES = {"correct": "top-1 %", "correct5": "top-5 %", "agreeing": "as float", "sqnr_db": "SQNR dB"}


def show_scores(scores: "Sequence[Score]", images: int, heading: str) -> None:
    """A table of scores, without the columns that no model has; then why models cannot run."""
    used = [name for name in _TITLES if any(getattr(score, name) is not None for score in scores)]
    rows = []
    for score in scores:
        cells = []
        for name in used:
            value = getattr(score, name)
            cells.append(cell(value) if name == "sqnr_db" else _percent(value, images))
        rows.append((score.model, *cells, "cannot run" if score.problem else score.detail))
    click.echo(heading)
    common.print_table(rows, ("model", *(_TITLES[name] for name in used), "array, weights x maps, guard"))
    if not used and not all(score.problem for score in scores):
        click.echo(
            "Nothing to compare with: give labelled images, or the float network in the place of this one."
        )
    for score in scores:
        if score.problem:
            click.echo(f"{score.model}: {score.problem}")


def show_errors(scores: "Sequence[Score]") -> None:
    """A table of the outputs' errors against the float network, if there are any."""
    rows = [
        (
            score.model,
            small(score.max_error),
            small(score.mean_error),
            small(score.in_lsb(score.max_error)),
            small(score.in_lsb(score.mean_error)),
            small(score.lsb),
        )
        for score in scores
        if score.max_error is not None
    ]
    if rows:
        titles = ("largest", "mean", "largest\nin LSB", "mean\nin LSB", "LSB")
        heading = "\nErrors of the outputs against float"
        common.print_table(rows, ("model", *(_above(title, 10) for title in titles)), heading=heading)


def show_layers(layers: "Sequence[LayerScore]", heading: str) -> None:
    """A table of layers, without the columns that need a float network where there is none."""
    compared = layers[0].sqnr_db is not None
    rows = [(layer.name, layer.kind, *layer_cells(layer, compared)) for layer in layers]
    common.print_table(rows, ("layer", "operation", *layer_titles(compared)), heading=heading)


def show_ratios(layers: "Mapping[str, Sequence[LayerScore]]") -> None:
    """A table of layers with the signal to noise ratio in each of some arithmetics, beside each other."""
    columns = {name: rows for name, rows in layers.items() if rows[0].sqnr_db is not None}
    if not 2 <= len(columns) <= _MOST_COLUMNS:
        return
    first = next(iter(columns.values()))
    rows = []
    for i, layer in enumerate(first):
        rows.append((layer.name, layer.kind, *(cell(column[i].sqnr_db) for column in columns.values())))
    titles = [_above(name.replace(" ", "\n"), 7) for name in columns]
    heading = "\nSQNR of the layers against float, dB"
    common.print_table(rows, ("layer", "operation", *titles), heading=heading)


def layer_titles(compared: bool) -> tuple[str, ...]:
    """Titles of `layer_cells`."""
    errors = (_above("SQNR\ndB", 7), _above("error\nin LSB", 10)) if compared else ()
    return _above("largest\nvalue", 10), _above("headroom\nbits", 8), *errors, "saturated\nvalues", "     %"


def layer_cells(layer: "LayerScore", compared: bool) -> tuple[object, ...]:
    """One layer's values in a table: its range, its errors and what saturates."""
    errors = (cell(layer.sqnr_db), small(layer.max_error and layer.max_error / layer.lsb))
    share = f"{100 * layer.saturated / layer.values:6.2f}"
    room = f"{layer.headroom_bits:8.1f}" if math.isfinite(layer.headroom_bits) else "       -"
    return small(layer.largest), room, *(errors if compared else ()), layer.saturated, share


def _above(title: str, width: int) -> str:
    """A title that ends where a column of texts of this width does."""
    return "\n".join(line.rjust(width) for line in title.split("\n"))


def cell(value: float | None) -> str:
    """A ratio in dB for a table."""
    if value is None:
        return "      -"
    return "  exact" if value == math.inf else f"{value:7.1f}"


def small(value: float | None) -> str:
    """A value of any size for a table, with three digits or more."""
    if value is None:
        return "         -"
    text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{text:>10}"


def _percent(count: int | None, images: int) -> str:
    return "     -" if count is None else f"{100 * count / images:6.2f}"
