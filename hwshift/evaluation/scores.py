"""Counts and errors of a model's outputs, batch by batch, and the score they make."""

import math
from dataclasses import dataclass, fields

import numpy as np

__all__ = ["Score", "Tally", "finite", "score", "sqnr_db", "tally"]


@dataclass(frozen=True)
class Score:
    """One model on one set of images.

    Members
    -------
    model, detail : str
        Name and arithmetic.
    correct, correct5 : int or None
        Images whose label has the highest score, or one of the five highest (the lower index first among equals);
        None without labels, or with fewer than five classes.
    agreeing : int or None
        Images with the same highest score as the float network's; None without one.
    sqnr_db : float or None
        Signal to quantization noise of the outputs, against the float network; infinite where they are equal.
    max_error, mean_error : float or None
        Absolute error of the outputs against the float network, largest and mean.
    lsb : float or None
        Value of the last bit of the outputs; None for floats.
    problem : str or None
        Why the network cannot run so.
    """

    model: str
    detail: str
    correct: int | None = None
    correct5: int | None = None
    agreeing: int | None = None
    sqnr_db: float | None = None
    max_error: float | None = None
    mean_error: float | None = None
    lsb: float | None = None
    problem: str | None = None

    def in_lsb(self, error: float | None) -> float | None:
        """An error in units of the outputs' last bit."""
        return None if error is None or self.lsb is None else error / self.lsb

    def as_dict(self, images: int) -> dict[str, object]:
        """All members, shares of `images` and errors in last bits, for JSON; an infinite ratio is null."""
        members = {item.name: getattr(self, item.name) for item in fields(self)}
        return members | {
            "sqnr_db": finite(self.sqnr_db),
            "max_error_lsb": self.in_lsb(self.max_error),
            "mean_error_lsb": self.in_lsb(self.mean_error),
            "top1": None if self.correct is None else self.correct / images,
            "top5": None if self.correct5 is None else self.correct5 / images,
            "agreement": None if self.agreeing is None else self.agreeing / images,
        }


@dataclass(frozen=True)
class Tally:
    """What a score is made of; tallies of parts add up to that of the whole.

    Members
    -------
    correct, correct5, agreeing : int or None
        As in `Score`.
    values : int
        Outputs that were compared with the float network's.
    signal, noise, error : float
        Sums of the float outputs' squares, of the squares of the differences, and of their magnitudes.
    worst : float
        The largest difference.
    """

    correct: int | None = None
    correct5: int | None = None
    agreeing: int | None = None
    values: int = 0
    signal: float = 0.0
    noise: float = 0.0
    error: float = 0.0
    worst: float = 0.0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            _sum(self.correct, other.correct),
            _sum(self.correct5, other.correct5),
            _sum(self.agreeing, other.agreeing),
            self.values + other.values,
            self.signal + other.signal,
            self.noise + other.noise,
            self.error + other.error,
            max(self.worst, other.worst),
        )

    def score(self, model: str, detail: str, lsb: float | None = None) -> Score:
        """The score of a model of that name and arithmetic."""
        if not self.values:
            return Score(model, detail, self.correct, self.correct5, self.agreeing, lsb=lsb)
        return Score(
            model,
            detail,
            self.correct,
            self.correct5,
            self.agreeing,
            sqnr_db(self.signal, self.noise),
            self.worst,
            self.error / self.values,
            lsb,
        )


def _sum(a: int | None, b: int | None) -> int | None:
    return None if a is None or b is None else a + b


def tally(
    outputs: np.ndarray, labels: np.ndarray | None, reference: np.ndarray | None, classes: int | None
) -> Tally:
    """Count one batch of one model's outputs.

    Parameters
    ----------
    outputs, reference : ndarray of float, shape (images, channels, height, width)
        Of the model and of the float network.
    labels : ndarray of int64, shape (images,), or None
    classes : int or None
        None: the outputs are maps.
    """
    flat = outputs.reshape(len(outputs), -1)
    correct = correct5 = agreeing = None
    if labels is not None and classes:
        own = flat[np.arange(len(flat)), labels][:, None]
        earlier = np.arange(flat.shape[1]) < labels[:, None]
        ranks = ((flat > own) | ((flat == own) & earlier)).sum(axis=1)
        correct = int((ranks == 0).sum())
        correct5 = int((ranks < 5).sum()) if classes >= 5 else None
    if reference is None:
        return Tally(correct, correct5)
    expected = reference.reshape(len(flat), -1).astype(np.float64)
    difference = np.abs(flat - expected)
    if classes:
        agreeing = int((flat.argmax(axis=1) == expected.argmax(axis=1)).sum())
    return Tally(
        correct,
        correct5,
        agreeing,
        difference.size,
        float((expected**2).sum()),
        float((difference**2).sum()),
        float(difference.sum()),
        float(difference.max()),
    )


def score(
    name: str,
    detail: str,
    outputs: np.ndarray,
    labels: np.ndarray | None,
    reference: np.ndarray | None,
    classes: int | None,
    lsb: float | None = None,
) -> Score:
    """The score of all of a model's outputs; parameters as in `tally`."""
    return tally(outputs, labels, reference, classes).score(name, detail, lsb)


def sqnr_db(signal: float, noise: float) -> float:
    """Ratio of two energies in dB: infinite without noise, minus infinite without signal."""
    if noise == 0:
        return math.inf
    return 10 * math.log10(signal / noise) if signal > 0 else -math.inf


def finite(value: float | None) -> float | None:
    """The value, None for an infinite one, which JSON cannot hold."""
    return value if value is not None and math.isfinite(value) else None
