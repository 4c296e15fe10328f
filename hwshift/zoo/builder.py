"""Builds networks node by node, with names that tell where a node stands."""

import math

import numpy as np

from hwshift.errors import NetworkError
from hwshift.network import ops
from hwshift.network.checks import Shape
from hwshift.network.graph import Network, Node
from hwshift.network.shuffles import transpose_shuffle
from hwshift.zoo.moments import Moments, after, of_noise
from hwshift.zoo.shift_layers import ShiftLayers
from hwshift.zoo.values import Values

__all__ = ["BRANCH", "MAX_NODES", "MAX_WEIGHTS", "Builder"]

BRANCH = 0.2
"""Gain of the last layer of a residual branch, so that many sums do not add up to large maps."""

MAX_NODES = 20_000
"""Nodes of the largest network."""

MAX_WEIGHTS = 1 << 28
"""Weights of the largest network, 1 GiB of float32."""


class _Nodes:
    """What a builder and its scopes share."""

    def __init__(self, shape: Shape, values: Values, shifts: ShiftLayers) -> None:
        self.values, self.shifts = values, shifts
        self.nodes: list[Node] = []
        self.weights = 0
        self.shapes: dict[str, Shape] = {}
        self.moments: dict[str, Moments] = {}
        self.add("input", ops.Input(*shape))
        if values.tracked:
            self.moments["input"] = of_noise(shape[0])

    def kernel(self, name: str, *shape: int, gain: float) -> np.ndarray:
        """Weights of the node `name`, unless there is nothing to compute, or too much."""
        if min(shape) < 1:
            raise NetworkError(
                f"{shape[0]} channels are left for it to compute, at least 1 is needed", where=name
            )
        self.weights += math.prod(shape)
        if self.weights > MAX_WEIGHTS:
            raise NetworkError(
                f"the network has {self.weights:,} weights up to here, {MAX_WEIGHTS:,} are allowed",
                where=name,
            )
        return self.values.kernel(*shape, gain=gain)

    def add(self, name: str, op: ops.Op, *inputs: str) -> str:
        if len(self.nodes) >= MAX_NODES:
            raise NetworkError(
                f"the network has more than {MAX_NODES:,} nodes, which is the limit", where=name
            )
        try:
            shape = op.shape(tuple(self.shapes[source] for source in inputs))
        except ValueError as error:
            raise NetworkError(str(error), where=name) from None
        self.nodes.append(Node(name, op, inputs))
        self.shapes[name] = shape
        if self.values.tracked and inputs:
            known = (self.moments[source] for source in inputs)
            self.moments[name] = after(op, self.shapes[inputs[0]], *known)
        return name


class Builder:
    """Verbs that add one operator each and return its name, which the next verb reads.

    A node is called ``scope.name``. A verb that is not given a name takes it from the map it reads: ``conv1`` is
    followed by ``conv1.bn`` and ``conv1.relu``. Where a verb takes a `gain`, random values are that much larger.

    Parameters
    ----------
    shape : (channels, height, width)
        Of the input, which is the node ``input``.
    values : Values
        Gives the arrays.
    shifts : ShiftLayers
        Gives the offsets.
    """

    def __init__(self, shape: Shape, values: Values, shifts: ShiftLayers) -> None:
        self._state = _Nodes(shape, values, shifts)
        self._prefix = ""

    def scope(self, name: str) -> "Builder":
        """A builder of the same network whose nodes are called ``name.…``."""
        inner = Builder.__new__(Builder)
        inner._state, inner._prefix = self._state, f"{self._prefix}{name}."
        return inner

    def network(self, name: str, output: str, **meta: object) -> Network:
        """What was built; not verified."""
        self._state.shifts.check()
        return Network(name, tuple(self._state.nodes), output, dict(meta))

    def shape(self, x: str) -> Shape:
        """(channels, height, width) of a map."""
        return self._state.shapes[x]

    def channels(self, x: str) -> int:
        """Channels of a map."""
        return self._state.shapes[x][0]

    def add(self, name: str, op: ops.Op, *inputs: str) -> str:
        """Any operator. Raises NetworkError, which names the node, where shapes do not fit."""
        return self._state.add(self._prefix + name, op, *inputs)

    def _derived(self, x: str, kind: str, name: str | None) -> str:
        """The given name, or one after the map that is read, in this scope."""
        if name is not None:
            return name
        return f"{x.removesuffix('.bn').removeprefix(self._prefix)}.{kind}"

    def conv(
        self,
        x: str,
        out: int,
        kernel: int | tuple[int, int] = 1,
        *,
        stride: int | tuple[int, int] = 1,
        groups: int = 1,
        dilation: int = 1,
        bias: bool = False,
        gain: float = 1.0,
        name: str = "conv",
    ) -> str:
        """A convolution padded so that stride 1 keeps the size. Raises NetworkError where groups do not divide."""
        rows, columns = (kernel, kernel) if isinstance(kernel, int) else kernel
        depth = self.channels(x)
        if depth % groups or out % groups:
            message = f"{groups} groups must divide the {depth} input and {out} output channels"
            raise NetworkError(message, where=self._prefix + name)
        vertical, horizontal = dilation * (rows - 1), dilation * (columns - 1)
        op = ops.Conv2d(
            self._state.kernel(self._prefix + name, out, depth // groups, rows, columns, gain=gain),
            self._state.values.bias(out) if bias else None,
            (stride, stride) if isinstance(stride, int) else stride,
            (vertical // 2, horizontal // 2, vertical - vertical // 2, horizontal - horizontal // 2),
            (dilation, dilation),
            groups,
        )
        return self.add(name, op, x)

    def depthwise(
        self, x: str, kernel: int | tuple[int, int], *, stride: int = 1, dilation: int = 1, name: str
    ) -> str:
        """A convolution of each channel by itself."""
        channels = self.channels(x)
        return self.conv(x, channels, kernel, stride=stride, groups=channels, dilation=dilation, name=name)

    def bn(self, x: str, name: str | None = None, *, gain: float = 1.0) -> str:
        """BatchNorm."""
        channels = self.channels(x)
        arrays = self._state.values.norm(channels, self._state.moments.get(x), gain)
        return self.add(self._derived(x, "bn", name), ops.BatchNorm(*arrays), x)

    def instance_norm(self, x: str, name: str | None = None) -> str:
        """InstanceNorm with gamma and beta."""
        op = ops.InstanceNorm(*self._state.values.gain(self.channels(x)))
        return self.add(self._derived(x, "in", name), op, x)

    def relu(self, x: str, name: str | None = None) -> str:
        """ReLU."""
        return self.add(self._derived(x, "relu", name), ops.ReLU(), x)

    def relu6(self, x: str, name: str | None = None) -> str:
        """``min(max(x, 0), 6)``."""
        return self.add(self._derived(x, "relu6", name), ops.Clamp(0.0, 6.0), x)

    def conv_bn(
        self,
        x: str,
        out: int,
        kernel: int = 1,
        *,
        stride: int = 1,
        groups: int = 1,
        gain: float = 1.0,
        name: str = "conv",
    ) -> str:
        """A convolution and BatchNorm."""
        return self.bn(self.conv(x, out, kernel, stride=stride, groups=groups, name=name), gain=gain)

    def conv_bn_relu(
        self,
        x: str,
        out: int,
        kernel: int = 1,
        *,
        stride: int = 1,
        groups: int = 1,
        gain: float = 1.0,
        name: str = "conv",
    ) -> str:
        """A convolution, BatchNorm and ReLU."""
        return self.relu(self.conv_bn(x, out, kernel, stride=stride, groups=groups, gain=gain, name=name))

    def shift(self, x: str, kernel: int = 3, *, dilation: int = 1, name: str = "shift") -> str:
        """A spatial shift of each channel, by the network's generator."""
        offsets = self._state.shifts.offsets(self.channels(x), kernel)
        return self.add(name, ops.SpatialShift(offsets, dilation), x)

    def sigmoid(self, x: str, name: str | None = None) -> str:
        """``1 / (1 + exp(-x))``."""
        return self.add(self._derived(x, "sigmoid", name), ops.Sigmoid(), x)

    def scale(self, x: str, gate: str, name: str = "scale") -> str:
        """Each channel of a map times its gate, a map of one pixel."""
        return self.add(name, ops.ChannelScale(), x, gate)

    def sum(self, left: str, right: str, name: str = "add") -> str:
        """Element-wise sum."""
        return self.add(name, ops.Add(), left, right)

    def concat(self, *parts: str, name: str = "concat") -> str:
        """Channels one after another."""
        return self.add(name, ops.Concat(), *parts)

    def slice(self, x: str, start: int, stop: int, name: str) -> str:
        """Channels from `start` to before `stop`."""
        return self.add(name, ops.ChannelSlice(start, stop), x)

    def shuffle(self, x: str, groups: int, name: str = "shuffle") -> str:
        """The channel shuffle of ShuffleNet's paper."""
        return self.add(name, ops.ChannelShuffle(transpose_shuffle(self.channels(x), groups)), x)

    def upsample(self, x: str, factor: int = 2, name: str = "upsample") -> str:
        """Every pixel becomes a square of `factor` pixels a side."""
        return self.add(name, ops.UpsampleNearest((factor, factor)), x)

    def average_pool(
        self,
        x: str,
        kernel: int = 3,
        *,
        stride: int = 2,
        padding: int | None = None,
        include_border: bool = True,
        name: str = "pool",
    ) -> str:
        """An average over windows, with ``kernel // 2`` zeros around the map unless `padding` is given."""
        around = kernel // 2 if padding is None else padding
        op = ops.AveragePool((kernel, kernel), (stride, stride), (around,) * 4, include_border)
        return self.add(name, op, x)

    def max_pool(self, x: str, kernel: int = 3, *, stride: int = 2, name: str = "pool") -> str:
        """A maximum over windows, padded by ``kernel // 2``."""
        op = ops.MaxPool((kernel, kernel), (stride, stride), (kernel // 2,) * 4)
        return self.add(name, op, x)

    def global_pool(self, x: str, name: str = "pool") -> str:
        """The average over the whole map."""
        return self.add(name, ops.GlobalAveragePool(), x)

    def linear(self, x: str, out: int, *, bias: bool = True, gain: float = 1.0, name: str) -> str:
        """A fully connected layer."""
        weight = self._state.kernel(self._prefix + name, out, math.prod(self.shape(x)), gain=gain)
        return self.add(name, ops.Linear(weight, self._state.values.bias(out) if bias else None), x)

    def classifier(self, x: str, classes: int, *, bias: bool = True) -> str:
        """Global average pool and a fully connected layer: nodes ``pool`` and ``classifier``."""
        return self.linear(self.global_pool(x), classes, bias=bias, name="classifier")
