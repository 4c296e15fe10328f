"""Where the pixels of one lane lie: range checks and port A addresses."""

from amaranth import Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hwshift.config import AcceleratorConfig
from hwshift.program import isa
from hwshift.rtl.instruction import layout_of
from hwshift.rtl.interfaces import COORDINATE

__all__ = ["LaneAddress", "lane_pixels", "lane_region", "lane_step"]


def _word_bits(config: AcceleratorConfig) -> int:
    return (config.feature_depth - 1).bit_length()


def _sub_bits(config: AcceleratorConfig) -> int:
    return (config.sub_banks - 1).bit_length()


def lane_step(config: AcceleratorConfig) -> data.StructLayout:
    """What all lanes share in stage 2: the column of each pixel lane, the rest as in `step_layout`."""
    return data.StructLayout({
        "x": data.ArrayLayout(COORDINATE, config.pixels), "y": COORDINATE, "offset": _word_bits(config) + 1,
        "width": 16, "height": 16, "pad_min": 1,
    })  # fmt: skip


def lane_region(config: AcceleratorConfig) -> data.StructLayout:
    """What all lanes share in stage 3: the buffer. ``wrapped`` is ``base - length``, modulo the depth."""
    word = _word_bits(config)
    return data.StructLayout({"base": word, "wrapped": word, "length": word + 1})


def lane_pixels(config: AcceleratorConfig) -> data.ArrayLayout:
    """Per pixel lane: where to read, whether it is inside the map, or reads as the minimum if it is not."""
    pixel = {"sub": _sub_bits(config), "word": _word_bits(config), "inside": 1, "fill": 1}
    return data.ArrayLayout(data.StructLayout(pixel), config.pixels)


class LaneAddress(wiring.Component):
    """Addresses of the P pixels one lane reads.

    Latency two cycles, one result per cycle, no backpressure. Exact for every ``x``, ``y`` and dx, dy in
    -64..63, if the sum of the offsets and the pixel's word is below twice the buffer's
    length wherever the pixel is inside the map; outside, the address is arbitrary but defined.

    Members
    -------
    entry : In(LANE_ENTRY), step : In(lane_step)
        Stage 2.
    region : In(lane_region)
        Stage 3, of the same step.
    pixels : Out(lane_pixels)
        Stage 4, registered.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self._config = config
        super().__init__({
            "entry": In(layout_of(isa.LANE_ENTRY)),
            "step": In(lane_step(config)),
            "region": In(lane_region(config)),
            "pixels": Out(lane_pixels(config)),
        })  # fmt: skip

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        # Modulo 2**18 a negative position is above every height and width: one comparison does.
        row = Signal(COORDINATE.width)
        row_inside = Signal()
        m.d.comb += [
            row.eq(self.step.y + self.entry.dy),
            row_inside.eq(self.entry.enable & (row < self.step.height)),
        ]
        for lane in range(self._config.pixels):
            self._pixel(m, lane, row_inside)
        return m

    def _column(self, lane: int) -> Value:
        return self.step.x[lane] + self.entry.dx

    def _pixel(self, m: Module, lane: int, row_inside: Signal) -> None:
        pixel, sub_bits, sum_bits = self.pixels[lane], _sub_bits(self._config), _word_bits(self._config) + 1
        column, inside = Signal(COORDINATE.width, name=f"column_{lane}"), Signal(name=f"inside_{lane}")
        stage_3 = data.StructLayout({"sum": sum_bits, "sub": sub_bits, "inside": 1, "fill": 1})
        summed = Signal(stage_3, name=f"summed_{lane}", reset_less=True)
        m.d.comb += [
            column.eq(self._column(lane)),
            inside.eq(row_inside & (column < self.step.width)),
        ]
        m.d.sync += [
            summed.sum.eq(self.step.offset + self.entry.offset[:sum_bits] + column[sub_bits:]),
            summed.sub.eq(column[:sub_bits]),
            summed.inside.eq(inside),
            summed.fill.eq(self.entry.enable & ~inside & self.step.pad_min),
            pixel.word.eq(summed.sum + self._origin(summed.sum)),
            pixel.sub.eq(summed.sub),
            pixel.inside.eq(summed.inside),
            pixel.fill.eq(summed.fill),
        ]

    def _origin(self, offset: Value) -> Value:
        """The word to which an offset is added; it is less one length where the offset reaches the length."""
        return Mux(offset >= self.region.length, self.region.wrapped, self.region.base)
