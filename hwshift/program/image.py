"""A compiled program: instructions, the memory they work on, and where every map lies in it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from hwshift.config import AcceleratorConfig
from hwshift.display import table
from hwshift.errors import ProgramError
from hwshift.program.instruction import Instruction, to_words

__all__ = ["Part", "Program", "Region", "Segment", "TensorRecord"]


@dataclass(frozen=True)
class Segment:
    """A piece of memory with one purpose; ``data`` is what it holds before a run (uint8, None: zeros)."""

    name: str
    base: int
    size: int
    data: np.ndarray | None = None


@dataclass(frozen=True)
class Region:
    """Addresses of the first and the last byte, as the base and limit registers take them."""

    base: int
    limit: int

    def holds(self, address: int, size: int) -> bool:
        """Whether ``size`` bytes from ``address`` on lie inside."""
        return self.base <= address and address + size - 1 <= self.limit


@dataclass(frozen=True)
class Part:
    """One array of vectors in memory: [rows][columns][slots][lanes] activations."""

    address: int
    slots: int
    lanes: int


@dataclass(frozen=True)
class TensorRecord:
    """Where a layer's map lies in memory.

    Parameters
    ----------
    layer : str
    shape : (channels, height, width)
    layout : "map", "input" or "gates"
        [height][width][slots][R] with a channel at its slot and bank, or [height][width][channels], or a map of one
        pixel as epilogue parameters (`hwshift.program.params.encode_gates`).
    parts : tuple of Part
        One, except for a concatenation that exists only as its inputs.
    placement : ndarray of int64, shape (channels, 3)
        Per channel: part, slot, bank.
    """

    layer: str
    shape: tuple[int, int, int]
    layout: str
    parts: tuple[Part, ...]
    placement: np.ndarray = field(repr=False)

    @property
    def address(self) -> int:
        """Of the first part."""
        return self.parts[0].address


@dataclass(frozen=True, eq=False)
class Program:
    """Everything a run needs.

    Parameters
    ----------
    name : str
        Of the network.
    config : AcceleratorConfig
        What it is compiled for.
    instructions : tuple of Instruction
        HEADER first, END last.
    segments : tuple of Segment
        ``program``, ``tables``, ``weights``, ``input``, ``maps``: ascending, without overlap, each at a
        multiple of 4096 bytes.
    regions : dict of str to Region
        ``program``, ``read`` and ``write``.
    tensors : tuple of TensorRecord
        Maps that are in memory after a run, in execution order; the network's input first.
    size : int
        Bytes of memory from address 0 on.
    output : str
        Layer whose map is the result.
    layers : tuple of dict
        What the compiler did with each layer, for people.
    gates : tuple of TensorRecord
        Maps of one pixel that are stored as epilogue parameters, in layout "gates".
    """

    name: str
    config: AcceleratorConfig
    instructions: tuple[Instruction, ...]
    segments: tuple[Segment, ...]
    regions: Mapping[str, Region]
    tensors: tuple[TensorRecord, ...]
    size: int
    output: str
    layers: tuple[dict, ...] = ()
    gates: tuple[TensorRecord, ...] = ()

    def __repr__(self) -> str:
        """Short: its memory has no place in it."""
        return f"<Program {self.name} on {self.config.name}: {len(self.instructions)} instructions>"

    def _repr_html_(self) -> str:
        """In notebooks: a line per layer."""
        columns = ("name", "op", "tiles", "ktiles", "strips", "instructions", "steps", "where")
        rows = [tuple(layer.get(column) for column in columns) for layer in self.layers]
        titles = ("layer", "operation", "tiles", "k-tiles", "strips", "instructions", "steps", "output")
        caption = (
            f"{self.name} on {self.config.name}: {len(self.instructions):,} instructions, {self.size:,} bytes"
        )
        return table(titles, rows, caption=caption)

    @property
    def owners(self) -> dict[int, int]:
        """Index of each instruction of a layer to the layer's place in ``layers``."""
        return {
            index: number
            for number, layer in enumerate(self.layers)
            for span in layer.get("instruction_ranges", ())
            for index in range(*span)
        }

    @property
    def config_hash(self) -> int:
        """Hash of the configuration, as the header carries it."""
        return self.config.hash

    @property
    def program_base(self) -> int:
        """Address of the first instruction, a multiple of 256."""
        return self.regions["program"].base

    @cached_property
    def _records(self) -> dict[str, TensorRecord]:
        return {record.layer: record for record in self.tensors}

    def tensor(self, layer: str) -> TensorRecord:
        """Where a layer's map lies. Raises ProgramError for one that is not in memory."""
        try:
            return self._records[layer]
        except KeyError:
            raise ProgramError(
                f"its map is not in memory; in memory: {', '.join(self._records)}", where=layer
            ) from None

    def segment(self, name: str) -> Segment:
        """The segment of that name. Raises KeyError."""
        return next(item for item in self.segments if item.name == name)

    def words(self) -> np.ndarray:
        """The instructions' words, ndarray of uint32, shape (instructions, 16)."""
        return self._words.copy()

    @cached_property
    def _words(self) -> np.ndarray:
        return to_words(self.instructions)

    def check_config(self, config: AcceleratorConfig) -> None:
        """Raise ProgramError if the program is for another configuration."""
        if config.hash != self.config_hash:
            raise ProgramError(
                f"the program is for the configuration 0x{self.config_hash:08x} ({self.config.name}), "
                f"not for 0x{config.hash:08x} ({config.name})",
                where=self.name,
            )

    def constants(self) -> np.ndarray:
        """The memory with tables and weights only: ndarray of uint8, shape (size,)."""
        memory = np.zeros(self.size, np.uint8)
        for segment in self.segments:
            if segment.data is not None:
                memory[segment.base : segment.base + len(segment.data)] = segment.data
        return memory

    def memory_image(self, x: np.ndarray | None = None) -> np.ndarray:
        """The memory before a run: ndarray of uint8, shape (size,), index = address.

        Parameters
        ----------
        x : ndarray of integers, shape (channels, height, width), or None
            The network's input in the activation format; None leaves zeros.
        """
        memory = self.constants()
        words = self.words().astype("<u4").tobytes()
        memory[self.program_base : self.program_base + len(words)] = np.frombuffer(words, np.uint8)
        if x is not None:
            self.write_input(memory, x)
        return memory

    def write_input(self, memory: np.ndarray, x: np.ndarray) -> None:
        """Place an input in a memory image. Raises ProgramError for a wrong shape or codes outside the format."""
        record, act = self.tensors[0], self.config.act
        x = np.asarray(x)
        if x.shape != tuple(record.shape) or x.dtype.kind not in "iu":
            raise ProgramError(
                f"the input must be integers of the shape {record.shape}, not {x.dtype} {x.shape}",
                where=record.layer,
            )
        if x.min() < act.min or x.max() > act.max:
            raise ProgramError(f"input codes must fit {act}, not {x.min()}..{x.max()}", where=record.layer)
        part, view = record.parts[0], self._view(memory, record)[0]
        data = np.zeros((*record.shape[1:], part.slots, part.lanes), view.dtype)
        data[:, :, record.placement[:, 1], record.placement[:, 2]] = np.moveaxis(x, 0, 2)
        view[...] = data.reshape(view.shape)

    def read_tensor(self, memory: np.ndarray, layer: str) -> np.ndarray:
        """A layer's map from a memory image: ndarray of int32, shape (channels, height, width)."""
        record = self.tensor(layer)
        views = self._view(memory, record)
        out = np.empty(record.shape, np.int32)
        for index, view in enumerate(views):
            channels = np.flatnonzero(record.placement[:, 0] == index)
            slots, banks = record.placement[channels, 1], record.placement[channels, 2]
            out[channels] = np.moveaxis(view[:, :, slots, banks], 2, 0)
        return out

    def unused_lanes(self, memory: np.ndarray, layer: str) -> np.ndarray:
        """The stored values of a map's lanes that hold no channel of any map, which must be 0; one-dimensional.

        Empty for a map of several parts, whose lanes the layers that computed them answer for.
        """
        record = self.tensor(layer)
        if len(record.parts) > 1:
            return np.zeros(0, np.int64)
        (view,) = self._view(memory, record)
        used = np.zeros(view.shape[2:], bool)
        for other in self.tensors:  # a slice shares its part with the map it is a slice of
            for index, part in enumerate(other.parts):
                if part.address == record.parts[0].address:
                    rows = other.placement[other.placement[:, 0] == index]
                    used[rows[:, 1], rows[:, 2]] = True
        return view[:, :, ~used].ravel()

    def _view(self, memory: np.ndarray, record: TensorRecord) -> list[np.ndarray]:
        """Each part as integers of shape (height, width, slots, lanes), sharing memory."""
        dtype = np.dtype(f"<i{self.config.act.storage_bits // 8}")
        views = []
        for part in record.parts:
            shape = (*record.shape[1:], part.slots, part.lanes)
            size = int(np.prod(shape)) * dtype.itemsize
            views.append(memory[part.address : part.address + size].view(dtype).reshape(shape))
        return views
