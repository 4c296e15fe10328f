"""The accelerator: engine and control, with AXI ports."""

from amaranth import Cat, ClockDomain, ClockSignal, Module, Mux, ResetInserter, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hwshift.config import AcceleratorConfig
from hwshift.program.registers import ADDRESS_BITS, ErrorCode
from hwshift.rtl.axi import axi_master
from hwshift.rtl.axi_lite import axi_lite
from hwshift.rtl.commands import settings_layout
from hwshift.rtl.compute_side import ComputeSide
from hwshift.rtl.control import Control, event_layout
from hwshift.rtl.datapath import Datapath
from hwshift.rtl.fetch import Fetch
from hwshift.rtl.loader import Loader
from hwshift.rtl.read_master import ReadMaster
from hwshift.rtl.storer import Storer
from hwshift.rtl.write_master import WriteMaster

__all__ = ["Core", "Engine"]


class Engine(wiring.Component):
    """Everything that runs a program; held in reset between runs.

    Members
    -------
    m_axi : Out(axi_master)
    next, settings : In(settings_layout), start : In(1), halt : In(1)
        From `Control`; ``start`` in every cycle before cycle 0, reset or not.
    done, drained, progress : Out(1); error : Out(1), error_code : Out(8); cause : Out(4); events : Out(event_layout)
        To `Control`.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self._config = config
        super().__init__({
            "m_axi": Out(axi_master(config)),
            "next": In(settings_layout(config)), "settings": In(settings_layout(config)),
            "start": In(1), "halt": In(1),
            "done": Out(1), "drained": Out(1), "progress": Out(1),
            "error": Out(1), "error_code": Out(8), "cause": Out(4), "events": Out(event_layout()),
        })  # fmt: skip

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        config = self._config
        m.submodules.read_master = self._reads = ReadMaster(config)
        m.submodules.write_master = self._writes = WriteMaster(config)
        m.submodules.fetch = self._fetch = Fetch(config)
        m.submodules.compute = self._compute = ComputeSide(config)
        m.submodules.loader = self._loader = Loader(config)
        m.submodules.storer = self._storer = Storer(config)
        m.submodules.datapath = self._datapath = Datapath(config)
        self._connect_bus(m)
        self._connect_fetch(m)
        self._connect_loader(m)
        self._connect_storer(m)
        self._connect_tokens(m)
        self._connect_pipeline(m)
        self._report(m)
        return m

    def _connect_bus(self, m: Module) -> None:
        reads, writes = self._reads, self._writes
        for master in (reads, writes):
            for name, member in master.bus.signature.members.items():
                inner, outer = getattr(master.bus, name), getattr(self.m_axi, name)
                m.d.comb += outer.eq(inner) if member.flow == Out else inner.eq(outer)
        regions: dict = {reads: ("program", "read"), writes: ("write",)}
        for master, names in regions.items():
            fields = [f"{name}_{end}" for name in names for end in ("base", "limit")]
            m.d.comb += [getattr(master, name).eq(getattr(self.settings, name)) for name in fields]
            m.d.comb += master.halt.eq(self.halt)

    def _connect_fetch(self, m: Module) -> None:
        fetch = self._fetch
        wiring.connect(m, fetch.burst, self._reads.fetch)
        wiring.connect(m, self._reads.fetch_beats, fetch.beats)
        wiring.connect(m, fetch.o, self._compute.i)
        m.d.comb += [
            fetch.start.eq(self.start), fetch.base.eq(self.next.program_base),
            fetch.count.eq(self.next.program_count),
        ]  # fmt: skip

    def _connect_loader(self, m: Module) -> None:
        loader, compute, datapath = self._loader, self._compute, self._datapath
        wiring.connect(m, compute.load, loader.i)
        wiring.connect(m, loader.burst, self._reads.load)
        wiring.connect(m, self._reads.load_beats, loader.beats)
        wiring.connect(m, loader.port, datapath.load)
        wiring.connect(m, loader.lane_write, datapath.lane_write)
        m.d.comb += [
            datapath.param_write.eq(loader.param_write), datapath.weight_write.eq(loader.weight_write),
            compute.ktile_write.eq(loader.ktile_write), loader.has_room.eq(compute.has_room),
            compute.take_room.eq(loader.take_room), compute.tile_done.eq(loader.tile_done),
        ]  # fmt: skip

    def _connect_storer(self, m: Module) -> None:
        storer = self._storer
        wiring.connect(m, self._compute.store, storer.i)
        wiring.connect(m, storer.port, self._datapath.store)
        wiring.connect(m, storer.burst, self._writes.burst)
        wiring.connect(m, storer.beats, self._writes.beats)
        m.d.comb += [
            storer.store_data.eq(self._datapath.store_data), storer.responded.eq(self._writes.responded),
        ]  # fmt: skip

    def _connect_tokens(self, m: Module) -> None:
        compute, loader, storer = self._compute, self._loader, self._storer
        for unit in (loader, storer):
            m.d.comb += [unit.available.eq(compute.available), unit.at_limit.eq(compute.at_limit)]
        m.d.comb += [
            compute.unit_pop.eq(loader.pop | storer.pop), compute.unit_push.eq(loader.push | storer.push),
            compute.unit_reserve.eq(loader.push | storer.reserve),
        ]  # fmt: skip

    def _connect_pipeline(self, m: Module) -> None:
        compute, datapath = self._compute, self._datapath
        m.d.comb += [
            datapath.step.eq(compute.step), datapath.issue.eq(compute.issue), datapath.command.eq(compute.command),
            datapath.command_valid.eq(compute.command_valid), datapath.bounds.eq(compute.bounds),
            compute.halt.eq(self.halt),
        ]  # fmt: skip

    def _report(self, m: Module) -> None:
        bus, events = self.m_axi, self.events
        reads, writes, compute = self._reads, self._writes, self._compute
        m.d.comb += [
            events.fetch_beats.eq(reads.fetch_beats.valid), events.load_beats.eq(reads.load_beats.valid),
            events.store_beats.eq(bus.wvalid & bus.wready), events.read_bursts.eq(bus.arvalid & bus.arready),
            events.write_bursts.eq(bus.awvalid & bus.awready), events.steps.eq(compute.issue),
            self.cause.eq(compute.cause),
            self.progress.eq(events.as_value().any() | bus.bvalid),
            self.drained.eq(reads.drained & writes.drained),
            self.done.eq(compute.end & compute.idle & self._loader.idle & self._storer.idle & self.drained),
        ]  # fmt: skip
        code = Mux(
            self._fetch.exhausted, ErrorCode.PROGRAM_END, 0
        )  # END is never popped, so something is left
        for unit in (reads, writes, self._loader, compute):
            code = Mux(unit.error, unit.error_code, code)
        strobes = [unit.error for unit in (reads, writes, self._loader, compute)]
        m.d.comb += [self.error_code.eq(code), self.error.eq(Cat(self._fetch.exhausted, strobes).any())]


class Core(wiring.Component):
    """Top level. All ports are synchronous to ``aclk``; ``aresetn`` is a synchronous reset, active low.

    Members
    -------
    aclk, aresetn : In(1)
    irq : Out(1)
    s_axi_* : AXI4-Lite, see `hwshift.program.registers`
    m_axi_* : AXI4
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self._config = config
        super().__init__({
            "aclk": In(1), "aresetn": In(1), "irq": Out(1),
            **{f"s_axi_{name}": member.flip() for name, member in axi_lite(ADDRESS_BITS).members.items()},
            **{f"m_axi_{name}": member for name, member in axi_master(self._config).members.items()},
        })  # fmt: skip

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        m.domains.sync = sync = ClockDomain()
        m.submodules.control = control = Control(self._config)
        engine = Engine(self._config)
        reset = Signal()
        m.submodules.engine = ResetInserter({"sync": reset})(engine)
        m.d.comb += [
            ClockSignal().eq(self.aclk), sync.rst.eq(~self.aresetn), self.irq.eq(control.irq),
            reset.eq(control.reset_engine), engine.halt.eq(control.halt),
            engine.start.eq(~(control.running | control.halt)),  # as the reset, but from registers with few users
            engine.settings.eq(control.settings), engine.next.eq(control.next),
        ]  # fmt: skip
        m.d.comb += [
            getattr(control, name).eq(getattr(engine, name))
            for name in ("done", "drained", "error", "error_code", "progress", "cause", "events")
        ]
        self._connect_ports(m, "s_axi", control.s_axi)
        self._connect_ports(m, "m_axi", engine.m_axi)
        return m

    def _connect_ports(self, m: Module, prefix: str, inner: wiring.PureInterface) -> None:
        for name in inner.signature.members:
            port, wire = getattr(self, f"{prefix}_{name}"), getattr(inner, name)
            outward = self.signature.members[f"{prefix}_{name}"].flow == Out
            m.d.comb += port.eq(wire) if outward else wire.eq(port)
