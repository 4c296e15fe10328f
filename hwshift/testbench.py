"""The bench that a generated design brings along: it needs a simulator and cocotb, but neither hwshift nor numpy."""

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import hwshift.sim
from hwshift.config import AcceleratorConfig
from hwshift.program.expected import launch_of, tensor_table
from hwshift.program.image import Program
from hwshift.program.registers import REGISTER
from hwshift.sim.cycle.model import MemoryTiming
from hwshift.sim.rtl_run import RtlRun, write_job
from hwshift.timing import timing
from hwshift.tools import VERILATOR_WAIVED

__all__ = ["Vector", "bench_files", "bench_parameters", "render"]

_TEMPLATES = Path(__file__).parent / "templates"
_SIM = Path(hwshift.sim.__file__).parent
_SOURCES = (
    _SIM / "verilog" / "axi_memory.v",
    _SIM / "verilog" / "axi_checker.v",
    _SIM / "verilog" / "axi_lite_checker.v",
    _SIM / "verilog" / "tb_top.v",
    _SIM / "benches" / "bench_core.py",
    _SIM / "benches" / "memory_difference.py",
)
_SMALLEST_MEMORY = 1 << 14
_GRACE = 10_000  # cycles that a run may take beyond twice the prediction


@dataclass(frozen=True, eq=False)
class Vector:
    """One image: the memory before and after a run, ndarrays of uint8, index = address."""

    before: np.ndarray
    after: np.ndarray


def render(template: str, **values: object) -> bytes:
    """A file of ``hwshift/templates`` with its values."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES), undefined=StrictUndefined, keep_trailing_newline=True
    )
    return environment.get_template(template).render(**values).encode()


def bench_parameters(config: AcceleratorConfig, size: int) -> dict[str, int]:
    """Parameters of ``tb_top`` for a memory of ``size`` bytes."""
    times, beats = timing(config), -(-size // config.beat_bytes)
    return {
        "ADDRESS_BITS": config.address_width,
        "DATA_BITS": config.bus_width,
        "WORDS": max(_SMALLEST_MEMORY, 1 << (beats - 1).bit_length()),
        "READ_BURSTS": times.read_bursts,
        "WRITE_BURSTS": times.write_bursts,
    }


def bench_files(
    program: Program, vectors: Sequence[Vector], counters: dict[str, int], memory: MemoryTiming
) -> dict[str, bytes]:
    """Path in the bench's folder to content.

    Parameters
    ----------
    program : Program
    vectors : sequence of Vector
        The images, run back to back.
    counters : dict of str to int
        What every run has to count, with a memory of that timing.
    memory : MemoryTiming
        Without stalls.
    """
    config = program.config
    files = {
        "Makefile": render(
            "tb/Makefile.j2",
            parameters=bench_parameters(config, program.size),
            waived=sorted(VERILATOR_WAIVED),
        ),
        "test_core.py": render("tb/test_core.py.j2"),
        **{source.name: source.read_bytes() for source in _SOURCES},
        "vectors/expected.json": _json(
            {"status": REGISTER["STATUS"].by_name["done"].mask, "counters": counters}
        ),
        "vectors/tensors.json": _json(tensor_table(program), indent=None),
    }
    for name, content in _job_files(program, vectors, counters["total"], memory).items():
        files[f"vectors/{name}"] = content
    for index, vector in enumerate(vectors):
        files[f"vectors/expected_{index}.bin"] = vector.after.tobytes()
    return files


def _job_files(
    program: Program, vectors: Sequence[Vector], cycles: int, memory: MemoryTiming
) -> dict[str, bytes]:
    """Name to content of the job, as `hwshift.sim.rtl_run` writes it for the same bench."""
    launch = launch_of(program)
    runs = [
        RtlRun(
            launch,
            vector.before.tobytes(),
            read_latency=memory.read_latency,
            write_latency=memory.write_latency,
            max_cycles=2 * cycles + _GRACE,
        )
        for vector in vectors
    ]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_job(program.config, runs, folder)
        return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


def _json(value: object, indent: int | None = 1) -> bytes:
    return (json.dumps(value, indent=indent) + "\n").encode()
