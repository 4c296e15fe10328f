"""Networks for other tools."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hwshift.exporters.onnx import save_onnx, to_onnx

__all__ = ["save_onnx", "to_onnx"]

_MODULES = {"save_onnx": "hwshift.exporters.onnx", "to_onnx": "hwshift.exporters.onnx"}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)
