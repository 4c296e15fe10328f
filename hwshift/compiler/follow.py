"""Depthwise convolutions and pools whose maps may lie in the order of what they read.

Such a layer takes each output channel from one channel. Behind a shuffle that is only a name, its tiles would read
channels that lie scattered over the banks; if its own channels are scattered in the same way, they do not, and the
layers behind it find them there.
"""

from hwshift.compiler.placement import InPlace
from hwshift.network.fixed import ChannelScale, Conv, FixedLayer, FixedNetwork, Pick, Pool

__all__ = ["behind", "may_follow"]


def may_follow(network: FixedNetwork, in_place: InPlace) -> frozenset[str]:
    """Layers whose order of channels is the compiler's choice.

    A residual has to lie like the map it is added to, gates are stored channel by channel, and what lies in place of
    another map has an order already.
    """
    held = {*in_place.takes, *in_place.first.values(), *in_place.orders, network.input.name}
    for layer in network.layers:
        held |= {layer.residual} if layer.residual is not None else set()
        held |= {layer.inputs[1]} if isinstance(layer.op, ChannelScale) else set()
    return frozenset(
        layer.name
        for layer in network.layers
        if layer.name not in held and layer.residual is None and _takes_one_each(layer)
    )


def behind(network: FixedNetwork, name: str, renamed: frozenset[str], free: frozenset[str]) -> frozenset[str]:
    """The free layers that read a layer, or read it through names and others that follow."""
    found, names = set(), {name}
    for layer in network.layers:
        if names.intersection(layer.inputs):
            if layer.name in free:
                found.add(layer.name)
            if layer.name in free or (layer.name in renamed and isinstance(layer.op, Pick)):
                names.add(layer.name)
    return frozenset(found)


def _takes_one_each(layer: FixedLayer) -> bool:
    """Whether output channel i comes from input channel i alone."""
    if isinstance(layer.op, Pool):
        return True
    return (
        isinstance(layer.op, Conv)
        and layer.op.groups == layer.shape[0] == len(layer.op.weights.values)
        and (layer.op.weights.values.shape[1] == 1)
    )
