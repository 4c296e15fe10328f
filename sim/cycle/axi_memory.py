"""Cycle model of the AXI memory that all timing is stated against.

A burst's first beat comes ``read_latency`` cycles after its AR handshake or right after the burst before it; a
response ``write_latency`` cycles after its burst's last W handshake. Both sides answer in order, and the master is
always ready. Five stall streams by cycle hold up AR, R, AW, W, B; see `hwshift.sim.stalls`.

`verilog/axi_memory.v` is the same memory for simulators.
"""

import numpy as np

from hwshift.sim.compiled import bare_njit as njit
from hwshift.sim.stalls import CHANNELS

__all__ = [
    "AXI_STATE",
    "FOREVER",
    "axi_accept_read",
    "axi_held",
    "axi_last_write",
    "axi_open",
    "axi_read_beat",
    "axi_rest",
    "axi_response",
    "new_axi_state",
]

AR, R, AW, W, B = range(len(CHANNELS))
FOREVER = 1 << 60
"""More cycles than any run has."""
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


@njit(cache=True, forceinline=True)
def axi_held(stalls, cycle):
    """Mask of the channels that a stall pattern, an ndarray of `StallPattern.masks`, holds up in ``cycle``."""
    return np.int64(stalls[cycle % len(stalls) if len(stalls) > 1 else 0])


@njit(cache=True, forceinline=True)
def axi_open(held, channel):
    """Whether ``channel`` is let through."""
    return held >> channel & 1 == 0


@njit(cache=True, forceinline=True)
def axi_read_beat(m, held, cycle):
    """R of this cycle: -1, or 2 * tag + last of the beat. Called before the AR handshake of the cycle is entered."""
    head = m.read_head
    if m.reads == 0 or m.read_due[head] > cycle or not axi_open(held, R):
        return -1
    m.sent += 1
    last = m.sent == m.beats[head]
    if last:
        m.sent = 0
        m.read_head = (head + 1) % _RING
        m.reads -= 1
    return 2 * m.tags[head] + last


@njit(cache=True, forceinline=True)
def axi_accept_read(m, beats, tag, cycle):
    """AR handshake of a burst; its beats come back with ``tag``."""
    slot = (m.read_head + m.reads) % _RING
    m.beats[slot], m.tags[slot], m.read_due[slot] = beats, tag, cycle + m.read_latency
    m.reads += 1


@njit(cache=True, forceinline=True)
def axi_response(m, held, cycle):
    """Whether a response comes in this cycle. Called before the W handshake of the cycle is entered."""
    if m.responses == 0 or m.response_due[m.response_head] > cycle or not axi_open(held, B):
        return False
    m.response_head = (m.response_head + 1) % _RING
    m.responses -= 1
    return True


@njit(cache=True, forceinline=True)
def axi_last_write(m, cycle):
    """Handshake of the last W beat of a burst."""
    m.response_due[(m.response_head + m.responses) % _RING] = cycle + m.write_latency
    m.responses += 1


@njit(cache=True, forceinline=True)
def axi_rest(m, cycle):
    """Cycles from ``cycle`` on in which neither a beat nor a response can come, though nothing is held up."""
    rest = FOREVER
    if m.reads > 0:
        rest = m.read_due[m.read_head] - cycle
    if m.responses > 0:
        rest = min(rest, m.response_due[m.response_head] - cycle)
    return max(rest, 0)
