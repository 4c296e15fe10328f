"""Accumulators: sums or maxima over the k-tiles of a chunk."""

from amaranth import Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hwshift.config import AcceleratorConfig
from hwshift.rtl.array import map_layout, sum_shape
from hwshift.rtl.interfaces import acc_shape, step_layout

__all__ = ["Accumulator"]


class Accumulator(wiring.Component):
    """T accumulators per column and pixel lane, one memory per pixel lane.

    A step in stage S gives ``first ? sums : acc[index] op sums``; op is the sum, or with ``maximum`` the
    larger (only if the configuration has ``max_pool``). Of a last step this is ``acc`` in the next cycle,
    otherwise it is written back, and a step on the same index in the next cycle sees it: latency 1, one step
    per cycle, any order of indices. The value must fit ``acc_width`` bits, which a verified network's does;
    it wraps otherwise.

    Members
    -------
    address_next : In
        Accumulator index of the step in stage S - 1.
    address : In
        The same of the step in stage S, which the members below belong to.
    valid, first, last, maximum : In(1)
    sums : In(map_layout of sum_shape, [P][C])
    acc : Out(map_layout of acc_shape, [P][C])
        From registers; stage E. Holds until the next last step.
    """

    latency = 1

    def __init__(self, config: AcceleratorConfig) -> None:
        self._config = config
        index = step_layout(config).members["acc"]
        super().__init__(
            {
                "address_next": In(index),
                "address": In(index),
                "valid": In(1),
                "first": In(1),
                "last": In(1),
                "maximum": In(1),
                "sums": In(map_layout(sum_shape(config), config.pixels, config.columns)),
                "acc": Out(map_layout(acc_shape(config), config.pixels, config.columns)),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        for p in range(self._config.pixels):
            self._lane(m, p)
        return m

    def _lane(self, m: Module, p: int) -> None:
        shape = map_layout(acc_shape(self._config), 1, self._config.columns)
        m.submodules[f"memory_{p}"] = memory = Memory(shape=shape, depth=self._config.acc_depth, init=[])
        write = memory.write_port()
        read = memory.read_port(transparent_for=[write])
        m.d.comb += [
            read.addr.eq(self.address_next),
            read.en.eq(1),
            write.addr.eq(self.address),
            write.en.eq(self.valid & ~self.last),
        ]
        for c in range(self._config.columns):
            value = Signal(acc_shape(self._config), name=f"value_{p}_{c}")
            acc = Signal(acc_shape(self._config), name=f"acc_{p}_{c}", reset_less=True)
            m.d.comb += [
                value.eq(self._value(read.data[0][c], self.sums[p][c])),
                write.data[0][c].eq(value),
                self.acc[p][c].eq(acc),
            ]
            with m.If(self.valid & self.last):
                m.d.sync += acc.eq(value)

    def _value(self, stored: Value, sums: Value) -> Value:
        result = stored + sums
        if self._config.max_pool:
            result = Mux(self.maximum, Mux(stored > sums, stored, sums), result)
        return Mux(self.first, sums, result)
