"""A sigmoid in front of a residual: a layer of its own, since the epilogue's table is at the pipeline's end."""

from dataclasses import replace

from hwshift.network.fixed import Epilogue, FixedLayer, FixedNetwork, Sum

__all__ = ["split_sigmoids"]


def split_sigmoids(network: FixedNetwork) -> FixedNetwork:
    """The same function; a layer ``s`` that adds a residual to a sigmoid reads the sigmoids from ``s.sigmoid``."""
    if not any(map(_mixes, network.layers)):
        return network
    layers: list[FixedLayer] = []
    for layer in network.layers:
        layers += _split(layer) if _mixes(layer) else [layer]
    return replace(network, layers=tuple(layers))


def _mixes(layer: FixedLayer) -> bool:
    return (
        layer.epilogue is not None
        and layer.residual is not None
        and layer.epilogue.activation.kind == "sigmoid"
    )


def _split(layer: FixedLayer) -> list[FixedLayer]:
    assert layer.epilogue is not None
    first = replace(layer, name=f"{layer.name}.sigmoid", residual=None)
    after = Epilogue.identity(layer.shape[0], residual_activation=layer.epilogue.residual_activation)
    return [first, replace(layer, op=Sum(), inputs=(first.name,), epilogue=after)]
