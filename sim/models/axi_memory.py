"""The AXI memory of the timing contract in plain Python, with the rules that a master must keep."""

from collections import deque
from collections.abc import Callable

import numpy as np

from hwshift.config import AcceleratorConfig
from hwshift.program.isa import BURST_BEATS
from hwshift.sim.stalls import CHANNELS, StallPattern

__all__ = ["MASTER_INPUTS", "MASTER_OUTPUTS", "AxiMemory"]

_ADDRESS = ("addr", "len", "size", "burst", "id")
MASTER_OUTPUTS = (
    *(prefix + name for prefix in ("ar", "aw") for name in (*_ADDRESS, "valid")),
    "wdata", "wstrb", "wlast", "wvalid", "rready", "bready",
)  # fmt: skip
"""What `AxiMemory.observe` must be given."""
MASTER_INPUTS = ("arready", "awready", "wready", "rvalid", "rdata", "rlast", "rresp", "bvalid", "bresp")
"""What `AxiMemory.drive` gives."""
_PAGE = 4096
_SLVERR = 2


class AxiMemory:
    """A memory with fixed latencies and stalls by cycle.

    Parameters
    ----------
    config : AcceleratorConfig
    base : int
        Address of the first byte.
    content : ndarray of uint8
        Reads and writes go here.
    latency : (int, int)
        Cycles from an AR handshake to the first beat, and from the last W handshake to the response.
    stalls : StallPattern
    bad : range of int
        Addresses that are answered with SLVERR.

    Members
    -------
    reads, writes : list of (int, int)
        Address and beats of every burst accepted.
    handshakes : dict of str to int
        1 for the channels (ar, r, aw, w, b) that had a transfer in the cycle last observed.
    """

    def __init__(
        self,
        config: AcceleratorConfig,
        base: int,
        content: np.ndarray,
        latency: tuple[int, int] = (8, 4),
        stalls: StallPattern | None = None,
        bad: range = range(0),
    ) -> None:
        self._config, self._base, self._content = config, base, content
        self._read_latency, self._write_latency = latency
        self._stalls = (stalls or StallPattern.none()).matrix()
        self._bad = bad
        self._due: deque[tuple[int, int, int]] = deque()  # due cycle, address, beats left of read bursts
        self._lacking: deque[tuple[int, int]] = deque()  # address, beats of write bursts
        self._responses: deque[tuple[int, int]] = deque()  # due cycle, response
        self._sent = 0
        self._worst = 0
        self._driven: dict[str, int] = {}
        self._waiting: dict[str, tuple] = {}
        self.reads: list[tuple[int, int]] = []
        self.writes: list[tuple[int, int]] = []
        self.handshakes = dict.fromkeys(CHANNELS, 0)

    def drive(self, cycle: int) -> dict[str, int]:
        """The memory's signals in this cycle; `MASTER_INPUTS` to their values."""
        stalled = {
            name: int(self._stalls[row, cycle % self._stalls.shape[1]]) for row, name in enumerate(CHANNELS)
        }
        out = dict.fromkeys(MASTER_INPUTS, 0)
        out["arready"], out["awready"] = 1 - stalled["ar"], 1 - stalled["aw"]
        out["wready"] = int(not stalled["w"] and bool(self._lacking))
        if self._due and self._due[0][0] <= cycle and not stalled["r"]:
            due, address, left = self._due.popleft()
            if left > 1:
                self._due.appendleft((due, address + self._config.beat_bytes, left - 1))
            out |= {"rvalid": 1, "rlast": int(left == 1), "rresp": self._response(address)}
            out["rdata"] = int.from_bytes(self._bytes(address).tobytes(), "little")
        if self._responses and self._responses[0][0] <= cycle and not stalled["b"]:
            out |= {"bvalid": 1, "bresp": self._responses.popleft()[1]}
        self._driven = out
        return out

    def observe(self, cycle: int, master: Callable[[str], int]) -> None:
        """See the master's signals in this cycle; ``master`` gives the value of one of `MASTER_OUTPUTS`.

        Raises
        ------
        AssertionError
            If the master breaks a rule of AXI4 or of the contract.
        """
        driven = self._driven
        assert master("rready") and master("bready"), "RREADY and BREADY are always 1"
        self.handshakes = {
            name: int(master(f"{name}valid") and driven[f"{name}ready"]) for name in ("ar", "aw", "w")
        }
        self.handshakes |= {name: driven[f"{name}valid"] for name in ("r", "b")}
        self._check_stable(master)
        if self.handshakes["w"]:
            self._write(cycle, master)
        if self.handshakes["ar"]:
            self.reads.append(self._burst("ar", master))
            self._due.append((cycle + self._read_latency, *self.reads[-1]))
        if self.handshakes["aw"]:
            self.writes.append(self._burst("aw", master))
            self._lacking.append(self.writes[-1])

    @property
    def quiet(self) -> bool:
        """Whether every accepted burst has been answered."""
        return not (self._due or self._lacking or self._responses)

    def _bytes(self, address: int) -> np.ndarray:
        start = address - self._base
        assert 0 <= start <= len(self._content) - self._config.beat_bytes, (
            f"0x{address:x} is outside the memory"
        )
        return self._content[start : start + self._config.beat_bytes]

    def _response(self, address: int) -> int:
        return _SLVERR if address in self._bad else 0

    def _check_stable(self, master: Callable[[str], int]) -> None:
        groups = {"ar": [f"ar{name}" for name in _ADDRESS], "aw": [f"aw{name}" for name in _ADDRESS],
                  "w": ["wdata", "wstrb", "wlast"]}  # fmt: skip
        for channel, names in groups.items():
            waiting = self._waiting.pop(channel, None)
            if not master(f"{channel}valid"):
                assert waiting is None, f"{channel}: VALID drops before its handshake"
                continue
            payload = tuple(master(name) for name in names)
            assert waiting in (None, payload), f"{channel}: the payload changes before its handshake"
            if not self.handshakes[channel]:
                self._waiting[channel] = payload

    def _burst(self, prefix: str, master: Callable[[str], int]) -> tuple[int, int]:
        address, beats = master(f"{prefix}addr"), master(f"{prefix}len") + 1
        size = beats * self._config.beat_bytes
        assert beats <= BURST_BEATS, f"{prefix}: a burst of {beats} beats"
        assert address % self._config.beat_bytes == 0, f"{prefix}: 0x{address:x} is not aligned"
        assert address % _PAGE + size <= _PAGE, f"{prefix}: {size} bytes at 0x{address:x} cross 4096 bytes"
        assert 1 << master(f"{prefix}size") == self._config.beat_bytes, (
            f"{prefix}: beats are not of full width"
        )
        assert master(f"{prefix}burst") == 1, f"{prefix}: not INCR"
        assert master(f"{prefix}id") == 0, f"{prefix}: another ID"
        return address, beats

    def _write(self, cycle: int, master: Callable[[str], int]) -> None:
        address, beats = self._lacking[0]
        address += self._sent * self._config.beat_bytes
        self._sent += 1
        assert master("wstrb") == (1 << self._config.beat_bytes) - 1, "a beat is written in part"
        assert bool(master("wlast")) == (self._sent == beats), (
            f"WLAST is wrong at beat {self._sent} of {beats}"
        )
        self._bytes(address)[:] = np.frombuffer(
            master("wdata").to_bytes(self._config.beat_bytes, "little"), np.uint8
        )
        self._worst = max(self._worst, self._response(address))
        if self._sent == beats:
            self._lacking.popleft()
            self._responses.append((cycle + self._write_latency, self._worst))
            self._sent = self._worst = 0
