"""``hwshift claims``: the papers' claims about cost, beside what comes out here."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from hwshift.cli import _common as common

if TYPE_CHECKING:
    from hwshift.cost.claims import Claim, Topic

__all__ = ["command"]

_TOPICS = ("intensity", "roofline", "styles", "shifts", "runtime", "storage", "accesses", "ratios")
_SLOW = ("runtime",)


@click.command("claims", short_help="Check the papers' claims about cost.")
@click.argument("topics", nargs=-1, type=click.Choice(_TOPICS), metavar="[TOPIC]...")
@click.option("--all", "everything", is_flag=True, help="Also the topics that take minutes: runtime.")
@click.option(
    "--figures",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Draw the topics' pictures (.svg) into a folder.",
)
@click.option("--markdown", is_flag=True, help="Print the tables of the manual's page on claims.")
@common.json_option
@common.quiet_option
def command(
    topics: tuple[str, ...], everything: bool, figures: Path | None, markdown: bool, as_json: bool, quiet: bool
) -> None:  # fmt: skip
    """Compute every claim of the papers about cost that can be computed, and say what came out.

    \b
    intensity  computation over memory access: formulas and counted traffic
    roofline   whether the bus or the array is the limit
    styles     one network with convolutions, depthwise convolutions, shifts; multipliers and shifters
    shifts     shifts fused into reads, moved through memory, left out
    runtime    shares of ShiftNet-A's time (minutes)
    storage    weights of 5 bits
    accesses   external memory against arithmetic
    ratios     multiplier against shifter

    Networks run on the presets 16x16 and 16x16-mac, energy is by the table 45nm unless a claim names another.
    """
    from hwshift.cost.claims import TOPICS, Bench, check_claims

    wanted = topics or tuple(name for name in _TOPICS if everything or name not in _SLOW)
    with common.progress(quiet) as say:
        bench = Bench(progress=say)
        found = list(check_claims(bench, tuple(item for item in TOPICS if item.key in wanted)))
        if figures is not None:
            from hwshift.cost.claims.pictures import draw_pictures

            say("drawing")
            draw_pictures(figures, bench, wanted)
    if as_json:
        common.print_json({
            "presets": [bench.pow2.name, bench.mac.name],
            "costs": bench.table.name,
            "claims": [item.as_dict() | {"topic": topic.key} for topic, claims in found for item in claims],
        })  # fmt: skip
    elif markdown:
        from hwshift.cost.claims.page import render_claims

        click.echo(render_claims(found, None if figures is None else figures.name), nl=False)
    elif not quiet:
        _show(found)


def _show(found: "list[tuple[Topic, list[Claim]]]") -> None:
    for number, (topic, claims) in enumerate(found):
        if number:
            click.echo()
        rows = [(item.key, item.claim, item.ours, item.verdict) for item in claims]
        common.print_table(rows, ("claim", "printed", "here", "verdict"), heading=topic.title)
