"""Layers that take turns over strips of rows: how far each is after every strip, and the rows that have to be kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from hwshift.compiler.lowered import Lowered
from hwshift.compiler.placement import Tensor

__all__ = ["Chain", "touched"]


def touched(low: Lowered) -> list[str]:
    """Tensors a layer reads or writes, the one it writes last."""
    return list(dict.fromkeys([*read(low), low.layer.name]))


def read(low: Lowered) -> list[str]:
    """Tensors a layer reads."""
    others = [name for name in (low.layer.residual, low.gates) if name is not None]
    return list(dict.fromkeys([*low.sources, *others]))


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

    @property
    def height(self) -> int:
        """Rows of the last layer."""
        return self.layers[-1].layer.shape[1]

    def ends(self, rows: int) -> list[list[int]]:
        """Per strip of ``rows`` rows, the rows of each layer that are computed by its end."""
        done = [0] * len(self.layers)
        out = []
        for first in range(0, self.height, rows):
            end = min(self.height, first + rows)
            wanted = list(done)
            for index in reversed(range(len(self.layers))):
                wanted[index] = max(done[index], self._wanted(index, end, wanted))
            done = wanted
            out.append(done)
        return out

    def _wanted(self, index: int, end: int, wanted: list[int]) -> int:
        """Rows of a layer that the others need, or its share where it has to be complete."""
        layer = self.layers[index].layer
        inside = [reader for reader in self.readers.get(layer.name, []) if reader > index]
        rows = [self.layers[reader].needs(layer.name, wanted[reader]) for reader in inside]
        if layer.name in self.complete or not inside:
            rows.append(-(-layer.shape[1] * end // self.height))
        return max(rows)

    def needed(self, name: str, ends: list[int]) -> int:
        """Rows of a tensor, from the first, that its readers need to get as far as ``ends``."""
        return max(self.layers[reader].needs(name, ends[reader]) for reader in self.readers[name])

    def lowest(self, name: str, before: list[int], final: list[int], skip: int | None = None) -> int:
        """First row that readers which have got as far as ``before`` still need; all rows where none does.

        Reader ``skip`` does not count.
        """
        rows = [
            self.layers[reader].lowest(name, before[reader])
            for reader in self.readers.get(name, [])
            if before[reader] < final[reader] and reader != skip
        ]
        return min(rows, default=self.tensors[name].shape[1])

    def window(self, name: str, ends: list[list[int]], stored: bool, ahead: int) -> int:
        """Rows of a tensor to keep on chip.

        Parameters
        ----------
        name : str
        ends : as of `ends`
        stored : bool
            It goes to memory; while a strip of it does, the next one is computed where ``ahead`` is 1.
        ahead : int
            Strips that a tensor from memory is loaded in advance: 0 or 1.
        """
        producer, final = self.producers.get(name), ends[-1]
        start = [0] * len(final)
        most = 1
        for index, end in enumerate(ends):
            before = ends[index - 1] if index else start
            if producer is None:
                have = self.needed(name, ends[min(index + ahead, len(ends) - 1)])
                low = self.lowest(name, before, final)
            else:
                have, low = end[producer], min(before[producer], self.lowest(name, before, final))
                if stored and ahead and index > 0:
                    low = min(low, ends[index - 2][producer] if index > 1 else 0)
            most = max(most, have - low)
        return min(most, self.tensors[name].shape[1])

    def replaces(self, name: str, dying: str, ends: list[list[int]]) -> bool:
        """Whether a tensor may lie where one that is read here for the last time lies, from the same word on.

        A layer that adds the old pixel to the new one of the same place reads it before it writes.
        """
        if name not in self.producers:
            return False
        producer, low = self.producers[name], self.layers[self.producers[name]]
        new, old, final = self.tensors[name], self.tensors[dying], ends[-1]
        in_place = (
            low.layer.residual == dying
            and dying not in low.sources
            and (new.row_words, new.pitch) == (old.row_words, old.pitch)
        )
        start = [0] * len(final)
        for index, end in enumerate(ends):
            before = ends[index - 1] if index else start
            now = [
                end[i] if i < producer or (i == producer and in_place) else before[i] for i in range(len(end))
            ]
            if end[producer] * new.row_words > self.lowest(dying, now, final) * old.row_words:
                return False
        return new.words <= old.words
