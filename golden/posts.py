"""Where helpers find calls of the engine: a post for each, which it looks at without Python while it is awake.

The first word of a post is 0, or the address of a call and in its last bits what is with it. A caller posts a call
where nobody's is; the helper takes it, and clears the post when nothing is left to do. What nobody has taken when the
caller is ready is withdrawn.
"""

import numpy as np
from numba import types

from hwshift.golden.compiled import inlined, kernel
from hwshift.golden.llvm import exchange, pause, read_shared

__all__ = [
    "ASLEEP",
    "POST",
    "RING",
    "abandoned",
    "await_call",
    "give_up",
    "helpers",
    "leave_call",
    "post_call",
    "relax",
    "settle",
]

POST = 16
"""Words of a post: two cache lines, so that each has its own."""
_CALL, RING, ASLEEP = range(3)
"""Words of a post. RING: the helper is wanted for something else. ASLEEP: it waits in Python."""

_BITS = 7
_POSTED, _TAKEN, _FAILED = range(1, 4)
_YIELD = 64  # looks at what others do before the core is given away for a moment

_yield_core = types.ExternalFunction("sched_yield", types.int32())


@kernel
def relax(looks):
    """Between two looks at what another thread does."""
    pause()
    if looks % _YIELD == 0:
        _yield_core()


@kernel
def post_call(posts, helper, address):
    """Post a call, unless the helper is busy with another one's."""
    exchange(posts, (helper - 1) * POST + _CALL, 0, address | _POSTED)


@inlined
def helpers(posts, threads):
    """Numbers of those beside the caller who have a post."""
    return range(1, min(threads, len(posts) // POST + 1))


@kernel
def await_call(posts, helper, looks):
    """Take the posted call and return its address; 0 if the helper is wanted elsewhere, or after so many looks."""
    at = (helper - 1) * POST
    for look in range(1, looks + 1):
        found = read_shared(posts, at + _CALL)
        if found & _BITS == _POSTED and exchange(posts, at + _CALL, found, found ^ _POSTED ^ _TAKEN):
            return found ^ _POSTED
        if read_shared(posts, at + RING):
            break
        relax(look)
    exchange(posts, at + RING, 1, 0)
    return 0


@kernel
def leave_call(posts, helper):
    """The helper touches the call no more."""
    at = (helper - 1) * POST + _CALL
    exchange(posts, at, read_shared(posts, at), 0)


@kernel
def settle(posts, threads, address):
    """Withdraw a caller's posts, and wait for those who took one; returns how many failed, and clears their posts."""
    failed = 0
    for helper in helpers(posts, threads):
        at, looks = (helper - 1) * POST + _CALL, 0
        found = read_shared(posts, at)
        while found & ~_BITS == address:
            if found & _BITS != _TAKEN and exchange(posts, at, found, 0):
                failed += found & _BITS == _FAILED
                break
            looks += 1
            relax(looks)
            found = read_shared(posts, at)
    return failed


def abandoned(posts: np.ndarray, helper: int) -> int:
    """A helper fails: the address of the call it has taken, or 0. The post says so until its caller settles it."""
    at = (helper - 1) * POST + _CALL
    found = int(posts[at])
    if found & _BITS != _TAKEN:
        return 0
    return found ^ _TAKEN


def give_up(posts: np.ndarray, helper: int) -> None:
    """The call of `abandoned` is touched no more."""
    posts[(helper - 1) * POST + _CALL] ^= _TAKEN ^ _FAILED
