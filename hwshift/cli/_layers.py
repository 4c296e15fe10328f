"""Tables of ``hwshift bench layers``."""

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

import click

from hwshift.cli import _common as common

if TYPE_CHECKING:
    from hwshift.benchmarks.layers import LayerTimes

__all__ = ["show_layers"]


def show_layers(results: Sequence["LayerTimes"]) -> None:
    """One table per study: cycles, shares of the kinds that occur, and the paper's figures."""
    from hwshift.benchmarks.layers import KINDS
    from hwshift.benchmarks.studies import STUDIES

    sources = {study.title: study.source for study in STUDIES}
    for number, (title, own) in enumerate(groupby(results, lambda row: row.study)):
        rows = list(own)
        kinds = [kind for kind in KINDS if any(kind in row.kinds for row in rows)]
        paper = list(dict.fromkeys(key for row in rows for key in row.paper))
        ratios = list(dict.fromkeys(key for row in rows for key in row.paper_ratio))
        if number:
            click.echo()
        common.print_table(
            [_cells(row, kinds, paper, ratios) for row in rows if row.refused is None],
            ("", "cycles", "ratio", *(f"{kind} %" for kind in kinds), "shift or depthwise %",
             *(f"paper: {key}" for key in paper), *(f"paper: ratio, {key.split()[0]}" for key in ratios)),
            heading=f"{title} ({sources.get(title, '')})",
        )  # fmt: skip
        for row in rows:
            if row.refused is not None:
                click.echo(f"{row.label} cannot be compiled: {row.refused}")


def _cells(
    row: "LayerTimes", kinds: Sequence[str], paper: Sequence[str], ratios: Sequence[str]
) -> tuple[object, ...]:
    shares = (f"{100 * row.kinds.get(kind, 0) / row.cycles:.1f}" for kind in kinds)
    printed = (f"{row.paper[key]:g}" if key in row.paper else "-" for key in paper)
    compared = (f"{row.paper_ratio[key]:.2f}" if key in row.paper_ratio else "-" for key in ratios)
    return (
        row.label,
        row.cycles,
        f"{row.ratio:.2f}",
        *shares,
        f"{100 * row.spatial_share:.1f}",
        *printed,
        *compared,
    )
