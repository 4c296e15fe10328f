"""numpy's own files: ``.npy`` with images, ``.npz`` with images and labels."""

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from hwshift.data.source import Source, check_labels, check_pixels, no_split
from hwshift.errors import DataError

__all__ = ["IMAGE_NAMES", "LABEL_NAMES", "as_images", "read_numpy"]

IMAGE_NAMES = ("images", "image", "x", "data", "arr_0")
"""Names an array of images may have in an archive, capital letters apart; also with ``train``, ``test``."""
LABEL_NAMES = ("labels", "label", "y", "targets", "arr_1")
"""Names of an array of labels."""

_DAMAGE = (ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError)


def read_numpy(path: Path, shape: tuple[int, int, int], split: str | None) -> Source:
    """An array of images, or the images, and labels where there are some, of an archive of arrays.

    Parameters
    ----------
    path : Path
    shape : (channels, height, width)
        Of the network's input: tells apart what an array's axes are.
    split : "train", "test" or None
        Arrays like ``x_test`` and ``test_labels``; None: names without a part, else ``test``.

    Raises
    ------
    DataError
        For a damaged file, no array of images, or values that are no images.
    """
    where = str(path)
    with _reading(path), path.open("rb") as stream:
        loaded = np.load(stream, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            no_split(split, where)
            return Source(as_images(loaded, shape, None, where), None, None, where)
        names = {name.lower(): name for name in loaded.files}
        image_name, part = _pick(names, IMAGE_NAMES, split)
        if image_name is None:
            wanted = ", ".join(_variants(IMAGE_NAMES, split))
            part_text = "" if split is None else f" of the part {split!r}"
            raise DataError(
                f"has no array of images{part_text}: {sorted(loaded.files)} are none of {wanted}", where=where
            )
        values = loaded[image_name]
        label_name = _pick(names, LABEL_NAMES, part)[0]
        raw = None if label_name is None else loaded[label_name]
    images = as_images(values, shape, None if raw is None else raw.size, where)
    labels = None if raw is None else check_labels(raw, len(images), where)
    return Source(images, labels, None, f"{path}, array {image_name}")


def as_images(values: np.ndarray, shape: tuple[int, int, int], count: int | None, where: str) -> np.ndarray:
    """An array as (images, height, width, channels).

    Parameters
    ----------
    values : ndarray
        Of shape (images, height, width, channels), (images, channels, height, width), (images, height, width),
        (images, channels * height * width), or one image without the first axis.
    shape : (channels, height, width)
        Of the network's input.
    count : int or None
        How many images there have to be, if that is known.

    Returns
    -------
    ndarray of uint8 or float32

    Raises
    ------
    DataError
        When the axes cannot be told, or the values are no images.
    """
    channels, height, width = shape
    if values.ndim == 2 and values.shape[1] == channels * height * width and values.shape != (height, width):
        values = values.reshape(-1, channels, height, width)
    if values.ndim == 2 or (values.ndim == 3 and _is_one_image(values.shape, shape, count)):
        values = values[None]
    if values.ndim == 3:
        values = values[..., None]
    if values.ndim != 4:
        raise DataError(f"images need 2 to 4 axes, not an array {values.shape}", where=where)
    if 0 in values.shape:
        raise DataError(f"holds no images: an array {values.shape}", where=where)
    values = check_pixels(values, where)
    return values.transpose(0, 2, 3, 1) if _channels_first(values.shape, shape, where) else values


def _is_one_image(axes: tuple[int, ...], shape: tuple[int, int, int], count: int | None) -> bool:
    """Whether three axes are those of one image, not of several grey ones."""
    if count is not None:
        return count == 1 != axes[0]
    channels, height, width = shape
    if axes in (shape, (height, width, channels)):
        return True
    return axes[1:] != (height, width) and (axes[2] in (1, 3) or axes[0] in (1, 3))


def _channels_first(axes: tuple[int, ...], shape: tuple[int, int, int], where: str) -> bool:
    """Whether four axes are (images, channels, height, width); `DataError` if it cannot be told."""
    channels, height, width = shape
    for first, wanted in ((True, shape), (False, (height, width, channels))):
        if axes[1:] == wanted:
            return first
    possible = {1, 3, channels}
    first, last = axes[1] in possible, axes[3] in possible
    if first == last:
        why = "both the second and the last axis" if first else "neither the second nor the last axis"
        raise DataError(
            f"in an array {axes} {why} can be the channels: {channels}, 1 or 3 are wanted", where=where
        )
    return first


def _variants(names: tuple[str, ...], split: str | None) -> list[str]:
    if split is None:
        return list(names)
    return [form for name in names for form in (f"{name}_{split}", f"{split}_{name}")]


def _pick(names: dict[str, str], wanted: tuple[str, ...], split: str | None) -> tuple[str | None, str | None]:
    """The first wanted name that is there, and the part it belongs to; without a split also ``test``."""
    for part in (split,) if split else (None, "test"):
        for name in _variants(wanted, part):
            if name in names:
                return names[name], part
    return None, None


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Tells what goes wrong while a file is read as `DataError`."""
    try:
        yield
    except OSError as error:
        reason = f"cannot be read: {error.strerror}" if error.strerror else f"is damaged: {error}"
    except _DAMAGE as error:
        text = str(error).splitlines()[0] if str(error) else type(error).__name__
        reason = f"is no file of numpy, or a damaged one: {text}"
    else:
        return
    raise DataError(reason, where=str(path))
