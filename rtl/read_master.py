"""Read master: AR and R, shared by fetch and loader."""

from amaranth import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hwshift.config import AcceleratorConfig
from hwshift.program.registers import ErrorCode
from hwshift.rtl.axi import OKAY, AddressRegister, axi_read, beats_strobe, burst_layout, inside
from hwshift.rtl.queue import Queue, stepped
from hwshift.timing import timing

__all__ = ["ReadMaster"]


class ReadMaster(wiring.Component):
    """Decides one burst per cycle, fetch before load, and routes the beats back by the order of the bursts.

    A burst decided in cycle t (``ready`` of its stream) has ARVALID from t + 1 on, unless it is refused. Decisions are
    made while the AR register is empty or handshakes and fewer than ``timing.read_bursts`` bursts are outstanding:
    decided, and their last beat not yet counted; none is made after one that is refused. Beats pass through in the
    cycle of their handshake; RREADY is always 1.

    Members
    -------
    bus : Out(axi_read)
    fetch, load : In(stream of burst_layout)
    fetch_beats, load_beats : Out(beats_strobe)
    program_base, program_limit, read_base, read_limit : In(address_width)
        First and last byte of the regions of fetches and loads.
    halt : In(1)
        No decisions.
    drained : Out(1)
        No burst is outstanding.
    error : Out(1), error_code : Out(8)
        A burst outside its region, which is never issued, in the cycle after its decision; or a beat whose RRESP is
        not OKAY, in the beat's cycle.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self._config = config
        address = config.address_width
        super().__init__({
            "bus": Out(axi_read(config)),
            "fetch": In(stream.Signature(burst_layout(config))), "load": In(stream.Signature(burst_layout(config))),
            "fetch_beats": Out(beats_strobe(config)), "load_beats": Out(beats_strobe(config)),
            "program_base": In(address), "program_limit": In(address),
            "read_base": In(address), "read_limit": In(address),
            "halt": In(1), "drained": Out(1), "error": Out(1), "error_code": Out(8),
        })  # fmt: skip

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        m.submodules.owners = owners = Queue(1, timing(self._config).read_bursts)
        register = AddressRegister(m, self._config, self.bus, "ar")
        may = Signal(init=1)
        loading = self._decide(m, register, owners, may)
        last = self._route(m, owners)
        self._report(m, register, Mux(loading, ErrorCode.READ_REGION, ErrorCode.PROGRAM_REGION))
        outstanding = Signal(range(timing(self._config).read_bursts + 1))  # with one that is refused
        limit = timing(self._config).read_bursts
        # from registers, since the strobes come late in a cycle
        m.d.sync += [
            outstanding.eq(stepped(outstanding, owners.i.valid, last)),
            may.eq(Mux(owners.i.valid == last, outstanding != limit, last | (outstanding != limit - 1))),
        ]  # fmt: skip
        m.d.comb += self.drained.eq(outstanding == register.refused)
        return m

    def _decide(self, m: Module, register: AddressRegister, owners: Queue, may: Signal) -> Signal:
        """Returns whether the turn is the loader's."""
        config = self._config
        decide = Signal()
        loading = Signal()
        chosen = Signal(burst_layout(config))
        fetched = inside(config, self.fetch.payload, self.program_base, self.program_limit)
        loaded = inside(config, self.load.payload, self.read_base, self.read_limit)
        m.d.comb += [
            decide.eq(register.free & ~self.halt & may), loading.eq(~self.fetch.valid),
            self.fetch.ready.eq(decide), self.load.ready.eq(decide & loading),
            owners.i.valid.eq(decide & (self.fetch.valid | self.load.valid)), owners.i.payload.eq(loading),
            chosen.eq(Mux(loading, self.load.payload.as_value(), self.fetch.payload.as_value())),
        ]  # fmt: skip
        register.load(chosen, owners.i.valid, Mux(loading, loaded, fetched))
        return loading

    def _route(self, m: Module, owners: Queue) -> Signal:
        """Returns whether this is the last beat of its burst."""
        last = Signal()
        bus, loading = self.bus, owners.o.payload
        m.d.comb += [
            bus.rready.eq(1), last.eq(bus.rvalid & bus.rlast), owners.o.ready.eq(last),
            self.fetch_beats.valid.eq(bus.rvalid & owners.o.valid & ~loading),
            self.load_beats.valid.eq(bus.rvalid & owners.o.valid & loading),
            self.fetch_beats.payload.eq(bus.rdata), self.load_beats.payload.eq(bus.rdata),
        ]  # fmt: skip
        return last

    def _report(self, m: Module, register: AddressRegister, region: Mux) -> None:
        failed = Signal()
        kept = Signal.like(self.error_code, name="region", reset_less=True)
        m.d.sync += kept.eq(region)
        m.d.comb += [
            failed.eq(self.bus.rvalid & (self.bus.rresp != OKAY)),
            self.error.eq(failed | register.refuses),
            self.error_code.eq(Mux(failed, ErrorCode.READ_RESPONSE, kept)),
        ]
