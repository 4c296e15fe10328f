"""Write master: AW, W and B of the storer."""

from amaranth import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hwshift.config import AcceleratorConfig
from hwshift.program.registers import ErrorCode
from hwshift.rtl.axi import OKAY, AddressRegister, axi_write, burst_layout, inside
from hwshift.rtl.queue import Queue, stepped
from hwshift.timing import timing

__all__ = ["WriteMaster"]


class WriteMaster(wiring.Component):
    """Decides one burst per cycle; its W beats follow its AW handshake.

    A burst decided in cycle t (``burst.ready``) has AWVALID from t + 1 on, unless it is refused; with the handshake
    in cycle a, its beats can go from a + 1 on, after those of the bursts before, as ``beats`` has them. Decisions are
    made while the AW register is empty or handshakes and fewer than ``timing.write_bursts`` bursts are outstanding:
    decided, and their response not yet counted; none is made after one that is refused. BREADY is always 1.

    Members
    -------
    bus : Out(axi_write)
    burst : In(stream of burst_layout)
    beats : In(stream of beats)
    write_base, write_limit : In(address_width)
        First and last byte that may be written.
    responded : Out(1)
        A response has come, in the order of the bursts.
    halt : In(1)
        No decisions; the beats of decided bursts still go. Once one is not there, the rest go without strobes, so
        that the bus is left in order whatever the storer waits for.
    drained : Out(1)
        No burst is outstanding.
    error : Out(1), error_code : Out(8)
        A burst outside the region, which is never issued, in the cycle after its decision; or a BRESP that is not
        OKAY, in the response's cycle.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self._config = config
        super().__init__({
            "bus": Out(axi_write(config)),
            "burst": In(stream.Signature(burst_layout(config))), "beats": In(stream.Signature(config.bus_width)),
            "write_base": In(config.address_width), "write_limit": In(config.address_width),
            "responded": Out(1), "halt": In(1), "drained": Out(1), "error": Out(1), "error_code": Out(8),
        })  # fmt: skip

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        bus, limit = self.bus, timing(self._config).write_bursts
        register = AddressRegister(m, self._config, bus, "aw")
        outstanding = Signal(range(limit + 1))  # with one that is refused
        decide = Signal()
        failed = Signal()
        taken = Signal()
        may = Signal(init=1)
        # from registers, since the strobes come late in a cycle
        room = Mux(taken == self.responded, outstanding != limit, self.responded | (outstanding != limit - 1))
        m.d.sync += [
            outstanding.eq(stepped(outstanding, taken, self.responded)), may.eq(room),
        ]  # fmt: skip
        m.d.comb += [
            decide.eq(register.free & ~self.halt & may),
            self.burst.ready.eq(decide), taken.eq(decide & self.burst.valid),
            bus.bready.eq(1), self.responded.eq(bus.bvalid), self.drained.eq(outstanding == register.refused),
            failed.eq(bus.bvalid & (bus.bresp != OKAY)),
            self.error.eq(failed | register.refuses),
            self.error_code.eq(Mux(failed, ErrorCode.WRITE_RESPONSE, ErrorCode.WRITE_REGION)),
        ]  # fmt: skip
        allowed = inside(self._config, self.burst.payload, self.write_base, self.write_limit)
        register.load(self.burst.payload, taken, allowed)
        self._send(m, register.burst)
        return m

    def _send(self, m: Module, register: Signal) -> None:
        bus = self.bus
        sent = Signal.like(register.beats)
        owed = Signal()
        missing = Signal()
        m.submodules.lengths = lengths = Queue(register.beats.shape(), timing(self._config).write_bursts)
        m.d.comb += [
            lengths.i.valid.eq(bus.awvalid & bus.awready), lengths.i.payload.eq(register.beats),
            owed.eq(lengths.o.valid), bus.wvalid.eq(owed & (self.beats.valid | missing)),
            bus.wdata.eq(Mux(missing, 0, self.beats.payload)), bus.wstrb.eq(Mux(missing, 0, -1)),
            bus.wlast.eq(sent + 1 == lengths.o.payload),
            self.beats.ready.eq(owed & bus.wready & ~missing),
            lengths.o.ready.eq(bus.wvalid & bus.wready & bus.wlast),
        ]  # fmt: skip
        with m.If(bus.wvalid & bus.wready):
            m.d.sync += sent.eq(Mux(bus.wlast, 0, sent + 1))
        with m.If(self.halt & owed & ~self.beats.valid):  # not in a beat that waits: its data are there
            m.d.sync += missing.eq(1)
