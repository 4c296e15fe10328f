"""Networks and configurations side by side as one HTML page that loads nothing."""

from collections.abc import Sequence

from hwshift import __version__
from hwshift.cost.compare import Candidate, clock_notes, labels, layer_table, ratio, shown, table
from hwshift.cost.energy import PARTS
from hwshift.reports.figures import COLOURS
from hwshift.reports.html import template

__all__ = ["render_comparison"]


def render_comparison(candidates: Sequence[Candidate], command: str = "") -> str:
    """The page: well-formed as XML too, the same text for the same candidates.

    Parameters
    ----------
    candidates : sequence of Candidate
        At least one; energies of all by the same table.
    command : str
        What makes this page again.
    """
    return template("compare.html.j2").render(
        candidates=candidates,
        rows=table(candidates),
        layers=layer_table(candidates),
        names=labels(candidates),
        heading=" and ".join(dict.fromkeys(item.network for item in candidates)),
        ratio=ratio,
        shown=shown,
        costs=candidates[0].analysis.energy.table,
        most=max(item.analysis.energy.total_pj for item in candidates),
        parts=PARTS,
        colours=COLOURS,
        clocks=clock_notes(candidates),
        command=command,
        version=__version__,
    )
