"""Networks whose maps need no margins: what a tap reads beside the map is masked out instead of read as zero.

So the first convolution reads the caller's input where it is and the last writes the caller's output, nothing is
copied, and no gap between rows is computed.
"""

import numpy as np

from hwshift.golden.limbs import MOST_LIMBS, largest_signed
from hwshift.golden.recipe import Recipe
from hwshift.golden.tables import Tables
from hwshift.golden.x86 import PIXELS
from hwshift.network import fixed

__all__ = ["Edges", "is_bare"]

_EXACT = 1 << 52  # as in `hwshift.golden.engine`


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
                    np.ogrid[: self._size[0], : self._size[1]], (dy, dx), self._size, strict=True
                )
            )
            inside = (rows & columns).ravel()
            bits = np.packbits(np.pad(inside, (0, -inside.size % PIXELS)), bitorder="little")
            self._found[dy, dx] = self.table.add(bits)
        return self._found[dy, dx]


def is_bare(recipe: Recipe) -> bool:
    """Whether a network is convolutions, of maps of one size, that the matrix unit does whatever they read."""
    layers = recipe.network.layers
    return len(layers) > 1 and all(
        layer.shape[1:] == layers[0].shape[1:]
        and (isinstance(layer.op, fixed.Input) or _is_masked(recipe, layer))
        for layer in layers
    )


def _is_masked(recipe: Recipe, layer: fixed.FixedLayer) -> bool:
    """Whether nothing but the matrix unit ever does a layer: it alone knows masks, and the caller's memory."""
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
