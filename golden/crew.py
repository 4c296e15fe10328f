"""Threads that help with a piece of work if they come in time."""

import os
import threading
from collections.abc import Callable
from queue import SimpleQueue

__all__ = ["Help", "cores", "offer"]


class Help:
    """An offer of ``work(number)`` to a helper, who may take it up or not.

    Parameters
    ----------
    work : callable
    number : int
    """

    def __init__(self, work: Callable[[int], None], number: int) -> None:
        self._work: Callable[[int], None] | None = work
        self._number = number
        self._claim, self._ended = threading.Lock(), threading.Lock()
        self._ended.acquire()
        self._error: BaseException | None = None

    def take(self) -> None:
        """Do the work, unless the offer was withdrawn."""
        if not self._claim.acquire(blocking=False):
            return
        work, self._work = self._work, None
        assert work is not None
        try:
            work(self._number)
        except BaseException as error:  # raised where the result is waited for
            self._error = error
        finally:
            self._ended.release()

    def withdraw(self) -> bool:
        """Whether nobody had taken it up; then nobody will, and what the work holds is let go."""
        withdrawn = self._claim.acquire(blocking=False)
        if withdrawn:
            self._work = None
        return withdrawn

    def settle(self) -> None:
        """Withdraw the offer, or wait until the work is done; raises what the helper raised."""
        if not self.withdraw():
            self._ended.acquire()
            if self._error is not None:
                raise self._error


_offers: SimpleQueue[Help] = SimpleQueue()
_lock = threading.Lock()
_started = 0


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def offer(work: Callable[[int], None], helpers: int) -> list[Help]:
    """``work(1)`` to ``work(helpers)``, each for a thread of its own beside the caller's; returns at once."""
    if _started < helpers:
        _start(helpers)
    helps = [Help(work, number) for number in range(1, helpers + 1)]
    for help_ in helps:
        _offers.put(help_)
    return helps


def _start(helpers: int) -> None:
    global _started
    with _lock:
        for number in range(_started, helpers):
            threading.Thread(target=_serve, args=(_offers,), name=f"golden-{number}", daemon=True).start()
        _started = max(_started, helpers)


def _serve(offers: "SimpleQueue[Help]") -> None:
    while True:
        offers.get().take()


def _after_fork() -> None:
    """Threads do not survive a fork."""
    global _offers, _lock, _started
    _offers, _lock, _started = SimpleQueue(), threading.Lock(), 0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
