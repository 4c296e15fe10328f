"""ShuffleNet: Zhang et al., "ShuffleNet: An Extremely Efficient CNN for Mobile Devices" (CVPR 2018), Table 1."""

import re
from typing import Literal

from hwshift.errors import NetworkError
from hwshift.zoo.bottleneck import squeeze_excite
from hwshift.zoo.builder import BRANCH, Builder
from hwshift.zoo.family import Definition, Family, Option, square

__all__ = ["FAMILIES", "shufflenet", "shufflenet_unit"]

Position = Literal["before", "after"]

_CHANNELS = {1: 144, 2: 200, 3: 240, 4: 272, 8: 384}  # of stage 2 at 1x; doubled in each later stage
_UNITS = (4, 8, 4)
_SCALES = {"0.25x": 0.25, "0.5x": 0.5, "1x": 1.0, "1.5x": 1.5, "2x": 2.0}

# The first convolution is not simply scaled; these widths give the printed complexities.
_STEM = {"0.25x": 12, "0.5x": 12, "1x": 24, "1.5x": 24, "2x": 48}
_STEM_OF = {("0.5x", 8): 16, ("0.25x", 8): 16}


def shufflenet_unit(
    b: Builder,
    x: str,
    out: int,
    *,
    groups: int,
    first_groups: int | None = None,
    stride: int = 1,
    shuffle: Position = "before",
    se: int = 0,
) -> str:
    """Figure 2: grouped 1x1, shuffle, 3x3 depthwise, grouped 1x1; a quarter of the channels inside.

    Parameters
    ----------
    out : int
        Channels of the result; with stride 2 they include those of the averaged input, which come first.
    groups, first_groups : int
        Of both 1x1 convolutions; of the first, where it differs.
    shuffle : "before" or "after"
        The depthwise convolution: as in the paper, or as in the authors' code.
    se : int
        Ratio of squeeze-and-excite on the branch's result; 0: none.
    """
    new = out if stride == 1 else out - b.channels(x)
    first = groups if first_groups is None else first_groups
    y = b.conv_bn_relu(x, out // 4, groups=first, name="conv1")
    if groups > 1 and shuffle == "before":
        y = b.shuffle(y, groups)
    y = b.bn(b.depthwise(y, 3, stride=stride, name="depthwise"))
    if groups > 1 and shuffle == "after":
        y = b.shuffle(y, groups)
    y = b.conv_bn(y, new, groups=groups, gain=BRANCH if stride == 1 else 1.0, name="conv2")
    if se:
        y = squeeze_excite(b, y, se)
    if stride == 1:
        return b.relu(b.sum(y, x), "relu")
    return b.concat(b.average_pool(x, stride=stride), b.relu(y, "relu"))


def shufflenet(
    b: Builder,
    x: str,
    classes: int,
    *,
    groups: int,
    channels: int,
    stem: int,
    shuffle: Position = "before",
    se: int = 0,
) -> str:
    """A column of Table 1; `channels` are those of stage 2, `stem` those of the first convolution."""
    x = b.conv_bn_relu(x, stem, 3, stride=2, name="stem")
    x = b.max_pool(x, name="stem.pool")
    for stage, units in enumerate(_UNITS, 2):
        for i in range(units):
            x = shufflenet_unit(
                b.scope(f"stage{stage}.unit{i + 1}"),
                x,
                channels << (stage - 2),
                groups=groups,
                first_groups=1 if stage == 2 and i == 0 else None,
                stride=1 if i else 2,
                shuffle=shuffle,
                se=se,
            )
    return b.classifier(x, classes, bias=False)  # as in the authors' code


def _problem(groups: int, channels: int, stem: int) -> str | None:
    """Why groups do not divide these widths, or None."""
    widths = (channels // 4, channels - stem, channels)
    for width in widths:
        if width % groups:
            return f"{groups} groups do not divide {width} channels"
    return f"{channels} channels have no quarter" if channels % 4 else None


def _arguments(scale: str, groups: int) -> tuple[int, int]:
    """(channels of stage 2, channels of the stem)."""
    return int(_CHANNELS[groups] * _SCALES[scale]), _STEM_OF.get((scale, groups), _STEM[scale])


_OPTIONS = {
    "stem": Option("channels of the first convolution"),
    "shuffle": Option("where the shuffle stands, seen from the depthwise convolution", ("before", "after")),
    "se": Option("ratio of squeeze-and-excite, 0: none", low=0),
}


def _define(match: re.Match[str]) -> Definition:
    scale, groups = f"{float(match['scale']):g}x", int(match["groups"])
    if scale not in _SCALES or groups not in _CHANNELS:
        raise NetworkError(
            f"ShuffleNet has the widths {', '.join(_SCALES)} and the groups {', '.join(map(str, _CHANNELS))}",
            where=match[0],
        )
    channels, stem = _arguments(scale, groups)
    problem = _problem(groups, channels, stem)
    if problem is not None:
        raise NetworkError(f"cannot be built by scaling Table 1: {problem}", where=match[0])
    se = 16 if match["se"] else 0
    name = f"ShuffleNet-{scale}-g{groups}" + ("-SE" if se else "")
    arguments = {"groups": groups, "channels": channels, "stem": stem, "se": se}
    return Definition(name, "ShuffleNet", square(224), 1000, shufflenet, arguments, _OPTIONS)


_REAL = [(s, g) for s in _SCALES for g in _CHANNELS if _problem(g, *_arguments(s, g)) is None]

FAMILIES = (
    Family(
        "ShuffleNet",
        "Zhang et al., ShuffleNet: An Extremely Efficient Convolutional Neural Network for Mobile Devices, CVPR 2018",
        r"ShuffleNet-(?P<scale>\d{1,2}(\.\d{1,3})?)x-g(?P<groups>\d{1,2})(?P<se>-SE)?",
        _define,
        tuple(f"ShuffleNet-{scale}-g{groups}{se}" for scale, groups in _REAL for se in ("", "-SE")),
    ),
)
