"""Which concatenations, shuffles and slices are only other names for channels, instead of passes through the array."""

from hwshift.compiler.lower import ktiles_of
from hwshift.compiler.placement import tensor_of, views_of
from hwshift.config import AcceleratorConfig
from hwshift.errors import CompileError
from hwshift.network.fixed import ChannelScale, Concat, FixedNetwork, Input, Shuffle, Slice

__all__ = ["passes_because", "renamed_layers"]


def renamed_layers(network: FixedNetwork, config: AcceleratorConfig) -> frozenset[str]:
    """Layers to rename: those whose readers need no more steps for it than the pass would take.

    A residual has to lie like the map it is added to, and gates are stored channel by channel, so a layer that is one
    or the other is computed. Decided one by one in the order of execution.
    """
    fixed = {layer.residual for layer in network.layers}
    fixed |= {layer.inputs[1] for layer in network.layers if isinstance(layer.op, ChannelScale)}
    renamed: frozenset[str] = frozenset()
    known: dict[tuple[str, bytes], int] = {}
    for layer in network.layers:
        if isinstance(layer.op, Concat | Shuffle | Slice) and layer.name not in fixed:
            trial = renamed | {layer.name}
            if _is_computed(network, trial) and _steps(network, config, trial, known) <= _steps(
                network, config, renamed, known
            ):
                renamed = trial
    return renamed


def passes_because(
    network: FixedNetwork, config: AcceleratorConfig, renamed: frozenset[str]
) -> dict[str, str]:
    """Why concatenations, shuffles and slices that are not renamed are passes through the array."""
    reasons: dict[str, str] = {}
    adds = {layer.residual: layer.name for layer in network.layers}
    known: dict[tuple[str, bytes], int] = {}
    for layer in network.layers:
        if not isinstance(layer.op, Concat | Shuffle | Slice) or layer.name in renamed:
            continue
        more = _steps(network, config, renamed | {layer.name}, known) - _steps(
            network, config, renamed, known
        )
        if layer.name in adds:
            reasons[layer.name] = f"{adds[layer.name]} adds it, and has to find it where it writes the sum"
        elif more == float("inf"):
            reasons[layer.name] = "the layers that read it would read more maps than an instruction names"
        elif more > 0:
            reasons[layer.name] = f"the layers that read it would take {more} steps more than both do now"
        else:
            reasons[layer.name] = "nothing else is computed"
    return reasons


def _is_computed(network: FixedNetwork, renamed: frozenset[str]) -> bool:
    """Whether anything is left to compute."""
    return any(not isinstance(layer.op, Input) and layer.name not in renamed for layer in network.layers)


def _steps(
    network: FixedNetwork,
    config: AcceleratorConfig,
    renamed: frozenset[str],
    known: dict[tuple[str, bytes], int],
) -> float:
    """Steps of all layers that read something movable, and of the moves; infinite where it cannot be done.

    ``known`` holds the k-tiles of layers by what they read.
    """
    views = views_of(network, renamed)
    tensors = {layer.name: tensor_of(layer, config) for layer in network.layers if layer.name not in renamed}
    total = 0
    movable = {layer.name for layer in network.layers if isinstance(layer.op, Concat | Shuffle | Slice)}
    for layer in network.layers[1:]:
        if layer.name in renamed or not ({layer.name, *layer.inputs} & movable):
            continue
        key = layer.name, b"\0".join(views[name].key for name in layer.inputs)
        if key not in known:
            try:
                known[key] = ktiles_of(layer, views, tensors, config)
            except CompileError:
                return float("inf")
        total += known[key] * layer.shape[1] * -(-layer.shape[2] // config.pixels)
    return total
