"""idx files, the format of MNIST and its relatives, gzipped or plain."""

import gzip
import struct
import zlib
from pathlib import Path

import numpy as np

from hwshift.data.source import Source, check_labels, no_split
from hwshift.errors import DataError

__all__ = ["find_idx", "is_idx", "read_idx", "read_idx_file", "read_idx_folder"]

_STEMS = {"train": "train", "test": "t10k"}
_UBYTE = 8


def read_idx(path: Path) -> np.ndarray:
    """The array of an idx file of bytes.

    Returns
    -------
    ndarray of uint8, with the file's shape

    Raises
    ------
    DataError
        For a damaged file, or one that does not hold bytes.
    """
    where = str(path)
    data = _unpacked(path)
    if len(data) < 4 or data[:2] != b"\0\0":
        raise DataError("is no idx file", where=where)
    kind, axes = data[2], data[3]
    if kind != _UBYTE:
        raise DataError(f"holds values of the idx type 0x{kind:02x}, only bytes (0x08) are read", where=where)
    start = 4 + 4 * axes
    if axes == 0 or len(data) < start:
        raise DataError("is a damaged idx file: its header is cut off", where=where)
    shape = struct.unpack_from(f">{axes}I", data, 4)
    size = int(np.prod(shape, dtype=object))
    if len(data) - start != size:
        raise DataError(
            f"is a damaged idx file: {shape} takes {size} bytes, it holds {len(data) - start}", where=where
        )
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)


def is_idx(head: bytes) -> bool:
    """Whether a file that starts like this, unpacked, can be an idx file."""
    return len(head) >= 4 and head[:2] == b"\0\0" and head[2] in range(8, 15) and 1 <= head[3] <= 5


def find_idx(folder: Path, split: str) -> Path | None:
    """The images of a part in a folder with the official names, None if they are not there."""
    stem = _STEMS[split]
    for name in (f"{stem}-images-idx3-ubyte", f"{stem}-images.idx3-ubyte"):
        for path in (folder / name, folder / f"{name}.gz"):
            if path.is_file():
                return path
    return None


def read_idx_folder(folder: Path, split: str | None) -> Source:
    """A part, ``test`` if None, of a folder with the four official files, or two of them.

    Raises
    ------
    DataError
        When the part is not there, or a file is damaged.
    """
    part = split or "test"
    path = find_idx(folder, part)
    if path is None:
        raise DataError(f"has no {_STEMS[part]}-images-idx3-ubyte[.gz], the {part} part", where=str(folder))
    source = read_idx_file(path, None)
    return Source(source.images, source.labels, None, f"{folder} (idx files, {part})")


def read_idx_file(path: Path, split: str | None) -> Source:
    """The images of one file, with the labels of the file beside it where there is one.

    Raises
    ------
    DataError
        For a damaged file, labels in the place of images, or labels that do not fit.
    """
    no_split(split, str(path))
    images = read_idx(path)
    if images.ndim != 3:
        what = "labels" if images.ndim == 1 else f"an array {images.shape}"
        raise DataError(f"holds {what}, not images of shape (images, height, width)", where=str(path))
    labels = None
    beside = _labels_beside(path)
    if beside is not None:
        labels = check_labels(read_idx(beside), len(images), str(beside))
    return Source(images[..., None], labels, None, f"{path} (idx file)")


def _labels_beside(path: Path) -> Path | None:
    name = path.name.removesuffix(".gz").replace("images", "labels").replace("idx3", "idx1")
    for candidate in (path.with_name(name), path.with_name(f"{name}.gz")):
        if candidate != path and candidate.is_file():
            return candidate
    return None


def _unpacked(path: Path) -> bytes:
    try:
        data = path.read_bytes()
        return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"is a damaged gzip file: {error}", where=str(path)) from None
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror or error}", where=str(path)) from None
