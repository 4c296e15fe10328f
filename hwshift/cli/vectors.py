"""``hwshift vectors``: inputs, every layer's map and the program for any other flow."""

import click

from hwshift.cli import _common as common
from hwshift.cli._options import DataOptions, data_options

__all__ = ["command"]


@click.command("vectors")
@common.network_options
@click.option("--out", metavar="DIR", required=True, help="The folder to write.")
@data_options(limit=1)
@common.seed_option
@click.option(
    "--form",
    "forms",
    type=click.Choice(["npy", "hex", "h"]),
    multiple=True,
    help="Kinds of files, again for several; default: all.",
)
@click.option("--force", is_flag=True, help="Replace DIR, with everything in it, if it is not empty.")
@common.json_option
@common.quiet_option
def command(
    net: str,
    config: str,
    weights: str | None,
    shift: str | None,
    out: str,
    data: DataOptions,
    seed: int,
    forms: tuple[str, ...],
    force: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Write inputs, every layer's expected map and the program.

    NET is a network file or the name of a built-in network.

    Each is an array of NumPy (.npy), text of hexadecimal words (.hex) and a C header (.h); vectors.json says what is
    what. The folder is written as a whole or not at all, and the same input gives the same bytes.
    """
    from hwshift.vectors import FORMS, write_vectors

    with common.progress(quiet) as say:
        say("quantizing")
        network, accelerator = common.resolve(net, config, weights, shift)
        inputs = data.codes(network, seed)
        chosen = tuple(form for form in FORMS if not forms or form in forms)
        found = write_vectors(network, accelerator, out, inputs, forms=chosen, force=force, progress=say)
    facts = {
        "folder": out,
        "network": network.name,
        "config": accelerator.name,
        "images": len(inputs.codes),
        "input": inputs.description,
        "maps per image": found.layers,
        "files": len(found.files),
    }
    if as_json:
        common.print_json(
            {name.replace(" ", "_"): value for name, value in facts.items()} | {"files": list(found.files)}
        )
    elif not quiet:
        common.print_table(list(facts.items()))
