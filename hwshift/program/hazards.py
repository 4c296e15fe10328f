"""Reads that come too soon after the write they depend on: where a COMPUTE has to carry ``drain``.

Steps issue at most once a cycle, so counting steps gives the least distance that can occur. Only the last steps of
what ran before and the first steps of an instruction can be closer than the pipeline is long; these are looked at
word by word.
"""

from dataclasses import dataclass

import numpy as np

from hwshift.config import AcceleratorConfig
from hwshift.program.image import Program
from hwshift.program.instruction import Instruction
from hwshift.program.isa import DESCRIPTORS, Opcode
from hwshift.program.ports import lanes_of
from hwshift.program.row_taps import lead_steps
from hwshift.program.tables import TableState, follow_descriptor
from hwshift.timing import timing

__all__ = ["StepWalker", "Steps", "hazards", "located", "total_steps"]


@dataclass(frozen=True)
class Steps:
    """Some steps of an instruction, each an entry of ndarrays of int64: output tile, chunk, k-tile, row in the chunk,
    row in all, step in the row.
    """

    tile: np.ndarray
    chunk: np.ndarray
    k: np.ndarray
    row: np.ndarray
    full_row: np.ndarray
    step: np.ndarray


def total_steps(item: Instruction) -> int:
    """Steps of a COMPUTE."""
    return item["tiles"] * item["ktile_count"] * item["rows"] * item["steps"]


def located(item: Instruction, index: np.ndarray) -> Steps:
    """The steps of those numbers, counted from 0."""
    tile, rest = np.divmod(index, item["ktile_count"] * item["rows"] * item["steps"])
    chunk, rest = np.divmod(rest, item["ktile_count"] * item["chunk_rows"] * item["steps"])
    rows = np.minimum(item["chunk_rows"], item["rows"] - chunk * item["chunk_rows"])
    k, rest = np.divmod(rest, rows * item["steps"])
    row, step = np.divmod(rest, item["steps"])
    return Steps(tile, chunk, k, row, chunk * item["chunk_rows"] + row, step)


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
        follow_descriptor(self.sources, item)

    def reads(self, item: Instruction, steps: Steps) -> tuple[np.ndarray, np.ndarray]:
        """What the array reads in steps: words, and which of the steps reads each."""
        config = self._config
        entry = (
            item["ktile_base"] + steps.k + (steps.tile * item["ktile_count"] if item["ktile_advance"] else 0)
        )
        ktile_offset, number, lane_row = self.tables.ktiles[entry].T
        base, length, offset, row_step, chunk_step = self.sources[number].T
        own_offset, dy, dx, on = (
            column[..., None] for column in np.moveaxis(self.tables.lanes[lane_row], 2, 0)
        )
        start = (offset + steps.chunk * chunk_step + steps.row * row_step) % np.maximum(
            1, length
        ) + ktile_offset
        y = _each(item["y0"] + steps.full_row * item["stride_y"]) + dy
        pixel = np.arange(lanes_of(config.pixels, item["out_step"]))
        x = _each(item["x0"] + steps.step * item["x_step"]) + pixel * item["stride_x"] + dx
        inside = (on != 0) & (pixel < _each(self._pixels(item, steps.step)))
        inside = inside & (x >= 0) & (x < item["width"]) & (y >= 0) & (y < item["height"])
        word = _each(start) + own_offset + x // config.sub_banks
        word = _each(base) + np.where(word >= _each(length), word - _each(length), word)
        at, lane, _ = np.nonzero(inside)
        return self._keys(lane, x[inside] % config.sub_banks, word[inside]), at

    def writes(self, item: Instruction, steps: Steps, prefix: str = "out") -> tuple[np.ndarray, np.ndarray]:
        """What the epilogue writes in steps, or reads as residual (prefix ``res``): words, and which of the steps.

        Nothing before the last k-tile.
        """
        config, tile = self._config, item["group0"] + steps.tile
        length = item[f"{prefix}_length"]
        pixel, column = (
            np.arange(lanes_of(config.pixels, item["out_step"])),
            np.arange(config.columns)[:, None],
        )
        step = steps.step - lead_steps(item)
        x = _each(item["out_x0"] + np.maximum(step, 0) * item["out_step"]) + pixel
        slot = tile // config.groups * item[f"{prefix}_pitch"]
        row = (item[f"{prefix}_offset"] + steps.full_row * item[f"{prefix}_row_step"]) % max(1, length)
        word = _each(row + slot) + x // config.sub_banks
        word = item[f"{prefix}_base"] + np.where(word >= length, word - length, word)
        bank = _each(tile % config.groups * config.columns) + column
        written = (item["last_columns"] >> column & 1 == 1) | _each(steps.tile + 1 < item["tiles"])
        pixels = np.where(step < 0, 0, self._pixels(item, steps.step))
        written = written & (pixel < _each(pixels)) & _each(steps.k + 1 == item["ktile_count"])
        keys = self._keys(bank, x % config.sub_banks, word)
        return keys[written], np.nonzero(written)[0]

    def _pixels(self, item: Instruction, step: np.ndarray) -> np.ndarray:
        together = lanes_of(self._config.pixels, item["out_step"])
        return np.where(step + 1 == item["steps"], item["last_pixels"], together)

    def _keys(self, bank: np.ndarray, sub: np.ndarray, word: np.ndarray) -> np.ndarray:
        return (bank * self._config.sub_banks + sub) * self._config.feature_depth + word


def _each(values: np.ndarray) -> np.ndarray:
    """One value per step, beside lanes or columns and pixels."""
    return values[:, None, None]


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
    """Writes of the last steps that issued: words in order, each with the time of its last one."""

    def __init__(self, config: AcceleratorConfig) -> None:
        t = timing(config)
        self._distance, self._residual = t.raw_distance, t.write_stage - t.residual_stage + 1
        self._time = 0
        self._words = self._times = np.zeros(0, np.int64)

    def drain(self) -> None:
        if len(self._times):
            self._time = max(self._time, int(self._times.max()) + self._distance)
        self._words = self._times = np.zeros(0, np.int64)

    def meets(self, walker: StepWalker, item: Instruction) -> bool:
        """Whether a first step of the instruction reads what is not visible yet."""
        if not len(self._words):
            return False
        index = np.arange(min(self._distance, total_steps(item)))
        steps = located(item, index)
        if self._late(*walker.reads(item, steps), self._distance):
            return True
        return bool(item["residual"]) and self._late(*walker.writes(item, steps, "res"), self._residual)

    def _late(self, words: np.ndarray, at: np.ndarray, distance: int) -> bool:
        """Whether one of the words, read that many steps from now, was written less than ``distance`` before."""
        place = np.minimum(np.searchsorted(self._words, words), len(self._words) - 1)
        written = self._words[place] == words
        return bool((written & (self._time + at - self._times[place] < distance)).any())

    def add(self, walker: StepWalker, item: Instruction) -> None:
        """The instruction has issued."""
        steps = total_steps(item)
        index = np.arange(max(0, steps - self._distance), steps)
        words, at = walker.writes(item, located(item, index))
        words = np.concatenate((self._words, words))
        times = np.concatenate((self._times, self._time + index[at]))
        self._time += steps
        recent = self._time - times < self._distance
        order = np.lexsort((times[recent], words[recent]))
        words, times = words[recent][order], times[recent][order]
        last = np.append(words[1:] != words[:-1], True)[: len(words)]
        self._words, self._times = words[last], times[last]
