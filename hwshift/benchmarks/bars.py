"""How near compiled networks come to the bound, in one fixed setting: bars, and where the rest goes."""

import math
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Literal

from hwshift.compiler import compile as compile_network
from hwshift.config import PRESETS, AcceleratorConfig
from hwshift.cost.bound import Bound, compulsory_bytes, cycle_bound, layer_works
from hwshift.errors import HwshiftError
from hwshift.network.fixed import FixedNetwork
from hwshift.program.image import Program
from hwshift.program.isa import LoadKind, Opcode
from hwshift.progress import Progress
from hwshift.resolve import load_network, prepare
from hwshift.sim.cycle.model import MemoryTiming, simulate_cycles
from hwshift.simulation import COMPUTE_CAUSES, layer_macs
from hwshift.zoo import names

__all__ = [
    "BARS",
    "BUFFERS",
    "NETWORKS",
    "Bar",
    "Result",
    "bar_results",
    "buffer_curve",
    "fixed_setting",
    "measure_network",
]

Setting = Literal["16x16", "16x16x4", "16x16-mac", "16x16-taps"]

_MEMORY = MemoryTiming(read_latency=40)
_TABLES = (LoadKind.PARAMS, LoadKind.KTILES, LoadKind.LANES)
_FEATURE_BYTES = 5 << 18
_WEIGHT_BYTES = {"shift_add": 128 << 10, "mac": 512 << 10}


@dataclass(frozen=True)
class Bar:
    """A figure of a network in a setting that has to be at most, or at least, a limit."""

    network: str
    setting: Setting
    figure: str
    relation: Literal["<=", ">="]
    limit: float

    def holds(self, value: float) -> bool:
        """Whether a value meets it."""
        return value <= self.limit if self.relation == "<=" else value >= self.limit


_SHIFT_NETWORKS = ("ShiftResNet20-1", "ShiftResNet20-6", "ShiftNet-A", "ShiftNet-C", "FE-Net-1.0x")

BARS: tuple[Bar, ...] = (
    *(Bar(name, "16x16", "cycles_over_bound", "<=", limit) for name, limit in {
        "ShiftResNet20-1": 1.05, "ShiftResNet20-6": 1.05, "ShiftNet-C": 1.05, "ShiftNet-A": 1.08,
        "FE-Net-1.0x": 1.08, "ShuffleNet-1x-g3": 1.15}.items()),
    Bar("ShiftNet-A", "16x16", "utilisation_total", ">=", 0.90),
    Bar("ShiftResNet20-6", "16x16", "utilisation_total", ">=", 0.93),
    Bar("ShiftResNet20-1", "16x16", "utilisation_total", ">=", 0.88),
    Bar("ShiftResNet20-6", "16x16x4", "utilisation_total", ">=", 0.85),
    Bar("ShuffleNet-1x-g3", "16x16-taps", "utilisation_total", ">=", 0.524),  # what one lane a column can reach
    *(Bar(name, "16x16", "dram_over_compulsory", "<=", 1.10) for name in _SHIFT_NETWORKS),
    *(Bar(name, "16x16", "program_and_tables_share", "<=", 0.03) for name in _SHIFT_NETWORKS),
    Bar("ShiftNet-A", "16x16", "compile_seconds", "<=", 10.0),
    Bar("ShiftNet-A", "16x16", "cycle_model_seconds", "<=", 1.0),
)  # fmt: skip

NETWORKS: tuple[tuple[str, Setting], ...] = (
    *dict.fromkeys((bar.network, bar.setting) for bar in BARS),
    ("ShiftNet-A", "16x16x4"),
    ("ShiftNet-A", "16x16-mac"),
    ("ShiftResNet20-6", "16x16-mac"),
    ("ShiftNet-B", "16x16"),
    ("ResNet20", "16x16"),
    ("FE-Net-1.0x-DW", "16x16"),
    ("FE-Net-1.0x-DW", "16x16-taps"),
    ("MobileNetV2", "16x16"),
    ("MobileNetV2", "16x16-taps"),
)
"""What is measured unless all networks are asked for."""

BUFFERS = tuple(1 << power for power in range(16, 23))
"""Bytes of the feature buffer, for the curve."""


@dataclass(frozen=True)
class Result:
    """One network in the fixed setting, batch 1.

    Members
    -------
    network, setting : str
    refused : str or None
        Why it cannot be compiled; the other members are then empty.
    figures : dict of str to number
        total, bound, cycles_over_bound, utilisation_busy, utilisation_compute, utilisation_total (useful
        multiplications over those of all cycles of that kind), dram_bytes, compulsory_bytes, dram_over_compulsory,
        program_bytes and table_bytes as read, program_and_tables_share (of the compulsory bytes), compile_seconds,
        cycle_model_seconds (processor time).
    lost : dict of str to float
        Cycles beyond ``macs / peak``, by what takes them; their sum and ``macs / peak`` make the total.
    traffic : dict of str to float
        Bytes beyond the compulsory ones, by what takes them; with these they make ``dram_bytes``.
    counters : dict of str to int
    bars : list of dict
        Each bar with its value, whether it is met, and by how much it is missed.
    """

    network: str
    setting: str
    refused: str | None
    figures: dict[str, float]
    lost: dict[str, float]
    traffic: dict[str, float]
    counters: dict[str, int]
    bars: list[dict]

    def as_dict(self) -> dict:
        """For JSON."""
        return asdict(self)


def fixed_setting(setting: Setting, feature_bytes: int = _FEATURE_BYTES) -> AcceleratorConfig:
    """16x16, 128-bit bus, T = 512, feature buffer of 1.25 MiB, weight buffer of 128 KiB (pow2) or 512 KiB (mac).

    ``16x16-taps`` is ``16x16`` with ``row_taps``.
    """
    plain = setting.removesuffix("-taps")
    base = PRESETS[plain].with_(row_taps=plain != setting)
    words = feature_bytes * 8 // (base.rows * base.sub_banks * base.act.storage_bits)
    tiles = _WEIGHT_BYTES[base.pe] * 8 // (base.rows * base.columns * base.code_bits)
    return base.with_(name=setting, feature_depth=words, weight_tiles=tiles, acc_depth=512, bus_width=128)


def measure_network(name: str, setting: Setting, config: AcceleratorConfig | None = None) -> Result:
    """Compile and simulate one network and hold it against the bound and its bars; a refusal is a result."""
    config = config or fixed_setting(setting)
    try:
        network = prepare(load_network(name), config)
        start = time.process_time()
        program = compile_network(network, config, keep="outputs")
    except HwshiftError as error:
        return Result(name, setting, str(error), {}, {}, {}, {}, [])
    compiled = time.process_time()
    bound, compulsory = cycle_bound(network, config), compulsory_bytes(network, config)
    simulate_cycles(program, _MEMORY, max_cycles=1 << 40)
    warm = time.process_time()
    counters = simulate_cycles(program, _MEMORY)
    end = time.process_time()
    moved = _moved_bytes(program)
    tables = sum(moved[kind.name] for kind in _TABLES)
    figures = _figures(network, config, bound, counters) | {
        "compulsory_bytes": compulsory,
        "dram_over_compulsory": _bytes(counters, config) / compulsory,
        "table_bytes": tables,
        "program_and_tables_share": (counters["fetch_beats"] * config.beat_bytes + tables) / compulsory,
        "compile_seconds": compiled - start,
        "cycle_model_seconds": end - warm,
    }
    lost = _lost(network, config, bound, counters)
    traffic = _traffic(network, config, moved, figures["program_bytes"])
    return Result(name, setting, None, figures, lost, traffic, counters, list(_bars(name, setting, figures)))


def _moved_bytes(program: Program) -> Counter[str]:
    """Bytes of loads by kind, and of stores."""
    moved: Counter[str] = Counter()
    for item in program.instructions:
        if item.opcode in (Opcode.LOAD, Opcode.STORE):
            name = LoadKind(item["kind"]).name if item.opcode == Opcode.LOAD else "STORE"
            moved[name] += item["rows"] * item["row_beats"] * program.config.beat_bytes
    return moved


def _traffic(
    network: FixedNetwork, config: AcceleratorConfig, moved: Counter[str], program_bytes: float
) -> dict[str, float]:
    """Bytes beyond the compulsory ones by what takes them."""
    width = config.act.storage_bits // 8
    inner = math.prod(network.input.shape) * width
    outer = math.prod(network.output.shape) * width
    tiles = sum(1 if work.constant else work.passes for work in layer_works(network, config))
    stored = tiles * config.tile_beats * config.beat_bytes
    weights = compulsory_bytes(network, config) - inner - outer
    return {
        "weights loaded again": moved["WEIGHTS"] - stored,
        "weight tiles not filled": stored - weights,
        "input": moved["INPUT"] - (inner if moved["INPUT"] else 0),
        "maps through memory": moved["MAP"] + moved["STORE"] - outer - (0 if moved["INPUT"] else inner),
        "scale and bias": moved["PARAMS"],
        "lane and k-tile tables": moved["LANES"] + moved["KTILES"],
        "instructions": program_bytes,
    }


def _bytes(counters: dict[str, int], config: AcceleratorConfig) -> int:
    return sum(counters[name] for name in ("fetch_beats", "load_beats", "store_beats")) * config.beat_bytes


def _figures(
    network: FixedNetwork, config: AcceleratorConfig, bound: Bound, counters: dict[str, int]
) -> dict[str, float]:
    macs, peak = sum(layer_macs(network).values()), config.rows * config.columns * config.pixels
    compute = sum(counters[cause.name.lower()] for cause in COMPUTE_CAUSES)
    return {
        "macs": macs,
        "total": counters["total"],
        "bound": bound.cycles,
        "cycles_over_bound": counters["total"] / bound.cycles,
        "utilisation_busy": macs / (peak * counters["busy"]),
        "utilisation_compute": macs / (peak * compute),
        "utilisation_total": macs / (peak * counters["total"]),
        "dram_bytes": _bytes(counters, config),
        "program_bytes": counters["fetch_beats"] * config.beat_bytes,
    }


def _lost(
    network: FixedNetwork, config: AcceleratorConfig, bound: Bound, counters: dict[str, int]
) -> dict[str, float]:
    """Cycles by what takes them: those beyond useful work."""
    peak = config.rows * config.columns * config.pixels
    useful = sum(layer_macs(network).values()) / peak
    diagonal = bound.diagonal_steps - bound.diagonal_macs / peak

    def stalls(*causes: str) -> int:
        return sum(counters[cause] for cause in causes)

    return {
        "diagonal": diagonal,
        "quantisation": bound.steps - useful - diagonal,
        "steps beyond the formula": counters["busy"] - bound.steps,
        "passes shorter than a weight tile's load": stalls("weight_load"),
        "load": stalls("weight_wait", "wait_load", "fetch"),
        "store": stalls("wait_store"),
        "drain": stalls("drain", "port", "tail"),
        "control": stalls("setup", "token_full"),
    }


def _bars(name: str, setting: Setting, figures: dict[str, float]) -> Iterator[dict]:
    for bar in BARS:
        if (bar.network, bar.setting) == (name, setting):
            value = figures[bar.figure]
            met = bar.holds(value)
            yield {
                "figure": bar.figure,
                "bar": f"{bar.relation} {bar.limit:g}",
                "value": value,
                "met": met,
                "missed_by": 0.0 if met else abs(value - bar.limit),
            }


def bar_results(progress: Progress, everything: bool = False) -> Iterator[Result]:
    """`NETWORKS`, or these and every network of the zoo."""
    rest = [(name, "16x16") for name in names()] if everything else []
    for name, setting in dict.fromkeys([*NETWORKS, *rest]):
        progress(f"bars, {name} on {setting}")
        yield measure_network(name, setting)  # type: ignore[arg-type]


def buffer_curve(progress: Progress, name: str = "ShiftNet-A") -> Iterator[dict]:
    """Cycles over the bound and DRAM bytes over compulsory ones by the size of the feature buffer."""
    for size in sorted((*BUFFERS, _FEATURE_BYTES)):
        progress(f"feature buffer of {size >> 10} KiB")
        result = measure_network(name, "16x16", fixed_setting("16x16", size))
        keys = ("total", "cycles_over_bound", "utilisation_total", "dram_bytes", "dram_over_compulsory")
        yield {"network": name, "feature_kib": size >> 10, "refused": result.refused} | {
            key: result.figures[key] for key in keys if key in result.figures
        }
