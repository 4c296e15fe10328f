"""Fits the model of the clock: ``python -m hwshift.synthesis.fit_clock [--page docs/synthesis.md]``.

Adds it to what `hwshift.synthesis.fit` wrote. Placements are kept (`hwshift.synthesis.place`), so what was placed
before is not placed again; a core takes minutes to tens of them with native programs.
"""

import datetime
import itertools
import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from hwshift.cache import cache_dir
from hwshift.config import PRESETS, AcceleratorConfig
from hwshift.golden.formats import QFormat
from hwshift.progress import Progress, Stage, silent
from hwshift.rtl.array import Column
from hwshift.rtl.epilogue import Epilogue
from hwshift.rtl.export import convert, without_contents
from hwshift.rtl.shift_buffer import Bank
from hwshift.synthesis.clock import PATHS, between_terms, block_delays, core_delays
from hwshift.synthesis.estimate import area_of
from hwshift.synthesis.fit import DATA, fit_terms, into_page
from hwshift.synthesis.place import place, place_core
from hwshift.synthesis.resources import Resources
from hwshift.synthesis.training import HELD_OUT as UNSEEN
from hwshift.synthesis.training import TRAINING as SEEN
from hwshift.synthesis.verilog import plain_names, unique_modules
from hwshift.writing import replace_file

Weights = Mapping[str, Mapping[str, float]]

__all__ = [
    "BLOCKS",
    "CORES",
    "HELD_OUT",
    "PLACED",
    "area_within",
    "delay_of",
    "error_table",
    "errors",
    "fit_blocks",
    "fit_core",
]

BLOCKS = {"column": Column, "epilogue": Epilogue, "bank": Bank}
"""What makes each block of `hwshift.synthesis.clock.PATHS`."""

_LISTS = {config.name: config for config in (*SEEN, *UNSEEN)}
_SMALL: dict[str, Any] = {"act": QFormat(8, 8), "bus_width": 32, "feature_depth": 1024}
_DIGITS = _LISTS["4x4x1 shift_add Q8.8 bus=32 digits=2"]

PLACED = (
    _DIGITS,
    AcceleratorConfig(name="small mac", pe="mac", weights=QFormat(2, 14), **_SMALL),
    AcceleratorConfig(name="narrow mac", pe="mac", weights=QFormat(8, 16), acc_width=36, **_SMALL),
    AcceleratorConfig(name="two pixels", pixels=2, acc_width=48, scale_digits=4, **_SMALL),
    PRESETS["4x4"],
    PRESETS["4x4-mac"],
)
"""The configurations whose blocks are placed alone; blocks that are alike are placed once."""
CORES = (_DIGITS, PRESETS["4x4"])
"""The cores that the rest is fitted to."""
HELD_OUT = tuple(_LISTS[name] for name in (
    "8x4x1 shift_add Q5.9 bus=32 digits=2",
    "8x4x1 mac Q8.8 bus=64 taps=True",
    "4x4x1 mac Q8.8 bus=32",
))  # fmt: skip
"""No part of the fit has seen these cores."""


def delay_of(name: str, config: AcceleratorConfig, folder: Path) -> float:
    """The longest path between registers of a block that is placed alone, in ns; ``folder`` keeps it."""
    text = unique_modules(plain_names(without_contents(convert(BLOCKS[name](config), "block"))))
    (run,) = place(text, "block", "clk", build_dir=folder)
    return 1e3 / run.fmax_mhz


def fit_blocks(samples: Iterable[tuple[str, AcceleratorConfig, float]]) -> dict[str, dict[str, float]]:
    """Weights by block and term, none negative, from delays in ns."""
    samples, out = list(samples), {}
    for name in dict.fromkeys(name for name, _, _ in samples):
        own = [(PATHS[name](config), delay) for block, config, delay in samples if block == name]
        out[name] = fit_terms([row for row, _ in own], [delay for _, delay in own])
    return out


def fit_core(
    cores: Sequence[tuple[AcceleratorConfig, Resources, float]], weights: Weights
) -> dict[str, dict[str, float]]:
    """Weights of what lies between blocks, which blocks alone do not tell: from cores slower than all their blocks.

    Parameters
    ----------
    cores : sequence of (AcceleratorConfig, Resources, float)
        Each with its area and the ns of the slowest path after routing.
    weights : mapping
        Of blocks, as `fit_blocks` finds them.
    """
    slower = [
        (between_terms(area), ns)
        for config, area, ns in cores
        if max(block_delays(config, weights).values()) < ns
    ]
    return {"between": fit_terms([terms for terms, _ in slower], [ns for _, ns in slower]) if slower else {}}


def fit_clock(area: Mapping[str, Any], folder: Path, progress: Progress = silent) -> dict[str, Any]:
    """The model and what it was made from, by the area model of the same device; places what is not in ``folder``."""
    samples: list[tuple[str, AcceleratorConfig, float]] = []
    total = len(PLACED) * len(BLOCKS) + len(CORES) + len(HELD_OUT)
    for config, name in itertools.product(PLACED, BLOCKS):
        progress(Stage(f"placing {name} of {config.name}", len(samples), total))
        samples.append((name, config, round(delay_of(name, config, folder), 3)))
    routed: dict[str, dict[str, Any]] = {}
    for config in (*CORES, *HELD_OUT):
        progress(Stage(f"placing {config.name}", len(samples) + len(routed), total))
        run = place_core(config, build_dir=folder)[0].to_dict()
        routed[config.name] = {key: value for key, value in run.items() if key != "path"}
    areas = {config.name: area_within(config, area) for config in (*CORES, *HELD_OUT)}
    weights = fit_blocks(samples)
    cores = [(config, areas[config.name], 1e3 / routed[config.name]["fmax_mhz"]) for config in CORES]
    tools = {run["tools"] for run in routed.values()}
    today = datetime.datetime.now(datetime.UTC).date()
    return {
        "device": "an LFE5U-85F of speed grade 6",
        "source": f"{', '.join(sorted(tools))}, seed 1, {today}, {len(CORES)} cores",
        "reach": {key: _ends(getattr(item, key) for item in areas.values()) for key in ("lut", "bram")},
        "weights": weights,
        **fit_core(cores, weights),
        "blocks": [[name, config.name, delay] for name, config, delay in samples],
        "routed": {
            which: {config.name: routed[config.name] for config in configs}
            for which, configs in (("training", CORES), ("held_out", HELD_OUT))
        },
    }  # fmt: skip


def _ends(values: Iterable[float]) -> list[float]:
    found = list(values)
    return [min(found), max(found)]


def area_within(config: AcceleratorConfig, area: Mapping[str, Any]) -> Resources:
    """What a core takes by an area model."""
    return sum(area_of(config, area["target"], area["weights"]).values(), Resources())


def errors(data: Mapping[str, Any], which: str = "held_out") -> list[tuple[str, float, float]]:
    """Configuration, MHz after routing, MHz estimated: of every core of a list."""
    named, out = {config.name: config for config in (*CORES, *HELD_OUT)}, []
    for name, run in data["clock"]["routed"][which].items():
        delays = core_delays(named[name], area_within(named[name], data), data["clock"])
        out.append((name, run["fmax_mhz"], 1e3 / max(delays.values())))
    return out


def error_table(data: Mapping[str, Any]) -> str:
    """What was routed beside what is estimated, as a table in Markdown."""
    clock, rows = data["clock"], []
    for which, fitted in (("held_out", "no"), ("training", "yes")):
        for name, made, told in errors(data, which):
            cells = clock["routed"][which][name]["utilization"]["TRELLIS_COMB"]
            rows.append(
                f"| {name} | {fitted} | {cells:,} | {made:.1f} | {told:.1f} | {told / made - 1:+.1%} |"
            )
    sizes = [abs(told / made - 1) for _, made, told in errors(data)]
    title = (
        f"On {clock['device']}, fitted to {clock['source']}, tested on {len(sizes)} others; estimated over routed, "
        f"minus 1:"
    )
    head = [
        "| configuration | in the fit | TRELLIS_COMB | MHz, routed | MHz, estimated | |",
        "|---|---|---|---|---|---|",
    ]
    size = f"median {statistics.median(sizes):.1%} | worst {max(sizes):.1%}"
    last = f"| **size of the error, not in the fit** | | | | {size} |"
    return "\n".join([title, "", *head, *rows, last]).replace("%", " %")


@click.command()
@click.option(
    "--page", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Put the errors there, too."
)
def main(page: Path | None) -> None:
    """Place blocks and cores, fit, put the model into the data file of ECP5 and print the errors."""
    path = DATA / "ecp5.json"
    data = json.loads(path.read_text())
    data["clock"] = fit_clock(data, cache_dir(), lambda text: click.echo(text, err=True))
    replace_file(path, (json.dumps(data, indent=1) + "\n").encode())
    click.echo(error_table(data))
    if page is not None:
        into_page(page, "clock", error_table(data))


if __name__ == "__main__":
    main()
