"""``hwshift evaluate``: how many images a network gets right, in float and in fixed point."""

from typing import TYPE_CHECKING

import click

from hwshift.cli import _common as common
from hwshift.cli._options import DataOptions, bar, data_options
from hwshift.cli._scores import show_errors, show_layers, show_ratios, show_scores

if TYPE_CHECKING:
    from hwshift.evaluation import Evaluation

__all__ = ["command"]


@click.command("evaluate", short_help="Measure accuracy and errors on images, in float and in fixed point.")
@common.network_argument
@click.option(
    "--config",
    metavar="CFG",
    help="A preset such as 8x8 or 16x16-mac, or a TOML file: what this accelerator computes. "
    "Default: fixed and pow2 weights, in exact arithmetic.",
)
@click.option("--formats", metavar="Qm.n,..", help="Formats of the maps, e.g. Q16.16,Q8.8; default: Q16.16.")
@click.option(
    "--weight-formats",
    metavar="FORMAT,..",
    help="Formats of the weights: Qm.n for fixed ones, MIN..MAX for powers of two; default: Q16.16,-15..0.",
)
@click.option(
    "--guards",
    metavar="G,..",
    help="Guard bits of the accumulators, or exact, e.g. 0,8,exact; default: exact.",
)
@click.option("--layers", is_flag=True, help="Also compare the values of every layer.")
@data_options(limit=None, noise=100)
@common.seed_option
@common.json_option
@common.quiet_option
def command(
    net: str,
    config: str | None,
    formats: str | None,
    weight_formats: str | None,
    guards: str | None,
    layers: bool,
    data: DataOptions,
    seed: int,
    as_json: bool,
    quiet: bool,
) -> None:
    """Measure a network's accuracy on images, in float and in fixed point.

    NET is a network file (.hwnet, .onnx) or the name of a built-in network. A float network is evaluated as it is,
    with fixed-point weights and with powers of two; a quantized network as it is. Without labels only the agreement
    with the float network and the errors are told. The fixed-point results are the accelerator's, bit for bit.

    Every combination of --formats, --weight-formats and --guards is one row. SQNR is the ratio of signal to
    quantization noise, LSB the last bit of the maps.
    """
    from hwshift.config import load_config
    from hwshift.evaluation import evaluate, parse_formats

    chosen = parse_formats(_words(formats), _words(weight_formats), _words(guards))
    if config is not None and chosen.given:
        raise click.UsageError("--config has formats and guard bits of its own: name either")
    network = common.load(net)
    accelerator = None if config is None else load_config(config)
    images = data.load(network, seed)
    with bar(quiet) as advance:
        result = evaluate(network, images, config=accelerator, formats=chosen, layers=layers, advance=advance)
    if as_json:
        common.print_json(result.as_dict())
    elif not quiet:
        _show(result)


def _words(text: str | None) -> list[str]:
    """Parts of an option, at commas that are not within brackets."""
    if text is None:
        return []
    parts, depth = [""], 0
    for letter in text:
        depth += (letter == "[") - (letter == "]")
        if letter == "," and not depth:
            parts.append("")
        else:
            parts[-1] += letter
    return parts


def _show(result: "Evaluation") -> None:
    show_scores(result.scores, result.images, f"{result.network}: {result.images:,} images ({result.origin})")
    show_errors(result.scores)
    if result.peak_mib is not None:
        click.echo(f"peak memory of the process: {result.peak_mib:,.0f} MiB")
    show_ratios(result.layers)
    details = {score.model: score.detail for score in result.scores}
    for name, layers in result.layers.items():
        show_layers(layers, f"\nLayers of {name} ({details[name]})")
