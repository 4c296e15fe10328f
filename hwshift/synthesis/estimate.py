"""Area and clock of a configuration in milliseconds, without a tool: a model that was fitted to runs of synthesis."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from hwshift.config import AcceleratorConfig
from hwshift.errors import ConfigError
from hwshift.synthesis.clock import Clock, clock_of
from hwshift.synthesis.memories import dsp_blocks, ram_blocks
from hwshift.synthesis.resources import Resources
from hwshift.synthesis.terms import TERMS, terms_of

__all__ = ["QUANTITIES", "AreaEstimate", "area_of", "check_fitted", "estimate", "fitted"]

QUANTITIES = ("lut", "ff", "carry", "lutram")
"""What is fitted; block RAMs and multiplier blocks are counted."""
_FOLDER = "data"


@dataclass(frozen=True)
class AreaEstimate:
    """What an accelerator takes of an FPGA, estimated.

    Members
    -------
    config : str
        Name of the configuration.
    target, device : str
        As `hwshift.synthesis.TARGETS` names them.
    blocks : dict of str to Resources
        By name of the block, as `hwshift.synthesis.synthesize` has them.
    clock : Clock
        The clock to expect, what limits it, and how far that is to be trusted.
    source : str
        What the model of area was fitted to: tool, version and date.
    """

    config: str
    target: str
    device: str
    blocks: dict[str, Resources]
    clock: Clock
    source: str

    @property
    def total(self) -> Resources:
        """All blocks."""
        return sum(self.blocks.values(), Resources())

    @property
    def fmax_mhz(self) -> float | None:
        """The clock to expect; None where there is nothing to go by, and ``clock.note`` says why."""
        return self.clock.fmax_mhz

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "config": self.config,
            "target": self.target,
            "device": self.device,
            "estimate": True,
            "fitted_to": self.source,
            "total": self.total.to_dict(),
            "blocks": {name: block.to_dict() for name, block in self.blocks.items()},
            "fmax_mhz": None if self.fmax_mhz is None else round(self.fmax_mhz, 1),
            "clock": self.clock.to_dict(),
        }


def fitted() -> tuple[str, ...]:
    """The targets that there is a model of."""
    folder = files(__package__) / _FOLDER
    return tuple(sorted(item.name[:-5] for item in folder.iterdir() if item.name.endswith(".json")))


def check_fitted(target: str) -> str:
    """A target that there is a model of; raises `ConfigError` for another name."""
    if target not in fitted():
        raise ConfigError(f"area is estimated for {', '.join(fitted())}, not for {target!r}")
    return target


@cache
def model(target: str) -> dict[str, Any]:
    """The fitted weights of a target, as `hwshift.synthesis.fit` writes them.

    Raises
    ------
    ConfigError
        Where there is none.
    """
    return json.loads((files(__package__) / _FOLDER / f"{check_fitted(target)}.json").read_text())


def estimate(config: AcceleratorConfig, target: str = "ecp5") -> AreaEstimate:
    """Area of every block, and the clock, of a configuration.

    Look-up tables, flip-flops and carry cells are sums of a few terms for each block (`hwshift.synthesis.terms`), whose
    weights were fitted to what Yosys makes of other configurations; block RAMs and multiplier blocks are counted from
    the shapes of memories and products. The clock is that of the slowest block or of the wires between blocks
    (`hwshift.synthesis.clock`). ``docs/synthesis.md`` says how far they are from synthesis, place and route.

    Parameters
    ----------
    config : AcceleratorConfig
    target : str
        One of `fitted`.

    Raises
    ------
    ConfigError
        For a target without a model.
    """
    known = model(target)
    blocks, device = area_of(config, target, known["weights"]), known["device"]
    clock = clock_of(config, sum(blocks.values(), Resources()), known.get("clock"), device)
    return AreaEstimate(config.name, target, device, blocks, clock, known["source"])


def area_of(
    config: AcceleratorConfig, target: str, weights: Mapping[str, Mapping[str, Mapping[str, float]]]
) -> dict[str, Resources]:
    """Resources of every block that the configuration has, by weights: block, quantity, term."""
    brams, dsps = ram_blocks(config, target), dsp_blocks(config, target)
    out = {}
    for block in TERMS:
        terms = terms_of(block, config)
        found = {
            quantity: round(sum(weight * terms[name] for name, weight in weights[block][quantity].items()))
            for quantity in QUANTITIES
        }
        out[block] = Resources(**found, bram=brams.get(block, 0), dsp=dsps.get(block, 0))
    return {name: taken for name, taken in out.items() if taken != Resources()}
