"""Compiled networks that the tests of cost and reports share."""

from functools import cache

import numpy as np

from hwshift.compiler import compile as compile_network
from hwshift.config import PRESETS
from hwshift.cost.analysis import analyse_program
from hwshift.network.random import csc_network, mixed_network
from hwshift.resolve import prepare

__all__ = ["CASES", "analysis", "example"]

CASES = [
    ("csc", "8x8"),
    ("csc", "8x8-mac"),
    ("csc", "16x16x4"),
    ("csc", "narrow"),
    ("mixed", "8x8"),
    ("mixed", "8x8-mac"),
    ("mixed", "16x16x4-mac"),
    ("mixed", "narrow"),
]
"""Networks and configurations."""

_NETWORKS = {
    "csc": lambda: csc_network(12, 14, 14, modules=2, stride2=(1,), seed=3),
    "mixed": lambda: mixed_network(1),
}
_CONFIGS = {
    **PRESETS,
    "narrow": PRESETS["8x8"].with_(
        name="narrow", columns=4, pixels=2, feature_depth=512, acc_depth=64, bus_width=128
    ),
}


@cache
def example(network, config, keep="all", small=False):
    """The bound network, its program and an input of seeded noise; small: a few hundred cycles on 4x4."""
    source = csc_network(4, 4, 4, 1, classes=3, seed=1) if small else _NETWORKS[network]()
    fixed = prepare(source, _CONFIGS[config])
    codes = np.random.default_rng(5).integers(-(1 << 16), 1 << 16, fixed.input.shape)
    return fixed, compile_network(fixed, _CONFIGS[config], keep=keep), codes


@cache
def analysis(network, config, keep="all", memory=None, small=False):
    """Everything about the cost of an example."""
    fixed, program, _ = example(network, config, keep, small)
    return analyse_program(program, fixed, memory=memory)
