"""How long stages take that cannot tell how far they are: as long as last time, or as they typically do."""

import json
from collections.abc import Sequence
from pathlib import Path

from hwshift.writing import replace_file

__all__ = ["TYPICAL", "Durations", "typical"]

_KEPT = 500  # command lines and stages
_SHORT = 1.0  # seconds below which nothing is kept

TYPICAL: dict[str, float] = {
    "accuracy of all images": 60,
    "bars": 20,
    "building the C simulation": 20,
    "building the accelerators": 90,
    "C simulation": 20,
    "compiling": 5,
    "computing the expected results": 5,
    "computing the layers": 5,
    "counting": 3,
    "cycle model": 3,
    "drawing": 5,
    "feature buffer": 15,
    "folding": 3,
    "functional simulator": 5,
    "growth": 10,
    "layers": 20,
    "loading images": 3,
    "loading the network": 3,
    "mapping": 90,
    "memory of batches": 30,
    "models": 60,
    "place and route": 900,
    "predicting cycles": 3,
    "products": 20,
    "quantizing": 3,
    "report and Verilog": 30,
    "start of a process": 10,
    "the multiplier's peak": 10,
    "Verilator runs": 60,
    "writing Verilog": 10,
    "writing files": 2,
}
"""Seconds, by the words that a stage begins with: what they took on two cores for networks of a million weights."""


def typical(stage: str) -> float:
    """Seconds that a stage takes, roughly; 0 where nothing is known of it."""
    found = [words for words in TYPICAL if stage.startswith(words)]
    return TYPICAL[max(found, key=len)] if found else 0.0


class Durations:
    """What the stages of a command line took when it ran before.

    Parameters
    ----------
    path : Path
        The file that keeps it; what is no such file counts as empty.
    words : sequence of str
        The command line.
    """

    def __init__(self, path: Path, words: Sequence[str]) -> None:
        self._path, self._words = path, " ".join(words)
        self._known, self._new = _read(path), dict[str, float]()

    def expected(self, stage: str) -> float:
        """Seconds that a stage of this command line will take; 0 where nothing is known of it."""
        return self._known.get(f"{self._words}: {stage}", 0.0) or typical(stage)

    def took(self, stage: str, seconds: float) -> None:
        """A stage of this command line has ended."""
        if seconds >= _SHORT:
            self._new[f"{self._words}: {stage}"] = round(seconds, 1)

    def save(self) -> None:
        """Keep what was told; where that cannot be written nothing happens."""
        if not self._new:
            return
        kept = {key: value for key, value in _read(self._path).items() if key not in self._new} | self._new
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(self._path, json.dumps(dict(list(kept.items())[-_KEPT:])).encode())
        except OSError:
            pass


def _read(path: Path) -> dict[str, float]:
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    values = found.items() if isinstance(found, dict) else ()
    return {key: value for key, value in values if isinstance(value, int | float)}
