"""Tables of unit costs: what one action costs in pJ, as data with a source per line."""

import math
import tomllib
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from hwshift.errors import DataError

__all__ = ["ACTIONS", "STATUS", "TABLES", "CostTable", "Law", "Point", "load_table"]

ACTIONS: dict[str, str] = {
    "int_add": "integer addition",
    "int_mult": "integer multiplication",
    "shift": "shift by a variable amount",
    "register": "write of a register",
    "sram": "access of a memory on the chip",
    "dram": "access of the memory behind the bus",
}
"""The actions of a table, which has them all."""

STATUS = ("printed", "transcribed", "recalled", "assumed")
"""How sure a value is: read in the source, read in a copy of its figures, from memory, or ours."""

TABLES = ("45nm",)
"""Names of the tables that come with hwshift."""


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
class CostTable:
    """Unit costs of one technology.

    Members
    -------
    name, title : str
    kind : "asic" or "fpga"
        What the values were measured on.
    notes : tuple of str
    laws : dict of str to Law
        For every one of `ACTIONS`.
    sram_bits : int
        Bits of the access that the points of ``sram`` stand for.
    """

    name: str
    title: str
    kind: Literal["asic", "fpga"]
    notes: tuple[str, ...]
    laws: dict[str, Law]
    sram_bits: int

    def pj(self, action: str, bits: float) -> float:
        """Energy in pJ of one action (not sram) on ``bits`` bits."""
        return self.laws[action].pj(bits)

    def mult_pj(self, left: int, right: int) -> float:
        """Energy in pJ of a product of unequal operands: as of equal ones with as many partial products."""
        return self.pj("int_mult", math.sqrt(left * right))

    def sram_pj(self, words: int, bits: int) -> float:
        """Energy in pJ of one access to a memory of ``words`` words of ``bits`` bits.

        A memory wider than the table's access is a row of memories of that width.
        """
        width = min(bits, self.sram_bits)
        each = self.laws["sram"].pj(words * width / 8) * width / self.sram_bits
        return max(each, self.pj("register", width)) * bits / width

    @cached_property
    def lines(self) -> tuple[tuple[str, Point], ...]:
        """Every line with its action."""
        return tuple((action, point) for action, law in self.laws.items() for point in law.points)


def load_table(text: str | Path = "45nm") -> CostTable:
    """A table by its name, or from a TOML file of the same form.

    Raises
    ------
    DataError
        Unknown name, unreadable file, or a line that is missing or wrong; names the file and the field.
    """
    path = Path(text)
    if str(text) in TABLES:
        content = (files("hwshift.cost") / "data" / f"{text}.toml").read_text(encoding="utf-8")
    elif path.is_file():
        content = _read(path)
    else:
        raise DataError(f"no table of unit costs or file named {str(text)!r}; tables: {', '.join(TABLES)}")
    try:
        return _table(tomllib.loads(content))
    except tomllib.TOMLDecodeError as error:
        raise DataError(f"it is not TOML: {error}", where=str(text)) from None
    except DataError as error:
        raise DataError(error.message, where=f"{text}: {error.where}") from None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"it cannot be read: {error}", where=str(path)) from None


def _table(values: dict[str, Any]) -> CostTable:
    known = {"name", "title", "kind", "notes", *ACTIONS}
    unknown = sorted(set(values) - known)
    if unknown:
        raise DataError(f"unknown; allowed: {', '.join(sorted(known))}", where=unknown[0])
    for name in ("name", "title"):
        _text(values.get(name), name)
    if values.get("kind") not in ("asic", "fpga"):
        raise DataError(f"it must be 'asic' or 'fpga', not {values.get('kind')!r}", where="kind")
    notes = values.get("notes", [])
    if not isinstance(notes, list) or not all(isinstance(note, str) for note in notes):
        raise DataError("it must be a list of texts", where="notes")
    laws = {action: _law(values.get(action), action) for action in ACTIONS}
    bits = values["sram"].get("bits")
    if type(bits) is not int or bits < 1:
        raise DataError(f"it must be a positive integer, not {bits!r}", where="sram.bits")
    return CostTable(values["name"], values["title"], values["kind"], tuple(notes), laws, bits)


def _law(value: object, action: str) -> Law:
    if not isinstance(value, dict):
        raise DataError("it is missing: a table has a cost for every action", where=action)
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
    return Law(lines, _number(value.get("exponent"), f"{action}.exponent"))


def _point(value: object, size: str, where: str) -> Point:
    if not isinstance(value, dict) or set(value) != {size, "pj", "status", "source"}:
        raise DataError(f"a line has {size}, pj, status and source, nothing else", where=where)
    if value["status"] not in STATUS:
        raise DataError(
            f"it must be one of {', '.join(STATUS)}, not {value['status']!r}", where=f"{where}.status"
        )
    source = _text(value["source"], f"{where}.source")
    return Point(
        _number(value[size], f"{where}.{size}"), _number(value["pj"], f"{where}.pj"), source, value["status"]
    )


def _number(value: object, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise DataError(f"it must be a positive number, not {value!r}", where=where)
    return float(value)


def _text(value: object, where: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise DataError(f"it must be a text, not {value!r}", where=where)
    return value
