"""What other mappings of depthwise layers would take, counted on the layers of a network.

    python -m tests.benchmarks.mappings [NETWORK]

Counts, not programs: a pass takes max(steps, the cycles its weight tile takes to load), everything else stays as the
cycle model has it. `turned`: columns are neighbouring pixels, maps are turned before and after; `skewed`: the
convolutions around the layer write and read maps that lie in that way, in 16 phases of pixels, each with its own
weight tiles; `unit`: nine elements for each channel, beside the array. What the engine has as an option, three taps of
a row in a step, is not counted but measured: ``hwshift bench bars``, setting ``16x16-taps``.
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import ceil

from hwshift.benchmarks.bars import fixed_setting, measure_network
from hwshift.benchmarks.layers import kind_of
from hwshift.network.fixed import Conv, FixedLayer, FixedNetwork, Pool
from hwshift.resolve import load_network, prepare

CONFIG = fixed_setting("16x16")
SIZE, LOAD, TAPS = CONFIG.rows, CONFIG.tile_words, 9


@dataclass(frozen=True)
class Layer:
    """A depthwise layer or average pool of 3x3 taps, and the k-tiles of the convolutions before and after it."""

    channels: int
    rows: int
    columns: int
    stride: int
    around: int
    pool: bool

    @property
    def diagonal(self) -> int:
        """Cycles as it is."""
        return ceil(self.channels / SIZE) * TAPS * max(LOAD, self.rows * self.columns)

    def turned(self) -> int:
        """14 of 16 pixels give outputs, all where a row has no more; 16 rotated copies before and after."""
        groups = 1 if self.columns <= SIZE else ceil(self.columns / (SIZE - 2))
        moved = 2 * ceil(self.channels / SIZE) * SIZE * max(LOAD, ceil(self.rows * self.columns / SIZE))
        return self.channels * 3 * max(LOAD, self.rows * groups) + moved

    def skewed(self) -> int:
        """The best of rows of 16 pixels (a fourth pass for their neighbours) and blocks of 4x4 (four passes)."""
        groups = ceil(self.columns / SIZE)
        lines = self.channels * (3 if groups == 1 else 4) * max(LOAD, self.rows * groups)
        by_line = self._phases([self.rows * len(range(at, self.columns, SIZE)) for at in range(SIZE)])
        block = range(4)
        sides = [[len(range(at, side, 4)) for at in block] for side in (self.rows, self.columns)]
        by_block = self._phases([row * column for row in sides[0] for column in sides[1]])
        blocks = self.channels * 4 * max(LOAD, ceil(self.rows / 4) * ceil(self.columns / 4))
        return min(lines + by_line, blocks + by_block)

    def _phases(self, steps: list[int]) -> int:
        """Cycles that the convolutions around it take more in phases of so many pixels."""
        return self.around * (
            sum(max(LOAD, own) for own in steps if own) - max(LOAD, self.rows * self.columns)
        )

    def unit(self) -> int:
        """One step for the nine taps of a pixel that is read."""
        return ceil(self.channels / SIZE) * max(LOAD, self.rows * self.columns * self.stride**2)


def layers_of(network: FixedNetwork) -> list[Layer]:
    """Every 3x3 depthwise convolution and average pool."""
    found = []
    for layer in network.layers:
        pool = isinstance(layer.op, Pool) and layer.op.kind == "avg" and layer.op.kernel == (3, 3)
        if pool or kind_of(layer) == "depthwise":
            stride = layer.op.stride[0] if isinstance(layer.op, Pool | Conv) else 1
            found.append(Layer(*layer.shape, stride, 0 if pool else _around(network, layer), pool))
    return found


def _around(network: FixedNetwork, layer: FixedLayer) -> int:
    """k-tiles of the convolutions that write what a layer reads, and read what it writes."""

    def ktiles(other: FixedLayer) -> int:
        assert isinstance(other.op, Conv)
        total, depth = other.op.weights.values.shape[:2]
        return other.op.groups * ceil(depth / SIZE) * ceil(total // other.op.groups / SIZE)

    before = network.layer(layer.inputs[0])
    while not isinstance(before.op, Conv):
        before = network.layer(before.inputs[0])
    after = [other for other in network.layers if layer.name in other.inputs]
    return ktiles(before) + sum(ktiles(other) for other in after if isinstance(other.op, Conv))


MAPPINGS: Mapping[str, Callable[[Layer], int]] = {
    "turned": lambda layer: layer.turned() if layer.stride == 1 and not layer.pool else layer.diagonal,
    "skewed": lambda layer: layer.skewed() if layer.stride == 1 and not layer.pool else layer.diagonal,
    "unit": Layer.unit,
}


def main() -> None:
    """Print every kind of layer, then what each mapping makes of the network where it is used where it is better."""
    name = sys.argv[1] if len(sys.argv) > 1 else "ShuffleNet-1x-g3"
    network, result = prepare(load_network(name), CONFIG), measure_network(name, "16x16")
    layers, total = layers_of(network), result.figures["total"]
    useful = result.figures["macs"] / SIZE**2
    least = useful + result.lost["diagonal"] + result.lost["quantisation"]
    for layer in dict.fromkeys(layers):
        found = {mapping: count(layer) for mapping, count in MAPPINGS.items()}
        print(layers.count(layer), layer, "diagonal", layer.diagonal, found)
    print(f"{total} cycles, {useful / total:.1%}; no other loss: {useful / least:.1%}")
    for mapping, count in MAPPINGS.items():
        saved = sum(max(0, layer.diagonal - count(layer)) for layer in layers)
        shares = f"{useful / (total - saved):.1%}, no other loss: {useful / (least - saved):.1%}"
        print(f"{mapping}: {total - saved} cycles, {shares}, {total / (total - saved):.3f} times as fast")


if __name__ == "__main__":
    main()
