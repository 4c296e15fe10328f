"""Bursts: the rows of a LOAD or STORE, cut where AXI wants it."""

from amaranth import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hwshift.config import AcceleratorConfig
from hwshift.program.isa import BURST_BEATS
from hwshift.rtl.axi import burst_layout

__all__ = ["Bursts", "transfer_layout"]

_PAGE = 4096


def transfer_layout() -> data.StructLayout:
    """The rows in memory, as LOAD and STORE give them."""
    return data.StructLayout({"rows": 16, "row_beats": 32, "row_stride": 32, "address": 64})


class Bursts(wiring.Component):
    """Walks ``rows`` rows of ``row_beats`` beats, ``row_stride`` bytes apart, in bursts.

    A burst has min(64, beats left in the row, beats to the next multiple of 4096 bytes) beats. One burst per
    cycle; the first is valid in the cycle after ``start``. Address bits below a beat are ignored.

    Members
    -------
    start : In(1), transfer : In(transfer_layout)
        Begin; only while not ``active``.
    active : Out(1)
        There is a burst left.
    o : stream of `burst_layout`
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self._config = config
        super().__init__({
            "start": In(1), "transfer": In(transfer_layout()), "active": Out(1),
            "o": Out(stream.Signature(burst_layout(config))),
        })  # fmt: skip

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        self._rows, self._row_beats, self._stride = Signal(16), Signal(32), Signal(32)
        self._left = Signal(32)  # beats of this row
        # one bit more than the bus has: set once an address went beyond it
        self._row_address = Signal(self._config.address_width + 1)
        self._address = Signal(self._config.address_width + 1)
        row_ends = self._describe_burst(m)
        with m.If(self.start):
            self._begin(m)
        with m.Elif(self.o.valid & self.o.ready):
            self._advance(m, row_ends)
        return m

    def _describe_burst(self, m: Module) -> Signal:
        burst, shift = self.o.payload, (self._config.beat_bytes - 1).bit_length()
        page_beats = _PAGE // self._config.beat_bytes
        to_page = page_beats - self._address[shift : _PAGE.bit_length() - 1]
        limit, row_ends = Signal(range(BURST_BEATS + 1)), Signal()
        m.d.comb += [
            limit.eq(Mux(to_page < BURST_BEATS, to_page, BURST_BEATS)),
            burst.beats.eq(Mux(self._left < limit, self._left, limit)),
            burst.address.eq(self._address), burst.beyond.eq(self._address[-1]),
            row_ends.eq(self._left == burst.beats), burst.last.eq(row_ends & (self._rows == 1)),
            self.o.valid.eq(self.active),
        ]  # fmt: skip
        return row_ends

    def _begin(self, m: Module) -> None:
        transfer, width = self.transfer, self._config.address_width
        shift = (self._config.beat_bytes - 1).bit_length()
        beyond = transfer.address[width:].any() if width < 64 else 0
        first = Cat(Const(0, shift), transfer.address[shift:width], beyond)
        m.d.sync += [
            self.active.eq(1), self._rows.eq(transfer.rows), self._row_beats.eq(transfer.row_beats),
            self._stride.eq(transfer.row_stride >> shift << shift), self._left.eq(transfer.row_beats),
            self._address.eq(first), self._row_address.eq(first),
        ]  # fmt: skip

    def _advance(self, m: Module, row_ends: Signal) -> None:
        with m.If(row_ends):
            following = self._add(self._row_address, self._stride)
            m.d.sync += [
                self._rows.eq(self._rows - 1), self._left.eq(self._row_beats), self.active.eq(~self.o.payload.last),
                self._row_address.eq(following), self._address.eq(following),
            ]  # fmt: skip
        with m.Else():
            step = self.o.payload.beats * self._config.beat_bytes
            m.d.sync += [
                self._left.eq(self._left - self.o.payload.beats),
                self._address.eq(self._add(self._address, step)),
            ]

    def _add(self, address: Signal, step: Value) -> Value:
        total = address + step
        return Cat(total[: self._config.address_width], total[self._config.address_width :].any())
