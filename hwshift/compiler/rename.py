"""Which concatenations, shuffles and slices are only other names for channels, instead of passes through the array."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from hwshift.compiler.follow import behind, may_follow
from hwshift.compiler.in_place import find_in_place
from hwshift.compiler.lower import ktiles_of
from hwshift.compiler.placement import NOWHERE, InPlace, tensors_of, views_of
from hwshift.config import AcceleratorConfig
from hwshift.errors import CompileError
from hwshift.network.fixed import ChannelScale, FixedNetwork, Input, Pick

__all__ = ["Renaming", "no_renaming", "plan_renaming"]


@dataclass(frozen=True)
class Renaming:
    """What is only renamed.

    Members
    -------
    layers : frozenset of str
    why : mapping of str to str
        For every other concatenation, shuffle and slice, the reason that it is a pass through the array.
    in_place : InPlace
        What is written over a part of an earlier map.
    follows : frozenset of str
        Layers whose channels lie in the order of the places that they read.
    """

    layers: frozenset[str] = frozenset()
    why: Mapping[str, str] = field(default_factory=dict)
    in_place: InPlace = NOWHERE
    follows: frozenset[str] = frozenset()


def no_renaming(network: FixedNetwork, why: str) -> Renaming:
    """Every concatenation, shuffle and slice is a pass, for one reason."""
    movable = (layer.name for layer in network.layers if isinstance(layer.op, Pick))
    return Renaming(why=dict.fromkeys(movable, why))


def plan_renaming(
    network: FixedNetwork, config: AcceleratorConfig, refused: Collection[str] = ()
) -> Renaming:
    """Rename layers whose readers need no more steps for it than the pass would take.

    A residual has to lie like the map it is added to, and gates are stored channel by channel, so a layer that is one
    or the other is computed, but for residuals that are written over where they lie. Decided one by one in the order
    of execution.

    Parameters
    ----------
    network : FixedNetwork
    config : AcceleratorConfig
    refused : collection of str
        Maps that may not be written over in part.
    """
    known: dict[tuple[str, bytes], int] = {}
    plain, steps = _plan(network, config, NOWHERE, known)
    in_place = find_in_place(network, refused)
    if not in_place.takes:
        return plain
    over, steps_over = _plan(network, config, in_place, known)
    return plain if steps_over > steps else over


def _plan(
    network: FixedNetwork,
    config: AcceleratorConfig,
    in_place: InPlace,
    known: dict[tuple[str, bytes], int],
) -> tuple[Renaming, float]:
    """What is renamed where maps lie like that, and the steps that are left."""
    why = {name: text for name, text in _fixed_layers(network).items() if name not in in_place.names}
    renaming, free = Renaming(in_place.names, why, in_place), may_follow(network, in_place)
    before = _steps(network, config, renaming, known)
    for layer in network.layers:
        if not isinstance(layer.op, Pick) or layer.name in why or layer.name in renaming.layers:
            continue
        trial = replace(renaming, layers=renaming.layers | {layer.name})
        if not _is_computed(network, trial.layers):
            why[layer.name] = "nothing else is computed"
            continue
        after = _steps(network, config, trial, known)
        follows = renaming.follows | behind(network, layer.name, trial.layers, free)
        if follows != renaming.follows:
            following = replace(trial, follows=follows)
            steps = _steps(network, config, following, known)
            trial, after = (following, steps) if steps < after else (trial, after)
        if after <= before:
            renaming, before = trial, after
        elif after == float("inf"):
            why[layer.name] = "the layers that read it would read more maps than an instruction names"
        else:
            why[layer.name] = (
                f"the layers that read it would take {after - before} steps more than both do now"
            )
    return renaming, before


def _fixed_layers(network: FixedNetwork) -> dict[str, str]:
    """Concatenations, shuffles and slices that are passes whatever it takes, and why."""
    why: dict[str, str] = {}
    movable = {layer.name for layer in network.layers if isinstance(layer.op, Pick)}
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
    renaming: Renaming,
    known: dict[tuple[str, bytes], int],
) -> float:
    """Steps of all layers that read something movable or what may follow it, and of the moves.

    Infinite where it cannot be done. ``known`` holds the k-tiles of layers by what they read.
    """
    renamed, in_place = renaming.layers, renaming.in_place
    reads = views_of(network, renamed, in_place, renaming.follows).reads
    tensors = tensors_of(network, renamed, config, in_place)
    total = 0
    movable = {layer.name for layer in network.layers if isinstance(layer.op, Pick)}
    movable |= may_follow(network, in_place) if movable else set()
    for layer in network.layers[1:]:
        if layer.name in renamed or not ({layer.name, *layer.inputs} & movable):
            continue
        own = reads[layer.name]
        key = layer.name, b"\0".join(own[name].key for name in layer.inputs)
        if key not in known:
            try:
                known[key] = ktiles_of(layer, own, tensors, config)
            except CompileError:
                return float("inf")
        total += known[key] * layer.shape[1] * -(-layer.shape[2] // config.pixels)
    return total
