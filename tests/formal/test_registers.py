"""Counters, their snapshot, interrupts and the state of a run: what the host reads is what happened."""

import pytest
from amaranth import Module, Mux, Signal
from amaranth.hdl import Assert, Assume
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from hwshift.config import AcceleratorConfig
from hwshift.program import registers
from hwshift.program.counters import COUNTER_BITS, COUNTERS, Cause
from hwshift.program.registers import REGISTER, REGISTERS, Access
from hwshift.rtl.axi_lite import register_access
from hwshift.rtl.control import CounterBank, RegisterFile, RunControl, event_layout
from tests.formal.prover import Opened, Refuted, prove

CONFIG = AcceleratorConfig()
WORDS = {item.name: item.offset // 4 for item in REGISTERS}


class Counted(wiring.Component):
    """Any causes and events. Each counter is the number of its cycles, and the host sees a copy that stands still."""

    def __init__(self, bank):
        self._bank = bank
        super().__init__(
            {"capture": In(1), "clear": In(1), "enable": In(1), "cause": In(4), "events": In(event_layout())}
        )

    def elaborate(self, _platform):
        m, bank = Module(), self._bank
        m.submodules.bank = inner = Opened(bank)
        m.d.comb += [
            bank.capture.eq(self.capture), bank.clear.eq(self.clear), bank.enable.eq(self.enable & ~self.clear),
            bank.cause.eq(self.cause), bank.events.eq(self.events), Assume(self.cause <= max(Cause)),
        ]  # fmt: skip
        own, shown = {}, {}
        for index, counter in enumerate(COUNTERS):
            name = counter.name
            own[name], shown[name] = (
                Signal(COUNTER_BITS, name=f"own_{name}"),
                Signal(COUNTER_BITS, name=f"shown_{name}"),
            )
            if counter.cause is not None:
                happens = self.cause == counter.cause
            else:
                happens = 1 if name == "total" else getattr(self.events, name)
            m.d.sync += own[name].eq(Mux(self.clear, 0, own[name] + (self.enable & happens)))
            with m.If(self.capture):
                m.d.sync += shown[name].eq(own[name])
            m.d.comb += [
                Assert(inner[f"{name}_following"] == own[name]),
                Assert(bank.values[index] == shown[name]),
            ]
        # one cause counts in each cycle that counts: so the causes of a snapshot sum to its total
        causes = sum(self.cause == counter.cause for counter in COUNTERS if counter.cause is not None)
        m.d.comb += Assert(causes == 1)
        return m


class Live(CounterBank):
    """Shows one counter as it counts on."""

    def elaborate(self, platform):
        m = super().elaborate(platform)
        with m.If(self.enable):
            m.d.sync += self.values[0].eq(self.values[0] + 1)
        return m


class Late(CounterBank):
    """Counts the cycle after the last one, too."""

    def elaborate(self, _platform):
        m = Module()
        m.submodules.inner = inner = CounterBank()
        before = Signal()
        m.d.sync += before.eq(self.enable)
        m.d.comb += [
            inner.enable.eq(self.enable | before), inner.capture.eq(self.capture), inner.clear.eq(self.clear),
            inner.cause.eq(self.cause), inner.events.eq(self.events), self.values.eq(inner.values),
        ]  # fmt: skip
        return m


class Shown(Counted):
    """By what can be seen from outside only."""

    def elaborate(self, _platform):
        m, bank = Module(), self._bank
        m.submodules.bank = bank
        own, shown = Signal(COUNTER_BITS), Signal(COUNTER_BITS)
        m.d.comb += [
            bank.capture.eq(self.capture), bank.clear.eq(self.clear), bank.enable.eq(self.enable & ~self.clear),
            bank.cause.eq(self.cause), bank.events.eq(self.events), Assert(bank.values[0] == shown),
        ]  # fmt: skip
        m.d.sync += own.eq(Mux(self.clear, 0, own + self.enable))
        with m.If(self.capture):
            m.d.sync += shown.eq(own)
        return m


@pytest.mark.slow
def test_a_snapshot_stands_still_and_is_right(tmp_path):
    assert COUNTERS[0].name == "total"
    prove(Counted(CounterBank()), tmp_path, cycles=3, induction=1)


@pytest.mark.parametrize("broken", [Live, Late])
def test_a_broken_snapshot_is_refuted(broken, tmp_path):
    with pytest.raises(Refuted):
        prove(Shown(broken()), tmp_path, cycles=6)


class Host(wiring.Component):
    """Any accesses. Settings hold what was written, IRQ_STATUS what came and was not cleared; nothing else writes."""

    def __init__(self, file):
        self._file = file
        super().__init__({
            "access": In(register_access(registers.ADDRESS_BITS)), "ended": In(3), "refused": In(1), "status": In(32),
        })  # fmt: skip

    def elaborate(self, _platform):
        m, file, access = Module(), self._file, self.access
        m.submodules.file = inner = Opened(file)
        for name in ("write", "write_address", "write_data", "write_mask", "read_address"):
            m.d.comb += getattr(file.access, name).eq(getattr(access, name))
        m.d.comb += [file.ended.eq(self.ended), file.refused.eq(self.refused), file.status.eq(self.status)]
        written = {name: access.write & (access.write_address == word) for name, word in WORDS.items()}
        bits = access.write_data & access.write_mask
        for item in REGISTERS:
            if item.access is not Access.RW:
                continue
            own = Signal(32, name=f"own_{item.name}", init=item.reset or 0)
            with m.If(written[item.name]):
                m.d.sync += own.eq((own & ~access.write_mask | bits) & file._kept(item))
            read, shown = Signal(name=f"read_{item.name}"), Signal(32, name=f"shown_{item.name}")
            m.d.sync += [read.eq(access.read_address == WORDS[item.name]), shown.eq(own)]
            m.d.comb += [
                Assert(inner[item.name] == own), Assert(~read | (file.access.read_data == shown)),
                Assert(~written[item.name] | ~file.access.write_error),
            ]  # fmt: skip
        self._interrupt(m, inner, written, bits)
        m.d.comb += self._refusals(written)
        known, begun = Signal(), Signal()
        m.d.sync += [
            known.eq(sum(access.read_address == word for word in WORDS.values()) != 0), begun.eq(1),
        ]  # fmt: skip
        m.d.comb += Assert(~begun | (file.access.read_error == ~known))
        return m

    def _interrupt(self, m, inner, written, bits):
        file, pending, runs, ran = self._file, Signal(3), Signal(32), Signal()
        m.d.sync += [
            pending.eq(pending & ~Mux(written["IRQ_STATUS"], bits, 0) | self.ended),
            ran.eq(self.ended[0]), runs.eq(runs + ran),
        ]  # fmt: skip
        m.d.comb += [
            Assert(inner["IRQ_STATUS"] == pending), Assert(inner["RUNS"] == runs), Assert(inner["counted"] == ran),
            Assert(file.irq == (pending & inner["IRQ_ENABLE"]).any()),
        ]  # fmt: skip

    def _refusals(self, written):
        access, answer = self.access, self._file.access
        known = [access.write_address == word for word in WORDS.values()]
        fixed = [written[item.name] for item in REGISTERS if item.access is Access.RO]
        control = (
            self._file.start_request | self._file.queue_request | self._file.soft_reset | self._file.snapshot
        )
        return [
            Assert(~access.write | (sum(known) != 0) | answer.write_error),
            *(Assert(~one | answer.write_error) for one in fixed),
            Assert(~control | written["CONTROL"]),
            Assert(~written["CONTROL"] | (answer.write_error == self.refused)),
        ]


class ClearWins(RegisterFile):
    """Loses an interrupt that comes in the cycle in which the host clears it."""

    def _interrupt(self, m, values):
        super()._interrupt(m, values)
        word = REGISTER["IRQ_STATUS"].offset // 4
        with m.If(self.access.write & (self.access.write_address == word)):
            m.d.sync += values["IRQ_STATUS"].eq(
                values["IRQ_STATUS"] & ~(self.access.write_data & self.access.write_mask)
            )


class Masked(RegisterFile):
    """Raises the interrupt whether it is enabled or not."""

    def _interrupt(self, m, values):
        super()._interrupt(m, values)
        m.d.comb += self.irq.eq(values["IRQ_STATUS"].any())


class Unmasked(RegisterFile):
    """Writes all bytes of a register, whatever the strobes say."""

    def _write(self, m, values):
        super()._write(m, values)
        with m.If(self.access.write & (self.access.write_address == REGISTER["WATCHDOG"].offset // 4)):
            m.d.sync += values["WATCHDOG"].eq(self.access.write_data)


@pytest.mark.slow
def test_registers_and_interrupts(tmp_path):
    prove(Host(RegisterFile(CONFIG)), tmp_path, cycles=2, induction=1)


@pytest.mark.slow
@pytest.mark.parametrize("broken", [ClearWins, Masked, Unmasked])
def test_broken_registers_are_refuted(broken, tmp_path):
    with pytest.raises(Refuted):
        prove(Host(broken(CONFIG)), tmp_path, cycles=4)


class Run(wiring.Component):
    """Any run: it ends once, in one way, is never both running and halted, and the engine is reset between runs."""

    def __init__(self, run):
        self._run = run
        names = ("start", "soft_reset", "done", "drained", "error", "progress", "refused")
        super().__init__(
            {name: In(1) for name in names} | {"error_code": In(8), "watchdog": In(32), "limit": In(32)}
        )

    def elaborate(self, _platform):
        m, run = Module(), self._run
        m.submodules.run = inner = Opened(run)
        for name in (
            "soft_reset",
            "done",
            "drained",
            "error",
            "progress",
            "refused",
            "error_code",
            "watchdog",
        ):
            m.d.comb += getattr(run, name).eq(getattr(self, name))
        m.d.comb += [run.start.eq(self.start & run.ready), run.cycle_limit.eq(self.limit)]
        open_, ends, first, code = Signal(), run.ended.any(), Signal(), Signal(8)
        begun, watchdog, limit = Signal(), Signal(32), Signal(32)
        m.d.sync += [
            open_.eq((open_ | run.start) & ~ends), begun.eq(1), watchdog.eq(self.watchdog), limit.eq(self.limit),
        ]  # fmt: skip
        status = {
            item.name: run.status[item.low : item.low + item.width] for item in REGISTER["STATUS"].fields
        }
        with m.If(run.start):
            m.d.sync += first.eq(0)
        with m.Elif(run.running & self.error):
            m.d.sync += [first.eq(1), code.eq(self.error_code)]
        m.d.comb += [
            Assume(~begun | ((watchdog == self.watchdog) & (limit == self.limit))),
            Assume(self.error_code != 0),
            Assert(open_ == (run.running | run.halt)),
            Assert(~(run.running & run.halt)),
            Assert(run.running == (inner["_state"] == 1)),
            Assert(run.halt == (inner["_state"] == 2)),
            Assert(run.reset_engine == ~(run.running | run.halt)),
            Assert(~ends | open_),
            Assert((run.ended == 0) | (run.ended == 1) | (run.ended == 2) | (run.ended == 4)),
            Assert(status["busy"] | ~(run.running | run.halt)),
            Assert(status["halting"] == run.halt),
            Assert(~run.running | ~(status["done"] | status["aborted"] | (status["error"] != 0))),
            Assert(~run.halt | (status["aborted"] ^ (status["error"] != 0))),
            Assert(~status["done"] | ~(status["aborted"] | (status["error"] != 0))),
            Assert(~(first & run.halt) | (status["error"] == code)),
            Assert(~(first & run.running)),
            Assert(~run.ready | (inner["age"] == 1)),
            Assert((self.watchdog == 0) | (inner["quiet"] <= self.watchdog)),
            Assert(~run.running | (self.limit == 0) | ((inner["age"] <= self.limit) & (inner["age"] != 0))),
        ]
        return m


class Twice(RunControl):
    """Reports the end of a run again in the cycle after it."""

    def elaborate(self, platform):
        m = super().elaborate(platform)
        again = Signal(3)
        m.d.sync += again.eq(self.ended)
        with m.If(again.any()):
            m.d.comb += self.ended.eq(again)
        return m


def test_a_run_ends_once(tmp_path):
    prove(Run(RunControl()), tmp_path, cycles=4, induction=1)


def test_a_run_that_ends_twice_is_refuted(tmp_path):
    with pytest.raises(Refuted):
        prove(Run(Twice()), tmp_path, cycles=6)
