"""Cycle model of the AXI memory that all timing is stated against.

A burst's first beat comes ``read_latency`` cycles after its AR handshake or right after the burst before it; a
response ``write_latency`` cycles after its burst's last W handshake. Both sides answer in order, and the master is
always ready. Five stall streams by cycle hold up AR, R, AW, W, B; see `hwshift.sim.stalls`.

`verilog/axi_memory.v` is the same memory for simulators.
"""

import numpy as np
from numba import njit

from hwshift.sim.stalls import CHANNELS

__all__ = [
    "AXI_STATE",
    "axi_accept_read",
    "axi_last_write",
    "axi_open",
    "axi_read_beat",
    "axi_response",
    "new_axi_state",
]

AR, R, AW, W, B = range(len(CHANNELS))
_RING = 64  # the most bursts that wait on one side

_I = np.int64
AXI_STATE = np.dtype([
    ("read_latency", _I), ("write_latency", _I),
    ("beats", _I, _RING), ("tags", _I, _RING), ("read_due", _I, _RING), ("read_head", _I), ("reads", _I), ("sent", _I),
    ("response_due", _I, _RING), ("response_head", _I), ("responses", _I),
])  # fmt: skip
"""Bursts whose beats, and writes whose responses, are still to come: rings of ``reads``, ``responses`` entries."""


def new_axi_state(read_latency: int, write_latency: int) -> np.ndarray:
    """The memory at cycle 0, as an array of one record.

    Raises
    ------
    ValueError
        If a latency is below 1.
    """
    for name, value in (("read_latency", read_latency), ("write_latency", write_latency)):
        if value < 1:
            raise ValueError(f"{name} must be 1 or more, not {value!r}")
    state = np.zeros(1, AXI_STATE)
    state["read_latency"], state["write_latency"] = read_latency, write_latency
    return state


@njit(cache=True)
def axi_open(stalls, channel, cycle):
    """Whether a stall stream, row ``channel`` of ``StallPattern.matrix``, lets ``channel`` through in ``cycle``."""
    return stalls[channel, cycle % stalls.shape[1]] == 0


@njit(cache=True)
def axi_read_beat(m, stalls, cycle):
    """R of this cycle: -1, or 2 * tag + last of the beat. Called before the AR handshake of the cycle is entered."""
    head = m.read_head
    if m.reads == 0 or m.read_due[head] > cycle or not axi_open(stalls, R, cycle):
        return -1
    m.sent += 1
    last = m.sent == m.beats[head]
    if last:
        m.sent = 0
        m.read_head = (head + 1) % _RING
        m.reads -= 1
    return 2 * m.tags[head] + last


@njit(cache=True)
def axi_accept_read(m, beats, tag, cycle):
    """AR handshake of a burst; its beats come back with ``tag``."""
    slot = (m.read_head + m.reads) % _RING
    m.beats[slot], m.tags[slot], m.read_due[slot] = beats, tag, cycle + m.read_latency
    m.reads += 1


@njit(cache=True)
def axi_response(m, stalls, cycle):
    """Whether a response comes in this cycle. Called before the W handshake of the cycle is entered."""
    if m.responses == 0 or m.response_due[m.response_head] > cycle or not axi_open(stalls, B, cycle):
        return False
    m.response_head = (m.response_head + 1) % _RING
    m.responses -= 1
    return True


@njit(cache=True)
def axi_last_write(m, cycle):
    """Handshake of the last W beat of a burst."""
    m.response_due[(m.response_head + m.responses) % _RING] = cycle + m.write_latency
    m.responses += 1
