"""Files that are there as a whole or not at all."""

import os
import tempfile
from pathlib import Path

__all__ = ["replace_file"]


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
