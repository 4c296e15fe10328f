"""``hwshift networks``: the built-in networks, what they take, and what papers print about them."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from hwshift.cli import _common as common
from hwshift.cli._tables import fits
from hwshift.progress import Stage

if TYPE_CHECKING:
    from hwshift.network.graph import Network
    from hwshift.zoo.measures import Measures

__all__ = ["command"]


@click.command("networks")
@click.argument("net", metavar="[NET]", required=False)
@click.option("--graph", metavar="FILE.svg", help="Draw NET's layers.")
@click.option(
    "--intensity",
    metavar="FILE",
    help="Plot multiplications per memory access of standard, depthwise and shift convolutions (.svg, .png, .pdf).",
)
@common.json_option
@common.quiet_option
def command(net: str | None, graph: str | None, intensity: str | None, as_json: bool, quiet: bool) -> None:
    """List the built-in networks, or the layers of one.

    NET is a built-in name with options (ShiftNet-A@128,classes=10) or a network file. The list has parameters
    with and without those of BatchNorm, weights without biases, multiply-accumulates, the count of the papers that
    used another counter, elements that shifts move, elements of the largest map, and how many of the printed figures
    the network reproduces. A layer of which no inputs are told reads the one above it.
    """
    if graph is not None and net is None:
        raise click.UsageError("--graph draws a network: name it")
    if intensity is not None:
        from hwshift.cost.closed_form import plot_intensity

        plot_intensity(intensity)
        if net is None and not as_json:
            if not quiet:
                click.echo(f"wrote {intensity}")
            return
    if net is None:
        _list(as_json, quiet)
    else:
        _layers(net, graph, as_json, quiet)


def _facts(name: str) -> dict[str, object]:
    """One network of the list."""
    from hwshift.network.fixed import FixedNetwork
    from hwshift.network.graph import Network
    from hwshift.zoo import NETWORKS
    from hwshift.zoo.catalog import define, family_of
    from hwshift.zoo.figures import figures_of, has_legacy_count, legacy_of, measured
    from hwshift.zoo.measures import measure

    if name in NETWORKS:
        network = NETWORKS[name]()
        assert isinstance(network, Network) and not isinstance(network, FixedNetwork)
        found, family, source = (
            measure(network),
            "built-in",
            "trained" if "training" in network.meta else "example",
        )
        shape = network.nodes[0].op.shape(())
    else:
        definition, form = define(name), family_of(name)
        assert definition is not None and form is not None
        found, family, source = measured(name), definition.family, form.source
        shape = (definition.channels, *definition.size)
    return {
        "name": name,
        "family": family,
        "source": source,
        "input": list(shape),
        "params": found.params,
        "params_without_bn": found.params_without_bn,
        "weights": found.weights,
        "macs": found.macs,
        "legacy": legacy_of(name) if has_legacy_count(name) else None,
        "shifted": found.shifted,
        "peak_map": found.peak,
        "paper": [figure.row() for figure in figures_of(name)],
    }


def _list(as_json: bool, quiet: bool) -> None:
    from hwshift.zoo import NETWORKS, names
    from hwshift.zoo.figures import figures, unlisted

    wanted, rows = (*NETWORKS, *names()), []
    with common.progress(quiet) as say:
        for done, name in enumerate(wanted):
            say(Stage(f"measuring {name}", done, len(wanted)))
            rows.append(_facts(name))
    missing = [
        figure.row() | {"name": figure.network} for figure in figures() if figure.network in unlisted()
    ]
    if as_json:
        common.print_json({"networks": rows, "not_buildable": missing})
    elif not quiet:
        _print_list(rows)
        _print_differing(rows, missing)


def _print_differing(rows: list[dict[str, object]], missing: list[dict]) -> None:
    """The papers' figures that the networks do not reproduce, and why."""
    click.echo("\nFigures that are not reproduced:")
    differing = [
        (row["name"], item["figure"], item["value"], item["ours"], item["note"])
        for row in rows
        for item in row["paper"]  # type: ignore[attr-defined]
        if item["matches"] == "no"
    ]
    differing += [(item["name"], item["figure"], item["value"], None, item["note"]) for item in missing]
    for name, figure, printed, ours, note in differing:
        click.echo(
            f"  {name}: {figure}: printed {printed}, ours {'-' if ours is None else f'{ours:g}'}: {note}"
        )


_TITLES = {
    "name": "network",
    "input": "input",
    "params": "params",
    "params_without_bn": "without BN",
    "weights": "weights",
    "macs": "MACs",
    "legacy": "legacy",
    "shifted": "shifted",
    "peak_map": "peak map",
    "paper": "figures",
}
_LEAST = ("name", "params", "macs", "legacy", "shifted", "peak_map", "paper")


def _print_list(rows: list[dict[str, object]]) -> None:
    """In full; on a narrow terminal with short numbers, and on a very narrow one without some columns."""
    titles = list(_TITLES.values())
    full = [[_shown(row, key) for key in _TITLES] for row in rows]
    if fits(full, titles):
        common.print_table(full, titles)
        return
    kept = list(_TITLES)
    short = [[_short(_shown(row, key)) for key in kept] for row in rows]
    if not fits(short, titles):
        kept = list(_LEAST)
        short = [[_short(_shown(row, key)) for key in kept] for row in rows]
    common.print_table(short, [_TITLES[key] for key in kept])
    left = [title for key, title in _TITLES.items() if key not in kept]
    if left:
        click.echo(f"\nOn a wider terminal, and with --json: {', '.join(left)}.")


def _shown(row: dict, key: str) -> object:
    if key == "input":
        return "x".join(map(str, row["input"]))
    if key == "paper":
        paper = row["paper"]
        return f"{sum(item['matches'] != 'no' for item in paper)} of {len(paper)}" if paper else ""
    return row[key]


def _short(value: object) -> object:
    """A count with three digits: 1.73M."""
    if not isinstance(value, int):
        return value
    for unit, size in (("G", 10**9), ("M", 10**6), ("K", 10**3)):
        if value >= 0.9995 * size:
            digits = 2 if value < 9.995 * size else 1 if value < 99.95 * size else 0
            return f"{value / size:.{digits}f}{unit}"
    return str(value)


def _layers(net: str, graph: str | None, as_json: bool, quiet: bool) -> None:
    from hwshift.errors import NetworkError
    from hwshift.network.fixed import FixedNetwork
    from hwshift.resolve import load_network
    from hwshift.zoo.measures import layer_rows, measure

    network = load_network(net, outline=True)
    if isinstance(network, FixedNetwork):
        raise NetworkError("holds a fixed-point network; layers are shown of float networks", where=net)
    rows, found = layer_rows(network), measure(network)
    if graph is not None:
        _draw(network, graph)
    if as_json:
        common.print_json({"name": network.name, "layers": rows, **vars(found)})
    elif not quiet:
        _print_layers(network.name, rows, found)


def _print_layers(name: str, rows: list[dict], found: "Measures") -> None:
    titles = ("layer", "operator", "shape", "params", "MACs", "shifted", "reads")
    before, table = "", []
    for row in rows:
        # The line above is what most layers read: only others are named.
        reads = "" if row["inputs"] == [before] else ", ".join(row["inputs"])
        shape = "x".join(map(str, row["shape"]))
        table.append(
            (row["layer"], row["operator"], shape, row["params"], row["macs"], row["shifted"], reads)
        )
        before = row["layer"]
    common.print_table(table, titles, heading=name)
    click.echo(
        f"\n{found.params:,} parameters ({found.params_without_bn:,} without BatchNorm's), {found.macs:,} "
        f"multiply-accumulates, {found.shifted:,} shifted elements, largest map {found.peak:,} elements"
    )


def _draw(network: "Network", path: str) -> None:
    from hwshift.errors import NetworkError
    from hwshift.writing import refusals_as, replace_file
    from hwshift.zoo.drawing import draw_graph

    if Path(path).suffix.lower() != ".svg":
        raise NetworkError("a graph is drawn into a file that ends in .svg", where=path)
    text = draw_graph(network)
    with refusals_as(NetworkError, path):
        replace_file(path, text.encode("utf-8"))
