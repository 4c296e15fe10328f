"""The configurations that the estimator is fitted to, and the others that it is tested with."""

from typing import Any

from hwshift.config import PRESETS, AcceleratorConfig
from hwshift.golden.formats import Pow2Format, QFormat

__all__ = ["HELD_OUT", "TRAINING"]


def _shift(rows: int, columns: int, pixels: int = 1, act: str = "Q8.8", **fields: Any) -> AcceleratorConfig:
    return _config(rows, columns, pixels, "shift_add", act, fields)


def _mac(rows: int, columns: int, pixels: int = 1, act: str = "Q8.8", **fields: Any) -> AcceleratorConfig:
    weights = fields.pop("weights", act)
    return _config(rows, columns, pixels, "mac", act, fields | {"weights": QFormat.parse(weights)})


def _config(rows: int, columns: int, pixels: int, pe: Any, act: str, fields: dict) -> AcceleratorConfig:
    if "pow2" in fields:
        fields["weights"] = Pow2Format(*fields.pop("pow2"))
    words = {
        "guard": "G",
        "bus_width": "bus",
        "weight_rows": "W",
        "scale_digits": "digits",
        "row_taps": "taps",
    }
    told = [f"{word}={fields[key]}" for key, word in words.items() if fields.get(key) is not None]
    name = " ".join([f"{rows}x{columns}x{pixels}", pe, act, *told])
    return AcceleratorConfig(
        name=name, rows=rows, columns=columns, pixels=pixels, pe=pe, act=QFormat.parse(act), **fields
    )


TRAINING = (
    _shift(4, 4, bus_width=32, feature_depth=1024, scale_digits=2, acc_width=40),
    _mac(4, 4, bus_width=32, feature_depth=1024),
    PRESETS["4x4"],
    PRESETS["4x4-mac"],
    _shift(8, 4, guard=0, bus_width=64, weight_rows=2, scale_digits=3, max_pool=False, residual=False,
           acc_depth=64, feature_depth=512, lane_rows=64, acc_width=36),
    _mac(4, 4, 2, "Q4.12", weights="Q2.14", bus_width=32, weight_rows=4, feature_depth=2048, gates=True,
         acc_depth=256, acc_width=48),
    _shift(16, 4, act="Q4.8", guard=4, bus_width=128, weight_rows=4, feature_depth=2048, acc_depth=1024),
    _shift(4, 4, 4, "Q4.4", bus_width=32, scale_digits=1, feature_depth=256, weight_tiles=64, pow2=(-7, 0),
           acc_width=32),
    _mac(16, 4, act="Q6.6", weights="Q2.8", bus_width=64, sigmoid=True, feature_depth=4096, address_width=48,
         param_tiles=256),
    _shift(8, 8, 2, "Q8.8", guard=2, bus_width=128, feature_depth=1024, max_pool=False, gates=True),
    _mac(8, 4, act="Q12.12", weights="Q4.12", guard=4, bus_width=256, weight_rows=2, residual=False,
         ktile_entries=4096, weight_tiles=1024),
    _shift(32, 4, act="Q8.8", bus_width=512, weight_rows=1, feature_depth=512, scale_digits=2, lane_rows=512),
    _mac(8, 8, 4, "Q4.4", weights="Q2.6", bus_width=64, feature_depth=512, acc_depth=128, acc_width=36),
    _shift(4, 4, act="Q16.16", guard=0, bus_width=128, feature_depth=8192, sigmoid=True, address_width=64),
    _mac(8, 4, act="Q8.8", bus_width=64, feature_depth=1024, row_taps=True),
)  # fmt: skip
"""Every number of a configuration takes several values, and blocks stay small enough to map in minutes."""

HELD_OUT = (
    _shift(16, 8, act="Q6.10", guard=3, bus_width=64, weight_rows=2, feature_depth=4096, acc_width=44),
    _mac(8, 8, 2, "Q4.12", bus_width=128, feature_depth=2048, sigmoid=True),
    _mac(16, 4, 2, "Q8.8", weights="Q2.6", bus_width=256, weight_rows=4, feature_depth=1024, acc_depth=256,
         acc_width=40),
    _shift(8, 4, act="Q5.9", bus_width=32, pow2=(-7, 1), scale_digits=2, feature_depth=3072, acc_depth=1024,
           residual=False, acc_width=48),
    _shift(8, 4, 4, "Q8.8", guard=0, bus_width=128, gates=True, feature_depth=512, lane_rows=128),
    _mac(8, 4, act="Q16.16", weights="Q8.8", bus_width=32, feature_depth=4096, address_width=48, max_pool=False),
    _shift(32, 8, act="Q8.8", bus_width=128, weight_rows=4, feature_depth=1024, ktile_entries=2048),
    _mac(16, 16, act="Q8.8", bus_width=128, weight_rows=2, feature_depth=2048, param_tiles=128),
    PRESETS["8x8-mac"],
    PRESETS["8x8"],
)  # fmt: skip
"""No part of the fit has seen these."""
