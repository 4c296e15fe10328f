"""ResNet for CIFAR, its reduced forms, and ShiftResNet."""

import re

from hwshift.errors import NetworkError
from hwshift.zoo.builder import BRANCH, Builder
from hwshift.zoo.csc import ORDER_OPTION, Order, csc, csc_classifier, csc_stem
from hwshift.zoo.family import Definition, Family, square

__all__ = ["FAMILIES", "basic_block", "resnet", "shift_resnet", "shift_resnet_concat"]

DEPTHS = (20, 56, 110)
EXPANSIONS = (1, 3, 6, 9)

WIDTHS = (16, 32, 64)

REDUCED: dict[tuple[str, int, int], tuple[int, int, int]] = {
    ("module", 20, 1): (2, 4, 7), ("module", 20, 3): (5, 11, 22), ("module", 20, 6): (11, 22, 43),
    ("module", 56, 1): (2, 4, 7), ("module", 56, 3): (5, 11, 22), ("module", 56, 6): (11, 22, 43),
    ("module", 110, 1): (2, 4, 7), ("module", 110, 3): (5, 11, 22), ("module", 110, 6): (11, 22, 43),
    ("net", 20, 1): (6, 11, 23), ("net", 20, 3): (9, 19, 38), ("net", 20, 6): (13, 26, 53),
    ("net", 56, 1): (5, 11, 22), ("net", 56, 3): (9, 19, 37), ("net", 56, 6): (13, 26, 53),
    ("net", 110, 1): (6, 11, 22), ("net", 110, 3): (9, 19, 37), ("net", 110, 6): (13, 26, 53),
}  # fmt: skip
"""(how, depth, expansion) to the channels of a ResNet as small as the ShiftResNet of that depth and expansion.

Tables 2, 4 and 5 of Wu et al. compare such networks but do not print their widths. Here `WIDTHS` are divided by one
number, rounded, so that the parameters come nearest; ``net`` 110, 1 is the choice that gives the printed 211 K with
100 classes. ``module`` reduces what lies between a block's convolutions, ``net`` every width.
"""


def basic_block(b: Builder, x: str, out: int, *, mid: int, stride: int = 1) -> str:
    """Two 3x3 convolutions with BatchNorm, ReLU between them and after the sum; 1x1 convolution as the shortcut."""
    y = b.conv_bn_relu(x, mid, 3, stride=stride, name="conv1")
    y = b.conv_bn(y, out, 3, gain=BRANCH, name="conv2")
    if stride != 1 or b.channels(x) != out:
        x = b.conv_bn(x, out, stride=stride, name="shortcut")
    return b.relu(b.sum(y, x), "relu")


def _blocks(depth: int, widths: tuple[int, int, int]) -> list[tuple[str, int, int]]:
    """(scope, channels, stride) of each block."""
    count = (depth - 2) // 6
    return [
        (f"group{group + 1}.block{i + 1}", width, 2 if group and not i else 1)
        for group, width in enumerate(widths)
        for i in range(count)
    ]


def resnet(
    b: Builder,
    x: str,
    classes: int,
    *,
    depth: int,
    widths: tuple[int, int, int] = WIDTHS,
    inner: tuple[int, int, int] | None = None,
) -> str:
    """ResNet of He et al. (2016) for CIFAR; `inner` are the channels between a block's convolutions."""
    between = dict(zip(widths, inner or widths, strict=True))
    x = b.conv_bn_relu(x, widths[0], 3, name="stem")
    for scope, width, stride in _blocks(depth, widths):
        x = basic_block(b.scope(scope), x, width, mid=between[width], stride=stride)
    return b.classifier(x, classes)


def shift_resnet(b: Builder, x: str, classes: int, *, depth: int, expansion: int) -> str:
    """ShiftResNet of the published PyTorch code: every block of ResNet is a `csc`."""
    x = b.conv_bn_relu(x, 16, 3, name="stem")
    for scope, width, stride in _blocks(depth, WIDTHS):
        x = csc(b.scope(scope), x, width, mid=expansion * width, stride=stride, join="project")
    return b.classifier(x, classes)


def shift_resnet_concat(
    b: Builder, x: str, classes: int, *, depth: int, expansion: int, order: Order = "after"
) -> str:
    """ShiftResNet as Chen et al. (2019) count it: ``expansion * in`` channels inside, pool and concatenation."""
    x = csc_stem(b, x, 16, 3, 1, order)
    for scope, width, stride in _blocks(depth, WIDTHS):
        mid = expansion * b.channels(x)
        x = csc(b.scope(scope), x, width, mid=mid, stride=stride, order=order)
    return csc_classifier(b, x, classes, order)


def _depth(text: str, name: str) -> int:
    depth = int(text)
    if depth % 6 != 2 or not 8 <= depth <= 1202:
        raise NetworkError(f"a depth is 6n + 2 from 8 to 1202, not {depth}", where=name)
    return depth


def _expansion(text: str, name: str) -> int:
    if not 1 <= int(text) <= 64:
        raise NetworkError(f"an expansion is 1 to 64, not {text}", where=name)
    return int(text)


def _define_resnet(match: re.Match[str]) -> Definition:
    depth = _depth(match["depth"], match[0])
    arguments: dict[str, object] = {"depth": depth}
    if match["how"] is None:
        return Definition(f"ResNet{depth}", "ResNet", square(32), 10, resnet, arguments)
    how, expansion = match["how"].lower(), int(match["expansion"])
    widths = REDUCED.get((how, depth, expansion)) or (WIDTHS if (depth, expansion) in _WHOLE else None)
    if widths is None:
        raise NetworkError(
            f"reduced ResNets have the depths {', '.join(map(str, DEPTHS))} and match the expansions "
            f"{', '.join(map(str, EXPANSIONS))}",
            where=match[0],
        )
    arguments["inner" if how == "module" else "widths"] = widths
    return Definition(f"ResNet{depth}-{how}-{expansion}", "ResNet", square(32), 10, resnet, arguments)


_WHOLE = tuple((depth, 9) for depth in DEPTHS)  # there the paper takes the whole ResNet


def _define_shift(match: re.Match[str]) -> Definition:
    depth, expansion = _depth(match["depth"], match[0]), _expansion(match["expansion"], match[0])
    kind = (match["kind"] or "").lower()
    arguments = {"depth": depth, "expansion": expansion}
    name = f"ShiftResNet{depth}-{expansion}"
    if not kind:
        return Definition(name, "ShiftResNet", square(32), 10, shift_resnet, arguments)
    if kind == "concat":
        return Definition(
            f"{name}-concat", "ShiftResNet", square(32), 10, shift_resnet_concat, arguments, ORDER_OPTION
        )
    sparsity = TRAINED_SPARSITY.get((depth, expansion))
    if sparsity is None:
        raise NetworkError("sparse shifts are known of ShiftResNet20-6 and ShiftResNet56-6", where=match[0])
    return Definition(
        f"{name}-SSL",
        "ShiftResNet",
        square(32),
        10,
        shift_resnet_concat,
        arguments,
        ORDER_OPTION,
        shifts="learned",
        sparsity=sparsity,
    )


TRAINED_SPARSITY: dict[tuple[int, int], float | str] = {(20, 6): "cifar10", (56, 6): 0.980}
"""(depth, expansion) to what Chen et al. print for CIFAR-10: Table 2 by layer, Table 1 in all."""

_REDUCED = tuple(f"ResNet{d}-{how}-{e}" for d in DEPTHS for how in ("module", "net") for e in EXPANSIONS[:3])
_SHIFT = tuple(f"ShiftResNet{d}-{e}" for d in DEPTHS for e in EXPANSIONS)
_CONCAT = tuple(f"ShiftResNet{d}-{e}-concat" for d in DEPTHS for e in EXPANSIONS)

FAMILIES = (
    Family(
        "ResNet",
        "He et al., Deep Residual Learning, CVPR 2016; reduced as in Wu et al., Shift, CVPR 2018",
        r"ResNet-?(?P<depth>\d{1,4})(-(?P<how>module|net)-(?P<expansion>\d{1,3}))?",
        _define_resnet,
        (*(f"ResNet{d}" for d in DEPTHS), *_REDUCED),
    ),
    Family(
        "ShiftResNet",
        "Wu et al., Shift, CVPR 2018; -concat, -SSL: Chen et al., All You Need is a Few Shifts, CVPR 2019",
        r"ShiftResNet-?(?P<depth>\d{1,4})-(?P<expansion>\d{1,3})(-(?P<kind>concat|ssl))?",
        _define_shift,
        (*_SHIFT, *_CONCAT, "ShiftResNet20-6-SSL", "ShiftResNet56-6-SSL"),
    ),
)
