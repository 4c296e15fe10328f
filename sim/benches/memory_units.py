"""What the benches of fetch, loader and storer share: random streams, bursts and the beats behind them."""

import random
from collections import deque
from typing import Any

from amaranth.lib import data
from cocotb.triggers import FallingEdge, RisingEdge

from hwshift.config import AcceleratorConfig
from hwshift.program.isa import BURST_BEATS
from hwshift.rtl.axi import burst_layout

__all__ = ["BurstChecker", "Source", "Unit", "chance"]

_PAGE = 4096


def chance(stall: float) -> int:
    """1 with probability 1 - ``stall``."""
    return int(random.random() >= stall)


class Source:
    """Drives a stream with entries in order; VALID stays until the transfer.

    Members
    -------
    taken : int
        Transfers so far.
    """

    def __init__(self, dut: Any, port: str, entries: list[int], stall: float) -> None:
        self._valid, self._payload, self._ready = (
            getattr(dut, f"{port}__{name}") for name in ("valid", "payload", "ready")
        )
        self._entries, self._stall, self._offered = deque(entries), stall, False
        self.taken = 0

    def drive(self) -> None:
        """At the start of a cycle."""
        self._offered = bool(self._entries) and (self._offered or bool(chance(self._stall)))
        self._valid.value = int(self._offered)
        if self._offered:
            self._payload.value = self._entries[0]

    def sample(self) -> bool:
        """When the cycle's signals have settled; whether there is a transfer."""
        if not (self._offered and int(self._ready.value)):
            return False
        self._entries.popleft()
        self._offered = False
        self.taken += 1
        return True

    @property
    def done(self) -> bool:
        """Whether everything has been taken."""
        return not self._entries


class BurstChecker:
    """Grants the bursts a unit asks for and checks them: at most 64 beats, one page, aligned, stable."""

    def __init__(self, dut: Any, config: AcceleratorConfig, stall: float) -> None:
        self._dut, self._config, self._stall, self._waiting = dut, config, stall, None

    def drive(self, room: bool = True) -> None:
        """At the start of a cycle; without ``room`` nothing is granted."""
        self._dut.burst__ready.value = room and chance(self._stall)

    def sample(self) -> tuple[int, int, int] | None:
        """Address, beats and last of the burst taken in this cycle."""
        if not int(self._dut.burst__valid.value):
            assert self._waiting is None, "a burst was withdrawn"
            return None
        payload = self._dut.burst__payload.value.to_unsigned()
        assert self._waiting in (None, payload), "a burst changed while it was not taken"
        taken = int(self._dut.burst__ready.value)
        self._waiting = None if taken else payload
        if not taken:
            return None
        burst = burst_layout(self._config).from_bits(payload)
        address, beats = int(burst.address), int(burst.beats)
        assert not int(burst.beyond) and 1 <= beats <= BURST_BEATS, (hex(address), beats)
        assert address % self._config.beat_bytes == 0
        assert address % _PAGE + beats * self._config.beat_bytes <= _PAGE, (hex(address), beats)
        return address, beats, int(burst.last)


class Unit:
    """One cycle at a time: inputs are driven after the rising edge, everything is sampled at the falling one."""

    def __init__(self, dut: Any) -> None:
        self.dut = dut

    async def settle(self) -> None:
        """To the point where outputs are sampled."""
        await FallingEdge(self.dut.clk)

    async def tick(self) -> None:
        """To the next cycle."""
        await RisingEdge(self.dut.clk)

    def value(self, name: str) -> int:
        """An output, unsigned."""
        return int(getattr(self.dut, name).value)

    def write(self, name: str, layout: data.StructLayout) -> tuple[data.Const, int] | None:
        """A write port whose first field is ``en``, and its bits; None where it is off and the rest may be X."""
        bits = getattr(self.dut, name).value
        if str(bits[0]) != "1":
            return None
        return layout.from_bits(bits.to_unsigned()), bits.to_unsigned()
