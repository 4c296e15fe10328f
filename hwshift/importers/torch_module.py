"""PyTorch modules, by way of PyTorch's own ONNX exporter."""

import io
import re
import warnings
from importlib import import_module
from typing import Any

import onnx

from hwshift.errors import NetworkError, ToolError
from hwshift.importers.onnx_file import from_onnx
from hwshift.network.graph import Network

__all__ = ["from_torch"]

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def from_torch(module: Any, example: Any, *, dynamo: bool = True) -> Network:
    """Read a PyTorch module as it computes at inference.

    Parameters
    ----------
    module : torch.nn.Module
        Left as it is: in training mode, if it was.
    example : torch.Tensor of float32, shape (batch, channels, height, width)
        An input; its size is that of the network, which takes one image: only the first is used.
    dynamo : bool
        Which of PyTorch's two exporters: the newer one, or the one that traces TorchScript, whose TracerWarning
        tells where the module branches on values: it holds for the example only.

    Returns
    -------
    Network
        As `hwshift.importers.from_onnx` gives it, named after the module's class.

    Raises
    ------
    ToolError
        When torch (or onnxscript, which the newer exporter needs) is not installed.
    TypeError
        When `module` is no torch.nn.Module, or `example` no torch.Tensor.
    NetworkError
        When the exporter fails, or an operator cannot be expressed.
    """
    torch = _needed("torch")
    if dynamo:
        _needed("onnxscript")
    if not isinstance(module, torch.nn.Module):
        raise TypeError(f"module must be a torch.nn.Module, not {type(module).__name__}")
    if not isinstance(example, torch.Tensor):
        raise TypeError(f"example must be one torch.Tensor, not {type(example).__name__}")
    name, training = type(module).__name__, module.training
    try:
        first = example[:1] if example.ndim == 4 else example
        model = _exported(torch, module.eval(), first, dynamo)
    except Exception as error:  # whatever tracing the user's code meets
        raise NetworkError(f"PyTorch cannot export it: {_reason(error)}", where=name) from error
    finally:
        module.train(training)
    model.graph.name = name
    return from_onnx(model)


def _reason(error: BaseException) -> str:
    """The first line of what lies behind an error, without colours: exporters wrap it in advice of their own."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = [line.strip() for line in _COLOUR.sub("", str(error)).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def _needed(package: str) -> Any:
    try:
        return import_module(package)
    except ImportError:
        raise ToolError(
            f"{package} is not installed, which importing PyTorch modules needs: pip install 'hwshift[torch]'"
        ) from None


def _exported(torch: Any, module: Any, example: Any, dynamo: bool) -> onnx.ModelProto:
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        # What the tracer takes as constant, a branch on a map's values for one, may be wrong for other images.
        warnings.simplefilter("always", torch.jit.TracerWarning)
        if dynamo:
            return torch.onnx.export(module, (example,), dynamo=True, verbose=False).model_proto
        buffer = io.BytesIO()
        torch.onnx.export(module, (example,), buffer, dynamo=False)
    return onnx.load_from_string(buffer.getvalue())
