"""``hwshift export``: a float network as a file for other tools."""

from typing import TYPE_CHECKING

import click

from hwshift.cli import _common as common

if TYPE_CHECKING:
    from hwshift.exporters.onnx import ShiftForm

__all__ = ["command"]


@click.command("export")
@common.network_argument
@click.option("--onnx", "file", metavar="FILE", required=True, help="The ONNX model to write, in float32.")
@click.option(
    "--shift-form",
    type=click.Choice(["depthwise", "slices"]),
    default="depthwise",
    show_default=True,
    help="A spatial shift as a depthwise convolution, or as pads, slices and a concatenation.",
)
@click.option(
    "--batch", metavar="N", type=click.IntRange(min=1), help="Images per run; any number if left out."
)
@common.json_option
@common.quiet_option
def command(
    net: str, file: str, shift_form: "ShiftForm", batch: int | None, as_json: bool, quiet: bool
) -> None:
    """Write a float network as an ONNX model.

    NET is a network file (.hwnet, .onnx) or the name of a built-in network. A quantized network cannot be written.
    """
    from hwshift.errors import NetworkError
    from hwshift.exporters import save_onnx
    from hwshift.network.graph import Network

    network = common.load(net)
    if not isinstance(network, Network):
        raise NetworkError("it is quantized; a float network is needed", where=net)
    save_onnx(network, file, shift=shift_form, batch=batch)
    if as_json:
        facts = {"network": network.name, "onnx": file, "shift_form": shift_form, "batch": batch}
        common.print_json(
            facts | {"nodes": len(network.nodes), "parameters": network.parameters, "macs": network.macs}
        )
    elif not quiet:
        click.echo(f"written: {file}")
