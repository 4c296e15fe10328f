"""From a bound network to a plan: the steps and tables that the compiled engine runs.

A `Recipe` holds what depends on the network and its arithmetic alone, above all the packed weights; a `Plan`
lays the maps of a number of images out in memory (`Places`), or strips of them (`StripPlaces`), and points the steps
at them (`StepBuilder`).
"""

import numpy as np

from hwshift.golden.places import Places
from hwshift.golden.recipe import Recipe
from hwshift.golden.step_builder import StepBuilder
from hwshift.golden.steps import STEP
from hwshift.golden.strips import StripPlaces, in_strips

__all__ = ["Plan"]


class Plan:
    """A network laid out for some images.

    Parameters
    ----------
    recipe : Recipe
    images : int
        Computed at once.
    threads : int
        That share the work of a step.
    keep : bool
        Whether every map stays in memory until the end, and the output is not written.

    Members
    -------
    steps, ints, reals, edges : ndarray
        As `hwshift.golden.engine.execute` takes them; weights and terms are the recipe's.
    words : int
        Size of the arena.
    strip, stretch : int
        As `StripPlaces` says, of a plan in strips, else 0.
    views : dict of str to View
        Where each layer's map is; those of a plan without ``keep`` are overwritten, but for the output.
    maps : int
        That are written; peaks have a place for each, and behind them one for the gates of each of `gates`.
    names : list of str
        Layer of each step.
    gates : list of str
        Layers that scale channels.
    """

    def __init__(self, recipe: Recipe, images: int, threads: int, keep: bool) -> None:
        self.recipe, self.images, self.threads = recipe, images, threads
        strips = StripPlaces(recipe, threads) if images == 1 and not keep and in_strips(recipe) else None
        places = strips or Places(recipe, images, keep)
        builder = StepBuilder(recipe, places, images, threads if strips is None else 1)
        layers = [layer for layer in recipe.network.layers if layer.name in places.writers]
        if strips is not None:
            layers = layers[1:]  # the input is where it is
        last = [] if keep or strips is not None else [builder.output()]
        steps = [builder.of(layer) for layer in layers] + last
        self.steps = np.array([tuple(step[name] for name in STEP.names or ()) for step in steps], STEP).view(
            np.recarray
        )
        self.names = [layer.name for layer in layers] + [recipe.network.output.name] * len(last)
        self.views, self.maps, self.words, self.gates = places.views, places.maps, places.words, builder.gates
        self.strip, self.stretch = (strips.strip, strips.stretch) if strips is not None else (0, 0)
        if strips is not None:
            self.words *= threads
        self.ints, self.reals = builder.ints.array(), builder.reals.array()
        self.edges = builder.edges.table.array()
