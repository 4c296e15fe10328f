"""AXI4-Lite slave: the five channels on one side, single-cycle register accesses on the other."""

from amaranth import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["OKAY", "SLVERR", "AxiLiteSlave", "axi_lite", "register_access"]


OKAY, SLVERR = 0, 2
"""Values of BRESP and RRESP."""


def axi_lite(address_bits: int) -> wiring.Signature:
    """A 32-bit AXI4-Lite port as the master sees it; names are those of AMBA without the prefix."""
    if not 3 <= address_bits <= 64:
        raise ValueError(f"address_bits must lie in 3..64, not {address_bits!r}")
    return wiring.Signature({
        "awaddr": Out(address_bits), "awprot": Out(3), "awvalid": Out(1), "awready": In(1),
        "wdata": Out(32), "wstrb": Out(4), "wvalid": Out(1), "wready": In(1),
        "bresp": In(2), "bvalid": In(1), "bready": Out(1),
        "araddr": Out(address_bits), "arprot": Out(3), "arvalid": Out(1), "arready": In(1),
        "rdata": In(32), "rresp": In(2), "rvalid": In(1), "rready": Out(1),
    })  # fmt: skip


def register_access(address_bits: int) -> wiring.Signature:
    """Accesses to registers: writes are answered in the same cycle, reads in the next one.

    Members
    -------
    write : Out(1)
        A write takes place at the end of this cycle, unless ``write_error`` answers it.
    write_address, read_address : Out
        Word addresses.
    write_data : Out(32), write_mask : Out(32)
        Bits outside the mask keep their value.
    write_error, read_error : In(1)
        The access is answered with SLVERR.
    read_data : In(32)
        With ``read_error``, of the address of the cycle before. Reads have no side effects, so there is no strobe.
    """
    words = address_bits - 2
    return wiring.Signature({
        "write": Out(1), "write_address": Out(words), "write_data": Out(32), "write_mask": Out(32),
        "write_error": In(1), "read_address": Out(words), "read_data": In(32), "read_error": In(1),
    })  # fmt: skip


class AxiLiteSlave(wiring.Component):
    """Turns AXI4-Lite transfers into register accesses.

    The five handshakes do not depend on each other: address and data of a write arrive in any order, and a
    response that is not taken holds up only its own direction. Outputs to the bus are registers or their
    inverse. A write whose later half is accepted in cycle t takes place in cycle t + 2 if no response waits,
    and BVALID is 1 from t + 3 on; a read takes place in t + 1, and RVALID is 1 from t + 3 on. One write and one read
    every three cycles. Whether a write takes place is a register, since much follows from it.

    Members
    -------
    s_axi : In(axi_lite)
    access : Out(register_access)
    """

    def __init__(self, address_bits: int) -> None:
        self._address_bits = address_bits
        super().__init__(
            {
                "s_axi": In(axi_lite(address_bits)),
                "access": Out(register_access(address_bits)),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        self._write(m)
        self._read(m)
        return m

    def _hold(self, m: Module, channel: str, take: Signal, *fields: str) -> tuple[Signal, ...]:
        """Keep one transfer of a channel until ``take``: a flag and the fields."""
        bus = self.s_axi
        valid, ready = getattr(bus, f"{channel}valid"), getattr(bus, f"{channel}ready")
        held = Signal(name=f"{channel}_held")
        kept = {name: Signal.like(getattr(bus, name), name=f"{name}_kept") for name in fields}
        m.d.comb += ready.eq(~held)
        with m.If(~held):
            m.d.sync += [held.eq(valid), *(kept[name].eq(getattr(bus, name)) for name in fields)]
        with m.Elif(take):
            m.d.sync += held.eq(0)
        return held, *kept.values()

    def _write(self, m: Module) -> None:
        bus, access = self.s_axi, self.access
        aw, address = self._hold(m, "aw", access.write, "awaddr")
        w, data, strobes = self._hold(m, "w", access.write, "wdata", "wstrb")
        m.d.sync += access.write.eq(aw & w & ~access.write & (~bus.bvalid | bus.bready))
        m.d.comb += [
            access.write_address.eq(address[2:]),
            access.write_data.eq(data),
            *(access.write_mask.word_select(i, 8).eq(strobes[i].replicate(8)) for i in range(4)),
        ]
        with m.If(access.write):
            m.d.sync += [bus.bvalid.eq(1), bus.bresp.eq(Mux(access.write_error, SLVERR, OKAY))]
        with m.Elif(bus.bready):
            m.d.sync += bus.bvalid.eq(0)

    def _read(self, m: Module) -> None:
        bus, access = self.s_axi, self.access
        take = Signal()
        there = Signal()  # the answer: the address was held in the cycle before
        ar, address = self._hold(m, "ar", take, "araddr")
        m.d.sync += there.eq(ar & ~take)
        m.d.comb += [
            take.eq(there & (~bus.rvalid | bus.rready)),
            access.read_address.eq(address[2:]),
        ]
        with m.If(take):
            m.d.sync += [
                bus.rvalid.eq(1),
                bus.rdata.eq(access.read_data),
                bus.rresp.eq(Mux(access.read_error, SLVERR, OKAY)),
            ]
        with m.Elif(bus.rready):
            m.d.sync += bus.rvalid.eq(0)
