"""PyTorch modules, by way of PyTorch's own ONNX exporter."""

import io
import warnings
from importlib import import_module
from typing import Any

import onnx

from hwshift.errors import NetworkError, ToolError
from hwshift.importers.onnx_file import from_onnx
from hwshift.network.graph import Network

__all__ = ["from_torch"]


def from_torch(module: Any, example: Any, *, dynamo: bool = True) -> Network:
    """Read a PyTorch module as it computes at inference.

    Parameters
    ----------
    module : torch.nn.Module
        Left as it is: in training mode, if it was.
    example : torch.Tensor of float32, shape (batch, channels, height, width)
        An input; its size is that of the network.
    dynamo : bool
        Which of PyTorch's two exporters: the newer one, or the one that traces TorchScript.

    Returns
    -------
    Network
        As `hwshift.importers.from_onnx` gives it, named after the module's class.

    Raises
    ------
    ToolError
        When torch (or onnxscript, which the newer exporter needs) is not installed.
    TypeError
        When `module` is no torch.nn.Module.
    NetworkError
        When the exporter fails, or an operator cannot be expressed.
    """
    torch = _needed("torch")
    if dynamo:
        _needed("onnxscript")
    if not isinstance(module, torch.nn.Module):
        raise TypeError(f"module must be a torch.nn.Module, not {type(module).__name__}")
    name, training = type(module).__name__, module.training
    try:
        model = _exported(torch, module.eval(), example, dynamo)
    except Exception as error:  # whatever tracing the user's code meets
        lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
        raise NetworkError(f"PyTorch cannot export it: {lines[0]}", where=name) from error
    finally:
        module.train(training)
    model.graph.name = name
    return from_onnx(model)


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
        if dynamo:
            return torch.onnx.export(module, (example,), dynamo=True, verbose=False).model_proto
        buffer = io.BytesIO()
        torch.onnx.export(module, (example,), buffer, dynamo=False)
    return onnx.load_from_string(buffer.getvalue())
