"""The figures that papers print about their networks, beside those of the networks built here."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from functools import cache
from pathlib import Path

from hwshift.errors import NetworkError
from hwshift.zoo.catalog import build, names
from hwshift.zoo.measures import Measures, legacy_count, measure

__all__ = [
    "FIGURES",
    "Figure",
    "agreement",
    "figures",
    "figures_of",
    "has_legacy_count",
    "legacy_of",
    "measured",
    "unlisted",
]

FIGURES = Path(__file__).parent / "data" / "figures.json"
"""Every figure, with its source."""

_UNITS = {"G": 10**9, "M": 10**6, "K": 10**3, "": 1}


@dataclass(frozen=True)
class Figure:
    """A printed figure.

    Members
    -------
    paper, where : str
    network : str
        Name in the zoo.
    options : dict
        With which it is built.
    quantity : str
        A member of `Measures`; ``flops``: two for each multiply-accumulate; ``legacy``: `legacy_count`;
        ``params_reduction`` and ``legacy_reduction``: those of the ResNet of the same depth over its own.
    unit : str
        G, M, K or nothing.
    printed : str
    reproduced : str
        rounding, truncation or no: how the printed digits come from the exact value.
    recomputed : float or None
        The exact value in the unit, to six digits after the point; None: there is no such network.
    note : str
    """

    paper: str
    where: str
    network: str
    options: Mapping[str, object] = field(hash=False)
    quantity: str
    unit: str
    printed: str
    reproduced: str
    recomputed: float | None
    note: str

    @property
    def label(self) -> str:
        """What is printed, with the options if there are any."""
        shown = {"": "", "G": " in G", "M": " in M", "K": " in K"}[self.unit]
        given = "".join(f", {key}={_short(value)}" for key, value in self.options.items())
        place = f"{self.paper}, {self.where}" if self.where else self.paper
        return f"{place}: {self.quantity}{shown}{given}"

    def ours(self) -> Decimal | None:
        """The exact value in the unit, of the network built now; None where it cannot be built."""
        try:
            value = _value(self.network, json.dumps(dict(self.options)), self.quantity)
        except NetworkError:
            return None
        return value / _UNITS[self.unit]

    def row(self) -> dict[str, object]:
        """As `hwshift networks --json` tells it."""
        ours = self.ours()
        return {
            "figure": self.label,
            "value": self.printed,
            "ours": None if ours is None else round(float(ours), 6),
            "matches": None if ours is None else agreement(ours, self.printed),
            "note": self.note,
        }


def _short(value: object) -> str:
    return "edited" if isinstance(value, dict) else str(value)


def agreement(exact: Decimal, printed: str) -> str:
    """How printed digits come from an exact value: ``rounding``, ``truncation`` or ``no``."""
    digits = Decimal(printed)
    last = Decimal(1).scaleb(int(digits.as_tuple().exponent))
    if exact.quantize(last, ROUND_HALF_UP) == digits:
        return "rounding"
    return "truncation" if exact.quantize(last, ROUND_DOWN) == digits else "no"


@cache
def figures() -> tuple[Figure, ...]:
    """Every figure of `FIGURES`."""
    return tuple(Figure(**row) for row in json.loads(FIGURES.read_text(encoding="utf-8"))["figures"])


def figures_of(name: str) -> tuple[Figure, ...]:
    """Those of one network."""
    return tuple(figure for figure in figures() if figure.network == name)


@cache
def measured(name: str, options: str = "{}") -> Measures:
    """Counts of a network of the zoo; `options` as JSON."""
    return measure(build(name, weights="none", **json.loads(options)))


def has_legacy_count(name: str) -> bool:
    """Whether the paper counts this network with the legacy counter."""
    return re.fullmatch(r"(Shift)?ResNet(20|56|110)(-\d)?", name) is not None


@cache
def legacy_of(name: str, options: str = "{}") -> int:
    """The legacy count of a network of the zoo; `options` as JSON."""
    return legacy_count(build(name, weights="none", **json.loads(options)))


def _value(name: str, options: str, quantity: str) -> Decimal:
    whole = "ResNet" + name.removeprefix("Shift").removeprefix("ResNet").partition("-")[0]
    match quantity:
        case "legacy":
            return Decimal(legacy_of(name, options))
        case "flops":
            return Decimal(2 * measured(name, options).macs)
        case "params_reduction":
            return Decimal(measured(whole).params) / measured(name, options).params
        case "legacy_reduction":
            return Decimal(legacy_of(whole)) / legacy_of(name, options)
    return Decimal(getattr(measured(name, options), quantity))


def unlisted() -> tuple[str, ...]:
    """Networks that figures name and the zoo does not list, because they cannot be built."""
    return tuple(dict.fromkeys(figure.network for figure in figures() if figure.network not in names()))
