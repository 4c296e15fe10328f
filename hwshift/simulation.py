"""Simulation without RTL: counters of the cycle model, and the figures that follow from them. Batch size is 1."""

from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np

from hwshift.compiler.driver import compile as compile_network
from hwshift.config import AcceleratorConfig
from hwshift.display import table
from hwshift.network.fixed import Conv, FixedNetwork
from hwshift.program.counters import Cause
from hwshift.program.image import Program
from hwshift.program.isa import Opcode
from hwshift.progress import Progress, silent
from hwshift.sim.cycle.model import MemoryTiming, simulate_cycles
from hwshift.sim.cycle.timeline import Timeline
from hwshift.sim.functional import run_program

__all__ = ["COMPUTE_CAUSES", "LayerFigures", "SimulationReport", "layer_macs", "simulate", "simulate_program"]

COMPUTE_CAUSES = (Cause.BUSY, Cause.PORT, Cause.DRAIN, Cause.WEIGHT_LOAD, Cause.TOKEN_FULL, Cause.SETUP)
"""Causes of the cycles that the compute side takes by itself, without waiting for memory or instructions."""


@dataclass(frozen=True)
class LayerFigures:
    """One layer as the compiler made it; others may have been fused into it.

    Members
    -------
    name, kind : str
    macs : int
        Useful multiplications: those of convolutions, zero padding included; 0 for pools, sums and moves.
    steps : int
        Cycles in which the array worked for it.
    first, last : int or None
        Cycles of its first and last step; None where it has none. Layers between them may have taken turns with it.
    cycles : int
        All cycles up to its steps since the step of another instruction before; they and those after the last step
        are the total.
    causes : dict of str to int
        The same cycles by cause, with the counters' names: ``busy`` is `steps`, the sum is `cycles`.
    utilisation : float
        macs / (peak * steps); 0 without steps.
    """

    name: str
    kind: str
    macs: int
    steps: int
    first: int | None
    last: int | None
    cycles: int
    causes: dict[str, int]
    utilisation: float


@dataclass(frozen=True)
class SimulationReport:
    """Counters of one image and derived figures.

    Members
    -------
    network, config : str
        Names.
    clock_mhz : float
        The clock assumed for ``images_per_second``.
    read_latency, write_latency : int
        Of the memory, in cycles.
    counters : dict of str to int
        As the accelerator counts them.
    macs : int
        Useful multiplications, as in `LayerFigures`.
    peak : int
        Multiplications per cycle of the array: R * C * P.
    compute_cycles : int
        Cycles with one of `COMPUTE_CAUSES`.
    utilisation : dict of str to float
        macs over peak times ``busy`` (cycles in which a step issues), ``compute`` and ``total`` cycles.
    traffic : dict of str to int
        Bytes on the bus: ``instructions``, ``loads``, ``stores``, ``total``.
    images_per_second : float
        At that clock, one image after the other.
    layers : tuple of LayerFigures
    operations : dict of str to int, or None
        What the functional simulator counted; None if it was not run.
    """

    network: str
    config: str
    clock_mhz: float
    read_latency: int
    write_latency: int
    counters: dict[str, int]
    macs: int
    peak: int
    compute_cycles: int
    utilisation: dict[str, float]
    traffic: dict[str, int]
    images_per_second: float
    layers: tuple[LayerFigures, ...]
    operations: dict[str, int] | None

    def as_dict(self) -> dict[str, object]:
        """All members, for JSON."""
        return asdict(self)

    def _repr_html_(self) -> str:
        """In notebooks: a line per layer, and what most figures come to."""
        rows = [
            (layer.name, layer.kind, layer.macs, layer.steps, layer.cycles, 100 * layer.utilisation)
            for layer in self.layers
        ]
        titles = ("layer", "operation", "MACs", "steps", "cycles", "utilisation of its steps %")
        total = self.counters["total"]
        caption = (
            f"{self.network} on {self.config}: {total:,} cycles for one image, {self.images_per_second:,.0f} images "
            f"per second at {self.clock_mhz:g} MHz, {self.utilisation['total']:.1%} of the peak, "
            f"{self.traffic['total']:,} bytes of traffic"
        )
        last = ("total", "", self.macs, self.counters["steps"], total, 100 * self.utilisation["total"])
        return table(titles, rows, caption=caption, total=last)


def layer_macs(network: FixedNetwork) -> dict[str, int]:
    """Useful multiplications per layer: those of convolutions, zero padding included."""
    return {
        layer.name: layer.op.weights.values.size * layer.shape[1] * layer.shape[2]
        if isinstance(layer.op, Conv)
        else 0
        for layer in network.layers
    }


def simulate(
    network: FixedNetwork,
    config: AcceleratorConfig,
    image: np.ndarray | None = None,
    *,
    keep: Literal["all", "outputs"] = "outputs",
    memory: MemoryTiming | None = None,
    clock_mhz: float = 200.0,
    progress: Progress = silent,
) -> SimulationReport:
    """Compile a network and simulate it; see `simulate_program` for the other parameters.

    Parameters
    ----------
    network : FixedNetwork
        Bound to ``config.arithmetic``.
    config : AcceleratorConfig
    keep : "all" or "outputs"
        Which layers' maps are written to memory.
    """
    program = compile_network(network, config, keep=keep)
    return simulate_program(program, network, image, memory=memory, clock_mhz=clock_mhz, progress=progress)


def simulate_program(
    program: Program,
    network: FixedNetwork,
    image: np.ndarray | None = None,
    *,
    memory: MemoryTiming | None = None,
    clock_mhz: float = 200.0,
    progress: Progress = silent,
    timeline: Timeline | None = None,
) -> SimulationReport:
    """Predict every counter of one image.

    Parameters
    ----------
    program : Program
    network : FixedNetwork
        What the program computes.
    image : ndarray of integers, shape (channels, height, width), or None
        With an image the functional simulator runs too and counts operations.
    memory : MemoryTiming or None
        None: its defaults.
    clock_mhz : float
        Clock to convert cycles with; no result of timing analysis.
    progress : callable
        Is told what is being done.
    timeline : Timeline or None
        Receives when every instruction ran.
    """
    memory, config = memory or MemoryTiming(), program.config
    progress("cycle model")
    timeline = timeline or Timeline(len(program.instructions))
    counters = simulate_cycles(program, memory, timeline=timeline)
    operations = None
    if image is not None:
        progress("functional simulator")
        counts = asdict(run_program(program, image, progress)[1])
        operations = {name: value for name, value in counts.items() if isinstance(value, int)}
    macs, peak = layer_macs(network), config.rows * config.columns * config.pixels
    cycles = {
        "busy": counters["busy"],
        "compute": sum(counters[cause.name.lower()] for cause in COMPUTE_CAUSES),
        "total": counters["total"],
    }
    parts = {"instructions": "fetch_beats", "loads": "load_beats", "stores": "store_beats"}
    traffic = {name: counters[beats] * config.beat_bytes for name, beats in parts.items()}
    return SimulationReport(
        network=network.name,
        config=config.name,
        clock_mhz=clock_mhz,
        read_latency=memory.read_latency,
        write_latency=memory.write_latency,
        counters=counters,
        macs=sum(macs.values()),
        peak=peak,
        compute_cycles=cycles["compute"],
        utilisation={name: sum(macs.values()) / (peak * value) for name, value in cycles.items()},
        traffic=traffic | {"total": sum(traffic.values())},
        images_per_second=clock_mhz * 1e6 / counters["total"],
        layers=_layers(program, macs, peak, timeline),
        operations=operations,
    )


def _layers(
    program: Program, macs: dict[str, int], peak: int, timeline: Timeline
) -> tuple[LayerFigures, ...]:
    """The compiler's layers in order, from the first and last step of each of their instructions."""
    owner = program.owners
    spans: list[list[tuple[int, int]]] = [[] for _ in program.layers]
    causes = np.zeros((len(program.layers), len(Cause)), np.int64)
    before = np.zeros(len(Cause), np.int64)
    for index, item in enumerate(program.instructions):
        if item.opcode == Opcode.COMPUTE and timeline.begin[index] >= 0:
            spans[owner[index]].append((int(timeline.begin[index]), int(timeline.end[index])))
            causes[owner[index]] += timeline.causes[index] - before
            before = timeline.causes[index]
    return tuple(_figures(*item, macs, peak) for item in zip(program.layers, spans, causes, strict=True))


def _figures(
    layer: dict, spans: list[tuple[int, int]], causes: np.ndarray, macs: dict[str, int], peak: int
) -> LayerFigures:
    """One layer's figures; per instruction its first and last step, and all cycles by cause."""
    steps, useful = layer.get("steps", 0), macs.get(layer["name"], 0)
    return LayerFigures(
        name=layer["name"],
        kind=str(layer.get("op", "")),
        macs=useful,
        steps=steps,
        first=spans[0][0] if spans else None,
        last=spans[-1][1] if spans else None,
        cycles=int(causes.sum()),
        causes={cause.name.lower(): int(causes[cause]) for cause in Cause},
        utilisation=useful / (peak * steps) if steps else 0.0,
    )
