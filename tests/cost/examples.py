"""Compiled networks that the tests of cost and reports share."""

from functools import cache

import numpy as np

from hwshift.compiler import compile as compile_network
from hwshift.config import PRESETS
from hwshift.network.random import csc_network, mixed_network
from hwshift.resolve import prepare

__all__ = ["CASES", "example"]

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
def example(network, config, keep="all"):
    """The bound network, its program and an input of seeded noise."""
    fixed = prepare(_NETWORKS[network](), _CONFIGS[config])
    codes = np.random.default_rng(5).integers(-(1 << 16), 1 << 16, fixed.input.shape)
    return fixed, compile_network(fixed, _CONFIGS[config], keep=keep), codes
