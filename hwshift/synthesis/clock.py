"""The clock to expect, without a tool: what the slowest block allows, or the wires between blocks.

A block's delay is a constant and a few terms of what its paths grow with: bits of carry chains, parts of a product.
Within a core it is what it is alone; what lies between blocks, control above all, is wires, longer in a larger core.
`hwshift.synthesis.fit_clock` fits to blocks placed alone and to cores placed and routed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hwshift.config import AcceleratorConfig
from hwshift.synthesis.memories import multipliers
from hwshift.synthesis.resources import Resources
from hwshift.synthesis.widths import column, log2, product_bits

__all__ = ["BETWEEN", "LIMITS", "PATHS", "Clock", "between_terms", "block_delays", "clock_of", "core_delays"]

Terms = Mapping[str, float]
BETWEEN = "wires between blocks"
"""What limits a core whose blocks are all faster."""
LIMITS = {"lut": 83640, "bram": 208, "dsp": 156}
"""What the device holds that cores were routed on, an LFE5U-85."""
_TITLES = {"lut": "LUTs", "bram": "block RAMs", "dsp": "DSP blocks"}


@dataclass(frozen=True)
class Clock:
    """The clock to expect.

    Members
    -------
    fmax_mhz : float or None
        None where there is nothing to go by; ``note`` says why.
    limit : str or None
        Of `PATHS` the block that limits it, or `BETWEEN`.
    beyond : bool
        Whether the core is smaller or larger than those that were routed.
    note : str
        What the figure rests on, or why there is none.
    """

    fmax_mhz: float | None
    limit: str | None
    beyond: bool
    note: str

    def __str__(self) -> str:
        """In a line."""
        return self.note if self.fmax_mhz is None else f"about {self.fmax_mhz:.0f} MHz on {self.note}"

    def to_dict(self) -> dict[str, Any]:
        """For JSON; `fmax_mhz` stands beside it."""
        return {"limit": self.limit, "beyond_what_was_routed": self.beyond, "note": self.note}


def _column(config: AcceleratorConfig) -> Terms:
    parts = multipliers(config.act.bits, config.weights.bits, "ecp5") if config.pe == "mac" else 1
    return {"fixed": 1, "carry bits": column(config).total, "parts added": parts - 1,
            "further pixels": config.pixels - 1}  # fmt: skip


def _epilogue(config: AcceleratorConfig) -> Terms:
    digits = config.scale_digits is not None
    return {"fixed": 1, "carry bits of digits": digits * product_bits(config), "multipliers": int(not digits),
            "sigmoid": int(config.sigmoid)}  # fmt: skip


def _bank(config: AcceleratorConfig) -> Terms:
    return {"fixed": 1, "levels of sub-banks": log2(config.sub_banks)}


PATHS: dict[str, Callable[[AcceleratorConfig], Terms]] = {
    "column": _column,
    "epilogue": _epilogue,
    "bank": _bank,
}
"""The blocks that can be slower than the wires between blocks, with what their delay grows with."""


def block_delays(config: AcceleratorConfig, weights: Mapping[str, Terms]) -> dict[str, float]:
    """Delay of every block that has weights, placed alone, in ns."""
    return {name: _sum(terms(config), weights[name]) for name, terms in PATHS.items() if name in weights}


def between_terms(area: Resources) -> Terms:
    """What the wires between the blocks of a core of this size grow with."""
    return {"fixed": 1, "thousand LUTs": area.lut / 1000}


def core_delays(config: AcceleratorConfig, area: Resources, model: Mapping[str, Any]) -> dict[str, float]:
    """Delays within a core that takes ``area``, in ns: of every block, and `BETWEEN`."""
    return block_delays(config, model["weights"]) | {BETWEEN: _sum(between_terms(area), model["between"])}


def clock_of(
    config: AcceleratorConfig, area: Resources, model: Mapping[str, Any] | None, device: str
) -> Clock:
    """The clock to expect of a configuration that takes ``area``.

    Parameters
    ----------
    config : AcceleratorConfig
    area : Resources
        Of the whole core.
    model : mapping or None
        As `hwshift.synthesis.fit_clock` writes it; None: no core was routed for this device.
    device : str
        Its name, for the note.
    """
    if model is None:
        return Clock(
            None, None, False, f"no core was placed and routed for {device}, so no clock is estimated"
        )
    name = model["device"]
    over = [f"{getattr(area, key):,g} of {most:,} {_TITLES[key]}"
            for key, most in LIMITS.items() if getattr(area, key) > most]  # fmt: skip
    if over:
        return Clock(None, None, True, f"does not fit {name}: {', '.join(over)}; so no clock is estimated")
    delays = core_delays(config, area, model)
    limit = max(delays, key=lambda found: delays[found])
    note = f"{name}; limited by {limit if limit == BETWEEN else f'the block {limit}'}; fitted to {model['source']}"
    reach = model["reach"]
    beyond = not all(low <= getattr(area, key) <= high for key, (low, high) in reach.items())
    if beyond:
        taken = " and ".join(f"{low:,g} to {high:,g} {_TITLES[key]}" for key, (low, high) in reach.items())
        note += f"; extrapolated: the cores that were routed take {taken}"
    return Clock(1e3 / delays[limit], limit, beyond, note)


def _sum(terms: Terms, weights: Terms) -> float:
    return sum(weights.get(name, 0.0) * value for name, value in terms.items())
