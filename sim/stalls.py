"""Stall patterns of a memory: in which cycles it holds up which AXI channel.

The same arrays drive the cycle model and, as a file, the Verilog memory. Entry i of a stream is for cycle i
of the run; longer runs start again at entry 0. A 1 in AR, AW or W keeps READY low in that cycle, a 1 in R or
B keeps a new beat or response from being raised in it.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hwshift.errors import SimulationError

__all__ = ["CHANNELS", "MAX_LENGTH", "StallPattern"]

CHANNELS = ("ar", "r", "aw", "w", "b")
"""Channels in the order of their bits in a file."""
MAX_LENGTH = 65536
"""Longest streams the Verilog memory holds."""


@dataclass(frozen=True, eq=False)
class StallPattern:
    """Five streams of equal length.

    Members
    -------
    ar, r, aw, w, b : ndarray of uint8, shape (length,)
        0 or 1; each has a 0, so that no channel stands still for ever. Length 1 to `MAX_LENGTH`.
    """

    ar: np.ndarray
    r: np.ndarray
    aw: np.ndarray
    w: np.ndarray
    b: np.ndarray

    def __post_init__(self) -> None:
        length = len(self.ar)
        if not 1 <= length <= MAX_LENGTH:
            raise ValueError(f"streams must have 1 to {MAX_LENGTH} entries, not {length}")
        for name in CHANNELS:
            stream = getattr(self, name)
            if not isinstance(stream, np.ndarray) or stream.dtype != np.uint8 or stream.shape != (length,):
                raise ValueError(f"{name} must be an ndarray of uint8, shape ({length},), like ar")
            if stream.max() > 1:
                raise ValueError(f"{name} must hold 0 and 1, not {stream.max()}")
            if stream.all():
                raise ValueError(f"{name} never lets a transfer through: it must hold a 0")

    @classmethod
    def none(cls) -> "StallPattern":
        """No stalls."""
        return cls(*(np.zeros(1, np.uint8) for _ in CHANNELS))

    @classmethod
    def random(cls, density: float | dict[str, float], seed: int, length: int = 4093) -> "StallPattern":
        """Each entry of each stream is 1 with probability ``density``, independently.

        Parameters
        ----------
        density : float or dict of str to float
            0 or more, below 1; or by channel, 0 for those left out.
        """
        densities = _by_channel(density)
        rng = np.random.default_rng(seed)
        return cls(*(_open(rng.random(length) < densities[name]) for name in CHANNELS))

    @classmethod
    def bursty(
        cls, density: float | dict[str, float], run: float, seed: int, length: int = 4093
    ) -> "StallPattern":
        """Runs of stalls, ``run`` cycles long on average, that fill ``density`` of the cycles.

        Parameters
        ----------
        density
            As for `random`.
        run : float
            At least 1. Runs are longer where ``density`` asks for it: there is a cycle between two runs.
        """
        if run < 1:
            raise ValueError(f"run must be at least 1, not {run!r}")
        densities = _by_channel(density)
        rng = np.random.default_rng(seed)
        return cls(*(_open(_runs(rng, densities[name], run, length)) for name in CHANNELS))

    @classmethod
    def read(cls, path: Path) -> "StallPattern":
        """The streams of a file as `write` makes it, of what was recorded or drawn.

        Raises
        ------
        SimulationError
            If a byte has more than five bits, the file is empty or too long, or a channel never lets anything through.
        """
        masks = np.frombuffer(path.read_bytes(), np.uint8)
        if (wrong := np.flatnonzero(masks >> len(CHANNELS))).size:
            raise SimulationError(
                f"byte {wrong[0]} must lie in 0..31, a bit per channel of {', '.join(CHANNELS)}, not {masks[wrong[0]]}",
                where=str(path),
            )
        try:
            return cls(*(masks >> channel & 1 for channel in range(len(CHANNELS))))
        except ValueError as error:
            raise SimulationError(str(error), where=str(path)) from None

    @property
    def length(self) -> int:
        """Entries per stream."""
        return len(self.ar)

    def matrix(self) -> np.ndarray:
        """All streams: ndarray of uint8, shape (5, length), rows in the order of `CHANNELS`."""
        return np.stack([getattr(self, name) for name in CHANNELS])

    def masks(self) -> np.ndarray:
        """Per cycle what is held up, bit i for channel i of `CHANNELS`: ndarray of uint8, shape (length,)."""
        weights = (1 << np.arange(len(CHANNELS), dtype=np.uint8))[:, None]
        return (self.matrix() * weights).sum(axis=0, dtype=np.uint8)

    def to_bytes(self) -> bytes:
        """`masks` as bytes."""
        return self.masks().tobytes()

    def write(self, path: Path) -> None:
        """Write the file that the Verilog memory reads."""
        path.write_bytes(self.to_bytes())


def _by_channel(density: float | dict[str, float]) -> dict[str, float]:
    given = density if isinstance(density, dict) else dict.fromkeys(CHANNELS, density)
    if unknown := sorted(set(given) - set(CHANNELS)):
        raise ValueError(f"density must name channels out of {', '.join(CHANNELS)}, not {unknown[0]!r}")
    for name, value in given.items():
        if not 0 <= value < 1:
            raise ValueError(f"density of {name} must be 0 or more and below 1, not {value!r}")
    return dict.fromkeys(CHANNELS, 0.0) | given


def _open(stream: np.ndarray) -> np.ndarray:
    """The stream as uint8, with its last entry cleared if it would never let a transfer through."""
    out = stream.astype(np.uint8)
    if out.all():
        out[-1] = 0
    return out


def _runs(rng: np.random.Generator, density: float, run: float, length: int) -> np.ndarray:
    """Two states: a run is left with probability 1 / run and entered so that ``density`` results."""
    leave = min(1 / run, (1 - density) / density if density else 1.0)
    enter = density * leave / (1 - density)
    draws = rng.random(length)
    out = np.zeros(length, bool)
    stalled = rng.random() < density
    for index in range(length):
        out[index] = stalled
        stalled = draws[index] >= leave if stalled else draws[index] < enter
    return out
