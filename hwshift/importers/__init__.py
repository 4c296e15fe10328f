"""Networks from other tools."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hwshift.importers.onnx_file import from_onnx
    from hwshift.importers.torch_module import from_torch

__all__ = ["from_onnx", "from_torch"]

_MODULES = {"from_onnx": "hwshift.importers.onnx_file", "from_torch": "hwshift.importers.torch_module"}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)
