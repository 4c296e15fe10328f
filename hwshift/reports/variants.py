"""The same network in other styles: other elements, other ways to mix neighbouring pixels, other sizes of the array."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from hwshift.compiler.shift_mode import ShiftMode, with_shifts
from hwshift.config import AcceleratorConfig
from hwshift.cost.analysis import CostAnalysis, analyse
from hwshift.cost.styles import restyle
from hwshift.errors import HwshiftError
from hwshift.network.fixed import Conv, FixedNetwork, Shift
from hwshift.network.graph import Network
from hwshift.progress import Progress, Stage, silent
from hwshift.resolve import WeightKind, prepare
from hwshift.sim.cycle.model import MemoryTiming
from hwshift.synthesis import estimate

__all__ = ["Variant", "other_variants", "variant_of"]

_LARGEST = 32
_SMALLEST = 4
_MIXINGS: dict[str, Literal["conv", "depthwise", "shift"]] = {
    "convolutions": "conv",
    "depthwise-separable": "depthwise",
    "shifts": "shift",
}


@dataclass(frozen=True)
class Variant:
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
    lut, dsp, bram : float or None
        Of an FPGA, estimated; None where it was not asked for, or does not fit.
    """

    title: str
    array: str
    cycles: int | None = None
    memory_bytes: int | None = None
    energy_pj: float | None = None
    utilisation: float | None = None
    refused: str = ""
    lut: float | None = None
    dsp: float | None = None
    bram: float | None = None


def variant_of(title: str, analysis: CostAnalysis, target: str | None = None) -> Variant:
    """The figures of an analysis, and with a target the area of its accelerator."""
    simulation = analysis.simulation
    area = None if target is None else estimate(analysis.config, target).total
    return Variant(
        title,
        _array(analysis.config),
        simulation.counters["total"],
        analysis.counts.total.memory.total_bits // 8,
        analysis.energy.total_pj,
        simulation.utilisation["total"],
        lut=None if area is None else area.lut,
        dsp=None if area is None else area.dsp,
        bram=None if area is None else area.bram,
    )


def other_variants(
    source: Network | FixedNetwork,
    analysis: CostAnalysis,
    *,
    weights: WeightKind | None = None,
    shift: ShiftMode | None = None,
    keep: Literal["all", "outputs"] = "outputs",
    memory: MemoryTiming | None = None,
    target: str | None = None,
    progress: Progress = silent,
) -> tuple[Variant, ...]:
    """Analyse a network on the styles beside the one it was analysed on.

    Parameters
    ----------
    source : Network or FixedNetwork
        As it was given: a float network is quantized anew for other elements.
    analysis : CostAnalysis
        On the design that the others are compared with; its unit costs are used for all.
    weights, shift, keep, memory
        As they were for ``analysis``.
    target : str or None
        Device that areas are estimated for.
    progress : callable
        Is told what is being done, with its share.

    Returns
    -------
    tuple of Variant
        The first is ``analysis`` itself. A style that the network does not fit says why.
    """
    out = [variant_of("this design", analysis, target)]
    wanted = list(_wanted(source, analysis))
    for done, (title, network, config, moved) in enumerate(wanted):
        progress(Stage(f"other styles: {title}", done, len(wanted)))
        kind = weights if config.pe == analysis.config.pe else None
        try:
            bound = with_shifts(prepare(network, config, kind), moved or shift)
            found = analyse(bound, config, keep=keep, table=analysis.energy.table, memory=memory,
                            clock_mhz=analysis.simulation.clock_mhz)  # fmt: skip
        except HwshiftError as error:
            out.append(Variant(title, _array(config), refused=str(error)))
        else:
            out.append(variant_of(title, found, target))
    return tuple(out)


_Wanted = tuple[str, Network | FixedNetwork, AcceleratorConfig, ShiftMode | None]
"""Title, network, configuration, and what is done with shifts if it is something else."""


def _wanted(source: Network | FixedNetwork, analysis: CostAnalysis) -> Iterator[_Wanted]:
    config, layers = analysis.config, analysis.network.layers
    mac = config if config.pe == "mac" else config.with_array("mac")
    other = config.with_array("shift_add") if config.pe == "mac" else mac
    yield "shift-add" if config.pe == "mac" else "multipliers", source, other, None
    if any(isinstance(layer.op, Conv) and layer.op.shift is not None for layer in layers):
        yield "shifts moved", source, config, "moved"
    elif any(isinstance(layer.op, Shift) for layer in layers):
        yield "shifts fused", source, config, "fused"
    if isinstance(source, Network):
        for title, mixing in _MIXINGS.items():
            network = restyle(source, mixing)
            if [node.op for node in network.nodes] != [node.op for node in source.nodes]:
                yield f"{title}, multipliers", network, mac, None
    if config.rows < _LARGEST:
        yield "twice the side", source, _sized(config, 2 * config.rows, 2 * config.columns), None
    if config.columns > _SMALLEST:
        yield "half the side", source, _sized(config, config.rows // 2, config.columns // 2), None
    if config.pixels < 4:
        depth = max(16, config.feature_depth * config.pixels // 4)
        yield "4 pixels per step", source, config.with_(pixels=4, feature_depth=depth), None


def _sized(config: AcceleratorConfig, rows: int, columns: int) -> AcceleratorConfig:
    """Another array with the same buffers, as far as the bus allows."""
    return config.with_(
        rows=rows, columns=columns, bus_width=min(config.bus_width, rows * config.act.storage_bits)
    )


def _array(config: AcceleratorConfig) -> str:
    pixels = f" × {config.pixels}" if config.pixels > 1 else ""
    return f"{config.rows} × {config.columns}{pixels}, {config.pe.replace('_', '-')}"
