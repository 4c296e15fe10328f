"""Read master: AR and R, shared by fetch and loader."""

from amaranth import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hwshift.config import AcceleratorConfig
from hwshift.program.registers import ErrorCode
from hwshift.rtl.axi import OKAY, axi_read, beats_strobe, burst_layout, drive_address, inside
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
        decide, last, refused = self._decide(m, owners)
        self._route(m, owners, last)
        outstanding = Signal(range(timing(self._config).read_bursts + 1))
        limit = timing(self._config).read_bursts
        stuck = Signal()
        may = Signal(init=1)
        # from registers, since the strobes come late in a cycle
        m.d.sync += [
            outstanding.eq(stepped(outstanding, owners.i.valid, last)), stuck.eq(stuck | refused),
            may.eq(Mux(owners.i.valid == last, outstanding != limit, last | (outstanding != limit - 1))),
        ]  # fmt: skip
        m.d.comb += [
            decide.eq((~self.bus.arvalid | self.bus.arready) & ~self.halt & ~stuck & may),
            self.drained.eq(outstanding == 0),
        ]  # fmt: skip
        return m

    def _decide(self, m: Module, owners: Queue) -> tuple[Signal, Signal, Signal]:
        config = self._config
        decide = Signal()
        last = Signal()
        chosen = Signal(burst_layout(config))
        loading = Signal()
        refused = Signal()
        fetched = inside(config, self.fetch.payload, self.program_base, self.program_limit)
        loaded = inside(config, self.load.payload, self.read_base, self.read_limit)
        m.d.comb += [
            loading.eq(~self.fetch.valid),
            owners.i.payload.eq(loading),
            # which of the two it is comes late
            owners.i.valid.eq(decide & Mux(loading, self.load.valid & loaded, fetched)),
            refused.eq(decide & Mux(loading, self.load.valid & ~loaded, ~fetched)),
            # also of a burst that is refused, with which the run ends: whether it is comes late in the cycle
            self.fetch.ready.eq(decide),
            self.load.ready.eq(decide & loading),
        ]
        register = Signal(burst_layout(config))
        m.d.comb += chosen.eq(Mux(loading, self.load.payload.as_value(), self.fetch.payload.as_value()))
        with m.If(decide):
            m.d.sync += register.eq(chosen)
        with m.If(owners.i.valid | self.bus.arready):
            m.d.sync += self.bus.arvalid.eq(owners.i.valid)
        drive_address(m, config, self.bus, "ar", register)
        self._report(m, refused, Mux(loading, ErrorCode.READ_REGION, ErrorCode.PROGRAM_REGION))
        return decide, last, refused

    def _route(self, m: Module, owners: Queue, last: Signal) -> None:
        bus, loading = self.bus, owners.o.payload
        m.d.comb += [
            bus.rready.eq(1), last.eq(bus.rvalid & bus.rlast), owners.o.ready.eq(last),
            self.fetch_beats.valid.eq(bus.rvalid & owners.o.valid & ~loading),
            self.load_beats.valid.eq(bus.rvalid & owners.o.valid & loading),
            self.fetch_beats.payload.eq(bus.rdata), self.load_beats.payload.eq(bus.rdata),
        ]  # fmt: skip

    def _report(self, m: Module, refused: Signal, region: Mux) -> None:
        failed = Signal()
        late = Signal(name="refused_late")  # whether it is refused comes late in the cycle
        kept = Signal.like(self.error_code, name="region", reset_less=True)
        m.d.sync += [late.eq(refused), kept.eq(region)]
        m.d.comb += [
            failed.eq(self.bus.rvalid & (self.bus.rresp != OKAY)),
            self.error.eq(failed | late),
            self.error_code.eq(Mux(failed, ErrorCode.READ_RESPONSE, kept)),
        ]
