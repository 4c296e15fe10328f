"""Where the maps of a network lie in the arena: planes that nobody reads any more are taken by later maps."""

from dataclasses import dataclass

import numpy as np

from hwshift.golden.blocks import COLUMNS
from hwshift.golden.channels import read_map
from hwshift.golden.layout import Geometry, Region
from hwshift.golden.recipe import Recipe
from hwshift.golden.tables import MOST_PANELS
from hwshift.network import fixed

__all__ = ["Places", "View"]


@dataclass(frozen=True)
class View:
    """Where a layer's map lies: planes of one geometry, in channel order, and the maps they belong to."""

    planes: np.ndarray
    geometry: Geometry
    maps: tuple[int, ...]

    def read(self, memory: np.ndarray, out: np.ndarray) -> None:
        """Copy the map into ``out``: ndarray of int32, shape (images, channels, height, width), contiguous."""
        g = self.geometry
        read_map(
            memory, self.planes, g.first, g.image_step, g.pitch, g.height, g.width, g.images, out.reshape(-1)
        )


class Places:
    """Planes for every map of a network.

    Parameters
    ----------
    recipe : Recipe
    images : int
        Computed at once.
    keep : bool
        Whether every map stays in memory until the end.

    Members
    -------
    views : dict of str to View
        Where each layer's map is.
    writers : dict of str to int
        Layers that write planes, and their map's number.
    maps : int
        That are written.
    words, touched : int
        Size of the arena, all of which is read and written.
    """

    def __init__(self, recipe: Recipe, images: int, keep: bool) -> None:
        self._network = recipe.network
        self._geometries = {
            size: Geometry(*size, *margin, images) for size, margin in recipe.margins().items()
        }
        self.views: dict[str, View] = {}
        self.writers: dict[str, int] = {}
        owners = self._owners()
        self.maps = len(self.writers)
        self._place(owners, self._last_reads(owners, keep))

    def _owners(self) -> dict[str, tuple[int, ...]]:
        """For each layer the maps that hold its values: its own, or those that it gives other names to."""
        owners: dict[str, tuple[int, ...]] = {}
        for layer in self._network.layers:
            if isinstance(layer.op, fixed.Concat | fixed.Shuffle | fixed.Slice):
                owners[layer.name] = tuple(dict.fromkeys(o for name in layer.inputs for o in owners[name]))
            else:
                self.writers[layer.name] = len(self.writers)
                owners[layer.name] = (self.writers[layer.name],)
        return owners

    def _place(self, owners: dict[str, tuple[int, ...]], last: dict[int, int]) -> None:
        layers = self._network.layers
        regions = {size: Region(geometry) for size, geometry in self._geometries.items()}
        runs: dict[int, tuple[tuple[int, int], int, int]] = {}  # map -> size, first plane, planes
        slots: dict[str, np.ndarray] = {}  # layer -> numbers of its planes in the region of its size
        for i, layer in enumerate(layers):
            size = layer.shape[1:]
            if isinstance(layer.op, fixed.Concat | fixed.Shuffle | fixed.Slice):
                slots[layer.name] = _renamed(layer.op, [slots[name] for name in layer.inputs])
            else:
                start = regions[size].take(layer.shape[0])
                slots[layer.name] = np.arange(start, start + layer.shape[0])
                runs[self.writers[layer.name]] = size, start, layer.shape[0]
            for number in [number for number in runs if last[number] <= i]:
                size, start, count = runs.pop(number)
                regions[size].give_back(start, count)
        base, at = {}, 0
        for size, region in regions.items():
            base[size] = at
            at += region.planes * region.geometry.size
        self.words = at + 2 * MOST_PANELS * COLUMNS + max(g.first for g in self._geometries.values())
        self.touched = self.words
        for layer in layers:
            geometry = self._geometries[layer.shape[1:]]
            planes = base[layer.shape[1:]] + slots[layer.name] * geometry.size
            self.views[layer.name] = View(planes, geometry, owners[layer.name])

    def _last_reads(self, owners: dict[str, tuple[int, ...]], keep: bool) -> dict[int, int]:
        """For each map the number of the last layer that reads it, under whatever name."""
        layers = self._network.layers
        last: dict[int, int] = {}
        for i, layer in enumerate(layers):
            read = [name for name in (*layer.inputs, layer.residual) if name is not None]
            for number in {number for name in read for number in owners[name]}:
                last[number] = i
            if layer.name in self.writers:
                last[self.writers[layer.name]] = i
        forever = range(self.maps) if keep else owners[layers[-1].name]
        return last | dict.fromkeys(forever, len(layers))


def _renamed(op: fixed.Concat | fixed.Shuffle | fixed.Slice, inputs: list[np.ndarray]) -> np.ndarray:
    if isinstance(op, fixed.Concat):
        return np.concatenate(inputs)
    return inputs[0][op.order] if isinstance(op, fixed.Shuffle) else inputs[0][op.start : op.stop]
