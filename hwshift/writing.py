"""Files that are there as a whole or not at all."""

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

__all__ = ["replace_file", "replace_files"]


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


def replace_files(folder: str | os.PathLike, files: Mapping[str, bytes]) -> None:
    """Write files of a folder, which is made if it is not there; other files in it stay.

    Parameters
    ----------
    folder : path
        Its parent has to be there.
    files : mapping of str to bytes
        Contents by name, without folders.

    Raises
    ------
    OSError
        When one cannot be written; then none is, unless replacing fails after all have been written beside their
        places.
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(None, "Not a directory")
    for name in files:
        if (folder / name).is_dir():
            raise IsADirectoryError(None, f"Is a directory: {name}")
    made = not folder.is_dir()
    work = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent if made else folder))
    try:
        for name, data in files.items():
            (work / name).write_bytes(data)
        if made:
            work.chmod(0o777 & ~_umask())
            os.rename(work, folder)
        else:
            for name in files:
                os.replace(work / name, folder / name)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
