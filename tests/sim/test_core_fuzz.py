"""The whole accelerator on drawn configurations and networks: RTL, golden model and cycle model agree."""

import numpy as np
import pytest

from hwshift.compiler import compile as compile_network
from hwshift.compiler.shift_mode import with_shifts
from hwshift.config import AcceleratorConfig
from hwshift.errors import CompileError, ConfigError, QuantizeError
from hwshift.golden.formats import Pow2Format, QFormat
from hwshift.golden.model import trace
from hwshift.network import ops
from hwshift.network.bind import bind
from hwshift.network.graph import Network
from hwshift.network.quantize import quantize
from hwshift.network.random import NetworkBuilder
from hwshift.network.shifts import modulo_shifts
from hwshift.program.expected import launch_of
from hwshift.program.isa import LoadKind, Opcode
from hwshift.sim.cycle.model import MemoryTiming, simulate_cycles
from hwshift.sim.rtl_run import RtlRun, run_rtl
from hwshift.sim.stalls import StallPattern

from .cases import Case

CANDIDATES = 8
"""Programs drawn per seed; the one with the most of what is rare is run."""


@pytest.mark.parametrize("seed", [6, 7, 8])
def test_drawn_cases(seed: int, rtl_builds) -> None:
    _check(seed, 500, ("none", "bursts"), rtl_builds)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(100, 120))
def test_many_drawn_cases(seed: int, rtl_builds) -> None:
    _check(seed, 1500, ("none", "half", "bursts", "one channel", "dense"), rtl_builds)


def _check(seed: int, longest: int, patterns: tuple[str, ...], build_dir) -> None:
    """Run one case under every pattern, each with latencies of its own, after a run that the host cuts off."""
    rng = np.random.default_rng(seed)
    case = _draw_case(rng, longest)
    config = case.program.config
    print(f"seed {seed}: {config.to_dict()}, {len(case.program.instructions)} instructions")
    drawn = _stalls(rng)
    latencies = [(16, 8), (1, 1), (2, 30), *rng.integers(1, 40, (len(patterns), 2)).tolist()]
    times = [MemoryTiming(*pair, drawn[name]) for pair, name in zip(latencies, patterns, strict=False)]
    launch, memory = launch_of(case.program), case.image.tobytes()
    cut = int(rng.integers(5, simulate_cycles(case.program)["total"]))
    runs = [RtlRun(launch, memory, stalls=drawn["half"], soft_reset=cut)]
    runs += [RtlRun(launch, memory, item.read_latency, item.write_latency, item.stalls) for item in times]
    first, *results = run_rtl(config, runs, simulator="icarus", build_dir=build_dir)
    assert first.interrupted and not first.violations
    for name, time, result in zip(patterns, times, results, strict=True):
        result.check()
        assert case.check_memory(result.memory) > 0
        expected = simulate_cycles(case.program, time)
        assert result.counters == expected, name
        assert result.irq_cycle == expected["total"], name


def _draw_case(rng: np.random.Generator, longest: int) -> Case:
    found: list[Case] = []
    while len(found) < CANDIDATES:
        try:
            case = _case(rng)
        except (ConfigError, QuantizeError, CompileError):
            continue  # what was drawn does not go together
        if simulate_cycles(case.program)["total"] <= longest:
            found.append(case)
    return max(found, key=_rarities)


def _case(rng: np.random.Generator) -> Case:
    config, network = _config(rng), _network(rng)
    kind = "fixed" if config.pe == "mac" else "pow2"
    fixed = quantize(network, act=config.act, weights=kind, weight_format=config.weights)
    fixed = with_shifts(fixed, [None, "fused", "moved"][rng.integers(3)])
    fixed = bind(fixed, config.arithmetic)
    program = compile_network(fixed, config, keep=["all", "outputs"][rng.integers(2)])
    x = rng.integers(-3 << config.act.n, 3 << config.act.n, fixed.input.shape)
    x = x.clip(config.act.min, config.act.max)
    maps = {name: values[0] for name, values in trace(fixed, config.arithmetic, x[None]).items()}
    return Case(program, program.memory_image(x), maps)


def _rarities(case: Case) -> int:
    """How many of the things that few programs hold this one holds."""
    config, counters = case.program.config, simulate_cycles(case.program)
    computes = [item for item in case.program.instructions if item.opcode == Opcode.COMPUTE]
    loads = [item for item in case.program.instructions if item.opcode == Opcode.LOAD]
    each = [
        *(counters[name] > 0 for name in ("port", "drain", "wait_store", "token_full")),
        any(item["kind"] == LoadKind.MAP for item in loads),
        any(item.opcode == Opcode.ACTIVATION for item in case.program.instructions),
        any(item["chunks"] > 1 and item["ktile_count"] > 1 for item in computes),
        any(item["chunk_rows"] * item["steps"] == config.acc_depth for item in computes),
        any(item["ktile_count"] > config.weight_tiles for item in computes),
        any(item["group0"] + item["tiles"] > config.groups for item in computes),
        any(item["out_step"] < config.pixels for item in computes),
        any(item["hold_weights"] for item in computes),
        any(item["residual"] for item in computes),
        any(item["maximum"] for item in computes),
    ]
    return sum(each)


def _config(rng: np.random.Generator) -> AcceleratorConfig:
    rows, columns = [(4, 4), (4, 4), (8, 4), (8, 8)][rng.integers(4)]
    act = QFormat.parse(["Q16.16", "Q8.8", "Q4.12", "Q5.6"][rng.integers(4)])
    pe = ["shift_add", "mac"][rng.integers(2)]
    formats = {
        "mac": [QFormat(), QFormat(2, 14), QFormat(4, 4)],
        "shift_add": [Pow2Format(), Pow2Format(-7, 0), Pow2Format(-3, 2), Pow2Format(-20, 4)],
    }[pe]
    buses = [width for width in (32, 64, 128, 256) if width <= rows * act.storage_bits]

    def any_of(*values: int) -> int:
        return int(rng.choice(values))

    config = AcceleratorConfig(
        rows=rows,
        columns=columns,
        pixels=any_of(1, 2, 4),
        pe=pe,
        act=act,
        weights=formats[rng.integers(len(formats))],
        scale_digits=[None, 1, 2, 3, 4][rng.integers(5)],
        feature_depth=any_of(16, 32, 64, 256),
        weight_tiles=int(rng.integers(2, 9)),
        acc_depth=any_of(4, 8, 16, 64),
        weight_rows=any_of(1, 2, 4),
        ktile_entries=any_of(16, 32, 64),
        lane_rows=any_of(8, 16, 32),
        param_tiles=any_of(2, 4, 8),
        bus_width=any_of(*buses),
    )
    guards = range(config.guard + 1)
    return config.with_(weights=config.weights, guard=any_of(*guards, *[config.guard] * len(guards)))


def _network(rng: np.random.Generator) -> Network:
    """A few layers on maps of a few pixels; a layer that does not fit its input is left out."""
    seed = int(rng.integers(1 << 30))
    size = (int(rng.integers(1, 6)), int(rng.integers(1, 9)), int(rng.integers(1, 13)))
    build = NetworkBuilder(seed, *size)
    maps = ["input"]
    for index in range(int(rng.integers(3, 8))):
        source = maps[-1] if rng.random() < 0.7 else maps[rng.integers(len(maps))]
        kind = _LAYERS[rng.integers(len(_LAYERS))]
        try:
            maps.append(kind(build, f"l{index}", source, rng))
        except ValueError:
            continue
    if len(maps) == 1:
        build.conv("only", "input", 3)
    return build.network(f"drawn-{seed}")


def _conv(build: NetworkBuilder, name: str, source: str, rng: np.random.Generator) -> str:
    kernel = (int(rng.integers(1, 4)), int(rng.integers(1, 4)))
    stride, dilation = int(rng.choice([1, 1, 2, 3, 4])), int(rng.integers(1, 3))
    out = int(rng.integers(1, 13))
    return build.conv(name, source, out, kernel, stride=stride, dilation=(dilation, dilation), bias=True)


def _pointwise(build: NetworkBuilder, name: str, source: str, rng: np.random.Generator) -> str:
    return build.conv(name, source, int(rng.integers(1, 20)))


def _depthwise(build: NetworkBuilder, name: str, source: str, rng: np.random.Generator) -> str:
    channels = build.shapes[source][0]
    return build.conv(name, source, channels, (3, 1), groups=channels, stride=int(rng.integers(1, 3)))


def _shifted(build: NetworkBuilder, name: str, source: str, rng: np.random.Generator) -> str:
    shift = ops.SpatialShift(modulo_shifts(build.shapes[source][0]), int(rng.integers(1, 3)))
    moved = build.add(f"{name}_shift", shift, source)
    return build.conv(name, moved, int(rng.integers(1, 13)), stride=int(rng.integers(1, 3)))


def _residual(build: NetworkBuilder, name: str, source: str, rng: np.random.Generator) -> str:
    last = build.conv(f"{name}_conv", source, build.shapes[source][0], (1, int(rng.choice([1, 3]))))
    after = [None, ops.ReLU(), ops.Clamp(-0.3, 1.0)]
    for part in ("first", "sum", "second"):
        act = after[rng.integers(3)]
        if part == "sum":
            last = build.sum(f"{name}_{part}", last, source)
        elif act is not None:
            last = build.add(f"{name}_{part}", act, last)
    return last


def _pool(build: NetworkBuilder, name: str, source: str, rng: np.random.Generator) -> str:
    stride = (int(rng.integers(1, 3)), int(rng.integers(1, 4)))
    if rng.random() < 0.5:
        return build.add(name, ops.MaxPool((2, 3), stride, (1, 1, 1, 1)), source)
    border = bool(rng.integers(2))
    return build.add(name, ops.AveragePool((2, 2), stride, (1, 1, 1, 1), include_border=border), source)


def _joined(build: NetworkBuilder, name: str, source: str, rng: np.random.Generator) -> str:
    others = [key for key, shape in build.shapes.items() if shape[1:] == build.shapes[source][1:]]
    return build.add(name, ops.Concat(), source, others[rng.integers(len(others))])


def _linear(build: NetworkBuilder, name: str, source: str, rng: np.random.Generator) -> str:
    return build.linear(name, source, int(rng.integers(1, 9)))


_LAYERS = (_conv, _conv, _pointwise, _depthwise, _shifted, _residual, _residual, _pool, _joined, _linear)


def _stalls(rng: np.random.Generator) -> dict[str, StallPattern | None]:
    channel = ("ar", "r", "aw", "w", "b")[rng.integers(5)]
    seeds = rng.integers(1 << 30, size=4).tolist()
    return {
        "none": None,
        "half": StallPattern.random(0.5, seed=seeds[0]),
        "bursts": StallPattern.bursty(0.5, run=40, seed=seeds[1]),
        "one channel": StallPattern.bursty({channel: 0.8}, run=60, seed=seeds[2]),
        "dense": StallPattern.random(0.9, seed=seeds[3]),
    }
