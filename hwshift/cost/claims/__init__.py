"""The papers' claims about cost, each computed: reproduced, in part, refuted, or not checkable."""

from collections.abc import Iterator

from hwshift.cost.claims.bench import Bench
from hwshift.cost.claims.claim import VERDICTS, Claim, Topic
from hwshift.cost.claims.energy import storage_claims, style_claims
from hwshift.cost.claims.intensity import intensity_claims, roofline_claims
from hwshift.cost.claims.shifts import runtime_claims, shift_claims
from hwshift.cost.claims.units import access_claims, ratio_claims

__all__ = ["TOPICS", "VERDICTS", "Bench", "Claim", "Topic", "check_claims"]

TOPICS: tuple[Topic, ...] = (
    Topic("intensity", "Arithmetic intensity", intensity_claims),
    Topic("roofline", "Roofline", roofline_claims),
    Topic("styles", "The same network in four styles", style_claims),
    Topic("shifts", "Shifts: fused, moved, sparse", shift_claims),
    Topic("runtime", "Shares of the run time", runtime_claims, slow=True),
    Topic("storage", "Storage of weights", storage_claims),
    Topic("accesses", "Energy of a memory access", access_claims),
    Topic("ratios", "Multiplier against shifter", ratio_claims),
)
"""In the order of the page."""


def check_claims(bench: Bench, topics: tuple[Topic, ...]) -> Iterator[tuple[Topic, list[Claim]]]:
    """Every topic with its claims."""
    for topic in topics:
        yield topic, topic.claims(bench)
