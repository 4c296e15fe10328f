"""The claims as the part of a page that a command makes again."""

from collections.abc import Iterable

from hwshift.cost.claims.claim import VERDICTS, Claim, Topic
from hwshift.cost.claims.pictures import PICTURES

__all__ = ["render_claims"]


def render_claims(found: Iterable[tuple[Topic, list[Claim]]], pictures: str | None = None) -> str:
    """Markdown: a table of verdicts, then claim by claim.

    Parameters
    ----------
    found : iterable of (Topic, list of Claim)
    pictures : str or None
        Folder that the pictures are in, as the page names it; None: no pictures.
    """
    topics = list(found)
    lines = ["| claim | printed | here | |", "|---|---|---|---|"]
    for _, claims in topics:
        lines += [f"| {item.key} | {item.claim} | {item.ours} | {item.verdict} |" for item in claims]
    lines += ["", *(f"* **{name}**: {text}." for name, text in VERDICTS.items()), ""]
    for topic, claims in topics:
        lines += [f"## {topic.title}", ""]
        for item in claims:
            lines += [f"**{item.key}** ({item.paper}): {item.verdict}. {_sentence(item.why)}", ""]
        if pictures is not None and topic.key == "intensity":
            lines += [f"![Multiplications per memory access, by the formulas]({pictures}/intensity.svg)", ""]
        if pictures is not None and topic.key in PICTURES:
            name, *_, text = PICTURES[topic.key]
            lines += [f"![{text}]({pictures}/{name}.svg)", ""]
    return "\n".join(lines).rstrip() + "\n"


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."
