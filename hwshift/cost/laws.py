"""Lines of a table of unit costs: how they are written, and how a cost follows from a size."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeGuard

from hwshift.errors import DataError

__all__ = [
    "STATUS",
    "UNITS",
    "Figure",
    "Law",
    "Point",
    "brief",
    "figure",
    "law",
    "multiple",
    "text_of",
    "times",
]

STATUS = ("printed", "transcribed", "recalled", "assumed")
"""How sure a value is: read in the source, read in a copy of its figures, from memory, or ours."""

LARGEST = 1e12
"""No number of a table is larger, and none smaller than its reciprocal."""

STEEPEST = 8.0
"""Largest exponent: costs of any width and memory stay finite."""

UNITS = {"fj": 1e-3, "pj": 1.0, "nj": 1e3}
"""Units of energy that a line may be written in, in pJ."""


@dataclass(frozen=True)
class Point:
    """One line of a table: ``pj`` of an action of ``size`` bits (sram: of a memory of ``size`` bytes)."""

    size: float
    pj: float
    source: str
    status: str


@dataclass(frozen=True)
class Law:
    """How an action's cost follows from its size: a power between two points, ``exponent`` beyond them."""

    points: tuple[Point, ...]
    exponent: float

    def pj(self, size: float) -> float:
        """Energy in pJ at a size in the points' unit."""
        points = self.points
        index = next((i for i, point in enumerate(points) if size <= point.size), len(points))
        if 0 < index < len(points):
            low, high = points[index - 1], points[index]
            exponent = math.log(high.pj / low.pj) / math.log(high.size / low.size)
            return low.pj * (size / low.size) ** exponent
        nearest = points[min(index, len(points) - 1)]
        return nearest.pj * (size / nearest.size) ** self.exponent


@dataclass(frozen=True)
class Figure:
    """A published figure beside the unit costs, which no energy uses."""

    name: str
    value: float
    unit: str
    source: str
    status: str


def brief(value: object) -> str:
    """A value as it is shown in a message."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def law(value: object, action: str) -> Law:
    """An action's law from its entry in a table. Raises `DataError`, which names the field."""
    if not isinstance(value, dict):
        raise DataError(
            "it is missing: a table has a cost for every action, or names a base that has", where=action
        )
    allowed = {"exponent", "points"} | ({"bits"} if action == "sram" else set())
    unknown = sorted(set(value) - allowed)
    if unknown:
        raise DataError(f"unknown; allowed: {', '.join(sorted(allowed))}", where=f"{action}.{unknown[0]}")
    points = value.get("points")
    if not isinstance(points, list) or not points:
        raise DataError("it must be a list with a line at least", where=f"{action}.points")
    size = "bytes" if action == "sram" else "bits"
    lines = tuple(_point(item, size, f"{action}.points[{index}]") for index, item in enumerate(points))
    if any(a.size >= b.size for a, b in zip(lines, lines[1:], strict=False)):
        raise DataError(f"{size} must ascend from line to line", where=f"{action}.points")
    return Law(lines, _number(value.get("exponent"), f"{action}.exponent", STEEPEST))


def multiple(value: object) -> TypeGuard[dict]:
    """Whether an entry is a multiple of another action's cost."""
    return isinstance(value, dict) and bool({"times", "of"} & set(value))


def times(value: dict, action: str, laws: Mapping[str, Law]) -> Law:
    """The law of an action that costs so many times another one, at every width. Raises `DataError`."""
    fields = {"times", "of", "status", "source"}
    wrong = sorted(set(value) ^ fields)
    if wrong:
        raise DataError(
            "a multiple has times, of, status and source, nothing else", where=f"{action}.{wrong[0]}"
        )
    others = [name for name in laws if name != "sram"]
    if value["of"] not in others or action == "sram":
        raise DataError(
            f"it must be another action with lines of its own and not sram, not {brief(value['of'])}",
            where=f"{action}.of",
        )
    factor, other = _number(value["times"], f"{action}.times"), laws[value["of"]]
    status, source = _status(value, action), text_of(value["source"], f"{action}.source")
    points = tuple(Point(item.size, factor * item.pj, source, status) for item in other.points)
    return Law(points, other.exponent)


def figure(value: object, where: str) -> Figure:
    """A figure from its entry. Raises `DataError`, which names the field."""
    if not isinstance(value, dict) or set(value) != {"name", "value", "unit", "status", "source"}:
        raise DataError("a figure has name, value, unit, status and source, nothing else", where=where)
    texts = {name: text_of(value[name], f"{where}.{name}") for name in ("name", "unit", "source")}
    return Figure(**texts, value=_number(value["value"], f"{where}.value"), status=_status(value, where))


def _point(value: object, size: str, where: str) -> Point:
    if not isinstance(value, dict):
        raise DataError(f"a line has {size}, pj, status and source", where=where)
    fields = {size, "status", "source"}
    units = sorted(set(value) & set(UNITS))
    unknown = sorted(set(value) - fields - set(UNITS))
    if unknown:
        raise DataError(
            f"unknown unit or field; a line has {size}, an energy in {', '.join(UNITS)}, status and source",
            where=f"{where}.{unknown[0]}",
        )
    missing = sorted(fields - set(value)) + ([] if units else ["pj"])
    if missing:
        raise DataError(
            f"it is missing: a line has {size}, an energy in {', '.join(UNITS)}, status and source",
            where=f"{where}.{missing[0]}",
        )
    if len(units) > 1:
        raise DataError(f"one energy only, not {' and '.join(units)}", where=where)
    energy = _number(value[units[0]], f"{where}.{units[0]}") * UNITS[units[0]]
    source = text_of(value["source"], f"{where}.source")
    return Point(_number(value[size], f"{where}.{size}"), energy, source, _status(value, where))


def _status(value: dict, where: str) -> str:
    status = value["status"]
    if status not in STATUS:
        raise DataError(
            f"it must be one of {', '.join(STATUS)}, not {brief(status)}", where=f"{where}.status"
        )
    return str(status)


def _number(value: object, where: str, most: float = LARGEST) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise DataError(f"it must be a positive number, not {brief(value)}", where=where)
    if not 1 / LARGEST <= value <= most:
        raise DataError(f"it must be {1 / LARGEST:g} to {most:g}, not {brief(value)}", where=where)
    return float(value)


def text_of(value: object, where: str) -> str:
    """A value that has to be a text which is not blank. Raises `DataError`."""
    if not isinstance(value, str) or not value.strip():
        raise DataError(f"it must be a text, not {brief(value)}", where=where)
    return value
