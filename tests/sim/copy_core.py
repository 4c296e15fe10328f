"""A small core with the accelerator's ports: control and an engine that copies bursts of memory."""

from amaranth import Module, ResetInserter, Signal
from amaranth.hdl import ClockDomain, ClockSignal, ResetSignal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hwshift.program.counters import Cause
from hwshift.program.registers import ErrorCode
from hwshift.rtl.axi import axi_master
from hwshift.rtl.axi_lite import axi_lite
from hwshift.rtl.commands import settings_layout
from hwshift.rtl.control import Control, event_layout
from hwshift.rtl.export import convert

BURST = 8


class CopyEngine(wiring.Component):
    """Copies ``program_count`` bursts of 8 beats from ``read_base`` to ``write_base``, one after the other.

    AR is offered in cycle 0; every channel is offered in the cycle after the one before it has finished.
    """

    def __init__(self, config):
        self._config = config
        super().__init__({
            "bus": Out(axi_master(config)), "settings": In(settings_layout(config)),
            "start": In(1), "halt": In(1), "done": Out(1), "drained": Out(1),
            "error": Out(1), "error_code": Out(8), "progress": Out(1), "cause": Out(4), "events": Out(event_layout()),
        })  # fmt: skip

    def elaborate(self, _platform):
        m = Module()
        bus, beat, left = self.bus, Signal(range(BURST)), Signal(32, reset_less=True)
        source, target = Signal.like(bus.araddr, reset_less=True), Signal.like(bus.awaddr, reset_less=True)
        words = [Signal(self._config.bus_width, name=f"word_{index}") for index in range(BURST)]
        size, step = (self._config.beat_bytes - 1).bit_length(), BURST * self._config.beat_bytes
        for prefix, address in (("ar", source), ("aw", target)):
            values = {"addr": address, "len": BURST - 1, "size": size, "burst": 1}
            m.d.comb += [getattr(bus, prefix + name).eq(value) for name, value in values.items()]
        m.d.comb += [bus.rready.eq(1), bus.bready.eq(1), bus.wstrb.eq(-1), bus.wlast.eq(beat == BURST - 1)]
        with m.Switch(beat):
            for index, word in enumerate(words):
                with m.Case(index):
                    m.d.comb += bus.wdata.eq(word)
                    with m.If(bus.rvalid):
                        m.d.sync += word.eq(bus.rdata)
        with m.If(bus.rvalid | (bus.wvalid & bus.wready)):
            m.d.sync += beat.eq(beat + 1)
        with m.FSM() as fsm:
            with m.State("AR"):
                m.d.comb += bus.arvalid.eq(~self.start)
                with m.If(bus.arvalid & bus.arready):
                    m.next = "R"
            with m.State("R"):
                with m.If(bus.rvalid & bus.rlast):
                    m.next = "AW"
            with m.State("AW"):
                m.d.comb += bus.awvalid.eq(1)
                with m.If(bus.awready):
                    m.next = "W"
            with m.State("W"):
                m.d.comb += bus.wvalid.eq(1)
                with m.If(bus.wready & bus.wlast):
                    m.next = "B"
            with m.State("B"):
                with m.If(bus.bvalid):
                    m.d.sync += [source.eq(source + step), target.eq(target + step), left.eq(left - 1)]
                    m.next = "AR"
                    with m.If((left == 1) | self.halt):
                        m.next = "DONE"
            with m.State("DONE"):
                m.d.comb += self.done.eq(1)
        with m.If(self.start):
            m.d.sync += [source.eq(self.settings.read_base), target.eq(self.settings.write_base)]
            m.d.sync += left.eq(self.settings.program_count)
        self._report(m, fsm)
        return m

    def _report(self, m, fsm):
        bus, events = self.bus, self.events
        r, w, b = bus.rvalid & bus.rready, bus.wvalid & bus.wready, bus.bvalid & bus.bready
        read_error, write_error = r & (bus.rresp != 0), b & (bus.bresp != 0)
        m.d.comb += [
            events.load_beats.eq(r), events.store_beats.eq(w),
            events.read_bursts.eq(bus.arvalid & bus.arready),
            events.write_bursts.eq(bus.awvalid & bus.awready),
            self.progress.eq(events.as_value().any() | b), self.cause.eq(Cause.WAIT_LOAD),
            self.drained.eq(fsm.ongoing("DONE")), self.error.eq(read_error | write_error),
            self.error_code.eq(ErrorCode.READ_RESPONSE),
        ]  # fmt: skip
        with m.If(fsm.ongoing("W") | fsm.ongoing("B")):
            m.d.comb += self.cause.eq(Cause.WAIT_STORE)
        with m.If(write_error):
            m.d.comb += self.error_code.eq(ErrorCode.WRITE_RESPONSE)


class CopyCore(wiring.Component):
    """`Control` and `CopyEngine`."""

    def __init__(self, config):
        self._config = config
        super().__init__({
            "aclk": In(1), "aresetn": In(1), "irq": Out(1),
            "m_axi": Out(axi_master(config)), "s_axi": In(axi_lite(12)),
        })  # fmt: skip

    def elaborate(self, _platform):
        m = Module()
        m.domains.sync = ClockDomain()
        m.d.comb += [ClockSignal().eq(self.aclk), ResetSignal().eq(~self.aresetn)]
        m.submodules.control = control = Control(self._config)
        engine = CopyEngine(self._config)
        m.submodules.engine = ResetInserter(control.reset_engine)(engine)
        wiring.connect(m, wiring.flipped(self.s_axi), control.s_axi)
        wiring.connect(m, engine.bus, wiring.flipped(self.m_axi))
        m.d.comb += [
            engine.settings.eq(control.next), engine.start.eq(control.reset_engine), engine.halt.eq(control.halt),
        ]  # fmt: skip
        for name in ("done", "drained", "error", "error_code", "progress", "cause", "events"):
            m.d.comb += getattr(control, name).eq(getattr(engine, name))
        m.d.comb += self.irq.eq(control.irq)
        return m


def copy_core(config):
    """Verilog with the accelerator's top name and ports."""
    core = CopyCore(config)
    ports = {name: (getattr(core, name), None) for name in ("aclk", "aresetn", "irq")}
    for bus in ("m_axi", "s_axi"):
        ports |= {f"{bus}_{path[0]}": (value, None) for path, _, value in
                  getattr(core, bus).signature.flatten(getattr(core, bus))}  # fmt: skip
    return convert(core, "hwshift_core", ports=ports)
