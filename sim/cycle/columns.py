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
    words = np.ascontiguousarray(words, "<u4").astype(np.int64)
    table = np.zeros((len(words), len(COLUMNS)), np.int64)
    table[:, F.opcode] = words[:, 0] & 15
    for opcode, layout in isa.FORMATS.items():
        rows = table[:, F.opcode] == opcode
        for field in layout.fields:
            values = _bits(words[rows], layout.offsets[field.name], field.width)
            if field.signed:
                values -= (values >> field.width - 1) << field.width
            table[rows, COLUMNS.index(field.name)] = values
    return table


def _bits(words: np.ndarray, offset: int, width: int) -> np.ndarray:
    """``width`` bits from ``offset`` on of every row; 64 bits as they are in int64."""
    out = np.zeros(len(words), np.int64)
    for index in range(offset // 32, (offset + width - 1) // 32 + 1):
        place = 32 * index - offset
        out |= words[:, index] << place if place >= 0 else words[:, index] >> -place
    return out & ((1 << width) - 1) if width < 64 else out
