"""Image files, and folders of them whose sub-folders are classes."""

import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from hwshift.data.source import SPLITS, Source, no_split
from hwshift.errors import DataError

__all__ = ["SUFFIXES", "decode", "is_image", "read_image", "read_image_folder"]

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
"""Of the files that are taken for images."""

_FORMATS = ("PNG", "JPEG", "WEBP", "BMP")
_GREY = ("1", "L", "LA", "La")
_EIGHT_BIT = (*_GREY, "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "HSV", "LAB")
_MOST_PIXELS = 80_000_000
_DAMAGE = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, Image.DecompressionBombError)


def is_image(path: Path) -> bool:
    """Whether a path is a visible file with one of `SUFFIXES`."""
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()


def decode(path: Path) -> np.ndarray:
    """The pixels of a file, turned upright as its Exif data says, transparency left out.

    Returns
    -------
    ndarray of uint8, shape (height, width, 1 or 3)

    Raises
    ------
    DataError
        For a damaged file, another format, or more than 8 bits per channel.
    """
    where = str(path)
    try:
        with Image.open(path, formats=_FORMATS) as image:
            if image.width * image.height > _MOST_PIXELS:
                raise DataError(f"is too large: {image.width} x {image.height} pixels", where=where)
            if image.mode not in _EIGHT_BIT:
                raise DataError(f"has the mode {image.mode!r}; 8 bits per channel are read", where=where)
            upright = ImageOps.exif_transpose(image)
            if upright.mode in _GREY:
                return np.asarray(upright.convert("L"))[..., None]
            if upright.mode in ("P", "PA"):
                upright = upright.convert("RGBA")
            return np.asarray(upright.convert("RGB"))
    except _DAMAGE as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"is no image of the kind {', '.join(_FORMATS)}, or a damaged one: {reason}",
                        where=where) from None  # fmt: skip


def read_image(path: Path, split: str | None) -> Source:
    """One image file, decoded later."""
    no_split(split, str(path))
    return Source((path,), None, None, str(path))


def read_image_folder(folder: Path, split: str | None) -> Source:
    """The image files of a folder in the order of their names, decoded later.

    Files of sub-folders are labelled with the sub-folder's name. Sub-folders ``train`` and ``test`` are parts.

    Raises
    ------
    DataError
        For a folder without images, or with images both in it and in its sub-folders.
    """
    where = str(folder)
    parts = {item.name.lower(): item for item in _visible(folder) if item.is_dir()}
    if {"test"} <= set(parts) <= {*SPLITS, "val"}:
        part = split or "test"
        if part not in parts:
            raise DataError(f"has no folder {part!r}", where=where)
        return read_image_folder(parts[part], None)
    no_split(split, where)
    files = tuple(item for item in _visible(folder) if is_image(item))
    classes = {name.name: [item for item in _visible(name) if is_image(item)]
               for name in _visible(folder) if name.is_dir()}  # fmt: skip
    classes = {name: found for name, found in classes.items() if found}
    if not files and not classes:
        raise DataError(f"holds no images ({', '.join(SUFFIXES)}), idx files or CIFAR batches", where=where)
    if files and classes:
        raise DataError(
            f"holds images, {files[0].name}, and folders of images, {next(iter(classes))}: labels are not clear",
            where=where,
        )
    if files:
        return Source(files, None, None, f"{folder} (image files)")
    counts = [len(found) for found in classes.values()]
    labels = np.repeat(np.arange(len(counts), dtype=np.int64), counts)
    paths = tuple(path for found in classes.values() for path in found)
    return Source(paths, labels, tuple(classes), f"{folder} (image files in class folders)")


def _visible(folder: Path) -> list[Path]:
    try:
        return sorted(item for item in folder.iterdir() if not item.name.startswith("."))
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror or error}", where=str(folder)) from None
