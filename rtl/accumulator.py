"""Accumulators: sums or maxima over the k-tiles of a chunk."""

from amaranth import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hwshift.config import AcceleratorConfig
from hwshift.rtl.array import map_layout, sum_shape
from hwshift.rtl.delay import delay
from hwshift.rtl.interfaces import acc_shape, step_layout
from hwshift.rtl.primitives import accumulated, add_sub, by_device

__all__ = ["Accumulator", "AccumulatorLane"]


class Accumulator(wiring.Component):
    """T accumulators per column and pixel lane, one memory per pixel lane.

    A step in stage S gives ``first ? sums : acc[index] op sums``; op is the sum, or with ``maximum`` the
    larger (only if the configuration has ``max_pool``). Of a last step this is ``acc`` in the next cycle,
    otherwise it is written back, and a step on the same index in the next cycle sees it: latency 1, one step
    per cycle, any order of indices. The value must fit ``acc_width`` bits, which a verified network's does;
    it wraps otherwise.

    The memory is read in stage S - 2, and in S - 1 the adder's operand goes into a register, since block RAM is slow
    on some devices. On Xilinx (`hwshift.rtl.primitives.by_device`) it is read in S - 1, which takes fewer LUTs.

    Members
    -------
    address_ahead, address_next : In
        Accumulator index of the steps in stages S - 2 and S - 1.
    first_next, writes_next : In(1)
        Of the step in stage S - 1: ``first``, and whether it is valid and not a last one.
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
                "address_ahead": In(index),
                "address_next": In(index),
                "first_next": In(1),
                "writes_next": In(1),
                "address": In(index),
                "valid": In(1),
                "first": In(1),
                "last": In(1),
                "maximum": In(1),
                "sums": In(map_layout(sum_shape(config), config.pixels, config.columns)),
                "acc": Out(map_layout(acc_shape(config), config.pixels, config.columns)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        writes, follows = Signal(name="writes"), Signal(name="follows")
        late = Signal(reset_less=True)
        m.d.sync += [
            writes.eq(self.writes_next),
            follows.eq(self.writes_next & (self.address_next == self.address_ahead)),
            late.eq(writes & (self.address == self.address_ahead)),
        ]
        forward = delay(m, follows, 1, "forward", reset_less=True)
        index = by_device(m, platform, self.address_next, self.address_ahead, "read_index")
        shape = map_layout(acc_shape(self._config), 1, self._config.columns)
        for p in range(self._config.pixels):
            m.submodules[f"memory_{p}"] = memory = Memory(shape=shape, depth=self._config.acc_depth, init=[])
            write, read = memory.write_port(), memory.read_port()
            m.d.comb += [
                read.addr.eq(index), read.en.eq(1), write.addr.eq(self.address), write.en.eq(writes),
            ]  # fmt: skip
            for c in range(self._config.columns):
                m.submodules[f"lane_{p}_{c}"] = lane = AccumulatorLane(self._config)
                m.d.comb += [
                    lane.follows.eq(follows), lane.late.eq(late), lane.first_next.eq(self.first_next),
                    lane.forward.eq(forward), lane.first.eq(self.first), lane.maximum.eq(self.maximum),
                    lane.finish.eq(self.valid & self.last), lane.sums.eq(self.sums[p][c]),
                    lane.memory.eq(read.data[0][c]), write.data[0][c].eq(lane.value), self.acc[p][c].eq(lane.acc),
                ]  # fmt: skip
        return m


class AccumulatorLane(wiring.Component):
    """What one column and pixel lane does in stage S; see `Accumulator`.

    Members
    -------
    sums : In(sum_shape)
    memory : In(acc_shape)
        Stage S - 1: what the memory held at the end of stage S - 3. (On Xilinx: stage S; at the end of S - 2.)
    late, follows, first_next : In(1)
        Stage S - 1: the write of the cycle before, that of this cycle is to this step's index; so its value counts, the
        later one if both are. The step is a first one: none counts.
    forward : In(1)
        ``follows`` of the cycle before.
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
                "late": In(1),
                "follows": In(1),
                "first_next": In(1),
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
        operand = Signal.like(self.memory, name="operand", reset_less=True)
        acc = Signal.like(self.acc, name="acc_register", reset_less=True)
        read = Mux(self.late, before, self.memory)
        m.d.sync += [
            before.eq(self.value),
            operand.eq(Mux(self.first_next, 0, Mux(self.follows, self.value, read))),
        ]
        with m.If(self.finish):
            m.d.sync += acc.eq(self.value)
        at_once = Mux(self.first, 0, Mux(self.forward, before, self.memory)).as_signed()
        stored = by_device(m, platform, at_once, operand, "stored").as_signed()
        m.d.comb += [self.value.eq(self._value(m, platform, stored, before)), self.acc.eq(acc)]
        return m

    def _value(self, m: Module, platform: object, stored: Value, before: Value) -> Value:
        """One adder, which also compares: a maximum is chosen by the sign of a difference."""
        width = self._config.acc_width
        maximum = self.maximum if self._config.max_pool else Const(0)
        result = add_sub(m, platform, self.sums, stored, maximum, "result")
        if not self._config.max_pool:
            return result[:width].as_signed()
        sums = Cat(self.sums, self.sums[-1].replicate(width - len(self.sums)))
        values = {
            "result": result[:width],
            "sums": sums,
            "stored": stored,
            "memory": self.memory,
            "written": before,
        }
        larger = maximum & result[-1] & ~self.first
        flags = {"forward": self.forward, "maximum": maximum, "larger": larger}
        return accumulated(m, platform, values, flags, "chosen").as_signed()
