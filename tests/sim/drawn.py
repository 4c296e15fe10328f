"""Drawn configurations, networks, and programs that go with both."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from hwshift.compiler import compile as compile_network
from hwshift.compiler.shift_mode import with_shifts
from hwshift.config import AcceleratorConfig
from hwshift.errors import CompileError, ConfigError, QuantizeError
from hwshift.golden.formats import Pow2Format, QFormat
from hwshift.network import ops
from hwshift.network.bind import bind
from hwshift.network.fixed import FixedNetwork
from hwshift.network.graph import Network
from hwshift.network.quantize import quantize
from hwshift.network.random import NetworkBuilder
from hwshift.network.shifts import modulo_shifts
from hwshift.program.image import Program
from hwshift.program.isa import Opcode

REFUSALS = (ConfigError, QuantizeError, CompileError)
"""What `draw` raises when what was drawn does not go together."""
Drawn = TypeVar("Drawn")


def first_good(drawing: Callable[[], Drawn]) -> Drawn:
    """The first drawing that is not refused."""
    while True:
        try:
            return drawing()
        except REFUSALS:
            continue


def draw(rng: np.random.Generator, scale: int = 1) -> tuple[Program, FixedNetwork]:
    """A program and what it computes, on maps of up to ``8 * scale`` by ``12 * scale`` pixels."""
    return draw_for(_config(rng), rng, scale)


def draw_gated(rng: np.random.Generator, scale: int = 1) -> tuple[Program, FixedNetwork]:
    """As `draw`, with squeeze-and-excite where scales are multiplied with, sigmoids and upsampling."""
    config = _config(rng)
    digits = config.scale_digits if rng.random() < 0.4 else None
    config = config.with_(sigmoid=True, gates=digits is None, scale_digits=digits)
    layers = (*_GATED, *_GATED[:-1]) if config.gates else _GATED[1:]
    return draw_for(config, rng, scale, (*layers, _pointwise, _residual, _shifted, _joined))


def draw_row_taps(rng: np.random.Generator, scale: int = 1) -> tuple[Program, FixedNetwork]:
    """As `draw`, with windows of a row that are summed in one step: depthwise layers and average pools."""
    drawn = _config(rng)
    config = drawn.with_(weights=drawn.weights, guard=drawn.guard, pixels=1, row_taps=True)
    layers = (_windows, _windows, _averages, _pointwise, _residual)
    program, network = draw_for(config, rng, scale, layers, int(rng.integers(5, 20)))
    if not has_row_taps(program):
        raise CompileError("no layer has windows of a row")
    return program, network


def has_row_taps(program: Program) -> bool:
    """Whether an instruction of a program sums taps of a row in a step."""
    return any(item.opcode == Opcode.COMPUTE and item["row_taps"] for item in program.instructions)


def draw_for(
    config: AcceleratorConfig,
    rng: np.random.Generator,
    scale: int = 1,
    layers: Sequence[Callable] | None = None,
    channels: int | None = None,
) -> tuple[Program, FixedNetwork]:
    """As `draw`, for a configuration, layers of some kinds, and an input of so many channels (None: 1 to 5)."""
    if layers is None:
        layers = (*_LAYERS, *WINDOWED * 3) if config.row_taps else _LAYERS
    network = _network(rng, scale, layers, channels)
    kind = "fixed" if config.pe == "mac" else "pow2"
    fixed = quantize(network, act=config.act, weights=kind, weight_format=config.weights)
    fixed = with_shifts(fixed, [None, "fused", "moved"][rng.integers(3)])
    fixed = bind(fixed, config.arithmetic)
    return compile_network(fixed, config, keep=["all", "outputs"][rng.integers(2)]), fixed


def draw_program(rng: np.random.Generator, scale: int = 1) -> Program:
    """The first that is not refused."""
    return first_good(lambda: draw(rng, scale))[0]


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


def _network(
    rng: np.random.Generator, scale: int, kinds: Sequence[Callable], channels: int | None = None
) -> Network:
    """A few layers on maps of a few pixels; a layer that does not fit its input is left out."""
    seed = int(rng.integers(1 << 30))
    size = (int(rng.integers(1, 6)), int(rng.integers(1, 9 * scale)), int(rng.integers(1, 13 * scale)))
    build = NetworkBuilder(seed, channels or size[0], *size[1:])
    maps = ["input"]
    for index in range(int(rng.integers(3, 8))):
        source = maps[-1] if rng.random() < 0.7 else maps[rng.integers(len(maps))]
        kind = kinds[rng.integers(len(kinds))]
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


def _windows(build: NetworkBuilder, name: str, source: str, rng: np.random.Generator) -> str:
    channels, *size = build.shapes[source]
    kernel = [int(rng.integers(1, min(high, side + 1) + 1)) for high, side in zip((3, 7), size, strict=True)]
    options = {"stride": int(rng.integers(1, 4)), "dilation": (1, int(rng.integers(1, 3)))}
    if rng.random() < 0.3:
        source = build.add(f"{name}_shift", ops.SpatialShift(modulo_shifts(channels)), source)
    return build.conv(name, source, channels, tuple(kernel), groups=channels, bias=True, **options)


def _averages(build: NetworkBuilder, name: str, source: str, rng: np.random.Generator) -> str:
    kernel = [int(rng.integers(2, min(4, side + 1) + 1)) for side in build.shapes[source][1:]]
    stride = (int(rng.integers(1, 4)), int(rng.integers(1, 4)))
    pool = ops.AveragePool(tuple(kernel), stride, (1, 1, 1, 1), include_border=bool(rng.integers(2)))
    return build.add(name, pool, source)


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


def _excited(build: NetworkBuilder, name: str, source: str, rng: np.random.Generator) -> str:
    channels = build.shapes[source][0]
    pool = build.add(f"{name}_pool", ops.GlobalAveragePool(), source)
    end = ops.Sigmoid() if rng.random() < 0.7 else ops.Clamp(-1.0, 1.5)
    gate = build.add(f"{name}_gate", end, build.linear(f"{name}_fc", pool, channels))
    return build.add(name, ops.ChannelScale(), source, gate)


def _upsampled(build: NetworkBuilder, name: str, source: str, rng: np.random.Generator) -> str:
    if np.prod(build.shapes[source]) > 150:
        raise ValueError("large enough")
    factor = [(2, 2), (1, 2), (2, 1), (1, 3), (3, 2), (1, 4), (2, 5)][rng.integers(7)]
    return build.add(name, ops.UpsampleNearest(factor), source)


def _squashed(build: NetworkBuilder, name: str, source: str, rng: np.random.Generator) -> str:
    """A sigmoid alone, in front of a residual, behind one, or both."""
    last = build.conv(f"{name}_conv", source, build.shapes[source][0], bias=True)
    where = rng.integers(4)
    if where != 2:
        last = build.add(f"{name}_first", ops.Sigmoid(), last)
    if where:
        last = build.sum(f"{name}_sum", last, source)
    return build.add(f"{name}_second", ops.Sigmoid(), last) if where >= 2 else last


_GATED = (_excited, _upsampled, _squashed)
WINDOWED = (_windows, _averages)
"""Layers whose taps of a row can be summed in a step."""
_LAYERS = (_conv, _conv, _pointwise, _depthwise, _shifted, _residual, _residual, _pool, _joined, _linear)
