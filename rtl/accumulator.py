"""Accumulators: sums or maxima over the k-tiles of a chunk."""

from amaranth import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hwshift.config import AcceleratorConfig
from hwshift.rtl.array import map_layout, sum_shape
from hwshift.rtl.interfaces import acc_shape, step_layout
from hwshift.rtl.primitives import add_sub, mux4

__all__ = ["Accumulator", "AccumulatorLane"]


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

    def elaborate(self, platform: object) -> Module:  # noqa: ARG002
        m = Module()
        forward = Signal(reset_less=True)
        writes = self.valid & ~self.last
        m.d.sync += forward.eq(writes & (self.address == self.address_next))
        shape = map_layout(acc_shape(self._config), 1, self._config.columns)
        for p in range(self._config.pixels):
            m.submodules[f"memory_{p}"] = memory = Memory(shape=shape, depth=self._config.acc_depth, init=[])
            write, read = memory.write_port(), memory.read_port()
            m.d.comb += [
                read.addr.eq(self.address_next),
                read.en.eq(1),
                write.addr.eq(self.address),
                write.en.eq(writes),
            ]
            for c in range(self._config.columns):
                m.submodules[f"lane_{p}_{c}"] = lane = AccumulatorLane(self._config)
                m.d.comb += [
                    lane.forward.eq(forward), lane.first.eq(self.first), lane.maximum.eq(self.maximum),
                    lane.finish.eq(self.valid & self.last), lane.sums.eq(self.sums[p][c]),
                    lane.memory.eq(read.data[0][c]), write.data[0][c].eq(lane.value), self.acc[p][c].eq(lane.acc),
                ]  # fmt: skip
        return m


class AccumulatorLane(wiring.Component):
    """What one column and pixel lane does in stage S; see `Accumulator`.

    Members
    -------
    sums : In(sum_shape), memory : In(acc_shape)
        ``memory`` is what the memory held at the end of stage S - 1, before the write of that cycle.
    forward : In(1)
        The write of the cycle before was to this step's index: its value counts instead of ``memory``.
    first, maximum : In(1)
    value : Out(acc_shape)
        Combinational.
    finish : In(1), acc : Out(acc_shape)
        The register takes ``value``.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self._config = config
        acc = acc_shape(config)
        super().__init__(
            {
                "sums": In(sum_shape(config)),
                "memory": In(acc),
                "forward": In(1),
                "first": In(1),
                "maximum": In(1),
                "value": Out(acc),
                "finish": In(1),
                "acc": Out(acc),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        before = Signal.like(self.value, name="before", reset_less=True)
        acc = Signal.like(self.acc, name="acc_register", reset_less=True)
        m.d.sync += before.eq(self.value)
        with m.If(self.finish):
            m.d.sync += acc.eq(self.value)
        m.d.comb += [self.value.eq(self._value(m, platform, before)), self.acc.eq(acc)]
        return m

    def _value(self, m: Module, platform: object, before: Value) -> Value:
        """One adder, which also compares: a maximum is chosen by the sign of a difference."""
        width = self._config.acc_width
        stored = Mux(self.first, 0, Mux(self.forward, before, self.memory))
        maximum = self.maximum if self._config.max_pool else Const(0)
        result = add_sub(m, platform, self.sums, stored, maximum, "result")
        if not self._config.max_pool:
            return result[:width].as_signed()
        larger = maximum & result[-1] & ~self.first
        sums = Cat(self.sums, self.sums[-1].replicate(width - len(self.sums)))
        select = Cat(Mux(larger, self.forward, maximum), larger)
        return mux4(m, platform, [result[:width], sums, self.memory, before], select, "chosen").as_signed()
