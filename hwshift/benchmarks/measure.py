"""Measurements: repeated runs of several things in turn, so that a slow minute of the machine hits all of them."""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from statistics import median

__all__ = ["Measurement", "Row", "measure", "rows_of"]


@dataclass(frozen=True)
class Measurement:
    """``amount`` of ``unit``, done in each of ``seconds``."""

    name: str
    unit: str
    amount: float
    seconds: tuple[float, ...]

    @property
    def rate(self) -> float:
        """Units per second, by the median."""
        return self.amount / median(self.seconds)


@dataclass(frozen=True)
class Row:
    """A measurement in its table.

    Members
    -------
    group : str
        What is compared, for example a shape or a network and its batch.
    name : str
    unit : str
        What is counted.
    rate : float
        Units per second, by the median.
    seconds : tuple of float
    ratio : float or None
        This row's rate over that of the group's `against`; None where it is that.
    against : str
    """

    group: str
    name: str
    unit: str
    rate: float
    seconds: tuple[float, ...]
    ratio: float | None
    against: str

    def as_dict(self) -> dict:
        """For JSON."""
        return asdict(self)


def measure(
    cases: Mapping[str, Callable[[], object]], unit: str, amount: float, repeats: int, warm: bool = True
) -> list[Measurement]:
    """Time each case ``repeats`` times, taking turns, after one run of each that warms up, if ``warm``."""
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    for case in cases.values() if warm else ():
        case()
    for _ in range(repeats):
        for name, case in cases.items():
            start = time.perf_counter()
            case()
            seconds[name].append(time.perf_counter() - start)
    return [Measurement(name, unit, amount, tuple(times)) for name, times in seconds.items()]


def rows_of(group: str, measurements: list[Measurement], against: str) -> list[Row]:
    """The measurements of a group, with ratios to one of them (the fastest of several that begin so)."""
    base = max((m for m in measurements if m.name.startswith(against)), key=lambda m: m.rate, default=None)
    rows = []
    for m in measurements:
        ratio = None if base is None or m is base else m.rate / base.rate
        rows.append(Row(group, m.name, m.unit, m.rate, m.seconds, ratio, "" if base is None else base.name))
    return rows
