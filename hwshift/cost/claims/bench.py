"""The networks that the claims are measured on, each analysed once."""

from functools import cached_property

import numpy as np

from hwshift.config import PRESETS, AcceleratorConfig
from hwshift.cost.analysis import CostAnalysis, analyse
from hwshift.cost.styles import STYLES, restyle, with_sparsity
from hwshift.cost.tables import CostTable, load_table
from hwshift.network.graph import Network, Node
from hwshift.network.ops import Conv2d, Input, SpatialShift
from hwshift.network.shifts import modulo_shifts
from hwshift.progress import Progress, silent
from hwshift.resolve import load_network, prepare

__all__ = ["Bench"]


class Bench:
    """Analyses on arrays of 16 x 16, preset ``16x16`` for powers of two and ``16x16-mac`` for fixed weights.

    Parameters
    ----------
    table : CostTable or None
        None: 45 nm.
    progress : callable
        Is told what is being done.
    """

    NETWORK = "ShiftResNet20-6"
    SPARSE = "ShiftResNet20-6-concat"
    LARGE = "ShiftNet-A"
    SHARES = (0.0, 0.5, 0.8, 1.0)
    CHANNELS, SIZE, KERNEL = 256, 14, 3

    def __init__(self, table: CostTable | None = None, progress: Progress = silent) -> None:
        self.table = table or load_table()
        self._progress = progress

    @property
    def pow2(self) -> AcceleratorConfig:
        """The multiplier-free accelerator."""
        return PRESETS["16x16"]

    @property
    def mac(self) -> AcceleratorConfig:
        """The one with multipliers."""
        return PRESETS["16x16-mac"]

    def run(self, network: Network, config: AcceleratorConfig, shift: str | None = None) -> CostAnalysis:
        """Quantize and analyse."""
        self._progress(f"{network.name} on {config.name}")
        return analyse(prepare(network, config), config, shift=shift, table=self.table)  # type: ignore[arg-type]

    @cached_property
    def styles(self) -> dict[str, CostAnalysis]:
        """`NETWORK` in each of the styles, by their names."""
        network = load_network(self.NETWORK)
        assert isinstance(network, Network)
        return {
            style.name: self.run(
                restyle(network, style.mixing), self.mac if style.weights == "fixed" else self.pow2
            )
            for style in STYLES
        }

    @cached_property
    def sparse(self) -> dict[float, tuple[CostAnalysis, CostAnalysis]]:
        """`SPARSE` with a share of unshifted channels, its shifts fused and moved."""
        network = load_network(self.SPARSE)
        assert isinstance(network, Network)
        out = {}
        for share in self.SHARES:
            thinned = with_sparsity(network, share)
            out[share] = self.run(thinned, self.pow2, "fused"), self.run(thinned, self.pow2, "moved")
        return out

    @cached_property
    def large(self) -> dict[str, CostAnalysis]:
        """`LARGE`: shifts fused and moved, and depthwise convolutions in their place, also with kernels of 3."""
        network = load_network(self.LARGE)
        assert isinstance(network, Network)
        depthwise = restyle(network, "depthwise")
        return {
            "fused": self.run(network, self.pow2, "fused"),
            "moved": self.run(network, self.pow2, "moved"),
            "depthwise": self.run(depthwise, self.pow2),
            "depthwise, 3x3": self.run(_small_kernels(depthwise), self.pow2),
        }

    @cached_property
    def layers(self) -> dict[str, CostAnalysis]:
        """Single layers of `CHANNELS` channels on maps of `SIZE` x `SIZE`, in 32-bit weights."""
        channels, kernel = self.CHANNELS, self.KERNEL
        pad = (kernel // 2,) * 4
        shift = SpatialShift(modulo_shifts(channels, kernel))
        pointwise = Conv2d(_weights(channels, channels, 1))
        ordinary = Conv2d(_weights(channels, channels, kernel), padding=pad)
        depthwise = Conv2d(_weights(channels, 1, kernel), padding=pad, groups=channels)
        return {
            "convolution": self.run(self._chain(ordinary), self.mac),
            "depthwise": self.run(self._chain(depthwise), self.mac),
            "pointwise": self.run(self._chain(pointwise), self.mac),
            "shift + 1x1": self.run(self._chain(shift, pointwise), self.mac, "fused"),
            "shift + 1x1, moved": self.run(self._chain(shift, pointwise), self.mac, "moved"),
        }

    def _chain(self, *operations: Conv2d | SpatialShift) -> Network:
        nodes = [Node("input", Input(self.CHANNELS, self.SIZE, self.SIZE))]
        for number, op in enumerate(operations):
            nodes.append(Node(f"layer{number}", op, (nodes[-1].name,)))
        return Network("one layer", tuple(nodes), nodes[-1].name)


def _weights(out: int, inner: int, kernel: int) -> np.ndarray:
    """No two alike, and small: sums stay in range."""
    drawn = np.random.default_rng(out + kernel).uniform(0.1, 1.0, (out, inner, kernel, kernel))
    return (drawn / 1024).astype(np.float32)


def _small_kernels(network: Network) -> Network:
    """Depthwise kernels larger than 3 x 3 cut to it."""
    nodes = []
    for node in network.nodes:
        op = node.op
        if isinstance(op, Conv2d) and op.groups > 1 and op.kernel[0] > 3:
            edge = (op.kernel[0] - 3) // 2
            weight = np.ascontiguousarray(op.weight[:, :, edge:-edge, edge:-edge])
            node = Node(
                node.name, Conv2d(weight, op.bias, op.stride, (1,) * 4, op.dilation, op.groups), node.inputs
            )
        nodes.append(node)
    return network.with_nodes(nodes)
