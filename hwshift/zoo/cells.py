"""Networks of searched cells: the skeleton of Liu et al., "DARTS" (ICLR 2019), which ShiftNAS uses too."""

import re
from collections.abc import Sequence

import numpy as np

from hwshift.errors import NetworkError
from hwshift.network import ops
from hwshift.zoo.builder import Builder
from hwshift.zoo.family import Definition, Family, Option, square
from hwshift.zoo.genotype import DARTS_V2, SHIFTNAS_CIFAR10, SHIFTNAS_CIFAR100, Edge, Genotype

__all__ = ["FAMILIES", "cell", "cell_network"]


def cell(
    b: Builder,
    before: str,
    last: str,
    channels: int,
    *,
    genotype: Genotype,
    reduce: bool,
    reduced_before: bool,
    separable: int = 2,
) -> str:
    """One cell.

    Parameters
    ----------
    before, last : str
        The outputs of the last two cells.
    channels : int
        Of each state.
    reduce : bool
        Whether it halves the map.
    reduced_before : bool
        Whether the last cell did, so that `before` has to be halved first.
    separable : int
        How often a separable convolution is done.
    """
    if reduced_before:
        first = _halve(b.scope("in0"), before, channels)
    else:
        first = _relu_conv_bn(b.scope("in0"), before, channels)
    states = [first, _relu_conv_bn(b.scope("in1"), last, channels)]
    edges: Sequence[Edge] = genotype.reduce if reduce else genotype.normal
    for index in range(0, len(edges), 2):
        state = len(states)
        left, right = (
            _operation(
                b.scope(f"node{state}{side}"),
                states[source],
                operation,
                2 if reduce and source < 2 else 1,
                separable,
            )
            for side, (operation, source) in zip("ab", edges[index : index + 2], strict=True)
        )
        states.append(b.sum(left, right, f"node{state}"))
    chosen = genotype.reduce_concat if reduce else genotype.normal_concat
    return b.concat(*(states[state] for state in chosen))


def _operation(b: Builder, x: str, operation: str, stride: int, separable: int) -> str:
    match operation:
        case "skip_connect":
            return x if stride == 1 else _halve(b, x, b.channels(x))
        case "max_pool_3x3":
            return b.max_pool(x, stride=stride)
        case "avg_pool_3x3":
            return b.average_pool(x, stride=stride, include_border=False)
        case "conv_7x1_1x7":
            y = b.relu(x, "relu")
            y = b.conv(y, b.channels(x), (1, 7), stride=(1, stride), name="conv1")
            return b.bn(b.conv(y, b.channels(x), (7, 1), stride=(stride, 1), name="conv2"))
    kernel = int(operation[-1])
    if operation.startswith("dil"):
        return _separable(b, x, kernel, stride, dilation=2, step="")
    for step in range(1, separable + 1):
        x = _separable(b, x, kernel, stride if step == 1 else 1, dilation=1, step=str(step))
    return x


def _separable(b: Builder, x: str, kernel: int, stride: int, *, dilation: int, step: str) -> str:
    """ReLU, depthwise convolution, 1x1 convolution, BatchNorm."""
    y = b.relu(x, f"relu{step}")
    y = b.depthwise(y, kernel, stride=stride, dilation=dilation, name=f"depthwise{step}")
    return b.bn(b.conv(y, b.channels(x), name=f"pointwise{step}"))


def _relu_conv_bn(b: Builder, x: str, out: int) -> str:
    return b.conv_bn(b.relu(x, "relu"), out)


def _halve(b: Builder, x: str, out: int) -> str:
    """Two 1x1 convolutions with stride 2, the second on the map moved by one pixel both ways; BatchNorm."""
    x = b.relu(x, "relu")
    even = b.conv(x, out // 2, stride=2, name="even")
    moved = b.add("offset", ops.SpatialShift(np.ones((b.channels(x), 2), np.int64)), x)
    odd = b.conv(moved, out - out // 2, stride=2, name="odd")
    return b.bn(b.concat(even, odd))


def cell_network(
    b: Builder,
    x: str,
    classes: int,
    *,
    genotype: Genotype,
    channels: int,
    layers: int,
    stem: str,
    separable: int = 2,
) -> str:
    """Cells one after another; those at a third and two thirds reduce, and double the channels.

    Parameters
    ----------
    genotype : Genotype
    channels : int
        Of the first cells' states.
    layers : int
        Cells.
    stem : "cifar" or "imagenet"
        One 3x3 convolution with three times the channels, or three with stride 2.
    separable : int
        As in `cell`.
    """
    if channels % 2:
        raise NetworkError(f"must be even, not {channels}", where="channels")
    if stem == "cifar":
        before = last = b.conv_bn(x, 3 * channels, 3, name="stem")
    else:
        before, last = _imagenet_stem(b, x, channels)
    reduced = stem == "imagenet"
    for index in range(layers):
        reduce = index in (layers // 3, 2 * layers // 3)
        channels *= 2 if reduce else 1
        scope = b.scope(f"cell{index + 1}")
        new = cell(
            scope,
            before,
            last,
            channels,
            genotype=genotype,
            reduce=reduce,
            reduced_before=reduced,
            separable=separable,
        )
        before, last, reduced = last, new, reduce
    return b.classifier(last, classes)


def _imagenet_stem(b: Builder, x: str, channels: int) -> tuple[str, str]:
    y = b.conv_bn_relu(x, channels // 2, 3, stride=2, name="stem1")
    first = b.conv_bn(y, channels, 3, stride=2, name="stem2")
    return first, b.conv_bn(b.relu(first), channels, 3, stride=2, name="stem3")


_OPTIONS = {
    "genotype": Option("cells: a published name, a Genotype or an object like DARTS's", check=Genotype.of),
    "channels": Option("of the first cells' states", low=2),
    "layers": Option("number of cells"),
    "separable": Option("how often a separable convolution is done"),
}


def _definition(name: str, family: str, genotype: Genotype, task: str, channels: int) -> Definition:
    imagenet = task == "imagenet"
    arguments = {
        "genotype": genotype,
        "channels": channels,
        "layers": 14 if imagenet else 20,
        "stem": "imagenet" if imagenet else "cifar",
    }
    size = square(224 if imagenet else 32)
    classes = {"cifar10": 10, "cifar100": 100, "imagenet": 1000}[task]
    return Definition(name, family, size, classes, cell_network, arguments, _OPTIONS)


_TASKS = {"cifar10": "CIFAR10", "cifar100": "CIFAR100", "imagenet": "ImageNet"}


def _define_shiftnas(match: re.Match[str]) -> Definition:
    task = match["task"].lower().replace("-", "")
    genotype = SHIFTNAS_CIFAR100 if task == "cifar100" else SHIFTNAS_CIFAR10
    channels = 46 if task == "imagenet" else 36
    return _definition(f"ShiftNAS-{_TASKS[task]}", "ShiftNAS", genotype, task, channels)


def _define_darts(match: re.Match[str]) -> Definition:
    task = match["task"].lower().replace("-", "")
    channels = 48 if task == "imagenet" else 36
    return _definition(f"DARTS-V2-{_TASKS[task]}", "DARTS", DARTS_V2, task, channels)


FAMILIES = (
    Family(
        "ShiftNAS",
        "ShiftNAS: bit-shift networks by architecture search, Tables 3 to 6",
        r"ShiftNAS-(?P<task>CIFAR-?10|CIFAR-?100|ImageNet)",
        _define_shiftnas,
        tuple(f"ShiftNAS-{task}" for task in _TASKS.values()),
    ),
    Family(
        "DARTS",
        "Liu et al., DARTS: Differentiable Architecture Search, ICLR 2019",
        r"DARTS-V2-(?P<task>CIFAR-?10|CIFAR-?100|ImageNet)",
        _define_darts,
        tuple(f"DARTS-V2-{task}" for task in _TASKS.values()),
    ),
)
