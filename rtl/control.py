"""Control: registers on AXI4-Lite, the run's beginning and end, interrupt, watchdog and counters."""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import data, enum, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hwshift.config import AcceleratorConfig
from hwshift.program import registers
from hwshift.program.counters import COUNTER_BITS, COUNTERS
from hwshift.program.isa import ISA_VERSION
from hwshift.program.registers import REGISTER, REGISTERS, Access, ErrorCode
from hwshift.rtl.axi_lite import AxiLiteSlave, axi_lite, register_access
from hwshift.rtl.commands import ADDRESSES, Commands, settings_layout
from hwshift.rtl.delay import delay
from hwshift.timing import COMMAND_QUEUE

__all__ = ["Control", "CounterBank", "RegisterFile", "RunControl", "event_layout"]

EVENTS = tuple(counter.name for counter in COUNTERS if counter.cause is None and counter.name != "total")
"""Counters of events, each with a strobe of its name."""


def event_layout() -> data.StructLayout:
    """Strobes of what happens in a cycle, named after the counters: beats, bursts, steps."""
    return data.StructLayout({name: 1 for name in EVENTS})


class _State(enum.Enum, shape=2):
    IDLE = 0
    RUN = 1
    HALT = 2
    RESET = 3


class RunControl(wiring.Component):
    """Starts and ends runs.

    Cycle 0 of a run is the first cycle with ``running``; ``start`` is 1 in the cycle before. ``done`` in
    cycle d ends the run: it is the last cycle (``total`` is d + 1), and the interrupt is pending from d + 1
    on. ``error`` ends it too, before ``done``: cycle d is its last, ``halt`` is 1 from d + 1 on until the cycle
    in which ``drained`` is 1; then comes one cycle of ``reset_engine``, in which the interrupt is pending. A
    watchdog and a soft reset are alike. The engine is held in reset whenever no run goes on. A run can start in
    the second cycle after the last of another.

    When ``watchdog`` cycles have gone by without progress, the next one is the run's last; as many without
    progress while halting, or another soft reset, and the engine is reset without being drained. Nor does a run
    take more than ``cycle_limit`` cycles, if that is not 0.

    Members
    -------
    start, refused : In(1), waiting : In(range(COMMAND_QUEUE + 1))
        From `Commands`.
    soft_reset : In(1)
        Strobe of the host.
    watchdog, cycle_limit : In(32)
    done, drained, error, error_code, progress
        As in `Control`.
    ready : Out(1)
        ``start`` may be 1.
    running, halt, reset_engine : Out(1)
        As in `Control`.
    status : Out(32)
        Value of the register STATUS.
    ended : Out(3)
        Strobes of the run's end: bits of IRQ_STATUS to set.
    """

    def __init__(self) -> None:
        super().__init__({
            "start": In(1), "refused": In(1), "waiting": In(range(COMMAND_QUEUE + 1)), "soft_reset": In(1),
            "watchdog": In(32), "cycle_limit": In(32), "done": In(1), "drained": In(1), "error": In(1),
            "error_code": In(8), "progress": In(1),
            "ready": Out(1), "running": Out(1), "halt": Out(1), "reset_engine": Out(1, init=1),
            "status": Out(32), "ended": Out(3),
        })  # fmt: skip

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        self._state = Signal(_State)
        self._following = Signal(_State)
        m.d.comb += self._following.eq(self._state)
        m.d.sync += [  # these outputs are registers, since they go everywhere
            self._state.eq(self._following),
            self.reset_engine.eq((self._following == _State.IDLE) | (self._following == _State.RESET)),
            self.running.eq(self._following == _State.RUN),
            self.halt.eq(self._following == _State.HALT),
        ]
        self._expired, self._too_long = (Signal(name=name) for name in ("expired", "too_long"))
        status = {item.name: Signal(item.width, name=item.name) for item in REGISTER["STATUS"].fields}
        for item in REGISTER["STATUS"].fields:
            m.d.comb += self.status[item.low : item.low + item.width].eq(status[item.name])
        m.d.comb += [
            self.ready.eq((self._state == _State.IDLE) & ~self.soft_reset),
            status["busy"].eq((self._state != _State.IDLE) | (self.waiting != 0)),
            status["queued"].eq(self.waiting),
            status["halting"].eq(self.halt),
        ]
        self._watchdog(m)
        self._walk(m, status)
        return m

    def _watchdog(self, m: Module) -> None:
        """Count the cycles without progress, and all of them."""
        quiet = Signal(32)
        age = Signal(32, init=1)  # in a run: this is its so many-th cycle
        m.d.comb += self._too_long.eq((self.cycle_limit != 0) & (age == self.cycle_limit))
        m.d.sync += age.eq(Mux(self.running, age + 1, 1))
        m.d.comb += self._expired.eq((self.watchdog != 0) & (quiet >= self.watchdog))
        with m.If(self.progress | ~(self.running | self.halt) | self._expired):
            m.d.sync += quiet.eq(0)
        with m.Else():
            m.d.sync += quiet.eq(quiet + 1)

    def _walk(self, m: Module, status: dict[str, Signal]) -> None:
        sticky = [status[name] for name in ("done", "refused", "aborted", "undrained", "error")]
        with m.If(self.start | (self.soft_reset & (self._state == _State.IDLE))):
            m.d.sync += [item.eq(0) for item in sticky]
        with m.If(self.refused):
            m.d.sync += status["refused"].eq(1)
        with m.Switch(self._state):
            with m.Case(_State.IDLE):
                with m.If(self.start):
                    m.d.comb += self._following.eq(_State.RUN)
            with m.Case(_State.RUN):
                self._run(m, status)
            with m.Case(_State.HALT):
                with m.If(self.drained | self._expired | self.soft_reset):
                    m.d.sync += status["undrained"].eq(~self.drained)
                    m.d.comb += self._following.eq(_State.RESET)
                    m.d.comb += self.ended.eq(Cat(0, status["error"] != 0, status["aborted"]))
            with m.Case(_State.RESET):
                m.d.comb += self._following.eq(_State.IDLE)

    def _run(self, m: Module, status: dict[str, Signal]) -> None:
        with m.If(self.error):
            m.d.comb += self._following.eq(_State.HALT)
            m.d.sync += status["error"].eq(self.error_code)
        with m.Elif(self.soft_reset):
            m.d.comb += self._following.eq(_State.HALT)
            m.d.sync += status["aborted"].eq(1)
        with m.Elif(self.done):
            m.d.sync += status["done"].eq(1)
            m.d.comb += [self._following.eq(_State.RESET), self.ended.eq(1)]
        with m.Elif(self._expired):
            m.d.comb += self._following.eq(_State.HALT)
            m.d.sync += status["error"].eq(ErrorCode.WATCHDOG)
        with m.Elif(self._too_long):
            m.d.comb += self._following.eq(_State.HALT)
            m.d.sync += status["error"].eq(ErrorCode.CYCLE_LIMIT)


class CounterBank(wiring.Component):
    """The performance counters, and a copy of all of them that the host reads.

    With ``capture`` in cycle t, ``values`` from t + 1 on are what was counted up to cycle t - 1.

    Members
    -------
    capture : In(1)
        Copy the counters.
    clear : In(1)
        All counters are 0 from the next cycle on.
    enable : In(1)
        This cycle counts.
    cause : In(4)
        Its `Cause`.
    events : In(event_layout)
        What else happened in it.
    values : Out(array of 48-bit values)
        In the order of `COUNTERS`.
    """

    def __init__(self) -> None:
        super().__init__({
            "capture": In(1), "clear": In(1), "enable": In(1), "cause": In(4), "events": In(event_layout()),
            "values": Out(data.ArrayLayout(COUNTER_BITS, len(COUNTERS))),
        })  # fmt: skip

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        counted = Signal()
        cleared = Signal()
        cause = Signal(4)
        events = Signal(event_layout())
        m.d.sync += [
            counted.eq(self.enable), cleared.eq(self.clear), cause.eq(self.cause), events.eq(self.events),
        ]  # fmt: skip
        for index, counter in enumerate(COUNTERS):
            if counter.cause is not None:
                happened = cause == counter.cause
            else:
                happened = 1 if counter.name == "total" else getattr(events, counter.name)
            value, following = (
                Signal(COUNTER_BITS, name=f"{counter.name}_{what}") for what in ("value", "following")
            )
            m.d.comb += following.eq(Mux(cleared, 0, value) + (counted & happened))
            m.d.sync += value.eq(following)
            with m.If(self.capture):
                m.d.sync += self.values[index].eq(following)
        return m


class RegisterFile(wiring.Component):
    """The register map of `hwshift.program.registers`.

    Members
    -------
    access : In(register_access)
    status : In(32), counters : In(array of 48-bit values)
        Values of read-only registers.
    ended : In(3)
        Bits of IRQ_STATUS to set; the first counts runs.
    settings : Out(settings_layout), watchdog, cycle_limit : Out(32)
    start_request, queue_request, soft_reset, snapshot : Out(1)
        Strobes in the cycle in which CONTROL is written.
    refused : In(1)
        The request of this cycle is not met.
    irq : Out(1)
        A pending cause is enabled.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self._config = config
        super().__init__(
            {
                "access": In(register_access(registers.ADDRESS_BITS)),
                "status": In(32),
                "counters": In(data.ArrayLayout(COUNTER_BITS, len(COUNTERS))),
                "ended": In(3),
                "settings": Out(settings_layout(config)),
                "watchdog": Out(32),
                "cycle_limit": Out(32),
                "start_request": Out(1),
                "queue_request": Out(1),
                "soft_reset": Out(1),
                "snapshot": Out(1),
                "refused": In(1),
                "irq": Out(1),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        values = self._values(m)
        self._read(m, values)
        self._write(m, values)
        self._interrupt(m, values)
        return m

    def _values(self, m: Module) -> dict[str, Signal]:
        """One signal per register; those with storage are registers, and settings are slices of them."""
        fixed = {"ISA_VERSION": ISA_VERSION, "CONFIG_HASH": self._config.hash}
        values = {}
        for item in REGISTERS:
            reset = fixed.get(item.name, item.reset) or 0
            values[item.name] = Signal(32, init=reset, name=item.name)
        m.d.comb += [values["STATUS"].eq(self.status), self.watchdog.eq(values["WATCHDOG"])]
        m.d.comb += self.cycle_limit.eq(values["CYCLE_LIMIT"])
        for index, counter in enumerate(COUNTERS):
            low, high = (values[f"COUNT_{counter.name.upper()}_{half}"] for half in ("LO", "HI"))
            m.d.comb += Cat(low, high).eq(self.counters[index])
        for name in ADDRESSES:
            both = Cat(values[f"{name.upper()}_LO"], values[f"{name.upper()}_HI"])
            m.d.comb += getattr(self.settings, name).eq(both)
        m.d.comb += self.settings.program_count.eq(values["PROGRAM_COUNT"])
        counted = Signal()  # a cycle later, since the run's end comes late in its cycle
        m.d.sync += counted.eq(self.ended[0])
        with m.If(counted):
            m.d.sync += values["RUNS"].eq(values["RUNS"] + 1)
        return values

    def _read(self, m: Module, values: dict[str, Signal]) -> None:
        """The register within every group of eight, then, a cycle later, the group."""
        address = self.access.read_address
        groups = {item.offset // 32 for item in REGISTERS}
        chosen = {group: Signal(32, name=f"of_group_{group}", reset_less=True) for group in groups}
        known = Signal()
        with m.Switch(address):
            for item in REGISTERS:
                with m.Case(item.offset // 4):
                    m.d.comb += known.eq(1)
        for group, value in chosen.items():
            with m.Switch(address[:3]):
                for item in REGISTERS:
                    if item.offset // 32 == group:
                        with m.Case(item.offset // 4 % 8):
                            m.d.sync += value.eq(values[item.name])
                with m.Default():
                    m.d.sync += value.eq(0)
        late = delay(m, address[3:], 1, "read_group", reset_less=True)
        m.d.comb += self.access.read_error.eq(~delay(m, known, 1, "read_known", reset_less=True))
        with m.Switch(late):
            for group, value in chosen.items():
                with m.Case(group):
                    m.d.comb += self.access.read_data.eq(value)

    def _write(self, m: Module, values: dict[str, Signal]) -> None:
        access = self.access
        written = access.write_data & access.write_mask
        with m.Switch(access.write_address):
            for item in REGISTERS:
                value = values[item.name]
                merged = (value & ~access.write_mask) | written
                with m.Case(item.offset // 4):
                    if item.access is Access.RW:
                        with m.If(access.write):
                            m.d.sync += value.eq(merged & self._kept(item))
                    elif item.name == "CONTROL":
                        self._control(m, written)
                    elif item.access is Access.RO:
                        m.d.comb += access.write_error.eq(1)
            with m.Default():
                m.d.comb += access.write_error.eq(1)

    def _kept(self, item: registers.Register) -> int:
        """Bits of a register that have storage: none above the bus's address width."""
        if item.name.endswith("_HI"):
            return item.mask & ((1 << (self._config.address_width - 32)) - 1)
        return item.mask

    def _control(self, m: Module, written: Signal) -> None:
        fields = REGISTER["CONTROL"].by_name
        start, soft_reset, queue, snapshot = (
            written[fields[name].low] & self.access.write
            for name in ("start", "soft_reset", "queue", "snapshot")
        )
        m.d.comb += [
            self.soft_reset.eq(soft_reset), self.snapshot.eq(snapshot),
            self.start_request.eq(start & ~soft_reset), self.queue_request.eq(queue & ~start & ~soft_reset),
            self.access.write_error.eq(self.refused),
        ]  # fmt: skip

    def _interrupt(self, m: Module, values: dict[str, Signal]) -> None:
        pending, access = values["IRQ_STATUS"], self.access
        clear = Signal(3)
        with m.If(access.write & (access.write_address == REGISTER["IRQ_STATUS"].offset // 4)):
            m.d.comb += clear.eq(access.write_data & access.write_mask)
        m.d.sync += pending.eq((pending & ~clear) | self.ended)
        m.d.comb += self.irq.eq((pending & values["IRQ_ENABLE"]).any())


class Control(wiring.Component):
    """The control port and the run that it starts and ends; see `RunControl` for the cycles.

    Members
    -------
    s_axi : In(axi_lite)
        32-bit AXI4-Lite, 4 KiB of address space. BVALID of an accepted START is raised in cycle 0.
    irq : Out(1)
        Level; a register, and 1 from the cycle after the one in which ``done`` ends the run.
    start : Out(1)
        The cycle before cycle 0: ``next`` is valid, and what registers it at the end of this cycle has it in
        cycle 0. The engine is in reset.
    running : Out(1)
        A run goes on; 1 from cycle 0 to its last cycle. Counters count in these cycles.
    halt : Out(1)
        No new AR, AW or step may issue; what is under way finishes.
    reset_engine : Out(1)
        Synchronous reset of everything but this block, from a register; the run begins with the cycle after it.
    next, settings : Out(settings_layout)
        Of the run that starts, in the cycle with ``start``; and from cycle 0 on.
    done : In(1)
        END is at the head and everything before it has finished; sampled with ``running``.
    drained : In(1)
        No AXI transfer is under way and no address waits in a register; sampled with ``halt``.
    error : In(1), error_code : In(8)
        Strobe and `ErrorCode`; the first of a run counts.
    progress : In(1)
        An AXI handshake on any channel, or a step.
    cause : In(4)
        `Cause` of this cycle.
    events : In(event_layout)
        Strobes of this cycle.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self._config = config
        super().__init__({
            "s_axi": In(axi_lite(registers.ADDRESS_BITS)),
            "irq": Out(1),
            "start": Out(1), "running": Out(1), "halt": Out(1), "reset_engine": Out(1),
            "next": Out(settings_layout(config)), "settings": Out(settings_layout(config)),
            "done": In(1), "drained": In(1), "error": In(1), "error_code": In(8), "progress": In(1),
            "cause": In(4), "events": In(event_layout()),
        })  # fmt: skip

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        m.submodules.slave = slave = AxiLiteSlave(registers.ADDRESS_BITS)
        m.submodules.registers = file = RegisterFile(self._config)
        m.submodules.commands = commands = Commands(self._config)
        m.submodules.run = run = RunControl()
        m.submodules.counters = counters = CounterBank()
        connect(m, flipped(self.s_axi), slave.s_axi)
        connect(m, slave.access, file.access)
        ended = Signal()
        m.d.sync += ended.eq(run.ended.any())
        m.d.comb += [
            commands.staged.eq(file.settings), commands.ready.eq(run.ready), commands.between.eq(run.reset_engine),
            commands.start_request.eq(file.start_request), commands.queue_request.eq(file.queue_request),
            commands.drop.eq(run.halt | file.soft_reset),
            run.start.eq(commands.start), run.refused.eq(commands.refused), run.waiting.eq(commands.waiting),
            run.soft_reset.eq(file.soft_reset), run.watchdog.eq(file.watchdog),
            run.cycle_limit.eq(file.cycle_limit),
            file.refused.eq(commands.refused), file.status.eq(run.status), file.ended.eq(run.ended),
            file.counters.eq(counters.values),
            counters.clear.eq(run.start), counters.enable.eq(run.running), counters.cause.eq(self.cause),
            counters.events.eq(self.events), counters.capture.eq(ended | (file.snapshot & run.running)),
            self.irq.eq(file.irq), self.settings.eq(commands.active), self.next.eq(commands.next),
            self.start.eq(commands.start),
        ]  # fmt: skip
        for name in ("done", "drained", "error", "error_code", "progress"):
            m.d.comb += getattr(run, name).eq(getattr(self, name))
        for name in ("running", "halt", "reset_engine"):
            m.d.comb += getattr(self, name).eq(getattr(run, name))
        return m
