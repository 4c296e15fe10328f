"""What the commands share: options, inputs and progress."""

import json
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from hwshift.cli._progress import progress
from hwshift.cli._tables import print_table

if TYPE_CHECKING:
    from hwshift.config import AcceleratorConfig
    from hwshift.network.fixed import FixedNetwork
    from hwshift.network.graph import Network
    from hwshift.sim.stalls import StallPattern

__all__ = [
    "FiniteRange",
    "area_option",
    "area_target",
    "clock_option",
    "check_target",
    "config_option",
    "hls_option",
    "json_option",
    "keep_option",
    "latency_option",
    "load",
    "network_argument",
    "network_options",
    "print_json",
    "print_table",
    "progress",
    "quiet_option",
    "resolve",
    "seed_option",
    "stall_pattern",
    "stalls_option",
    "target_option",
    "words_of",
]

Command = Callable[..., object]


class FiniteRange(click.FloatRange):
    """A range of numbers that nan and infinity do not lie in."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{number} is no finite number", param, ctx)
        return number


network_argument = click.argument("net", metavar="NET")
config_option = click.option(
    "--config",
    "config",
    metavar="CFG",
    required=True,
    help="A preset such as 4x4 or 16x16-mac, or a TOML file.",
)
weights_option = click.option(
    "--weights",
    type=click.Choice(["pow2", "fixed"]),
    help="How to round the weights of a float network; default: pow2 for shift_add, fixed for mac.",
)
shift_option = click.option(
    "--shift",
    type=click.Choice(["fused", "moved"]),
    help="Spatial shifts within the reads of the layer after them, or as layers; default: as in the network.",
)
seed_option = click.option(
    "--seed",
    metavar="S",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Of everything random.",
)
latency_option = click.option(
    "--latency",
    metavar="L",
    type=click.IntRange(1, 100_000),
    default=16,
    show_default=True,
    help="Cycles from a read address to its first data.",
)
clock_option = click.option(
    "--clock",
    metavar="MHZ",
    type=FiniteRange(min=0, min_open=True),
    default=200.0,
    show_default=True,
    help="Clock to convert cycles with; no result of timing analysis.",
)
stalls_option = click.option(
    "--stalls",
    metavar="D",
    type=FiniteRange(0, 1, max_open=True),
    default=0.0,
    show_default=True,
    help="Share of cycles in which the memory holds up each channel of the bus.",
)
hls_option = click.option(
    "--hls",
    type=click.Choice(["engine", "stream"]),
    help="C++ for high-level synthesis instead of Verilog: the engine, or one process per layer.",
)
target_option = click.option(
    "--target-ii",
    "target_ii",
    metavar="CYCLES",
    type=click.IntRange(min=1),
    help="stream: cycles per image; default: the least for as many processing elements as CFG has.",
)
area_option = click.option(
    "--target",
    metavar="NAME",
    default="ecp5",
    show_default=True,
    help="Device that area is estimated for, as of synth; none: leave area out.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
quiet_option = click.option("--quiet", "-q", is_flag=True, help="Print nothing but errors (and JSON).")


def area_target(name: str) -> str | None:
    """The device of ``--target``; None for "none".

    Raises
    ------
    ConfigError
        For a device that there is no model of.
    """
    from hwshift.synthesis.estimate import check_fitted

    return None if name == "none" else check_fitted(name)


def check_target(hls: str | None, target_ii: int | None) -> None:
    """Refuse a target without the style that has one."""
    if target_ii is not None and hls != "stream":
        raise click.UsageError("--target-ii is of streaming designs: add --hls stream")


def keep_option(default: str) -> Callable[[Command], Command]:
    """The option ``--keep`` with a command's default."""
    return click.option(
        "--keep",
        type=click.Choice(["all", "outputs"]),
        default=default,
        show_default=True,
        help="Write the map of every layer to memory, or of the last one only.",
    )


def network_options(command: Command) -> Command:
    """NET and the options that say how it is prepared."""
    for option in (shift_option, weights_option, config_option, network_argument):
        command = option(command)
    return command


def load(net: str, *, outline: bool = False) -> "Network | FixedNetwork":
    """The network that a command line names; what its import has left out is told as warnings."""
    from hwshift.resolve import load_network

    network = load_network(net, outline=outline)
    if net.lower().endswith(".onnx"):
        for note in network.meta.get("notes", ()):
            click.echo(f"hwshift: warning: {net}: {note}", err=True)
    return network


def resolve(
    net: str, config: str, weights: str | None = None, shift: str | None = None
) -> tuple["FixedNetwork", "AcceleratorConfig"]:
    """The bound network and the configuration that a command line names."""
    from hwshift.compiler.shift_mode import with_shifts
    from hwshift.config import load_config
    from hwshift.resolve import prepare

    accelerator = load_config(config)
    bound = prepare(load(net), accelerator, weights)  # type: ignore[arg-type]
    return with_shifts(bound, shift), accelerator  # type: ignore[arg-type]


def stall_pattern(density: float, seed: int) -> "StallPattern | None":
    """Random stalls of that density; None for 0."""
    from hwshift.sim.stalls import StallPattern

    return StallPattern.random(density, seed) if density else None


def words_of(item: click.Parameter, value: object) -> list[str]:
    """A parameter with one value as on a command line; nothing where it has none."""
    if isinstance(item, click.Argument):
        return [str(value)]
    if value is None or value is False:
        return []
    return [
        item.opts[0],
        *([] if value is True else [f"{value:g}" if isinstance(value, float) else str(value)]),
    ]


def print_json(value: object) -> None:
    """One JSON value."""
    click.echo(json.dumps(value, indent=2))
