"""Where channels lie: tensors that exist, and layers that are only other names for their channels."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from hwshift.config import AcceleratorConfig
from hwshift.network.fixed import Concat, FixedLayer, FixedNetwork, Input, Shuffle, Slice
from hwshift.program.isa import INPUT_CHANNELS

__all__ = ["Tensor", "View", "tensor_of", "views_of"]


@dataclass(frozen=True)
class Tensor:
    """A map that exists: channel c at slot c // R, bank c mod R.

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
    """

    name: str
    shape: tuple[int, int, int]
    slots: int
    pitch: int
    replicas: int = 1
    is_input: bool = False

    @property
    def row_words(self) -> int:
        """Words of one row in every sub-bank."""
        return self.slots * self.pitch

    @property
    def words(self) -> int:
        """Words of the whole map in every sub-bank."""
        return self.row_words * self.shape[1]


@dataclass(frozen=True)
class View:
    """A layer's channels as channels of tensors.

    Parameters
    ----------
    tensors : tuple of str
    source : ndarray of int64, shape (channels,)
        Index into ``tensors``.
    channel : ndarray of int64, shape (channels,)
        Channel of that tensor.
    """

    tensors: tuple[str, ...]
    source: np.ndarray = field(repr=False)
    channel: np.ndarray = field(repr=False)

    @cached_property
    def key(self) -> bytes:
        """Equal for equal views."""
        return b"".join(("\0".join(self.tensors).encode(), self.source.tobytes(), self.channel.tobytes()))

    @classmethod
    def whole(cls, name: str, channels: int) -> "View":
        """All channels of a tensor, in order."""
        return cls((name,), np.zeros(channels, np.int64), np.arange(channels))

    def pick(self, channels: np.ndarray) -> "View":
        """Some of the channels."""
        return View(self.tensors, self.source[channels], self.channel[channels])

    @classmethod
    def join(cls, views: list["View"]) -> "View":
        """All channels of several views, in order."""
        tensors = tuple(dict.fromkeys(name for view in views for name in view.tensors))
        source = [np.array([tensors.index(name) for name in view.tensors])[view.source] for view in views]
        return cls(tensors, np.concatenate(source), np.concatenate([view.channel for view in views]))


def tensor_of(layer: FixedLayer, config: AcceleratorConfig) -> Tensor:
    """The tensor of a layer that is computed or loaded."""
    channels, _, width = layer.shape
    is_input = isinstance(layer.op, Input) and channels <= INPUT_CHANNELS
    replicas = config.rows // channels if is_input else 1
    slots, pitch = -(-channels // config.rows), -(-width // config.sub_banks)
    return Tensor(layer.name, layer.shape, slots, pitch, replicas, is_input)


def views_of(network: FixedNetwork, renamed: frozenset[str]) -> Mapping[str, View]:
    """What every layer's channels are; ``renamed``: Concat, Shuffle and Slice layers that are not computed."""
    views: dict[str, View] = {}
    for layer in network.layers:
        inputs = [views[name] for name in layer.inputs]
        if layer.name not in renamed:
            views[layer.name] = View.whole(layer.name, layer.shape[0])
        elif isinstance(layer.op, Shuffle):
            views[layer.name] = inputs[0].pick(layer.op.order)
        elif isinstance(layer.op, Slice):
            views[layer.name] = inputs[0].pick(np.arange(layer.op.start, layer.op.stop))
        else:
            assert isinstance(layer.op, Concat)
            views[layer.name] = View.join(inputs)
    return views
