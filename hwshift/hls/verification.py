"""Proof by comparison for generated C++: what its C simulation computes is what the golden model says."""

import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from hwshift.cache import cache_dir
from hwshift.compiler.driver import compile as compile_network
from hwshift.config import AcceleratorConfig
from hwshift.data import Images
from hwshift.hls.build import build_testbench, run_testbench
from hwshift.hls.engine import check_program
from hwshift.hls.estimates import estimate_plan
from hwshift.hls.generation import Style, check_style, engine_project, stream_project
from hwshift.hls.plan import plan_stream
from hwshift.network.fixed import FixedNetwork
from hwshift.program.image import Program
from hwshift.progress import Progress, silent
from hwshift.sim.memory_comparison import MemoryComparison

__all__ = ["HlsReport", "verify_hls", "verify_hls_program"]


@dataclass(frozen=True)
class HlsReport:
    """What was compared and what came out.

    Members
    -------
    network, config, style : str
    images : int
    layers : int
        Maps compared: those that reach memory (engine), or all (stream); the input left out.
    values_compared, mismatches : int
        Activations.
    differences : tuple of str
        Per image where the maps or memories first differ, and what else the testbench found.
    """

    network: str
    config: str
    style: str
    images: int
    layers: int
    values_compared: int
    mismatches: int
    differences: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether all agree."""
        return not self.differences

    def as_dict(self) -> dict[str, object]:
        """All members, for JSON."""
        return asdict(self) | {"ok": self.ok}


def verify_hls(
    network: FixedNetwork,
    config: AcceleratorConfig,
    images: np.ndarray,
    *,
    style: Style = "engine",
    target_ii: int | None = None,
    keep: Literal["all", "outputs"] = "all",
    build_dir: Path | None = None,
    progress: Progress = silent,
) -> HlsReport:
    """Generate a project, build its C simulation with the compiler at hand and compare what it leaves.

    Parameters
    ----------
    network, config, style, target_ii, keep
        As for `hwshift.hls.generation.generate_hls`.
    images : ndarray of integers, shape (images, channels, height, width)
        Codes in the activation format.
    build_dir : Path or None
        Folder that keeps builds; None: `hwshift.cache.cache_dir`.
    progress : callable
        Is told what is being done.

    Returns
    -------
    HlsReport
        Disagreement is reported, not raised.

    Raises
    ------
    ConfigError
        For an unknown style, or a target that it does not have.
    CompileError
        When the style cannot express the network; names the layer.
    SimulationError
        When the C++ does not build or stops.
    ToolError
        When there is no compiler.
    """
    check_style(style, target_ii)
    if style == "engine":
        program = compile_network(network, config, keep=keep)
        return verify_hls_program(program, network, images, build_dir=build_dir, progress=progress)
    plan = plan_stream(network, config, target_ii)
    progress("computing the expected results")
    files = stream_project(plan, estimate_plan(plan), Images(images, ""))
    results, told = _run(files, len(images), "layers", build_dir, progress)
    compared, wrong, differences = 0, 0, []
    for index, data in enumerate(results):
        expected = np.frombuffer(files[f"vectors/expected_{index}.bin"], "<i4")
        actual = np.frombuffer(data, "<i4")
        compared += expected.size
        if not np.array_equal(actual, expected):
            wrong += max(
                1, int(np.count_nonzero(actual != expected)) if actual.shape == expected.shape else 1
            )
            differences.append(f"C simulation, image {index}: {_first_value(network, expected, actual)}")
    differences += [f"C simulation: {line}" for line in told.splitlines() if line.startswith("standstill")]
    return _report(
        plan.network, config, "stream", images, len(network.layers) - 1, (compared, wrong, differences), told
    )


def verify_hls_program(
    program: Program,
    network: FixedNetwork,
    images: np.ndarray,
    *,
    build_dir: Path | None = None,
    progress: Progress = silent,
) -> HlsReport:
    """The same for a compiled program on the engine; every byte of memory is compared."""
    check_program(program)
    progress("computing the expected results")
    files = engine_project(program, network, Images(images, ""))
    results, told = _run(files, len(images), "memory", build_dir, progress)
    comparison = MemoryComparison(program)
    for index, data in enumerate(results):
        comparison.memory(f"C simulation, image {index}", files[f"vectors/expected_{index}.bin"], data)
    found = comparison.compared, comparison.mismatches, comparison.differences
    return _report(network, program.config, "engine", images, len(program.tensors) - 1, found, told)


def _report(
    network: FixedNetwork,
    config: AcceleratorConfig,
    style: str,
    images: np.ndarray,
    layers: int,
    found: tuple[int, int, list[str]],
    told: str,
) -> HlsReport:
    compared, wrong, differences = found
    passed = told.splitlines()[-1:] and told.splitlines()[-1].startswith("PASS")
    if passed == bool(differences):
        differences = [*differences, f"the testbench itself says: {' '.join(told.split())}"]
    return HlsReport(
        network.name, config.name, style, len(images), layers, compared, wrong, tuple(differences)
    )


def _run(
    files: Mapping[str, bytes], images: int, result: str, build_dir: Path | None, progress: Progress
) -> tuple[list[bytes], str]:
    """What the testbench left for each image, and what it printed."""
    progress("building the C simulation")
    program = build_testbench(files, build_dir or cache_dir())
    progress(f"C simulation of {images} images")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for path in ("vectors", "results"):
            (folder / path).mkdir()
        for path, data in files.items():
            if path.startswith("vectors/"):
                (folder / path).write_bytes(data)
        _, told = run_testbench(program, folder / "vectors", folder / "results")
        left = [folder / "results" / f"{result}_{index}.bin" for index in range(images)]
        return [path.read_bytes() if path.is_file() else b"" for path in left], told


def _first_value(network: FixedNetwork, expected: np.ndarray, actual: np.ndarray) -> str:
    """Layer, channel and pixel of the first value that differs."""
    if actual.shape != expected.shape:
        return f"{actual.size} values, expected {expected.size}"
    place = int(np.flatnonzero(actual != expected)[0])
    values = f"expected {expected[place]}, got {actual[place]}"
    for layer in network.layers[1:]:
        channels, height, width = layer.shape
        if place < channels * height * width:
            pixel, channel = divmod(place, channels)
            y, x = divmod(pixel, width)
            return f"layer {layer.name!r}, channel {channel}, pixel (y={y}, x={x}): {values}"
        place -= channels * height * width
    raise AssertionError("a value belongs to a layer")
