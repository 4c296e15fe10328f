"""The functional simulator: a program's instruction words on a memory image, without time.

Instructions run in the order of the program, which the verifier proves equivalent to what the queues do. On-chip
state is modelled literally: words per bank and sub-bank, circular buffers, tables, descriptors, weight tiles. Steps
are counted, and a word that is read sooner after it was written than the pipeline allows is a fault.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice

import numpy as np

from hwshift.config import AcceleratorConfig
from hwshift.errors import ProgramError, SimulationError
from hwshift.golden.formats import Pow2Format
from hwshift.golden.sigmoid import sigmoid_table
from hwshift.program.image import Program
from hwshift.program.instruction import Instruction, decode
from hwshift.program.isa import (
    COMPUTE,
    DESCRIPTORS,
    INPUT_CHANNELS,
    INSTRUCTION_BYTES,
    ISA_VERSION,
    KTILE_ENTRY,
    LANE_ENTRY,
    MAGIC,
    Act,
    LoadKind,
    Opcode,
)  # fmt: skip
from hwshift.program.params import decode_param, encode_gates
from hwshift.program.row_taps import element_ages
from hwshift.program.tables import unpack_entries
from hwshift.progress import Progress, Stage, silent
from hwshift.sim.functional_kernel import ADDRESS, OVERFLOW, RACE, compute_kernel
from hwshift.timing import timing

__all__ = ["Counts", "FunctionalSimulator", "run_program"]

_COMPUTE_DTYPE = np.dtype([(item.name, np.int64) for item in COMPUTE.fields if item.name != "opcode"])
_FAULTS = {
    ADDRESS: "a word outside its buffer or the memory is accessed",
    RACE: "a word is read whose write is not visible yet: a drain is missing",
    OVERFLOW: "an accumulator exceeds its width",
}


@dataclass
class Counts:
    """What a run did.

    Members
    -------
    instructions, steps, weight_tiles : int
        Weight tiles moved into the array.
    operations, nonzero_operations, array_slots : int
        Products of lanes that are on, columns and pixels that count; those with a weight other than zero; and all
        places of the array in all steps.
    accumulations : int
        Column sums of pixels that count.
    port_a_reads, residual_reads, epilogue_writes, loader_writes, storer_reads : int
        Words of the shift buffer.
    fetch_beats, store_beats : int
    load_beats : dict of str to int
        By kind.
    """

    instructions: int = 0
    steps: int = 0
    weight_tiles: int = 0
    operations: int = 0
    nonzero_operations: int = 0
    array_slots: int = 0
    accumulations: int = 0
    port_a_reads: int = 0
    residual_reads: int = 0
    epilogue_writes: int = 0
    loader_writes: int = 0
    storer_reads: int = 0
    fetch_beats: int = 0
    store_beats: int = 0
    load_beats: dict[str, int] = field(default_factory=lambda: {kind.name: 0 for kind in LoadKind})


_TOLD = 16  # of so many instructions one is told


def run_program(program: Program, x: np.ndarray, progress: Progress = silent) -> tuple[np.ndarray, Counts]:
    """Run a program on an input.

    Parameters
    ----------
    program : Program
    x : ndarray of integers, shape (channels, height, width)
    progress : callable
        Is told how far it is.

    Returns
    -------
    memory : ndarray of uint8
        After the run; `Program.read_tensor` reads maps from it.
    counts : Counts

    Raises
    ------
    SimulationError
        Naming the instruction that does what it must not.
    """
    simulator = FunctionalSimulator(program.config, program.memory_image(x))
    simulator.run(
        program.program_base,
        lambda index: progress(Stage("functional simulator", index, len(program.instructions))),
    )
    return simulator.memory, simulator.counts


class FunctionalSimulator:
    """One accelerator on one memory.

    Parameters
    ----------
    config : AcceleratorConfig
    memory : ndarray of uint8
        Index = address; changed in place.
    """

    def __init__(self, config: AcceleratorConfig, memory: np.ndarray) -> None:
        self.config, self.memory, self.counts = config, memory, Counts()
        shape = (config.rows, config.sub_banks, config.feature_depth)
        self.buffer = np.zeros(shape, np.int32)
        self._written = np.full(shape, -(1 << 40), np.int64)
        self._ktiles = np.zeros((config.ktile_entries, 3), np.int64)
        self._lanes = np.zeros((config.lane_rows, config.rows, 4), np.int64)
        self._params = np.zeros((config.param_tiles, config.columns, 3), np.int64)
        self._sigmoid = sigmoid_table(config.act)
        self._ages = element_ages(config.rows, config.columns)
        self._ring: deque[tuple[np.ndarray, np.ndarray, np.ndarray]] = deque()
        self._sources = np.zeros((DESCRIPTORS, 5), np.int64)
        self._bounds = [0, 0, 0, 0]
        self._acc = np.zeros((config.pixels, config.acc_depth, config.columns), np.int64)
        self._clock = np.array([0, -(1 << 40)], np.int64)
        self._timing = timing(config)
        self._actions: dict[Opcode, Callable[[Instruction], None]] = {
            Opcode.HEADER: self._header,
            Opcode.LOAD: self._load,
            Opcode.DESCRIPTOR: self._descriptor,
            Opcode.ACTIVATION: self._activation,
            Opcode.COMPUTE: self._compute,
            Opcode.STORE: self._store,
        }

    def run(self, base: int, tell: Callable[[int], None] | None = None) -> None:
        """Execute the instructions from address ``base`` on until END; ``tell`` is given some of their numbers."""
        index = 0
        while True:
            words = self.memory[base : base + INSTRUCTION_BYTES].view("<u4")
            base += INSTRUCTION_BYTES
            try:
                instruction = decode(words)
                if instruction.opcode != Opcode.END:
                    self._actions[instruction.opcode](instruction)
            except (SimulationError, ProgramError) as error:
                raise SimulationError(error.message, where=f"instruction {index}") from None
            self.counts.instructions += 1
            if instruction.opcode == Opcode.END:
                break
            if tell is not None and index % _TOLD == 0:
                tell(index)
            index += 1
        if self._ring:
            raise SimulationError(f"{len(self._ring)} weight tiles are left at the end")
        self.counts.fetch_beats = self.counts.instructions * INSTRUCTION_BYTES // self.config.beat_bytes

    # -- instructions --------------------------------------------------------------------------------------

    def _header(self, item: Instruction) -> None:
        expected = {"version": ISA_VERSION, "magic": MAGIC, "config_hash": self.config.hash}
        for name, value in expected.items():
            if item[name] != value:
                raise SimulationError(f"the header's {name} is 0x{item[name]:x}, expected 0x{value:x}")

    def _descriptor(self, item: Instruction) -> None:
        names = ("base", "length", "offset", "row_step", "chunk_step")
        self._sources[item["id"]] = [item[name] for name in names]

    def _activation(self, item: Instruction) -> None:
        self._bounds = [item[name] for name in ("lo", "hi", "residual_lo", "residual_hi")]

    def _load(self, item: Instruction) -> None:
        kind = LoadKind(item["kind"]) if item["kind"] < len(LoadKind) else None
        if kind is None:
            raise SimulationError(f"unknown kind of LOAD {item['kind']}")
        self.counts.load_beats[kind.name] += item["rows"] * item["row_beats"]
        if kind == LoadKind.MAP:
            vectors = self._map_values(item)
            self._fill(item, vectors)
        elif kind == LoadKind.INPUT:
            self._load_input(item)
        elif kind == LoadKind.WEIGHTS:
            self._load_weights(item)
        elif kind == LoadKind.PARAMS:
            size, columns = self.config.param_beats * self.config.beat_bytes, self.config.columns
            table = self._bytes(item, item["count"] * size).reshape(-1, size)[:, : columns * 8]
            entries = [
                decode_param(self.config, int(value))
                for value in np.ascontiguousarray(table).view("<u8").ravel()
            ]
            self._place(self._params, item, np.array(entries, np.int64).reshape(-1, columns, 3))
        elif kind == LoadKind.KTILES:
            per_beat = self.config.bus_width // 32
            words = self._bytes(item, -(-item["count"] // per_beat) * per_beat * 4).view("<u4")
            self._place(self._ktiles, item, unpack_entries(KTILE_ENTRY, words))
        else:
            words = self._bytes(item, item["count"] * self.config.rows * 4).view("<u4")
            self._place(self._lanes, item, unpack_entries(LANE_ENTRY, words.reshape(-1, self.config.rows)))

    def _place(self, table: np.ndarray, item: Instruction, entries: np.ndarray) -> None:
        first = item["dest"]
        if first + len(entries) > len(table):
            raise SimulationError(f"entries {first} to {first + len(entries)} of a table of {len(table)}")
        table[first : first + len(entries)] = entries

    def _load_input(self, item: Instruction) -> None:
        config, channels = self.config, item["channels"]
        if not 1 <= channels <= INPUT_CHANNELS:
            raise SimulationError(f"pixels of {channels} channels")
        data = self._input_values(item)
        vectors = np.zeros((*data.shape[:3], config.rows), data.dtype)
        used = config.rows // channels * channels
        vectors[..., :used] = data[..., np.arange(used) % channels]
        self._fill(item, vectors)

    def _load_weights(self, item: Instruction) -> None:
        config, size = self.config, self.config.tile_beats * self.config.beat_bytes
        rows, columns, bits = config.rows, config.columns, config.code_bits
        data = self._bytes(item, item["count"] * size).reshape(-1, size)
        spread = np.unpackbits(data, axis=1, bitorder="little")[:, : rows * columns * bits]
        codes = spread.reshape(-1, rows, columns, bits).astype(np.int64) @ (
            1 << np.arange(bits, dtype=np.int64)
        )
        fmt, guard = config.arithmetic.weights, config.arithmetic.guard
        if isinstance(fmt, Pow2Format):
            right = codes & ((1 << fmt.shift_bits) - 1)
            negative = codes >> fmt.shift_bits
            sign = 1 - 2 * negative
            if item["zero_code"]:
                sign[(negative == 1) & (right == fmt.p_max - fmt.p_min)] = 0
            weight = np.full(codes.shape, 1 << (guard + fmt.p_max), np.int64)
        else:
            weight = np.where(codes >> (bits - 1), codes - (1 << bits), codes)
            right, sign = np.full(codes.shape, fmt.n - guard, np.int64), np.ones_like(codes)
        self._ring.extend(zip(weight, right, sign, strict=True))

    def _compute(self, item: Instruction) -> None:
        config = self.config
        record = np.zeros((), _COMPUTE_DTYPE)
        for name, value in item.fields.items():
            record[name] = value
        if item["chunk_rows"] * item["steps"] > config.acc_depth:
            raise SimulationError(
                f"a chunk of {item['chunk_rows']} x {item['steps']} steps exceeds {config.acc_depth}"
            )
        count = 1 if item["hold_weights"] else item["tiles"] * item["ktile_count"]
        first = item["weight_offset"]
        if len(self._ring) < first + count:
            raise SimulationError(f"{first + count} weight tiles are needed, {len(self._ring)} are loaded")
        if item["keep_weights"]:
            tiles = list(islice(self._ring, first, first + count))
        else:
            tiles = [self._ring.popleft() for _ in range(count)]
        weight, right, sign = (np.stack(part) for part in zip(*tiles, strict=True))
        if item["row_taps"] and not config.row_taps:
            raise SimulationError("the configuration leaves out row_taps")
        ages = self._ages * item["row_taps"]
        steps = np.zeros(6, np.int64)
        fault, *place = compute_kernel(
            record[()], self._limits(item), self._sources, self._ktiles, self._lanes, self._params, self._sigmoid,
            weight, right, sign, ages, self.buffer, self._written, self._acc, self._clock, steps)  # fmt: skip
        if fault:
            raise SimulationError(f"{_FAULTS[fault]} (tile {place[0]}, row {place[1]}, pixel {place[2]})")
        self._count(item, steps)

    def _count(self, item: Instruction, values: np.ndarray) -> None:
        counts, config = self.counts, self.config
        names = (
            "port_a_reads",
            "residual_reads",
            "epilogue_writes",
            "operations",
            "nonzero_operations",
            "accumulations",
        )
        for name, value in zip(names, values.tolist(), strict=True):
            setattr(counts, name, getattr(counts, name) + value)
        steps = item["tiles"] * item["ktile_count"] * item["rows"] * item["steps"]
        counts.steps += steps
        counts.array_slots += steps * config.rows * config.columns * config.pixels
        passes = item["tiles"] * item["ktile_count"] * item["chunks"]
        counts.weight_tiles += 1 if item["hold_weights"] else passes

    def _limits(self, item: Instruction) -> np.ndarray:
        act, arithmetic, t = self.config.act, self.config.arithmetic, self._timing
        windows: list[int] = []
        whole = [act.min, act.max]
        for code, bounds in ((item["act"], self._bounds[:2]), (item["residual_act"], self._bounds[2:])):
            if code == Act.SIGMOID and not self.config.sigmoid:
                raise SimulationError("the configuration leaves out sigmoid")
            choices = {Act.NONE: whole, Act.RELU: [0, act.max], Act.CLAMP: bounds, Act.SIGMOID: whole}
            windows += choices[Act(code)]
        if item["residual"] and item["act"] == Act.SIGMOID:
            raise SimulationError("a sigmoid cannot come before a residual")
        residual_distance = t.write_stage - t.residual_stage + 1
        distances = [t.raw_distance, residual_distance]
        return np.array(
            [act.min, act.max, *windows, arithmetic.guard, arithmetic.acc_max, *distances, act.n], np.int64
        )

    def _store(self, item: Instruction) -> None:
        config, slots = self.config, item["slots"]
        sub, word = self._words(item, item["rows"], slots)
        data = np.moveaxis(self.buffer[:, sub, word], 0, -1).copy()
        lanes = item["last_lanes"] >> np.arange(config.rows) & 1
        data[:, :, -1] *= lanes.astype(np.int32)
        self.counts.storer_reads += data.size
        self.counts.store_beats += item["rows"] * item["row_beats"]
        stored = self._gates(data) if item["gates"] else data.astype(f"<i{config.act.storage_bits // 8}")
        for row, values in enumerate(stored):
            start = item["address"] + row * item["row_stride"]
            self.memory[start : start + values.nbytes] = np.frombuffer(values.tobytes(), np.uint8)

    def _gates(self, data: np.ndarray) -> np.ndarray:
        """Values as epilogue parameters, a row of bytes for each row; whole beats per tile."""
        config = self.config
        if not config.gates:
            raise SimulationError("the configuration leaves out gates")
        try:
            return encode_gates(config, data.ravel()).reshape(len(data), -1)
        except ValueError as error:
            raise SimulationError(str(error)) from None

    # -- memory and buffer ---------------------------------------------------------------------------------

    def _bytes(self, item: Instruction, size: int) -> np.ndarray:
        """The one row of a table or weight load."""
        if item["rows"] != 1 or item["row_beats"] * self.config.beat_bytes != size:
            raise SimulationError(f"{item['rows']} rows of {item['row_beats']} beats are not {size} bytes")
        return self.memory[item["address"] : item["address"] + size]

    def _map_values(self, item: Instruction) -> np.ndarray:
        """Values of a MAP load, shape (rows, width, slots, R)."""
        dtype = np.dtype(f"<i{self.config.act.storage_bits // 8}")
        shape = item["width"], item["slots"], self.config.rows
        size = int(np.prod(shape)) * dtype.itemsize
        if item["row_beats"] * self.config.beat_bytes != size:
            raise SimulationError(f"a row of {item['row_beats']} beats does not hold {size} bytes")
        rows = [self.memory[start : start + size].view(dtype).reshape(shape)
                for start in item["address"] + np.arange(item["rows"]) * item["row_stride"]]  # fmt: skip
        return np.stack(rows).astype(np.int32)

    def _input_values(self, item: Instruction) -> np.ndarray:
        """Values of an INPUT load, shape (rows, width, 1, channels): they lie without gaps."""
        dtype, beat, first = (
            np.dtype(f"<i{self.config.act.storage_bits // 8}"),
            self.config.beat_bytes,
            item["address"],
        )
        shape = item["count"], item["width"], 1, item["channels"]
        size = int(np.prod(shape)) * dtype.itemsize
        if item["rows"] != 1 or item["row_beats"] != -(-(first % beat + size) // beat):
            raise SimulationError(
                f"{item['rows']} rows of {item['row_beats']} beats do not hold {size} bytes"
            )
        return self.memory[first : first + size].view(dtype).reshape(shape).astype(np.int32)

    def _words(self, item: Instruction, lines: int, slots: int) -> tuple[np.ndarray, np.ndarray]:
        """Sub-bank and word of every (row, pixel, slot) of a region."""
        x = item["x0"] + np.arange(item["width"])
        rows = (item["offset"] + np.arange(lines) * item["row_step"]) % item["length"]
        offset = (
            rows[:, None, None]
            + np.arange(slots) * item["pitch"]
            + (x // self.config.sub_banks)[None, :, None]
        )
        offset = np.where(offset >= item["length"], offset - item["length"], offset)
        word = item["base"] + offset
        if offset.max() >= item["length"] or word.max() >= self.config.feature_depth:
            raise SimulationError(_FAULTS[ADDRESS])
        return np.broadcast_to((x % self.config.sub_banks)[None, :, None], word.shape), word

    def _fill(self, item: Instruction, vectors: np.ndarray) -> None:
        sub, word = self._words(item, len(vectors), vectors.shape[2])
        for bank in range(self.config.rows):
            self.buffer[bank, sub, word] = vectors[..., bank]
            self._written[bank, sub, word] = -(1 << 40)
        self.counts.loader_writes += vectors.size
