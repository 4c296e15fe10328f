"""A pairwise covering array of configurations: any two values that can go together stand in one of them.

``python -m tests.sim.covering`` prints it as the table of ``docs/verification.md``.
"""

from itertools import combinations, product

import numpy as np

from hwshift.config import AcceleratorConfig
from hwshift.errors import ConfigError
from hwshift.golden.formats import QFormat

from ..seeds import generator

FACTORS: dict[str, tuple] = {
    "R": (4, 8, 16, 32),
    "C": (4, 8, 16, 32),
    "P": (1, 2, 4),
    "PE": ("shift_add", "mac"),
    "act": ("Q16.16", "Q8.8", "Q4.12", "Q5.6"),
    "G": ("0", "some", "exact"),
    "scale": ("multiplier", "4 digits", "1 digit"),
    "max pool": (True, False),
    "residual": (True, False),
    "bus": (32, 64, 128, 256, 512),
    "W_r": (1, 2, 4),
    "input": (1, 2, 3, 4),
    "row taps": (False, True),
}
"""What is varied. "some" guard bits are half of the exact ones; "input": channels of the networks' inputs."""
SMALL_BUFFERS = {
    "feature_depth": 128,
    "weight_tiles": 4,
    "acc_depth": 16,
    "ktile_entries": 64,
    "lane_rows": 32,
    "param_tiles": 8,
}
"""Depths that programs of a few hundred cycles fill."""
_NAMES = tuple(FACTORS)
_TRIES = 60

Choice = dict[str, object]
Pair = tuple[tuple[str, object], tuple[str, object]]


def configuration(choice: Choice, **depths: int) -> AcceleratorConfig:
    """The configuration of one row; ConfigError if its values do not go together."""
    digits = {"multiplier": None, "4 digits": 4, "1 digit": 1}[choice["scale"]]
    config = AcceleratorConfig(
        name="-".join(str(value) for value in choice.values()), rows=choice["R"], columns=choice["C"],
        pixels=choice["P"], pe=choice["PE"], act=QFormat.parse(choice["act"]), scale_digits=digits,
        max_pool=choice["max pool"], residual=choice["residual"], bus_width=choice["bus"],
        weight_rows=choice["W_r"], row_taps=choice["row taps"], **depths,
    )  # fmt: skip
    guard = {"0": 0, "some": config.guard // 2, "exact": config.guard}[choice["G"]]
    return config.with_(weights=config.weights, guard=guard)


def valid(choice: Choice) -> bool:
    """The rules of the combinations, written apart from the configuration: C divides R, a beat is at most one vector,
    row taps go with one pixel lane.
    """
    bits = 32 if choice["act"] == "Q16.16" else 16
    fits = choice["R"] % choice["C"] == 0 and choice["bus"] <= choice["R"] * bits
    return fits and (choice["P"] == 1 or not choice["row taps"])


def _pairs(choice: Choice) -> set[Pair]:
    return set(combinations(choice.items(), 2))


def possible_pairs() -> set[Pair]:
    """Pairs of values for which some valid combination exists."""
    bound = ("R", "C", "act", "bus")  # what the rules are about; every other value goes with every one
    found: set[Pair] = set()
    for values in product(*(FACTORS[name] for name in bound)):
        chosen = dict(zip(bound, values, strict=True))
        if _fits(chosen):
            ordered = {name: chosen[name] for name in _NAMES if name in chosen}
            found |= _pairs(ordered)
            for name, value in ordered.items():
                for other in set(_NAMES) - set(bound):
                    for each in FACTORS[other]:
                        found.add(_in_order((name, value), (other, each)))
    for first, second in combinations([name for name in _NAMES if name not in bound], 2):
        pairs = product(FACTORS[first], FACTORS[second])
        found |= {((first, a), (second, b)) for a, b in pairs if _fits({first: a, second: b})}
    return found


def _in_order(*pair: tuple[str, object]) -> Pair:
    return tuple(sorted(pair, key=lambda item: _NAMES.index(item[0])))  # type: ignore[return-value]


def covering_array(seed: int = 1) -> list[Choice]:
    """Rows that hold every possible pair: each the best of some that are drawn around a pair that is missing."""
    rng = generator(seed)
    missing = sorted(possible_pairs(), key=str)
    rows: list[Choice] = []
    while missing:
        drawn = [row for _ in range(_TRIES) if (row := _around(missing, rng)) is not None]
        wanted = set(missing)
        best = max(drawn, key=lambda row: len(_pairs(row) & wanted))
        rows.append(best)
        covered = _pairs(best)
        missing = [pair for pair in missing if pair not in covered]
    return sorted(rows, key=lambda row: (row["R"] * row["C"] * row["P"], str(row)))


def _around(missing: list[Pair], rng: np.random.Generator) -> Choice | None:
    """A valid row with a missing pair; each further value is the one with the most missing pairs to those before."""
    wanted, chosen = set(missing), dict(missing[rng.integers(len(missing))])
    for name in rng.permutation([name for name in _NAMES if name not in chosen]).tolist():
        values = [FACTORS[name][index] for index in rng.permutation(len(FACTORS[name]))]
        gains = [sum(_in_order((name, value), item) in wanted for item in chosen.items()) for value in values]
        fitting = [(gain, index) for index, gain in enumerate(gains) if _fits(chosen | {name: values[index]})]
        if not fitting:
            return None
        chosen[name] = values[max(fitting)[1]]
    return {name: chosen[name] for name in _NAMES}


def _fits(chosen: Choice) -> bool:
    """Whether the rules allow it, as far as it is chosen."""
    return valid({"R": 32, "C": 4, "act": "Q16.16", "bus": 32, "P": 1, "row taps": False} | chosen)


def table(rows: list[Choice]) -> str:
    """As Markdown."""
    lines = ["| | " + " | ".join(_NAMES) + " |", "|---" * (len(_NAMES) + 1) + "|"]
    for number, row in enumerate(rows):
        cells = ({True: "yes", False: "no"}.get(value, value) if isinstance(value, bool) else value
                 for value in row.values())  # fmt: skip
        lines.append(f"| {number} | " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines) + "\n"


def refused(choice: Choice) -> bool:
    """Whether the configuration cannot be made."""
    try:
        configuration(choice)
    except ConfigError:
        return True
    return False


if __name__ == "__main__":
    print(table(covering_array()), end="")
