"""Commands: what the host sets for a run, and the runs that wait for the one that goes on."""

from amaranth import Module, Mux, ResetInserter, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hwshift.config import AcceleratorConfig
from hwshift.rtl.queue import Queue
from hwshift.timing import COMMAND_QUEUE

__all__ = ["ADDRESSES", "Commands", "settings_layout"]

ADDRESSES = ("program_base", "program_limit", "read_base", "read_limit", "write_base", "write_limit")
"""Settings that are addresses."""


def settings_layout(config: AcceleratorConfig) -> data.StructLayout:
    """What the host sets for a run. Limits are addresses of last bytes."""
    return data.StructLayout({**dict.fromkeys(ADDRESSES, config.address_width), "program_count": 32})


class Commands(wiring.Component):
    """Decides which run starts next. One request per cycle; its answer is combinational.

    A request to start is met in its cycle or refused. A request to queue is met in its cycle if a run could be
    started; otherwise it waits, behind those that wait, or is refused if `COMMAND_QUEUE` of them do. A run that
    waits starts in the first cycle with ``ready``.

    Members
    -------
    staged : In(settings_layout)
        What a request is about.
    start_request, queue_request : In(1)
    ready : In(1), between : In(1)
        A run can start in this cycle; no run goes on, so that ``active`` may follow ``next``.
    drop : In(1)
        What waits is forgotten, and requests are refused.
    start : Out(1)
        A run starts.
    next : Out(settings_layout)
        Of the run that starts; valid with ``start``.
    active : Out(settings_layout)
        Of the run that goes on; a register.
    refused : Out(1)
        The request of this cycle is not met.
    waiting : Out(range(COMMAND_QUEUE + 1))
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self._settings = settings_layout(config)
        super().__init__({
            "staged": In(self._settings), "start_request": In(1), "queue_request": In(1),
            "ready": In(1), "between": In(1), "drop": In(1),
            "start": Out(1), "next": Out(self._settings), "active": Out(self._settings), "refused": Out(1),
            "waiting": Out(range(COMMAND_QUEUE + 1)),
        })  # fmt: skip

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        queue = Queue(self._settings, COMMAND_QUEUE)
        m.submodules.queue = ResetInserter(self.drop)(queue)
        requested = Signal()
        at_once = Signal()
        push = Signal()
        pop = Signal()
        m.d.comb += [
            requested.eq(self.start_request | self.queue_request),
            at_once.eq(self.ready & ~queue.o.valid & requested),
            push.eq(self.queue_request & ~at_once & queue.i.ready & ~self.drop),
            pop.eq(self.ready & queue.o.valid),
            queue.i.valid.eq(push), queue.i.payload.eq(self.staged), queue.o.ready.eq(pop),
            self.refused.eq(requested & ~at_once & ~push),
            self.start.eq(at_once | pop),
            self.next.eq(Mux(queue.o.valid, queue.o.payload.as_value(), self.staged.as_value())),
        ]  # fmt: skip
        with m.If(self.between):  # not only where one starts, which is known late
            m.d.sync += self.active.eq(self.next)
        with m.If(self.drop):
            m.d.sync += self.waiting.eq(0)
        with m.Else():
            m.d.sync += self.waiting.eq(self.waiting + push - pop)
        return m
