"""What the engine works on, as one record of addresses: quick to hand over, also to a thread without Python.

Arrays are named by their address and their length. Whoever makes a record keeps what it names.
"""

import ctypes

import numpy as np

__all__ = ["CALL", "give_up_call"]

_ARRAYS = {
    "steps": "STEP of the plan",
    "ints": "int64: of the plan", "reals": "float64: of the plan",
    "edges": "uint8: of the plan",
    "weights": "float64: of the recipe", "terms": "int64", "tiles": "uint8",
    "memory": "int32: the arena; its gaps are zero",
    "scratch": "int64, (threads, 4): addresses and lengths of floats and wide, each thread's own: sums of a block, "
               "then packed panels",
    "scales": "int64, (images, channels, 3): (m, t, b) of the instance normalisation among the steps",
    "peaks": "float64, (threads, maps): largest magnitude each thread has written to each map; starts as zeros",
    "saturated": "int64, (threads, steps): values that saturation changed; added to",
    "shared": "int64, ((threads + 1) * steps,): parts of each step that are taken from each thread's share, then those "
              "that are done; starts as zeros",
    "x": "int32: the input, (images, channels, height, width)",
    "out": "int32: the output, if there is a step that writes it",
}  # fmt: skip
_NUMBERS = {
    "threads": "that share the work of a step",
    "images": "", "channels": "of `scales`",
    "begin": "first step", "end": "behind the last",
    "strip": "positions of a strip that goes through all layers at once; 0: one layer behind the other",
    "stretch": "of what a thread takes of them", "strip_words": "of memory, for each thread",
}  # fmt: skip

CALL = np.dtype(
    [(f"{name}{what}", np.int64) for name in _ARRAYS for what in ("", "_size")]
    + [(name, np.int64) for name in _NUMBERS]
)
"""A call of the engine."""


_OVER = 1 << 62  # more parts than a step has: what others wait for is done


def give_up_call(address: int) -> None:
    """A thread failed: nobody is to wait for what it will never do."""
    call = np.frombuffer(memoryview((ctypes.c_uint8 * CALL.itemsize).from_address(address)), CALL)[0]
    shared = (ctypes.c_int64 * int(call["shared_size"])).from_address(int(call["shared"]))
    np.frombuffer(memoryview(shared), np.int64)[:] = _OVER
