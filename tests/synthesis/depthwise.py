"""What a depthwise unit beside the array would take: one channel of it, and the same of the array, mapped by Yosys.

    python -m tests.synthesis.depthwise

Nine shift-add elements with their adder tree give a channel's 3x3 convolution in one step. A window of nine registers
moves over the map by one pixel in each, fed by two line buffers of 256 pixels; weights are double-buffered as in the
array, and the result takes the place of the column's sum in front of its accumulator, which is one multiplexer.

Much less is what the engine has as an option, `hwshift.rtl.row_taps`: two of a column's own elements take what its lane
read one and two steps ago.
"""

import tempfile
from pathlib import Path

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hwshift.config import PRESETS, AcceleratorConfig
from hwshift.rtl.accumulator import AccumulatorLane
from hwshift.rtl.adder_tree import ColumnSigns, column_sum
from hwshift.rtl.array import Column, sum_shape
from hwshift.rtl.export import convert, without_contents
from hwshift.rtl.interfaces import act_shape, code_layout
from hwshift.rtl.pe import split_term
from hwshift.rtl.row_taps import RowTaps
from hwshift.synthesis.resources import Resources
from hwshift.synthesis.run import count, map_modules
from hwshift.synthesis.targets import TARGETS
from hwshift.synthesis.verilog import plain_names

__all__ = ["LINE", "TAPS", "DepthwiseChannel", "area"]

TAPS = 9
LINE = 256
"""Pixels of a row that a line buffer holds."""


class DepthwiseChannel(wiring.Component):
    """One channel: a pixel in, its 3x3 sum out, one per cycle.

    Members
    -------
    x : In(act_shape), place : In
        Next pixel of the map, and its column.
    weight : In(code_layout), shift, swap : In(1)
        Shadow weights move by one; the active ones take them.
    unit : In(1), column : In(sum_shape), sums : Out(sum_shape)
        The array's column sum passes through unless ``unit``.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self._config = config
        super().__init__({
            "x": In(act_shape(config)), "place": In(range(LINE)), "weight": In(code_layout(config)),
            "shift": In(1), "swap": In(1), "unit": In(1),
            "column": In(sum_shape(config)), "sums": Out(sum_shape(config)),
        })  # fmt: skip

    def elaborate(self, platform: object) -> Module:
        m = Module()
        weights = self._weights(m)
        terms = []
        for tap, (x, weight) in enumerate(zip(self._window(m), weights, strict=True)):
            split = split_term(m, platform, self._config, x, weight, f"tap_{tap}")
            term = Signal(split.body.shape(), name=f"term_{tap}", reset_less=True)
            m.d.sync += term.eq(Mux(split.clear, 0, split.body))
            terms.append(term)
        signs = ColumnSigns(m, [weight.sign for weight in weights])
        total = column_sum(m, platform, terms, signs, len(self.sums), "unit")
        m.d.comb += self.sums.eq(Mux(self.unit, total, self.column))
        return m

    def _weights(self, m: Module) -> list[data.View]:
        coming, active = self.weight, []
        for tap in range(TAPS):
            shadow, weight = (
                Signal(code_layout(self._config), name=f"{name}_{tap}", reset_less=True)
                for name in ("shadow", "weight")
            )
            with m.If(self.shift):
                m.d.sync += shadow.eq(coming)
            with m.If(self.swap):
                m.d.sync += weight.eq(shadow)
            coming = shadow
            active.append(weight)
        return active

    def _window(self, m: Module) -> list[Signal]:
        """Three rows of three pixels; the two rows before come from the line buffers."""
        width = self._config.act.bits
        m.submodules.lines = lines = Memory(shape=2 * width, depth=LINE, init=[])
        read, write = lines.read_port(), lines.write_port()
        late, place, pixel = Signal(range(LINE)), self.place, Signal.like(self.x)
        m.d.sync += [late.eq(place), pixel.eq(self.x)]
        m.d.comb += [
            read.addr.eq(place), read.en.eq(1),
            write.addr.eq(late), write.en.eq(1), write.data.eq(Cat(pixel, read.data[:width])),
        ]  # fmt: skip
        taps = []
        for row, value in enumerate((pixel, read.data[:width], read.data[width:])):
            for column in range(3):
                tap = Signal(act_shape(self._config), name=f"window_{row}_{column}", reset_less=True)
                m.d.sync += tap.eq(value)
                value = tap
                taps.append(tap)
        return taps


def area(component: wiring.Component, target: str, folder: Path, **options: bool) -> Resources:
    """Cells of one block."""
    text = plain_names(without_contents(convert(component, "block")))
    modules = map_modules(text, "block", TARGETS[target], build_dir=folder, **options)
    return sum(count(modules, "block", TARGETS[target], {}).values(), Resources())


def main() -> None:
    """Print the unit beside the array, for 16x16."""
    config = PRESETS["16x16"]
    with tempfile.TemporaryDirectory() as folder:
        column, lane, channel, taps = (
            area(block, "xilinx", Path(folder))
            for block in (
                Column(config),
                AccumulatorLane(config),
                DepthwiseChannel(config),
                RowTaps(config.with_(row_taps=True)),
            )
        )
    array = config.columns * (column + lane)
    for name, found in (
        ("array and accumulators", array),
        ("unit", config.columns * channel),
        ("row taps", taps),
    ):
        print(f"{name}: {found.to_dict()}")
        print(f"LUTs over the array's: {found.lut / array.lut:.1%}")


if __name__ == "__main__":
    main()
