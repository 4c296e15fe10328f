"""How number formats and guard bits are written."""

from typing import Literal

from hwshift.errors import ConfigError
from hwshift.golden.formats import Pow2Format, QFormat

__all__ = ["parse_any_weight_format", "parse_guard", "parse_weight_format"]


def parse_weight_format(text: str, kind: Literal["pow2", "fixed"]) -> Pow2Format | QFormat:
    """Read ``Q2.14`` for fixed weights, ``-15..0`` or ``pow2[-15,0]`` for powers of two.

    Raises
    ------
    ConfigError
        For anything else, or a format of the other kind.
    """
    if kind == "fixed":
        return QFormat.parse(text)
    low, comma, high = text.strip().removeprefix("pow2[").removesuffix("]").replace("..", ",").partition(",")
    try:
        powers = int(low), int(high)
    except ValueError:
        comma = ""
    if not comma:
        raise ConfigError(f"powers of two are written -15..0 (smallest..largest), not {text!r}")
    return Pow2Format(*powers)


def parse_any_weight_format(text: str) -> Pow2Format | QFormat:
    """As `parse_weight_format`, of the kind that the text is written like."""
    if ".." in text or text.strip().startswith("pow2["):
        return parse_weight_format(text, "pow2")
    if text.strip().upper().startswith("Q"):
        return QFormat.parse(text)
    raise ConfigError(f"a weight format is written Qm.n, or -15..0 for powers of two, not {text!r}")


def parse_guard(text: str) -> int | None:
    """Read guard bits: a number, or ``exact`` (None). Raises ConfigError for anything else."""
    word = text.strip().lower()
    if word != "exact" and not word.isdecimal():
        raise ConfigError(f"guard bits are a number or exact, not {text!r}")
    return None if word == "exact" else int(word)
