"""Cells as differentiable architecture search writes them down, and the cells that were published."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from hwshift.errors import NetworkError

__all__ = ["DARTS_V2", "OPERATIONS", "PUBLISHED", "SHIFTNAS_CIFAR10", "SHIFTNAS_CIFAR100", "Edge", "Genotype"]

OPERATIONS = (
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "sep_conv_7x7",
    "dil_conv_3x3",
    "dil_conv_5x5",
    "conv_7x1_1x7",
)
"""Operations an edge may have; spaces read as underscores."""

Edge = tuple[str, int]


@dataclass(frozen=True)
class Genotype:
    """Two kinds of cells.

    States 0 and 1 are the outputs of the last two cells; each pair of edges makes the next state, the sum of both.

    Parameters
    ----------
    normal, reduce : sequence of (operation, state)
        Two edges for each state, in order. The first two states are read with stride 2 in `reduce`.
    normal_concat, reduce_concat : sequence of int
        The states whose channels are the cell's output; empty: all new ones.

    Raises
    ------
    NetworkError
        For an unknown operation, an odd number of edges, or a state that does not exist yet.
    """

    normal: Sequence[Edge]
    reduce: Sequence[Edge]
    normal_concat: Sequence[int] = ()
    reduce_concat: Sequence[int] = ()

    def __post_init__(self) -> None:
        for kind in ("normal", "reduce"):
            given = _sequence(getattr(self, kind), kind)
            edges = tuple(_edge(edge, kind, index) for index, edge in enumerate(given))
            if not edges or len(edges) % 2:
                raise NetworkError(f"a cell has two edges for each state, not {len(edges)} edges", where=kind)
            states = len(edges) // 2 + 2
            chosen = _sequence(getattr(self, f"{kind}_concat"), f"{kind}_concat") or tuple(range(2, states))
            chosen = tuple(_state(state, 2, states, f"{kind}_concat") for state in chosen)
            object.__setattr__(self, kind, edges)
            object.__setattr__(self, f"{kind}_concat", chosen)

    @classmethod
    def of(cls, value: object) -> "Genotype":
        """From a name of `PUBLISHED`, or an object or mapping with these fields, such as DARTS's named tuple."""
        if isinstance(value, cls):
            return value
        if isinstance(value, str):
            if value.lower() not in PUBLISHED:
                raise NetworkError(f"published are {', '.join(PUBLISHED)}, not {value!r}", where="genotype")
            return PUBLISHED[value.lower()]
        get = value.get if isinstance(value, dict) else lambda name: getattr(value, name, None)
        normal, reduce = get("normal"), get("reduce")
        if normal is None or reduce is None:
            raise NetworkError(f"needs the fields normal and reduce, not {value!r}", where="genotype")
        normal_concat, reduce_concat = get("normal_concat"), get("reduce_concat")
        return cls(
            normal,
            reduce,
            () if normal_concat is None else normal_concat,
            () if reduce_concat is None else reduce_concat,
        )


def _edge(edge: Edge, kind: str, index: int) -> Edge:
    where = f"{kind}[{index}]"
    try:
        operation, state = edge
    except (TypeError, ValueError):
        raise NetworkError(f"an edge is (operation, state), not {edge!r}", where=where) from None
    name = operation.replace(" ", "_") if isinstance(operation, str) else operation
    if name not in OPERATIONS:
        raise NetworkError(f"unknown operation {operation!r}; known: {', '.join(OPERATIONS)}", where=where)
    return name, _state(state, 0, index // 2 + 2, where)


def _state(state: object, low: int, end: int, where: str) -> int:
    """A state as an integer, also from NumPy's."""
    if (
        isinstance(state, bool | np.bool_)
        or not isinstance(state, int | np.integer)
        or not low <= state < end
    ):
        raise NetworkError(f"states {low} to {end - 1} exist here, not {state!r}", where=where)
    return int(state)


def _sequence(values: object, where: str) -> tuple:
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise NetworkError(f"must be a sequence, not {values!r}", where=where)
    return tuple(values)


SHIFTNAS_CIFAR10 = Genotype(
    normal=(
        ("skip_connect", 0), ("skip_connect", 1),
        ("sep_conv_3x3", 0), ("sep_conv_3x3", 1),
        ("sep_conv_3x3", 0), ("sep_conv_3x3", 1),
        ("sep_conv_3x3", 0), ("dil_conv_5x5", 4),
    ),
    reduce=(
        ("skip_connect", 0), ("skip_connect", 1),
        ("sep_conv_3x3", 0), ("max_pool_3x3", 1),
        ("sep_conv_3x3", 0), ("sep_conv_5x5", 1),
        ("skip_connect", 0), ("dil_conv_5x5", 2),
    ),
)  # fmt: skip
"""ShiftNAS, Table 5."""

SHIFTNAS_CIFAR100 = Genotype(
    normal=(
        ("sep_conv_3x3", 0), ("skip_connect", 1),
        ("skip_connect", 0), ("sep_conv_3x3", 1),
        ("sep_conv_3x3", 0), ("sep_conv_3x3", 1),
        ("sep_conv_3x3", 0), ("sep_conv_5x5", 4),
    ),
    reduce=(
        ("max_pool_3x3", 0), ("skip_connect", 1),
        ("sep_conv_5x5", 0), ("sep_conv_5x5", 1),
        ("max_pool_3x3", 0), ("dil_conv_5x5", 3),
        ("sep_conv_5x5", 0), ("sep_conv_3x3", 3),
    ),
)  # fmt: skip
"""ShiftNAS, Table 6."""

DARTS_V2 = Genotype(
    normal=(
        ("sep_conv_3x3", 0), ("sep_conv_3x3", 1),
        ("sep_conv_3x3", 0), ("sep_conv_3x3", 1),
        ("sep_conv_3x3", 1), ("skip_connect", 0),
        ("skip_connect", 0), ("dil_conv_3x3", 2),
    ),
    reduce=(
        ("max_pool_3x3", 0), ("max_pool_3x3", 1),
        ("skip_connect", 2), ("max_pool_3x3", 1),
        ("max_pool_3x3", 0), ("skip_connect", 2),
        ("skip_connect", 2), ("max_pool_3x3", 1),
    ),
)  # fmt: skip
"""The best cells of Liu et al., "DARTS" (ICLR 2019)."""

PUBLISHED = {
    "shiftnas-cifar10": SHIFTNAS_CIFAR10,
    "shiftnas-cifar100": SHIFTNAS_CIFAR100,
    "darts-v2": DARTS_V2,
}
"""By name."""
