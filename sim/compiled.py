"""How the simulators' kernels are compiled: cached under a fingerprint of all they are made of.

They hold field numbers, opcodes and causes as constants, so the sources of `hwshift.program` count too.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import hwshift.program
from hwshift.kernels import kernel_decorator

__all__ = ["bare_njit", "njit"]

_HERE = Path(__file__).parent
_FOLDERS = (_HERE, _HERE / "cycle", Path(hwshift.program.__path__[0]))


def njit(*, cache: bool = True, nogil: bool = True, **options: Any) -> Callable[[Callable], Callable]:
    """Decorator of a kernel; as numba's, but with that cache, and without the interpreter's lock."""
    if not (cache and nogil):
        raise ValueError("kernels are cached and release the interpreter's lock")
    return kernel_decorator(*_FOLDERS, **options)


def bare_njit(*, cache: bool = True, nogil: bool = True, **options: Any) -> Callable[[Callable], Callable]:
    """As `njit`, for kernels that allocate nothing: without reference counts."""
    return njit(cache=cache, nogil=nogil, _nrt=False, **options)
