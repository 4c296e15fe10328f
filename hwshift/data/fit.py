"""Images of any size, grey or in colour, as a network's input takes them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from hwshift.errors import DataError

__all__ = ["Size", "fit", "fit_all", "to_channels"]

Size = int | tuple[int, int]
"""Length of the shorter side, or (height, width)."""

_LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R 601-2, as Pillow


def fit_all(
    images: np.ndarray | Sequence[Path], shape: tuple[int, int, int], size: Size | None, where: str
) -> np.ndarray:
    """Several images; parameters and errors as in `fit`.

    Parameters
    ----------
    images : ndarray of uint8 or float32, shape (images, height, width, channels), or files

    Returns
    -------
    ndarray of uint8 or float32, shape (images, *shape)
    """
    if isinstance(images, np.ndarray):
        if images.shape[1:3] == shape[1:] and size is None:
            ready = to_channels(images, shape[0], where)
            return np.ascontiguousarray(ready.transpose(0, 3, 1, 2))
        return np.stack([fit(image, shape, size, f"{where}, image {i}") for i, image in enumerate(images)])
    from hwshift.data.image_files import decode

    return np.stack([fit(decode(path), shape, size, str(path)) for path in images])


def fit(image: np.ndarray, shape: tuple[int, int, int], size: Size | None, where: str) -> np.ndarray:
    """One image as the network takes it.

    Parameters
    ----------
    image : ndarray of uint8 or float32, shape (height, width, channels)
    shape : (channels, height, width)
        Of the network's input.
    size : int, (height, width) or None
        The image is resized so that its shorter side has that length, or to that size, and its centre is cut
        out. None: it must have the network's size already.
    where : str
        Names the image in errors.

    Returns
    -------
    ndarray of uint8 or float32, shape `shape`

    Raises
    ------
    DataError
        When channels or size do not fit.
    """
    channels, height, width = shape
    image = to_channels(image, channels, where)
    if size is not None:
        image = _crop(_resize(image, *_target(image.shape[:2], size)), height, width, size, where)
    if image.shape[:2] != (height, width):
        raise DataError(
            f"is {image.shape[0]} x {image.shape[1]}, the network takes {height} x {width}: "
            f"--size {height}x{width} resizes it",
            where=where,
        )
    return np.ascontiguousarray(image.transpose(2, 0, 1))


def to_channels(images: np.ndarray, channels: int, where: str) -> np.ndarray:
    """Grey as red, green and blue, or these as grey (ITU-R 601-2 luma).

    Parameters
    ----------
    images : ndarray of uint8 or float32, shape (..., channels)
    channels : int
        As wanted.

    Raises
    ------
    DataError
        For any other pair of counts.
    """
    have = images.shape[-1]
    if have == channels:
        return images
    if (have, channels) == (1, 3):
        return np.repeat(images, 3, axis=-1)
    if (have, channels) != (3, 1):
        raise DataError(f"has {have} channels, the network takes {channels}", where=where)
    grey = images @ _LUMA
    return (np.rint(grey) if images.dtype == np.uint8 else grey).astype(images.dtype)[..., None]


def _target(have: tuple[int, ...], size: Size) -> tuple[int, int]:
    """Height and width to resize to."""
    if not isinstance(size, int):
        return size
    short = min(have)
    height, width = (side * size // short for side in have)
    return height, width


def _resize(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Bilinear, averaging where it gets smaller."""
    if image.shape[:2] == (height, width):
        return image
    planes = [
        Image.fromarray(np.ascontiguousarray(image[..., channel])).resize(
            (width, height), Image.Resampling.BILINEAR
        )
        for channel in range(image.shape[-1])
    ]
    return np.stack([np.asarray(plane) for plane in planes], axis=-1)


def _crop(image: np.ndarray, height: int, width: int, size: Size, where: str) -> np.ndarray:
    have = image.shape[:2]
    if have[0] < height or have[1] < width:
        raise DataError(
            f"size {size} makes it {have[0]} x {have[1]}, the network takes {height} x {width}: give at least that",
            where=where,
        )
    top, left = (have[0] - height) // 2, (have[1] - width) // 2
    return image[top : top + height, left : left + width]
