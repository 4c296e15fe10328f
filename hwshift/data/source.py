"""What the readers of the file formats give: images as they were found, not yet fitted to a network."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hwshift.errors import DataError

__all__ = ["SPLITS", "Source", "check_labels", "check_pixels", "no_split"]

SPLITS = ("train", "test")
"""Parts of a data set that keeps them apart."""


@dataclass(frozen=True, eq=False)
class Source:
    """Images as found.

    Members
    -------
    images : ndarray of shape (images, height, width, channels), or tuple of Path
        uint8 pixels 0 to 255, float32 values, or one file per image, not yet decoded.
    labels : ndarray of int64, shape (images,), or None
    names : tuple of str or None
        ``names[label]``, where the source names its classes.
    text : str
        What it is, for people.
    """

    images: np.ndarray | tuple[Path, ...]
    labels: np.ndarray | None
    names: tuple[str, ...] | None
    text: str

    def __len__(self) -> int:
        return len(self.images)


def check_pixels(values: np.ndarray, where: str) -> np.ndarray:
    """Integers as uint8, floats as float32.

    Raises
    ------
    DataError
        For another type, integers outside 0 to 255, NaN or infinity.
    """
    if values.dtype.kind in "iu":
        if values.dtype != np.uint8 and values.size and not 0 <= values.min() <= values.max() <= 255:
            wrong = values.min() if values.min() < 0 else values.max()
            raise DataError(f"integer pixels must lie in 0..255, not {wrong}", where=where)
        return values.astype(np.uint8, copy=False)
    if values.dtype.kind != "f":
        raise DataError(f"images must be integers or floats, not {values.dtype}", where=where)
    with np.errstate(over="ignore"):
        values = values.astype(np.float32, copy=False)
    wrong_at = np.flatnonzero(~np.isfinite(values))
    if wrong_at.size:
        image = int(wrong_at[0]) // max(1, values[0].size)
        raise DataError(f"image {image} holds {values.flat[wrong_at[0]]}: values must be finite", where=where)
    return values


def check_labels(labels: np.ndarray, images: int, where: str) -> np.ndarray:
    """Labels as int64 of shape (images,).

    Raises
    ------
    DataError
        For another type or count.
    """
    if labels.dtype.kind not in "iu":
        raise DataError(f"labels must be integers, not {labels.dtype}", where=where)
    if labels.size != images or max(labels.shape, default=0) != images:
        raise DataError(f"{images} images need as many labels, not an array {labels.shape}", where=where)
    return labels.reshape(images).astype(np.int64)


def no_split(split: str | None, where: str) -> None:
    """Raises DataError if a part is asked of a source that keeps no parts."""
    if split is not None:
        raise DataError(f"has no part {split!r}: leave the split out", where=where)
