"""``hwshift quantize``: a float network as integers, and what that does to it."""

from typing import TYPE_CHECKING, Literal

import click

from hwshift.cli import _common as common
from hwshift.cli._options import DataOptions, bar, data_options
from hwshift.cli._scores import cell, layer_cells, layer_titles, show_errors, show_scores, small

if TYPE_CHECKING:
    from hwshift.quantization import Rounding

__all__ = ["command"]


@click.command("quantize")
@common.network_argument
@click.option(
    "--weights",
    type=click.Choice(["pow2", "fixed"]),
    required=True,
    help="Signed powers of two, or fixed point.",
)
@click.option(
    "--act",
    metavar="Qm.n|BITS",
    default="Q16.16",
    show_default=True,
    help="Format of maps and biases; or a number of bits, and m and n are chosen from the values on --data.",
)
@click.option(
    "--weight-format",
    metavar="FORMAT|BITS",
    help="Qm.n for fixed weights (default Q16.16), MIN..MAX powers for pow2 (default -15..0; with --ps -14..0); "
    "or a number of bits, and the format is chosen to hold the largest weight.",
)
@click.option(
    "--percentile",
    metavar="P",
    type=common.FiniteRange(0, 100, min_open=True),
    default=100.0,
    show_default=True,
    help="Choosing m and n: share of each layer's values, in %, that has to fit.",
)
@click.option(
    "--margin",
    metavar="F",
    type=common.FiniteRange(1),
    default=1.25,
    show_default=True,
    help="Choosing m and n: factor for values of other images.",
)
@click.option(
    "--per-layer", is_flag=True, help="Choosing formats: also tell what would suit each layer alone."
)
@click.option(
    "--free-zero-code",
    is_flag=True,
    help="Round the negative smallest power away in layers that need zero too, which has the same code.",
)
@click.option(
    "--ps",
    metavar="FILE",
    help="A .npz of DeepShift-PS parameters (NAME.shift, NAME.sign) to take weights from.",
)
@data_options(limit=256, noise=0)
@click.option("--out", metavar="FILE", required=True, help="The network file (.hwnet) to write.")
@common.json_option
@common.quiet_option
def command(
    net: str,
    weights: str,
    act: str,
    weight_format: str | None,
    percentile: float,
    margin: float,
    per_layer: bool,
    free_zero_code: bool,
    ps: str | None,
    data: DataOptions,
    out: str,
    as_json: bool,
    quiet: bool,
) -> None:
    """Round a float network to fixed point and save it.

    NET is a network file (.hwnet, .onnx) or the name of a built-in network. The table tells for each layer the
    range of its weights and how well they are met; with --data also how well the layer's values are met on images,
    how far they are from the format's end, and how many of them saturate. SQNR is the ratio of signal to rounding
    noise; weights that are too large or too small for the powers become the largest or smallest.
    """
    from hwshift.errors import NetworkError
    from hwshift.network.serialize import save
    from hwshift.quantization import quantize_named

    if not out.endswith(".hwnet"):
        raise NetworkError("a network file must end in .hwnet", where=out)
    if act.isdecimal() and data.source is None:
        raise click.UsageError(f"--act {act} chooses m and n from images: name them with --data")
    if per_layer and not act.isdecimal():
        raise click.UsageError("--per-layer chooses formats: give a number of bits for --act")
    kind: Literal["pow2", "fixed"] = "pow2" if weights == "pow2" else "fixed"
    network = common.load(net)
    images = None if data.source is None else data.load(network)
    with bar(quiet) as advance:
        rounded, report = quantize_named(
            network,
            weights=kind,
            act=act,
            weight_format=weight_format,
            ps=ps,
            percentile=percentile,
            margin=margin,
            per_layer=per_layer,
            free_zero_code=free_zero_code,
            data=images,
            advance=advance,
        )
    save(rounded, out)
    if as_json:
        common.print_json({"file": out} | report.as_dict())
    elif not quiet:
        _show(report, out, per_layer)
    for line in report.warnings:
        click.echo(f"hwshift: warning: {line}", err=True)


def _show(report: "Rounding", out: str, per_layer: bool) -> None:
    _show_weights(report)
    if report.images:
        _show_values(report, per_layer)
        click.echo()
        show_scores(report.scores, report.images, f"{report.images:,} images ({report.origin})")
        show_errors(report.scores)
    click.echo(f"written: {out}")


def _show_weights(report: "Rounding") -> None:
    moved = any(layer.moved for layer in report.layers)
    suits = any(layer.weight_format for layer in report.layers)
    powers = report.weight_format.startswith("pow2")
    rows = []
    for layer in report.layers:
        if layer.weights:
            row: list[object] = [layer.name, layer.kind, layer.weights, small(layer.low), small(layer.high)]
            row += [cell(layer.weight_sqnr_db), *([layer.clamped, layer.raised] if powers else [])]
            rows.append(row + [layer.moved] * moved + [layer.weight_format] * suits)
    titles = ["layer", "operation", "weights", "  smallest", "   largest", "SQNR dB"]
    titles += (["too\nlarge", "too\nsmall"] if powers else []) + ["for\nzero"] * moved + ["alone"] * suits
    click.echo(f"{report.network}: weights {report.weight_format}, maps {report.act}")
    common.print_table(rows, titles)


def _show_values(report: "Rounding", per_layer: bool) -> None:
    ranges = report.calibration
    formats = {layer.name: layer.format for layer in ranges.layers} if ranges else {}
    rows = []
    for layer in report.layers:
        assert layer.output is not None
        row = [layer.name, layer.kind, *layer_cells(layer.output, compared=True)]
        rows.append(row + ([formats[layer.name]] if formats else []))
    titles = ["layer", "operation", *layer_titles(compared=True)]
    heading = f"\nValues on images, in {_choice(report, per_layer)}"
    common.print_table(rows, titles + ["format" if per_layer else "alone"] * bool(formats), heading=heading)


def _choice(report: "Rounding", per_layer: bool) -> str:
    ranges = report.calibration
    if ranges is None:
        return report.act
    share = "the largest" if ranges.percentile == 100 else f"{ranges.percentile:g} %"
    name = f"{ranges.bits} bits" if per_layer else report.act
    return f"{name} (chosen for {share} of each layer's values, times {ranges.margin:g})"
