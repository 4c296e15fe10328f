"""What a family of networks tells about itself: a table row per kind of name."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from hwshift.errors import NetworkError
from hwshift.zoo.builder import Builder

__all__ = ["Definition", "Family", "Option", "square"]


def square(side: int) -> tuple[int, int]:
    """(height, width) of a square input."""
    return side, side


@dataclass(frozen=True)
class Option:
    """Something a user may set.

    Members
    -------
    text : str
        What it is.
    choices : tuple of str
        The values it may have; empty: integers.
    low : int
        The least integer.
    check : function or None
        Takes the value's place in the check; returns the value to use or raises NetworkError.
    """

    text: str
    choices: tuple[str, ...] = ()
    low: int = 1
    check: Callable[[object], object] | None = None

    def checked(self, name: str, value: object) -> object:
        """The value to use. Raises NetworkError, which names the option."""
        if self.check is not None:
            return self.check(value)
        if self.choices:
            if value not in self.choices:
                raise NetworkError(f"must be one of {', '.join(self.choices)}, not {value!r}", where=name)
        elif isinstance(value, bool) or not isinstance(value, int) or not self.low <= value < 1 << 20:
            raise NetworkError(
                f"must be an integer from {self.low} to {(1 << 20) - 1}, not {value!r}", where=name
            )
        return value


@dataclass(frozen=True)
class Definition:
    """A network of a family.

    Members
    -------
    name : str
        In the spelling that is shown.
    family : str
    size : (height, width)
        Of the input, unless another is asked for.
    classes : int
        Outputs, unless others are asked for.
    build : function
        ``build(builder, "input", classes, **arguments)`` adds the nodes and returns the output's name.
    arguments : dict
        For `build`; what the user gives replaces those that `options` names.
    options : dict of str to Option
        What a user may set beyond the options all networks have.
    shifts : str
        Default generator of the shifts: modulo, contiguous or learned.
    sparsity : float, str or None
        Default sparsity of learned shifts.
    channels : int
        Of the input.
    """

    name: str
    family: str
    size: tuple[int, int]
    classes: int
    build: Callable[..., str]
    arguments: Mapping[str, object] = field(default_factory=dict)
    options: Mapping[str, Option] = field(default_factory=dict)
    shifts: str = "modulo"
    sparsity: float | str | None = None
    channels: int = 3

    def __call__(self, build: Builder, classes: int, **given: object) -> str:
        """Add the nodes; returns the output's name. Raises NetworkError for an option that is unknown or unfit."""
        for name, value in given.items():
            given[name] = self.options[name].checked(name, value)
        return self.build(build, "input", classes, **(dict(self.arguments) | given))


@dataclass(frozen=True)
class Family:
    """Names of one form.

    Members
    -------
    name : str
    source : str
        Where the networks are published.
    pattern : str
        Regular expression that a whole name matches, upper or lower case.
    define : function
        From the match to the `Definition`. Raises NetworkError where no such network can be built.
    listed : tuple of str
        The names that are shown; others may match.
    """

    name: str
    source: str
    pattern: str
    define: Callable[[re.Match[str]], Definition]
    listed: tuple[str, ...]

    def match(self, name: str) -> re.Match[str] | None:
        """The match of a whole name, or None."""
        return re.fullmatch(self.pattern, name, re.IGNORECASE)
