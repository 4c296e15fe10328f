"""The compiler: a bound fixed-point network and a configuration to a program."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hwshift.compiler.driver import compile
    from hwshift.compiler.explain import explain

__all__ = ["compile", "explain"]

_MODULES = {"compile": "hwshift.compiler.driver", "explain": "hwshift.compiler.explain"}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_MODULES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
