"""The sigmoid's table: one block RAM, a ROM with two read ports, serves two lanes of the epilogue."""

from amaranth import Module, Mux, Value, unsigned
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hwshift.golden.formats import QFormat
from hwshift.golden.sigmoid import SIGMOID_ENTRIES, sigmoid_table

__all__ = ["SigmoidTable", "sigmoid_index"]

_BIN = 6  # a bin is 2**-6 wide
_HALF = SIGMOID_ENTRIES // 2


def sigmoid_index(value: Value, act: QFormat) -> Value:
    """``floor((t + 8) * 64)`` of a signed value in the format ``act``, cut to the table's entries."""
    bins = value[act.n - _BIN :].as_signed() if act.n >= _BIN else value << (_BIN - act.n)
    cut = Mux(bins < -_HALF, -_HALF, Mux(bins >= _HALF, _HALF - 1, bins))
    return (cut + _HALF)[: (SIGMOID_ENTRIES - 1).bit_length()]


class SigmoidTable(wiring.Component):
    """Two entries per cycle, each one cycle after its index; no backpressure.

    Members
    -------
    index : In(10 bits), array of 2
    entry : Out(unsigned), array of 2
        Codes of the format; never negative.
    """

    def __init__(self, act: QFormat) -> None:
        self._entries = sigmoid_table(act).tolist()
        shape = unsigned(max(self._entries).bit_length())
        super().__init__({"index": In(range(SIGMOID_ENTRIES)).array(2), "entry": Out(shape).array(2)})

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        shape = self.entry[0].shape()
        m.submodules.rom = rom = Memory(shape=shape, depth=SIGMOID_ENTRIES, init=self._entries)
        for index, entry in zip(self.index, self.entry, strict=True):
            port = rom.read_port()
            m.d.comb += [port.addr.eq(index), entry.eq(port.data)]
        return m
