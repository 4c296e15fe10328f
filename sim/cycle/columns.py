"""Programs as integer tables for the compiled models: one row per instruction, one column per field name."""

from collections import namedtuple
from typing import Any

import numpy as np

from hwshift.program import isa

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
    table = np.zeros((len(words), len(COLUMNS)), np.int64)
    for row, line in zip(table, np.ascontiguousarray(words, "<u4"), strict=True):
        word = int.from_bytes(line.tobytes(), "little")
        if word & 15 not in set(isa.Opcode):
            row[F.opcode] = word & 15
            continue
        layout = isa.FORMATS[isa.Opcode(word & 15)]
        for name, value in layout.unpack(word).items():
            row[F._fields.index(name)] = value
    return table
