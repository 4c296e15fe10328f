"""What LOAD and STORE do to buffers and tables, from the layouts in memory alone; and random ones to try."""

from collections.abc import Callable

import numpy as np

from hwshift.config import AcceleratorConfig
from hwshift.golden.formats import Pow2Format
from hwshift.program import isa
from hwshift.program.isa import INPUT_CHANNELS, LoadKind, Opcode

__all__ = ["OnChip", "TransferMaker", "instruction_words"]

_PAGE = 4096


def instruction_words(instructions: list[tuple[Opcode, dict]]) -> np.ndarray:
    """Instructions, operation and fields, as ndarray of uint32, shape (n, 16)."""
    words = [isa.FORMATS[opcode].pack({"opcode": opcode, **fields}) for opcode, fields in instructions]
    return np.frombuffer(
        b"".join(word.to_bytes(isa.INSTRUCTION_BYTES, "little") for word in words), "<u4"
    ).reshape(-1, 16)


class OnChip:
    """Everything that loads fill.

    Members
    -------
    banks : ndarray of int64, shape (R, 2P, feature_depth)
    lanes, params, ktiles : dict of int to int
        Beats by their address in the table.
    codes : list of int
        Weight-buffer words in the order in which they are written, rows of C codes with zero bits.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self.config = config
        self.banks = np.zeros((config.rows, config.sub_banks, config.feature_depth), np.int64)
        self.lanes: dict[int, int] = {}
        self.params: dict[int, int] = {}
        self.ktiles: dict[int, int] = {}
        self.codes: list[int] = []

    def load(self, fields: dict, memory: Callable[[int, int], bytes]) -> None:
        """Execute a LOAD; ``memory`` gives the bytes at an address."""
        config = self.config
        kind, row_bytes = fields["kind"], fields["row_beats"] * config.beat_bytes
        before = fields["address"] % config.beat_bytes if kind == LoadKind.INPUT else 0
        start = fields["address"] - before
        rows = [memory(start + row * fields["row_stride"], row_bytes) for row in range(fields["rows"])]
        if kind == LoadKind.MAP:
            for row, raw in enumerate(rows):
                pixels = self._elements(raw).reshape(fields["width"], fields["slots"], config.rows)
                self._fill_row(fields, row, pixels)
        elif kind == LoadKind.INPUT:
            (raw,) = rows
            self._fill_input(fields, self._elements(raw[before:]))
        elif kind == LoadKind.WEIGHTS:
            self._fill_weights(fields, b"".join(rows))
        else:
            table, first = {
                LoadKind.LANES: (self.lanes, fields["dest"] * config.lane_beats),
                LoadKind.PARAMS: (self.params, fields["dest"] * config.param_beats),
                LoadKind.KTILES: (self.ktiles, fields["dest"] * 32 // config.bus_width),
            }[kind]
            raw = b"".join(rows)
            for index in range(len(raw) // config.beat_bytes):
                beat = raw[index * config.beat_bytes : (index + 1) * config.beat_bytes]
                table[first + index] = int.from_bytes(beat, "little")

    def store(self, fields: dict, memory: np.ndarray, base: int) -> None:
        """Execute a STORE into ``memory``, whose first byte has the address ``base``."""
        config = self.config
        lanes = np.array([fields["last_lanes"] >> lane & 1 for lane in range(config.rows)], bool)
        for row in range(fields["rows"]):
            values = np.zeros((fields["width"], fields["slots"], config.rows), np.int64)
            for x in range(fields["width"]):
                for slot in range(fields["slots"]):
                    sub, word = self.place(fields, row, slot, fields["x0"] + x)
                    values[x, slot] = self.banks[:, sub, word]
            values[:, -1, ~lanes] = 0
            raw = values.astype(f"<i{config.act.storage_bits // 8}").tobytes()
            start = fields["address"] + row * fields["row_stride"] - base
            memory[start : start + len(raw)] = np.frombuffer(raw, np.uint8)

    def place(self, fields: dict, row: int, slot: int, x: int) -> tuple[int, int]:
        """Sub-bank and word of a pixel."""
        subs = self.config.sub_banks
        offset = fields["offset"] + row * fields["row_step"] + slot * fields["pitch"] + x // subs
        return x % subs, fields["base"] + offset % fields["length"]

    def _elements(self, raw: bytes) -> np.ndarray:
        """Elements in memory as activations: the low bits of each."""
        act = self.config.act
        values = np.frombuffer(raw, f"<i{act.storage_bits // 8}").astype(np.int64) & ((1 << act.bits) - 1)
        return values - ((values >> (act.bits - 1)) << act.bits)

    def _fill_row(self, fields: dict, row: int, pixels: np.ndarray) -> None:
        for x in range(fields["width"]):
            for slot in range(pixels.shape[1]):
                sub, word = self.place(fields, row, slot, fields["x0"] + x)
                self.banks[:, sub, word] = pixels[x, slot]

    def _fill_input(self, fields: dict, elements: np.ndarray) -> None:
        """Every bank receives channel bank mod channels; what is left over of the banks is 0."""
        rows, width, channels = fields["count"], fields["width"], fields["channels"]
        pixels = elements[: rows * width * channels].reshape(rows, width, 1, channels)
        copies = self.config.rows // channels
        banks = np.zeros((rows, width, 1, self.config.rows), np.int64)
        banks[..., : copies * channels] = np.tile(pixels, copies)
        for row in range(rows):
            self._fill_row(fields, row, banks[row])

    def _fill_weights(self, fields: dict, raw: bytes) -> None:
        config, weights = self.config, self.config.weights
        pow2 = isinstance(weights, Pow2Format)
        tile_bytes = config.tile_beats * config.beat_bytes
        for tile in range(fields["count"]):
            bits = int.from_bytes(raw[tile * tile_bytes : (tile + 1) * tile_bytes], "little")
            for _ in range(config.tile_words):
                word = 0
                for index in range(config.weight_rows * config.columns):
                    code = bits & ((1 << config.code_bits) - 1)
                    bits >>= config.code_bits
                    if isinstance(weights, Pow2Format) and fields["zero_code"]:
                        q, sign = code & ((1 << weights.shift_bits) - 1), code >> weights.shift_bits
                        code |= (sign == 1 and q == weights.p_max - weights.p_min) << config.code_bits
                    word |= code << index * (config.code_bits + pow2)
                self.codes.append(word)


class TransferMaker:
    """Random loads and stores that a configuration can execute.

    Parameters
    ----------
    rng : numpy Generator
    config : AcceleratorConfig
    base, size : int
        Memory the addresses lie in.
    """

    def __init__(self, rng: np.random.Generator, config: AcceleratorConfig, base: int, size: int) -> None:
        self._rng, self._config, self._base, self._size = rng, config, base, size

    def load(self, kind: LoadKind) -> dict:
        """Fields of a LOAD of a kind."""
        rng, config = self._rng, self._config
        fields: dict = {"kind": int(kind), "push": self._tokens(), "pop": self._tokens()}
        if kind == LoadKind.MAP:
            fields |= self._region()
            return fields | self._rows(
                fields["rows"], fields["width"] * fields["slots"] * config.vector_beats
            )
        if kind == LoadKind.INPUT:
            return fields | self._input()
        count = int(rng.integers(1, 4))
        if kind == LoadKind.WEIGHTS:
            beats, fields["zero_code"] = count * config.tile_beats, int(rng.integers(2))
        elif kind == LoadKind.PARAMS:
            beats, fields["dest"] = count * config.param_beats, int(rng.integers(config.param_tiles - 3))
        elif kind == LoadKind.LANES:
            beats, fields["dest"] = count * config.lane_beats, int(rng.integers(config.lane_rows - 3))
        else:
            entries, count = config.bus_width // 32, int(rng.integers(1, 40))
            beats = -(-count // entries)
            fields["dest"] = int(rng.integers(config.ktile_entries // entries - 40)) * entries
        return fields | {"count": count} | self._rows(1, beats)

    def store(self, first: int) -> dict:
        """Fields of a STORE to the byte address ``first``; the next one may begin at ``store_end``."""
        fields = {"push": self._tokens(), "pop": self._tokens(), **self._region()}
        fields |= self._rows(fields["rows"], fields["width"] * fields["slots"] * self._config.vector_beats)
        fields["address"] = first
        fields["last_lanes"] = int(self._rng.integers(1 << self._config.rows))
        return fields

    @staticmethod
    def store_end(fields: dict) -> int:
        """The address behind a STORE's last row."""
        return fields["address"] + fields["rows"] * fields["row_stride"]

    def _tokens(self) -> int:
        return int(self._rng.integers(2) * self._rng.integers(32))

    def _rows(self, rows: int, beats: int) -> dict:
        rng, beat_bytes = self._rng, self._config.beat_bytes
        stride = (beats + int(rng.integers(3))) * beat_bytes
        room = self._size - rows * stride
        address = int(rng.integers(room // beat_bytes)) * beat_bytes
        if rng.random() < 0.5:  # near the end of a page
            address = min(room, address // _PAGE * _PAGE + _PAGE - int(rng.integers(1, 9)) * beat_bytes)
        return {
            "rows": rows,
            "row_beats": beats,
            "row_stride": stride,
            "address": self._base + address // beat_bytes * beat_bytes,
        }

    def _input(self) -> dict:
        """Fields of a load of pixels that begin anywhere in a beat."""
        rng, config, fields = self._rng, self._config, self._region()
        count, channels = fields.pop("rows"), int(rng.integers(1, INPUT_CHANNELS + 1))
        before = int(rng.integers(config.beat_elements))
        beats = -(-(before + count * fields["width"] * channels) // config.beat_elements)
        fields |= {"count": count, "channels": channels, **self._rows(1, beats)}
        fields["address"] += before * config.act.storage_bits // 8
        return fields

    def _region(self) -> dict:
        rng, subs = self._rng, self._config.sub_banks
        rows, width, slots, x0 = (int(value) for value in rng.integers((1, 1, 1, 0), (4, 8, 4, 2 * subs + 1)))
        pitch = (x0 + width - 1) // subs + 1 + int(rng.integers(2))
        row_words = slots * pitch
        length = row_words * rows + int(rng.integers(2 * row_words))
        return {
            "rows": rows, "width": width, "slots": slots, "x0": x0, "pitch": pitch, "length": length,
            "row_step": row_words % length, "offset": int(rng.integers(length)),
            "base": int(rng.integers(self._config.feature_depth - length)),
        }  # fmt: skip
