"""The same network on other styles of hardware: other elements, other shifts, other sizes."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from hwshift.compiler.shift_mode import ShiftMode, with_shifts
from hwshift.config import AcceleratorConfig
from hwshift.cost.analysis import CostAnalysis, analyse
from hwshift.errors import HwshiftError
from hwshift.network.fixed import Conv, FixedNetwork, Shift
from hwshift.network.graph import Network
from hwshift.progress import Progress, Stage, silent
from hwshift.resolve import WeightKind, prepare
from hwshift.sim.cycle.model import MemoryTiming

__all__ = ["Style", "other_styles", "style_of"]

_LARGEST = 32
_SMALLEST = 4


@dataclass(frozen=True)
class Style:
    """What one image takes on one style.

    Members
    -------
    title : str
        What differs from the design that the report is about.
    array : str
        Such as ``16 × 16, mac``.
    cycles, memory_bytes : int or None
        None where the network does not fit.
    energy_pj, utilisation : float or None
        Likewise; of the peak in all cycles.
    refused : str
        Why it does not fit.
    """

    title: str
    array: str
    cycles: int | None = None
    memory_bytes: int | None = None
    energy_pj: float | None = None
    utilisation: float | None = None
    refused: str = ""


def style_of(title: str, analysis: CostAnalysis) -> Style:
    """The figures of an analysis."""
    simulation = analysis.simulation
    return Style(
        title,
        _array(analysis.config),
        simulation.counters["total"],
        analysis.counts.total.memory.total_bits // 8,
        analysis.energy.total_pj,
        simulation.utilisation["total"],
    )


def other_styles(
    source: Network | FixedNetwork,
    analysis: CostAnalysis,
    *,
    weights: WeightKind | None = None,
    shift: ShiftMode | None = None,
    keep: Literal["all", "outputs"] = "outputs",
    memory: MemoryTiming | None = None,
    progress: Progress = silent,
) -> tuple[Style, ...]:
    """Analyse a network on the styles beside the one it was analysed on.

    Parameters
    ----------
    source : Network or FixedNetwork
        As it was given: a float network is quantized anew for other elements.
    analysis : CostAnalysis
        On the design that the others are compared with; its unit costs are used for all.
    weights, shift, keep, memory
        As they were for ``analysis``.
    progress : callable
        Is told what is being done, with its share.

    Returns
    -------
    tuple of Style
        The first is ``analysis`` itself. A style that the network does not fit says why.
    """
    out = [style_of("this design", analysis)]
    wanted = list(_wanted(analysis))
    for done, (title, config, moved) in enumerate(wanted):
        progress(Stage(f"other styles: {title}", done, len(wanted)))
        kind = weights if config.pe == analysis.config.pe else None
        try:
            network = prepare(source, config, kind)
            found = analyse(with_shifts(network, moved or shift), config, keep=keep, table=analysis.energy.table,
                            memory=memory, clock_mhz=analysis.simulation.clock_mhz)  # fmt: skip
        except HwshiftError as error:
            out.append(Style(title, _array(config), refused=str(error)))
        else:
            out.append(style_of(title, found))
    return tuple(out)


def _wanted(analysis: CostAnalysis) -> Iterator[tuple[str, AcceleratorConfig, ShiftMode | None]]:
    """Title, configuration, and what is done with shifts if it is something else."""
    config, layers = analysis.config, analysis.network.layers
    if config.pe == "mac":
        yield "shift-add", config.with_(pe="shift_add", scale_digits=4), None
    else:
        yield "multipliers", config.with_(pe="mac", scale_digits=None), None
    if any(isinstance(layer.op, Conv) and layer.op.shift is not None for layer in layers):
        yield "shifts moved", config, "moved"
    elif any(isinstance(layer.op, Shift) for layer in layers):
        yield "shifts fused", config, "fused"
    if config.rows < _LARGEST:
        yield "twice the side", config.with_(rows=2 * config.rows, columns=2 * config.columns), None
    if config.columns > _SMALLEST:
        yield "half the side", config.with_(rows=config.rows // 2, columns=config.columns // 2), None
    if config.pixels < 4:
        depth = max(16, config.feature_depth * config.pixels // 4)
        yield "4 pixels per step", config.with_(pixels=4, feature_depth=depth), None


def _array(config: AcceleratorConfig) -> str:
    pixels = f" × {config.pixels}" if config.pixels > 1 else ""
    return f"{config.rows} × {config.columns}{pixels}, {config.pe.replace('_', '-')}"
