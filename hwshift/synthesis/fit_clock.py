"""Fits the model of the clock: ``python -m hwshift.synthesis.fit_clock``; adds it to what `fit` wrote."""

import json
from collections.abc import Iterable
from pathlib import Path
from statistics import geometric_mean
from typing import Any

import click

from hwshift.cache import cache_dir
from hwshift.config import PRESETS, AcceleratorConfig, load_config
from hwshift.golden.formats import QFormat
from hwshift.progress import Progress, Stage, silent
from hwshift.rtl.accumulator import AccumulatorLane
from hwshift.rtl.array import Column
from hwshift.rtl.bursts import Bursts
from hwshift.rtl.epilogue import Epilogue
from hwshift.rtl.export import convert, without_contents
from hwshift.rtl.lane_address import LaneAddress
from hwshift.rtl.pass_generator import PassGenerator
from hwshift.rtl.sequencer import Sequencer
from hwshift.rtl.shift_buffer import Bank, PortB
from hwshift.rtl.weight_fetch import WeightFetch
from hwshift.synthesis.clock import PATHS, fmax_mhz
from hwshift.synthesis.fit import DATA, fit_terms
from hwshift.synthesis.place import place, place_core
from hwshift.synthesis.verilog import plain_names, unique_modules
from hwshift.writing import replace_file

__all__ = ["BLOCKS", "TRAINING", "delay_of", "fit_blocks"]

BLOCKS = {
    "column": Column,
    "accumulator lane": AccumulatorLane,
    "epilogue": Epilogue,
    "lane address": LaneAddress,
    "bank": Bank,
    "port B": PortB,
    "sequencer": Sequencer,
    "pass generator": PassGenerator,
    "weight fetch": WeightFetch,
    "bursts": Bursts,
}
"""What makes each block of `hwshift.synthesis.clock.PATHS`."""

_SMALL: dict[str, Any] = {"act": QFormat(8, 8), "bus_width": 32, "feature_depth": 1024}
TRAINING = (
    AcceleratorConfig(name="small", acc_width=40, scale_digits=2, **_SMALL),
    AcceleratorConfig(name="small mac", pe="mac", weights=QFormat(2, 14), **_SMALL),
    AcceleratorConfig(name="two pixels", pixels=2, acc_width=48, scale_digits=4, **_SMALL),
    PRESETS["4x4"],
    PRESETS["4x4-mac"],
)
"""The configurations whose blocks are placed; blocks that are alike are placed once."""


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


def fit_clock(
    cores: Iterable[tuple[AcceleratorConfig, float]], folder: Path, progress: Progress = silent
) -> dict[str, Any]:
    """The model: blocks placed alone, and the factor from cores with a clock in MHz that was measured."""
    samples = []
    for done, config in enumerate(TRAINING):
        for place_, name in enumerate(BLOCKS):
            at = done * len(BLOCKS) + place_
            progress(Stage(f"placing {name} of {config.name}", at, len(TRAINING) * len(BLOCKS)))
            samples.append((name, config, delay_of(name, config, folder)))
    weights = fit_blocks(samples)
    alone = {"core": 1.0, "weights": weights}
    measured = [(config, mhz) for config, mhz in cores]
    factors = [(fmax_mhz(config, alone) or mhz) / mhz for config, mhz in measured]
    return {
        "weights": weights,
        "core": round(geometric_mean(factors), 4) if factors else 1.0,
        "cores": {config.name: mhz for config, mhz in measured},
        "blocks": [[name, config.name, round(delay, 3)] for name, config, delay in samples],
    }


@click.command()
@click.option("--core", "cores", metavar="CFG", multiple=True, help="Also place this core, which takes long.")
@click.option("--measured", metavar="CFG=MHZ", multiple=True, help="A core that was placed before.")
def main(cores: tuple[str, ...], measured: tuple[str, ...]) -> None:
    """Place blocks, fit, and put the model into the data file of ECP5."""
    pairs = [(load_config(name), float(mhz)) for name, _, mhz in (item.partition("=") for item in measured)]
    pairs += [(config, place_core(config)[0].fmax_mhz) for config in map(load_config, cores)]
    path = DATA / "ecp5.json"
    clock = fit_clock(pairs, cache_dir(), lambda text: click.echo(text, err=True))
    data = json.loads(path.read_text()) | {"clock": clock}
    replace_file(path, (json.dumps(data, indent=1) + "\n").encode())
    for name, config, mhz in ((config.name, config, mhz) for config, mhz in pairs):
        click.echo(f"{name}: {mhz:.1f} MHz placed, {fmax_mhz(config, clock):.1f} estimated")


if __name__ == "__main__":
    main()
