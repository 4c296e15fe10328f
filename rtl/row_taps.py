"""Three taps of a row in a step: what elements take instead of what their own lanes read."""

from amaranth import Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hwshift.config import AcceleratorConfig
from hwshift.program.row_taps import ROW_TAPS
from hwshift.rtl.interfaces import act_shape

__all__ = ["RowTaps", "aged_layout"]


def aged_layout(config: AcceleratorConfig) -> data.ArrayLayout:
    """What elements of age 1, 2, ... take: index [age - 1][row] (`hwshift.program.row_taps.element_ages`)."""
    return data.ArrayLayout(data.ArrayLayout(act_shape(config), config.rows), ROW_TAPS - 1)


class RowTaps(wiring.Component):
    """Values walk one row further with every step of ``row_taps``: the element of age a in row r takes what the one
    of age a - 1 in row r - 1 had in the step before, age 0 being the lanes.

    In other steps elements of every age take what their lanes read. All is held between steps.

    Members
    -------
    step : In(1), row_taps : In(1), coming : In(array [R] of activations)
        Stage 6: there is a step; it sums taps; what lanes read.
    x : In(array [R] of activations)
        The same, registered: those of the last step.
    aged : Out(aged_layout)
        Stage 7, registered.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self._config = config
        lanes = data.ArrayLayout(act_shape(config), config.rows)
        super().__init__({
            "step": In(1), "row_taps": In(1), "coming": In(lanes), "x": In(lanes), "aged": Out(aged_layout(config)),
        })  # fmt: skip

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        younger = self.x
        for age in range(1, ROW_TAPS):
            own = self.aged[age - 1]
            for row in range(self._config.rows):
                value = Signal(act_shape(self._config), name=f"age_{age}_row_{row}", reset_less=True)
                with m.If(self.step):
                    m.d.sync += value.eq(Mux(self.row_taps, younger[row - 1], self.coming[row]))
                m.d.comb += own[row].eq(value)
            younger = own
        return m
