"""Which format a file or folder has."""

import gzip
import zlib
from pathlib import Path

from hwshift.data.arrays import read_numpy
from hwshift.data.cifar import find_batches, read_batch_file, read_batch_folder
from hwshift.data.idx import find_idx, is_idx, read_idx_file, read_idx_folder
from hwshift.data.source import SPLITS, Source
from hwshift.errors import DataError

__all__ = ["FORMATS", "open_source"]

FORMATS = "PNG, JPEG, WebP or BMP images, .npz, .npy, idx files (.gz too), CIFAR-10 python batches"
"""What is read, for people."""


def open_source(path: Path, shape: tuple[int, int, int], split: str | None = None) -> Source:
    """Read a file or folder of any known format; image files are decoded later.

    Parameters
    ----------
    path : Path
    shape : (channels, height, width)
        Of the network's input.
    split : "train", "test" or None
        The part of a data set that keeps parts; None: ``test`` there.

    Raises
    ------
    DataError
        For a missing, damaged or empty file or folder, an unknown format, or a part that is not there.
    """
    where = str(path)
    if split is not None and split not in SPLITS:
        raise DataError(f"the part must be {' or '.join(SPLITS)}, not {split!r}", where=where)
    if path.is_dir():
        source = _open_folder(path, split)
    elif path.is_file():
        source = _open_file(path, shape, split)
    else:
        raise DataError("there is no such file or folder", where=where)
    if len(source) == 0:
        raise DataError("holds no images", where=where)
    return source


def _open_folder(path: Path, split: str | None) -> Source:
    from hwshift.data.image_files import read_image_folder

    if any(find_idx(path, part) for part in SPLITS):
        return read_idx_folder(path, split)
    if any(find_batches(path, part) for part in SPLITS):
        return read_batch_folder(path, split)
    return read_image_folder(path, split)


def _open_file(path: Path, shape: tuple[int, int, int], split: str | None) -> Source:
    from hwshift.data.image_files import SUFFIXES, read_image

    suffix = path.suffix.lower()
    if suffix in SUFFIXES:
        return read_image(path, split)
    if suffix in (".npy", ".npz"):
        return read_numpy(path, shape, split)
    head = _head(path)
    if is_idx(head) or "idx" in path.name:
        return read_idx_file(path, split)
    if head[:1] == b"\x80":
        return read_batch_file(path, split)
    raise DataError(f"has an unknown format; known: {FORMATS}", where=str(path))


def _head(path: Path) -> bytes:
    """The first bytes, unpacked where gzip packed them; nothing where that fails."""
    try:
        with path.open("rb") as stream:
            if stream.read(2) == b"\x1f\x8b":
                with gzip.open(path) as packed:
                    return packed.read(4)
            stream.seek(0)
            return stream.read(4)
    except (EOFError, zlib.error, gzip.BadGzipFile):
        return b""
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror or error}", where=str(path)) from None
