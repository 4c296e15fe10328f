"""Tables as a program loads them: what the k-tile and lane tables hold when an instruction runs."""

import numpy as np

from hwshift.config import AcceleratorConfig
from hwshift.program.instruction import Instruction
from hwshift.program.isa import KTILE_ENTRY, LANE_ENTRY, Layout, LoadKind, Opcode

__all__ = ["TableState", "follow_descriptor", "unpack_entries"]

_SOURCE = ("base", "length", "offset", "row_step", "chunk_step")


def unpack_entries(layout: Layout, words: np.ndarray) -> np.ndarray:
    """Fields of table entries of at most 32 bits.

    Returns
    -------
    ndarray of int64, shape (*words.shape, fields)
    """
    out = np.zeros((*words.shape, len(layout.fields)), np.int64)
    for column, item in enumerate(layout.fields):
        value = words.astype(np.int64) >> layout.offsets[item.name] & ((1 << item.width) - 1)
        out[..., column] = np.where(
            item.signed & (value >> (item.width - 1)), value - (1 << item.width), value
        )
    return out


def follow_descriptor(sources: np.ndarray, item: Instruction) -> None:
    """Follow one instruction; anything but a DESCRIPTOR is ignored.

    Parameters
    ----------
    sources : ndarray of int64, shape (8, 5)
        base, length, offset, row_step, chunk_step of each.
    item : Instruction
    """
    if item.opcode == Opcode.DESCRIPTOR:
        sources[item["id"]] = [item[name] for name in _SOURCE]


class TableState:
    """k-tile and lane tables of one accelerator; they start as zeros.

    Members
    -------
    ktiles : ndarray of int64, shape (entries, 3)
        offset, descriptor, lane row.
    lanes : ndarray of int64, shape (rows, R, 4)
        offset, dy, dx, enable.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self._config = config
        self.ktiles = np.zeros((config.ktile_entries, len(KTILE_ENTRY.fields)), np.int64)
        self.lanes = np.zeros((config.lane_rows, config.rows, len(LANE_ENTRY.fields)), np.int64)

    def load(self, item: Instruction, memory: np.ndarray) -> None:
        """Follow one instruction; anything but a load of these tables is ignored."""
        if item.opcode != Opcode.LOAD or item["kind"] not in (LoadKind.KTILES, LoadKind.LANES):
            return
        size = item["row_beats"] * self._config.beat_bytes
        words = memory[item["address"] : item["address"] + size].view("<u4")
        if item["kind"] == LoadKind.KTILES:
            self.ktiles[item["dest"] : item["dest"] + len(words)] = unpack_entries(KTILE_ENTRY, words)
        else:
            rows = unpack_entries(LANE_ENTRY, words.reshape(-1, self._config.rows))
            self.lanes[item["dest"] : item["dest"] + len(rows)] = rows
