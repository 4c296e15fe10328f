"""What memory has to hold after a run: the golden model's maps at the places of the program's records."""

from collections.abc import Mapping

import numpy as np

from hwshift.program.image import Program, TensorRecord
from hwshift.program.params import encode_gates
from hwshift.program.registers import Launch

__all__ = ["expected_memory", "launch_of", "tensor_table"]


def launch_of(program: Program, *, watchdog: int = 0) -> Launch:
    """The registers that a host sets to run a program; ``watchdog`` in cycles, 0: never."""
    regions = program.regions
    return Launch(
        program_base=program.program_base,
        program_count=len(program.instructions),
        program_limit=regions["program"].limit,
        read_base=regions["read"].base,
        read_limit=regions["read"].limit,
        write_base=regions["write"].base,
        write_limit=regions["write"].limit,
        watchdog=watchdog,
    )


def expected_memory(program: Program, x: np.ndarray, maps: Mapping[str, np.ndarray]) -> np.ndarray:
    """Every byte of the memory after a run.

    Parameters
    ----------
    program : Program
    x : ndarray of integers, shape (channels, height, width)
        The input.
    maps : mapping of layer name to ndarray of integers, shape (channels, height, width)
        The golden model's maps of this input.

    Returns
    -------
    ndarray of uint8, shape (size,)
    """
    memory = program.memory_image(x)
    for record in program.tensors[1:]:
        _place(program, memory, record, maps[record.layer])
    for record in program.gates:
        _place_gates(program, memory, record, maps[record.layer])
    return memory


def tensor_table(program: Program) -> list[dict]:
    """Where every map in memory lies, as plain values for `hwshift.sim.benches.memory_difference`."""
    return [
        {
            "layer": record.layer,
            "shape": list(record.shape),
            "bytes": program.config.act.storage_bits // 8,
            "parts": [[part.address, part.slots, part.lanes] for part in record.parts],
            "placement": record.placement.tolist(),
        }
        for record in program.tensors
    ]


def _place_gates(program: Program, memory: np.ndarray, record: TensorRecord, values: np.ndarray) -> None:
    """Write a map of one pixel as epilogue parameters; other lanes are gates of 0."""
    (part,) = record.parts
    lanes = np.zeros((part.slots, part.lanes), np.int64)
    lanes[record.placement[:, 1], record.placement[:, 2]] = values[:, 0, 0]
    data = encode_gates(program.config, lanes.ravel())
    memory[part.address : part.address + len(data)] = data


def _place(program: Program, memory: np.ndarray, record: TensorRecord, values: np.ndarray) -> None:
    """Write a map's channels; other lanes stay as they are."""
    dtype = np.dtype(f"<i{program.config.act.storage_bits // 8}")
    for index, part in enumerate(record.parts):
        shape = (*record.shape[1:], part.slots, part.lanes)
        size = int(np.prod(shape)) * dtype.itemsize
        view = memory[part.address : part.address + size].view(dtype).reshape(shape)
        channels = np.flatnonzero(record.placement[:, 0] == index)
        slots, banks = record.placement[channels, 1], record.placement[channels, 2]
        view[:, :, slots, banks] = np.moveaxis(values[channels], 0, 2)
