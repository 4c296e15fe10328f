"""FE-Net: Chen et al., "All You Need is a Few Shifts" (CVPR 2019), Table 4."""

import re
from typing import Literal

from hwshift.errors import NetworkError
from hwshift.zoo.bottleneck import Unit, fe_block, ib_pool, ib_ssl
from hwshift.zoo.builder import Builder
from hwshift.zoo.family import Definition, Family, Option, square

__all__ = ["FAMILIES", "fenet"]

# (units, expansion, channels at width 1, stride) of each FE-Block.
_BLOCKS = ((3, 6, 64, 2), (4, 6, 128, 2), (4, 6, 128, 1), (4, 6, 256, 2), (3, 6, 256, 1))

_WIDTHS = {"1.0x": 1.0, "1.375x": 1.375}

# Channels of the last convolution: as in the published logs. With squeeze-and-excite only 1.375 * 1380 fits.
_HEAD = {("1.375x", 0): 1932, ("1.375x", 1): 1897, ("1.375x", 2): 1897}

_SPARSITY = {("1.0x", 0): 0.600, ("1.375x", 0): 0.695, ("1.375x", 1): 0.777, ("1.375x", 2): 0.802}
"""(width, squeeze-and-excite) to the share of unshifted channels: Table 8."""

_RATIO = {0: 4, 1: 4, 2: 8}  # not printed; these give the printed sizes


def fenet(
    b: Builder,
    x: str,
    classes: int,
    *,
    width: float,
    head: int,
    spatial: Literal["shift", "depthwise"] = "shift",
    widen: Literal["in", "out"] = "in",
    se: int = 0,
    ratio: int = 4,
) -> str:
    """A row of Table 5, 6 or 7. `head`: channels of the last convolution; the others as in `Unit`."""
    unit = Unit(spatial, widen, se, ratio)
    x = b.conv_bn(x, int(16 * width), 3, stride=2, name="stem")
    x = ib_ssl(b.scope("ib_ssl"), x, int(16 * width), expansion=4, unit=unit)
    x = ib_pool(b.scope("ib_pool"), x, int(32 * width), expansion=5, unit=unit)
    for number, (units, expansion, channels, stride) in enumerate(_BLOCKS, 1):
        scope = b.scope(f"block{number}")
        out = int(channels * width)
        x = fe_block(scope, x, out, units=units, expansion=expansion, stride=stride, unit=unit)
    return b.classifier(b.conv_bn_relu(x, head, name="head"), classes)


_OPTIONS = {
    "head": Option("channels of the last convolution"),
    "widen": Option("which channels a unit's expansion multiplies", ("in", "out")),
    "ratio": Option("channels over inner channels of squeeze-and-excite"),
}


def _define(match: re.Match[str]) -> Definition:
    width = {"1": "1.0x", "1.0": "1.0x", "1.375": "1.375x"}.get(match["width"])
    if width is None:
        raise NetworkError(f"FE-Net has the widths {', '.join(_WIDTHS)}", where=match[0])
    kind = (match["kind"] or "").upper()
    se = int(kind[2:]) if kind.startswith("SE") else 0
    arguments = {
        "width": _WIDTHS[width],
        "head": _HEAD.get((width, se), 1380),
        "spatial": "depthwise" if kind == "DW" else "shift",
        "se": se,
        "ratio": _RATIO[se],
    }
    name = f"FE-Net-{width}" + (f"-{kind}" if kind else "")
    sparsity = _SPARSITY.get((width, se), _SPARSITY["1.375x", se])
    return Definition(
        name,
        "FE-Net",
        square(224),
        1000,
        fenet,
        arguments,
        _OPTIONS,
        shifts="learned",
        sparsity=sparsity,
    )


FAMILIES = (
    Family(
        "FE-Net",
        "Chen et al., All You Need is a Few Shifts: Designing Efficient Convolutional Neural Networks, CVPR 2019",
        r"FE-?Net-(?P<width>[\d.]+)x(-(?P<kind>SE1|SE2|DW))?",
        _define,
        tuple(f"FE-Net-{width}{kind}" for width in _WIDTHS for kind in ("", "-SE1", "-SE2", "-DW")),
    ),
)
