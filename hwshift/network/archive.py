"""The zip archive of a network file, read in bounded memory: sizes are checked before anything is unpacked."""

import io
import json
import math
import os
import zipfile

import numpy as np

from hwshift.errors import NetworkError

__all__ = ["MAX_DOCUMENT", "Archive", "most_bytes"]

MAX_DOCUMENT = 1 << 25
"""Bytes of ``network.json``."""
_SMALL, _TIMES, _LARGE = 1 << 28, 100, 1 << 32


def most_bytes(size: int) -> int:
    """Bytes of memory that the arrays of a file of ``size`` bytes may take: 256 MiB, or 100 * size, at most 4 GiB."""
    return min(max(_SMALL, _TIMES * size), _LARGE)


class Archive:
    """An open network file; a context manager.

    Parameters
    ----------
    path : path or file

    Raises
    ------
    NetworkError
        When it claims to unpack to more than is allowed.
    zipfile.BadZipFile, OSError
        When it cannot be read.
    """

    def __init__(self, path: str | os.PathLike) -> None:
        self._zip = zipfile.ZipFile(path)
        self._taken: set[int] = set()
        self._most = self._left = most_bytes(os.path.getsize(path))
        try:
            self._charge(sum(entry.file_size for entry in self._zip.infolist()))
        except NetworkError:
            self._zip.close()
            raise
        self._left = self._most

    def __enter__(self) -> "Archive":
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()

    def document(self) -> object:
        """The value in ``network.json``."""
        entry = self._zip.getinfo("network.json")
        if entry.file_size > MAX_DOCUMENT:
            raise NetworkError(f"network.json has {entry.file_size} bytes, {MAX_DOCUMENT} are allowed")
        return json.loads(self._read(entry))

    def array(self, number: object) -> np.ndarray:
        """Array ``number``: ndarray of int64 or of a float; each can be had once.

        Raises
        ------
        NetworkError
            When it and those before take more memory than is allowed.
        KeyError, ValueError
            When there is none, or it is malformed.
        """
        if not isinstance(number, int):
            raise ValueError(f"an array's number must be an integer, not {number!r}")
        if number in self._taken:
            raise ValueError(f"array {number} stands in two places")
        self._taken.add(number)
        data = self._read(self._zip.getinfo(f"arrays/{number}.npy"))
        array = _parsed(data)
        if array is None:
            raise ValueError(f"array {number} is malformed")
        self._charge(8 * array.size)
        return array.astype(np.int64 if array.dtype.kind == "i" else array.dtype.newbyteorder("="))

    def _charge(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise NetworkError(f"it would take more than the {self._most} bytes that a file of its size may")

    def _read(self, entry: zipfile.ZipInfo) -> bytes:
        """An entry, as far as the size goes that it claims."""
        with self._zip.open(entry) as stream:
            data = stream.read(entry.file_size)
            if len(data) != entry.file_size or stream.read(1):
                raise ValueError(f"{entry.filename} has another size than it claims")
        return data


def _parsed(data: bytes) -> np.ndarray | None:
    """The array of an .npy file if it holds as many numbers as its header says; nothing else is allocated."""
    stream = io.BytesIO(data)
    version = np.lib.format.read_magic(stream)
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    if version not in readers:
        return None
    shape, columns_first, dtype = readers[version](stream)
    size = math.prod(shape) * dtype.itemsize
    if dtype.kind not in "if" or dtype.itemsize > 8 or size != len(data) - stream.tell():
        return None
    flat = np.frombuffer(data, dtype, offset=stream.tell())
    return flat.reshape(shape, order="F" if columns_first else "C")
