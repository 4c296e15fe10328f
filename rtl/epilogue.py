"""The epilogue: scale, bias, activation, residual, activation, for C columns of P pixels."""

from amaranth import Cat, Const, Module, Mux, Shape, Signal, Value, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hwshift.config import AcceleratorConfig
from hwshift.golden.formats import MANTISSA_BITS
from hwshift.program.isa import PARAM_ENTRY, Act
from hwshift.program.params import DIGIT_BITS, NO_DIGIT
from hwshift.rtl.array import map_layout
from hwshift.rtl.interfaces import acc_shape, act_shape, epilogue_control, step_layout
from hwshift.rtl.sigmoid import SigmoidTable, sigmoid_index
from hwshift.timing import PART_BITS

__all__ = ["Epilogue", "param_write"]


def param_write(config: AcceleratorConfig) -> data.StructLayout:
    """A write of one bus-wide segment of a parameter row: ``address = tile * param_beats + segment``."""
    segments = config.param_tiles * config.param_beats
    return data.StructLayout({"en": 1, "address": range(segments), "data": config.bus_width})


_NEAR = 3
"""Low bits of a shift that are left to its second stage."""


class Epilogue(wiring.Component):
    """``y = floor(acc * m / 2**(G + s)) + b``, saturated, activation, + residual, saturated, activation.

    A step's accumulators and control in stage E give ``y`` in stage E + 8: latency 8, one step per cycle, no
    backpressure. Every accumulator of ``acc_width`` bits and every entry that
    `hwshift.program.params.encode_param` makes is allowed. Without a residual in the step the second
    activation does nothing. With a sigmoid as the activation after the residual, or as the only one of a step
    without residual, ``y`` comes from the table. The activation bounds are not pipelined: a step's bounds hold
    from its stage E to E + 7, and the lower is at most the upper.

    Members
    -------
    param_write : In(param_write)
        Loads the parameter table; starts as zeros. A row is not written in a cycle in which it is read.
    param : In
        Row of the step, in stage S - 1.
    valid : In(1), control : In(epilogue_control), acc : In(map_layout of acc_shape, [P][C])
        Stage E.
    residual_data : In(map_layout of act_shape, [P][C])
        Stage E + 6; ignored for a step without residual. Only if the configuration has ``residual``.
    y : Out(map_layout of act_shape, [P][C])
        From registers, or one multiplexer behind the table's; stage E + 8.
    """

    latency = 8

    def __init__(self, config: AcceleratorConfig) -> None:
        self._config = config
        values = map_layout(act_shape(config), config.pixels, config.columns)
        members = {
            "param_write": In(param_write(config)),
            "param": In(step_layout(config).members["param"]),
            "valid": In(1),
            "control": In(epilogue_control(config)),
            "acc": In(map_layout(acc_shape(config), config.pixels, config.columns)),
            "y": Out(values),
        }
        if config.residual:
            members["residual_data"] = In(values)
        super().__init__(members)

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        pipe = _Pipe(m, self.valid, self.latency)
        columns = self._parameters(m)
        control, act = self.control, act_shape(self._config)
        first = self._window(pipe, 4, "act", control.act, control.lo, control.hi)
        if self._config.residual:
            second_act = Mux(control.residual, control.residual_act, Act.NONE)
            second = self._window(
                pipe, 6, "residual_act", second_act, control.residual_lo, control.residual_hi
            )
            add = pipe.later(control.residual, 6, "residual")
        tables = _Tables(m, pipe, control, self._config) if self._config.sigmoid else None
        for c, entry in enumerate(columns):
            shift = pipe.later(entry.shift, 2, f"shift_{c}")
            beyond = self._beyond(pipe, shift, f"{c}")
            shift = pipe.register(2, shift, shift.shape(), f"shift_{c}_3")
            bias = pipe.later(entry.bias[: act.width].as_signed(), 4, f"bias_{c}")
            biased = _AddClip(pipe, first, bias, f"biased_{c}")
            for p in range(self._config.pixels):
                lane = f"{p}_{c}"
                product = self._product(pipe, self.acc[p][c], entry.scale, lane)
                scaled = self._round(pipe, product, shift, beyond, lane)
                value = pipe.register(5, biased.clipped(scaled), act, f"value_{lane}")
                if self._config.residual:
                    sum_ = _AddClip(pipe, second, value, f"sum_{lane}")
                    summand = Mux(add, self.residual_data[p][c], 0)
                    summand = pipe.register(6, summand, act, f"residual_{lane}")
                    added, value = saturate(sum_.total(summand), act.width), sum_.clipped(summand)
                else:
                    added = value = pipe.register(6, value, act, f"added_{lane}")
                value = pipe.register(7, value, act, f"y_{lane}")
                if tables is not None:
                    value = tables.choose(added, value, c * self._config.pixels + p)
                m.d.comb += self.y[p][c].eq(value)
        return m

    def _parameters(self, m: Module) -> list[data.View]:
        """The parameter table: every column's entry, in a register, of the row addressed two cycles before."""
        columns, beats = self._config.columns, self._config.param_beats
        width = PARAM_ENTRY.bits * columns
        segment = min(self._config.bus_width, width)
        m.submodules.table = table = Memory(shape=unsigned(width), depth=self._config.param_tiles, init=[])
        write, read = table.write_port(granularity=segment), table.read_port()
        split = (beats - 1).bit_length()
        m.d.comb += [
            write.addr.eq(self.param_write.address[split:]),
            write.data.eq(self.param_write.data[:segment].replicate(beats)),
            read.addr.eq(self.param),
            read.en.eq(1),
        ]
        for i in range(beats):
            m.d.comb += write.en[i].eq(self.param_write.en & (self.param_write.address[:split] == i))
        entry = data.FlexibleLayout(
            PARAM_ENTRY.bits,
            {
                item.name: data.Field(Shape(item.width, item.signed), PARAM_ENTRY.offsets[item.name])
                for item in PARAM_ENTRY.fields
            },
        )
        row = Signal(width, name="row", reset_less=True)
        m.d.sync += row.eq(read.data)
        return list(data.View(data.ArrayLayout(entry, columns), row))

    def _window(self, pipe: "_Pipe", stage: int, name: str, act: Value, lo: Value, hi: Value) -> "_Window":
        """What an activation of stage E lets through, in stage E + ``stage`` and the one after it.

        Every activation is a clip, and saturation is part of it, since the window lies inside the format.
        """
        shape = act_shape(self._config)
        act = pipe.later(act, stage - 1, name)
        clamp, relu = act == Act.CLAMP, act == Act.RELU
        low = Mux(clamp, lo, Mux(relu, 0, self._config.act.min))
        high = Mux(clamp, hi, self._config.act.max)
        return _Window(pipe, stage - 1, low, high, shape, name)

    def _product(self, pipe: "_Pipe", acc: Value, scale: Value, name: str) -> Value:
        """``acc * m`` in stage E + 3: parts that a multiplier gives, or shifted digits; sums of pairs; their sum."""
        shape, digits = signed(self._config.acc_width + MANTISSA_BITS), self._config.scale_digits
        if digits is None:
            values, bits = _parts(acc, scale[:MANTISSA_BITS].as_signed()), []
        else:
            shares = [_digit(acc, scale.word_select(k, DIGIT_BITS), k) for k in range(digits)]
            values, bits = [value for value, _ in shares], [bit for _, bit in shares]
        for stage, kind in enumerate(("part", "pair")):
            values = [pipe.register(stage, value, value.shape(), f"{kind}_{name}_{k}")
                      for k, value in enumerate(values)]  # fmt: skip
            bits = [pipe.register(stage, bit, unsigned(1), f"{kind}_carry_{name}_{k}")
                    for k, bit in enumerate(bits)]  # fmt: skip
            values, bits = _pairs(values, bits, shape.width)
        assert len(values) == 1
        return pipe.register(2, values[0], shape, f"product_{name}")

    def _beyond(self, pipe: "_Pipe", shift: Value, name: str) -> Value:
        """For `_round`: those bits at ``shift``, of stage E + 2, and above that a result has no place for."""
        count = self._config.acc_width + MANTISSA_BITS - self._config.guard - self._config.act.bits - 2
        mask = Cat(shift <= place for place in range(count))
        return pipe.register(2, mask, unsigned(count), f"beyond_{name}")

    def _round(self, pipe: "_Pipe", product: Value, shift: Value, beyond: Value, name: str) -> Value:
        """``product >> (G + s)`` in stage E + 5, clipped to two bits more than an activation has.

        The farthest first, in E + 3, where it is found beside the shift, not behind it, whether bits are lost.
        """
        shape = signed(self._config.act.bits + 2)
        whole = product[self._config.guard :].as_signed()
        sign, above = whole[-1], whole[shape.width - 1 : -1]
        # bit i of `above` is lost or differs from the result's sign bit, if it is at i >= shift
        lost = ((above ^ sign.replicate(len(above))) & beyond).any()
        far = _shifted(whole, shift, range(_NEAR, len(shift)), shape.width)
        far = pipe.register(3, far, far.shape(), f"far_{name}")
        near = pipe.register(3, shift[:_NEAR], unsigned(_NEAR), f"near_{name}")
        lost, sign = (pipe.register(3, bit, unsigned(1), f"{key}_{name}")
                      for key, bit in (("lost", lost), ("sign", sign)))  # fmt: skip
        scaled = _shifted(far, near, range(_NEAR), shape.width)
        limit = Cat((~sign).replicate(shape.width - 1), sign)
        return pipe.register(4, Mux(lost, limit, scaled).as_signed(), shape, f"scaled_{name}")


class _Pipe:
    """Data registers that are loaded where the stage in front of them is valid.

    ``stage`` is that stage, counted from E; the register's value belongs to the next one.
    """

    def __init__(self, m: Module, valid: Value, stages: int) -> None:
        self._m = m
        self._valid = [valid]
        for stage in range(1, stages):
            after = Signal(name=f"valid_{stage}")
            m.d.sync += after.eq(self._valid[-1])
            self._valid.append(after)

    def register(self, stage: int, value: Value, shape: Shape, name: str) -> Signal:
        register = Signal(shape, name=name, reset_less=True)
        with self._m.If(self._valid[stage]):
            self._m.d.sync += register.eq(value)
        return register

    def later(self, value: Value, stages: int, name: str) -> Value:
        """A value of stage E, some stages later."""
        shape = value.shape()
        for stage in range(stages):
            value = self.register(stage, value, shape, f"{name}_{stage + 1}")
        return value


class _Window:
    """Bounds ``low``, ``high``, which become registers, and the same one stage later."""

    def __init__(self, pipe: _Pipe, stage: int, low: Value, high: Value, shape: Shape, name: str) -> None:
        self.stage = stage + 1
        self.low = pipe.register(stage, low, shape, f"{name}_low")
        self.high = pipe.register(stage, high, shape, f"{name}_high")
        self.late_low = pipe.register(stage + 1, self.low, shape, f"{name}_late_low")
        self.late_high = pipe.register(stage + 1, self.high, shape, f"{name}_late_high")


class _AddClip:
    """``clip(value + summand, low, high)``, of a value that is known with the window, one stage before the summand.

    The value is taken from the bounds in its own stage, so that the sum and both comparisons are made at once.
    """

    def __init__(self, pipe: _Pipe, window: _Window, value: Value, name: str) -> None:
        stage, wide = window.stage, signed(len(value) + 1)
        self._window = window
        self._value = pipe.register(stage, value, value.shape(), f"{name}_value")
        self._least = pipe.register(stage, window.low - value, wide, f"{name}_least")
        self._most = pipe.register(stage, window.high - value, wide, f"{name}_most")

    def total(self, summand: Value) -> Value:
        """The sum, exact."""
        return self._value + summand

    def clipped(self, summand: Value) -> Value:
        """The sum, clipped."""
        low, high = self._window.late_low, self._window.late_high
        total = self.total(summand)[: len(low)].as_signed()
        return Mux(summand < self._least, low, Mux(summand > self._most, high, total))


class _Tables:
    """The sigmoids of all lanes: a table for every two."""

    def __init__(self, m: Module, pipe: _Pipe, control: data.View, config: AcceleratorConfig) -> None:
        self._m, self._act, lanes = m, config.act, config.columns * config.pixels
        last = Mux(control.residual, control.residual_act, control.act) if config.residual else control.act
        self._chosen = pipe.later(last == Act.SIGMOID, Epilogue.latency, "sigmoid")
        self._tables = [SigmoidTable(config.act) for _ in range(lanes // 2)]
        for index, table in enumerate(self._tables):
            m.submodules[f"sigmoid_{index}"] = table

    def choose(self, added: Value, value: Value, lane: int) -> Value:
        """``value`` of stage E + 8, or the sigmoid of ``added``, which is of the stage before."""
        table, port = self._tables[lane // 2], lane % 2
        self._m.d.comb += table.index[port].eq(sigmoid_index(added, self._act))
        return Mux(self._chosen, table.entry[port], value)


def saturate(value: Value, bits: int) -> Value:
    """A signed value clipped to the two's complement range of fewer bits."""
    sign, upper = value[-1], value[bits - 1 :]
    return Mux(upper.any() & ~upper.all(), Cat((~sign).replicate(bits - 1), sign), value[:bits]).as_signed()


def _digit(acc: Value, code: Value, index: int) -> tuple[Value, Value]:
    """Two addends that give one signed digit's share of the product: a signed value and a bit.

    Digits stand highest first and have no neighbours, so the highest position falls by two with ``index``.
    """
    position, negative = code[: DIGIT_BITS - 1], code[DIGIT_BITS - 1]
    highest = MANTISSA_BITS - 1 - 2 * index
    there = position[-1] == 0 if highest < NO_DIGIT // 2 else position != NO_DIGIT
    shifted = acc
    for place in range(highest.bit_length()):
        shifted = Mux(position[place], shifted << (1 << place), shifted)
    shifted = shifted[: len(acc) + highest].as_signed()
    signed_share = (shifted ^ negative.replicate(len(shifted)).as_signed())[: len(shifted)]
    return Mux(there, signed_share, 0).as_signed(), there & negative


def _parts(acc: Value, mantissa: Value) -> list[Value]:
    """Addends that give the product, of `PART_BITS` bits of ``acc`` each; the last has a sign, and up to a bit more."""
    cuts = range(0, len(acc) - 1, PART_BITS)
    pieces = [acc[low : low + PART_BITS] for low in cuts[:-1]] + [acc[cuts[-1] :].as_signed()]
    return [Cat(Const(0, low), piece * mantissa).as_signed() for low, piece in zip(cuts, pieces, strict=True)]


def _pairs(values: list[Value], bits: list[Value], width: int) -> tuple[list[Value], list[Value]]:
    """The same sum modulo ``2**width`` of half as many values: an adder takes two, and a bit as its carry.

    The last adder takes two bits: where half adders stand in front of it, the carries' lowest place is free.
    """
    bits = list(bits)
    if len(values) == 1:
        return ([values[0] + bits[0]] if bits else values), []
    if len(values) == len(bits) == 2:
        a, b = values
        values = [a ^ b, Cat(bits.pop(), a & b).as_signed()]
    pairs = [values[i : i + 2] for i in range(0, len(values), 2)]
    sums = [_add(*pair, bits.pop() if bits else Const(0, 1), width) if len(pair) == 2 else pair[0]
            for pair in pairs]  # fmt: skip
    return sums, bits


def _add(a: Value, b: Value, carry: Value, width: int) -> Value:
    low, high = Cat(Const(1, 1), a).as_signed(), Cat(carry, b).as_signed()
    return (low + high)[1 : width + 1].as_signed()


def _shifted(value: Value, shift: Value, places: range, width: int) -> Value:
    """``value >> shift``, as far as these places of ``shift`` say and nearer ones can bring it into ``width`` bits.

    The farthest first: what is out of reach of the rest is cut.
    """
    for place in reversed(places):
        value = Mux(shift[place], value >> (1 << place), value)
        value = value[: width + (1 << place) - 1].as_signed()
    return value
