"""From a network to its report: compile, simulate, count, evaluate, compare."""

from collections.abc import Callable
from typing import Literal

from hwshift.compiler.shift_mode import ShiftMode
from hwshift.config import AcceleratorConfig
from hwshift.cost.analysis import analyse
from hwshift.cost.tables import CostTable
from hwshift.data import Dataset
from hwshift.errors import CompileError
from hwshift.evaluation import LayerScore, evaluate
from hwshift.hls.estimates import Estimate, estimate
from hwshift.network.fixed import FixedNetwork
from hwshift.network.graph import Network
from hwshift.progress import Progress, Stage, silent
from hwshift.reports.report import Report, build_report
from hwshift.reports.variants import Variant, other_variants
from hwshift.resolve import WeightKind, prepare
from hwshift.sim.cycle.model import MemoryTiming
from hwshift.synthesis import estimate as estimate_area

__all__ = ["make_report"]


def make_report(
    source: Network | FixedNetwork,
    config: AcceleratorConfig,
    *,
    weights: WeightKind | None = None,
    shift: ShiftMode | None = None,
    keep: Literal["all", "outputs"] = "outputs",
    table: CostTable | None = None,
    memory: MemoryTiming | None = None,
    clock_mhz: float = 200.0,
    images: Callable[[FixedNetwork], Dataset] | None = None,
    styles: bool = True,
    target: str | None = "ecp5",
    command: str = "",
    progress: Progress = silent,
) -> Report:
    """Everything that a report tells.

    Parameters
    ----------
    source : Network or FixedNetwork
    config : AcceleratorConfig
    weights, shift, keep
        As `hwshift.api.compile`.
    table, memory, clock_mhz
        As `hwshift.cost.analysis.analyse`.
    images : callable or None
        Gives labelled images for the network; None: nothing about accuracy.
    styles : bool
        Whether to compare with other styles of hardware.
    target : str or None
        Device that area is estimated for, one of `hwshift.synthesis.fitted`; None: nothing about area.
    command : str
        What makes the report again.
    progress : callable
    """
    area = None if target is None else estimate_area(config, target)
    progress("quantizing")
    network = prepare(source, config, weights)
    analysis = analyse(
        network,
        config,
        shift=shift,
        keep=keep,
        table=table,
        memory=memory,
        clock_mhz=clock_mhz,
        progress=progress,
    )
    accuracy: dict[str, object] | None = None
    saturation: tuple[LayerScore, ...] = ()
    if images is not None:
        progress("loading images")
        accuracy, saturation = _evaluated(network, config, images(network), progress)
    compared: tuple[Variant, ...] = ()
    stream: Estimate | str | None = None
    if styles:
        stream = _streamed(network, config)
        compared = other_variants(
            source,
            analysis,
            weights=weights,
            shift=shift,
            keep=keep,
            memory=memory,
            target=target,
            progress=progress,
        )
    return build_report(
        analysis,
        styles=compared,
        stream=stream,
        accuracy=accuracy,
        saturation=saturation,
        area=area,
        command=command,
    )


def _streamed(network: FixedNetwork, config: AcceleratorConfig) -> Estimate | str:
    """The streaming design of as many elements as the array has or fewer; or what it has no form for."""
    try:
        return estimate(network, config)
    except CompileError as error:
        return str(error)


def _evaluated(
    network: FixedNetwork, config: AcceleratorConfig, images: Dataset, progress: Progress
) -> tuple[dict[str, object], tuple[LayerScore, ...]]:
    """Accuracy in the accelerator's arithmetic, and the values of every layer."""

    def advance(name: str, done: int, total: int) -> None:
        progress(Stage(f"evaluating {name}", done, total))

    found = evaluate(network, images, config=config, layers=True, advance=advance)
    return found.accuracy(), next(iter(found.layers.values()), ())
