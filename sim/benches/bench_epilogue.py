"""cocotb bench of the epilogue: random steps in every cycle against `epilogue_exact`."""

import random

import cocotb

from hwshift.golden.epilogue import activation_range, epilogue_exact
from hwshift.golden.scale import restrict
from hwshift.program.isa import Act
from hwshift.program.params import encode_param
from hwshift.rtl.epilogue import Epilogue, param_write
from hwshift.rtl.interfaces import epilogue_control
from hwshift.sim.benches.common import bench_config, cycle, pack, start, unpack_map
from hwshift.timing import timing

_PHASES = 6
_STEPS = 60
_KINDS = {Act.NONE: "none", Act.RELU: "relu", Act.CLAMP: "clamp"}


def _param(config):
    m = random.choice([1, -1, 0, random.randint(-(1 << 17), (1 << 17) - 1)])
    if config.scale_digits:
        m = restrict(m, config.scale_digits)
    s = random.choice([0, 62 - config.guard, random.randint(0, 62 - config.guard), random.randint(0, 17)])
    return m, s, random.choice([0, random.randint(config.act.min, config.act.max)])


def _acc(config):
    value = random.randint(-config.arithmetic.acc_max, config.arithmetic.acc_max)
    return value >> random.randint(0, config.acc_width - 1)


async def _load(dut, config):
    """Fill the parameter table; its rows."""
    table = [[_param(config) for _ in range(config.columns)] for _ in range(config.param_tiles)]
    mask = (1 << config.bus_width) - 1
    for tile, row in enumerate(table):
        word = sum(encode_param(config, *param) << 64 * c for c, param in enumerate(row))
        for segment in range(config.param_beats):
            fields = {"en": 1, "address": tile * config.param_beats + segment,
                      "data": word >> segment * config.bus_width & mask}  # fmt: skip
            dut.param_write.value = pack(param_write(config), fields)
            await cycle(dut, "y")
    dut.param_write.value = 0
    return table


def _bounds(config):
    """Clamp bounds around zero, and often at it."""
    act = config.act
    names = ("lo", "residual_lo"), ("hi", "residual_hi")
    return {name: random.randint(act.min, 0) for name in names[0]} | {
        name: random.choice([0, random.randint(0, act.max)]) for name in names[1]}  # fmt: skip


def _expect(config, params, control, acc, residual):
    first = activation_range(_KINDS[control["act"]], control["lo"], control["hi"], config.act)
    second = activation_range(
        _KINDS[control["residual_act"]], control["residual_lo"], control["residual_hi"], config.act
    )
    out = []
    for p in range(config.pixels):
        row = []
        for c, (m, s, b) in enumerate(params):
            added = residual[p][c] if control["residual"] else None
            row.append(epilogue_exact(acc[p][c], m, s, b, config.guard, config.act, first, added, second))
        out.append(row)
    return out


def _map(config, values):
    return [[values() for _ in range(config.columns)] for _ in range(config.pixels)]


def _steps(config, table):
    """(tile, control, acc, residual, expected) for every cycle, None for a bubble."""
    for _ in range(_PHASES):
        bounds = _bounds(config)
        for _ in range(_STEPS):
            if random.random() < 0.1:
                yield None
            tile = random.randrange(config.param_tiles)
            control = bounds | {"act": random.choice(list(_KINDS)), "residual_act": random.choice(list(_KINDS)),
                                "residual": int(config.residual and random.random() < 0.5)}  # fmt: skip
            acc = _map(config, lambda: _acc(config))
            residual = _map(config, lambda: random.randint(config.act.min, config.act.max))
            yield tile, control, acc, residual, _expect(config, table[tile], control, acc, residual)
        yield from [None] * Epilogue.latency  # the bounds change while nothing is under way


def _bits(values, width):
    flat = [value & ((1 << width) - 1) for row in values for value in row]
    return sum(value << i * width for i, value in enumerate(flat))


@cocotb.test(timeout_time=10, timeout_unit="ms")
async def results(dut):
    """Every step's result, at the latency of the timing table; residuals one cycle after their address."""
    config, when = bench_config(), timing(bench_config())
    inputs = ["valid", "param", "param_write", "control", "acc"]
    await start(dut, *inputs, *(["residual_data"] if config.residual else []))
    steps = list(_steps(config, await _load(dut, config)))
    residual_at, latency = (
        when.residual_stage + 1 - when.epilogue_stage,
        when.write_stage - when.epilogue_stage,
    )

    def at(index):
        return steps[index] if 0 <= index < len(steps) else None

    checked = 0
    for index in range(-2, len(steps) + latency):
        addressed, present, adding, done = (at(index - k) for k in (-2, 0, residual_at, latency))
        dut.valid.value = int(present is not None)
        if addressed:
            dut.param.value = addressed[0]
        if present:
            dut.control.value = pack(epilogue_control(config), present[1])
            dut.acc.value = _bits(present[2], config.acc_width)
        if adding and config.residual:
            dut.residual_data.value = _bits(adding[3], config.act.bits)
        y = await cycle(dut, "y")
        if done:
            assert unpack_map(y, config.act.bits, config.pixels, config.columns) == done[4], f"cycle {index}"
            checked += 1
    assert checked == _PHASES * _STEPS
