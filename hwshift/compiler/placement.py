"""Where channels lie: tensors that exist, and layers that are only other names for their channels."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from hwshift.config import AcceleratorConfig
from hwshift.network.fixed import Concat, FixedLayer, FixedNetwork, Input, Shuffle, Slice
from hwshift.program.isa import INPUT_CHANNELS

__all__ = ["NOWHERE", "InPlace", "Tensor", "View", "Views", "tensors_of", "views_of"]


@dataclass(frozen=True)
class InPlace:
    """Layers that write over channels of an earlier map, whose others stay where they are.

    Members
    -------
    takes : mapping of layer to layer
        The map whose place each takes: the first one, or another that was written over it before.
    first : mapping of layer to layer
        The first map of that place.
    orders : mapping of layer to ndarray of int64
        Which channel lies at each position, for maps that do not lie in order.
    names : frozenset of str
        Layers that have to be names for this.
    """

    takes: Mapping[str, str] = field(default_factory=dict)
    first: Mapping[str, str] = field(default_factory=dict)
    orders: Mapping[str, np.ndarray] = field(default_factory=dict)
    names: frozenset[str] = frozenset()


NOWHERE = InPlace()
"""Every map has a place of its own."""


@dataclass(frozen=True)
class Tensor:
    """A map that exists: position p at slot p // R, bank p mod R.

    Parameters
    ----------
    name : str
        Of the layer.
    shape : (channels, height, width)
    slots : int
        Vectors of R channels per pixel.
    pitch : int
        Words of one row of one slot in every sub-bank.
    replicas : int
        Copies of each channel, in banks ``channel + k * channels``: more than one for a network input of few
        channels, which the loader broadcasts.
    is_input : bool
        Loaded in the layout of network inputs.
    takes : str or None
        The tensor whose place it takes. Positions behind its own are still that tensor's.
    room : int
        Slots per pixel of that place, 0: its own.
    """

    name: str
    shape: tuple[int, int, int]
    slots: int
    pitch: int
    replicas: int = 1
    is_input: bool = False
    takes: str | None = None
    room: int = 0

    @property
    def row_words(self) -> int:
        """Words of one row in every sub-bank."""
        return max(self.slots, self.room) * self.pitch

    @property
    def words(self) -> int:
        """Words of the whole map in every sub-bank."""
        return self.row_words * self.shape[1]

    def lanes(self, config: AcceleratorConfig) -> int:
        """Values of one slot of a pixel in memory."""
        return self.shape[0] if self.is_input else config.rows


@dataclass(frozen=True)
class View:
    """A layer's channels as channels of tensors.

    Parameters
    ----------
    tensors : tuple of str
    source : ndarray of int64, shape (channels,)
        Index into ``tensors``.
    channel : ndarray of int64, shape (channels,)
        Position in that tensor.
    """

    tensors: tuple[str, ...]
    source: np.ndarray = field(repr=False)
    channel: np.ndarray = field(repr=False)

    @cached_property
    def key(self) -> bytes:
        """Equal for equal views."""
        return b"".join(("\0".join(self.tensors).encode(), self.source.tobytes(), self.channel.tobytes()))

    @classmethod
    def whole(cls, name: str, channels: int, order: np.ndarray | None = None) -> "View":
        """All channels of a tensor; ``order``: which channel lies at each position."""
        return cls(
            (name,), np.zeros(channels, np.int64), np.arange(channels) if order is None else np.argsort(order)
        )

    def named(self, names: Mapping[str, str]) -> "View":
        """The same places, by other names of the tensors."""
        if not any(name in names for name in self.tensors):
            return self
        new = [names.get(name, name) for name in self.tensors]
        tensors = tuple(dict.fromkeys(new))
        return View(tensors, np.array([tensors.index(name) for name in new])[self.source], self.channel)

    def pick(self, channels: np.ndarray) -> "View":
        """Some of the channels."""
        return View(self.tensors, self.source[channels], self.channel[channels])

    @classmethod
    def join(cls, views: list["View"]) -> "View":
        """All channels of several views, in order."""
        tensors = tuple(dict.fromkeys(name for view in views for name in view.tensors))
        source = [np.array([tensors.index(name) for name in view.tensors])[view.source] for view in views]
        return cls(tensors, np.concatenate(source), np.concatenate([view.channel for view in views]))


@dataclass(frozen=True)
class Views:
    """What every layer's channels are.

    Members
    -------
    own : mapping of layer to View
        Channels of the tensors of the layers that computed them.
    reads : mapping of layer to mapping of input to View
        The inputs of every layer that is computed, by the names their places have then.
    orders : mapping of layer to ndarray of int64
        Which channel lies at each position of layers that follow what they read; ``reads`` are in that order, too.
    """

    own: Mapping[str, View]
    reads: Mapping[str, Mapping[str, View]]
    orders: Mapping[str, np.ndarray]


def tensors_of(
    network: FixedNetwork, renamed: frozenset[str], config: AcceleratorConfig, in_place: InPlace = NOWHERE
) -> dict[str, Tensor]:
    """The tensors of the layers that are computed or loaded."""
    out: dict[str, Tensor] = {}
    for layer in network.layers:
        if layer.name in renamed:
            continue
        tensor = out[layer.name] = _tensor_of(layer, config)
        if layer.name in in_place.takes:
            room = out[in_place.first[layer.name]].slots
            out[layer.name] = replace(tensor, takes=in_place.takes[layer.name], room=room)
    return out


def _tensor_of(layer: FixedLayer, config: AcceleratorConfig) -> Tensor:
    channels, _, width = layer.shape
    is_input = isinstance(layer.op, Input) and channels <= INPUT_CHANNELS
    replicas = config.rows // channels if is_input else 1
    slots, pitch = -(-channels // config.rows), -(-width // config.sub_banks)
    return Tensor(layer.name, layer.shape, slots, pitch, replicas, is_input)


def views_of(
    network: FixedNetwork,
    renamed: frozenset[str],
    in_place: InPlace = NOWHERE,
    follows: frozenset[str] = frozenset(),
) -> Views:
    """What every layer's channels are.

    Parameters
    ----------
    network : FixedNetwork
    renamed : frozenset of str
        Concat, Shuffle and Slice layers that are not computed.
    in_place : InPlace
    follows : frozenset of str
        Layers of one input whose channels lie in the order of the places that they read.
    """
    own: dict[str, View] = {}
    orders: dict[str, np.ndarray] = {}
    reads: dict[str, dict[str, View]] = {}
    holders: dict[str, str] = {}  # a tensor whose place was taken, to the one that holds it now
    for layer in network.layers:
        name, inputs = layer.name, [own[source] for source in layer.inputs]
        if name not in renamed:
            order = in_place.orders.get(name)
            if name in follows:
                order = orders[name] = np.lexsort((inputs[0].channel, inputs[0].source))
                inputs = [inputs[0].pick(order)]
            own[name] = View.whole(name, layer.shape[0], order)
            reads[name] = {
                source: view.named(holders) for source, view in zip(layer.inputs, inputs, strict=True)
            }
        elif isinstance(layer.op, Shuffle):
            own[name] = inputs[0].pick(layer.op.order)
        elif isinstance(layer.op, Slice):
            own[name] = inputs[0].pick(np.arange(layer.op.start, layer.op.stop))
        else:
            assert isinstance(layer.op, Concat)
            own[name] = View.join(inputs)
        if name in in_place.takes:
            old = in_place.takes[name]
            holders |= {other: name for other, holder in holders.items() if holder == old} | {old: name}
    return Views(own, reads, orders)
