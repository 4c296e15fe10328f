"""Cells as differentiable architecture search writes them down, and the cells that were published."""

from collections.abc import Sequence
from dataclasses import dataclass

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
            edges = tuple(_edge(edge, kind, index) for index, edge in enumerate(getattr(self, kind)))
            if not edges or len(edges) % 2:
                raise NetworkError(f"a cell has two edges for each state, not {len(edges)} edges", where=kind)
            states = len(edges) // 2 + 2
            chosen = tuple(getattr(self, f"{kind}_concat")) or tuple(range(2, states))
            for state in chosen:
                if not isinstance(state, int) or not 2 <= state < states:
                    raise NetworkError(
                        f"states 2 to {states - 1} exist, not {state!r}", where=f"{kind}_concat"
                    )
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
        return cls(normal, reduce, get("normal_concat") or (), get("reduce_concat") or ())


def _edge(edge: Edge, kind: str, index: int) -> Edge:
    where = f"{kind}[{index}]"
    try:
        operation, state = edge
    except (TypeError, ValueError):
        raise NetworkError(f"an edge is (operation, state), not {edge!r}", where=where) from None
    name = operation.replace(" ", "_") if isinstance(operation, str) else operation
    if name not in OPERATIONS:
        raise NetworkError(f"unknown operation {operation!r}; known: {', '.join(OPERATIONS)}", where=where)
    if isinstance(state, bool) or not isinstance(state, int) or not 0 <= state < index // 2 + 2:
        raise NetworkError(f"states 0 to {index // 2 + 1} exist here, not {state!r}", where=where)
    return name, state


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
