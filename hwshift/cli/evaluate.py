"""``hwshift evaluate``: how many images a network gets right, in float and in fixed point."""

from typing import TYPE_CHECKING

import click

from hwshift.cli import _common as common
from hwshift.cli._options import DataOptions, bar, data_options

if TYPE_CHECKING:
    from hwshift.evaluation import Evaluation, Score

__all__ = ["command", "show_scores"]


@click.command("evaluate", short_help="Measure accuracy on images, in float and in fixed point.")
@common.network_argument
@click.option(
    "--config",
    metavar="CFG",
    help="A preset such as 8x8 or 16x16-mac, or a TOML file: what this accelerator computes. "
    "Default: fixed and pow2 weights, in exact arithmetic.",
)
@data_options(limit=None, noise=100)
@common.seed_option
@common.json_option
@common.quiet_option
def command(net: str, config: str | None, data: DataOptions, seed: int, as_json: bool, quiet: bool) -> None:
    """Measure a network's accuracy on images, in float and in fixed point.

    NET is a network file (.hwnet, .onnx) or the name of a built-in network. A float network is evaluated as it is,
    with fixed-point weights and with powers of two; a quantized network as it is. Without labels only the agreement
    with the float network is told. The fixed-point results are the accelerator's, bit for bit.
    """
    from hwshift.config import load_config
    from hwshift.evaluation import evaluate

    network = common.load(net)
    accelerator = None if config is None else load_config(config)
    images = data.load(network, seed)
    with bar(quiet) as advance:
        result = evaluate(network, images, config=accelerator, advance=advance)
    if as_json:
        common.print_json(result.as_dict())
    elif not quiet:
        _show(result)


def _show(result: "Evaluation") -> None:
    show_scores(result.scores, result.images, f"{result.network}: {result.images:,} images ({result.origin})")


def show_scores(scores: "tuple[Score, ...]", images: int, heading: str) -> None:
    """A table of scores, without the columns that no model has; then why models cannot run."""
    fields = ("correct", "correct5", "agreeing", "sqnr_db")
    used = [name for name in fields if any(getattr(score, name) is not None for score in scores)]
    titles = {
        "correct": "top-1 %",
        "correct5": "top-5 %",
        "agreeing": "as float %",
        "sqnr_db": "SQNR dB",
    }
    rows = []
    for score in scores:
        cells = []
        for name in used:
            value = getattr(score, name)
            cells.append(cell(value) if name == "sqnr_db" else _percent(value, images))
        rows.append((score.model, *cells, "cannot run" if score.problem else score.detail))
    click.echo(heading)
    common.print_table(rows, ("model", *(titles[name] for name in used), "arithmetic"))
    if not used and not all(score.problem for score in scores):
        click.echo(
            "Nothing to compare with: give labelled images, or the float network in the place of this one."
        )
    for score in scores:
        if score.problem:
            click.echo(f"{score.model}: {score.problem}")


def cell(value: float | None) -> str:
    """A ratio in dB for a table."""
    if value is None:
        return "      -"
    return "  exact" if value == float("inf") else f"{value:7.1f}"


def _percent(count: int | None, images: int) -> str:
    return "     -" if count is None else f"{100 * count / images:6.2f}"
