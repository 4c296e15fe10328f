"""What a network takes, counted from its layers: parameters, multiplications, moved elements."""

import math
from dataclasses import dataclass
from typing import Any

from hwshift.network import ops
from hwshift.network.checks import Shape
from hwshift.network.graph import Network

__all__ = ["Measures", "layer_rows", "legacy_count", "measure"]


@dataclass(frozen=True)
class Measures:
    """Counts of one image through a network.

    Members
    -------
    params : int
        Trained values: weights, biases, gamma and beta; neither statistics nor shifts.
    params_without_bn : int
        Without gamma and beta.
    weights : int
        Of convolutions and fully connected layers, without biases.
    macs : int
        Multiply-accumulates of convolutions and fully connected layers.
    macs_without_fc : int
        Those of convolutions alone.
    shifted : int
        Elements that spatial shifts move: pixels of channels with an offset other than (0, 0).
    norms : int
        Elements that a BatchNorm scales where it is not folded.
    added : int
        Elements of sums of two maps.
    peak : int
        Elements of the largest map.
    """

    params: int
    params_without_bn: int
    weights: int
    macs: int
    macs_without_fc: int
    shifted: int
    norms: int
    added: int
    peak: int


def measure(network: Network) -> Measures:
    """Count a network. Raises NetworkError where it is malformed."""
    shapes = network.shapes()
    found = [(node.op, shapes[node.name]) for node in network.nodes]
    norm = sum(op.parameters for op, _ in found if isinstance(op, ops.BatchNorm | ops.InstanceNorm))
    params = sum(op.parameters for op, _ in found)
    return Measures(
        params=params,
        params_without_bn=params - norm,
        weights=sum(op.weight.size for op, _ in found if isinstance(op, ops.Conv2d | ops.Linear)),
        macs=sum(op.macs(shape) for op, shape in found),
        macs_without_fc=sum(op.macs(shape) for op, shape in found if isinstance(op, ops.Conv2d)),
        shifted=sum(_shifted(op, shape) for op, shape in found),
        norms=sum(
            math.prod(shape) for op, shape in found if isinstance(op, ops.BatchNorm | ops.InstanceNorm)
        ),
        added=sum(math.prod(shape) for op, shape in found if isinstance(op, ops.Add)),
        peak=max(math.prod(shape) for _, shape in found),
    )


def _shifted(op: ops.Op, shape: Shape) -> int:
    if not isinstance(op, ops.SpatialShift):
        return 0
    return int(op.moves.any(axis=1).sum()) * shape[1] * shape[2]


def layer_rows(network: Network) -> list[dict[str, Any]]:
    """One row for each layer: name, operator, inputs, shape, params, macs, shifted.

    Raises NetworkError where the network is malformed.
    """
    shapes = network.shapes()
    return [
        {
            "layer": node.name,
            "operator": type(node.op).__name__,
            "inputs": list(node.inputs),
            "shape": list(shapes[node.name]),
            "params": node.op.parameters,
            "macs": node.op.macs(shapes[node.name]),
            "shifted": _shifted(node.op, shapes[node.name]),
        }
        for node in network.nodes
    ]


def legacy_count(network: Network) -> int:
    """FLOPs as the first published counter of ShiftResNet counts them, for ResNets and ShiftResNets of the zoo.

    It is what Tables 1, 2 and 5 of Wu et al. (CVPR 2018) print, and it is not right: every convolution of a
    block counts at the size of the block's input, also where it has stride 2; the first convolution counts
    as one to 64 channels, and the classifier as 32 * 32 * 64 * 4 * 10. `measure` has
    the true number.
    """
    shapes = network.shapes()
    rows, columns = shapes["stem"][1:]
    total = rows * columns * 9 * 3 * 64 + 32 * 32 * 64 * 4 * 10
    sizes: dict[str, int] = {}
    for node in network.nodes:
        block = node.name.rpartition(".")[0]
        if isinstance(node.op, ops.Conv2d) and block:
            pixels = sizes.setdefault(block, math.prod(shapes[node.inputs[0]][1:]))
            total += node.op.weight.size * pixels
    return total
