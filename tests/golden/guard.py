"""Memory between pages that no one may touch: a read or write beside an array ends the process."""

import ctypes
import mmap
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from hwshift.golden import runner
from hwshift.golden.plan import Plan

__all__ = ["CANARY", "Guarded", "guarded_runs"]

CANARY = 0xA5
_PAGE = mmap.PAGESIZE
_NONE, _READ = 0, mmap.PROT_READ


class Guarded:
    """Copies of arrays, each flush with a forbidden page at its end or at its start; the slack is canaries.

    Parameters
    ----------
    at_end : bool
        Whether the forbidden page is behind the array, or before it.
    """

    def __init__(self, at_end: bool) -> None:
        self._at_end = at_end
        self._slack: list[tuple[str, np.ndarray]] = []
        self._protect = ctypes.CDLL(None, use_errno=True).mprotect

    def copy(self, name: str, source: np.ndarray, fixed: bool = False) -> np.ndarray:
        """The array in memory of its own; ``fixed``: writing to it ends the process too."""
        size = -(-max(source.nbytes, 1) // _PAGE) * _PAGE
        room = mmap.mmap(-1, size + 2 * _PAGE)
        data = np.frombuffer(room, np.uint8)
        data[:] = CANARY
        start = _PAGE + (size - source.nbytes if self._at_end else 0)
        inner = data[start : start + source.nbytes]
        inner[:] = np.ascontiguousarray(source).reshape(-1).view(np.uint8)
        self._slack.append((f"{name}, before", data[_PAGE:start]))
        self._slack.append((f"{name}, behind", data[start + source.nbytes : _PAGE + size]))
        self._forbid(data.ctypes.data, _PAGE, _NONE)
        self._forbid(data.ctypes.data + _PAGE + size, _PAGE, _NONE)
        if fixed:
            self._forbid(data.ctypes.data + _PAGE, size, _READ)
        return inner.view(source.dtype).reshape(source.shape).view(type(source))

    def _forbid(self, at: int, size: int, allowed: int) -> None:
        assert self._protect(ctypes.c_void_p(at), ctypes.c_size_t(size), allowed) == 0

    def check(self) -> None:
        """Whether all canaries are there."""
        for name, slack in self._slack:
            assert (slack == CANARY).all(), name


@contextmanager
def guarded_runs(at_end: bool) -> Iterator[Guarded]:
    """Plans, tables, scratch and arena of all runs inside lie between forbidden pages."""
    guard = Guarded(at_end)
    plain = runner.Context

    class Context(plain):  # type: ignore[misc, valid-type]
        """The memory of a run, moved."""

        def __init__(self, plan: Plan) -> None:
            super().__init__(plan)
            for name in ("memory", "saturated", "scales"):
                setattr(self, name, guard.copy(name, getattr(self, name)))
            junk = np.random.default_rng(len(guard._slack))
            self.floats = [
                guard.copy("floats", junk.choice([np.nan, np.inf, -1e300, 1.5], row.shape))
                for row in self.floats
            ]
            self.wide = [
                guard.copy("wide", junk.integers(-(1 << 62), 1 << 62, row.shape)) for row in self.wide
            ]
            for name in ("steps", "ints", "reals", "edges"):
                setattr(plan, name, guard.copy(name, getattr(plan, name), fixed=True))
            for name in ("weights", "terms", "tiles"):
                setattr(plan.recipe, name, guard.copy(name, getattr(plan.recipe, name), fixed=True))

    runner.Context = Context  # type: ignore[misc]
    try:
        yield guard
    finally:
        runner.Context = plain  # type: ignore[misc]
