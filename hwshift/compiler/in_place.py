"""Which sums may be written over the channels they were added to, so that the rest of a map stays where it is.

A layer that adds some channels of a map which nothing reads afterwards writes the sums in their place. Followed over
all layers, this is a block in which each unit works on more channels of one map than the one before. The order of a
map's channels is the compiler's choice: those that the narrowest unit writes come first, so that every unit writes
the first positions of the map, slot for slot like a map of its own.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace

import numpy as np

from hwshift.compiler.placement import InPlace, View
from hwshift.network.fixed import (
    ChannelScale,
    Conv,
    FixedLayer,
    FixedNetwork,
    FixedWeights,
    Pick,
    Shuffle,
    Slice,
)

__all__ = ["find_in_place", "laid_out", "reordered"]


def find_in_place(network: FixedNetwork, refused: Collection[str] = ()) -> InPlace:
    """All layers that may write in place.

    Parameters
    ----------
    network : FixedNetwork
    refused : collection of str
        Layers that may not, and maps that may not be written over.
    """
    wrong = set(refused)
    while True:
        follower = _Follower(network, wrong)
        if not follower.wrong:
            return follower.found()
        wrong |= follower.wrong


def reordered(layer: FixedLayer, order: np.ndarray) -> FixedLayer:
    """A layer whose channel i is its old channel ``order[i]``: an ungrouped Conv, or a layer without weights; with its
    input in the same order, a depthwise Conv.
    """
    op, epilogue = layer.op, layer.epilogue
    if isinstance(op, Conv):
        powers = op.weights.powers
        weights = FixedWeights(
            op.weights.fmt, op.weights.values[order], None if powers is None else powers[order]
        )
        op = replace(
            op, weights=weights, shift=op.shift if op.groups == 1 or op.shift is None else op.shift[order]
        )
    if epilogue is not None:
        epilogue = replace(epilogue, m=epilogue.m[order], s=epilogue.s[order], b=epilogue.b[order])
    return replace(layer, op=op, epilogue=epilogue)


def laid_out(
    layer: FixedLayer, reads: Mapping[str, View], in_place: InPlace
) -> tuple[FixedLayer, Mapping[str, View]]:
    """A layer and what it reads, with its channels in the order of their positions; it adds what it writes over."""
    order = in_place.orders.get(layer.name)
    residual = in_place.takes.get(layer.name, layer.residual)
    if order is not None:
        layer = reordered(layer, order)
        if isinstance(layer.op, ChannelScale):
            reads = {**reads, layer.inputs[0]: reads[layer.inputs[0]].pick(order)}
    return replace(layer, residual=residual), reads


class _Follower:
    """Follows every channel from the map it was first computed in.

    A value is an ndarray of int64, shape (channels, 3): index of the layer whose map it lies in, channel of that map,
    index of the layer that wrote it.

    Members
    -------
    wrong : set of str
        Layers that cannot do what is supposed here.
    """

    def __init__(self, network: FixedNetwork, refused: set[str]) -> None:
        self._layers, self._refused = network.layers, refused
        self._index = {layer.name: index for index, layer in enumerate(network.layers)}
        self._values: list[np.ndarray] = []
        self._writers: dict[int, np.ndarray] = {}  # layer to who wrote each channel of its map last
        self._over: dict[int, list[int]] = {}  # layer to those that write over its map
        self._names: dict[str, set[str]] = {}  # layer that writes in place to layers that have to be names
        self.wrong: set[str] = set()
        for index in range(len(self._layers)):
            self._values.append(self._follow(index))
        self._read(self._values[-1])
        self._check_others()
        self._orders = {first: self._order(first) for first in self._over}

    def found(self) -> InPlace:
        """The result, nothing being wrong."""
        takes: dict[str, str] = {}
        first: dict[str, str] = {}
        orders: dict[str, np.ndarray] = {}
        for base, over in self._over.items():
            names = [self._layers[index].name for index in (base, *over)]
            takes |= dict(zip(names[1:], names[:-1], strict=True))
            first |= dict.fromkeys(names[1:], names[0])
            position = np.argsort(self._orders[base])
            for index in (base, *over):
                order = np.argsort(position[self._values[index][:, 1]])
                if (np.diff(order) < 0).any():
                    layer = self._layers[index]
                    orders[layer.name] = order
                    if isinstance(layer.op, ChannelScale):
                        orders[layer.inputs[1]] = order
        return InPlace(takes, first, orders, frozenset().union(*self._names.values()))

    def _follow(self, index: int) -> np.ndarray:
        layer = self._layers[index]
        inputs = [self._values[self._index[name]] for name in layer.inputs]
        if isinstance(layer.op, Pick):
            if isinstance(layer.op, Shuffle):
                value = inputs[0][layer.op.order]
            elif isinstance(layer.op, Slice):
                value = inputs[0][layer.op.start : layer.op.stop]
            else:
                value = np.concatenate(inputs)
            self._read(value)
            return value
        for value in inputs:
            self._read(value)
        channels = layer.shape[0]
        value = np.stack(
            (np.full(channels, index), np.arange(channels), np.full(channels, index)), axis=1
        ).astype(np.int64)
        if layer.residual is None:
            return value
        added = self._values[self._index[layer.residual]]
        self._read(added)
        if not self._may_write_over(layer, added, inputs):
            return value
        base = int(added[0, 0])
        self._over.setdefault(base, []).append(index)
        last = self._writers.setdefault(base, np.full(self._layers[base].shape[0], base))
        last[added[:, 1]] = index
        self._names[layer.name] = self._moves_behind(layer.residual)
        return np.stack((added[:, 0], added[:, 1], np.full(channels, index)), axis=1)

    def _read(self, value: np.ndarray) -> None:
        """Something reads these channels now, so that what wrote over one of them was wrong to."""
        for base, last in self._writers.items():
            own = value[value[:, 0] == base]
            now = last[own[:, 1]]
            self.wrong |= {self._layers[index].name for index in np.unique(now[now != own[:, 2]]).tolist()}

    def _may_write_over(self, layer: FixedLayer, added: np.ndarray, inputs: list[np.ndarray]) -> bool:
        base = int(added[0, 0])
        residual = self._layers[self._index[layer.residual or ""]]
        return (
            not self._refused & {layer.name, self._layers[base].name}
            and (isinstance(residual.op, Pick) or residual.name in self._names)
            and bool((added[:, 0] == base).all())
            and len(np.unique(added[:, 1])) == len(added)
            and not any((value[:, 0] == base).any() for value in inputs)
            and self._layers[base].residual is None
            and self._is_free(self._layers[base])
            and self._is_free(layer)
        )

    def _is_free(self, layer: FixedLayer) -> bool:
        """Whether the order of a layer's channels is the compiler's choice."""
        if isinstance(layer.op, Conv):
            return layer.op.groups == 1
        if not isinstance(layer.op, ChannelScale):
            return False
        gates = self._layers[self._index[layer.inputs[1]]]
        readers = [other for other in self._layers if gates.name in (*other.inputs, other.residual)]
        return (
            isinstance(gates.op, Conv)
            and self._is_free(gates)
            and gates.residual is None
            and len(readers) == 1
        )

    def _moves_behind(self, name: str) -> set[str]:
        """The concatenations, shuffles and slices between a layer and what is computed."""
        layer = self._layers[self._index[name]]
        if not isinstance(layer.op, Pick):
            return set()
        return {name}.union(*map(self._moves_behind, layer.inputs))

    def _check_others(self) -> None:
        """Layers that have to find something where they write: a residual or gates."""
        moved = {
            self._layers[index].name: base for base, over in self._over.items() for index in (base, *over)
        }
        needed: dict[str, set[str]] = {}
        for writer, names in self._names.items():
            for name in names:
                needed.setdefault(name, set()).add(writer)
        for layer in self._layers:
            held = set(layer.inputs[1:] if isinstance(layer.op, ChannelScale) else ())
            if layer.residual is not None and layer.name not in self._names:
                held.add(layer.residual)
            self.wrong |= {self._layers[moved[name]].name for name in held & set(moved)}
            self.wrong = self.wrong.union(*(needed[name] for name in held & set(needed)))

    def _order(self, base: int) -> np.ndarray:
        """Channels by position: those of the narrowest layer that writes first."""
        channels = self._layers[base].shape[0]
        least = np.full(channels, channels + 1)
        for index in self._over[base]:
            own = self._values[index][:, 1]
            least[own] = np.minimum(least[own], len(own))
        order = np.argsort(least, kind="stable")
        position = np.argsort(order)
        for index in self._over[base]:
            own = self._values[index][:, 1]
            if position[own].max() >= len(own):
                self.wrong.add(self._layers[index].name)
        return order
