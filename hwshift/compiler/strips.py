"""Layers that take turns over strips of rows: how far each is after every strip, and the rows that have to be kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hwshift.compiler.lowered import Lowered
from hwshift.compiler.placement import Tensor

__all__ = ["Chain", "Ends", "touched"]

_NONE = 1 << 40
"""More rows than any map has."""


def touched(low: Lowered) -> list[str]:
    """Tensors a layer reads or writes, the one it writes last."""
    return list(dict.fromkeys([*read(low), low.layer.name]))


def read(low: Lowered) -> list[str]:
    """Tensors a layer reads."""
    others = [name for name in (low.layer.residual, low.gates) if name is not None]
    return list(dict.fromkeys([*low.sources, *others]))


@dataclass(frozen=True, eq=False)
class Ends:
    """How far layers are after every strip, for several heights of strips.

    Members
    -------
    rows : ndarray of int64, shape (strips, layers)
        Rows that are computed by the end of each strip; the strips of one height after those of another.
    starts : ndarray of int64, shape (heights,)
        The first strip of each height.
    """

    rows: np.ndarray
    starts: np.ndarray

    @cached_property
    def first(self) -> np.ndarray:
        """Whether each strip is the first of its height, ndarray of bool."""
        out = np.zeros(len(self.rows), bool)
        out[self.starts] = True
        return out

    @property
    def final(self) -> np.ndarray:
        """Rows after the last strip."""
        return self.rows[-1]

    @cached_property
    def before(self) -> np.ndarray:
        """`rows` at the strip before each, 0 before the first of a height."""
        return np.where(self.first[:, None], 0, np.roll(self.rows, 1, axis=0))

    @cached_property
    def earlier(self) -> np.ndarray:
        """`rows` two strips before each, 0 before the first of a height."""
        return np.where(self.first[:, None], 0, np.roll(self.before, 1, axis=0))

    @cached_property
    def next(self) -> np.ndarray:
        """`rows` at the strip after each, the last of a height being its own."""
        last = np.roll(self.first, -1)
        return np.where(last[:, None], self.rows, np.roll(self.rows, -1, axis=0))

    def only(self, height: int) -> "Ends":
        """Those of one height, by index."""
        end = self.starts[height + 1] if height + 1 < len(self.starts) else len(self.rows)
        return Ends(self.rows[self.starts[height] : end], np.zeros(1, np.int64))


@dataclass(frozen=True, eq=False)
class Chain:
    """Consecutive layers that are computed strip by strip; the strips are rows of the last one.

    Every layer goes as far as the ones behind it need, so each row is computed once; rows that are needed again stay.

    Parameters
    ----------
    layers : tuple of Lowered
    complete : frozenset of str
        Layers of which every row has to be computed.
    tensors : mapping of name to Tensor
    """

    layers: tuple[Lowered, ...]
    complete: frozenset[str]
    tensors: Mapping[str, Tensor]

    @cached_property
    def producers(self) -> Mapping[str, int]:
        """Tensor to the layer that computes it, by index."""
        return {low.layer.name: index for index, low in enumerate(self.layers)}

    @cached_property
    def readers(self) -> Mapping[str, list[int]]:
        """Tensor to the layers that read it, by index."""
        out: dict[str, list[int]] = {}
        for index, low in enumerate(self.layers):
            for name in read(low):
                out.setdefault(name, []).append(index)
        return out

    @cached_property
    def touched(self) -> tuple[str, ...]:
        """Tensors that the layers read or write, each once, in order."""
        return tuple(dict.fromkeys(name for low in self.layers for name in touched(low)))

    @property
    def height(self) -> int:
        """Rows of the last layer."""
        return self.layers[-1].layer.shape[1]

    def ends(self, *heights: int) -> Ends:
        """How far each layer is after every strip, for strips of each of these heights in rows of the last layer."""
        rows = np.array(heights)
        counts = -(-self.height // rows)
        starts = np.cumsum(counts) - counts
        strip = np.arange(counts.sum()) - np.repeat(starts, counts)
        end = np.minimum(self.height, (strip + 1) * np.repeat(rows, counts))
        wanted: list[np.ndarray] = [end] * len(self.layers)
        for index in reversed(range(len(self.layers))):
            wanted[index] = self._wanted(index, end, wanted)
        return Ends(np.stack(wanted, axis=1), starts)

    def _wanted(self, index: int, end: np.ndarray, wanted: list[np.ndarray]) -> np.ndarray:
        """Rows of a layer that the others need, or its share where it has to be complete."""
        layer = self.layers[index].layer
        inside = [reader for reader in self.readers.get(layer.name, []) if reader > index]
        rows = [self.layers[reader].needs(layer.name, wanted[reader]) for reader in inside]
        if layer.name in self.complete or not inside:
            rows.append(-(-layer.shape[1] * end // self.height))
        return np.maximum.reduce(rows)

    def needed(self, name: str, ends: np.ndarray) -> np.ndarray:
        """Rows of a tensor, from the first, that its readers need to get as far as each row of ``ends``."""
        return np.maximum.reduce(
            [self.layers[reader].needs(name, ends[:, reader]) for reader in self.readers[name]]
        )

    def lowest(self, name: str, before: np.ndarray, final: np.ndarray) -> np.ndarray:
        """First row that readers which have got as far as each row of ``before`` still need; all where none does."""
        height = self.tensors[name].shape[1]
        lowest = np.full(len(before), _NONE)
        for reader in self.readers.get(name, []):
            row = self.layers[reader].lowest(name, before[:, reader])
            lowest = np.minimum(lowest, np.where(before[:, reader] < final[reader], row, _NONE))
        return np.where(lowest == _NONE, height, lowest)

    def window(self, name: str, ends: Ends, stored: bool, ahead: int) -> np.ndarray:
        """Rows of a tensor to keep on chip, for each height of strips.

        Parameters
        ----------
        name : str
        ends : Ends
        stored : bool
            It goes to memory; while a strip of it does, the next one is computed where ``ahead`` is 1.
        ahead : int
            Strips that a tensor from memory is loaded in advance: 0 or 1.
        """
        producer = self.producers.get(name)
        low = self.lowest(name, ends.before, ends.final)
        if producer is None:
            have = self.needed(name, ends.next if ahead else ends.rows)
        else:
            have, low = ends.rows[:, producer], np.minimum(ends.before[:, producer], low)
            if stored and ahead:
                low = np.where(ends.first, low, np.minimum(low, ends.earlier[:, producer]))
        most = np.maximum(1, np.maximum.reduceat(have - low, ends.starts))
        return np.minimum(most, self.tensors[name].shape[1])

    def replaces(self, name: str, dying: str, ends: Ends) -> np.ndarray:
        """Whether a tensor may lie where one that is read here for the last time lies, from the same word on; for each
        height of strips.

        A layer that adds the old pixel to the new one of the same place reads it before it writes.
        """
        if name not in self.producers:
            return np.zeros(len(ends.starts), bool)
        producer, low = self.producers[name], self.layers[self.producers[name]]
        new, old = self.tensors[name], self.tensors[dying]
        in_place = (
            low.layer.residual == dying
            and dying not in low.sources
            and (new.row_words, new.pitch) == (old.row_words, old.pitch)
        )
        done = producer + in_place
        now = np.concatenate((ends.rows[:, :done], ends.before[:, done:]), axis=1)
        free = self.lowest(dying, now, ends.final) * old.row_words
        clear = ends.rows[:, producer] * new.row_words <= free
        return np.logical_and.reduceat(clear, ends.starts) & (new.words <= old.words)
