"""On-chip memory: which maps stay in the shift buffer, where, and the strips of those that do not."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from hwshift.compiler.lowered import Lowered
from hwshift.compiler.placement import Tensor
from hwshift.errors import CompileError

__all__ = ["Block", "LayerBuffers", "Plan", "plan_buffers"]


@dataclass(frozen=True)
class Block:
    """Words ``base`` to ``base + rows * row_words`` of every sub-bank: ``rows`` rows of one map."""

    base: int
    rows: int
    row_words: int
    pitch: int
    slots: int

    @property
    def length(self) -> int:
        """Words."""
        return self.rows * self.row_words

    def offset(self, row: int, first: int) -> int:
        """Offset of a map's row when row ``first`` lies at offset 0; circular."""
        return (row - first) * self.row_words % self.length

    def words(self, start: int, end: int, first: int) -> list[tuple[int, int]]:
        """Words of rows ``start`` to ``end`` as intervals (first, end)."""
        if end - start >= self.rows:
            return [(self.base, self.base + self.length)]
        low, size = self.offset(start, first), (end - start) * self.row_words
        head = min(size, self.length - low)
        out = [(self.base + low, self.base + low + head)]
        return [*out, (self.base, self.base + size - head)] if size > head else out


@dataclass(frozen=True)
class LayerBuffers:
    """One layer's strips: ``strip_rows`` output rows at a time; per tensor the blocks it takes turns with."""

    strip_rows: int
    blocks: Mapping[str, tuple[Block, ...]]


@dataclass(frozen=True)
class Plan:
    """Which tensors stay on chip as a whole, and every layer's buffers."""

    resident: Mapping[str, Block]
    layers: Mapping[str, LayerBuffers]


def plan_buffers(lowered: list[Lowered], tensors: Mapping[str, Tensor], depth: int) -> Plan:
    """Give every tensor a place for its whole life where there is room, else strips in the layers that touch it.

    A layer without room sends the largest map that lies on chip at that time to memory; this repeats until all fits.

    Parameters
    ----------
    lowered : list of Lowered
        In execution order.
    tensors : mapping of name to Tensor
    depth : int
        Words per sub-bank.

    Raises
    ------
    CompileError
        When one row at a time of a layer alone does not fit.
    """
    lives = _lives(lowered)
    in_memory = {name for name in lives if tensors[name].words > depth}
    while True:
        resident, victim = _place_residents(lives, in_memory, tensors, depth)
        if victim is None:
            layers, victim = _place_strips(lowered, lives, resident, tensors, depth)
            if victim is None:
                return Plan(resident, layers)
        in_memory.add(victim)


def _lives(lowered: list[Lowered]) -> dict[str, tuple[int, int]]:
    """First and last layer (by index) during which each tensor is needed."""
    lives: dict[str, tuple[int, int]] = {}
    for index, low in enumerate(lowered):
        for name in touched(low):
            first, _ = lives.get(name, (index, index))
            lives[name] = first, index
    return lives


def touched(low: Lowered) -> list[str]:
    """Tensors a layer reads or writes, the one it writes last."""
    residual = [] if low.layer.residual is None else [low.layer.residual]
    return list(dict.fromkeys([*low.sources, *residual, low.layer.name]))


def _place_residents(
    lives: Mapping[str, tuple[int, int]], in_memory: set[str], tensors: Mapping[str, Tensor], depth: int
) -> tuple[dict[str, Block], str | None]:
    """First fit in order of birth; the tensor to send to memory instead where that fails."""
    placed: dict[str, Block] = {}
    for name in sorted((name for name in lives if name not in in_memory), key=lambda name: lives[name][0]):
        others = [other for other in placed if _overlap(lives[name], lives[other])]
        base = _first_fit([placed[other] for other in others], tensors[name].words, depth)
        if base is None:
            return placed, max([*others, name], key=lambda other: (tensors[other].words, other == name))
        placed[name] = _block(base, tensors[name], tensors[name].shape[1])
    return placed, None


def _overlap(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return one[0] <= other[1] and other[0] <= one[1]


def _block(base: int, tensor: Tensor, rows: int) -> Block:
    return Block(base, rows, tensor.row_words, tensor.pitch, tensor.slots)


def _first_fit(taken: Iterable[Block], words: int, depth: int) -> int | None:
    base = 0
    for block in sorted(taken, key=lambda block: block.base):
        if block.base - base >= words:
            break
        base = max(base, block.base + block.length)
    return base if base + words <= depth else None


def _place_strips(
    lowered: list[Lowered],
    lives: Mapping[str, tuple[int, int]],
    resident: Mapping[str, Block],
    tensors: Mapping[str, Tensor],
    depth: int,
) -> tuple[dict[str, LayerBuffers], str | None]:
    layers: dict[str, LayerBuffers] = {}
    for index, low in enumerate(lowered):
        alive = {name: block for name, block in resident.items() if lives[name][0] <= index <= lives[name][1]}
        strips = _Strips(low, alive, tensors, depth)
        if not strips.best():
            own = [name for name in touched(low) if name in alive]
            if not alive:
                raise CompileError(
                    f"one output row needs {strips.needed(1)} words per sub-bank, feature_depth is {depth}",
                    where=low.layer.name,
                )
            others = [name for name in alive if name not in own]
            return layers, max(others or own, key=lambda name: tensors[name].words)
        layers[low.layer.name] = LayerBuffers(strips.rows, strips.placed)
    return layers, None


class _Strips:
    """Buffers of one layer: those of its tensors that are not on chip get blocks in what is free."""

    def __init__(
        self, low: Lowered, alive: Mapping[str, Block], tensors: Mapping[str, Tensor], depth: int
    ) -> None:
        self._low, self._alive, self._tensors, self._depth = low, alive, tensors, depth
        self._outside = [name for name in touched(low) if name not in alive]
        self._inside = {name: (alive[name],) for name in touched(low) if name in alive}
        self.rows = low.layer.shape[1]
        self.placed: dict[str, tuple[Block, ...]] = dict(self._inside)

    def best(self) -> bool:
        """Choose strip height and number of blocks; False if not even one row fits."""
        height = self._low.layer.shape[1]
        if not self._outside or self._fits(height, 1):
            return True
        halo = self._low.reach[1] - self._low.reach[0]
        double = self._largest(height, 2)
        if double >= min(height, 1 + halo):
            return self._fits(double, 2)
        single = self._largest(height, 1)
        return single > 0 and self._fits(single, 1)

    def needed(self, rows: int) -> int:
        """Words for strips of that many output rows, one block each."""
        return sum(self._tensors[name].row_words * self._strip(name, rows) for name in self._outside)

    def _largest(self, height: int, turns: int) -> int:
        low, high = 0, height
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if self._fits(middle, turns) else (low, middle - 1)
        return low

    def _strip(self, name: str, rows: int) -> int:
        """Rows of a tensor that a strip of output rows touches, at most."""
        height = self._low.layer.shape[1]
        extents = (self._low.rows_of(name, row, min(height, row + rows)) for row in range(0, height, rows))
        return max(1, *(end - first for first, end in extents))

    def _fits(self, rows: int, turns: int) -> bool:
        taken = list(self._alive.values())
        self.placed = dict(self._inside)
        for name in sorted(
            self._outside, key=lambda name: -self._tensors[name].row_words * self._strip(name, rows)
        ):
            blocks = []
            for _ in range(turns):
                count = self._strip(name, rows)
                base = _first_fit(taken, self._tensors[name].row_words * count, self._depth)
                if base is None:
                    return False
                blocks.append(_block(base, self._tensors[name], count))
                taken.append(blocks[-1])
            self.placed[name] = tuple(blocks)
        self.rows = rows
        return True
