"""``hwshift quantize``: a float network as integers, and what that does to it."""

from typing import TYPE_CHECKING, Literal

import click

from hwshift.cli import _common as common
from hwshift.cli._options import DataOptions, bar, data_options
from hwshift.cli.evaluate import cell, show_scores

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
@click.option("--act", metavar="Qm.n", default="Q16.16", show_default=True, help="Format of maps and biases.")
@click.option(
    "--weight-format",
    metavar="FORMAT",
    help="Qm.n for fixed weights (default Q16.16), MIN..MAX powers for pow2 (default -15..0).",
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
    data: DataOptions,
    out: str,
    as_json: bool,
    quiet: bool,
) -> None:
    """Round a float network to fixed point and save it.

    NET is a network file (.hwnet, .onnx) or the name of a built-in network. The table tells for each layer the
    range of its weights and how well they are met; with --data also how well the layer's values are met on images,
    and how many of them saturate. SQNR is the ratio of signal to rounding noise; weights that are too large or too
    small for the powers become the largest or smallest.
    """
    from hwshift.errors import NetworkError
    from hwshift.golden.formats import QFormat
    from hwshift.network.serialize import save
    from hwshift.quantization import parse_weight_format, quantize_network

    if not out.endswith(".hwnet"):
        raise NetworkError("a network file must end in .hwnet", where=out)
    kind: Literal["pow2", "fixed"] = "pow2" if weights == "pow2" else "fixed"
    formats = QFormat.parse(act), None if weight_format is None else parse_weight_format(weight_format, kind)
    network = common.load(net)
    images = None if data.source is None else data.load(network)
    with bar(quiet) as advance:
        rounded, report = quantize_network(
            network, weights=kind, act=formats[0], weight_format=formats[1], data=images, advance=advance
        )
    save(rounded, out)
    if as_json:
        common.print_json({"file": out} | report.as_dict())
    elif not quiet:
        _show(report, out)
    for line in report.warnings:
        click.echo(f"hwshift: warning: {line}", err=True)


def _show(report: "Rounding", out: str) -> None:
    with_images = report.images > 0
    rows = []
    for layer in report.layers:
        weighted = layer.weights > 0
        row = [
            layer.name,
            layer.kind,
            layer.weights or None,
            _value(layer.low),
            _value(layer.high),
            cell(layer.weight_sqnr_db),
            layer.clamped if weighted else None,
            layer.raised if weighted else None,
        ]
        rows.append(row + ([cell(layer.output_sqnr_db), layer.saturated] if with_images else []))
    titles = [
        "layer",
        "operation",
        "weights",
        "smallest",
        "largest",
        "weight\nSQNR dB",
        "too\nlarge",
        "too\nsmall",
    ]
    titles += ["output\nSQNR dB", "saturated"] if with_images else []
    click.echo(f"{report.network}: weights {report.weight_format}, maps {report.act}")
    common.print_table(rows, titles)
    if with_images:
        click.echo()
        show_scores(report.scores, report.images, f"{report.images:,} images ({report.origin})")
    click.echo(f"written: {out}")


def _value(value: float | None) -> str:
    return "         -" if value is None else f"{value:10.4g}"
