"""What every plan of a network shares: its packed weights above all."""

import math
from functools import cached_property

import numpy as np

from hwshift.golden.formats import Arithmetic
from hwshift.golden.packing import PackedWeights, pack_pool, pack_weights
from hwshift.golden.pools import is_direct
from hwshift.golden.tables import Tables, aligned
from hwshift.golden.tiles import tile_choice
from hwshift.network import fixed
from hwshift.network.layer_formats import layer_formats

__all__ = ["Recipe"]

_WORTH_TILES = 24  # taps from which on the matrix unit is quicker than vectors of float64


class Recipe:
    """What every plan of a network shares.

    Parameters
    ----------
    network : FixedNetwork
        Checked against ``arithmetic`` (`hwshift.golden.check`).
    arithmetic : Arithmetic

    Members
    -------
    weights, terms, tiles : ndarray
        Packed weights of all layers, as `hwshift.golden.engine.execute` takes them.
    packed : dict of str to PackedWeights
        Where among them those of a layer are.
    tile_choice : str
        `hwshift.golden.tiles.tile_choice` when the recipe was made.
    """

    def __init__(self, network: fixed.FixedNetwork, arithmetic: Arithmetic) -> None:
        self.network, self.arithmetic, self.tile_choice = network, arithmetic, tile_choice()
        self.formats = layer_formats(network)
        self.shapes = {layer.name: layer.shape for layer in network.layers}
        weights, terms, tiles = Tables(np.float64), Tables(np.int64), Tables(np.uint8)
        self.packed: dict[str, PackedWeights] = {}
        for layer in network.layers:
            if not isinstance(layer.op, fixed.Conv | fixed.Pool):
                continue
            source = self.shapes[layer.inputs[0]]
            if isinstance(layer.op, fixed.Conv):
                packed = pack_weights(layer.op, source, layer.shape, arithmetic)
            elif is_direct(network, layer):
                packed = pack_pool(layer.op, source[0], arithmetic.guard)
            else:
                continue
            packed.place(weights.add(packed.reals), -1 if packed.ints is None else terms.add(packed.ints))
            if packed.tiles is not None:
                packed.tiles.at = tiles.add(packed.tiles.data)
            self.packed[layer.name] = packed
        self.tiles = aligned(tiles.array())
        self.weights, self.terms = weights.array(), terms.array()

    @cached_property
    def macs(self) -> int:
        """Multiplications for one image."""
        return sum(
            layer.op.weights.values.size * layer.shape[1] * layer.shape[2]
            for layer in self.network.layers
            if isinstance(layer.op, fixed.Conv)
        )

    @cached_property
    def pixels(self) -> int:
        """Values of all maps of one image."""
        return sum(math.prod(shape) for shape in self.shapes.values())

    def always_tiled(self, name: str) -> bool:
        """Whether the matrix unit does a convolution that it can do even where values may saturate."""
        if self.tile_choice == "auto":
            return self.packed[name].taps.shape[1] >= _WORTH_TILES
        return self.tile_choice == "always"

    def margins(self) -> dict[tuple[int, int], tuple[int, int]]:
        """For each size of map the rows and columns beside it that some layer reads."""
        found: dict[tuple[int, int], tuple[int, int]] = {}
        for layer in self.network.layers:
            size = layer.shape[1:]
            found.setdefault(size, (0, 0))
            if layer.name in self.packed and isinstance(layer.op, fixed.Conv | fixed.Pool):
                source = self.shapes[layer.inputs[0]][1:]
                taps = self.packed[layer.name].taps
                low, high = taps[..., 1:].min(axis=(0, 1)), taps[..., 1:].max(axis=(0, 1))
                last = [(size[i] - 1) * layer.op.stride[i] + high[i] - source[i] + 1 for i in (0, 1)]
                reach = np.maximum(0, np.maximum(-low, last))
                above, beside = np.maximum(found[source], reach).tolist()
                found[source] = above, beside
        return found
