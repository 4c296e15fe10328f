"""Threads that help with a piece of work if they come in time.

For a while after its last work a helper looks at its post (`hwshift.golden.posts`), where it finds calls of the engine
without Python and without being woken; then it sleeps.
"""

import os
import threading
import time
from collections.abc import Callable
from queue import SimpleQueue

import numpy as np

from hwshift.golden.calls import give_up_call
from hwshift.golden.engine import execute
from hwshift.golden.posts import ASLEEP, POST, RING, abandoned, give_up, settle

__all__ = ["Help", "call_engine", "cores", "offer", "soon"]

_MOST = 64  # helpers that have a post
_LOOKS = 4000  # at a post before a helper sleeps: about 0.2 ms
_SOON = 100_000  # ns


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
_posts = np.zeros(_MOST * POST, np.int64)
_no_map = np.zeros(1, np.int32)
_failures: dict[int, BaseException] = {}
_asked = 0  # `soon`, the last time
_loaded = False  # whether the engine is: helpers wait in Python until a caller has compiled it


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
    _posts[RING : helpers * POST : POST] = 1
    return helps


def call_engine(address: int, threads: int, x: np.ndarray, out: np.ndarray) -> None:
    """Run a call of the engine (`execute`) on its threads, as far as they come.

    Parameters
    ----------
    address : int
        Of the CALL.
    threads : int
        That it has room for.
    x, out : ndarray of int32
        Input and output in one row.
    """
    global _loaded
    if threads > 1:
        _awake(threads - 1)
    try:
        failed = execute(address, _posts, 0, 0, x, out)
        _loaded = True
    except BaseException:
        give_up_call(address)
        settle(_posts, threads, address)
        _failures.pop(address, None)
        raise
    if failed:
        raise _failures.pop(address)


def soon() -> bool:
    """Whether the time this was asked before is so near that a helper that was woken then is still awake."""
    global _asked
    before, _asked = _asked, time.perf_counter_ns()
    return _asked - before < _SOON


def _awake(helpers: int) -> None:
    """Wake those that are asleep."""
    if _started < helpers:
        _start(helpers)
    for at in range(ASLEEP, min(helpers, _MOST) * POST, POST):
        if _posts[at]:
            _offers.put(Help(_wake, 0))


def _wake(_: int) -> None:
    """What only wakes a helper."""


def _start(helpers: int) -> None:
    global _started
    with _lock:
        for number in range(_started, helpers):
            arguments = _offers, _posts, number + 1
            threading.Thread(target=_serve, args=arguments, name=f"golden-{number}", daemon=True).start()
        _started = max(_started, helpers)


def _serve(offers: "SimpleQueue[Help]", posts: np.ndarray, number: int) -> None:
    own = posts[(number - 1) * POST : number * POST]  # empty for those that have none
    while True:
        if len(own) and _loaded:
            _watch(posts, number)
        own[ASLEEP : ASLEEP + 1] = 1
        help_ = offers.get()
        own[ASLEEP : ASLEEP + 1] = 0
        help_.take()
        del help_


def _watch(posts: np.ndarray, number: int) -> None:
    """Do what is posted, until nothing is for a while."""
    try:
        execute(0, posts, number, _LOOKS, _no_map, _no_map)
    except BaseException as error:
        address = abandoned(posts, number)
        if not address:
            raise
        _failures[address] = error
        give_up_call(address)
        give_up(posts, number)


def _after_fork() -> None:
    """Threads do not survive a fork."""
    global _offers, _lock, _started, _posts
    _offers, _lock, _started, _posts = SimpleQueue(), threading.Lock(), 0, np.zeros(_MOST * POST, np.int64)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
