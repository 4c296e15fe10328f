"""From a trained `ShiftNet` to a hwshift network file, layer by layer, and the check that both compute the same."""

import argparse
from pathlib import Path

import numpy as np
import torch
from shiftnet import CscModule, ShiftNet
from torch import nn
from training import logits_of

from hwshift.network import ops
from hwshift.network.float_model import evaluate_float
from hwshift.network.graph import Network, Node
from hwshift.network.serialize import save

__all__ = ["command_of", "export", "to_network"]

TOLERANCE = 1e-3  # between PyTorch's float32 logits and ours


def export(
    model: ShiftNet, name: str, images: torch.Tensor, labels: torch.Tensor, meta: dict, out: Path
) -> None:
    """Save a trained model as ``out/name.hwnet``, with its accuracy in ``meta["float_test_accuracy"]``.

    Parameters
    ----------
    model : ShiftNet
    name : str
    images : tensor of float32, shape (images, channels, height, width)
        The test images, normalised.
    labels : tensor of int64, shape (images,)
    meta : dict
        Classes, normalisation, source, licence and training.
    out : Path
        A folder.

    Raises
    ------
    SystemExit
        When the exported network's logits are not the model's.
    """
    logits = logits_of(model, images)
    correct = int((logits.argmax(1) == labels).sum())
    meta = meta | {"float_test_accuracy": correct / len(labels)}
    network = to_network(model, name, tuple(images.shape[1:]), meta)
    difference = largest_difference(network, logits[:256], images[:256])
    print(
        f"{name}: {correct} of {len(labels)} test images, {network.macs} MACs, {network.parameters} parameters, "
        f"logits differ by at most {difference:.1e}"
    )
    if not difference <= TOLERANCE:
        raise SystemExit(f"{name}: the exported network is not the trained one")
    save(network, out / f"{name}.hwnet")


def command_of(script: str, args: argparse.Namespace) -> str:
    """The command line that trains the same again, with DIR for folders."""
    words = [f"python examples/{script} --data DIR --out DIR"]
    for name, value in vars(args).items():
        option = f"--{name.replace('_', '-')}"
        if isinstance(value, bool):
            words += [option] * value
        elif isinstance(value, list):
            words.append(f"{option} {' '.join(map(str, value))}")
        elif not isinstance(value, Path):
            words.append(f"{option} {value}")
    return " ".join(words)


def to_network(model: ShiftNet, name: str, shape: tuple[int, int, int], meta: dict) -> Network:
    """The model as a verified network, float32; BatchNorm and shifts are nodes of their own.

    Parameters
    ----------
    model : ShiftNet
        Trained; a twin gives exact powers of two.
    name : str
    shape : (channels, height, width)
        Of the input.
    meta : dict
        Of the network.
    """
    nodes = [Node("input", ops.Input(*shape))]

    def add(node: str, op: ops.Op, *inputs: str) -> str:
        nodes.append(Node(node, op, inputs))
        return node

    add("stem_conv", _conv(model.stem_conv), "input")
    add("stem_bn", _norm(model.stem_bn), "stem_conv")
    last = add("stem", ops.ReLU(), "stem_bn")
    for number, module in enumerate(model.body):
        last = _module(add, f"m{number}", module, last)
    add("pool", ops.GlobalAveragePool(), last)
    bias = _array(model.classifier.bias)
    add("classifier", ops.Linear(_array(model.classifier.weight), bias), "pool")
    return Network(name, tuple(nodes), "classifier", meta).verify()


def _module(add, name: str, module: CscModule, source: str) -> str:
    add(f"{name}_conv1", _conv(module.conv1), source)
    add(f"{name}_bn1", _norm(module.bn1), f"{name}_conv1")
    add(f"{name}_relu1", ops.ReLU(), f"{name}_bn1")
    add(f"{name}_shift", ops.SpatialShift(module.offsets), f"{name}_relu1")
    add(f"{name}_conv2", _conv(module.conv2), f"{name}_shift")
    add(f"{name}_bn2", _norm(module.bn2), f"{name}_conv2")
    add(f"{name}_relu2", ops.ReLU(), f"{name}_bn2")
    if module.short is not None:
        add(f"{name}_short_conv", _conv(module.short[0]), source)
        source = add(f"{name}_short", _norm(module.short[1]), f"{name}_short_conv")
    return add(name, ops.Add(), f"{name}_relu2", source)


def _conv(conv: nn.Conv2d) -> ops.Conv2d:
    top, left = conv.padding
    bias = None if conv.bias is None else _array(conv.bias)
    return ops.Conv2d(
        _array(conv.weight), bias, conv.stride, (top, left, top, left), conv.dilation, conv.groups
    )


def _norm(norm: nn.BatchNorm2d) -> ops.BatchNorm:
    arrays = (norm.weight, norm.bias, norm.running_mean, norm.running_var)
    return ops.BatchNorm(*map(_array, arrays), norm.eps)


def _array(tensor: torch.Tensor) -> np.ndarray:
    return np.ascontiguousarray(tensor.detach().numpy(), np.float32)


def largest_difference(network: Network, logits: torch.Tensor, images: torch.Tensor) -> float:
    """The largest difference between the model's logits and the network's, for normalised images."""
    ours = evaluate_float(network, images.numpy()).reshape(len(images), -1)
    return float(np.abs(ours - logits.numpy()).max())
