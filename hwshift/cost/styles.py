"""The same network in other styles: what mixes neighbouring pixels as a shift, a depthwise or an ordinary convolution.

For costs alone: the new weights are as good as any. A style changes which layers there are, the kind of weights how
they are multiplied, and with it the array; together they are the four ways in which the papers compare networks.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from hwshift.config import PRESETS, AcceleratorConfig
from hwshift.cost.analysis import CostAnalysis, analyse
from hwshift.cost.tables import CostTable
from hwshift.errors import HwshiftError
from hwshift.network.graph import Network, Node
from hwshift.network.ops import BatchNorm, Clamp, Conv2d, ReLU, SpatialShift
from hwshift.network.shifts import modulo_shifts
from hwshift.progress import Progress, silent
from hwshift.resolve import WeightKind, prepare
from hwshift.sim.cycle.model import MemoryTiming

__all__ = ["STYLES", "Style", "StyleCost", "analyse_styles", "restyle", "with_sparsity"]

Mixing = Literal["conv", "depthwise", "shift"]

_FEW = 4
"""Channels at most of the map that a first convolution reads, which stays as it is."""


@dataclass(frozen=True)
class Style:
    """A way to build a network.

    Members
    -------
    name : str
    mixing : "conv", "depthwise" or "shift"
    weights : "fixed" or "pow2"
        On a ``mac`` and on a ``shift_add`` array.
    """

    name: str
    mixing: Mixing
    weights: WeightKind


STYLES: tuple[Style, ...] = (
    Style("convolution, fixed", "conv", "fixed"),
    Style("depthwise-separable, fixed", "depthwise", "fixed"),
    Style("shift, fixed", "shift", "fixed"),
    Style("convolution, pow2", "conv", "pow2"),
    Style("depthwise-separable, pow2", "depthwise", "pow2"),
    Style("shift, pow2", "shift", "pow2"),
)
"""In the order of reports."""


@dataclass(frozen=True)
class StyleCost:
    """What a style takes.

    Members
    -------
    style : Style
    analysis : CostAnalysis or None
    refused : str or None
        Why there is none.
    """

    style: Style
    analysis: CostAnalysis | None
    refused: str | None = None


def restyle(network: Network, mixing: Mixing) -> Network:
    """A float network whose layers mix neighbouring pixels in one way only.

    ``conv``: a shift and the 1x1 convolutions after it become ordinary convolutions that reach as far. ``depthwise``:
    a shift, or the spatial part of an ordinary convolution, becomes a depthwise convolution in front of a 1x1
    convolution. ``shift``: the same as a spatial shift by the modulo generator. A depthwise convolution counts with the
    1x1 convolution behind it; BatchNorm and activation between them go with it. What stays as it is: a first
    convolution of at most four channels, grouped convolutions, and a shift or depthwise convolution that anything but
    1x1 convolutions reads.

    Parameters
    ----------
    network : Network
    mixing : "conv", "depthwise" or "shift"

    Raises
    ------
    NetworkError
        When the network is malformed.
    """
    if mixing != "depthwise":
        network = _without_depthwise(network, mixing)
    shapes, readers = network.shapes(), network.consumers()
    gone: dict[str, tuple[str, SpatialShift]] = {}
    nodes: list[Node] = []
    for node in network.nodes:
        if isinstance(node.op, SpatialShift) and mixing != "shift":
            pointwise = [
                isinstance(item.op, Conv2d) and item.op.pointwise and item.op.groups == 1
                for item in readers[node.name]
            ]
            if mixing == "conv" and all(pointwise) and node.name != network.output:
                gone[node.name] = node.inputs[0], node.op
                continue
            if mixing == "depthwise":
                node = replace(node, op=_depthwise(node.op, len(nodes)))
        elif isinstance(node.op, Conv2d) and node.inputs[0] in gone:
            source, shift = gone[node.inputs[0]]
            node = replace(node, op=_widened(node.op, _reach(shift), len(nodes)), inputs=(source,))
        elif isinstance(node.op, Conv2d) and mixing != "conv" and _ordinary(node, shapes):
            nodes += _split(node, mixing, len(nodes))
            continue
        nodes.append(node)
    return network.with_nodes(nodes).verify()


def _without_depthwise(network: Network, mixing: Mixing) -> Network:
    """Depthwise convolutions and the 1x1 convolution behind each as a shift before it, or as one convolution."""
    readers = network.consumers()
    behind: dict[str, Node] = {}
    gone: set[str] = set()
    for node in network.nodes:
        op = node.op
        if isinstance(op, Conv2d) and op.groups == op.weight.shape[0] > 1 and _same(op) and op.kernel[0] > 1:
            between, last = _chain(node, readers, network.output)
            if last is not None:
                gone |= {node.name, *between}
                behind[last.name] = node
    nodes: list[Node] = []
    for node in network.nodes:
        if node.name in behind:
            before, op = behind[node.name], node.op
            spatial = before.op
            assert isinstance(op, Conv2d) and isinstance(spatial, Conv2d)
            source, reach = before.inputs, spatial.kernel[0] // 2
            op = replace(op, stride=spatial.stride)
            if mixing == "shift":
                offsets = modulo_shifts(op.weight.shape[1], spatial.kernel[0])
                shift = Node(f"{node.name}.spatial", SpatialShift(offsets, spatial.dilation[0]), source)
                nodes.append(shift)
                node = replace(node, op=op, inputs=(shift.name,))
            else:
                wide = replace(
                    _widened(op, reach, len(nodes)), padding=spatial.padding, dilation=spatial.dilation
                )
                node = replace(node, op=wide, inputs=source)
        if node.name not in gone:
            nodes.append(node)
    return network.with_nodes(nodes)


def _chain(node: Node, readers: dict[str, list[Node]], output: str) -> tuple[list[str], Node | None]:
    """BatchNorm and activations after a node, and the 1x1 convolution that alone reads their end; None: another."""
    between: list[str] = []
    while len(found := readers[node.name]) == 1 and node.name != output:
        node = found[0]
        if isinstance(node.op, Conv2d):
            unit = node.op.pointwise and node.op.groups == 1 and node.op.stride == (1, 1)
            return between, node if unit else None
        if not isinstance(node.op, BatchNorm | ReLU | Clamp):
            break
        between.append(node.name)
    return between, None


def _same(op: Conv2d) -> bool:
    """Whether a square kernel keeps the size of the map, but for its stride."""
    sides = zip(op.padding, (*op.kernel, *op.kernel), (*op.dilation, *op.dilation), strict=True)
    return op.kernel[0] == op.kernel[1] and all(2 * pad == gap * (size - 1) for pad, size, gap in sides)


def _ordinary(node: Node, shapes: dict[str, tuple[int, int, int]]) -> bool:
    """Whether a convolution mixes pixels and channels, and is not the first one."""
    op = node.op
    assert isinstance(op, Conv2d)
    return op.groups == 1 and op.kernel[0] > 1 and _same(op) and shapes[node.inputs[0]][0] > _FEW


def _split(node: Node, mixing: Mixing, seed: int) -> Iterator[Node]:
    """The spatial part of an ordinary convolution, and the 1x1 convolution after it."""
    op = node.op
    assert isinstance(op, Conv2d)
    channels, kernel = op.weight.shape[1], op.kernel[0]
    offsets = SpatialShift(modulo_shifts(channels, kernel), op.dilation[0])
    first, stride = Node(f"{node.name}.spatial", offsets, node.inputs), op.stride
    if mixing == "depthwise":
        depthwise = replace(_depthwise(offsets, seed), stride=op.stride)
        first, stride = replace(first, op=depthwise), (1, 1)
    yield first
    pointwise = Conv2d(op.weight.mean(axis=(2, 3), keepdims=True), op.bias, stride)
    yield replace(node, op=pointwise, inputs=(first.name,))


def _reach(shift: SpatialShift) -> int:
    return int(np.abs(shift.moves).max(initial=0))


def _widened(op: Conv2d, reach: int, seed: int) -> Conv2d:
    """The ordinary convolution that reaches as far as a shift and a 1x1 convolution."""
    size = 2 * reach + 1
    weight = op.weight * _drawn((*op.weight.shape[:2], size, size), seed)
    return replace(op, weight=weight.astype(op.weight.dtype), padding=(reach,) * 4)


def _depthwise(shift: SpatialShift, seed: int) -> Conv2d:
    """A depthwise convolution that reaches as far as a shift."""
    reach = max(_reach(shift), 1)
    size = 2 * reach + 1
    weight = _drawn((len(shift.offsets), 1, size, size), seed).astype(np.float32)
    return Conv2d(weight, padding=(reach,) * 4, groups=len(shift.offsets))


def _drawn(shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Weights of which no two tiles are alike, so that none is loaded once for two; a kernel's sum is 1 at most."""
    taps = shape[2] * shape[3]
    return np.random.default_rng(seed).uniform(0.25, 1, shape) / taps


def with_sparsity(network: Network, share: float) -> Network:
    """A float network whose shifts leave a share of each map's channels where they are, evenly spread.

    Parameters
    ----------
    network : Network
    share : float
        0 to 1; the channels are rounded to the nearest number. Channels without an offset count.
    """
    nodes = []
    for node in network.nodes:
        if isinstance(node.op, SpatialShift):
            offsets = node.op.offsets.copy()
            wanted = int(share * len(offsets) + 0.5)
            moving = np.flatnonzero(offsets.any(axis=1))
            more = min(max(wanted - (len(offsets) - len(moving)), 0), len(moving))
            offsets[moving[np.arange(more) * len(moving) // max(more, 1)]] = 0
            node = replace(node, op=replace(node.op, offsets=offsets))
        nodes.append(node)
    return network.with_nodes(nodes)


def analyse_styles(
    network: Network,
    config: AcceleratorConfig,
    *,
    styles: tuple[Style, ...] = STYLES,
    keep: Literal["all", "outputs"] = "outputs",
    table: CostTable | None = None,
    memory: MemoryTiming | None = None,
    clock_mhz: float = 200.0,
    progress: Progress = silent,
) -> tuple[StyleCost, ...]:
    """A network in every style, on arrays of one shape.

    Parameters
    ----------
    network : Network
        A float network: a quantized one has the weights of its own style only.
    config : AcceleratorConfig
        Its array's shape, buffers and bus serve every style; the kind of processing element follows the weights.
    keep, table, memory, clock_mhz, progress
        As `hwshift.cost.analysis.analyse`.

    Returns
    -------
    tuple of StyleCost
        In the order of `styles`; a style that does not fit the accelerator says why.
    """
    out = []
    for style in styles:
        progress(style.name)
        try:
            array = _array(config, style.weights)
            bound = prepare(restyle(network, style.mixing), array, style.weights)
            found = analyse(bound, array, keep=keep, table=table, memory=memory, clock_mhz=clock_mhz)
            out.append(StyleCost(style, found))
        except HwshiftError as error:
            out.append(StyleCost(style, None, str(error)))
    return tuple(out)


def _array(config: AcceleratorConfig, weights: WeightKind) -> AcceleratorConfig:
    """The same accelerator with the array that the weights need."""
    pe: Literal["mac", "shift_add"] = "mac" if weights == "fixed" else "shift_add"
    if config.pe == pe:
        return config
    base = config.name.removesuffix("-mac")
    name = f"{base}-mac" if pe == "mac" else base
    if name in PRESETS and config == PRESETS.get(config.name):
        return PRESETS[name]
    return config.with_array(pe, name=name)
