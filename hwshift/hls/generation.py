"""C++ projects as folders: there as a whole or not at all, and the same bytes for the same input."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from hwshift.compiler.driver import compile as compile_network
from hwshift.config import AcceleratorConfig
from hwshift.data import Images
from hwshift.errors import ConfigError
from hwshift.golden.model import trace
from hwshift.hls.engine import Vector, check_program, engine_files
from hwshift.hls.estimates import Estimate, estimate_plan
from hwshift.hls.plan import Plan, plan_stream
from hwshift.hls.stream import stream_files
from hwshift.network.fixed import FixedNetwork
from hwshift.program.expected import expected_memory
from hwshift.program.image import Program
from hwshift.progress import Progress, silent
from hwshift.writing import check_folder, replace_folder

__all__ = [
    "STYLES",
    "HlsDesign",
    "Style",
    "check_style",
    "engine_project",
    "engine_vectors",
    "generate_hls",
    "stream_project",
]

Style = Literal["engine", "stream"]

STYLES: tuple[Style, ...] = ("engine", "stream")


@dataclass(frozen=True)
class HlsDesign:
    """What was written.

    Members
    -------
    folder : Path
    style : "engine" or "stream"
    files : tuple of str
        Paths in the folder, sorted.
    program : Program or None
        What the engine runs.
    estimate : Estimate or None
        Of the streaming style.
    """

    folder: Path
    style: Style
    files: tuple[str, ...]
    program: Program | None = None
    estimate: Estimate | None = None


def generate_hls(
    network: FixedNetwork,
    config: AcceleratorConfig,
    out: Path | str,
    images: Images,
    *,
    style: Style = "engine",
    target_ii: int | None = None,
    keep: Literal["all", "outputs"] = "all",
    force: bool = False,
    progress: Progress = silent,
) -> HlsDesign:
    """Write a C++ project.

    Parameters
    ----------
    network : FixedNetwork
        Bound to ``config.arithmetic``.
    config : AcceleratorConfig
        Of a streaming design: its arithmetic, and without ``target_ii`` the number of its processing elements.
    out : Path or str
        The folder.
    images : Images
        What the testbench runs.
    style : "engine" or "stream"
    target_ii : int or None
        stream: cycles from one image to the next that the folding aims at; None: the least for which the design has
        no more processing elements than the configuration.
    keep : "all" or "outputs"
        engine: which layers reach memory, and so are compared.
    force : bool
        Replace a folder that holds something, with everything in it.
    progress : callable
        Is told what is being done.

    Raises
    ------
    ConfigError
        For an unknown style, or a target that it does not have.
    CompileError
        When the network does not fit, or the style cannot express it; names the layer.
    ProgramError
        When the folder cannot be written.
    """
    check_style(style, target_ii)
    folder = Path(out).absolute()
    check_folder(folder, force)
    program, found = None, None
    if style == "engine":
        progress("compiling")
        program = compile_network(network, config, keep=keep)
        check_program(program)
        progress("computing the expected results")
        files = engine_project(program, network, images)
    else:
        progress("folding")
        plan = plan_stream(network, config, target_ii)
        found = estimate_plan(plan)
        progress("computing the expected results")
        files = stream_project(plan, found, images)
    progress("writing files")
    replace_folder(files, folder)
    return HlsDesign(folder, style, tuple(sorted(files)), program, found)


def check_style(style: str, target_ii: int | None) -> None:
    """Refuse an unknown style, or a target that it does not have. Raises ConfigError."""
    if style not in STYLES:
        raise ConfigError(f"must be one of {', '.join(STYLES)}, not {style!r}", where="hls")
    if target_ii is None:
        return
    if style != "stream":
        raise ConfigError("is of streaming designs: leave it out or use the style stream", where="target_ii")
    if isinstance(target_ii, bool) or not isinstance(target_ii, int) or target_ii < 1:
        raise ConfigError(f"must be a number of cycles, 1 or more, not {target_ii!r}", where="target_ii")


def engine_vectors(program: Program, network: FixedNetwork, codes: np.ndarray) -> list[Vector]:
    """Inputs and memories after the runs, by the golden model.

    Parameters
    ----------
    codes : ndarray of integers, shape (images, channels, height, width)
    """
    source = program.tensors[0]
    part = source.parts[0]
    size = int(np.prod((*source.shape[1:], part.slots, part.lanes))) * program.config.act.storage_bits // 8
    vectors = []
    for image in codes:
        maps = trace(network, program.config.arithmetic, image).maps
        after = expected_memory(program, image, maps)
        vectors.append(Vector(after[part.address : part.address + size].copy(), after))
    return vectors


def engine_project(program: Program, network: FixedNetwork, images: Images) -> dict[str, bytes]:
    """Path to content of an engine's project; see `hwshift.hls.engine.engine_files`."""
    return engine_files(program, engine_vectors(program, network, images.codes), images)


def stream_project(plan: Plan, found: Estimate, images: Images) -> dict[str, bytes]:
    """Path to content of a streaming project; see `hwshift.hls.stream.stream_files`."""
    maps = [trace(plan.network, plan.config.arithmetic, image).maps for image in images.codes]
    return stream_files(plan, found, images, maps)
