"""The one parameter object: golden model, compiler, simulators, RTL, cost and documents all read it."""

import dataclasses
import hashlib
import json
import tomllib
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from hwshift.errors import ConfigError
from hwshift.golden.formats import Arithmetic, PeKind, Pow2Format, QFormat

__all__ = ["DEPTHS", "PRESETS", "AcceleratorConfig", "load_config"]

_SIZES = (4, 8, 16, 32)
_OPTIONS = ("sigmoid", "gates", "row_taps")
"""Fields that came later: where they are off, the hardware and the hash are what they were without them."""


DEPTHS = {
    "feature_depth": (16, 1 << 15),
    "weight_tiles": (2, 1 << 15),
    "acc_depth": (4, 1 << 12),
    "ktile_entries": (16, 1 << 15),
    "lane_rows": (4, 1 << 12),
    "param_tiles": (2, 1 << 12),
}
"""Least and greatest depth of every on-chip memory."""


@dataclass(frozen=True)
class AcceleratorConfig:
    """Everything that can be chosen about an accelerator.

    Parameters
    ----------
    name : str
        Shown in reports and in the Verilog header.
    rows, columns : int
        R input lanes and C output columns of the array, each in 4, 8, 16, 32; C divides R.
    pixels : int
        P output pixels per step: 1, 2 or 4.
    pe : "shift_add" or "mac"
    act : QFormat
        Activations.
    weights : QFormat (mac) or Pow2Format (shift_add)
    guard, acc_width, scale_digits
        As in `hwshift.golden.formats.Arithmetic`; guard and acc_width default to exact.
    feature_depth : int
        Words per sub-bank of the shift buffer, a multiple of 16; its capacity is R * 2P * feature_depth activations.
    weight_tiles : int
        R x C weight tiles the weight ring holds.
    acc_depth : int
        T: accumulator words per column and pixel lane, the longest chunk in steps.
    weight_rows : int
        W_r: weight rows loaded into the array per cycle: 1, 2 or 4.
    ktile_entries, lane_rows, param_tiles : int
        Depths of the k-tile table, lane table and epilogue parameter buffer.
    bus_width : int
        AXI data bits: 32 to 512, at most one vector (R activations in memory).
    address_width : int
        AXI address bits, 40 to 64.
    max_pool, residual : bool
        Whether the array can accumulate a maximum, and whether the epilogue can add a residual.
    sigmoid : bool
        Whether the epilogue has the sigmoid's table: 1024 entries of block RAM for every two of its C * P lanes.
    gates : bool
        Whether maps can be stored as epilogue scales, for squeeze-and-excite; not with scale_digits.
    row_taps : bool
        Whether a step of a depthwise layer can sum three taps of a row (`hwshift.program.row_taps`); pixels must be 1.
    """

    name: str = "custom"
    rows: int = 4
    columns: int = 4
    pixels: int = 1
    pe: PeKind = "shift_add"
    act: QFormat = QFormat()
    weights: QFormat | Pow2Format = None  # type: ignore[assignment]  # by pe
    guard: int = None  # type: ignore[assignment]  # __post_init__ puts the exact value
    acc_width: int = None  # type: ignore[assignment]  # likewise
    scale_digits: int | None = None
    feature_depth: int = 4096
    weight_tiles: int = 256
    acc_depth: int = 512
    weight_rows: int = 1
    ktile_entries: int = 1024
    lane_rows: int = 256
    param_tiles: int = 64
    bus_width: int = 64
    address_width: int = 40
    max_pool: bool = True
    residual: bool = True
    sigmoid: bool = False
    gates: bool = False
    row_taps: bool = False
    arithmetic: Arithmetic = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.weights is None:
            object.__setattr__(self, "weights", QFormat() if self.pe == "mac" else Pow2Format())
        self._check_types()
        arithmetic = Arithmetic(
            self.pe, self.act, self.weights, self.guard, self.acc_width, self.scale_digits
        )
        object.__setattr__(self, "arithmetic", arithmetic)
        object.__setattr__(self, "guard", arithmetic.guard)
        object.__setattr__(self, "acc_width", arithmetic.acc_width)
        self._check_one_of("rows", _SIZES)
        self._check_one_of("columns", _SIZES)
        self._check_one_of("pixels", (1, 2, 4))
        self._check_one_of("weight_rows", (1, 2, 4))
        self._check_one_of("bus_width", (32, 64, 128, 256, 512))
        if self.rows % self.columns:
            raise ConfigError(
                f"columns must divide rows: {self.columns} does not divide {self.rows}", where="columns"
            )
        if self.bus_width > self.vector_bits:
            raise ConfigError(
                f"bus_width must be at most one vector, rows * storage bits = {self.rows} * "
                f"{self.act.storage_bits} = {self.vector_bits}, not {self.bus_width}",
                where="bus_width",
            )
        for name, (low, high) in DEPTHS.items():
            self._check_range(name, low, high)
        self._check_range("address_width", 40, 64)
        if self.gates and self.scale_digits is not None:
            raise ConfigError(
                "gates are multiplied with, which an epilogue with scale_digits cannot: leave one of them out",
                where="gates",
            )
        if self.row_taps and self.pixels != 1:
            raise ConfigError(
                f"row_taps takes the pixel of one step after the other: pixels must be 1, not {self.pixels}",
                where="row_taps",
            )
        if self.feature_depth % 16:
            raise ConfigError(
                f"feature_depth must be a multiple of 16, not {self.feature_depth}", where="feature_depth"
            )
        for name in ("acc_depth", "ktile_entries", "lane_rows", "param_tiles"):
            value = getattr(self, name)
            if value & (value - 1):
                raise ConfigError(f"{name} must be a power of two, not {value}", where=name)

    def _check_types(self) -> None:
        if not isinstance(self.name, str) or not self.name.isprintable():
            raise ConfigError(f"name must be one line of text, not {self.name!r}", where="name")
        if not isinstance(self.act, QFormat):
            raise ConfigError(f"act must be a format such as Q16.16, not {self.act!r}", where="act")
        for name in ("max_pool", "residual", *_OPTIONS):
            if not isinstance(getattr(self, name), bool):
                raise ConfigError(f"{name} must be true or false, not {getattr(self, name)!r}", where=name)
        for name in ("guard", "acc_width", "scale_digits"):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
                raise ConfigError(f"{name} must be an integer or left out, not {value!r}", where=name)

    def _check_one_of(self, name: str, allowed: tuple[int, ...]) -> None:
        value = getattr(self, name)
        if isinstance(value, bool) or not isinstance(value, int) or value not in allowed:
            raise ConfigError(
                f"{name} must be one of {', '.join(map(str, allowed))}, not {value!r}", where=name
            )

    def _check_range(self, name: str, low: int, high: int) -> None:
        value = getattr(self, name)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ConfigError(f"{name} must be an integer in {low}..{high}, not {value!r}", where=name)

    # -- widths that follow --------------------------------------------------------------------------------

    @property
    def vector_bits(self) -> int:
        """Bits of one vector (R activations) in memory."""
        return self.rows * self.act.storage_bits

    @property
    def beat_bytes(self) -> int:
        """Bytes of one bus beat."""
        return self.bus_width // 8

    @property
    def beat_elements(self) -> int:
        """Activations in one bus beat."""
        return self.bus_width // self.act.storage_bits

    @property
    def vector_beats(self) -> int:
        """Beats of one vector."""
        return self.vector_bits // self.bus_width

    @property
    def sub_banks(self) -> int:
        """Sub-banks per bank: 2P; pixel x lies in sub-bank x mod 2P."""
        return 2 * self.pixels

    @property
    def groups(self) -> int:
        """Column groups that fill the banks: R / C."""
        return self.rows // self.columns

    @property
    def code_bits(self) -> int:
        """Bits of a weight in memory."""
        return self.weights.bits

    @property
    def chip_code_bits(self) -> int:
        """Bits of a weight on the chip: powers of two have a zero bit beside the code."""
        return self.code_bits + (self.pe == "shift_add")

    @property
    def weight_word_bits(self) -> int:
        """Bits the loader assembles per weight-buffer word: W_r rows of C codes."""
        return min(self.weight_rows, self.rows) * self.columns * self.code_bits

    @property
    def tile_words(self) -> int:
        """Weight-buffer words, and cycles to load, of one R x C tile: R / W_r."""
        return self.rows // self.weight_rows

    @property
    def tile_beats(self) -> int:
        """Bus beats of one weight tile, padded to whole beats."""
        return -(-self.rows * self.columns * self.code_bits // self.bus_width)

    @property
    def param_beats(self) -> int:
        """Bus beats of the epilogue parameters (64 bits each) of C channels."""
        return max(1, self.columns * 64 // self.bus_width)

    @property
    def gate_beats(self) -> int:
        """Bus beats of one vector (R activations) stored as epilogue parameters."""
        return self.groups * self.param_beats

    @property
    def lane_beats(self) -> int:
        """Bus beats of one lane-table row (R entries of 32 bits)."""
        return self.rows * 32 // self.bus_width

    @property
    def multiplier_free(self) -> bool:
        """Whether the design holds no multiplier at all."""
        return self.pe == "shift_add" and self.scale_digits is not None

    # -- identity ------------------------------------------------------------------------------------------

    def to_dict(self) -> dict:
        """Plain values, as written in a TOML file."""
        out = {}
        for item in dataclasses.fields(self):
            if not item.init:
                continue
            value = getattr(self, item.name)
            if isinstance(value, QFormat):
                value = str(value)
            elif isinstance(value, Pow2Format):
                value = [value.p_min, value.p_max]
            out[item.name] = value
        return out

    @classmethod
    def from_dict(cls, values: dict) -> "AcceleratorConfig":
        """Inverse of `to_dict`. Raises `ConfigError` for unknown or malformed fields."""
        known = {item.name for item in dataclasses.fields(cls) if item.init}
        unknown = sorted(set(values) - known)
        if unknown:
            raise ConfigError(f"unknown field {unknown[0]!r}; allowed: {', '.join(sorted(known))}")
        data = dict(values)
        for name in ("act", "weights"):
            if isinstance(data.get(name), str):
                try:
                    data[name] = QFormat.parse(data[name])
                except ConfigError as error:
                    raise ConfigError(error.message, where=name) from None
        weights = data.get("weights")
        if isinstance(weights, list):
            if len(weights) != 2 or not all(isinstance(value, int) for value in weights):
                raise ConfigError(
                    f"pow2 weights are written [p_min, p_max], not {weights!r}", where="weights"
                )
            data["weights"] = Pow2Format(*weights)
        return cls(**data)

    @cached_property
    def hash(self) -> int:
        """32 bits that identify every field except the name; programs carry it."""
        values = {key: value for key, value in self.to_dict().items() if key != "name"}
        values = {key: value for key, value in values.items() if value or key not in _OPTIONS}
        text = json.dumps(values, sort_keys=True)
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "little")

    def with_(self, **changes: Any) -> "AcceleratorConfig":
        """A copy with fields replaced; guard and acc_width fall back to exact when pe or weights change."""
        if {"pe", "weights"} & set(changes):
            changes = {"weights": None, "guard": None, "acc_width": None} | changes
        return replace(self, **changes)

    def with_array(self, pe: PeKind, **changes: Any) -> "AcceleratorConfig":
        """A copy with the other kind of PE and the epilogue that presets have beside it."""
        return self.with_(pe=pe, **(_EPILOGUES[pe] | changes))


_EPILOGUES: dict[PeKind, dict[str, Any]] = {
    "shift_add": {"scale_digits": 4, "sigmoid": False, "gates": False},
    "mac": {"scale_digits": None, "sigmoid": True, "gates": True},
}
"""An array without multipliers has an epilogue without them."""


def _preset(name: str, size: int, pixels: int, pe: PeKind, **fields: Any) -> AcceleratorConfig:
    return AcceleratorConfig(
        name=name, rows=size, columns=size, pixels=pixels, pe=pe, **_EPILOGUES[pe], **fields
    )


def _presets() -> dict[str, AcceleratorConfig]:
    shapes = {
        "4x4": (4, 1, {"bus_width": 64, "feature_depth": 4096}),
        "8x8": (8, 1, {"bus_width": 64, "feature_depth": 4096}),
        "16x16": (16, 1, {"bus_width": 128, "feature_depth": 8192}),
        "32x32": (32, 1, {"bus_width": 256, "feature_depth": 4096}),
        "16x16x4": (16, 4, {"bus_width": 128, "feature_depth": 2048}),
    }
    out = {}
    for name, (size, pixels, fields) in shapes.items():
        out[name] = _preset(name, size, pixels, "shift_add", **fields)
        out[f"{name}-mac"] = _preset(f"{name}-mac", size, pixels, "mac", **fields)
    return out


PRESETS: dict[str, AcceleratorConfig] = _presets()
"""The named configurations: shift_add (multiplier-free), and ``-mac`` with fixed-point multipliers."""


def load_config(text: str | Path) -> AcceleratorConfig:
    """A preset's name or a TOML file. In a file ``preset = "8x8"`` gives the values it does not set.

    Raises
    ------
    ConfigError
        Unknown preset, unreadable file, unknown or invalid field; names the file.
    """
    if str(text) in PRESETS:
        return PRESETS[str(text)]
    path = Path(text)
    if not path.is_file():
        raise ConfigError(f"no preset or TOML file named {str(text)!r}; presets: {', '.join(PRESETS)}")
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise ConfigError(f"{path} is not readable as TOML: {error}") from error
    preset = values.pop("preset", None)
    if preset is not None and (not isinstance(preset, str) or preset not in PRESETS):
        raise ConfigError(f"unknown preset {preset!r}; presets: {', '.join(PRESETS)}", where=str(path))
    base = PRESETS[preset].to_dict() if preset else {}
    if preset and {"pe", "weights"} & set(values):
        for name in ("weights", "guard", "acc_width"):
            base.pop(name, None)
    base.pop("name", None)
    try:
        return AcceleratorConfig.from_dict({"name": path.stem} | base | values)
    except ConfigError as error:
        field = "" if error.where is None or error.where in error.message else f": {error.where}"
        raise ConfigError(error.message, where=f"{path}{field}") from None
