"""ShiftNet-A, -B, -C and ShiftFaceNet: Wu et al., "Shift" (CVPR 2018), Tables 6, 7 and 9."""

import re
from dataclasses import dataclass

from hwshift.zoo.builder import Builder
from hwshift.zoo.csc import ORDER_OPTION, Join, Order, Spatial, csc, csc_classifier, csc_stem
from hwshift.zoo.family import Definition, Family, Option, square

__all__ = ["FAMILIES", "Group", "shiftnet"]


@dataclass(frozen=True)
class Group:
    """Modules of one size: the first has stride 2 and the expansion `first`, all others `rest`."""

    channels: int
    modules: int
    first: int
    rest: int
    kernel: int


_A = (Group(64, 5, 4, 4, 5), Group(128, 6, 4, 3, 5), Group(256, 7, 3, 2, 3), Group(512, 3, 2, 1, 3))
_B = (Group(32, 5, 4, 4, 5), Group(64, 6, 4, 3, 5), Group(128, 7, 3, 2, 3), Group(256, 3, 2, 1, 3))
_C = (Group(32, 1, 1, 1, 3), Group(64, 4, 1, 1, 3), Group(128, 4, 1, 1, 3), Group(256, 3, 1, 1, 3))

# Channels of the stem, groups, and what a module does where the shape changes. With a stem of 32 nothing would be
# left to compute in the first group of B and C; the printed sizes decide for 16 in B and for no shortcut in C.
_TABLE: dict[str, tuple[int, tuple[Group, ...], Join]] = {
    "A": (32, _A, "concat"),
    "B": (16, _B, "concat"),
    "C": (32, _C, "none"),
}


def shiftnet(
    b: Builder,
    x: str,
    classes: int,
    *,
    kind: str,
    stem: int | None = None,
    join: Join | None = None,
    order: Order = "after",
    spatial: Spatial = "shift",
    kernel: int | None = None,
) -> str:
    """A network of Table 6; what is given replaces the stem's channels, the shortcut, or what a module has between its
    convolutions: Chen et al., "All You Need is a Few Shifts", Fig. 2, put depthwise convolutions there.
    """
    channels, groups, usual = _TABLE[kind]
    join = join or usual
    x = csc_stem(b, x, stem or channels, 7, 2, order)
    for number, group in enumerate(groups, 1):
        for i in range(group.modules):
            expansion = group.rest if i else group.first
            mid = expansion * (group.channels if join == "none" else b.channels(x))
            x = csc(
                b.scope(f"group{number}.module{i + 1}"),
                x,
                group.channels,
                mid=mid,
                stride=1 if i else 2,
                kernel=kernel or group.kernel,
                join=join,
                order=order,
                spatial=spatial,
            )
    return csc_classifier(b, x, classes, order)


_OPTIONS = {
    "stem": Option("channels of the first convolution"),
    "join": Option("the shortcut where the shape changes", ("concat", "none", "project")),
    "spatial": Option("what stands between a module's convolutions", ("shift", "depthwise")),
    "kernel": Option("its neighbourhood in all modules"),
    **ORDER_OPTION,
}


def _define(match: re.Match[str]) -> Definition:
    kind = match["kind"].upper()
    return Definition(f"ShiftNet-{kind}", "ShiftNet", square(224), 1000, shiftnet, {"kind": kind}, _OPTIONS)


def _define_face(match: re.Match[str]) -> Definition:
    """ShiftNet-C whose outputs are the embedding; only about 1000 of them give the printed 0.78 M."""
    del match
    return Definition("ShiftFaceNet", "ShiftNet", square(160), 1000, shiftnet, {"kind": "C"}, _OPTIONS)


_SOURCE = "Wu et al., Shift: A Zero FLOP, Zero Parameter Alternative to Spatial Convolutions, CVPR 2018"

FAMILIES = (
    Family("ShiftNet", _SOURCE, r"ShiftNet-(?P<kind>[ABC])", _define, tuple(f"ShiftNet-{k}" for k in "ABC")),
    Family("ShiftNet", _SOURCE, r"ShiftFaceNet", _define_face, ("ShiftFaceNet",)),
)
