"""Networks of plain convolutions in strips: all layers of some pixels before the next, so that maps stay in the cache.

Such a network's maps have one size and no margins: what a tap reads beside the map is masked out instead of read as
zero. So the first layer reads the caller's input where it is, the last writes the caller's output, and of what lies
between there is a strip. Positions count the pixels of a map in one row. A strip of the last layer needs, of the layer
before, what its taps reach before and behind it; that much of the strip before is kept. Threads take stretches of
positions, and compute at their ends, of all layers but the last, what others compute too.
"""

import numpy as np

from hwshift.golden.layout import Geometry
from hwshift.golden.limbs import MOST_LIMBS, largest_signed
from hwshift.golden.places import View
from hwshift.golden.recipe import Recipe
from hwshift.golden.tables import Tables
from hwshift.golden.x86 import PIXELS
from hwshift.network import fixed

__all__ = ["Edges", "StripPlaces", "in_strips", "reach"]

_EXACT = 1 << 52  # as in `hwshift.golden.engine`
_WORDS = 1 << 18  # of a strip's maps: they stay in a core's cache
_LEAST = 2  # positions of a strip at least, for each that it needs around it
_STRETCH = 8  # the same of a stretch, if there are more stretches than threads
_STRETCHES = 8  # for a thread at most: no thread waits long


class StripPlaces:
    """Planes of strips, with the members of `Places`; those of input and output are the caller's.

    Parameters
    ----------
    recipe : Recipe
        For which `in_strips`.
    threads : int

    Members
    -------
    strip, stretch : int
        Positions of each: whole vectors.
    words : int
        Size of one thread's arena.
    touched : int
        Words of all maps.
    """

    def __init__(self, recipe: Recipe, threads: int) -> None:
        layers = recipe.network.layers
        geometry = Geometry(*layers[0].shape[1:], 0, 0, 1)
        pixels, self.maps = geometry.pixels, len(layers)
        self.writers = {layer.name: number for number, layer in enumerate(layers)}
        around = [
            0
        ]  # what a strip needs beside it, of the last layer first; both ends are rounded to whole vectors
        for layer in layers[:1:-1]:
            around.append(around[-1] + sum(reach(recipe, layer)) + 2 * PIXELS)
        most, between = around[-1], sum(layer.shape[0] for layer in layers[1:-1])
        self.strip = _whole(min(pixels, max(PIXELS, _WORDS // max(between, 1) - most, _LEAST * most)))
        parts = min(_STRETCHES * threads, pixels // (_STRETCH * most or PIXELS)) // threads * threads
        self.stretch = _whole(-(-pixels // max(threads, parts)))
        self.views, self.words, self.touched = {}, 0, recipe.pixels
        for number, (layer, beside) in enumerate(zip(layers, [0, *around[::-1]], strict=True)):
            planes = np.arange(layer.shape[0])
            if 0 < number < len(layers) - 1:
                # an odd number of cache lines, so that planes do not compete for the same places in a cache
                size = ((self.strip + beside) // PIXELS | 1) * PIXELS
                planes = self.words + planes * size
                self.words += layer.shape[0] * size
            else:
                planes *= pixels
            self.views[layer.name] = View(planes, geometry, (number,))


def _whole(positions: int) -> int:
    return -(-positions // PIXELS) * PIXELS


def reach(recipe: Recipe, layer: fixed.FixedLayer) -> tuple[int, int]:
    """Positions before and behind a pixel that a convolution of a network in strips reads."""
    _, dy, dx = np.moveaxis(recipe.packed[layer.name].taps, 2, 0)
    offsets = dy * layer.shape[2] + dx
    return max(0, -int(offsets.min())), max(0, int(offsets.max()))


class Edges:
    """Which pixels of a map have a neighbour at an offset inside it: one bit each, for each offset asked for.

    Parameters
    ----------
    size : (height, width)

    Members
    -------
    table : Tables
        Of uint8: pixel p is bit p % 8 of byte p // 8, and behind the last pixel are zeros up to whole vectors.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        self.table = Tables(np.uint8)
        self._size = size
        self._found: dict[tuple[int, int], int] = {}

    def at(self, dy: int, dx: int) -> int:
        """Index of the first byte for an offset."""
        if (dy, dx) not in self._found:
            rows, columns = (
                (axis + d >= 0) & (axis + d < length)
                for axis, d, length in zip(
                    np.ogrid[tuple(map(slice, self._size))], (dy, dx), self._size, strict=True
                )
            )
            inside = (rows & columns).ravel()
            bits = np.packbits(np.pad(inside, (0, -inside.size % PIXELS)), bitorder="little")
            self._found[dy, dx] = self.table.add(bits)
        return self._found[dy, dx]


def in_strips(recipe: Recipe) -> bool:
    """Whether a network is convolutions one behind the other, of one size, that the matrix unit does in any case."""
    layers = recipe.network.layers
    return len(layers) > 1 and all(
        layer.inputs == (before.name,) and layer.shape[1:] == before.shape[1:] and _is_masked(recipe, layer)
        for before, layer in zip(layers, layers[1:], strict=False)
    )


def _is_masked(recipe: Recipe, layer: fixed.FixedLayer) -> bool:
    """Whether nothing but the matrix unit ever does a layer: it alone knows masks and strips."""
    op, epilogue, packed = layer.op, layer.epilogue, recipe.packed.get(layer.name)
    if (
        not isinstance(op, fixed.Conv)
        or op.stride != (1, 1)
        or layer.residual is not None
        or epilogue is None
    ):
        return False
    if packed is None or packed.tiles is None or not recipe.always_tiled(layer.name):
        return False
    most = -recipe.formats[layer.name].inputs[0].min
    return (
        packed.largest * most <= _EXACT
        and (not packed.tiles.signed or most <= largest_signed(MOST_LIMBS))
        and "sigmoid" not in (epilogue.activation.kind, epilogue.residual_activation.kind)
    )
