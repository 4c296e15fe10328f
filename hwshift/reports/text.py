"""Numbers as people read them."""

import math

__all__ = ["scaled", "short", "size"]

_PREFIXES = ("p", "n", "µ", "m", "", "k", "M", "G")


def scaled(value: float, unit: str = "") -> str:
    """A value with the prefix that leaves one to three digits before the point, such as ``16.3 µJ``."""
    place = min(max(math.floor(math.log10(value) / 3), -4), 3) if value > 0 else 0
    value /= 1000.0**place
    text = f"{value:.0f}" if value >= 100 else f"{value:.3g}"
    return f"{text} {_PREFIXES[place + 4]}{unit}".rstrip()


def size(value: float) -> str:
    """Bytes with a binary prefix, such as ``40.0 KiB``."""
    for unit in ("B", "KiB", "MiB"):
        if value < 1024:
            return f"{value:,.0f} {unit}" if unit == "B" else f"{value:,.1f} {unit}"
        value /= 1024
    return f"{value:,.1f} GiB"


def short(value: float) -> str:
    """A number on an axis: at most four characters and a prefix, such as ``1.5k``."""
    if value == 0:
        return "0"
    if value < 1:
        return f"{value:g}"
    for power, prefix in ((9, "G"), (6, "M"), (4, "k")):
        if value >= 10**power:
            return f"{value / 10 ** (3 * (power // 3)):g}{prefix}"
    return f"{value:,.0f}" if value >= 1000 else f"{value:g}"
