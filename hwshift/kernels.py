"""Compiled functions, cached on disk under a fingerprint of their whole package.

numba looks at the file of a cached function only: after an edit to a helper in another file it would go on giving the
old results. Here every file of the package counts.
"""

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from numba import config, njit

from hwshift.cache import cache_dir

__all__ = ["kernel_decorator"]


def kernel_decorator(*folders: Path, **options: Any) -> Callable[[Callable], Callable]:
    """``njit`` with a cache of its own for the sources in ``folders`` as they are now.

    Parameters
    ----------
    folders : Paths
        Of the package whose functions are compiled, and of those whose constants they hold.
    options
        Of ``numba.njit``; the cache is on, and the interpreter's lock is released.
    """

    def decorate(function: Callable) -> Callable:
        own = config.CACHE_DIR
        config.CACHE_DIR = str(_base() / _fingerprint(*folders))
        try:
            return njit(cache=True, nogil=True, **options)(function)
        finally:
            config.CACHE_DIR = own

    return decorate


def _base() -> Path:
    """``$NUMBA_CACHE_DIR`` where it is set, else a folder of hwshift's own."""
    return Path(config.CACHE_DIR) if config.CACHE_DIR else cache_dir() / "kernels"


@cache
def _fingerprint(*folders: Path) -> str:
    digest = hashlib.sha256()
    for path in (path for folder in folders for path in sorted(folder.glob("*.py"))):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]
