"""Conv-shift-conv modules: Wu et al., "Shift: A Zero FLOP, Zero Parameter Alternative" (CVPR 2018), section 2.3.

The paper's text, the PyTorch code behind its Table 5 and the ShiftNet of its Table 6 differ in what stands around
the two 1x1 convolutions: `join` and `order` say which is meant.
"""

from typing import Literal

from hwshift.zoo.builder import BRANCH, Builder
from hwshift.zoo.family import Option

__all__ = ["ORDER_OPTION", "Join", "Order", "Spatial", "csc", "csc_classifier", "csc_stem", "sc2"]

Join = Literal["project", "concat", "none"]
Order = Literal["after", "before"]
Spatial = Literal["shift", "depthwise"]

ORDER_OPTION = {
    "order": Option("where BatchNorm and ReLU stand, seen from a convolution", ("after", "before"))
}
"""For the `options` of a `Definition`."""


def csc(
    b: Builder,
    x: str,
    out: int,
    *,
    mid: int,
    stride: int = 1,
    kernel: int = 3,
    dilation: int = 1,
    join: Join = "concat",
    order: Order = "after",
    spatial: Spatial = "shift",
) -> str:
    """Conv-shift-conv: 1x1 convolution, spatial shift, 1x1 convolution.

    Parameters
    ----------
    out, mid : int
        Channels after and between the convolutions.
    stride : int
        Of the second convolution.
    kernel, dilation : int
        Of the shift's neighbourhood.
    join : "project", "concat" or "none"
        Where the shape changes: sum with the input through a 1x1 convolution and BatchNorm; the averaged input
        (3x3) beside ``out - in`` new channels, new ones first; or no shortcut. Elsewhere the input is added.
    order : "after" or "before"
        Where BatchNorm and ReLU stand: after each convolution (the published code) or before (the text).
    spatial : "shift" or "depthwise"
        What stands between the convolutions: the shift, or a depthwise convolution of the same kernel in its place.
    """
    return _module(b, x, out, mid, stride, kernel, dilation, join, order, spatial, shift_first=False)


def sc2(
    b: Builder,
    x: str,
    out: int,
    *,
    mid: int,
    stride: int = 1,
    kernel: int = 3,
    dilation: int = 1,
    join: Join = "concat",
    order: Order = "after",
) -> str:
    """Shift-conv-shift-conv: as `csc`, with another shift before the first convolution."""
    return _module(b, x, out, mid, stride, kernel, dilation, join, order, "shift", shift_first=True)


def _module(
    b: Builder,
    x: str,
    out: int,
    mid: int,
    stride: int,
    kernel: int,
    dilation: int,
    join: Join,
    order: Order,
    spatial: Spatial,
    shift_first: bool,
) -> str:
    fits = stride == 1 and b.channels(x) == out
    new = out - b.channels(x) if join == "concat" and not fits else out
    gain = BRANCH if fits else 1.0
    y = b.relu(b.bn(x, "bn1"), "relu1") if order == "before" else x
    if shift_first:
        y = b.shift(y, kernel, dilation=dilation, name="shift1")
    if order == "before":
        y = b.relu(b.bn(b.conv(y, mid, name="conv1"), "bn2"), "relu2")
        y = b.conv(_between(b, y, kernel, dilation, spatial), new, stride=stride, gain=gain, name="conv2")
    else:
        y = b.conv_bn_relu(y, mid, name="conv1")
        y = _between(b, y, kernel, dilation, spatial)
        y = b.conv_bn_relu(y, new, stride=stride, gain=gain, name="conv2")
    if fits:
        return b.sum(y, x)
    if join == "project":
        return b.sum(y, b.conv_bn(x, out, stride=stride, name="shortcut"))
    return y if join == "none" else b.concat(y, b.average_pool(x, stride=stride))


def _between(b: Builder, x: str, kernel: int, dilation: int, spatial: Spatial) -> str:
    if spatial == "shift":
        return b.shift(x, kernel, dilation=dilation)
    return b.depthwise(x, kernel, dilation=dilation, name="depthwise")


def csc_stem(b: Builder, x: str, out: int, kernel: int, stride: int, order: Order) -> str:
    """The convolution before the first module, with BatchNorm and ReLU where they stand after convolutions."""
    if order == "before":
        return b.conv(x, out, kernel, stride=stride, name="stem")
    return b.conv_bn_relu(x, out, kernel, stride=stride, name="stem")


def csc_classifier(b: Builder, x: str, classes: int, order: Order) -> str:
    """Global average pool and fully connected layer, after BatchNorm and ReLU where those stand before."""
    return b.classifier(b.relu(b.bn(x, "bn"), "relu") if order == "before" else x, classes)
