"""Reads that come too soon after the write they depend on: where a COMPUTE has to carry ``drain``.

Steps issue at most once a cycle, so counting steps gives the least distance that can occur. Only the last steps of
what ran before and the first steps of an instruction can be closer than the pipeline is long; these are looked at
word by word.
"""

from collections import deque
from dataclasses import dataclass

import numpy as np

from hwshift.config import AcceleratorConfig
from hwshift.program.image import Program
from hwshift.program.instruction import Instruction
from hwshift.program.isa import DESCRIPTORS, Opcode
from hwshift.program.ports import lanes_of
from hwshift.program.tables import TableState
from hwshift.timing import timing

__all__ = ["Place", "StepWalker", "hazards", "locate", "total_steps"]


@dataclass(frozen=True)
class Place:
    """One step of an instruction: output tile, chunk, k-tile, row in the chunk, row in all, step in the row."""

    tile: int
    chunk: int
    k: int
    row: int
    full_row: int
    step: int


def total_steps(item: Instruction) -> int:
    """Steps of a COMPUTE."""
    return item["tiles"] * item["ktile_count"] * item["rows"] * item["steps"]


def locate(item: Instruction, index: int) -> Place:
    """The step of that number, counted from 0."""
    tile, rest = divmod(index, item["ktile_count"] * item["rows"] * item["steps"])
    chunk, rest = divmod(rest, item["ktile_count"] * item["chunk_rows"] * item["steps"])
    rows = min(item["chunk_rows"], item["rows"] - chunk * item["chunk_rows"])
    k, rest = divmod(rest, rows * item["steps"])
    row, step = divmod(rest, item["steps"])
    return Place(tile, chunk, k, row, chunk * item["chunk_rows"] + row, step)


class StepWalker:
    """Words that single steps read and write, as numbers ``(bank * 2P + sub-bank) * depth + word``.

    Members
    -------
    tables : TableState
    sources : ndarray of int64, shape (8, 5)
        Descriptors: base, length, offset, row_step, chunk_step.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self._config = config
        self.tables = TableState(config)
        self.sources = np.zeros((DESCRIPTORS, 5), np.int64)

    def follow(self, item: Instruction, memory: np.ndarray) -> None:
        """Take note of table loads and descriptors."""
        self.tables.load(item, memory)
        if item.opcode == Opcode.DESCRIPTOR:
            names = ("base", "length", "offset", "row_step", "chunk_step")
            self.sources[item["id"]] = [item[name] for name in names]

    def reads(self, item: Instruction, place: Place) -> np.ndarray:
        """What the array reads in a step."""
        config = self._config
        entry = (
            item["ktile_base"] + place.k + (place.tile * item["ktile_count"] if item["ktile_advance"] else 0)
        )
        ktile_offset, number, lane_row = self.tables.ktiles[entry]
        base, length, offset, row_step, chunk_step = self.sources[number]
        lane = np.flatnonzero(self.tables.lanes[lane_row, :, 3])
        own_offset, dy, dx, _ = self.tables.lanes[lane_row, lane].T
        start = (offset + place.chunk * chunk_step + place.row * row_step) % max(1, length)
        y = item["y0"] + place.full_row * item["stride_y"] + dy
        pixel = np.arange(self._pixels(item, place))[:, None]
        x = item["x0"] + place.step * item["x_step"] + pixel * item["stride_x"] + dx
        inside = (x >= 0) & (x < item["width"]) & (y >= 0) & (y < item["height"])
        word = start + ktile_offset + own_offset + x // config.sub_banks
        word = base + np.where(word >= length, word - length, word)
        return self._keys(np.broadcast_to(lane, x.shape)[inside], x[inside] % config.sub_banks, word[inside])

    def writes(self, item: Instruction, place: Place, prefix: str = "out") -> np.ndarray:
        """What the epilogue writes in a step, or reads as residual (prefix ``res``); empty before the last k-tile."""
        if place.k + 1 < item["ktile_count"]:
            return np.zeros(0, np.int64)
        config, tile = self._config, item["group0"] + place.tile
        length = item[f"{prefix}_length"]
        x = item["out_x0"] + place.step * item["out_step"] + np.arange(self._pixels(item, place))
        slot = tile // config.groups * item[f"{prefix}_pitch"]
        row = (item[f"{prefix}_offset"] + place.full_row * item[f"{prefix}_row_step"]) % max(1, length)
        word = row + slot + x // config.sub_banks
        word = item[f"{prefix}_base"] + np.where(word >= length, word - length, word)
        columns = np.arange(config.columns)
        if place.tile + 1 == item["tiles"]:
            columns = columns[item["last_columns"] >> columns & 1 == 1]
        bank = tile % config.groups * config.columns + columns
        return self._keys(bank[:, None], x % config.sub_banks, word).ravel()

    def _pixels(self, item: Instruction, place: Place) -> int:
        if place.step + 1 == item["steps"]:
            return item["last_pixels"]
        return lanes_of(self._config.pixels, item["out_step"])

    def _keys(self, bank: np.ndarray, sub: np.ndarray, word: np.ndarray) -> np.ndarray:
        return (bank * self._config.sub_banks + sub) * self._config.feature_depth + word


def hazards(program: Program, memory: np.ndarray | None = None) -> list[int]:
    """Instructions (by index) that have to carry ``drain`` and do not.

    Parameters
    ----------
    program : Program
    memory : ndarray of uint8 or None
        Tables at their addresses, if at hand.
    """
    config = program.config
    memory = program.constants() if memory is None else memory
    walker = StepWalker(config)
    recent = _Recent(config)
    found = []
    for index, item in enumerate(program.instructions):
        walker.follow(item, memory)
        if item.opcode != Opcode.COMPUTE:
            continue
        if item["drain"]:
            recent.drain()
        elif recent.meets(walker, item):
            found.append(index)
            recent.drain()
        recent.add(walker, item)
    return found


class _Recent:
    """Writes of the last steps that issued."""

    def __init__(self, config: AcceleratorConfig) -> None:
        t = timing(config)
        self._distance, self._residual = t.raw_distance, t.write_stage - t.residual_stage + 1
        self._time = 0
        self._writes: deque[tuple[int, np.ndarray]] = deque()

    def drain(self) -> None:
        if self._writes:
            self._time = max(self._time, self._writes[-1][0] + self._distance)
        self._writes.clear()

    def meets(self, walker: StepWalker, item: Instruction) -> bool:
        """Whether a first step of the instruction reads what is not visible yet."""
        for index in range(min(self._distance, total_steps(item))):
            place = locate(item, index)
            now = self._time + index
            late = [keys for time, keys in self._writes if now - time < self._distance]
            if not late:
                return False
            if np.isin(walker.reads(item, place), np.concatenate(late)).any():
                return True
            late = [keys for time, keys in self._writes if now - time < self._residual]
            if (
                late
                and item["residual"]
                and np.isin(walker.writes(item, place, "res"), np.concatenate(late)).any()
            ):
                return True
        return False

    def add(self, walker: StepWalker, item: Instruction) -> None:
        """The instruction has issued."""
        steps = total_steps(item)
        for index in range(max(0, steps - self._distance), steps):
            keys = walker.writes(item, locate(item, index))
            if len(keys):
                self._writes.append((self._time + index, keys))
        self._time += steps
        while self._writes and self._time - self._writes[0][0] >= self._distance:
            self._writes.popleft()
