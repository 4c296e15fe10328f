"""Number formats and the fixed-point golden model: the definition of every result.

Importing the package costs nothing; a name is loaded from its module when it is first used (numba only then).
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hwshift.golden.difference import Difference, compare
    from hwshift.golden.formats import Arithmetic, Pow2Format, QFormat
    from hwshift.golden.model import Trace, run, trace
    from hwshift.golden.validate import check

__all__ = [
    "Arithmetic",
    "Difference",
    "Pow2Format",
    "QFormat",
    "Trace",
    "check",
    "compare",
    "run",
    "trace",
]

_MODULES = {
    "Arithmetic": "formats",
    "Difference": "difference",
    "Pow2Format": "formats",
    "QFormat": "formats",
    "Trace": "model",
    "check": "validate",
    "compare": "difference",
    "run": "model",
    "trace": "model",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
