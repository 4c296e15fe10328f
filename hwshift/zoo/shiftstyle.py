"""ShiftStyle: Wu et al., "Shift" (CVPR 2018), section 3.4, on the transformer of Johnson et al. (ECCV 2016).

The text gives the original's layers and that "all but the first and last convolution layers" become "shifts
followed by 1x1 convolutions", no widths; those are Johnson's: 32, 64, 128 and 9x9 at both ends. Its instance norms
need the statistics of each image, which an accelerator does not take; with BatchNorm in their place it runs there.
"""

import re
from typing import Literal

from hwshift.zoo.builder import Builder
from hwshift.zoo.family import Definition, Family, Option, square

__all__ = ["FAMILIES", "Norm", "residual_shift", "shiftstyle"]

Norm = Literal["instance", "batch"]


def _norm(b: Builder, x: str, norm: Norm) -> str:
    return b.instance_norm(x) if norm == "instance" else b.bn(x)


def _shift_conv(b: Builder, x: str, out: int, norm: Norm, *, stride: int = 1, number: str = "") -> str:
    """Shift, 1x1 convolution, norm."""
    y = b.conv(b.shift(x, name=f"shift{number}"), out, stride=stride, bias=True, name=f"conv{number}")
    return _norm(b, y, norm)


def residual_shift(b: Builder, x: str, norm: Norm = "instance") -> str:
    """Two shifts with 1x1 convolutions, ReLU between them, plus the input."""
    y = b.relu(_shift_conv(b, x, b.channels(x), norm, number="1"), "relu")
    return b.sum(_shift_conv(b, y, b.channels(x), norm, number="2"), x)


def shiftstyle(b: Builder, x: str, classes: int, *, width: int = 32, norm: Norm = "instance") -> str:
    """An image to an image of as many channels as there are `classes`; the output is not limited to a range."""
    x = b.relu(_norm(b, b.conv(x, width, 9, bias=True, name="first"), norm), "first.relu")
    for level in (1, 2):
        scope = b.scope(f"down{level}")
        x = scope.relu(_shift_conv(scope, x, width << level, norm, stride=2), "relu")
    for block in range(1, 6):
        x = residual_shift(b.scope(f"residual{block}"), x, norm)
    for level in (1, 2):
        scope = b.scope(f"up{level}")
        x = scope.relu(_shift_conv(scope, scope.upsample(x), width << (2 - level), norm), "relu")
    return b.conv(x, classes, 9, bias=True, name="last")


def _define(match: re.Match[str]) -> Definition:
    del match
    options = {
        "width": Option("channels of the first convolution"),
        "norm": Option("the statistics of each image, or constants", ("instance", "batch")),
    }
    arguments = {"width": 32, "norm": "instance"}
    return Definition("ShiftStyle", "ShiftNet", square(256), 3, shiftstyle, arguments, options)


FAMILIES = (
    Family(
        "ShiftNet",
        "Wu et al., Shift: A Zero FLOP, Zero Parameter Alternative to Spatial Convolutions, CVPR 2018",
        r"ShiftStyle",
        _define,
        ("ShiftStyle",),
    ),
)
