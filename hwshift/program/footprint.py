"""What an instruction reads and writes, from its words and the tables it finds."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from hwshift.config import AcceleratorConfig
from hwshift.program.image import Region
from hwshift.program.instruction import Instruction
from hwshift.program.isa import DESCRIPTORS, LoadKind, Opcode
from hwshift.program.ports import lanes_of
from hwshift.program.row_taps import lead_steps
from hwshift.program.tables import TableState, follow_descriptor

__all__ = ["Footprint", "Footprints", "SPACES"]

SPACES = ("buffer", "KTILES", "LANES", "PARAMS", "memory")
"""Words of the shift buffer (in every sub-bank alike), table entries, beats of the region that stores write."""

_TARGET = ("base", "length", "offset", "row_step", "pitch")


@dataclass
class Footprint:
    """Per space, the indices that are read and written (ndarrays of int64, without repetition).

    ``before``: words of the shift buffer that a COMPUTE reads and must not write: all but those of a residual that lies
    where the output does, pixel by pixel, and so is read before it is replaced.
    """

    reads: dict[str, np.ndarray] = field(default_factory=dict)
    writes: dict[str, np.ndarray] = field(default_factory=dict)
    before: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))


class Footprints:
    """Follows a program's instructions in order.

    Members
    -------
    tables : TableState
    sources : ndarray of int64, shape (8, 5)
        Descriptors: base, length, offset, row_step, chunk_step; a length of 0 is one that was never set.
    """

    def __init__(self, config: AcceleratorConfig, memory: np.ndarray, write_region: Region) -> None:
        self._config, self._memory, self._region = config, memory, write_region
        self.tables = TableState(config)
        self.sources = np.zeros((DESCRIPTORS, 5), np.int64)

    def of(self, item: Instruction) -> Footprint:
        """The next instruction's footprint."""
        follow_descriptor(self.sources, item)
        if item.opcode == Opcode.LOAD:
            self.tables.load(item, self._memory)
            return self._load(item)
        elif item.opcode == Opcode.STORE:
            return Footprint(
                {"buffer": self._region_words(item, item["rows"], item["slots"])},
                {"memory": self._beats(item)},
            )
        elif item.opcode == Opcode.COMPUTE:
            return self._compute(item)
        return Footprint()

    def _load(self, item: Instruction) -> Footprint:
        kind = LoadKind(item["kind"])
        reads = {"memory": self._beats(item)}
        if kind in (LoadKind.MAP, LoadKind.INPUT):
            return Footprint(reads, {"buffer": self._loaded_words(item, kind)})
        if kind == LoadKind.WEIGHTS:
            return Footprint(reads)
        per_beat = self._config.bus_width // 32
        count = -(-item["count"] // per_beat) * per_beat if kind == LoadKind.KTILES else item["count"]
        return Footprint(reads, {kind.name: np.arange(item["dest"], item["dest"] + count)})

    def _beats(self, item: Instruction) -> np.ndarray:
        """Beats of memory inside the region that stores write; others never change."""
        first = item["address"] + np.arange(item["rows"]) * item["row_stride"]
        if first[-1] + item["row_stride"] < self._region.base or first[0] > self._region.limit:
            return np.zeros(0, np.int64)
        beat = self._config.beat_bytes
        beats = (first[:, None] - self._region.base) // beat + np.arange(item["row_beats"])
        size = (self._region.limit + 1 - self._region.base) // beat
        beats = beats[(beats >= 0) & (beats < size)]
        return beats if item["row_stride"] >= item["row_beats"] * beat else np.unique(beats)

    def _loaded_words(self, item: Instruction, kind: LoadKind) -> np.ndarray:
        is_map = kind == LoadKind.MAP
        return self._region_words(item, item["rows" if is_map else "count"], item["slots"] if is_map else 1)

    def _region_words(self, item: Instruction, lines: int, slots: int) -> np.ndarray:
        sub = self._config.sub_banks
        x = np.arange(item["x0"] // sub, (item["x0"] + item["width"] - 1) // sub + 1)
        rows = (item["offset"] + np.arange(lines) * item["row_step"]) % item["length"]
        offset = rows[:, None, None] + (np.arange(slots) * item["pitch"])[None, :, None] + x
        return self._words(item["base"] + offset % item["length"])

    def _words(self, *found: np.ndarray) -> np.ndarray:
        """Words of the shift buffer, each once, in order."""
        seen = np.zeros(self._config.feature_depth, bool)
        for words in found:
            seen[words] = True
        return np.flatnonzero(seen)

    def _compute(self, item: Instruction) -> Footprint:
        count = item["ktile_count"] * (item["tiles"] if item["ktile_advance"] else 1)
        used = np.arange(item["ktile_base"], item["ktile_base"] + count)
        entries = self.tables.ktiles[used]
        reads = {
            "KTILES": used,
            "LANES": np.unique(entries[:, 2]),
            "PARAMS": np.arange(item["param_base"], item["param_base"] + item["tiles"]),
        }
        before = self._words(*self._read_words(item, entries))
        reads["buffer"] = before
        if item["residual"]:
            reads["buffer"] = self._words(before, self._target_words(item, "res"))
            if any(item[f"res_{name}"] != item[f"out_{name}"] for name in _TARGET):
                before = reads["buffer"]
        return Footprint(reads, {"buffer": self._target_words(item, "out")}, before)

    def _read_words(self, item: Instruction, entries: np.ndarray) -> Iterator[np.ndarray]:
        """Words inside the map that k-tiles read, over all rows and steps; some more than once."""
        number, offset, dy, dx = self._moves(entries)
        base, length, start, row_step, chunk_step = (column[:, None] for column in self.sources[number].T)
        row = np.arange(item["rows"])
        chunk, inner = row // item["chunk_rows"], row % item["chunk_rows"]
        word = (start + chunk * chunk_step + inner * row_step) % np.maximum(1, length) + offset[:, None]
        y = item["y0"] + row * item["stride_y"] + dy[:, None]
        inside = (y >= 0) & (y < item["height"])
        for move, words in self._columns(item, dx):
            own = inside & (dx == move)[:, None]
            read = word[own][:, None] + words
            end = np.broadcast_to(length, own.shape)[own][:, None]
            yield np.broadcast_to(base, own.shape)[own][:, None] + np.where(read >= end, read - end, read)

    def _moves(self, entries: np.ndarray) -> tuple[np.ndarray, ...]:
        """What lanes of k-tiles add: source, offset of k-tile and lane, dy, dx; each combination once."""
        lanes = self.tables.lanes[entries[:, 2]]
        on = lanes[..., 3] == 1
        which = np.broadcast_to(np.arange(len(entries))[:, None], on.shape)[on]
        own, dy, dx, _ = lanes[on].T
        offset, number = entries[which, 0] + own, entries[which, 1]
        code = ((number << 20 | offset) << 8 | dy + 128) << 8 | dx + 128
        first = np.unique(code, return_index=True)[1]
        return number[first], offset[first], dy[first], dx[first]

    def _columns(self, item: Instruction, dx: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        """For every displacement, the words of a row that are read, over all steps."""
        first = item["x0"] + np.arange(item["steps"])[:, None] * item["x_step"]
        together = lanes_of(self._config.pixels, item["out_step"])
        pixels = (first + np.arange(together) * item["stride_x"]).ravel()
        pixels = pixels[: len(pixels) - together + item["last_pixels"]]
        for move in set(dx.tolist()):
            x = pixels + move
            seen = np.zeros(item["width"] // self._config.sub_banks + 1, bool)
            seen[x[(x >= 0) & (x < item["width"])] // self._config.sub_banks] = True
            yield move, np.flatnonzero(seen)

    def _target_words(self, item: Instruction, prefix: str) -> np.ndarray:
        sub, groups = self._config.sub_banks, self._config.groups
        length = item[f"{prefix}_length"]
        steps = item["steps"] - lead_steps(item)
        last = item["out_x0"] + (steps - 1) * item["out_step"] + item["last_pixels"] - 1
        x = np.arange(item["out_x0"] // sub, last // sub + 1)
        rows = (item[f"{prefix}_offset"] + np.arange(item["rows"]) * item[f"{prefix}_row_step"]) % length
        slots = np.arange((item["group0"] + item["tiles"] - 1) // groups + 1) * item[f"{prefix}_pitch"]
        word = rows[:, None, None] + slots[None, :, None] + x
        return self._words(item[f"{prefix}_base"] + np.where(word >= length, word - length, word))
