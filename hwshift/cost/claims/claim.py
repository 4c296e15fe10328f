"""What a paper claims about cost, and what comes out here."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Literal

from hwshift.cost.claims.bench import Bench

__all__ = ["VERDICTS", "Claim", "Topic", "Verdict", "three"]

Verdict = Literal["reproduced", "in part", "refuted", "not checkable"]

VERDICTS: dict[str, str] = {
    "reproduced": "our figure is the printed one, or says the same",
    "in part": "the direction holds, the printed figure does not",
    "refuted": "our figure says otherwise",
    "not checkable": "the source gives too little to compare with",
}
"""What the verdicts mean."""


@dataclass(frozen=True)
class Claim:
    """One claim.

    Members
    -------
    key : str
        Short name.
    paper : str
        And where in it.
    claim, ours : str
        What is printed; what comes out here.
    verdict : Verdict
        Computed from `figures`.
    why : str
        What makes the difference, or what the figure rests on.
    figures : dict of str to float
        Numbers behind `ours`, with their units in the names.
    """

    key: str
    paper: str
    claim: str
    ours: str
    verdict: Verdict
    why: str
    figures: dict[str, float]

    def as_dict(self) -> dict[str, object]:
        """All members, for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Topic:
    """Claims that belong together.

    Members
    -------
    key, title : str
    claims : function
        From a `Bench` to its claims.
    slow : bool
        Whether it takes minutes.
    """

    key: str
    title: str
    claims: Callable[[Bench], list[Claim]]
    slow: bool = False


def three(value: float) -> str:
    """Three digits, with separators between thousands."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
