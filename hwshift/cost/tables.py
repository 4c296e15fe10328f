"""Tables of unit costs: what one action costs in pJ, as data with a source per line."""

import math
import tomllib
from dataclasses import dataclass, field
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from hwshift.cost.laws import STATUS, Figure, Law, Point, brief, figure, law, multiple, text_of, times
from hwshift.errors import DataError

__all__ = ["ACTIONS", "ASIC_WARNING", "STATUS", "TABLES", "CostTable", "load_table"]

ACTIONS: dict[str, str] = {
    "int_add": "integer addition",
    "int_mult": "integer multiplication",
    "shift": "shift by a variable amount",
    "register": "write of a register",
    "sram": "access of a memory on the chip",
    "dram": "access of the memory behind the bus",
}
"""The actions of a table, which has them all."""

TABLES = ("45nm", "shiftaddnas", "fpga", "shiftnas")
"""Names of the tables that come with hwshift."""

_WIDEST = 1 << 16

ASIC_WARNING = (
    "The unit costs were measured on an ASIC process and stand here for an FPGA: read the energies as a comparison "
    "of layers, parts and designs, not as what a board draws."
)
"""What is to be said beside energies by a table of kind "asic": the accelerator is meant for FPGAs."""


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
    figures : dict of str to Figure
        Published figures beside the unit costs, by name.
    base : str or None
        The table that the actions without lines of their own come from.
    """

    name: str
    title: str
    kind: Literal["asic", "fpga"]
    notes: tuple[str, ...]
    laws: dict[str, Law]
    sram_bits: int
    figures: dict[str, Figure] = field(default_factory=dict)
    base: str | None = None

    @property
    def warning(self) -> str | None:
        """What has to be said beside energies from this table; None: nothing."""
        return ASIC_WARNING if self.kind == "asic" else None

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
    except (ValueError, RecursionError) as error:  # of these ValueError is what tomllib raises
        raise DataError(f"it is not TOML: {error}", where=str(text)) from None
    except DataError as error:
        raise DataError(error.message, where=f"{text}: {error.where}") from None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"it cannot be read: {error}", where=str(path)) from None


def _table(values: dict[str, Any]) -> CostTable:
    known = {"name", "title", "kind", "base", "notes", "figures", *ACTIONS}
    unknown = sorted(set(values) - known)
    if unknown:
        raise DataError(f"unknown; allowed: {', '.join(sorted(known))}", where=unknown[0])
    for name in ("name", "title"):
        text_of(values.get(name), name)
    if values.get("kind") not in ("asic", "fpga"):
        raise DataError(f"it must be 'asic' or 'fpga', not {brief(values.get('kind'))}", where="kind")
    base = _base(values.get("base"))
    notes = values.get("notes", [])
    if not isinstance(notes, list) or not all(isinstance(note, str) for note in notes):
        raise DataError("it must be a list of texts", where="notes")
    laws, bits = _laws(values, base)
    figures = values.get("figures", [])
    if not isinstance(figures, list):
        raise DataError("it must be a list of tables, each headed [[figures]]", where="figures")
    found = [figure(item, f"figures[{index}]") for index, item in enumerate(figures)]
    names = [item.name for item in found]
    for index, name in enumerate(names):
        if name in names[:index]:
            raise DataError(f"{name!r} is there already", where=f"figures[{index}].name")
    return CostTable(
        values["name"],
        values["title"],
        values["kind"],
        tuple(notes),
        laws,
        bits,
        {item.name: item for item in found},
        base.name if base else None,
    )


def _base(value: object) -> CostTable | None:
    if value is None:
        return None
    if value not in TABLES:
        raise DataError(f"it must be one of {', '.join(TABLES)}, not {brief(value)}", where="base")
    return load_table(str(value))


def _laws(values: dict[str, Any], base: CostTable | None) -> tuple[dict[str, Law], int]:
    """The law of every action, and the bits of an access to sram."""
    laws = {
        action: base.laws[action] if base and action not in values else law(values.get(action), action)
        for action in ACTIONS
        if not multiple(values.get(action))
    }
    for action in ACTIONS:
        if action not in laws:
            laws[action] = times(values[action], action, laws)
    bits = base.sram_bits if base and "sram" not in values else values["sram"].get("bits")
    if type(bits) is not int or not 1 <= bits <= _WIDEST:
        raise DataError(f"it must be an integer of 1 to {_WIDEST}, not {brief(bits)}", where="sram.bits")
    return {action: laws[action] for action in ACTIONS}, bits
