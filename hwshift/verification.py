"""Proof by comparison: golden model, functional simulator, RTL and cycle model agree on a network."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from hwshift.cache import cache_dir
from hwshift.compiler.driver import compile as compile_network
from hwshift.config import AcceleratorConfig
from hwshift.display import table
from hwshift.errors import ProgramError, ToolError
from hwshift.golden.model import trace
from hwshift.network.fixed import FixedNetwork
from hwshift.program.expected import expected_memory, launch_of
from hwshift.program.image import Program
from hwshift.progress import Progress, Stage, silent
from hwshift.sim.cycle.model import MemoryTiming, simulate_cycles
from hwshift.sim.functional import run_program
from hwshift.sim.memory_comparison import MemoryComparison
from hwshift.sim.rtl_run import RtlResult, RtlRun, run_rtl
from hwshift.sim.stalls import StallPattern
from hwshift.tools import SIMULATORS, simulator_env, simulator_problem

__all__ = ["VerifyReport", "choose_simulator", "verify", "verify_program"]

_START = {"icarus": 5.0, "verilator": 60.0}  # seconds of a build, roughly: for the time left alone
_RATE = {"icarus": 8_000.0, "verilator": 40_000.0}  # cycles per second, roughly
_SMALL_RUN = 300_000  # cycles times multipliers: what Icarus simulates before Verilator has been built
_GRACE = 10_000  # cycles that a run may take beyond twice the prediction


@dataclass(frozen=True)
class VerifyReport:
    """What was compared and what came out.

    Members
    -------
    network, config : str
        Names.
    images : int
    simulator : str or None
        None: the RTL was not simulated.
    functional : bool
        Whether the functional simulator was run.
    layers : int
        Maps compared: those that reach memory, the input left out.
    values_compared : int
        Activations, per model and image.
    mismatches : int
        Activations that differ; a difference elsewhere in memory counts as one.
    differences : tuple of str
        Per model and image, where they first differ; and each counter that differs.
    cycles_rtl : tuple of int
        Per image.
    cycles_model : int
    counters_equal : bool or None
        Whether every counter of every run is as the cycle model says; None without RTL.
    """

    network: str
    config: str
    images: int
    simulator: str | None
    functional: bool
    layers: int
    values_compared: int
    mismatches: int
    differences: tuple[str, ...]
    cycles_rtl: tuple[int, ...]
    cycles_model: int
    counters_equal: bool | None
    classes_rtl: tuple[int, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether all models agree."""
        return self.mismatches == 0 and self.counters_equal is not False

    def _repr_html_(self) -> str:
        """In notebooks: what was compared, and what differs."""
        rows = [
            ("agree", "yes" if self.ok else "NO"),
            ("images", self.images),
            ("RTL in", self.simulator or "not run"),
            ("layers that reach memory", self.layers),
            ("values compared", self.values_compared),
            ("mismatches", self.mismatches),
            ("cycles of one image, model", self.cycles_model),
            (
                "cycles of the RTL",
                ", ".join(f"{value:,}" for value in dict.fromkeys(self.cycles_rtl)) or None,
            ),
            *(("differs", text) for text in self.differences),
        ]
        return table(("", ""), rows, caption=f"{self.network} on {self.config}")

    def as_dict(self) -> dict[str, object]:
        """All members, for JSON."""
        return asdict(self) | {"ok": self.ok}


def choose_simulator(config: AcceleratorConfig, cycles: int) -> str:
    """The simulator that is done first with so many cycles, out of those that can be used here.

    Raises
    ------
    ToolError
        If there is none.
    """
    small = cycles * config.rows * config.columns * config.pixels < _SMALL_RUN
    order = SIMULATORS if small else SIMULATORS[::-1]
    problems = {name: simulator_problem(name) for name in order}
    for name in order:
        if problems[name] is None:
            return name
    raise ToolError("; ".join(f"{name}: {problem}" for name, problem in problems.items()), where="simulator")


def verify(
    network: FixedNetwork,
    config: AcceleratorConfig,
    images: np.ndarray,
    *,
    simulator: str | None = "auto",
    keep: Literal["all", "outputs"] = "all",
    stalls: StallPattern | None = None,
    functional: bool = True,
    build_dir: Path | None = None,
    progress: Progress = silent,
) -> VerifyReport:
    """Compile a network and compare all models; see `verify_program` for the other parameters.

    Parameters
    ----------
    network : FixedNetwork
        Bound to ``config.arithmetic``.
    config : AcceleratorConfig
    keep : "all" or "outputs"
        Which layers reach memory, and so are compared.
    """
    program = compile_network(network, config, keep=keep)
    return verify_program(
        program,
        network,
        images,
        simulator=simulator,
        stalls=stalls,
        functional=functional,
        build_dir=build_dir,
        progress=progress,
    )


def verify_program(
    program: Program,
    network: FixedNetwork,
    images: np.ndarray,
    *,
    simulator: str | None = "auto",
    stalls: StallPattern | None = None,
    functional: bool = True,
    build_dir: Path | None = None,
    progress: Progress = silent,
) -> VerifyReport:
    """Compare golden model, functional simulator and RTL in every byte, and cycle model and RTL in every counter.

    Parameters
    ----------
    program : Program
    network : FixedNetwork
        What the program computes.
    images : ndarray of integers, shape (images, channels, height, width)
        Codes in the activation format; in the RTL they run back to back.
    simulator : str or None
        One of `hwshift.tools.SIMULATORS`, "auto", or None: no RTL.
    stalls : StallPattern or None
        Of the memory.
    functional : bool
        Run the functional simulator too.
    build_dir : Path or None
        Folder that keeps builds; None: `hwshift.cache.cache_dir`.
    progress : callable
        Is told what is being done.

    Returns
    -------
    VerifyReport
        Disagreement is reported, not raised.

    Raises
    ------
    SimulationError
        If a run does not end as its program says, or breaks an AXI rule.
    ToolError
        If the simulator cannot be used here.
    ProgramError
        If the program is for another network.
    """
    _check_layers(program, network)
    if simulator not in (None, "auto"):
        simulator_env(simulator)  # fails here rather than after the other models have run
    timing = MemoryTiming(stalls=stalls)
    progress("predicting cycles")
    model = simulate_cycles(program, timing)
    if simulator == "auto":
        simulator = choose_simulator(program.config, model["total"] * len(images))
    progress("computing the expected results")
    comparison = _Comparison(program, network, images)
    if functional:
        for index, image in enumerate(images):
            progress(Stage(f"functional simulator, image {index + 1} of {len(images)}", index, len(images)))
            comparison.image("functional simulator", index, run_program(program, image)[0].tobytes())
    results: list[RtlResult] = []
    if simulator is not None:
        text = f"RTL in {simulator}, {len(images)} x {model['total']} cycles"
        progress(Stage(text, seconds=_START[simulator] + len(images) * model["total"] / _RATE[simulator]))
        runs = [_rtl_run(program, image, timing, model["total"]) for image in images]
        folder = build_dir or cache_dir()
        results = run_rtl(program.config, runs, simulator=simulator, build_dir=folder)
        for index, result in enumerate(results):
            comparison.image("RTL", index, result.check().memory)
            comparison.counters(index, model, result.counters)
    return VerifyReport(
        network=network.name,
        config=program.config.name,
        images=len(images),
        simulator=simulator,
        functional=functional,
        layers=len(program.tensors) - 1,
        values_compared=comparison.compared,
        mismatches=comparison.mismatches,
        differences=tuple(comparison.differences),
        cycles_rtl=tuple(result.counters["total"] for result in results),
        cycles_model=model["total"],
        counters_equal=comparison.counters_equal if results else None,
        classes_rtl=tuple(_largest(program, result.memory) for result in results),
    )


def _largest(program: Program, memory: bytes) -> int:
    """Index of the largest value of the output map."""
    return int(program.read_tensor(np.frombuffer(memory, np.uint8).copy(), program.output).argmax())


def _check_layers(program: Program, network: FixedNetwork) -> None:
    """Refuse a program of another network as far as it can be told; the comparison tells the rest."""
    shapes = {layer.name: tuple(layer.shape) for layer in network.layers}
    for record in program.tensors:
        if shapes.get(record.layer) != tuple(record.shape):
            raise ProgramError(
                f"the program is not for the network {network.name!r}, which has no map {record.shape} of that name",
                where=record.layer,
            )


def _rtl_run(program: Program, image: np.ndarray, timing: MemoryTiming, cycles: int) -> RtlRun:
    return RtlRun(
        launch_of(program),
        program.memory_image(image).tobytes(),
        read_latency=timing.read_latency,
        write_latency=timing.write_latency,
        stalls=timing.stalls,
        max_cycles=2 * cycles + _GRACE,
    )


class _Comparison(MemoryComparison):
    """Collects what is compared with the golden model's results."""

    def __init__(self, program: Program, network: FixedNetwork, images: np.ndarray) -> None:
        super().__init__(program)
        self._expected = [
            expected_memory(program, image, trace(network, program.config.arithmetic, image).maps)
            for image in images
        ]
        self.counters_equal = True

    def image(self, model: str, index: int, actual: bytes) -> None:
        """Compare the memory that a model left."""
        self.memory(f"{model}, image {index}", self._expected[index].tobytes(), actual)

    def counters(self, index: int, model: dict[str, int], rtl: dict[str, int]) -> None:
        """Compare the counters of a run with the prediction."""
        for name, value in model.items():
            if rtl[name] != value:
                self.counters_equal = False
                self.differences.append(
                    f"RTL, image {index}: counter {name}: expected {value}, got {rtl[name]}"
                )
