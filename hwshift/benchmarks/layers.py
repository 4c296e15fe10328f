"""Where the time of compiled networks goes, in cycles by kind of operation, beside what the papers measured."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field

from hwshift.benchmarks.bars import Setting, fixed_setting
from hwshift.benchmarks.studies import STUDIES, Case, Study
from hwshift.compiler.shift_mode import with_shifts
from hwshift.config import AcceleratorConfig
from hwshift.errors import HwshiftError
from hwshift.network.fixed import Conv, FixedLayer, FixedNetwork, Pool, Shift, Sum
from hwshift.progress import Progress
from hwshift.resolve import load_network, prepare
from hwshift.sim.cycle.model import MemoryTiming
from hwshift.simulation import simulate

__all__ = ["KINDS", "LayerTimes", "kind_of", "layer_times", "study_results"]

KINDS = (
    "1x1 convolutions",
    "KxK convolutions",
    "depthwise",
    "shifts",
    "pools",
    "sums",
    "names and gates",
    "start and end",
)
"""What cycles go to. Convolutions hold their own epilogues; "names and gates": concatenations, shuffles, slices that
are passes, scales by a gate; "start and end": cycles after the last step."""

_SPATIAL = ("depthwise", "shifts")
_MEMORY = MemoryTiming(read_latency=40)


@dataclass(frozen=True)
class LayerTimes:
    """One row.

    Members
    -------
    study, label, network, setting : str
    shift : "fused", "moved" or None
    refused : str or None
        Why it cannot be compiled; what follows is then empty.
    cycles : int
        From start to interrupt, batch 1.
    kinds : dict of str to int
        Cycles by `KINDS`; their sum is ``cycles``.
    spatial_share : float
        Of shifts and depthwise convolutions among all cycles.
    ratio : float
        Cycles over those of the study's first row that the case names.
    paper : dict of str to float
        What the paper measured for it: share of the spatial operation in %, or time.
    paper_ratio : dict of str to float
        The same as ratios, where the study compares times.
    """

    study: str
    label: str
    network: str
    setting: Setting
    shift: str | None
    refused: str | None = None
    cycles: int = 0
    kinds: dict[str, int] = field(default_factory=dict)
    spatial_share: float = 0.0
    ratio: float = 0.0
    paper: Mapping[str, float] = field(default_factory=dict)
    paper_ratio: dict[str, float] = field(default_factory=dict)

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self)


def kind_of(layer: FixedLayer) -> str:
    """One of `KINDS`."""
    op = layer.op
    if isinstance(op, Conv):
        if op.groups > 1 and op.weights.values.shape[1] == 1:
            return "depthwise"
        return "1x1 convolutions" if op.weights.values.shape[2:] == (1, 1) else "KxK convolutions"
    kinds = ((Shift, "shifts"), (Pool, "pools"), (Sum, "sums"))
    return next((kind for type_, kind in kinds if isinstance(op, type_)), "names and gates")


def layer_times(network: FixedNetwork, config: AcceleratorConfig) -> tuple[int, dict[str, int]]:
    """Cycles in all, and by kind of operation (those that take any).

    Cycles belong to the layer whose step comes next, waiting for memory included.

    Raises
    ------
    CompileError
        When the network cannot be compiled.
    """
    report = simulate(network, config, memory=_MEMORY)
    kinds = dict.fromkeys(KINDS, 0)
    for figures in report.layers:
        kinds[kind_of(network.layer(figures.name))] += figures.cycles
    total = report.counters["total"]
    kinds["start and end"] = total - sum(kinds.values())
    return total, {kind: cycles for kind, cycles in kinds.items() if cycles}


def study_results(progress: Progress, studies: Iterable[Study] = STUDIES) -> Iterator[LayerTimes]:
    """Every row of every study; what cannot be compiled is a row too."""
    for study in studies:
        rows: dict[str, LayerTimes] = {}
        for case in study.cases:
            progress(f"layers, {study.title}: {case.label}")
            rows[case.label] = _measured(study, case, rows)
            yield rows[case.label]


def _measured(study: Study, case: Case, before: Mapping[str, LayerTimes]) -> LayerTimes:
    config = fixed_setting(case.setting)
    config = config if case.acc_width is None else config.with_(acc_width=case.acc_width)
    row = LayerTimes(study.title, case.label, case.network, case.setting, case.shift, paper=case.paper)
    try:
        network = with_shifts(prepare(load_network(case.network), config), case.shift)
        cycles, kinds = layer_times(network, config)
    except HwshiftError as error:
        return LayerTimes(**(vars(row) | {"refused": str(error)}))
    base = before.get(case.against or next(iter(before), ""))
    found = {
        "cycles": cycles,
        "kinds": kinds,
        "spatial_share": sum(kinds.get(kind, 0) for kind in _SPATIAL) / cycles,
        "ratio": cycles / base.cycles if base is not None and base.cycles else 1.0,
    }
    if study.times and base is not None:
        shared = case.paper.keys() & base.paper.keys()
        found["paper_ratio"] = {key: case.paper[key] / base.paper[key] for key in sorted(shared)}
    return LayerTimes(**(vars(row) | found))
