"""Programs as integer tables for the compiled models: one row per instruction, one column per field name."""

from collections import namedtuple
from typing import Any

import numpy as np

from hwshift.program import isa
from hwshift.sim.compiled import bare_njit as njit

__all__ = ["COLUMNS", "F", "program_table"]

COLUMNS: tuple[str, ...] = tuple(
    dict.fromkeys(field.name for layout in isa.FORMATS.values() for field in layout.fields)
)
"""Every field name of every instruction, once."""

F: Any = namedtuple("F", COLUMNS)(*range(len(COLUMNS)))
"""Column numbers: ``table[i, F.opcode]``."""


def program_table(words: np.ndarray) -> np.ndarray:
    """Decode instruction words.

    Parameters
    ----------
    words : ndarray of uint32, shape (instructions, 16)

    Returns
    -------
    ndarray of int64, shape (instructions, len(COLUMNS))
        Fields an instruction does not have are 0.
    """
    words = np.ascontiguousarray(words, "<u4").astype(np.int64)
    table = np.zeros((len(words), len(COLUMNS)), np.int64)
    _decode(words, _FIRST, _FIELDS, F.opcode, table)
    return table


def _fields() -> tuple[np.ndarray, np.ndarray]:
    """Fields of all instructions in the order of opcodes, (column, offset, width, signed), and each opcode's first."""
    first, rows = [0], []
    for opcode in range(1 << 4):
        for known, layout in isa.FORMATS.items():
            for field in layout.fields if known == opcode else ():
                column = COLUMNS.index(field.name)
                rows.append((column, layout.offsets[field.name], field.width, int(field.signed)))
        first.append(len(rows))
    return np.array(first, np.int64), np.array(rows, np.int64)


_FIRST, _FIELDS = _fields()


@njit(cache=True)
def _decode(words, first, fields, opcode_column, table):
    """Fill the table; 64-bit fields are as they are in int64."""
    for row in range(len(words)):
        opcode = words[row, 0] & 15
        table[row, opcode_column] = opcode
        for index in range(first[opcode], first[opcode + 1]):
            column, offset, width, signed = fields[index]
            value = 0
            for word in range(offset // 32, (offset + width - 1) // 32 + 1):
                place = 32 * word - offset
                value |= words[row, word] << place if place >= 0 else words[row, word] >> -place
            if width < 64:
                value &= (1 << width) - 1
            if signed:
                value -= (value >> (width - 1)) << width
            table[row, column] = value
