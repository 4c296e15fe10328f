"""Files and folders that are there as a whole or not at all."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from hwshift.errors import DataError, HwshiftError, ProgramError

__all__ = ["check_folder", "check_writable", "refusals_as", "replace_file", "replace_folder", "toml_text"]


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


@contextmanager
def refusals_as(kind: type[HwshiftError], path: str | os.PathLike) -> Iterator[None]:
    """Raise what the system refuses within it as an error of that class, which names the file or folder."""
    try:
        yield
    except OSError as error:
        raise kind(f"cannot be written: {error.strerror or error}", where=os.fspath(path)) from None


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


def check_folder(folder: Path, force: bool = False) -> None:
    """Refuse a folder that must not be written to.

    Raises
    ------
    ProgramError
        For a file, a folder that holds something unless ``force``, and the working folder or one that holds it.
    """
    where = str(folder)
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise ProgramError("is no folder", where=where)
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    if not force:
        raise ProgramError("the folder is not empty: name another, or replace it with --force", where=where)
    for kept in (Path.cwd(), Path.home()):
        if kept.resolve().is_relative_to(folder.resolve()):
            raise ProgramError(f"the folder holds {kept}: name another", where=where)


def replace_folder(files: Mapping[str, bytes], folder: Path) -> None:
    """Write a folder beside the wanted one, then rename it; what was there goes.

    Raises
    ------
    ProgramError
        When it cannot be written; then nothing has changed.
    """
    with refusals_as(ProgramError, folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        try:
            new = work / "new"
            for name, content in files.items():
                path = new / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            _swap(new, folder, work / "old")
        finally:
            shutil.rmtree(work, ignore_errors=True)


def _swap(new: Path, folder: Path, old: Path) -> None:
    """Put ``new`` in the place of ``folder``, which goes to ``old`` if it holds something."""
    if folder.is_dir():
        os.rename(folder, old)
    try:
        os.rename(new, folder)
    except OSError:
        if old.is_dir():
            os.rename(old, folder)
        raise


def toml_text(values: dict) -> str:
    """Flat values as TOML; None is left out."""
    return "".join(f"{name} = {json.dumps(value)}\n" for name, value in values.items() if value is not None)
