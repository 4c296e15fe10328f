"""Everything that is known about the cost of one image: counts, cycles and energy, layer by layer.

The one object that reports, comparisons and exports read. Counts and cycles hold no unit cost; `CostAnalysis.energy`
is the counts times a table.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from hwshift.compiler.driver import compile as compile_network
from hwshift.compiler.shift_mode import ShiftMode, with_shifts
from hwshift.config import AcceleratorConfig
from hwshift.cost.counting import count_program
from hwshift.cost.counts import LayerCounts, ProgramCounts
from hwshift.cost.cycles import LayerCycles, layer_cycles
from hwshift.cost.energy import Energy, energy_of
from hwshift.cost.roofline import RooflinePoint, point
from hwshift.cost.tables import CostTable, load_table
from hwshift.cost.views import Access, Operations, ShiftElements, accesses, operations, shift_elements
from hwshift.display import table as html_table
from hwshift.errors import ProgramError
from hwshift.network.fixed import FixedNetwork
from hwshift.program.image import Program
from hwshift.progress import Progress, silent
from hwshift.sim.cycle.model import MemoryTiming
from hwshift.sim.cycle.timeline import Timeline
from hwshift.simulation import SimulationReport, simulate_program

__all__ = ["CostAnalysis", "LayerAnalysis", "analyse", "analyse_program", "analysis_of"]


@dataclass(frozen=True)
class LayerAnalysis:
    """One layer's costs.

    Members
    -------
    name, op : str
        As the compiler names them; `hwshift.cost.counts.PROGRAM` for what belongs to no layer.
    shape : tuple of int
        Channels, height and width of the output; empty for `PROGRAM`.
    macs : int
        Useful multiplications, or shifts and additions: those of convolutions, zero padding included.
    counts : LayerCounts
    cycles : LayerCycles
    operations : Operations
    accesses : tuple of Access
    roofline : RooflinePoint
    energy_pj : dict of str to float
        By part, the keys of `hwshift.cost.energy.PARTS`.
    """

    name: str
    op: str
    shape: tuple[int, ...]
    macs: int
    counts: LayerCounts
    cycles: LayerCycles
    operations: Operations
    accesses: tuple[Access, ...]
    roofline: RooflinePoint
    energy_pj: dict[str, float]

    @property
    def total_pj(self) -> float:
        """Energy of all parts."""
        return sum(self.energy_pj.values())


@dataclass(frozen=True)
class CostAnalysis:
    """One image of one network on one accelerator. Batch size 1.

    Members
    -------
    network : FixedNetwork
        As it was compiled.
    config : AcceleratorConfig
    program : Program
    timeline : Timeline
        When every instruction ran.
    simulation : SimulationReport
        Counters, exactly as the hardware counts them.
    counts : ProgramCounts
        Actions of every layer; nothing about their cost.
    cycles : tuple of LayerCycles
        In the order of ``counts.layers``.
    energy : Energy
    shifts : dict of str to ShiftElements
        What the network shifts, per layer with a spatial shift.
    """

    network: FixedNetwork
    config: AcceleratorConfig
    program: Program
    timeline: Timeline
    simulation: SimulationReport
    counts: ProgramCounts
    cycles: tuple[LayerCycles, ...]
    energy: Energy
    shifts: dict[str, ShiftElements]

    def __repr__(self) -> str:
        """Short: what it was made from has no place in it."""
        total = self.simulation.counters["total"]
        return f"<CostAnalysis {self.network.name} on {self.config.name}: {total:,} cycles>"

    def _repr_html_(self) -> str:
        """In notebooks: a line per layer."""
        rows = [
            (
                layer.name,
                layer.op,
                layer.macs,
                layer.cycles.busy,
                layer.cycles.idle,
                layer.counts.memory.total_bits // 8,
                layer.total_pj / 1e3,
            )
            for layer in self.layers
        ]
        counters, energy = self.simulation.counters, self.energy
        memory = self.counts.total.memory.total_bits // 8
        titles = ("layer", "operation", "MACs", "busy cycles", "idle cycles", "memory bytes", "energy nJ")
        last = ("total", "", self.simulation.macs, counters["busy"], counters["total"] - counters["busy"], memory,
                energy.total_pj / 1e3)  # fmt: skip
        caption = f"{self.network.name} on {self.config.name}, unit costs {energy.table.name}"
        return html_table(titles, rows, caption=caption, total=last)

    @cached_property
    def layers(self) -> tuple[LayerAnalysis, ...]:
        """Every layer in the order of ``counts.layers``, `PROGRAM` last."""
        macs = {layer.name: layer.macs for layer in self.simulation.layers}
        shapes = {layer.name: layer.shape for layer in self.network.layers}
        return tuple(
            LayerAnalysis(
                count.name,
                count.op,
                tuple(shapes.get(count.name, ())),
                macs.get(count.name, 0),
                count,
                cycles,
                operations(count, self.config),
                accesses(count, self.config),
                point(self.config, macs.get(count.name, 0), cycles.total, count.memory),
                self.energy.by_layer_pj[count.name],
            )
            for count, cycles in zip(self.counts.layers, self.cycles, strict=True)
        )

    @cached_property
    def operations(self) -> Operations:
        """Of the whole image."""
        return operations(self.counts.total, self.config)

    @cached_property
    def accesses(self) -> tuple[Access, ...]:
        """Of the whole image, by memory and port."""
        return accesses(self.counts.total, self.config)

    @cached_property
    def shift_total(self) -> ShiftElements:
        """Elements shifted and not shifted in the whole network."""
        return sum(self.shifts.values(), ShiftElements())

    @property
    def roofline(self) -> RooflinePoint:
        """The whole image as one point."""
        return point(
            self.config,
            self.simulation.macs,
            self.simulation.counters["total"],
            self.counts.total.memory,
        )

    @property
    def latency_us(self) -> float:
        """Of one image at the simulation's clock, in microseconds."""
        return self.simulation.counters["total"] / self.simulation.clock_mhz


def analyse(
    network: FixedNetwork,
    config: AcceleratorConfig,
    *,
    shift: ShiftMode | None = None,
    keep: Literal["all", "outputs"] = "outputs",
    table: CostTable | None = None,
    memory: MemoryTiming | None = None,
    clock_mhz: float = 200.0,
    progress: Progress = silent,
) -> CostAnalysis:
    """Compile a network and analyse it.

    Parameters
    ----------
    network : FixedNetwork
        Bound to ``config.arithmetic``: `hwshift.resolve.prepare`.
    config : AcceleratorConfig
    shift : "fused", "moved" or None
        As `hwshift.compiler.shift_mode.with_shifts`.
    keep : "all" or "outputs"
        Which layers' maps are written to memory.
    table : CostTable or None
        None: 45 nm.
    memory : MemoryTiming or None
        None: its defaults.
    clock_mhz : float
        Clock to convert cycles with; no result of timing analysis.
    progress : callable
        Is told what is being done.

    Raises
    ------
    CompileError
        When the network does not fit the accelerator.
    """
    progress("compiling")
    compiled = with_shifts(network, shift)
    program = compile_network(compiled, config, keep=keep, progress=progress)
    return analyse_program(
        program,
        compiled,
        table=table,
        memory=memory,
        clock_mhz=clock_mhz,
        progress=progress,
        shifts=shift_elements(network),
    )


def analyse_program(
    program: Program,
    network: FixedNetwork,
    *,
    table: CostTable | None = None,
    memory: MemoryTiming | None = None,
    clock_mhz: float = 200.0,
    progress: Progress = silent,
    shifts: dict[str, ShiftElements] | None = None,
) -> CostAnalysis:
    """Simulate and count a compiled network; parameters as `analyse`.

    Parameters
    ----------
    program : Program
    network : FixedNetwork
        What the program computes.
    shifts : dict of str to ShiftElements, or None
        None: those of ``network``. A network whose shifts are layers moves shifted channels only, so that what stays
        is seen before `hwshift.compiler.shift_mode.with_shifts` alone.

    Raises
    ------
    ProgramError
        When counts and simulation do not agree.
    """
    timeline = Timeline(len(program.instructions))
    simulation = simulate_program(
        program, network, memory=memory, clock_mhz=clock_mhz, progress=progress, timeline=timeline
    )
    progress("counting")
    return analysis_of(program, network, simulation, timeline, table=table, shifts=shifts)


def analysis_of(
    program: Program,
    network: FixedNetwork,
    simulation: SimulationReport,
    timeline: Timeline,
    *,
    table: CostTable | None = None,
    shifts: dict[str, ShiftElements] | None = None,
) -> CostAnalysis:
    """Count a program that has been simulated; parameters as `analyse_program`.

    Parameters
    ----------
    simulation : SimulationReport
    timeline : Timeline
        Both of that program.
    """
    counts = count_program(program)
    steps, simulated = counts.total.array.steps, simulation.counters["steps"]
    if steps != simulated:
        raise ProgramError(f"{steps} steps were counted, {simulated} were simulated", where=program.name)
    return CostAnalysis(
        network,
        program.config,
        program,
        timeline,
        simulation,
        counts,
        layer_cycles(counts, simulation),
        energy_of(counts, program.config, table or load_table()),
        shift_elements(network) if shifts is None else shifts,
    )
