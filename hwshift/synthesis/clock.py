"""The clock to expect: the slowest block's longest path, from a few terms that were fitted to placed blocks.

A block's delay is a constant and a few terms of what its paths grow with: bits of carry chains, levels of multiplexers,
fan-out. Blocks are placed alone, in seconds each; a core's paths are longer than
those of its blocks by a factor that follows from cores that were placed.
"""

from collections.abc import Callable, Mapping
from math import log2 as logarithm

from hwshift.config import AcceleratorConfig
from hwshift.synthesis.widths import column, log2, product_bits

__all__ = ["PATHS", "block_delays", "fmax_mhz"]

Terms = Mapping[str, float]


def _column(config: AcceleratorConfig) -> Terms:
    shifts = 2 if config.pe == "shift_add" else 0
    return {"fixed": 1, "carry bits": column(config).total, "levels of multiplexers": shifts,
            "multiplier": config.pe == "mac"}  # fmt: skip


def _accumulator(config: AcceleratorConfig) -> Terms:
    return {"fixed": 1, "carry bits": config.acc_width, "maximum": config.max_pool}


def _epilogue(config: AcceleratorConfig) -> Terms:
    digits = config.scale_digits is not None
    return {"fixed": 1, "carry bits": product_bits(config), "multiplier": not digits, "digits": digits}


def _lane(config: AcceleratorConfig) -> Terms:
    return {"fixed": 1, "bits of a word": log2(config.feature_depth), "pixels": config.pixels}


def _bank(config: AcceleratorConfig) -> Terms:
    return {"fixed": 1, "levels of sub-banks": log2(config.sub_banks),
            "levels of block RAM": logarithm(max(1, config.feature_depth * config.act.bits / 16384))}  # fmt: skip


def _port_b(config: AcceleratorConfig) -> Terms:
    return {"fixed": 1, "fan-out": logarithm(config.rows * config.sub_banks * config.act.bits)}


def _fixed(_config: AcceleratorConfig) -> Terms:
    return {"fixed": 1}


def _bursts(config: AcceleratorConfig) -> Terms:
    return {"fixed": 1, "address bits": config.address_width}


PATHS: dict[str, Callable[[AcceleratorConfig], Terms]] = {
    "column": _column,
    "accumulator lane": _accumulator,
    "epilogue": _epilogue,
    "lane address": _lane,
    "bank": _bank,
    "port B": _port_b,
    "sequencer": _fixed,
    "pass generator": _fixed,
    "weight fetch": _fixed,
    "bursts": _bursts,
}
"""The blocks that are placed alone, by name, with what their delay grows with."""


def block_delays(config: AcceleratorConfig, weights: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Delay of every block that has weights, in ns."""
    return {
        name: sum(weights[name].get(term, 0.0) * value for term, value in terms(config).items())
        for name, terms in PATHS.items()
        if name in weights
    }


def fmax_mhz(config: AcceleratorConfig, clock: Mapping | None) -> float | None:
    """The clock in MHz; None without a fitted model.

    Parameters
    ----------
    config : AcceleratorConfig
    clock : mapping or None
        ``weights``: of every block in `PATHS` (ns), and ``core``: how much longer a core's slowest path is than that
        of its slowest block.
    """
    if not clock:
        return None
    return 1e3 / (clock["core"] * max(block_delays(config, clock["weights"]).values()))
