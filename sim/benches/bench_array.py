"""cocotb bench of the array: random activations, swaps and shadow writes in every cycle."""

import random

import cocotb

from hwshift.program.row_taps import ROW_TAPS, element_ages
from hwshift.rtl.array import sum_shape
from hwshift.rtl.interfaces import code_layout
from hwshift.sim.benches.common import bench_config, cycle, pack, start, unpack_map
from hwshift.timing import timing

_CYCLES = 300


class Model:
    """Active and shadow weights; sums of `Arithmetic.term`."""

    def __init__(self, config):
        self.config = config
        self.ages = (element_ages(config.rows, config.columns) * config.row_taps).tolist()
        self.shadow = [[0] * config.columns for _ in range(config.rows)]
        self.active = [row[:] for row in self.shadow]

    def step(self, x, swap, row, codes):
        """The sums of one cycle's activations, then the clock edge."""
        sums = [[sum(self._term(self._element(x, p, r, c), self.active[r][c]) for r in range(self.config.rows))
                 for c in range(self.config.columns)] for p in range(self.config.pixels)]  # fmt: skip
        if swap:
            self.active = [line[:] for line in self.shadow]
        if row is not None:
            group = self.config.weight_rows
            self.shadow[row * group:(row + 1) * group] = codes  # fmt: skip
        half = 1 << (sum_shape(self.config).width - 1)
        return [[(value + half) % (2 * half) - half for value in line] for line in sums]

    def _element(self, x, p, r, c):
        """What an element takes: what its lane reads, or what is older."""
        age = self.ages[r][c]
        return x[self.config.pixels + age - 1][r] if age else x[p][r]

    def _term(self, x, bits):
        code = code_layout(self.config).from_bits(bits)
        if self.config.pe == "mac":
            return self.config.arithmetic.term(x, code.value)
        sign = 0 if code.zero else 1 - 2 * code.sign
        return self.config.arithmetic.term(x, (sign, self.config.weights.p_max - code.q))


def _code(config):
    if config.pe == "mac":
        return pack(code_layout(config), {"value": random.randint(config.weights.min, config.weights.max)})
    q = random.randint(0, config.weights.p_max - config.weights.p_min)
    return pack(code_layout(config), {"q": q, "sign": random.getrandbits(1), "zero": random.getrandbits(1)})


def _vectors(config):
    """Of the pixel lanes, then what elements of each age take."""
    return config.pixels + (ROW_TAPS - 1) * config.row_taps


def _flat(config, x):
    mask = (1 << config.act.bits) - 1
    values = [value & mask for lanes in x for value in lanes]
    return sum(value << i * config.act.bits for i, value in enumerate(values))


def _drive(dut, config, x, swap, row, codes):
    code_bits = code_layout(config).size
    row_bits = (config.tile_words - 1).bit_length() or 1
    data = sum(code << i * code_bits for i, code in enumerate(code for line in codes for code in line))
    dut.x.value = _flat(config, x[: config.pixels])
    if config.row_taps:
        dut.aged.value = _flat(config, x[config.pixels :])
    dut.swap.value = swap
    dut.shadow.value = int(row is not None) | (row or 0) << 1 | data << (1 + row_bits)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def column_sums(dut):
    """The sums of every cycle, at the latency of the timing table."""
    config = bench_config()
    latency = timing(config).sum_stage - timing(config).x_stage
    warm_up = config.tile_words + 1  # a whole tile, then a swap: no weight is undefined from here on
    model, expected = Model(config), []
    await start(dut, "x", "swap", "shadow", *(["aged"] if config.row_taps else []))
    for index in range(_CYCLES):
        x = [[random.choice([config.act.min, config.act.max, random.randint(config.act.min, config.act.max)])
              for _ in range(config.rows)] for _ in range(_vectors(config))]  # fmt: skip
        swap = int(index == config.tile_words or (index > warm_up and random.random() < 0.3))
        row = index if index < config.tile_words else random.choice([None, *range(config.tile_words)])
        codes = [[_code(config) for _ in range(config.columns)] for _ in range(config.weight_rows)]
        expected.append(model.step(x, swap, row, codes))
        _drive(dut, config, x, swap, row, codes)
        sums = await cycle(dut, "sums")
        if index >= latency + warm_up:
            got = unpack_map(sums, sum_shape(config).width, config.pixels, config.columns)
            assert got == expected[index - latency], f"cycle {index}"
