"""The epilogue is y = floor(acc * m / 2^(G + s)) + b, saturate, activate, + residual, saturate, activate.

In three parts, since no solver multiplies 64 by 18 bits twice and finds the products equal. The product of signed
digits is the sum of the digits' shares, and the multipliers' that of the accumulator's parts, at full width; with any
value at all in place of the product, everything behind it is the formula, at full width; and the whole block is the
formula at a small width.
"""

import re
from dataclasses import replace

import numpy as np
import pytest
import z3
from amaranth import Cat, Const, Module, Mux, Signal, signed
from amaranth.back import rtlil
from amaranth.hdl import Assert, Assume
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In

from hwshift.config import AcceleratorConfig
from hwshift.golden.formats import MANTISSA_BITS, QFormat
from hwshift.golden.scale import digit_count
from hwshift.program.isa import Act
from hwshift.program.params import DIGIT_BITS, DIGITS, NO_DIGIT, _encode_digits
from hwshift.rtl import epilogue
from hwshift.rtl.delay import delay
from hwshift.rtl.epilogue import Epilogue
from hwshift.rtl.interfaces import acc_shape, act_shape, epilogue_control
from hwshift.timing import PART_BITS
from tests.formal.prover import BITS, PLAIN, Opened, Refuted, prove
from tests.formal.test_scale import holds

FULL = {
    "multiplier": AcceleratorConfig(pe="mac"),
    "digits": AcceleratorConfig(scale_digits=4),
    "no guard bits": AcceleratorConfig(pe="mac", guard=0, act=QFormat(8, 8)),
}
EACH = ["no guard bits", *(pytest.param(name, marks=pytest.mark.slow) for name in ("multiplier", "digits"))]
TINY = AcceleratorConfig(
    pe="mac", act=QFormat(2, 2), weights=QFormat(1, 1), guard=1, acc_width=8, bus_width=32, param_tiles=2
)
ENTRY = data.StructLayout({"bias": signed(32), "scale": 24, "shift": 6})


def product_shape(config):
    return signed(config.acc_width + MANTISSA_BITS)


class Lane(Epilogue):
    """An epilogue whose parameters are set from outside in stage E, for all columns alike."""

    def __init__(self, config):
        super().__init__(config)
        self.entry, self.product = Signal(ENTRY), Const(0)

    def _parameters(self, m):  # noqa: ARG002
        return [self.entry] * self._config.columns


class FreeProduct(Lane):
    """And whose product is any value, of stage E + 3."""

    def __init__(self, config):
        super().__init__(config)
        self.product = Signal(product_shape(config))

    def _product(self, pipe, acc, scale, name):  # noqa: ARG002
        return self.product


class FreeScaled(FreeProduct):
    """And whose scaled value, two bits wider than an activation, is any."""

    def __init__(self, config):
        super().__init__(config)
        self.product = Signal(signed(config.act.bits + 2))

    def _round(self, pipe, product, shift, beyond, name):  # noqa: ARG002
        shape = product.shape()
        return pipe.register(4, pipe.register(3, product, shape, f"far_{name}"), shape, f"scaled_{name}")


def cut(value, config):
    """Clipped to two bits more than an activation has."""
    limit = 1 << (config.act.bits + 1)
    return clipped(value, -limit, limit - 1)


def clipped(value, low, high):
    return Mux(value < low, low, Mux(value > high, high, value))


def formula(scaled, entry, control, residual, config):
    """The contract; every sum is as wide as it gets, and every limit is compared with."""
    act = config.act
    bias = Signal(act_shape(config), name="bias")

    def activated(value, kind, low, high):
        value = clipped(value, act.min, act.max)
        relu = Mux(value < 0, 0, value)
        return Mux(kind == Act.RELU, relu, Mux(kind == Act.CLAMP, clipped(value, low, high), value))

    first = activated(scaled + bias, control.act, control.lo, control.hi)
    second = activated(first + residual, control.residual_act, control.residual_lo, control.residual_hi)
    return bias.eq(entry.bias), Mux(control.residual, second, first)


def floored(m, product, shift, config):
    """floor(product / 2^(G + s)), case by case of s."""
    floor = Signal(product_shape(config))
    with m.Switch(shift):
        for places in range(63 - config.guard):
            with m.Case(places):
                m.d.comb += floor.eq(product >> (places + config.guard))
    return floor


class Formula(wiring.Component):
    """Steps with pauses, each with its own accumulator, parameters, control and residual; bounds stay."""

    def __init__(self, config, lane, mantissa=MANTISSA_BITS):
        self._config, self._lane, self._mantissa = config, lane, mantissa
        super().__init__({
            "valid": In(1), "control": In(epilogue_control(config)), "entry": In(ENTRY),
            "acc": In(acc_shape(config)), "m": In(signed(mantissa)), "product": In(lane.product.shape()),
            "residual": In(act_shape(config)),
        })  # fmt: skip

    def elaborate(self, _platform):
        m, config = Module(), self._config
        m.submodules.lane = lane = self._lane
        if isinstance(lane, FreeProduct):
            m.d.comb += lane.product.eq(delay(m, self.product, 3, "product"))
            scaled = self.product
        else:
            product = partial_products(m, self.acc, self.m, product_shape(config))
            scaled = floored(m, product, self.entry.shift, config)
        setting, y = formula(scaled, self.entry, self.control, self.residual, config)
        expected, y_now = Signal(act_shape(config)), Signal(act_shape(config))
        m.d.comb += [
            setting, expected.eq(y), y_now.eq(lane.y[0][0]),
            lane.valid.eq(self.valid), lane.control.eq(self.control), lane.entry.bias.eq(self.entry.bias),
            lane.entry.shift.eq(self.entry.shift), lane.entry.scale[:MANTISSA_BITS].eq(self.m),
            lane.acc[0][0].eq(self.acc), lane.residual_data[0][0].eq(delay(m, self.residual, 6, "residual")),
        ]  # fmt: skip
        self._assume(m)
        done = delay(m, self.valid, lane.latency, "done")
        m.d.comb += Assert(~done | (y_now == delay(m, expected, lane.latency, "expected")))
        return m

    def _assume(self, m):
        control, begun = self.control, Signal()
        m.d.sync += begun.eq(1)
        for name in ("lo", "hi", "residual_lo", "residual_hi"):
            m.d.comb += Assume(~begun | (getattr(control, name) == delay(m, getattr(control, name), 1, name)))
        low, high = self._config.act.min, self._config.act.max
        m.d.comb += [
            Assume(control.lo <= control.hi), Assume(control.residual_lo <= control.residual_hi),
            Assume(self.entry.shift <= (62 - self._config.guard if self._mantissa == MANTISSA_BITS else 7)),
            Assume((self.entry.bias >= low) & (self.entry.bias <= high)),
            Assume((control.act != Act.SIGMOID) & (control.residual_act != Act.SIGMOID)),
        ]  # fmt: skip


class Shift(wiring.Component):
    """The register behind the shift is floor(product / 2^(G + s)), cut; case by case of s."""

    def __init__(self, config, lane):
        self._config, self._lane = config, lane
        super().__init__({"valid": In(1), "shift": In(6), "product": In(product_shape(config))})

    def elaborate(self, _platform):
        m, config = Module(), self._config
        m.submodules.lane = opened = Opened(self._lane)
        lane, expected = self._lane, Signal(signed(config.act.bits + 2))
        floor = floored(m, self.product, self.shift, config)
        m.d.comb += [
            lane.valid.eq(self.valid), lane.entry.shift.eq(self.shift),
            lane.product.eq(delay(m, self.product, 3, "product")), expected.eq(cut(floor, config)),
            Assume(self.shift <= 62 - config.guard),
        ]  # fmt: skip
        done, wanted = delay(m, self.valid, 5, "done"), delay(m, expected, 5, "expected")
        m.d.comb += Assert(~done | (opened["scaled_0_0"] == wanted))
        return m


class Digit(wiring.Component):
    """The two addends of a digit are acc * +-2^position, or 0, for every position that it has."""

    def __init__(self, config, addends):
        self._config, self._addends = config, addends
        super().__init__({"acc": In(acc_shape(config)), "negative": In(1)})

    def elaborate(self, _platform):
        m, shape = Module(), product_shape(self._config)
        places = [(k, place) for k in range(DIGITS) for place in (*range(MANTISSA_BITS - 2 * k), NO_DIGIT)]
        for k, place in places:
            share = Const(0, shape) if place == NO_DIGIT else self.acc << place
            code = Cat(Const(place, DIGIT_BITS - 1), self.negative)
            total = Signal(shape, name=f"total_{k}_{place}")
            m.d.comb += [
                total.eq(sum(self._addends(self.acc, code, k))),
                Assert(total == Mux(self.negative, -share, share)),
            ]
        return m


class Digits(wiring.Component):
    """The product register is the sum of all digits' addends, whatever they are."""

    def __init__(self, config):
        self._config = config
        addends = data.StructLayout({"shifted": product_shape(config), "carry": 1})
        super().__init__({"valid": In(1), "addends": In(data.ArrayLayout(addends, config.scale_digits))})

    def elaborate(self, _platform):
        m, config = Module(), self._config
        lane, total = Lane(config), Signal(product_shape(config))
        pairs = [(self.addends[k].shifted, self.addends[k].carry) for k in range(config.scale_digits)]
        given = iter(pairs)  # the first lane's; the others do not matter
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(epilogue, "_digit", lambda *_: next(given, (Const(0, 1), Const(0, 1))))
            m.submodules.lane = opened = Opened(lane)
        m.d.comb += [lane.valid.eq(self.valid), total.eq(sum(sum(pair) for pair in pairs))]
        done, wanted = delay(m, self.valid, 3, "done"), delay(m, total, 3, "wanted")
        m.d.comb += Assert(~done | (opened["product_0_0"] == wanted))
        return m


class Parts(wiring.Component):
    """The addends of a product by 1 are the accumulator; the product register is the sum of any addends."""

    def __init__(self, config):
        self._config = config
        self._shapes = [part.shape() for part in self._cut(Signal(acc_shape(config)))]
        products = data.StructLayout({f"of_{k}": shape for k, shape in enumerate(self._shapes)})
        super().__init__({"valid": In(1), "acc": In(acc_shape(config)), "products": In(products)})

    def _cut(self, acc):
        return epilogue._parts(acc, Const(1, signed(MANTISSA_BITS)))

    def elaborate(self, _platform):
        m, config = Module(), self._config
        lane, total, acc = (
            Lane(config),
            Signal(product_shape(config)),
            Signal(acc_shape(config), name="again"),
        )
        products = [getattr(self.products, f"of_{k}") for k in range(len(self._shapes))]
        zeros = [Const(0, shape) for shape in self._shapes]
        given = iter([products])  # the first lane's; the others do not matter
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(epilogue, "_parts", lambda *_: next(given, zeros))
            m.submodules.lane = opened = Opened(lane)
        m.d.comb += [
            lane.valid.eq(self.valid),
            total.eq(sum(products)),
            acc.eq(sum(self._cut(self.acc))),
        ]
        done, wanted = delay(m, self.valid, 3, "done"), delay(m, total, 3, "wanted")
        m.d.comb += [Assert(~done | (opened["product_0_0"] == wanted)), Assert(acc == self.acc)]
        return m


class Misplaced(Parts):
    """Cuts a bit too high."""

    def _cut(self, acc):
        return super()._cut(acc[1:].as_signed())


def partial_products(m, acc, bits, shape):
    """acc times a signed number: a sum of shifted accumulators, the one of the highest bit taken away."""
    total = Const(0, shape)
    for place in range(len(bits)):
        share = Mux(bits[place], acc << place, 0)
        total = (total - share if place == len(bits) - 1 else total + share)[: shape.width].as_signed()
    product = Signal(shape, name="wide_product")
    m.d.comb += product.eq(total)
    return product


@pytest.mark.parametrize("name", EACH)
def test_the_shift_is_the_floor(name, tmp_path):
    prove(Shift(FULL[name], FreeProduct(FULL[name])), tmp_path, cycles=6, options=PLAIN)


@pytest.mark.slow
@pytest.mark.parametrize("name", FULL)
def test_behind_the_shift_it_is_the_formula(name, tmp_path):
    prove(Formula(FULL[name], FreeScaled(FULL[name])), tmp_path, cycles=9, options=PLAIN)


@pytest.mark.parametrize("bits", [2, 8, 16, 32])
def test_the_cut_behind_the_shift_changes_nothing(bits):
    """Cut to two bits more and then saturated, or saturated only, with any bias added: the same, for all integers."""

    def clip(value, extent):
        limit = 2 ** (extent - 1)
        return z3.If(value < -limit, -limit, z3.If(value >= limit, limit - 1, value))

    value, bias = z3.Ints("value bias")
    given = [bias >= -(2 ** (bits - 1)), bias < 2 ** (bits - 1)]
    assert holds(clip(clip(value, bits + 2) + bias, bits) == clip(value + bias, bits), *given)
    assert not holds(clip(clip(value, bits) + bias, bits) == clip(value + bias, bits), *given)


def test_no_digit_lies_above_the_positions_it_has():
    """All mantissas: digit k, highest first, is at 17 - 2k at most, or is not there."""
    m = np.arange(-(1 << (MANTISSA_BITS - 1)), 1 << (MANTISSA_BITS - 1))
    count = digit_count(m)
    few = count <= DIGITS
    code = _encode_digits(m[few], count[few])
    for k in range(DIGITS):
        position = code >> DIGIT_BITS * k & NO_DIGIT
        assert position[position != NO_DIGIT].max() == MANTISSA_BITS - 1 - 2 * k


def test_a_digit_gives_its_share(tmp_path):
    prove(Digit(FULL["digits"], epilogue._digit), tmp_path, cycles=1, options=BITS)


@pytest.mark.slow
@pytest.mark.parametrize("digits", range(1, DIGITS + 1))
def test_the_product_is_the_sum_of_the_digits(digits, tmp_path):
    prove(Digits(replace(FULL["digits"], scale_digits=digits)), tmp_path, cycles=4, options=PLAIN)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["multiplier", "no guard bits"])
def test_the_product_is_the_sum_of_the_parts(name, tmp_path):
    prove(Parts(FULL[name]), tmp_path, cycles=4, options=PLAIN)


def test_parts_in_another_place_are_refuted(tmp_path):
    with pytest.raises(Refuted):
        prove(Misplaced(FULL["multiplier"]), tmp_path, cycles=1, options=PLAIN)


def test_the_multipliers_lose_no_bit():
    """Signed multiplications of what a multiplier takes, with all bits of their products, which add up to the whole."""
    config = FULL["multiplier"]
    text = rtlil.convert(Formula(config, Lane(config)), name="lane", emit_src=False)
    cells = [block for block in text.split("cell ") if block.startswith("$mul")]
    parts = -(-(config.acc_width - 1) // PART_BITS)
    last = config.acc_width - (parts - 1) * PART_BITS
    whole = []
    for block in cells:
        found = dict(re.findall(r"parameter \\?(\w+) (\d+)", block))
        assert found["A_SIGNED"] == found["B_SIGNED"] == "1"
        whole.append((*sorted(int(found[f"{key}_WIDTH"]) for key in "AB"), int(found["Y_WIDTH"])))
    lanes = config.columns * config.pixels
    unsigned = (PART_BITS + 1, MANTISSA_BITS, PART_BITS + MANTISSA_BITS)
    assert sorted(whole) == sorted(
        [unsigned] * (lanes * (parts - 1)) + [(last, MANTISSA_BITS, last + MANTISSA_BITS)] * lanes
    )
    m, pieces = z3.Int("m"), [z3.Int(f"piece_{k}") for k in range(parts)]
    half = 2 ** (MANTISSA_BITS - 1)
    given = [m >= -half, m < half, pieces[0] >= 0, pieces[0] < 2**PART_BITS]
    given += [pieces[-1] >= -(2 ** (last - 1)), pieces[-1] < 2 ** (last - 1)]
    for piece, bits in ((pieces[0], PART_BITS + MANTISSA_BITS), (pieces[-1], last + MANTISSA_BITS)):
        limit = 2 ** (bits - 1)
        assert holds(z3.And(piece * m >= -limit, piece * m < limit), *given)
    acc = z3.Sum([piece * 2 ** (PART_BITS * k) for k, piece in enumerate(pieces)])
    assert holds(acc * m == z3.Sum([piece * m * 2 ** (PART_BITS * k) for k, piece in enumerate(pieces)]))


@pytest.mark.slow
def test_the_whole_block_at_a_small_width(tmp_path):
    prove(Formula(TINY, Lane(TINY), mantissa=4), tmp_path, cycles=9, options=PLAIN)


class Nearest(FreeProduct):
    """Rounds halves up."""

    def _round(self, pipe, product, shift, beyond, name):
        return super()._round(pipe, product + ((1 << self._config.guard >> 1) << shift), shift, beyond, name)


class Early(FreeScaled):
    """Saturates before the bias is added."""

    def _round(self, pipe, product, shift, beyond, name):
        act = self._config.act
        return super()._round(pipe, clipped(product, act.min, act.max), shift, beyond, name)


class Unsigned(Lane):
    """Takes the mantissa for a number without a sign."""

    def _product(self, pipe, acc, scale, name):
        m = Signal(len(scale), name=f"m_{name}")
        pipe._m.d.comb += m.eq(scale[: MANTISSA_BITS - 1])
        return super()._product(pipe, acc, m, name)


@pytest.mark.slow
@pytest.mark.parametrize("claim, broken", [(Shift, Nearest), (Formula, Early)])
def test_another_rounding_or_order_is_refuted(claim, broken, tmp_path):
    config = FULL["multiplier"]
    with pytest.raises(Refuted):
        prove(claim(config, broken(config)), tmp_path, cycles=9, options=PLAIN)


def test_a_digit_without_its_carry_is_refuted(tmp_path):
    with pytest.raises(Refuted):
        prove(
            Digit(FULL["digits"], lambda *given: epilogue._digit(*given)[:1]),
            tmp_path,
            cycles=1,
            options=PLAIN,
        )


@pytest.mark.slow
def test_a_mantissa_without_a_sign_is_refuted(tmp_path):
    with pytest.raises(Refuted):
        prove(Formula(TINY, Unsigned(TINY), mantissa=4), tmp_path, cycles=9, options=PLAIN)
