"""Networks and configurations side by side as one HTML page that loads nothing."""

from collections.abc import Sequence
from importlib.resources import files

from jinja2 import Environment, StrictUndefined

from hwshift import __version__
from hwshift.cost.compare import Candidate, labels, layer_table, ratio, shown, table
from hwshift.cost.energy import PARTS

__all__ = ["render_comparison"]

# Okabe and Ito's colours, told apart by colour-blind readers too.
_COLOURS = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#D55E00", "#CC79A7", "#0072B2")


def render_comparison(candidates: Sequence[Candidate], command: str = "") -> str:
    """The page: well-formed as XML too, the same text for the same candidates.

    Parameters
    ----------
    candidates : sequence of Candidate
        At least one; energies of all by the same table.
    command : str
        What makes this page again.
    """
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    text = (files("hwshift.reports") / "compare.html.j2").read_text(encoding="utf-8")
    return environment.from_string(text).render(
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
        colours=dict(zip(PARTS, _COLOURS, strict=True)),
        command=command,
        version=__version__,
    )
