"""Fashion-MNIST from its official files: gzipped idx, or the same unpacked."""

import gzip
import struct
from pathlib import Path

import numpy as np

__all__ = ["CLASSES", "MEAN", "STD", "read_idx", "read_set"]

CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
MEAN, STD = 0.2860, 0.3530
"""Of the training images, scaled to 0..1: the networks' input is ``(x / 255 - MEAN) / STD``."""

_FILES = {"train": "train", "test": "t10k"}


def read_set(folder: Path, part: str) -> tuple[np.ndarray, np.ndarray]:
    """All images of a part of the data set.

    Parameters
    ----------
    folder : Path
        Holds ``train-images-idx3-ubyte.gz`` and the other three files, or these unpacked.
    part : "train" or "test"

    Returns
    -------
    images : ndarray of uint8, shape (images, 28, 28)
    labels : ndarray of uint8, shape (images,)

    Raises
    ------
    FileNotFoundError, ValueError
        For a missing or malformed file.
    """
    stem = _FILES[part]
    images = read_idx(folder / f"{stem}-images-idx3-ubyte")
    labels = read_idx(folder / f"{stem}-labels-idx1-ubyte")
    if images.shape[1:] != (28, 28) or labels.shape != images.shape[:1]:
        raise ValueError(f"{folder} holds images {images.shape} and labels {labels.shape}")
    return images, labels


def read_idx(path: Path) -> np.ndarray:
    """The bytes of an idx file; where `path` is no file, of the gzipped one beside it."""
    packed = path.with_name(path.name + ".gz")
    data = path.read_bytes() if path.is_file() else gzip.decompress(packed.read_bytes())
    zero, kind, axes = struct.unpack_from(">HBB", data)
    if zero or kind != 8:
        raise ValueError(f"{path} is no idx file of bytes")
    shape = struct.unpack_from(f">{axes}I", data, 4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * axes).reshape(shape)
