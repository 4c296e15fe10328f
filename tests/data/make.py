"""Writes data sets in the formats that are read."""

import gzip
import pickle
import struct

import numpy as np


def pixels(count, height=6, width=6, channels=1, seed=0):
    """Random uint8 images (count, height, width, channels)."""
    return np.random.default_rng(seed).integers(0, 256, (count, height, width, channels), np.uint8)


def write_idx(path, array):
    data = (
        struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.astype(np.uint8).tobytes()
    )
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)


def write_mnist(folder, images, labels, stem="t10k", suffix=".gz"):
    write_idx(folder / f"{stem}-images-idx3-ubyte{suffix}", images[..., 0])
    write_idx(folder / f"{stem}-labels-idx1-ubyte{suffix}", labels)


def write_batch(path, images, labels, protocol=2):
    """As the official archive: rows of red, then green, then blue; keys are bytes."""
    data = np.ascontiguousarray(images.transpose(0, 3, 1, 2).reshape(len(images), -1))
    path.write_bytes(pickle.dumps({b"data": data, b"labels": [int(label) for label in labels]}, protocol))
