"""Images and labels as a network takes them, from any source or from a seed."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hwshift.data.detect import open_source
from hwshift.data.fit import Size, fit_all
from hwshift.data.source import Source
from hwshift.errors import DataError
from hwshift.golden.formats import QFormat
from hwshift.network.fixed import FixedNetwork
from hwshift.network.graph import Network

__all__ = [
    "BUILT_IN",
    "Dataset",
    "Images",
    "input_images",
    "input_shape",
    "load_data",
    "load_for",
    "to_codes",
]

BUILT_IN = {"fashion-test": Path(__file__).parents[1] / "zoo" / "data" / "fashion-test.npz"}
"""Images that come with the package, by name."""

_MOST_BYTES = 8 << 30
Statistic = float | Sequence[float]


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images with, perhaps, labels.

    Members
    -------
    images : ndarray of float32, shape (images, channels, height, width)
        Normalised: what a float network takes.
    labels : ndarray of int64, shape (images,), or None
    classes : tuple of str or None
        Names, by label.
    origin : str
        What the images are, for people; says so where they are noise.
    """

    images: np.ndarray
    labels: np.ndarray | None
    classes: tuple[str, ...] | None
    origin: str

    def __len__(self) -> int:
        return len(self.images)

    def first(self, count: int | None) -> "Dataset":
        """At most so many images, the first; all if None. Raises `DataError` for less than one."""
        _check_limit(count)
        if count is None or count >= len(self):
            return self
        labels = None if self.labels is None else self.labels[:count]
        return Dataset(self.images[:count], labels, self.classes, f"the first {count} of {self.origin}")


@dataclass(frozen=True, eq=False)
class Images:
    """Images as a fixed-point network takes them.

    Members
    -------
    codes : ndarray of int32, shape (images, channels, height, width)
        In the activation format.
    description : str
        What they are, for people.
    """

    codes: np.ndarray
    description: str

    @classmethod
    def of(cls, data: Dataset, act: QFormat) -> "Images":
        """A data set in an activation format."""
        return cls(to_codes(data.images, act), data.origin)


def load_data(
    source: str | Path | None,
    *,
    shape: tuple[int, int, int],
    mean: Statistic | None = None,
    std: Statistic | None = None,
    defaults: tuple[Statistic, Statistic] = (0.0, 1.0),
    size: Size | None = None,
    split: str | None = None,
    limit: int | None = None,
    seed: int = 0,
    classes: int | None = None,
    names: Sequence[str] | None = None,
) -> Dataset:
    """Load images, or make noise.

    Pixels x of 0 to 255 become ``(x / 255 - mean) / std``, rounded once to float32. Arrays of floats are taken as
    they are, or become ``(x - mean) / std`` where one of the two is given.

    Parameters
    ----------
    source : path, name or None
        A file or folder of `hwshift.data.detect.FORMATS`; sub-folders of images are classes. A name of `BUILT_IN`.
        None: seeded noise, uniform in [-1, 1).
    shape : (channels, height, width)
        Of the network's input. Grey becomes colour and colour grey where needed.
    mean, std : float, or one per channel, or None
        Of pixels scaled to 0..1; None: those of `defaults`.
    defaults : (mean, std)
        For pixels, not for arrays of floats.
    size : int, (height, width) or None
        Resize so that the shorter side has this length, or to this size, then cut out the centre. None: images
        must have the network's size.
    split : "train", "test" or None
        The part of a data set that keeps parts; None: ``test``.
    limit : int or None
        At most so many images, evenly spread over the source; noise: so many, None: one.
    seed : int
        Of the noise.
    classes : int or None
        How many the network tells apart: labels must be smaller.
    names : sequence of str or None
        Their names, to which the names of sub-folders are matched.

    Raises
    ------
    DataError
        For a missing, damaged or empty source, an unknown format, or values that do not fit; names the file, the
        value and what is allowed.
    """
    _check_limit(limit)
    names = None if names is None else tuple(map(str, names))
    if source is None:
        return _noise(shape, limit or 1, seed, names)
    built_in = BUILT_IN.get(str(source))
    found = open_source(built_in or Path(source), shape, split)
    text = f"{source}, which comes with hwshift" if built_in else found.text
    count = min(limit or len(found), len(found))
    needed = 4 * count * int(np.prod(shape))
    if needed > _MOST_BYTES:
        raise DataError(f"{count} images take {needed >> 30} GiB of memory: set a limit", where=str(source))
    index = np.arange(count) * len(found) // count
    images = found.images[index] if isinstance(found.images, np.ndarray) else [found.images[i] for i in index]
    labels = _labels(found, classes, names, str(source))
    fitted = fit_all(images, shape, size, str(source))
    how = "" if size is None else f", resized to {_size_text(size)} and cut to {shape[1]} x {shape[2]}"
    some = "" if count == len(found) else f", evenly chosen from {len(found):,} images"
    return Dataset(
        _normalised(fitted, mean, std, defaults),
        None if labels is None else labels[index],
        names or found.names,
        f"{text}{some}{how}",
    )


def load_for(
    network: Network | FixedNetwork,
    source: str | Path | None,
    *,
    mean: Statistic | None = None,
    std: Statistic | None = None,
    size: Size | None = None,
    split: str | None = None,
    limit: int | None = None,
    seed: int = 0,
) -> Dataset:
    """As `load_data`, with shape, classes and, where not given, mean and std as the network says.

    A network's ``meta`` may hold ``mean`` and ``std`` (of pixels scaled to 0..1) and ``classes`` (names).
    """
    shape = input_shape(network)
    last = network.output.shape if isinstance(network, FixedNetwork) else network.shapes()[network.output]
    names = network.meta.get("classes")
    usable = isinstance(names, list | tuple) and len(names) == last[0]
    return load_data(
        source,
        shape=shape,
        mean=mean,
        std=std,
        defaults=(network.meta.get("mean", 0.0), network.meta.get("std", 1.0)),
        size=size,
        split=split,
        limit=limit,
        seed=seed,
        classes=last[0] if last[1:] == (1, 1) else None,
        names=names if usable else None,
    )


def input_images(
    source: str | Path, shape: tuple[int, int, int], act: QFormat, *, count: int = 1, seed: int = 0
) -> Images:
    """At most `count` images as codes; `source` is ``noise`` or as in `load_data`, with its errors."""
    return Images.of(
        load_data(None if source == "noise" else source, shape=shape, limit=count, seed=seed), act
    )


def input_shape(network: Network | FixedNetwork) -> tuple[int, int, int]:
    """(channels, height, width) of a network's input."""
    return network.input.shape if isinstance(network, FixedNetwork) else network.nodes[0].op.shape(())


def to_codes(images: np.ndarray, act: QFormat) -> np.ndarray:
    """Images in an activation format: floor to the grid, then saturation.

    Parameters
    ----------
    images : ndarray of float, any shape

    Returns
    -------
    ndarray of int32, same shape

    Raises
    ------
    QuantizeError
        For NaN or infinity.
    """
    return act.floor(images).astype(np.int32, order="C")


def _check_limit(limit: int | None) -> None:
    if limit is not None and limit < 1:
        raise DataError(f"at least 1 image is needed, not {limit}", where="limit")


def _noise(shape: tuple[int, int, int], count: int, seed: int, names: tuple[str, ...] | None) -> Dataset:
    if seed < 0:
        raise DataError(f"0 is the least, not {seed}", where="seed")
    values = np.random.default_rng(seed).uniform(-1, 1, (count, *shape)).astype(np.float32)
    return Dataset(values, None, names, f"seeded noise, seed {seed}")


def _normalised(
    images: np.ndarray,
    mean: Statistic | None,
    std: Statistic | None,
    defaults: tuple[Statistic, Statistic],
) -> np.ndarray:
    """float32 images of fitted ones, shape (images, channels, height, width)."""
    channels = images.shape[1]
    pixels = images.dtype == np.uint8
    if not pixels and mean is None and std is None:
        return images
    if not pixels:
        defaults = 0.0, 1.0
    centre = _per_channel(defaults[0] if mean is None else mean, "mean", channels)
    width = _per_channel(defaults[1] if std is None else std, "std", channels)
    if (width <= 0).any():
        raise DataError(f"must be positive, not {width.min()}", where="std")
    if not pixels:
        return ((images - centre[:, None, None]) / width[:, None, None]).astype(np.float32)
    table = ((np.arange(256) / 255 - centre[:, None]) / width[:, None]).astype(np.float32)
    out = np.empty(images.shape, np.float32)
    for channel in range(channels):
        out[:, channel] = table[channel][images[:, channel]]
    return out


def _per_channel(values: Statistic, what: str, channels: int) -> np.ndarray:
    try:
        data = np.atleast_1d(np.asarray(values, np.float64))
    except (TypeError, ValueError):
        raise DataError(f"must be numbers, not {values!r}", where=what) from None
    if data.ndim != 1 or data.size not in (1, channels):
        allowed = "1 value" if channels == 1 else f"1 value or {channels}, one per channel"
        raise DataError(f"needs {allowed}, not {data.size}", where=what)
    if not np.isfinite(data).all():
        raise DataError(f"must be finite, not {values!r}", where=what)
    return np.broadcast_to(data, channels)


def _labels(
    found: Source, classes: int | None, names: tuple[str, ...] | None, where: str
) -> np.ndarray | None:
    """Labels as the network counts them."""
    labels = found.labels
    if labels is None:
        return None
    if found.names is not None:
        labels = _matched(found.names, names, classes, where)[labels]
    wrong = np.flatnonzero((labels < 0) | (labels >= (classes or np.inf)))
    if wrong.size:
        allowed = f"0..{classes - 1}" if classes else "0 or more"
        raise DataError(f"image {wrong[0]} has the label {labels[wrong[0]]}: allowed {allowed}", where=where)
    return labels


def _matched(
    folders: tuple[str, ...], names: tuple[str, ...] | None, classes: int | None, where: str
) -> np.ndarray:
    """The label of each class folder: by the network's names, by number, or in alphabetical order."""
    if names is not None:
        known = {_key(name): label for label, name in enumerate(names)}
        if all(_key(name) in known for name in folders):
            return np.array([known[_key(name)] for name in folders])
    if all(name.isdecimal() for name in folders):
        return np.array([int(name) for name in folders])
    if classes is None or classes == len(folders):
        return np.arange(len(folders))
    wanted = f"{classes} classes" if names is None else f"the classes {', '.join(names)}"
    raise DataError(
        f"its folders ({', '.join(folders)}) do not tell {wanted}: name them so, or by number", where=where
    )


def _key(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.casefold())


def _size_text(size: Size) -> str:
    return f"{size} on the shorter side" if isinstance(size, int) else f"{size[0]} x {size[1]}"
