"""A design as a folder: Verilog, program, memory image, registers, constants, and a bench that can fail."""

import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from hwshift import __version__
from hwshift.cache import cache_dir
from hwshift.compiler.driver import compile as compile_network
from hwshift.config import AcceleratorConfig
from hwshift.data import Images
from hwshift.errors import MismatchError, ProgramError
from hwshift.golden.model import trace
from hwshift.network.fixed import FixedNetwork
from hwshift.program.assembler import disassemble
from hwshift.program.expected import expected_memory, launch_of, tensor_table
from hwshift.program.file import save_program
from hwshift.program.image import Program
from hwshift.program.registers import APERTURE, render_c_header, render_markdown
from hwshift.progress import Progress, silent
from hwshift.sim.benches.memory_difference import first_difference
from hwshift.sim.cycle.model import MemoryTiming, simulate_cycles
from hwshift.sim.functional import run_program
from hwshift.sim.rtl_run import core_file
from hwshift.testbench import Vector, bench_files, render
from hwshift.timing import timing

__all__ = ["Design", "constants", "generate", "memory_hex", "toml_text"]


@dataclass(frozen=True)
class Design:
    """What was written.

    Members
    -------
    folder : Path
    program : Program
    files : tuple of str
        Paths in the folder, sorted.
    cycles : int
        Of one image, as the bench expects it.
    """

    folder: Path
    program: Program
    files: tuple[str, ...]
    cycles: int


def generate(
    network: FixedNetwork,
    config: AcceleratorConfig,
    out: Path | str,
    images: Images,
    *,
    force: bool = False,
    keep: Literal["all", "outputs"] = "all",
    build_dir: Path | None = None,
    progress: Progress = silent,
) -> Design:
    """Write a design; the folder is there as a whole or not at all, and the same input gives the same bytes.

    Parameters
    ----------
    network : FixedNetwork
        Bound to ``config.arithmetic``.
    config : AcceleratorConfig
    out : Path or str
        The folder.
    images : Images
        What the bench runs.
    force : bool
        Replace a folder that holds something, with everything in it.
    keep : "all" or "outputs"
        Which layers reach memory, and so are compared by the bench.
    build_dir : Path or None
        Folder that keeps generated Verilog; None: `hwshift.cache.cache_dir`.
    progress : callable
        Is told what is being done.

    Raises
    ------
    CompileError
        When the network does not fit.
    MismatchError
        When the program does not compute what the golden model does.
    ProgramError
        When the folder cannot be written.
    """
    folder = Path(out).absolute()
    _check_target(folder, force)
    progress("compiling")
    program = compile_network(network, config, keep=keep, progress=progress)
    memory = MemoryTiming()
    counters = simulate_cycles(program, memory)
    progress("computing the expected results")
    vectors = [_vector(program, network, image) for image in images.codes]
    progress(f"writing Verilog of {config.rows} x {config.columns} x {config.pixels}")
    files = {
        "rtl/hwshift_core.v": core_file(config, build_dir or cache_dir()).read_bytes(),
        "filelist.f": b"rtl/hwshift_core.v\n",
        **_program_files(program),
        "constants.json": (json.dumps(constants(program), indent=1) + "\n").encode(),
        "registers.md": ("# Registers\n\n" + render_markdown()).encode(),
        "registers.h": render_c_header().encode(),
        "config.toml": toml_text(config.to_dict()).encode(),
        "README.md": _readme(program, images, memory, counters),
    }
    for name, content in bench_files(program, vectors, counters, memory).items():
        files[f"tb/{name}"] = content
    progress("writing files")
    _install(files, folder)
    return Design(folder, program, tuple(sorted(files)), counters["total"])


def constants(program: Program) -> dict:
    """What other tools and software need to know, as plain values."""
    config = program.config
    return {
        "generator": f"hwshift {__version__}",
        "network": program.name,
        "config": config.to_dict(),
        "config_hash": config.hash,
        "timing": timing(config).to_dict(),
        "memory": {
            "size": program.size,
            "beat_bytes": config.beat_bytes,
            "segments": [
                {"name": item.name, "base": item.base, "size": item.size} for item in program.segments
            ],
            "regions": {name: [region.base, region.limit] for name, region in program.regions.items()},
            "output": program.output,
        },
        "launch": launch_of(program).registers(),
    }


def memory_hex(memory: np.ndarray, beat_bytes: int) -> str:
    """A memory for ``$readmemh``: one word per bus beat, runs of zero words left out behind an ``@`` address."""
    beats = memory.reshape(-1, beat_bytes)
    lines: list[str] = []
    expected = 0
    for index in np.flatnonzero(beats.any(axis=1)).tolist():
        if index != expected or not lines:
            lines.append(f"@{index:x}")
        lines.append(beats[index, ::-1].tobytes().hex())
        expected = index + 1
    return "\n".join([*lines, ""])


def toml_text(values: dict) -> str:
    """Flat values as TOML; None is left out."""
    return "".join(f"{name} = {json.dumps(value)}\n" for name, value in values.items() if value is not None)


def _vector(program: Program, network: FixedNetwork, image: np.ndarray) -> Vector:
    """Memory before and after a run, by the golden model; the program is checked to give the same."""
    maps = trace(network, program.config.arithmetic, image).maps
    after = expected_memory(program, image, maps)
    got, _ = run_program(program, image)
    difference = first_difference(after.tobytes(), got.tobytes(), tensor_table(program))
    if difference is not None:
        raise MismatchError(f"the program and the golden model differ: {difference}", where=program.name)
    return Vector(program.memory_image(image), after)


def _program_files(program: Program) -> dict[str, bytes]:
    image = program.memory_image()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "program.hwprog"
        save_program(program, path)
        archive = path.read_bytes()
    return {
        "program/program.hwprog": archive,
        "program/program.txt": disassemble(program.instructions).encode(),
        "program/memory.hex": memory_hex(image, program.config.beat_bytes).encode(),
        "program/memory.bin": image.tobytes(),
    }


def _readme(program: Program, images: Images, memory: MemoryTiming, counters: dict[str, int]) -> bytes:
    return render(
        "README.md.j2",
        version=__version__,
        network=program.name,
        config=program.config,
        program=program,
        input=program.tensors[0],
        images=len(images.codes),
        description=images.description,
        memory=memory,
        cycles=counters["total"],
        aperture=APERTURE,
        launch=launch_of(program).registers(),
    )


def _check_target(folder: Path, force: bool) -> None:
    """Refuse a folder that must not be written to."""
    where = str(folder)
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise ProgramError("is no folder", where=where)
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    if not force:
        raise ProgramError("the folder is not empty: name another, or replace it with --force", where=where)
    for kept in (Path.cwd(), Path.home()):
        if kept.resolve().is_relative_to(folder.resolve()):
            raise ProgramError(f"the folder holds {kept}: name another", where=where)


def _install(files: dict[str, bytes], folder: Path) -> None:
    """Write a folder beside the wanted one, then rename it."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        try:
            new = work / "new"
            for name, content in files.items():
                path = new / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            _swap(new, folder, work / "old")
        finally:
            shutil.rmtree(work, ignore_errors=True)
    except OSError as error:
        raise ProgramError(f"cannot be written: {error.strerror or error}", where=str(folder)) from None


def _swap(new: Path, folder: Path, old: Path) -> None:
    """Put ``new`` in the place of ``folder``, which goes to ``old`` if it holds something."""
    if folder.is_dir():
        os.rename(folder, old)
    try:
        os.rename(new, folder)
    except OSError:
        if old.is_dir():
            os.rename(old, folder)
        raise
