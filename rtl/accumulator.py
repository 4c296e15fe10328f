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

    The memory is read in stage S - 3; its word goes into a register in S - 2, the adder's operand in S - 1, and a value
    is written from a register in S + 1, since block RAM is slow on some devices, and far away. On Xilinx
    (`hwshift.rtl.primitives.by_device`) it is read in S - 1 and written in S, which takes fewer LUTs.

    Members
    -------
    address_early, address_ahead, address_next : In
        Accumulator index of the steps in stages S - 3, S - 2 and S - 1.
    first_next : In(1)
        ``first`` of the step in stage S - 1.
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
                "address_early": In(index),
                "address_ahead": In(index),
                "address_next": In(index),
                "first_next": In(1),
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
        writes = self.valid & ~self.last
        follows = Signal()
        late, late_ahead, later_ahead = (
            Signal(name=name, reset_less=True) for name in ("late", "late_ahead", "later_ahead")
        )
        wrote = delay(m, writes, 1, "wrote", reset_less=True)
        place = delay(m, self.address, 1, "place", reset_less=True)
        m.d.comb += follows.eq(writes & (self.address == self.address_next))
        m.d.sync += [
            late.eq(writes & (self.address == self.address_ahead)),
            late_ahead.eq(writes & (self.address == self.address_early)),
            later_ahead.eq(wrote & (place == self.address_early)),
        ]
        forward = delay(m, follows, 1, "forward", reset_less=True)
        index = by_device(m, platform, self.address_next, self.address_early, "read_index")
        written_index = by_device(m, platform, self.address, place, "written_index")
        written = by_device(m, platform, writes, wrote, "written")
        shape = map_layout(acc_shape(self._config), 1, self._config.columns)
        for p in range(self._config.pixels):
            m.submodules[f"memory_{p}"] = memory = Memory(shape=shape, depth=self._config.acc_depth, init=[])
            write, read = memory.write_port(), memory.read_port()
            m.d.comb += [
                read.addr.eq(index), read.en.eq(1), write.addr.eq(written_index), write.en.eq(written),
            ]  # fmt: skip
            for c in range(self._config.columns):
                m.submodules[f"lane_{p}_{c}"] = lane = AccumulatorLane(self._config)
                m.d.comb += [
                    lane.follows.eq(follows), lane.late.eq(late), lane.first_next.eq(self.first_next),
                    lane.late_ahead.eq(late_ahead), lane.later_ahead.eq(later_ahead),
                    lane.forward.eq(forward), lane.first.eq(self.first), lane.maximum.eq(self.maximum),
                    lane.finish.eq(self.valid & self.last), lane.sums.eq(self.sums[p][c]),
                    lane.memory.eq(read.data[0][c]), write.data[0][c].eq(lane.written), self.acc[p][c].eq(lane.acc),
                ]  # fmt: skip
        return m


class AccumulatorLane(wiring.Component):
    """What one column and pixel lane does in stage S; see `Accumulator`.

    Members
    -------
    sums : In(sum_shape)
    memory : In(acc_shape)
        Stage S - 2: what the memory held at the end of stage S - 4. (On Xilinx: stage S; at the end of S - 2.)
    later_ahead, late_ahead : In(1)
        Stage S - 2: the value of two cycles before, of the cycle before is to this step's index, so it counts, the
        later one if both are.
    late, follows, first_next : In(1)
        Stage S - 1: the same of the cycle before and of this cycle. The step is a first one: none counts.
    forward : In(1)
        ``follows`` of the cycle before.
    first, maximum : In(1)
    value : Out(acc_shape)
        Combinational.
    written : Out(acc_shape)
        What the memory is to hold: ``value`` of the cycle before. (On Xilinx: of this one.)
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
                "later_ahead": In(1),
                "late_ahead": In(1),
                "late": In(1),
                "follows": In(1),
                "first_next": In(1),
                "forward": In(1),
                "first": In(1),
                "maximum": In(1),
                "value": Out(acc),
                "written": Out(acc),
                "finish": In(1),
                "acc": Out(acc),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        before, earlier = (
            Signal.like(self.value, name=name, reset_less=True) for name in ("before", "earlier")
        )
        fetched, operand = (
            Signal.like(self.memory, name=name, reset_less=True) for name in ("fetched", "operand")
        )
        acc = Signal.like(self.acc, name="acc_register", reset_less=True)
        read = Mux(self.late, before, fetched)
        m.d.comb += self.written.eq(by_device(m, platform, self.value, before, "written"))
        m.d.sync += [
            before.eq(self.value),
            earlier.eq(before),
            fetched.eq(Mux(self.late_ahead, before, Mux(self.later_ahead, earlier, self.memory))),
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
