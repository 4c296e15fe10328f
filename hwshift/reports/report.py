"""A report's content: figures of the cycle model, counts and energy, put side by side per layer."""

import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any

from hwshift import __version__
from hwshift.config import AcceleratorConfig
from hwshift.cost.counts import LayerCounts, ProgramCounts
from hwshift.cost.cycles import LayerCycles, layer_cycles
from hwshift.cost.energy import NOT_CHARGED, NOT_INCLUDED, Energy
from hwshift.cost.tables import ASIC_WARNING
from hwshift.errors import ProgramError
from hwshift.network.fixed import FixedNetwork, Input
from hwshift.program.image import Program
from hwshift.simulation import SimulationReport

__all__ = ["ASIC_WARNING", "LayerRow", "Report", "build_report"]


@dataclass(frozen=True)
class LayerRow:
    """One layer of the report's table.

    Members
    -------
    name, op : str
    shape : tuple of int
        Channels, height and width of the output; empty for what belongs to no layer.
    macs : int
        Useful multiplications.
    busy_cycles : int
        Cycles in which the array works for it.
    idle_cycles : int
        The others in front of one of its steps.
    utilisation : float
        Useful multiplications over the array's peak in busy and idle cycles.
    operations : int
        Of the array, those with a zero weight included.
    buffer_accesses : int
        Words read from and written to the shift buffer.
    memory_bytes : int
        Read from and written to the memory behind the bus.
    energy_pj : float
    note : str
        Why a layer takes nothing, if it does.
    """

    name: str
    op: str
    shape: tuple[int, ...]
    macs: int
    busy_cycles: int
    idle_cycles: int
    utilisation: float
    operations: int
    buffer_accesses: int
    memory_bytes: int
    energy_pj: float
    note: str = ""


@dataclass(frozen=True)
class Report:
    """One image of one network on one accelerator.

    Members
    -------
    network : str
    config : AcceleratorConfig
    simulation : SimulationReport
    counts : ProgramCounts
    energy : Energy
    cycles : tuple of LayerCycles
    rows : tuple of LayerRow
        Every layer of the network but the input, also those that take nothing; the program's own row last.
    accuracy : mapping of str to value, or None
        For people, such as ``{"images": 1000, "top-1 %": 90.3}``.
    command : str
        What makes this report again.
    versions : dict of str to str
    """

    network: str
    config: AcceleratorConfig
    simulation: SimulationReport
    counts: ProgramCounts
    energy: Energy
    cycles: tuple[LayerCycles, ...]
    rows: tuple[LayerRow, ...]
    accuracy: Mapping[str, object] | None
    command: str
    versions: dict[str, str]

    @property
    def latency_us(self) -> float:
        """Of one image at the simulation's clock, in microseconds."""
        return self.simulation.counters["total"] / self.simulation.clock_mhz

    @property
    def asic(self) -> bool:
        """Whether the unit costs are those of an ASIC."""
        return self.energy.table.kind == "asic"

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON, units in the names."""
        table = self.energy.table
        return {
            "network": self.network,
            "config": self.config.to_dict(),
            "config_hash": f"0x{self.config.hash:08x}",
            "batch": 1,
            "simulation": self.simulation.as_dict(),
            "latency_us": self.latency_us,
            "layers": [asdict(row) for row in self.rows],
            "counts": [asdict(layer) for layer in self.counts.layers],
            "energy_pj": {
                "total": self.energy.total_pj,
                "by_part": self.energy.by_part_pj,
                "by_layer": self.energy.by_layer_pj,
            },
            "unit_costs": {
                "name": table.name,
                "title": table.title,
                "kind": table.kind,
                "warning": ASIC_WARNING if self.asic else None,
                "lines": [{"action": action, **asdict(point)} for action, point in table.lines],
                "rates": [{**asdict(rate), "total": count} for rate, count in self.energy.by_rate],
                "not_charged": NOT_CHARGED,
                "not_included": list(NOT_INCLUDED),
            },
            "accuracy": dict(self.accuracy) if self.accuracy is not None else None,
            "command": self.command,
            "versions": self.versions,
        }


def build_report(
    network: FixedNetwork,
    program: Program,
    simulation: SimulationReport,
    counts: ProgramCounts,
    energy: Energy,
    *,
    accuracy: Mapping[str, object] | None = None,
    command: str = "",
) -> Report:
    """Put a report together.

    Parameters
    ----------
    network : FixedNetwork
    program : Program
        Of that network.
    simulation : SimulationReport
    counts : ProgramCounts
    energy : Energy
        All three of that program.
    accuracy : mapping of str to value, or None
    command : str

    Raises
    ------
    ProgramError
        When the counts are not those of what was simulated.
    """
    steps, simulated = counts.total.array.steps, simulation.counters["steps"]
    if steps != simulated:
        raise ProgramError(f"{steps} steps were counted, {simulated} were simulated", where=program.name)
    cycles = layer_cycles(counts, simulation)
    rows = _rows(network, simulation, counts, energy, cycles)
    return Report(network.name, program.config, simulation, counts, energy, cycles, rows, accuracy, command,
                  _versions())  # fmt: skip


def _rows(
    network: FixedNetwork,
    simulation: SimulationReport,
    counts: ProgramCounts,
    energy: Energy,
    cycles: tuple[LayerCycles, ...],
) -> tuple[LayerRow, ...]:
    """In the order of the network; then what the program has beside its layers."""
    macs = {layer.name: layer.macs for layer in simulation.layers}
    counted = {layer.name: layer for layer in counts.layers}
    shared = {item.name: item for item in cycles}
    out = []
    shapes = {layer.name: layer.shape for layer in network.layers if not isinstance(layer.op, Input)}
    kinds = {layer.name: type(layer.op).__name__ for layer in network.layers}
    for name in [*shapes, *(name for name in counted if name not in shapes)]:
        count = counted.get(name, LayerCounts(name, kinds.get(name, "")))
        spent = shared.get(name, LayerCycles(name, {}))
        span = spent.total
        useful = macs.get(name, 0)
        out.append(
            LayerRow(
                name=name,
                op=count.op,
                shape=tuple(shapes.get(name, ())),
                macs=useful,
                busy_cycles=spent.busy,
                idle_cycles=spent.idle,
                utilisation=useful / (simulation.peak * span) if span else 0.0,
                operations=count.array.operations,
                buffer_accesses=sum(vars(count.shift_buffer).values()),
                memory_bytes=count.memory.total_bits // 8,
                energy_pj=sum(energy.by_layer_pj.get(name, {}).values()),
                note=_note(count, name in shapes),
            )
        )
    return tuple(out)


def _note(count: LayerCounts, in_network: bool) -> str:
    if not in_network:
        return "header and end of the program, and the cycles after the last step"
    return "" if count.instructions else "another name for channels of its inputs: no instruction, no cost"


def _versions() -> dict[str, str]:
    packages = {name: version(name) for name in ("numpy", "numba", "matplotlib")}
    return {"hwshift": __version__, "Python": platform.python_version(), **packages}
