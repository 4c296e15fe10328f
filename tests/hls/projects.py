"""Configurations that pair every value with every other, networks with a streaming form, projects in folders."""

from itertools import combinations, product
from pathlib import Path

import numpy as np

from hwshift.config import AcceleratorConfig
from hwshift.errors import ConfigError
from hwshift.golden.formats import Pow2Format, QFormat
from hwshift.network import ops
from hwshift.network.graph import Network
from hwshift.network.random import NetworkBuilder
from hwshift.network.shifts import modulo_shifts

from ..seeds import generator

VALUES: dict[str, list] = {
    "shape": [(4, 4), (8, 4), (8, 8), (16, 8)],
    "pixels": [1, 2, 4],
    "pe": ["shift_add", "mac"],
    "act": ["Q16.16", "Q8.8", "Q4.12", "Q5.6", "Q3.4"],
    "weights": [0, 1, 2],
    "guard": ["exact", "half", "none"],
    "scale_digits": [None, 1, 4],
    "depth": [16, 64, 256],
    "acc_depth": [4, 16, 64],
    "weight_rows": [1, 2, 4],
    "weight_tiles": [2, 5],
    "bus": ["narrow", "wide"],
}
WEIGHTS = {
    "mac": [QFormat(), QFormat(2, 14), QFormat(4, 4)],
    "shift_add": [Pow2Format(), Pow2Format(-3, 2), Pow2Format(-20, 4)],
}


def config_of(choice: dict) -> AcceleratorConfig:
    """The configuration of one value for each name."""
    rows, columns = choice["shape"]
    act = QFormat.parse(choice["act"])
    buses = [width for width in (32, 64, 128, 256, 512) if width <= rows * act.storage_bits]
    config = AcceleratorConfig(
        name="drawn", rows=rows, columns=columns, pixels=choice["pixels"], pe=choice["pe"], act=act,
        weights=WEIGHTS[choice["pe"]][choice["weights"]], scale_digits=choice["scale_digits"],
        feature_depth=choice["depth"], acc_depth=choice["acc_depth"], weight_rows=choice["weight_rows"],
        weight_tiles=choice["weight_tiles"], ktile_entries=64, lane_rows=32, param_tiles=8,
        bus_width=buses[-1 if choice["bus"] == "wide" else 0],
    )  # fmt: skip
    guard = {"exact": config.guard, "half": config.guard // 2, "none": 0}[choice["guard"]]
    return config.with_(weights=config.weights, guard=guard)


def pairwise(seed: int = 0) -> list[dict]:
    """Choices so that every two values of different names meet in one of them; greedy, the same every time."""
    rng = generator(seed)
    names = list(VALUES)
    left = {
        (a, i, b, j)
        for a, b in combinations(names, 2)
        for i, j in product(range(len(VALUES[a])), range(len(VALUES[b])))
    }
    chosen = []
    while left:
        best, most = None, -1
        for _ in range(60):
            drawn = {name: int(rng.integers(len(VALUES[name]))) for name in names}
            if not chosen or rng.random() < 0.9:
                a, i, b, j = sorted(left)[int(rng.integers(len(left)))]
                drawn |= {a: i, b: j}
            try:
                config_of({name: VALUES[name][index] for name, index in drawn.items()})
            except ConfigError:
                continue
            count = len(left & _pairs(drawn))
            if count > most:
                best, most = drawn, count
        assert best is not None
        left -= _pairs(best)
        chosen.append({name: VALUES[name][index] for name, index in best.items()})
    return chosen


def _pairs(drawn: dict[str, int]) -> set:
    return {(a, drawn[a], b, drawn[b]) for a, b in combinations(drawn, 2)}


def stream_network(rng: np.random.Generator) -> Network:
    """A few layers, all of which have a streaming form: forks, residuals and sums among them."""
    build = NetworkBuilder(
        int(rng.integers(1 << 30)), int(rng.integers(1, 5)), *rng.integers(3, 9, 2).tolist()
    )
    last = "input"
    for index in range(int(rng.integers(2, 6))):
        kind = _LAYERS[rng.integers(len(_LAYERS))]
        try:
            last = kind(build, f"l{index}", last, rng)
        except ValueError:
            continue
    build.linear("classifier", last, int(rng.integers(1, 7)))
    return build.network("streamed")


def _conv(build, name, source, rng):
    kernel, stride = tuple(rng.integers(1, 4, 2).tolist()), int(rng.integers(1, 3))
    dilation = (int(rng.integers(1, 3)),) * 2
    last = build.conv(
        f"{name}_conv", source, int(rng.integers(1, 9)), kernel, stride=stride, dilation=dilation, bias=True
    )
    return _active(build, name, last, rng)


def _pointwise(build, name, source, rng):
    return _active(build, name, build.conv(f"{name}_conv", source, int(rng.choice([1, 4, 6, 8]))), rng)


def _fused(build, name, source, rng):
    """1x1 -> shift -> 1x1 with a residual around."""
    channels = build.shapes[source][0]
    wide = build.relu(f"{name}_relu", build.conv(f"{name}_wide", source, 2 * channels))
    moved = build.add(
        f"{name}_shift", ops.SpatialShift(modulo_shifts(2 * channels), int(rng.integers(1, 3))), wide
    )
    last = build.sum(f"{name}_sum", build.conv(f"{name}_back", moved, channels), source)
    return _active(build, name, last, rng)


def _branches(build, name, source, rng):  # noqa: ARG001
    """Two paths of different length whose sum has a scale of its own."""
    left = build.conv(
        f"{name}_left", build.relu(f"{name}_l", build.conv(f"{name}_first", source, 4, (3, 3))), 6, (3, 3)
    )
    right = build.conv(f"{name}_right", source, 6)
    return build.norm(
        f"{name}_norm",
        build.sum(f"{name}_sum", build.relu(f"{name}_lr", left), build.relu(f"{name}_rr", right)),
    )


def _depthwise(build, name, source, rng):
    channels = build.shapes[source][0]
    return build.conv(name, source, channels, (3, 3), groups=channels, stride=int(rng.integers(1, 3)))


def _pool(build, name, source, rng):
    if rng.random() < 0.5:
        return build.add(name, ops.MaxPool((2, 3), (1, 2), (1, 1, 1, 1)), source)
    return build.add(name, ops.AveragePool((3, 3), (2, 1), (1, 1, 1, 1)), source)


def _shift(build, name, source, rng):  # noqa: ARG001
    """A shift that stays a layer: something else than a pointwise convolution reads it."""
    moved = build.add(f"{name}_shift", ops.SpatialShift(modulo_shifts(build.shapes[source][0]), 1), source)
    return build.conv(name, moved, 4, (3, 1))


def _active(build, name, source, rng):
    op = [None, ops.ReLU(), ops.Clamp(-0.3, 1.0)][rng.integers(3)]
    return source if op is None else build.add(f"{name}_act", op, source)


_LAYERS = (_conv, _conv, _pointwise, _fused, _fused, _branches, _depthwise, _pool, _shift)


def write(files: dict[str, bytes], folder: Path) -> Path:
    """A project as a folder."""
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def codes(network, count: int, seed: int = 0) -> np.ndarray:
    """Images of noise that reaches both ends of the format."""
    act = network.act
    rng = generator(seed)
    x = rng.integers(-3 << act.n, 3 << act.n, (count, *network.input.shape))
    x[rng.random(x.shape) < 0.02] = act.min
    return x.clip(act.min, act.max)
