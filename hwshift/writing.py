"""Files that are there as a whole or not at all."""

import os
import tempfile
from pathlib import Path

from hwshift.errors import DataError

__all__ = ["check_writable", "replace_file"]


def check_writable(path: str | os.PathLike, *, folder: bool = False) -> None:
    """Look whether a file can be written, or a folder's files, before work is done for it.

    Raises
    ------
    DataError
        When it cannot: its folder is missing or no folder, or is not ours to write to.
    """
    path = Path(path)
    parent = path if folder and path.is_dir() else path.parent
    problem = None
    if not parent.exists():
        problem = "No such file or directory"
    elif not parent.is_dir() or (folder and path.exists() and not path.is_dir()):
        problem = "Not a directory"
    elif not folder and path.is_dir():
        problem = "Is a directory"
    elif not os.access(parent, os.W_OK | os.X_OK):
        problem = "Permission denied"
    if problem is not None:
        raise DataError(f"cannot be written: {problem}", where=os.fspath(path))


def replace_file(path: str | os.PathLike, data: bytes) -> None:
    """Write a file; one that is there already is replaced at once.

    Raises
    ------
    OSError
        When it cannot be written; then nothing has changed.
    """
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(None, "Is a directory")
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
