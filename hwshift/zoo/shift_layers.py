"""The spatial shifts of a network's layers: by one of the three generators, sparse where they are learned.

Chen et al., "All You Need is a Few Shifts" (CVPR 2019), train the shifts and print what share of the channels
stays unshifted; the trained shifts were not published. Here as many channels are shifted, seeded, by offsets
like the published ones: mostly by one pixel, some by two.
"""

from collections.abc import Sequence

import numpy as np

from hwshift.errors import NetworkError
from hwshift.network.shifts import contiguous_shifts, learned_shifts, modulo_shifts

__all__ = ["GENERATORS", "SPARSITY", "ShiftLayers", "sparse_shifts"]

GENERATORS = ("modulo", "contiguous", "learned")
"""How channels get their shifts."""

_CHANNELS = (96, 96, 96, 96, 192, 192, 192, 384, 384)

SPARSITY: dict[str, tuple[float, ...]] = {
    "cifar10": tuple(
        n / of for n, of in zip((93, 87, 94, 96, 161, 181, 190, 331, 382), _CHANNELS, strict=True)
    ),
    "cifar100": tuple(
        n / of for n, of in zip((82, 84, 92, 96, 146, 164, 189, 316, 319), _CHANNELS, strict=True)
    ),
}
"""Share of unshifted channels of each layer of ShiftResNet20 with sparse shifts: Table 2 there."""


def sparse_shifts(channels: int, sparsity: float, rng: np.random.Generator) -> np.ndarray:
    """Shifts like learned ones.

    Parameters
    ----------
    channels : int
    sparsity : float
        Share of channels that are not shifted, 0 to 1; their number is rounded to the nearest.
    rng : Generator

    Returns
    -------
    ndarray of int64, shape (channels, 2)
        (dy, dx).
    """
    values = rng.uniform(-0.49, 0.49, (channels, 2))  # rounds to zero
    shifted = channels - int(sparsity * channels + 0.5)
    chosen = rng.permutation(channels)[:shifted]
    reach = np.where(rng.random(shifted) < 0.75, 1, 2)
    side = 2 * reach + 1
    position = (rng.random(shifted) * (side * side - 1)).astype(np.int64)
    position += position >= side * side // 2  # all neighbours but the centre
    values[chosen] += np.stack([position // side - reach, position % side - reach], axis=1)
    return learned_shifts(values)


class ShiftLayers:
    """Gives each shift layer of a network its offsets, in order.

    Parameters
    ----------
    generator : str
        One of `GENERATORS`.
    sparsity : float, sequence of float, str or None
        Of learned shifts: one share for all layers, one for each, or a name of `SPARSITY`. None: 0.
    seed : int

    Raises
    ------
    NetworkError
        For another generator, or a sparsity out of range or of other shifts.
    """

    def __init__(
        self, generator: str, sparsity: float | str | Sequence[float] | None = None, seed: int = 0
    ) -> None:
        if generator not in GENERATORS:
            raise NetworkError(f"must be one of {', '.join(GENERATORS)}, not {generator!r}", where="shifts")
        if sparsity is not None and generator != "learned":
            raise NetworkError(f"is of learned shifts, these are {generator}", where="sparsity")
        self._generator = generator
        self._shares = _shares(0.0 if sparsity is None else sparsity)
        self._rng = np.random.default_rng([seed, 1])
        self._count = 0

    def offsets(self, channels: int, kernel: int) -> np.ndarray:
        """(dy, dx) for the next layer: ndarray of int64, shape (channels, 2)."""
        index, self._count = self._count, self._count + 1
        if self._generator == "modulo":
            return modulo_shifts(channels, kernel)
        if self._generator == "contiguous":
            return contiguous_shifts(channels, kernel)
        if isinstance(self._shares, float):
            return sparse_shifts(channels, self._shares, self._rng)
        share = self._shares[index] if index < len(self._shares) else 0.0  # `check` tells
        return sparse_shifts(channels, share, self._rng)

    def check(self) -> None:
        """Check that every given share was used. Raises NetworkError."""
        if not isinstance(self._shares, float) and self._count != len(self._shares):
            raise NetworkError(
                f"has shares of {len(self._shares)} shifts, the network has {self._count}", where="sparsity"
            )


def _shares(sparsity: float | str | Sequence[float]) -> float | tuple[float, ...]:
    if isinstance(sparsity, str):
        if sparsity not in SPARSITY:
            raise NetworkError(
                f"must be a share, one share per layer, or {', '.join(SPARSITY)}, not {sparsity!r}",
                where="sparsity",
            )
        return SPARSITY[sparsity]
    values = (sparsity,) if isinstance(sparsity, int | float) else tuple(sparsity)
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
            raise NetworkError(f"a share is a number from 0 to 1, not {value!r}", where="sparsity")
    return float(values[0]) if isinstance(sparsity, int | float) else tuple(map(float, values))
