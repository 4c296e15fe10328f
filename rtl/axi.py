"""The AXI4 master ports, and the bursts that are asked of them."""

from amaranth import Module, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hwshift.config import AcceleratorConfig
from hwshift.program.isa import BURST_BEATS

__all__ = [
    "OKAY",
    "AddressRegister",
    "axi_master",
    "axi_read",
    "axi_write",
    "beats_strobe",
    "burst_layout",
    "inside",
]

OKAY = 0
"""RRESP or BRESP of a transfer that went well."""
_INCR = 1
_MODIFIABLE_BUFFERABLE = 0b0011
_PAGE_BITS = 12


def _address_channel(prefix: str, config: AcceleratorConfig) -> dict[str, wiring.Member]:
    members = {
        "id": 1, "addr": config.address_width, "len": 8, "size": 3, "burst": 2, "lock": 1, "cache": 4, "prot": 3,
    }  # fmt: skip
    return {
        **{prefix + name: Out(width) for name, width in members.items()},
        f"{prefix}valid": Out(1), f"{prefix}ready": In(1),
    }  # fmt: skip


def axi_read(config: AcceleratorConfig) -> wiring.Signature:
    """AR and R of an AXI4 master, named as AMBA does. One ID, bursts of type INCR, beats of full width."""
    return wiring.Signature({
        **_address_channel("ar", config),
        "rid": In(1), "rdata": In(config.bus_width), "rresp": In(2), "rlast": In(1),
        "rvalid": In(1), "rready": Out(1),
    })  # fmt: skip


def axi_write(config: AcceleratorConfig) -> wiring.Signature:
    """AW, W and B of an AXI4 master, otherwise as `axi_read`."""
    return wiring.Signature({
        **_address_channel("aw", config),
        "wdata": Out(config.bus_width), "wstrb": Out(config.beat_bytes), "wlast": Out(1),
        "wvalid": Out(1), "wready": In(1),
        "bid": In(1), "bresp": In(2), "bvalid": In(1), "bready": Out(1),
    })  # fmt: skip


def axi_master(config: AcceleratorConfig) -> wiring.Signature:
    """All five channels."""
    return wiring.Signature({**axi_read(config).members, **axi_write(config).members})


def burst_layout(config: AcceleratorConfig) -> data.StructLayout:
    """A burst: 1 to 64 beats that do not cross a multiple of 4096 bytes.

    ``beyond``: the address does not fit the bus; ``address`` are its low bits. ``last``: the last of its instruction.
    """
    return data.StructLayout({
        "address": config.address_width, "beats": range(BURST_BEATS + 1), "beyond": 1, "last": 1,
    })  # fmt: skip


def beats_strobe(config: AcceleratorConfig) -> wiring.Signature:
    """Beats that are taken in every cycle in which they are valid."""
    return wiring.Signature({"valid": Out(1), "payload": Out(config.bus_width)})


def inside(config: AcceleratorConfig, burst: data.View, base: Value, limit: Value) -> Value:
    """Whether a burst has bytes, and all of them lie in ``base .. limit``, both included.

    The burst stays within 4096 bytes, so where its page is the limit's, its end is compared in the low bits only.
    """
    beat = (config.beat_bytes - 1).bit_length()
    page, last_page = burst.address[_PAGE_BITS:], limit[_PAGE_BITS:]
    end, allowed = burst.address[beat:_PAGE_BITS] + burst.beats, (limit[:_PAGE_BITS] + 1)[beat:]
    ends = (page < last_page) | ((page == last_page) & (end <= allowed))
    return (burst.beats != 0) & ~burst.beyond & (burst.address >= base) & ends


class AddressRegister:
    """The burst that a master decided last: on its address channel from the next cycle on, if it is in its region.

    Whether it is comes late in the cycle, so that is a register as well. A burst that is not stays here, off the bus,
    and there is no other.

    Parameters
    ----------
    m : Module
    config : AcceleratorConfig
    bus : interface with the channel
    prefix : str
        ``"ar"`` or ``"aw"``.

    Members
    -------
    free : Signal
        It can be loaded in this cycle.
    burst : Signal of `burst_layout`
    refused, refuses : Signal
        What is here is refused; it came in the cycle before.
    """

    def __init__(self, m: Module, config: AcceleratorConfig, bus: wiring.PureInterface, prefix: str) -> None:
        self._m = m
        self.burst = burst = Signal(burst_layout(config), name="register")
        self.free, self.refused, self.refuses = (
            Signal(name="free"),
            Signal(name="refused"),
            Signal(name="refuses"),
        )
        self._there, self._fresh = Signal(name="register_there"), Signal(name="register_fresh")
        self._allowed = Signal(name="register_allowed")
        ready = getattr(bus, f"{prefix}ready")
        channel = {
            "valid": self._there & self._allowed, "addr": burst.address, "len": burst.beats - 1,
            "burst": _INCR, "size": (config.beat_bytes - 1).bit_length(), "cache": _MODIFIABLE_BUFFERABLE,
        }  # fmt: skip
        m.d.comb += [getattr(bus, prefix + name).eq(value) for name, value in channel.items()]
        m.d.comb += [
            self.free.eq(~self._there | (self._allowed & ready)),
            self.refused.eq(self._there & ~self._allowed), self.refuses.eq(self._fresh & ~self._allowed),
        ]  # fmt: skip

    def load(self, burst: Value, taken: Value, allowed: Value) -> None:
        """Take ``burst`` in a cycle with ``taken``, which is never 1 without ``free``."""
        with self._m.If(self.free):  # whether it is taken comes late
            self._m.d.sync += [self.burst.eq(burst), self._allowed.eq(allowed), self._there.eq(taken)]
        self._m.d.sync += self._fresh.eq(taken)
