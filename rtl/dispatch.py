"""Dispatch: instructions from the fetch queue to the load, compute, weight and store queues."""

from amaranth import Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hwshift.config import AcceleratorConfig
from hwshift.program import isa
from hwshift.program.isa import Opcode
from hwshift.program.registers import ErrorCode
from hwshift.rtl.instruction import INSTRUCTION, layout_of

__all__ = ["Dispatch", "weight_record"]


def weight_record() -> data.StructLayout:
    """The loops of one COMPUTE as the weight fetcher walks them."""
    return data.StructLayout(
        {
            "ktile_count": 16,
            "tiles": 16,
            "chunks": 16,
            "weight_offset": 16,
            "hold_weights": 1,
            "keep_weights": 1,
        }
    )


class Dispatch(wiring.Component):
    """Pops one instruction per cycle when its target has room; combinational but for the error.

    Members
    -------
    i : stream of instructions
    load, compute, store : streams of instructions
    weight : stream of `weight_record`
        Pushed together with a COMPUTE.
    end : Out(1)
        END is at the head; it is never popped.
    error : Out(1), error_code : Out(8)
        In the cycle before, the head was not an instruction, or a HEADER for something else.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self._config = config
        super().__init__(
            {
                "i": In(stream.Signature(INSTRUCTION)),
                "load": Out(stream.Signature(INSTRUCTION)),
                "compute": Out(stream.Signature(INSTRUCTION)),
                "store": Out(stream.Signature(INSTRUCTION)),
                "weight": Out(stream.Signature(weight_record())),
                "end": Out(1),
                "error": Out(1),
                "error_code": Out(8),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        word = self.i.payload
        # a cycle late: what a header holds comes from a memory, and goes far
        self._found, self._code = Signal(name="found"), Signal(8, name="found_code")
        m.d.sync += [self.error.eq(self._found), self.error_code.eq(self._code)]
        head = data.View(layout_of(isa.END), word)
        for target in (self.load, self.compute, self.store):
            m.d.comb += target.payload.eq(word)
        self._split_compute(m, data.View(layout_of(isa.COMPUTE), word))
        with m.If(self.i.valid):
            with m.Switch(head.opcode):
                with m.Case(Opcode.END):
                    m.d.comb += self.end.eq(1)
                with m.Case(Opcode.HEADER):
                    m.d.comb += self.i.ready.eq(1)
                    self._check_header(m, data.View(layout_of(isa.HEADER), word))
                with m.Case(Opcode.LOAD):
                    m.d.comb += [self.load.valid.eq(1), self.i.ready.eq(self.load.ready)]
                with m.Case(Opcode.DESCRIPTOR, Opcode.ACTIVATION):
                    m.d.comb += [self.compute.valid.eq(1), self.i.ready.eq(self.compute.ready)]
                with m.Case(Opcode.COMPUTE):
                    both = Signal()
                    m.d.comb += [
                        both.eq(self.compute.ready & self.weight.ready),
                        self.compute.valid.eq(both),
                        self.weight.valid.eq(both),
                        self.i.ready.eq(both),
                    ]
                with m.Case(Opcode.STORE):
                    m.d.comb += [self.store.valid.eq(1), self.i.ready.eq(self.store.ready)]
                with m.Default():
                    m.d.comb += [self._found.eq(1), self._code.eq(ErrorCode.BAD_OPCODE)]
        return m

    def _split_compute(self, m: Module, compute: data.View) -> None:
        record = self.weight.payload
        m.d.comb += [getattr(record, name).eq(getattr(compute, name)) for name in weight_record().members]

    def _check_header(self, m: Module, header: data.View) -> None:
        with m.If((header.magic != isa.MAGIC) | (header.version != isa.ISA_VERSION)):
            m.d.comb += [self._found.eq(1), self._code.eq(ErrorCode.BAD_HEADER)]
        with m.Elif(header.config_hash != self._config.hash):
            m.d.comb += [self._found.eq(1), self._code.eq(ErrorCode.CONFIG_MISMATCH)]
