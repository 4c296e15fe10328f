"""Networks with seeded random weights, for tests and for studies without a trained network.

Weights are uniform, and BatchNorm statistics follow from the moments of the map before, in plain arithmetic:
the same seed gives the same network on every machine.
"""

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np

from hwshift.network import ops
from hwshift.network.checks import Padding, Pair, Shape
from hwshift.network.graph import Network, Node
from hwshift.network.shifts import contiguous_shifts, modulo_shifts
from hwshift.network.shuffles import transpose_shuffle

__all__ = ["NetworkBuilder", "csc_network", "gated_network", "mixed_network"]


class NetworkBuilder:
    """Adds nodes and tracks each map's shape and mean square."""

    def __init__(self, seed: int, channels: int, height: int, width: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.nodes = [Node("input", ops.Input(channels, height, width))]
        self.shapes: dict[str, Shape] = {"input": (channels, height, width)}
        self.power = {"input": 1 / 3}

    def add(self, name: str, op: ops.Op, *inputs: str, power: float | None = None) -> str:
        self.nodes.append(Node(name, op, inputs))
        self.shapes[name] = op.shape(tuple(self.shapes[source] for source in inputs))
        self.power[name] = self.power[inputs[0]] if power is None else power
        return name

    def uniform(self, shape: tuple[int, ...] | int, low: float, high: float) -> np.ndarray:
        return self.rng.uniform(low, high, shape)

    def conv(
        self,
        name: str,
        source: str,
        out: int,
        kernel: Pair = (1, 1),
        stride: int = 1,
        groups: int = 1,
        padding: Padding | None = None,
        dilation: Pair = (1, 1),
        bias: bool = False,
    ) -> str:
        if padding is None:
            rows, cols = dilation[0] * (kernel[0] - 1), dilation[1] * (kernel[1] - 1)
            padding = rows // 2, cols // 2, rows - rows // 2, cols - cols // 2
        depth = self.shapes[source][0] // groups
        limit = math.sqrt(6 / (depth * kernel[0] * kernel[1]))  # He: variance 2 / fan-in
        weight = self.uniform((out, depth, *kernel), -limit, limit)
        offset = self.uniform(out, -0.25, 0.25) if bias else None
        return self.add(
            name,
            ops.Conv2d(weight, offset, (stride, stride), padding, dilation, groups),
            source,
            power=2 * self.power[source],
        )

    def norm(self, name: str, source: str) -> str:
        """Normalises nearly, and sets a gain of 0.5 to 1.5 and an offset of its own."""
        channels, power = self.shapes[source][0], self.power[source]
        op = ops.BatchNorm(
            self.uniform(channels, 0.5, 1.5),
            self.uniform(channels, -0.5, 0.5),
            self.uniform(channels, -0.25, 0.25) * math.sqrt(power),
            self.uniform(channels, 0.75, 1.25) * power,
        )
        return self.add(name, op, source, power=1.2)

    def relu(self, name: str, source: str) -> str:
        return self.add(name, ops.ReLU(), source, power=self.power[source] / 2)

    def sum(self, name: str, left: str, right: str) -> str:
        return self.add(name, ops.Add(), left, right, power=self.power[left] + self.power[right])

    def halved(self, name: str, source: str, out: int) -> str:
        """The factorized reduction of DARTS: two 1x1 convolutions with stride 2, side by side.

        The second one sees the map moved by one row and column, so for even sizes it reads what
        ``x[:, :, 1:, 1:]`` with stride 2 reads. Adds ``name_even``, ``name_moved``, ``name_odd`` and ``name``.
        """
        channels = self.shapes[source][0]
        self.conv(f"{name}_even", source, out - out // 2, stride=2)
        self.add(f"{name}_moved", ops.SpatialShift(np.ones((channels, 2), np.int64)), source)
        self.conv(f"{name}_odd", f"{name}_moved", out // 2, stride=2)
        return self.add(name, ops.Concat(), f"{name}_even", f"{name}_odd")

    def linear(self, name: str, source: str, out: int) -> str:
        size = math.prod(self.shapes[source])
        limit = math.sqrt(3 / size)
        weight, bias = self.uniform((out, size), -limit, limit), self.uniform(out, -0.25, 0.25)
        return self.add(name, ops.Linear(weight, bias), source)

    def network(self, name: str, **meta: object) -> Network:
        return Network(name, tuple(self.nodes), self.nodes[-1].name, dict(meta)).verify()


def csc_network(
    channels: int = 16,
    height: int = 32,
    width: int = 32,
    modules: int = 3,
    *,
    stride2: Sequence[int] = (),
    kernel: int = 3,
    expansion: int = 1,
    classes: int = 10,
    in_channels: int = 3,
    shifts: Literal["modulo", "contiguous"] = "modulo",
    dilation: int = 1,
    seed: int = 0,
) -> Network:
    """A ShiftResNet-like network of conv-shift-conv modules.

    A 3x3 stem convolution with BatchNorm and ReLU; modules of 1x1 convolution, BatchNorm, ReLU, spatial
    shift, 1x1 convolution (with the module's stride), BatchNorm, ReLU, plus the module's input (through a
    1x1 convolution and BatchNorm where the shape changes); global average pool; classifier.

    Parameters
    ----------
    channels : int
        Of the stem.
    height, width : int
        Of the input.
    modules : int
    stride2 : sequence of int
        Indices of the modules with stride 2, which double the channels.
    kernel : int
        Side of the shifts' neighbourhood.
    expansion : int
        Channels between a module's convolutions, relative to its outputs.
    classes, in_channels : int
    shifts : "modulo" or "contiguous"
    dilation : int
        Of the shifts.
    seed : int

    Returns
    -------
    Network
        Nodes ``stem_conv``, ``stem_bn``, ``stem``, ``m0_conv1``, ..., ``m0``, ..., ``pool``, ``classifier``.
    """
    build = NetworkBuilder(seed, in_channels, height, width)
    generate = {"modulo": modulo_shifts, "contiguous": contiguous_shifts}[shifts]
    build.conv("stem_conv", "input", channels, (3, 3))
    last = build.relu("stem", build.norm("stem_bn", "stem_conv"))
    for i in range(modules):
        stride = 2 if i in stride2 else 1
        channels *= stride
        name, mid = f"m{i}", expansion * channels
        build.conv(f"{name}_conv1", last, mid)
        build.relu(f"{name}_relu1", build.norm(f"{name}_bn1", f"{name}_conv1"))
        build.add(f"{name}_shift", ops.SpatialShift(generate(mid, kernel), dilation), f"{name}_relu1")
        build.conv(f"{name}_conv2", f"{name}_shift", channels, stride=stride)
        build.relu(f"{name}_relu2", build.norm(f"{name}_bn2", f"{name}_conv2"))
        if stride == 2:
            build.conv(f"{name}_short_conv", last, channels, stride=2)
            last = build.norm(f"{name}_short", f"{name}_short_conv")
        last = build.sum(name, f"{name}_relu2", last)
    build.add("pool", ops.GlobalAveragePool(), last)
    build.linear("classifier", "pool", classes)
    return build.network(f"csc-{seed}", seed=seed)


def mixed_network(seed: int = 0) -> Network:
    """A small network that holds at least once every operator that the accelerator computes.

    It has convolutions that are grouped, depthwise, dilated and of unequal sides, pools with and without
    borders, a concatenation, a shuffle, a clamp, and a BatchNorm and a ReLU that stand alone. The input is
    3 x 18 x 17.
    """
    build = NetworkBuilder(seed, 3, 18, 17)
    build.conv("stem", "input", 12, (3, 3), bias=True)
    build.relu("stem_relu", "stem")
    build.conv("grouped", "stem_relu", 12, (3, 3), groups=3, dilation=(2, 2))
    build.add("clamp", ops.Clamp(-0.5, 6.0), build.norm("grouped_bn", "grouped"))
    build.conv("depthwise", "clamp", 12, (3, 5), groups=12, bias=True)
    build.add("shuffle", ops.ChannelShuffle(transpose_shuffle(12, 3)), "depthwise")
    build.conv("pointwise", "shuffle", 12)
    build.relu("joined", build.sum("add", build.norm("pointwise_bn", "pointwise"), "clamp"))
    build.add("max", ops.MaxPool((3, 3), (2, 2), (1, 1, 1, 1)), "joined")
    build.add("average", ops.AveragePool((3, 3), (2, 2), (1, 1, 1, 1), include_border=False), "joined")
    build.add("concat", ops.Concat(), "max", "average")
    build.relu("alone_relu", build.norm("alone_bn", "concat"))
    build.add("shift", ops.SpatialShift(modulo_shifts(24), 2), "alone_relu")
    build.conv("strided", "shift", 20, stride=2, groups=2)
    build.add("border", ops.AveragePool((2, 3), (1, 2), (1, 1, 0, 0)), "strided")
    build.sum("twice", "border", "border")
    build.add("moved", ops.SpatialShift(contiguous_shifts(20)), "twice")
    build.conv("rows", "moved", 8, (1, 2), stride=2, padding=(0, 0, 0, 1))
    build.add("global", ops.GlobalAveragePool(), "twice")
    build.add("flat", ops.Flatten(), "rows")
    build.linear("hidden", "flat", 20)
    build.sum("merged", "hidden", "global")
    build.linear("classifier", "merged", 5)
    return build.network(f"mixed-{seed}", seed=seed)


def gated_network(seed: int = 0, instance_norm: bool = True) -> Network:
    """A small network of operators that `mixed_network` lacks.

    A map split and joined again by both channel shuffles, squeeze-and-excite with a residual, DARTS's factorized
    reduction, instance normalisation (or a BatchNorm, which an accelerator runs), nearest upsampling, and a sigmoid
    that stands alone. The input is 3 x 12 x 10.
    """
    build = NetworkBuilder(seed, 3, 12, 10)
    build.conv("stem_conv", "input", 16, (3, 3))
    build.relu("stem", build.norm("stem_bn", "stem_conv"))
    build.add("left", ops.ChannelSlice(0, 6), "stem")
    build.add("right", ops.ChannelSlice(6, 16), "stem")
    build.norm("branch", build.conv("branch_conv", "right", 10, (3, 3), groups=2))
    build.add(
        "shuffle",
        ops.ChannelShuffle(transpose_shuffle(16, 2)),
        build.add("join", ops.Concat(), "left", "branch"),
    )
    build.add("squeeze", ops.GlobalAveragePool(), "shuffle")
    build.relu("reduce", build.linear("reduce_fc", "squeeze", 4))
    build.add("gate", ops.Sigmoid(), build.linear("expand_fc", "reduce", 16))
    build.add("scale", ops.ChannelScale(), "shuffle", "gate")
    build.relu("excited", build.sum("sum", "scale", "stem"))
    build.halved("reduction", "excited", 12)
    build.add("back", ops.ChannelShuffle(transpose_shuffle(12, 3, inverse=True)), "reduction")
    gamma, beta = build.uniform(12, 0.5, 1.5), build.uniform(12, -0.25, 0.25)
    if instance_norm:
        build.add("norm", ops.InstanceNorm(gamma, beta), "back", power=1.0)
    else:
        build.norm("norm", "back")
    build.relu("normed", "norm")
    build.add("upsample", ops.UpsampleNearest((2, 3)), "normed")
    build.add("alone", ops.Sigmoid(), "upsample", power=0.3)
    build.add("pool", ops.GlobalAveragePool(), "alone")
    build.linear("classifier", "pool", 5)
    return build.network(f"gated-{seed}", seed=seed)
