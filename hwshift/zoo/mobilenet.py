"""MobileNetV2: Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks" (CVPR 2018), Table 2."""

import re

from hwshift.errors import NetworkError
from hwshift.zoo.bottleneck import mobilenet_block
from hwshift.zoo.builder import Builder
from hwshift.zoo.family import Definition, Family, square

__all__ = ["FAMILIES", "mobilenet_v2"]

# (expansion, channels, repetitions, stride of the first) of each row.
_ROWS = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


def _divisible(channels: float) -> int:
    """The nearest multiple of 8, but no more than 10 % below: as in the authors' code."""
    nearest = max(8, int(channels + 4) // 8 * 8)
    return nearest + 8 if nearest < 0.9 * channels else nearest


def mobilenet_v2(b: Builder, x: str, classes: int, *, width: float = 1.0) -> str:
    """MobileNetV2 with every width multiplied."""
    x = b.relu6(b.conv_bn(x, _divisible(32 * width), 3, stride=2, name="stem"))
    for row, (expansion, channels, count, stride) in enumerate(_ROWS, 1):
        for i in range(count):
            scope = b.scope(f"stage{row}.block{i + 1}")
            out, step = _divisible(channels * width), 1 if i else stride
            x = mobilenet_block(scope, x, out, expansion=expansion, stride=step)
    head = _divisible(1280 * max(width, 1.0))
    return b.classifier(b.relu6(b.conv_bn(x, head, name="head")), classes)


def _define(match: re.Match[str]) -> Definition:
    width = float(match["width"] or 1)
    if not 0.1 <= width <= 4:
        raise NetworkError(f"a width is 0.1x to 4x, not {match['width']}x", where=match[0])
    name = "MobileNetV2" if width == 1 else f"MobileNetV2-{width:g}x"
    return Definition(name, "MobileNetV2", square(224), 1000, mobilenet_v2, {"width": width})


FAMILIES = (
    Family(
        "MobileNetV2",
        "Sandler et al., MobileNetV2: Inverted Residuals and Linear Bottlenecks, CVPR 2018",
        r"MobileNet-?V2(-(?P<width>\d{1,2}(\.\d{1,4})?)x)?",
        _define,
        ("MobileNetV2", "MobileNetV2-1.4x"),
    ),
)
