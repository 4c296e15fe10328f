"""Which concatenations, shuffles and slices are only other names for channels, instead of passes through the array."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from hwshift.compiler.lower import ktiles_of
from hwshift.compiler.placement import tensor_of, views_of
from hwshift.config import AcceleratorConfig
from hwshift.errors import CompileError
from hwshift.network.fixed import ChannelScale, Concat, FixedNetwork, Input, Shuffle, Slice

__all__ = ["Renaming", "no_renaming", "plan_renaming"]


@dataclass(frozen=True)
class Renaming:
    """What is only renamed.

    Members
    -------
    layers : frozenset of str
    why : mapping of str to str
        For every other concatenation, shuffle and slice, the reason that it is a pass through the array.
    """

    layers: frozenset[str] = frozenset()
    why: Mapping[str, str] = field(default_factory=dict)


def no_renaming(network: FixedNetwork, why: str) -> Renaming:
    """Every concatenation, shuffle and slice is a pass, for one reason."""
    movable = (layer.name for layer in network.layers if isinstance(layer.op, Concat | Shuffle | Slice))
    return Renaming(why=dict.fromkeys(movable, why))


def plan_renaming(network: FixedNetwork, config: AcceleratorConfig) -> Renaming:
    """Rename layers whose readers need no more steps for it than the pass would take.

    A residual has to lie like the map it is added to, and gates are stored channel by channel, so a layer that is one
    or the other is computed. Decided one by one in the order of execution.
    """
    why = _fixed_layers(network)
    renamed: frozenset[str] = frozenset()
    known: dict[tuple[str, bytes], int] = {}
    for layer in network.layers:
        if not isinstance(layer.op, Concat | Shuffle | Slice) or layer.name in why:
            continue
        trial = renamed | {layer.name}
        if not _is_computed(network, trial):
            why[layer.name] = "nothing else is computed"
            continue
        after, before = (_steps(network, config, names, known) for names in (trial, renamed))
        if after <= before:
            renamed = trial
        elif after == float("inf"):
            why[layer.name] = "the layers that read it would read more maps than an instruction names"
        else:
            why[layer.name] = (
                f"the layers that read it would take {after - before} steps more than both do now"
            )
    return Renaming(renamed, why)


def _fixed_layers(network: FixedNetwork) -> dict[str, str]:
    """Concatenations, shuffles and slices that are passes whatever it takes, and why."""
    why: dict[str, str] = {}
    movable = {layer.name for layer in network.layers if isinstance(layer.op, Concat | Shuffle | Slice)}
    for layer in network.layers:
        if isinstance(layer.op, ChannelScale) and layer.inputs[1] in movable:
            why[layer.inputs[1]] = f"{layer.name} takes it as gates, which are stored channel by channel"
        if layer.residual in movable:
            why[layer.residual] = f"{layer.name} adds it, and has to find it where it writes the sum"
    return why


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
