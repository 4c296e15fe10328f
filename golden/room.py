"""Room for large outputs: what nobody holds any more is used again."""

import sys
import threading

import numpy as np

__all__ = ["empty"]

# bytes from which on the system takes memory back at once, and clears it before it gives it again
_LARGE = 1 << 25
_KEPT = 2  # outputs: what the caller still holds, and what is made meanwhile
_rooms: list[np.ndarray] = []
_lock = threading.Lock()


def empty(shape: tuple[int, ...]) -> np.ndarray:
    """An array of int32 with anything in it; to clear fresh pages takes as long as to compute what goes there."""
    out = np.empty(shape, np.int32)
    if out.nbytes < _LARGE:
        return out
    words = out.size
    with _lock:
        for i in range(len(_rooms)):
            # a view of any view holds the array itself: two are the list's and the call's
            if _rooms[i].size == words and sys.getrefcount(_rooms[i]) == 2:
                return _rooms[i].reshape(shape)
        _rooms.append(out)
        del _rooms[:-_KEPT]
        return _rooms[-1].reshape(shape)
