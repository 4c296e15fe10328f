"""Random bound networks over all operations, random configurations, and the comparison with the golden model."""

import numpy as np

from hwshift.compiler import compile as compile_network
from hwshift.config import AcceleratorConfig
from hwshift.errors import QuantizeError
from hwshift.golden.formats import Pow2Format, QFormat
from hwshift.golden.model import trace
from hwshift.network.bind import bind
from hwshift.network.checks import window_size
from hwshift.network.fixed import (
    Activation,
    Concat,
    Conv,
    Epilogue,
    FixedLayer,
    FixedNetwork,
    FixedWeights,
    Input,
    Pool,
    Shift,
    Shuffle,
    Slice,
    Sum,
)
from hwshift.sim.functional import run_program

from ..seeds import generator

OPS = ("conv", "grouped", "depthwise", "pointwise", "fused", "dense", "average", "maximum", "sum", "single", "shift",
       "concat", "shuffle", "residual")  # fmt: skip
MOVES = (*OPS, "slice", "slice", "shuffle", "concat")


class Builder:
    """Adds random layers to a network."""

    def __init__(self, seed, arithmetic, shape=None):
        self.rng = generator(seed)
        self.arithmetic = arithmetic
        if shape is None:
            shape = tuple(int(self.rng.integers(*span)) for span in ((1, 7), (1, 10), (1, 12)))
        self.layers = [FixedLayer("input", Input(), (), shape)]

    def network(self):
        return bind(FixedNetwork("random", self.arithmetic.act, tuple(self.layers)), self.arithmetic)

    def any(self):
        return self.layers[int(self.rng.integers(max(0, len(self.layers) - 3), len(self.layers)))]

    def add(self, op, inputs, shape, scaled=True, residual=None):
        epilogue = self.epilogue(shape[0]) if scaled else None
        names = tuple(layer.name for layer in inputs)
        name = f"l{len(self.layers)}_{type(op).__name__.lower()}"
        layer = FixedLayer(
            name, op, names, tuple(int(v) for v in shape), epilogue, residual and residual.name
        )
        self.layers.append(layer)
        return layer

    def epilogue(self, channels):
        rng, act = self.rng, self.arithmetic.act
        m = rng.integers(-(1 << 17), 1 << 17, channels)
        s = rng.integers(15, 19, channels)
        if rng.random() < 0.5:
            m, s = np.ones(channels, np.int64), np.zeros(channels, np.int64)
        b = rng.integers(-(1 << (act.n // 2)), 1 << (act.n // 2), channels, endpoint=True)
        return Epilogue(m, s, b, self.activation(), self.activation())

    def activation(self):
        kind = str(self.rng.choice(["none", "relu", "clamp"]))
        lo, hi = sorted(
            self.rng.integers(-(1 << self.arithmetic.act.n), 1 << self.arithmetic.act.n, 2).tolist()
        )
        return Activation(kind, lo, hi) if kind == "clamp" else Activation(kind)

    def weights(self, shape):
        rng, fmt = self.rng, self.arithmetic.weights
        if isinstance(fmt, QFormat):
            top = 1 << max(1, min(fmt.bits - 1, fmt.n + 1))
            values = rng.integers(-top, top, shape)
            return FixedWeights(fmt, np.where(rng.random(shape) < 0.1, 0, values))
        sign = rng.choice([-1, 1], shape)
        power = rng.integers(max(fmt.p_min, -8), min(fmt.p_max, 0) + 1, shape)
        if rng.random() < 0.5:
            sign = np.where(rng.random(shape) < 0.2, 0, sign)
        elif rng.random() < 0.2:
            power = np.where(rng.random(shape) < 0.1, fmt.p_min, power)
        minimum = (sign == -1) & (power == fmt.p_min) & bool((sign == 0).any())
        return FixedWeights(fmt, sign, np.where((sign == 0) | minimum, fmt.p_min, power) + minimum)

    def conv(
        self,
        source,
        out,
        kernel,
        groups=1,
        stride=None,
        padding=None,
        dilation=(1, 1),
        shift=None,
        residual=None,
    ):
        rng = self.rng
        if padding is None:
            padding = tuple(int(rng.integers(0, kernel[i % 2] * dilation[i % 2])) for i in range(4))
        stride = stride or tuple(int(v) for v in rng.integers(1, 4, 2))
        try:
            size = window_size(source.shape[1:], kernel, stride, padding, dilation)
        except ValueError:
            return None
        if min(size) < 1:
            return None
        weights = self.weights((out, source.shape[0] // groups, *kernel))
        op = Conv(weights, stride, padding, dilation, groups, shift)
        return self.add(op, [source], (out, *size), residual=residual)

    def step(self, name):
        """One random layer of a kind; nothing where it does not fit."""
        rng, source = self.rng, self.any()
        channels, height, width = source.shape
        out = int(rng.integers(1, 14))
        if name == "conv":
            kernel = tuple(int(v) for v in rng.integers(1, 4, 2))
            return self.conv(source, out, kernel, dilation=tuple(int(v) for v in rng.integers(1, 3, 2)))
        if name == "grouped":
            groups = int(rng.choice([g for g in range(1, channels + 1) if channels % g == 0]))
            return self.conv(source, groups * int(rng.integers(1, 5)), (3, 1), groups, padding=(1, 0, 1, 0))
        if name == "depthwise":
            return self.conv(
                source, channels * int(rng.integers(1, 3)), (2, 3), channels, padding=(1, 1, 0, 1)
            )
        if name == "pointwise":
            return self.conv(source, out, (1, 1), stride=(1, 1))
        if name == "fused":
            shift = rng.integers(-2, 3, (channels, 2))
            return self.conv(source, out, (1, 1), padding=(0, 0, 0, 0), shift=shift)
        if name == "dense":
            return self.conv(source, out, (height, width), stride=(1, 1), padding=(0, 0, 0, 0))
        if name == "residual":
            return self.conv(source, channels, (1, 1), stride=(1, 1), padding=(0, 0, 0, 0), residual=source)
        return self.move(name, source)

    def move(self, name, source):
        rng = self.rng
        channels, height, width = source.shape
        if name in ("average", "maximum"):
            kernel, stride = (tuple(int(v) for v in rng.integers(1, 4, 2)) for _ in range(2))
            padding = tuple(int(rng.integers(0, kernel[i % 2])) for i in range(4))
            kind = "avg" if name == "average" else "max"
            op = Pool(kind, kernel, stride, padding, bool(rng.random() < 0.5))
            try:
                size = window_size(source.shape[1:], kernel, stride, padding)
            except ValueError:
                return None
            if min(size) < 1:
                return None
            layer = self.add(op, [source], (channels, *size))
            if kind == "avg":
                last, one = layer.epilogue, Epilogue.identity(channels)
                epilogue = Epilogue(one.m, one.s, last.b, last.activation, last.residual_activation)
                self.layers[-1] = layer = FixedLayer(layer.name, op, layer.inputs, layer.shape, epilogue)
            return layer
        if name == "sum":
            others = [layer for layer in self.layers if layer.shape == source.shape]
            return self.add(Sum(), [source, others[int(rng.integers(len(others)))]], source.shape)
        if name == "single":
            return self.add(Sum(), [source], source.shape)
        if name == "shift":
            return self.add(Shift(rng.integers(-2, 3, (channels, 2))), [source], source.shape, scaled=False)
        if name == "concat":
            others = [layer for layer in self.layers if layer.shape[1:] == source.shape[1:]]
            picked = [
                source,
                *(others[int(i)] for i in rng.integers(0, len(others), int(rng.integers(1, 3)))),
            ]
            if sum(layer.shape[0] for layer in picked) > 40:
                return None
            shape = (sum(layer.shape[0] for layer in picked), *source.shape[1:])
            return self.add(Concat(), picked, shape, scaled=False)
        if name == "slice":
            start = int(rng.integers(channels))
            op = Slice(start, int(rng.integers(start + 1, channels + 1)))
            return self.add(op, [source], (op.stop - start, height, width), scaled=False)
        assert name == "shuffle"
        return self.add(Shuffle(rng.permutation(channels)), [source], source.shape, scaled=False)


def random_network(seed, arithmetic, layers=7, ops=OPS, shape=None):
    """A bound random network; layers that would overflow the accumulator are left out."""
    build = Builder(seed, arithmetic, shape)
    for _ in range(3 * layers):
        before = list(build.layers)
        build.step(str(build.rng.choice(ops)))
        try:
            build.network()
        except QuantizeError:
            build.layers = before
        if len(build.layers) > layers:
            break
    if len(build.layers) == 1:
        build.add(Sum(), [build.layers[0]], build.layers[0].shape)
    return build.network()


def random_config(seed):
    """A small configuration; many do not hold a network's largest layer."""
    rng = generator(seed)

    def pick(*values):
        return values[int(rng.integers(len(values)))]

    rows = pick(4, 8, 16)
    pe = pick("shift_add", "shift_add", "mac")
    act = pick(QFormat(16, 16), QFormat(8, 8), QFormat(5, 6), QFormat(4, 4))
    weights = (
        pick(None, Pow2Format(-7, 0)) if pe == "shift_add" else pick(None, QFormat(4, 12), QFormat(3, 5))
    )
    widths = [width for width in (32, 64, 128, 256, 512) if width <= rows * act.storage_bits]
    return AcceleratorConfig(
        name=f"random{seed}",
        rows=rows,
        columns=pick(*(size for size in (4, 8, 16) if size <= rows)),
        pixels=pick(1, 2, 4),
        pe=pe,
        act=act,
        weights=weights,
        scale_digits=pick(None, 4, 2),
        feature_depth=pick(16, 32, 64, 256, 1024, 4096),
        weight_tiles=pick(2, 5, 40, 256),
        acc_depth=pick(4, 16, 64, 512),
        weight_rows=pick(1, 2, 4),
        ktile_entries=pick(16, 64, 1024),
        lane_rows=pick(16, 64, 256),
        param_tiles=pick(2, 4, 64),
        bus_width=pick(*widths),
    )


def random_input(network, seed):
    """Values of a useful size, with the format's ends among them."""
    rng, act = generator(seed), network.act
    x = rng.integers(-(1 << act.n), 1 << act.n, network.input.shape)
    ends = rng.choice([act.min, act.max], x.shape)
    return np.where(rng.random(x.shape) < 0.05, ends, x)


def check(network, config, seed=0, **options):
    """Compile, simulate, and compare every stored layer with the golden model; returns program and counts."""
    program = compile_network(network, config, **options)
    x = random_input(network, seed)
    memory, counts = run_program(program, x)
    golden = trace(network, config.arithmetic, x)
    for record in program.tensors:
        if record.layer in golden:
            np.testing.assert_array_equal(
                program.read_tensor(memory, record.layer), golden[record.layer], record.layer
            )
            assert not program.unused_lanes(memory, record.layer).any(), record.layer
    return program, counts
