"""Compute side: dispatch, pass generator, weight fetcher and sequencer with the queues between them."""

from amaranth import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hwshift.config import AcceleratorConfig
from hwshift.program.isa import LOAD, STORE, Token
from hwshift.rtl.dispatch import Dispatch, weight_record
from hwshift.rtl.instruction import EARLY, INSTRUCTION
from hwshift.rtl.interfaces import step_layout, weight_command
from hwshift.rtl.pass_generator import PassGenerator, bounds_layout, ktile_write, pass_layout
from hwshift.rtl.queue import Queue
from hwshift.rtl.sequencer import Sequencer
from hwshift.rtl.tokens import TokenCounters
from hwshift.rtl.weight_fetch import WeightFetch
from hwshift.timing import timing

__all__ = ["ComputeSide"]


class ComputeSide(wiring.Component):
    """Everything between the instruction queue and the rigid pipeline.

    Members
    -------
    i : stream of instructions
    load, store : streams of instructions, behind their queues
    step : Out(step_layout), issue : Out(1), command : Out(weight_command), command_valid : Out(1)
        Stage 0, combinational.
    bounds : Out(bounds_layout)
    available, at_limit : Out(5); unit_pop, unit_reserve, unit_push : In(5)
        Token counters and what loader and storer pop, promise and push.
    room : Out(16), has_room : Out(1), take_room : In(1), tile_done : In(1)
        Weight ring.
    ktile_write : In(ktile_write)
    halt : In(1), end : Out(1), idle : Out(1), cause : Out(4), error : Out(1), error_code : Out(8)
        ``idle``: nothing waits or runs and every last step has retired.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self._config = config
        tokens = len(Token)
        super().__init__(
            {
                "i": In(stream.Signature(INSTRUCTION)),
                "load": Out(stream.Signature(INSTRUCTION)),
                "store": Out(stream.Signature(INSTRUCTION)),
                "step": Out(step_layout(config)),
                "issue": Out(1),
                "command": Out(weight_command(config)),
                "command_valid": Out(1),
                "bounds": Out(bounds_layout(config)),
                "available": Out(tokens),
                "at_limit": Out(tokens),
                "unit_pop": In(tokens),
                "unit_reserve": In(tokens),
                "unit_push": In(tokens),
                "room": Out(16),
                "has_room": Out(1),
                "take_room": In(1),
                "tile_done": In(1),
                "ktile_write": In(ktile_write(config)),
                "halt": In(1),
                "end": Out(1),
                "idle": Out(1),
                "cause": Out(4),
                "error": Out(1),
                "error_code": Out(8),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        config, t = self._config, timing(self._config)
        m.submodules.dispatch = self._dispatch = Dispatch(config)
        m.submodules.passes = self._passes = PassGenerator(config)
        m.submodules.weights = self._weights = WeightFetch(config)
        m.submodules.sequencer = self._sequencer = Sequencer(config)
        m.submodules.tokens = self._tokens = TokenCounters(t.token_limit)
        wiring.connect(m, wiring.flipped(self.i), self._dispatch.i)
        dispatch, load, store = self._dispatch, wiring.flipped(self.load), wiring.flipped(self.store)
        # bursts begin with what is at the head of load and store queue, the walk of a STORE, too
        compute = self._queue(
            m, "compute", Queue(INSTRUCTION, t.unit_queue, EARLY), dispatch.compute, self._passes.i
        )
        self._queue(m, "load", Queue(INSTRUCTION, t.unit_queue, LOAD.offsets["base"]), dispatch.load, load)
        self._queue(
            m, "store", Queue(INSTRUCTION, t.unit_queue, STORE.offsets["last_lanes"]), dispatch.store, store
        )
        self._queue(m, "weight", Queue(weight_record(), t.weight_queue), dispatch.weight, self._weights.i)
        self._queue(m, "pass", Queue(pass_layout(config), t.pass_queue), self._passes.o, self._sequencer.i)
        self._connect_tokens(m)
        self._connect_weights(m)
        self._connect_front(m, compute)
        return m

    def _queue(self, m: Module, name: str, queue: Queue, source: object, sink: object) -> Queue:
        m.submodules[f"{name}_queue"] = queue
        wiring.connect(m, source, queue.i)
        wiring.connect(m, queue.o, sink)
        return queue

    def _connect_tokens(self, m: Module) -> None:
        tokens, sequencer = self._tokens, self._sequencer
        m.d.comb += [
            tokens.reserve.eq(sequencer.reserve | self.unit_reserve),
            tokens.push.eq(sequencer.push | self.unit_push),
            tokens.pop.eq(self._passes.pop | self.unit_pop),
            self.available.eq(tokens.available),
            self.at_limit.eq(tokens.at_limit),
            self._passes.available.eq(tokens.available),
            sequencer.at_limit.eq(tokens.at_limit),
        ]

    def _connect_weights(self, m: Module) -> None:
        weights, sequencer = self._weights, self._sequencer
        m.d.comb += [
            weights.take.eq(sequencer.take),
            sequencer.weights_full.eq(weights.full),
            sequencer.weights_loading.eq(weights.loading),
            self.command.eq(weights.command),
            self.command_valid.eq(weights.command_valid),
            self.room.eq(weights.room),
            self.has_room.eq(weights.has_room),
            weights.take_room.eq(self.take_room),
            weights.tile_done.eq(self.tile_done),
        ]

    def _connect_front(self, m: Module, compute: Queue) -> None:
        dispatch, passes, sequencer = self._dispatch, self._passes, self._sequencer
        front_empty = ~compute.o.valid & passes.idle
        m.d.comb += [
            passes.quiet.eq(sequencer.quiet),
            passes.ktile_write.eq(self.ktile_write),
            sequencer.halt.eq(self.halt),
            sequencer.front_empty.eq(front_empty),
            sequencer.tail.eq(dispatch.end & front_empty),
            sequencer.wait_load.eq(passes.wait_load),
            sequencer.wait_store.eq(passes.wait_store),
            self.step.eq(sequencer.step),
            self.issue.eq(sequencer.issue),
            self.bounds.eq(passes.bounds),
            self.end.eq(dispatch.end),
            self.idle.eq(front_empty & sequencer.quiet),
            self.cause.eq(sequencer.cause),
            self.error.eq(dispatch.error),
            self.error_code.eq(dispatch.error_code),
        ]
