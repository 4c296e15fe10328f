"""How well a network does on images: as a float network, and in the fixed-point arithmetic of an accelerator."""

import math
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from typing import Literal, TypeVar

import numpy as np

from hwshift.config import AcceleratorConfig
from hwshift.data import Dataset, to_codes
from hwshift.errors import DataError, HwshiftError
from hwshift.golden import run
from hwshift.golden.formats import Arithmetic, Pow2Format, QFormat
from hwshift.network.bind import bind
from hwshift.network.fixed import Conv, FixedNetwork
from hwshift.network.float_model import evaluate_float
from hwshift.network.graph import Network
from hwshift.network.quantize import quantize
from hwshift.resolve import prepare

__all__ = [
    "Advance",
    "Evaluation",
    "Score",
    "batch_size",
    "check_labels",
    "describe",
    "evaluate",
    "finite",
    "in_batches",
    "own_arithmetic",
    "score",
    "sqnr_db",
]

Advance = Callable[[str, int, int], None]
"""Is told a stage's name, how many images of it are done, and how many there are."""

Model = Callable[[np.ndarray], np.ndarray]
T = TypeVar("T")

_BATCH_VALUES = 1 << 23  # of the largest map of a batch


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
    problem : str or None
        Why the network cannot run so.
    """

    model: str
    detail: str
    correct: int | None = None
    correct5: int | None = None
    agreeing: int | None = None
    sqnr_db: float | None = None
    problem: str | None = None


@dataclass(frozen=True)
class Evaluation:
    """Scores of several models on the same images.

    Members
    -------
    network : str
    origin : str
        What the images are.
    images : int
    labelled : bool
    classes : int or None
        None for a network whose output is a map.
    scores : tuple of Score
    """

    network: str
    origin: str
    images: int
    labelled: bool
    classes: int | None
    scores: tuple[Score, ...]

    def share(self, count: int | None) -> float | None:
        """A count of images as a share of all."""
        return None if count is None else count / self.images

    def accuracy(self) -> dict[str, object]:
        """Accuracy of the last model, for people. Raises DataError where it is not known."""
        last = self.scores[-1]
        if last.correct is None:
            raise DataError(
                "there is nothing to tell an accuracy from: labels and classes are needed", where=self.origin
            )
        out: dict[str, object] = {"images": self.origin, "top-1": f"{last.correct / self.images:.2%}"}
        return out if last.correct5 is None else out | {"top-5": f"{last.correct5 / self.images:.2%}"}

    def as_dict(self) -> dict[str, object]:
        """All members and the shares, for JSON; an infinite ratio is null."""
        scores = []
        for item in self.scores:
            shares = {
                "top1": self.share(item.correct),
                "top5": self.share(item.correct5),
                "agreement": self.share(item.agreeing),
            }
            scores.append(asdict(item) | {"sqnr_db": finite(item.sqnr_db)} | shares)
        return asdict(replace(self, scores=())) | {"scores": scores}


def evaluate(
    network: Network | FixedNetwork,
    data: Dataset,
    *,
    config: AcceleratorConfig | None = None,
    act: QFormat = QFormat(),
    advance: Advance | None = None,
) -> Evaluation:
    """Run a network on images in each arithmetic that applies, on all cores.

    Parameters
    ----------
    network : Network or FixedNetwork
        A float network is evaluated as such (float32), with fixed and with pow2 weights; a fixed-point network as
        it is.
    data : Dataset
    config : AcceleratorConfig or None
        Instead of both kinds of weights in exact arithmetic, what this accelerator computes.
    act : QFormat
        Of the maps, without a configuration.
    advance : callable or None
        Is told how far it is.

    Returns
    -------
    Evaluation
        With the reason where a kind of weights does not fit.

    Raises
    ------
    DataError
        For labels the network does not know, or labels for a network whose output is a map.
    NetworkError, QuantizeError
        When it can be run in no arithmetic that was asked for; names the layer.
    """
    classes = check_labels(network, data)
    size = batch_size(network, len(data))
    scores: list[Score] = []
    reference: np.ndarray | None = None
    if isinstance(network, Network):
        source = network
        reference = _outputs(
            lambda x: evaluate_float(source, x, dtype=np.float32), data, size, "float", advance
        )
        scores.append(score("float", "float32", reference, data.labels, None, classes))
    failures = []
    for name, detail, make in _models(network, config, act):
        try:
            model = make()
        except HwshiftError as error:
            failures.append(error)
            scores.append(Score(name, detail, problem=str(error)))
            continue
        outputs = _outputs(model, data, size, name, advance)
        scores.append(score(name, detail, outputs, data.labels, reference, classes))
    if failures and all(item.problem or item.model == "float" for item in scores):
        raise failures[0]
    return Evaluation(network.name, data.origin, len(data), data.labels is not None, classes, tuple(scores))


def _outputs(model: Model, data: Dataset, size: int, name: str, advance: Advance | None) -> np.ndarray:
    parts = dict(in_batches(model, data.images, size, name, advance))
    return np.concatenate([parts[start] for start in sorted(parts)])


def score(
    name: str,
    detail: str,
    outputs: np.ndarray,
    labels: np.ndarray | None,
    reference: np.ndarray | None,
    classes: int | None,
) -> Score:
    """The score of one model's outputs.

    Parameters
    ----------
    outputs, reference : ndarray of float, shape (images, channels, height, width)
        Of the model and of the float network.
    labels : ndarray of int64, shape (images,), or None
    classes : int or None
        None: the outputs are maps.
    """
    flat = outputs.reshape(len(outputs), -1)
    correct = correct5 = agreeing = ratio = None
    if labels is not None and classes:
        own = flat[np.arange(len(flat)), labels][:, None]
        earlier = np.arange(flat.shape[1]) < labels[:, None]
        ranks = ((flat > own) | ((flat == own) & earlier)).sum(axis=1)
        correct = int((ranks == 0).sum())
        correct5 = int((ranks < 5).sum()) if classes >= 5 else None
    if reference is not None:
        expected = reference.reshape(len(flat), -1).astype(np.float64)
        ratio = sqnr_db(float((expected**2).sum()), float(((flat - expected) ** 2).sum()))
        if classes:
            agreeing = int((flat.argmax(axis=1) == expected.argmax(axis=1)).sum())
    return Score(name, detail, correct, correct5, agreeing, ratio)


def sqnr_db(signal: float, noise: float) -> float:
    """Ratio of two energies in dB: infinite without noise, minus infinite without signal."""
    if noise == 0:
        return math.inf
    return 10 * math.log10(signal / noise) if signal > 0 else -math.inf


def finite(value: float | None) -> float | None:
    """The value, None for an infinite one, which JSON cannot hold."""
    return value if value is not None and math.isfinite(value) else None


def own_arithmetic(network: FixedNetwork) -> Arithmetic:
    """The exact arithmetic of a network's own weights; mac where it has both kinds, or none."""
    formats = [layer.op.weights.fmt for layer in network.layers if isinstance(layer.op, Conv)]
    powers = [fmt for fmt in formats if isinstance(fmt, Pow2Format)]
    if powers and len(powers) == len(formats):
        fmt = Pow2Format(min(item.p_min for item in powers), max(item.p_max for item in powers))
        return Arithmetic("shift_add", network.act, fmt)
    fixed = [fmt for fmt in formats if isinstance(fmt, QFormat)]
    return Arithmetic("mac", network.act, fixed[0] if fixed else QFormat())


def in_batches(
    work: Callable[[np.ndarray], T], images: np.ndarray, size: int, name: str, advance: Advance | None = None
) -> Iterator[tuple[int, T]]:
    """``work(images[i : i + size])`` for each part, on all cores; pairs (i, result) as they are done."""
    workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    tell = advance or _silent
    tell(name, 0, len(images))
    executor = ThreadPoolExecutor(workers, "evaluation")
    try:
        starts = range(0, len(images), size)
        futures = {executor.submit(work, images[start : start + size]): start for start in starts}
        done = 0
        for future in as_completed(futures):
            start = futures[future]
            done += min(size, len(images) - start)
            yield start, future.result()
            tell(name, done, len(images))
    finally:
        executor.shutdown(cancel_futures=True)


def _silent(name: str, done: int, total: int) -> None:  # noqa: ARG001
    """Tell nobody."""


def batch_size(network: Network | FixedNetwork, images: int) -> int:
    """Images per batch: enough batches for all cores, and maps of moderate size."""
    if isinstance(network, FixedNetwork):
        shapes: Iterable[tuple[int, int, int]] = (layer.shape for layer in network.layers)
    else:
        shapes = network.shapes().values()
    largest = max(math.prod(shape) for shape in shapes)
    return max(1, min(64, -(-images // (4 * (os.cpu_count() or 1))), _BATCH_VALUES // largest))


def fixed_model(network: FixedNetwork, arithmetic: Arithmetic) -> Model:
    """The function of a bound network, from images to outputs, both float."""

    def model(images: np.ndarray) -> np.ndarray:
        codes = to_codes(images, arithmetic.act)
        return np.asarray(arithmetic.act.to_float(run(network, arithmetic, codes)))

    return model


def describe(arithmetic: Arithmetic) -> str:
    """An arithmetic in a few words."""
    guard = "exact" if arithmetic.exact else f"{arithmetic.guard} guard bits"
    digits = "" if arithmetic.scale_digits is None else f", scales of {arithmetic.scale_digits} digits"
    return f"{arithmetic.pe}, weights {arithmetic.weights}, maps {arithmetic.act}, {guard}{digits}"


def _models(
    network: Network | FixedNetwork, config: AcceleratorConfig | None, act: QFormat
) -> list[tuple[str, str, Callable[[], Model]]]:
    """Name, detail and maker of each fixed-point model that applies."""
    if config is not None:
        own = config.arithmetic
        return [(config.name, describe(own), lambda: fixed_model(prepare(network, config), own))]
    if isinstance(network, FixedNetwork):
        own = own_arithmetic(network)
        name = "pow2" if own.pe == "shift_add" else "fixed"
        return [(name, describe(own), lambda: fixed_model(bind(network, own), own))]
    mac, shift_add = Arithmetic("mac", act, QFormat()), Arithmetic("shift_add", act, Pow2Format())
    return [
        ("fixed", describe(mac), lambda: _rounded(network, "fixed", mac)),
        ("pow2", describe(shift_add), lambda: _rounded(network, "pow2", shift_add)),
    ]


def _rounded(network: Network, kind: Literal["pow2", "fixed"], arithmetic: Arithmetic) -> Model:
    return fixed_model(bind(quantize(network, act=arithmetic.act, weights=kind), arithmetic), arithmetic)


def check_labels(network: Network | FixedNetwork, data: Dataset) -> int | None:
    """How many classes the network tells apart; None for one whose output is a map.

    Raises
    ------
    DataError
        For labels that cannot be compared with its output.
    """
    last = network.output.shape if isinstance(network, FixedNetwork) else network.shapes()[network.output]
    classes = last[0] if last[1:] == (1, 1) else None
    if data.labels is None:
        return classes
    if classes is None:
        raise DataError(f"its output is a map {last}: labels cannot be compared with it", where=network.name)
    if data.labels.max() >= classes:
        image = int(data.labels.argmax())
        raise DataError(
            f"image {image} has the label {data.labels[image]}: allowed 0..{classes - 1}", where=data.origin
        )
    return classes
