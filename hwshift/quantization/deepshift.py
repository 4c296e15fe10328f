"""Parameters of DeepShift-PS: a network whose weights are given as powers P and signs S."""

import re
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import UnionType

import numpy as np

from hwshift.errors import DataError, HwshiftError, NetworkError
from hwshift.golden.formats import Pow2Format
from hwshift.network import ops
from hwshift.network.graph import Network, Node

__all__ = ["PS_FORMAT", "apply_ps", "load_ps"]

PS_FORMAT = Pow2Format(-14, 0)
"""Powers of DeepShift-PS with its default of 5 bits per weight."""

_STATISTICS = ("weight", "bias", "running_mean", "running_var")


def load_ps(path: str | Path) -> dict[str, np.ndarray]:
    """The arrays of a ``.npz`` file.

    Raises
    ------
    DataError
        When it is missing or damaged, or holds something else than arrays of numbers.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except FileNotFoundError:
        raise DataError("there is no such file", where=str(path)) from None
    except (OSError, ValueError, zipfile.BadZipFile, AttributeError, EOFError, TypeError, KeyError):
        raise DataError("this is no readable .npz file", where=str(path)) from None
    for name, array in arrays.items():
        if array.dtype.kind not in "fiu":
            raise DataError(f"{name!r} holds no numbers but {array.dtype}", where=str(path))
    return arrays


def apply_ps(
    network: Network, arrays: Mapping[str, np.ndarray], fmt: Pow2Format = PS_FORMAT, *, where: str = "PS"
) -> Network:
    """A network with the weights that DeepShift-PS parameters stand for, as exact powers of two.

    Parameters
    ----------
    network : Network
        The same layers, with any weights.
    arrays : mapping of str to ndarray
        As in the state dict of a PyTorch model: for each shift layer ``NAME.shift`` (P) and ``NAME.sign`` (S) in the
        shape of its weights, and perhaps ``NAME.bias``; for each BatchNorm ``NAME.weight``, ``NAME.bias``,
        ``NAME.running_mean`` and ``NAME.running_var``. Other entries must not have the name of a layer with weights.
        NAME is that of a node, or the path of the module that an exporter named the node after.
    fmt : Pow2Format
        P is clamped into it, then rounded half to even; the sign is +-1 only for ``|S| > 0.5``.
    where : str
        What the arrays are, for messages.

    Returns
    -------
    Network
        Quantizing it to powers of two keeps these weights bit for bit.

    Raises
    ------
    DataError
        For entries without a node, without a partner or of another shape, or when there is no ``NAME.shift``.
    """
    groups: dict[str, dict[str, np.ndarray]] = {}
    for key, array in arrays.items():
        name, _, what = key.rpartition(".")
        groups.setdefault(name, {})[what] = array
    wanted = {name: entry for name, entry in groups.items() if {"shift", "sign"} & set(entry)}
    norms = {name: entry for name, entry in groups.items() if "running_mean" in entry}
    if not wanted:
        raise DataError("it has no entries NAME.shift and NAME.sign", where=where)
    found = _named(network, ops.Conv2d | ops.Linear, wanted, where)
    found_norms = _named(network, ops.BatchNorm, norms, where)
    nodes: dict[str, Node] = {node.name: node for node in network.nodes}
    for name, node in (found | found_norms).items():
        try:
            op = _weights(node.op, wanted[name], fmt) if name in wanted else _norm(node.op, norms[name])
        except (ValueError, HwshiftError) as error:
            raise DataError(f"{name}: {error}", where=where) from None
        nodes[node.name] = replace(node, op=op)
    try:
        return network.with_nodes(nodes.values()).verify()
    except NetworkError as error:
        raise DataError(str(error), where=where) from None


def _named(
    network: Network, kind: type | UnionType, entries: Mapping[str, object], where: str
) -> dict[str, Node]:
    """The node of each entry."""
    nodes: dict[str, Node] = {}
    for node in network.nodes:
        if isinstance(node.op, kind):
            nodes.setdefault(module_path(node.name), node)
    nodes |= {node.name: node for node in network.nodes if isinstance(node.op, kind)}
    for name in entries:
        if name not in nodes:
            some = ", ".join(sorted({module_path(node.name) for node in nodes.values()})[:6]) or "none"
            what = (
                "BatchNorm (an exporter may have folded it)"
                if kind is ops.BatchNorm
                else "layer with weights"
            )
            raise DataError(
                f"{network.name} has no {what} of the name {name!r}; there are {some}", where=where
            )
    return {name: nodes[name] for name in entries}


def module_path(name: str) -> str:
    """The path of the PyTorch module that an ONNX node such as ``/layer1/layer1.0/conv1/Conv`` is named after."""
    if not name.startswith("/"):
        return name
    parts = re.sub(r"/(Conv|Gemm|MatMul|Add|BatchNormalization)(_\d+)?$", "", name).strip("/").split("/")
    kept = [part for part, following in zip(parts, [*parts[1:], ""], strict=True)
            if not following.startswith(f"{part}.")]  # fmt: skip
    return ".".join(kept)


def _weights(op: ops.Op, entry: Mapping[str, np.ndarray], fmt: Pow2Format) -> ops.Op:
    assert isinstance(op, ops.Conv2d | ops.Linear)
    for one, other in (("shift", "sign"), ("sign", "shift")):
        if one not in entry:
            raise ValueError(f"has {other!r} without {one!r}")
        if entry[one].shape != op.weight.shape:
            raise ValueError(
                f"{one!r} has the shape {entry[one].shape}, the layer's weights {op.weight.shape}"
            )
    weight = fmt.to_float(*fmt.from_ps(entry["shift"], entry["sign"]))
    bias = entry.get("bias", op.bias)
    return replace(op, weight=weight, bias=None if bias is None else bias.astype(np.float64))


def _norm(op: ops.Op, entry: Mapping[str, np.ndarray]) -> ops.Op:
    assert isinstance(op, ops.BatchNorm)
    own = {name: array.astype(np.float64) for name, array in entry.items() if name in _STATISTICS}
    gamma, beta = own.get("weight", op.gamma), own.get("bias", op.beta)
    return ops.BatchNorm(gamma, beta, own["running_mean"], own.get("running_var", op.var), op.eps)
