"""Which layers are computed together, strip by strip, so that the maps between them never leave the chip."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from hwshift.compiler.lowered import Lowered
from hwshift.compiler.parts import Part, cut_columns, cut_layer
from hwshift.compiler.placement import Tensor
from hwshift.compiler.strips import Chain, Ends, touched
from hwshift.config import AcceleratorConfig
from hwshift.program.isa import INSTRUCTION_BYTES

__all__ = [
    "AS_COMPILED",
    "Lives",
    "NotInPlace",
    "Piece",
    "Pieces",
    "Preference",
    "Unplaced",
    "partition",
    "strip_heights",
]

_LONGEST = 8
"""Layers that are computed together at most."""
_INSTRUCTIONS = 5
"""Per layer and strip, about."""
_INPUT_STRIPS = 8
"""Parts at most in which the first layer follows the arrival of its input."""
_LEAST_STEPS = 64
"""Steps of such a part at least, for each k-tile."""


class Unplaced(Exception):
    """No room for what the layers ``start`` to ``end`` need; ``fused``: for the rows between them."""

    def __init__(self, start: int, end: int, fused: bool = False) -> None:
        super().__init__(start, end, fused)
        self.start, self.end, self.fused = start, end, fused


class NotInPlace(Exception):
    """The tensor ``name`` cannot lie where the one whose place it takes lies."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


@dataclass(frozen=True)
class Preference:
    """What a schedule is chosen by; a beat on the bus counts as 1.

    Members
    -------
    short : float
        A cycle that a pass is shorter than its weight tile takes to load.
    overlap : bool
        Lower strips, so that the next one is loaded while one is computed, rather than high ones.
    rename : bool
        Concatenations, shuffles and slices are names where that takes no more steps.
    """

    short: float = 1.0
    overlap: bool = False
    rename: bool = True


AS_COMPILED = Preference()
"""What holds where nothing is asked for."""


@dataclass(frozen=True, eq=False)
class Lives:
    """First and last layer (by index) that each tensor is needed in: produced or first read, and last read.

    Members
    -------
    first, last : mapping of name to int
        A network output is needed after the last layer.
    produced : frozenset of str
        All but the network's input.
    """

    first: Mapping[str, int]
    last: Mapping[str, int]
    produced: frozenset[str]

    @classmethod
    def of(cls, lowered: list[Lowered], outputs: tuple[str, ...]) -> "Lives":
        """Of all tensors of a network."""
        first: dict[str, int] = {}
        last: dict[str, int] = {}
        for index, low in enumerate(lowered):
            for name in touched(low):
                first.setdefault(name, index)
                last[name] = index
        last |= dict.fromkeys(outputs, len(lowered))
        return cls(first, last, frozenset(low.layer.name for low in lowered))

    def crosses(self, name: str, start: int, end: int) -> bool:
        """Whether a tensor that is needed at the time of these layers is needed before or after them, too."""
        return self.first[name] < start or self.last[name] > end

    def alive(self, start: int, end: int) -> list[str]:
        """Tensors that are needed at the time of these layers."""
        return [name for name in self.first if self.first[name] <= end and self.last[name] >= start]


@dataclass(frozen=True)
class Piece:
    """Layers ``start`` to ``end`` (both included) in strips of ``rows`` rows of the last one."""

    start: int
    end: int
    rows: int


class Pieces:
    """The choices: what layers need on chip when they are computed together, and what that costs.

    Members
    -------
    in_memory : set of str
        Tensors that are not on chip as a whole.
    refused : set of (int, int)
        First and last layer of chains that do not fit although their words do.
    in_parts : set of int
        Layers that are cut into columns or slots.
    """

    def __init__(
        self,
        lowered: list[Lowered],
        tensors: Mapping[str, Tensor],
        lives: Lives,
        config: AcceleratorConfig,
        keep_all: bool,
        preference: Preference = AS_COMPILED,
    ) -> None:
        self._preference = preference
        self._lowered, self._tensors, self._lives, self._config = lowered, tensors, lives, config
        self._keep_all = keep_all
        self.in_memory = {name for name in lives.first if tensors[name].words > config.feature_depth}
        self._places = {name: name for name in lives.first} | _places(tensors)
        self._pinned = set(_places(tensors))
        self.refused: set[tuple[int, int]] = set()
        self.in_parts: set[int] = set()
        self._parts: dict[tuple[int, int, int], list[Part] | None] = {}
        self._alive: dict[tuple[int, int], list[str]] = {}
        self._known: dict[tuple[int, int, frozenset[str]], int | None] = {}

    def chain(self, start: int, end: int) -> Chain:
        """The layers as one chain."""
        layers = tuple(self._lowered[start : end + 1])
        complete = frozenset(
            low.layer.name for low in layers if self._keep_all or self._lives.last[low.layer.name] > end
        )
        return Chain(layers, complete, self._tensors)

    def alive(self, start: int, end: int) -> list[str]:
        """Tensors that are needed at the time of these layers."""
        if (start, end) not in self._alive:
            self._alive[start, end] = self._lives.alive(start, end)
        return self._alive[start, end]

    def whole(self, start: int, end: int) -> list[str]:
        """Tensors that lie on chip as a whole at that time; those that share a place always do."""
        return [
            name
            for name in self.alive(start, end)
            if (name in self._pinned or self._lives.crosses(name, start, end)) and name not in self.in_memory
        ]

    def windows(self, chain: Chain, ends: Ends, whole: list[str], ahead: int) -> dict[str, np.ndarray]:
        """Rows on chip of every other tensor of the chain, for each height of strips."""
        return {
            name: chain.window(name, ends, self.is_stored(name, chain), ahead)
            for name in chain.touched
            if name not in whole
        }

    def is_stored(self, name: str, chain: Chain) -> bool:
        """Whether a tensor of the chain goes to memory because of the chip's size."""
        return name in chain.producers and name in self.in_memory and name in chain.complete

    def cut(self, index: int) -> bool:
        """Cut a layer into parts, if that is of use and not done yet."""
        possible = index not in self.in_parts and self.least(index)[1] <= self._config.feature_depth
        self.in_parts |= {index} if possible else set()
        return possible

    def parts(self, index: int) -> Iterator[list[Part]]:
        """A layer in 2, 3, ... parts by columns, then by slots, then by both."""
        low = self._lowered[index]
        slots, width = self._tensors[low.layer.name].slots, low.layer.shape[2]
        cuts = [(slots, columns) for columns in strip_heights(width)]
        cuts += [(own, width) for own in strip_heights(slots)] + [
            (1, columns) for columns in strip_heights(width)
        ]
        for cut in dict.fromkeys(cuts):
            parts = self._cut(index, *cut)
            if parts is not None and len(parts) > 1:
                yield parts

    def _cut(self, index: int, slots: int, width: int) -> list[Part] | None:
        key = index, slots, width
        if key not in self._parts:
            self._parts[key] = cut_layer(self._lowered[index], self._tensors, slots, width, self._config)
        return self._parts[key]

    def least(self, index: int) -> tuple[str, int]:
        """The least that can be computed of a layer at a time, and the words that this needs."""
        low = self._lowered[index]
        whole = Part(self.chain(index, index))
        parts = max(self._cut(index, 1, low.layer.shape[2]) or [whole], [whole], key=len)
        largest = max(parts, key=lambda part: self._row_words(part.chain))
        chain = largest.chain
        columns = cut_columns(chain.layers[0], chain.tensors, 1, self._config) or [largest]
        channels, _, width = columns[0].chain.layers[0].layer.shape
        what = "row" if width == low.layer.shape[2] else "pixel"
        some = f" of {channels} channels" if channels < low.layer.shape[0] else ""
        return what + some, max(self._row_words(part.chain) for part in columns)

    def _row_words(self, chain: Chain) -> int:
        """Words that one row of the last layer needs."""
        windows = self.windows(chain, chain.ends(1), [], 0)
        return sum(chain.tensors[name].row_words * int(rows) for name, (rows,) in windows.items())

    def fits(self, start: int, end: int, depth: int) -> int | None:
        """The greatest strips, in rows, for which the layers fit on chip; None where none do."""
        if start == end and start in self.in_parts:
            return 1
        if (start, end) in self.refused:
            return None
        key = start, end, frozenset(self.in_memory.intersection(self.alive(start, end)))
        if key not in self._known:
            self._known[key] = self._fits(start, end, depth)
        return self._known[key]

    def _fits(self, start: int, end: int, depth: int) -> int | None:
        whole = self.whole(start, end)
        total = sum(self._tensors[name].words for name in {self._places[name] for name in whole})
        chain = self.chain(start, end)
        dying = [
            name
            for name in whole
            if self._lives.last[name] <= end
            and self._lives.first[name] < start
            and not any(self._tensors[other].takes == name for other in chain.producers)
        ]
        born = [name for name in whole if name in chain.producers and self._tensors[name].takes is None]
        saving = sum(max((self._tensors[n].words for n in born), default=0) for _ in dying[:1])
        if total - saving > depth:
            return None
        heights = list(strip_heights(chain.height))
        ends = chain.ends(*heights)
        windows = self.windows(chain, ends, whole, 0)
        rows = sum(self._tensors[name].row_words * count for name, count in windows.items())
        words = np.full(len(heights), total) + rows
        most = sum(self._tensors[name].words for name in born if dying)
        for height in np.flatnonzero(words - most <= depth).tolist():
            if words[height] - self._saved(chain, ends.only(height), born, dying) <= depth:
                return heights[height]
        return None

    def _saved(self, chain: Chain, ends: Ends, born: list[str], dying: list[str]) -> int:
        """Words that outputs need not have of their own, because they replace inputs."""
        saved, free = 0, list(dying)
        for name in born:
            for old in free:
                if chain.replaces(name, old, ends):
                    saved += self._tensors[name].words
                    free.remove(old)
                    break
        return saved

    def arrival_rows(self, chain: Chain) -> int:
        """Strips in which the first layers follow the arrival of the network's input."""
        low = chain.layers[0]
        late = [name for name in chain.readers if name not in self._lives.produced]
        cycles = sum(self._tensors[name].shape[1] * self._row_cycles(name) for name in late)
        tiles = sum(map(self._weight_tiles, chain.layers))
        steps = -(-low.layer.shape[2] // self._config.pixels)
        least = -(-max(_LEAST_STEPS, 4 * self._config.tile_words) // steps)
        strips = min(_INPUT_STRIPS, cycles // (tiles * self._config.tile_beats), low.layer.shape[1] // least)
        return -(-chain.height // max(1, strips))

    def _row_beats(self, name: str) -> int:
        """Beats of one row in memory."""
        tensor, config = self._tensors[name], self._config
        return -(-tensor.shape[2] * tensor.slots * tensor.lanes(config) // config.beat_elements)

    def _row_cycles(self, name: str) -> int:
        """Cycles in which a row arrives: pixels are written one by one."""
        return max(self._tensors[name].shape[2], self._row_beats(name))

    @staticmethod
    def _weight_tiles(low: Lowered) -> int:
        return 1 if low.constant is not None else sum(map(len, low.weights))

    def cost(self, start: int, end: int, rows: int) -> float:
        """Beats of memory traffic that could be avoided, and cycles of passes shorter than a tile takes to load."""
        config, chain = self._config, self.chain(start, end)
        strips = -(-chain.height // rows)
        beats = 0.0
        stay = sum(map(self._weight_tiles, chain.layers)) <= config.weight_tiles
        for low in chain.layers:
            tiles = self._weight_tiles(low)
            beats += 0 if stay else (strips - 1) * tiles * config.tile_beats
            beats += strips * _INSTRUCTIONS * INSTRUCTION_BYTES // config.beat_bytes
            _, height, width = low.layer.shape
            steps = -(-height // strips) * (low.lead + -(-width // config.pixels))
            beats += self._preference.short * strips * tiles * max(0, config.tile_words - steps)
        for name in chain.touched:
            if name in self.in_memory and self._lives.crosses(name, start, end):
                beats += self._tensors[name].shape[1] * self._row_beats(name)
        return beats


def _places(tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """Tensors that share a place, and the first tensor of each place."""
    first: dict[str, str] = {}
    for tensor in tensors.values():
        if tensor.takes is not None:
            first.setdefault(tensor.takes, tensor.takes)
            first[tensor.name] = first[tensor.takes]
    return first


def strip_heights(height: int) -> Iterator[int]:
    """Heights of equal strips, the greatest first: all rows, a half, a third, ..."""
    last = None
    for count in range(1, height + 1):
        rows = -(-height // count)
        if rows != last:
            yield rows
        last = rows


def partition(pieces: Pieces, count: int, depth: int) -> list[Piece]:
    """Cut a network into pieces that fit, at the least cost.

    Raises
    ------
    Unplaced
        When a layer fits in no piece.
    """
    options: dict[tuple[int, int], tuple[float, Piece]] = {}
    easy = []
    for index in range(count):
        rows = pieces.fits(index, index, depth)
        if rows is not None:
            options[index, index] = pieces.cost(index, index, rows), Piece(index, index, rows)
        easy.append(rows == pieces.chain(index, index).height and not _moves(pieces, index))
    for start in range(count):
        for end in range(start + 1, min(count, start + _LONGEST)):
            if not all(easy[start : end + 1]):
                rows = pieces.fits(start, end, depth)
                if rows is not None:
                    options[start, end] = pieces.cost(start, end, rows), Piece(start, end, rows)
    return _cheapest(options, count)


def _moves(pieces: Pieces, index: int) -> bool:
    return any(name in pieces.in_memory for name in touched(pieces.chain(index, index).layers[0]))


def _cheapest(options: Mapping[tuple[int, int], tuple[float, Piece]], count: int) -> list[Piece]:
    best: list[tuple[float, list[Piece]] | None] = [(0, [])]
    for end in range(count):
        found = None
        for start in range(max(0, end - _LONGEST + 1), end + 1):
            before = best[start]
            if before is not None and (start, end) in options:
                cost, piece = options[start, end]
                if found is None or before[0] + cost < found[0]:
                    found = before[0] + cost, [*before[1], piece]
        best.append(found)
    last = best[count]
    if last is None:
        covered = {index for start, end in options for index in range(start, end + 1)}
        missing = [index for index in range(count) if index not in covered]
        reached = max(index for index in range(count) if best[index] is not None)
        index = missing[0] if missing else min(reached, count - 1)
        raise Unplaced(index, index)
    return last[1]
