"""Inverted bottlenecks: 1x1 convolution that widens, something spatial, linear 1x1 convolution that narrows.

`ib_ssl`, `res_ib_ssl`, `ib_pool` and `fe_block` are Figures 3, 4 and 6 of Chen et al., "All You Need is a Few
Shifts" (CVPR 2019); `mobilenet_block` is Sandler et al., "MobileNetV2" (CVPR 2018).
"""

from dataclasses import dataclass
from typing import Literal

from hwshift.zoo.builder import Builder

__all__ = [
    "Unit",
    "fe_block",
    "ib_pool",
    "ib_ssl",
    "mobilenet_block",
    "res_ib_ssl",
    "squeeze_excite",
]


@dataclass(frozen=True)
class Unit:
    """What all units of a FE-Net have in common.

    Members
    -------
    spatial : "shift" or "depthwise"
        What the sparse shift layer is: a shift, or a 3x3 depthwise convolution with BatchNorm.
    widen : "in" or "out"
        Which channels the expansion multiplies; they differ in `ib_pool` only.
    se : 0, 1 or 2
        No squeeze-and-excite, on the unit's output, or on the expanded channels (Figure 6).
    ratio : int
        Channels over the gate's inner channels.
    """

    spatial: Literal["shift", "depthwise"] = "shift"
    widen: Literal["in", "out"] = "in"
    se: int = 0
    ratio: int = 4


def squeeze_excite(b: Builder, x: str, ratio: int) -> str:
    """Scales each channel by a gate: average, two fully connected layers without bias, ReLU and sigmoid."""
    b = b.scope("se")
    channels = b.channels(x)
    y = b.relu(b.linear(b.global_pool(x), max(channels // ratio, 1), bias=False, name="fc1"))
    return b.scale(x, b.sigmoid(b.linear(y, channels, bias=False, gain=0.3, name="fc2"), "gate"))


def ib_ssl(b: Builder, x: str, out: int, *, expansion: int, unit: Unit) -> str:
    """Unit without a shortcut."""
    y = b.conv_bn_relu(x, expansion * (b.channels(x) if unit.widen == "in" else out), name="conv1")
    if unit.spatial == "shift":
        y = b.shift(y)
    else:
        y = b.bn(b.depthwise(y, 3, name="depthwise"))
    return _narrow(b, y, out, unit)


def res_ib_ssl(b: Builder, x: str, *, expansion: int, unit: Unit) -> str:
    """Unit plus its input."""
    return b.sum(ib_ssl(b, x, b.channels(x), expansion=expansion, unit=unit), x)


def ib_pool(b: Builder, x: str, out: int, *, expansion: int, unit: Unit) -> str:
    """Unit that halves the map: a 2x2 average instead of the shift."""
    y = b.conv_bn_relu(x, expansion * (b.channels(x) if unit.widen == "in" else out), name="conv1")
    return _narrow(b, b.average_pool(y, 2, padding=0), out, unit)


def _narrow(b: Builder, y: str, out: int, unit: Unit) -> str:
    if unit.se == 2:
        y = squeeze_excite(b, y, unit.ratio)
    y = b.conv_bn(y, out, name="conv2")
    return squeeze_excite(b, y, unit.ratio) if unit.se == 1 else y


def fe_block(b: Builder, x: str, out: int, *, units: int, expansion: int, stride: int, unit: Unit) -> str:
    """Fully exploited block: unit l works on the last ``2**(l - 1)`` of ``2**(units - 1)`` channel groups.

    What a unit does not take stays where it is; each concatenation has the channels in their old order, so
    that a block can work in place. The last unit takes all channels.
    """
    channels = b.channels(x)
    first = channels - channels // 2 ** (units - 1)
    y = b.slice(x, first, channels, "unit1.slice")
    for number in range(1, units):
        y = res_ib_ssl(b.scope(f"unit{number}"), y, expansion=expansion, unit=unit)
        start = channels - (channels - first) * 2
        y = b.concat(b.slice(x, start, first, f"unit{number + 1}.slice"), y, name=f"unit{number + 1}.concat")
        first = start
    last = ib_ssl if stride == 1 else ib_pool
    return last(b.scope(f"unit{units}"), y, out, expansion=expansion, unit=unit)


def mobilenet_block(b: Builder, x: str, out: int, *, expansion: int, stride: int) -> str:
    """Widen (unless the expansion is 1), 3x3 depthwise, narrow; ReLU6 after the first two; input added if it fits."""
    y = x
    if expansion != 1:
        y = b.relu6(b.conv_bn(x, expansion * b.channels(x), name="conv1"))
    y = b.relu6(b.bn(b.depthwise(y, 3, stride=stride, name="depthwise")))
    y = b.conv_bn(y, out, name="conv2")
    return b.sum(y, x) if stride == 1 and b.channels(x) == out else y
