"""The python version of CIFAR: pickled batches, read without running any code they might name."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np

from hwshift.data.source import Source, check_labels, no_split
from hwshift.errors import DataError

__all__ = ["find_batches", "read_batch_file", "read_batch_folder"]

_FILES = {"train": [f"data_batch_{number}" for number in range(1, 6)], "test": ["test_batch"]}
_FOLDER = "cifar-10-batches-py"
_PIXELS = 3 * 32 * 32

# All that a pickled array of numpy names, of old and new versions.
_ALLOWED = {
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("_codecs", "encode"),
    *((f"numpy.{core}.multiarray", "_reconstruct") for core in ("core", "_core")),
    *((f"numpy.{core}.numeric", "_frombuffer") for core in ("core", "_core")),
}


class _Unpickler(pickle.Unpickler):
    """Loads plain values and numpy arrays, and refuses everything else."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which no batch of images needs")
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)


def find_batches(folder: Path, split: str) -> list[Path]:
    """The batches of a part that are in a folder, or in the one that the official archive holds."""
    for place in (folder, folder / _FOLDER):
        found = [place / name for name in _FILES[split] if (place / name).is_file()]
        if found:
            return found
    return []


def read_batch_folder(folder: Path, split: str | None) -> Source:
    """A part, ``test`` if None, of a folder of batches.

    Raises
    ------
    DataError
        When a batch is missing or damaged.
    """
    part = split or "test"
    found = find_batches(folder, part)
    missing = sorted(set(_FILES[part]) - {path.name for path in found})
    if missing:
        raise DataError(f"has no {', '.join(missing)}, of the {part} part", where=str(folder))
    batches = [_read(path) for path in found]
    images = np.concatenate([images for images, _ in batches])
    labels = np.concatenate([labels for _, labels in batches])
    return Source(images, labels, None, f"{folder} (CIFAR-10 batches, {part})")


def read_batch_file(path: Path, split: str | None) -> Source:
    """One batch. Raises DataError when it is damaged."""
    no_split(split, str(path))
    return Source(*_read(path), None, f"{path} (CIFAR batch)")


def _read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Pixels, uint8 of shape (images, 32, 32, 3), and labels, int64 of shape (images,)."""
    where = str(path)
    batch = _unpickled(path)
    if not isinstance(batch, dict):
        raise DataError(f"is no CIFAR batch: it holds a {type(batch).__name__}, not a dict", where=where)
    fields = {key.decode("latin1") if isinstance(key, bytes) else key: value for key, value in batch.items()}
    data = fields.get("data")
    labels = fields.get("labels", fields.get("fine_labels"))
    if not isinstance(data, np.ndarray) or data.ndim != 2 or data.shape[1] != _PIXELS:
        got = getattr(data, "shape", type(data).__name__)
        raise DataError(f"is no CIFAR batch: its data must have the shape (images, {_PIXELS}), not {got}",
                        where=where)  # fmt: skip
    if data.dtype != np.uint8:
        raise DataError(f"is no CIFAR batch: its data must be uint8, not {data.dtype}", where=where)
    if labels is None:
        raise DataError("is no CIFAR batch: it has neither labels nor fine_labels", where=where)
    pixels = data.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    try:
        values = np.asarray(labels)
    except ValueError:  # nested lists of unequal length
        values = np.empty(0)
    return pixels, check_labels(values, len(pixels), where)


def _unpickled(path: Path) -> object:
    try:
        with path.open("rb") as stream:
            return _Unpickler(stream, encoding="bytes").load()
    except OSError as error:
        reason = f"cannot be read: {error.strerror or error}"
    except Exception as error:  # a damaged pickle can raise anything
        reason = f"is no CIFAR batch, or a damaged one: {error or type(error).__name__}"
    raise DataError(reason, where=str(path))
