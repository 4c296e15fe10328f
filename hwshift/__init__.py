"""Turns shift-based and bit-shift CNNs into verified FPGA accelerators.

Importing the package is light: the names of the public interface load their module, and with it
numba or Amaranth, when they are first used.
"""

from importlib import import_module

__version__ = "0.1.0"

# The public interface: name -> "module:attribute". A name must not be that of a module of the package.
_LAZY: dict[str, str] = {
    name: f"hwshift.api:{name}"
    for name in (
        "compile",
        "evaluate",
        "from_torch",
        "generate",
        "load",
        "load_images",
        "quantize",
        "report",
        "simulate",
        "verify",
    )
}

__all__ = ["__version__", *_LAZY]


def __getattr__(name: str) -> object:
    """Load a name of the public interface on its first use (PEP 562)."""
    try:
        module, _, attribute = _LAZY[name].partition(":")
    except KeyError:
        raise AttributeError(f"module 'hwshift' has no attribute {name!r}") from None
    value = getattr(import_module(module), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Names of the module, those not loaded yet included."""
    return sorted({*globals(), *_LAZY})
