"""Names of published networks: one grammar, any case, and a network from a name with options.

A name may carry options: ``ShiftNet-A@128``, ``FE-Net-1.0x@224x192,classes=10,seed=3,weights=pow2``. After ``@``
stands the input's size, a side or HEIGHTxWIDTH; after commas the options of `build`.
"""

import difflib
import re
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np

from hwshift.errors import NetworkError
from hwshift.golden.formats import Pow2Format, QFormat
from hwshift.network.graph import Network
from hwshift.zoo import cells, fenet, mobilenet, resnet, shiftnet, shiftstyle, shufflenet
from hwshift.zoo.builder import Builder
from hwshift.zoo.family import Definition, Family
from hwshift.zoo.shift_layers import ShiftLayers
from hwshift.zoo.values import Absent, Random, Values

__all__ = [
    "FAMILIES",
    "WEIGHTS",
    "Size",
    "Sparsity",
    "WeightValues",
    "build",
    "define",
    "family_of",
    "from_text",
    "names",
    "suggest",
]

FAMILIES: tuple[Family, ...] = (
    *resnet.FAMILIES,
    *shiftnet.FAMILIES,
    *shiftstyle.FAMILIES,
    *fenet.FAMILIES,
    *shufflenet.FAMILIES,
    *mobilenet.FAMILIES,
    *cells.FAMILIES,
)
"""Every form of name, in the order of the table."""

WeightValues = Literal["float", "fixed", "pow2", "none"]
WEIGHTS: tuple[WeightValues, ...] = ("float", "fixed", "pow2", "none")
Size = int | tuple[int, int] | str
Sparsity = float | str | Sequence[float]


def names() -> tuple[str, ...]:
    """The names that are listed; more follow the same grammar."""
    return tuple(name for family in FAMILIES for name in family.listed)


def suggest(name: str, more: Sequence[str] = ()) -> list[str]:
    """At most three known names that are spelled nearly like this one."""
    known = {each.lower(): each for each in (*more, *names())}
    return [known[each] for each in difflib.get_close_matches(name.lower(), known, 3, 0.7)]


def family_of(name: str) -> Family | None:
    """The family whose form a name has, or None."""
    return next((family for family in FAMILIES if family.match(name)), None)


def define(name: str) -> Definition | None:
    """What a name without options stands for; None: it has the form of no family.

    Raises
    ------
    NetworkError
        When it has the form of a family that has no such network.
    """
    family = family_of(name)
    match = None if family is None else family.match(name)
    return None if family is None or match is None else family.define(match)


def build(
    name: str,
    *,
    size: Size | None = None,
    classes: int | None = None,
    seed: int = 0,
    weights: WeightValues = "float",
    shifts: str | None = None,
    sparsity: Sparsity | None = None,
    **options: object,
) -> Network:
    """A published network with seeded random weights.

    Parameters
    ----------
    name : str
        As in `names`, in upper or lower case, without options.
    size : int, (height, width), str or None
        Of the input: a side, both, or text such as ``128`` or ``128x96``; None: as published.
    classes : int or None
        Outputs; None: as published.
    seed : int
        Of weights and learned shifts.
    weights : "float", "fixed", "pow2" or "none"
        Uniform; rounded to Q16.16; rounded to the nearest +-2**p, p from -15 to 0; or zeros that take no memory,
        to count without computing.
    shifts : "modulo", "contiguous", "learned" or None
        How channels get their shifts; None: as published.
    sparsity : float, sequence of float, str or None
        Share of unshifted channels of learned shifts: one for all layers, one for each, or ``cifar10`` or
        ``cifar100``: those of the published ShiftResNet20. None: as published.
    options
        Those of the network's family: see `Definition.options`.

    Returns
    -------
    Network
        Verified.

    Raises
    ------
    NetworkError
        For an unknown name or option, or a value that does not fit.
    """
    definition = define(name)
    if definition is None:
        near = suggest(name)
        hint = f"; did you mean {', '.join(near)}?" if near else ""
        raise NetworkError(f"no such network{hint}", where=name)
    unknown = sorted(set(options) - set(definition.options))
    if unknown:
        known = ("size", "classes", "seed", "weights", "shifts", "sparsity", *definition.options)
        raise NetworkError(f"unknown option {unknown[0]!r}; known: {', '.join(known)}", where=name)
    if weights not in WEIGHTS:
        raise NetworkError(f"must be one of {', '.join(WEIGHTS)}, not {weights!r}", where="weights")
    seed = _check_integer(seed, "seed", 0)
    layers = _shift_layers(definition, shifts, sparsity, seed)
    height, width = definition.size if size is None else _size(size)
    shape = (definition.channels, height, width)
    count = definition.classes if classes is None else _check_integer(classes, "classes", 1)
    builder = Builder(shape, _values(weights, seed), layers)
    output = definition(builder, count, **options)
    network = builder.network(definition.name, output, family=definition.family, weights=weights, seed=seed)
    return network if weights == "none" else network.verify()  # the builder has checked all shapes


def _shift_layers(
    definition: Definition, shifts: str | None, sparsity: Sparsity | None, seed: int
) -> ShiftLayers:
    """The generator that is asked for: a sparsity asks for learned shifts."""
    generator = shifts or ("learned" if sparsity is not None else definition.shifts)
    if sparsity is None and generator == definition.shifts:
        sparsity = definition.sparsity
    return ShiftLayers(generator, sparsity, seed)


def _values(weights: WeightValues, seed: int) -> Values:
    if weights == "none":
        return Absent()
    pow2, fixed = Pow2Format(), QFormat()
    rounded: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "pow2": lambda values: pow2.to_float(*pow2.from_float(values)),
        "fixed": lambda values: np.asarray(fixed.to_float(fixed.nearest(values))),
    }
    return Random(seed, rounded.get(weights))


def _size(size: Size) -> tuple[int, int]:
    """(height, width) from any form of a size."""
    sides: object = size
    if isinstance(size, str):
        words = size.lower().split("x")
        sides = tuple(int(word) for word in words) if all(word.isdecimal() for word in words) else None
    if isinstance(sides, int):
        sides = (sides,)
    if not isinstance(sides, tuple | list) or len(sides) not in (1, 2):
        raise NetworkError(f"a size is a side such as 224, or HEIGHTxWIDTH, not {size!r}", where="size")
    height, width = sides[0], sides[-1]
    for side in (height, width):
        if isinstance(side, bool) or not isinstance(side, int) or not 1 <= side <= 8192:
            raise NetworkError(f"a side is 1 to 8192, not {side!r}", where="size")
    return height, width


def _check_integer(value: object, name: str, low: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or not low <= value < 1 << 20:
        raise NetworkError(f"must be an integer from {low} to {(1 << 20) - 1}, not {value!r}", where=name)
    return int(value)


def from_text(text: str, weights: WeightValues = "float") -> Network | None:
    """The network of a name with options, as on a command line; None: its name has the form of no family.

    `weights` holds where the options do not tell.

    Raises
    ------
    NetworkError
        As `build`, and for malformed options.
    """
    head, *settings = text.split(",")
    name, at, size = head.partition("@")
    if define(name) is None:
        return None
    given: dict[str, object] = {"size": size} if at else {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals or not key.isidentifier():
            raise NetworkError(f"an option is KEY=VALUE, not {setting!r}", where=name)
        if key in given:
            raise NetworkError(f"{key} is given twice", where=name)
        given[key] = _value(value)
    return build(name, **({"weights": weights} | given))  # type: ignore[arg-type]


def _value(text: str) -> object:
    """An integer, a number, numbers with colons between, or text."""
    words = text.split(":")
    if len(words) > 1 and all(re.fullmatch(r"[01]|[01]?\.\d{1,18}", word) for word in words):
        return tuple(map(float, words))
    if re.fullmatch(r"\d{1,18}", text):
        return int(text)
    return float(text) if re.fullmatch(r"\d{0,9}\.\d{1,18}", text) else text
