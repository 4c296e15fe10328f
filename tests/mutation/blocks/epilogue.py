"""Vectors of the epilogue: its formula in plain integers, around every limit."""

from random import Random

from hwshift.golden.formats import MANTISSA_BITS
from hwshift.program.params import encode_param
from hwshift.rtl.array import map_layout
from hwshift.rtl.epilogue import Epilogue, param_write
from hwshift.rtl.interfaces import acc_shape, act_shape, epilogue_control
from hwshift.timing import timing

from ...rtl.test_epilogue import (
    clip,
    epilogue,
    random_acc,
    random_bounds,
    random_control,
    random_mantissa,
    random_param,
)
from ...sim.cases import SMALL as CONFIG
from ..replay import Block, Cycles

_COLUMNS, _LATENCY = CONFIG.columns, Epilogue.latency
_RESIDUAL = timing(CONFIG).residual_stage + 1 - timing(CONFIG).epilogue_stage
_PLACES = CONFIG.acc_width + MANTISSA_BITS - CONFIG.guard - CONFIG.act.bits
"""Of the product, shifted by nothing, that a result has none for."""
_ENTRY = 64
_STEPS = 400


def _near(rng: Random, param: tuple[int, int, int], bounds: dict[str, int], residual: int) -> int:
    """An accumulator whose result lies next to one of the bounds, if there is one."""
    m, s, b = param
    low, high = -(1 << CONFIG.acc_width - 1), (1 << CONFIG.acc_width - 1) - 1
    target = bounds[rng.choice(list(bounds))] - rng.choice([0, residual]) + rng.randint(-300, 300)
    if m == 0:
        return rng.randint(low, high)
    return clip(((target - b) << CONFIG.guard + s) // m + rng.randint(-9, 9), low, high)


def _acc(rng: Random, param: tuple[int, int, int], bounds: dict[str, int], residual: int) -> int:
    """An accumulator of one of the three kinds."""
    kind = rng.random()
    if kind < 0.4:
        return _near(rng, param, bounds, residual)
    return _longest(rng, param) if kind < 0.6 else random_acc(CONFIG, param, rng)


def _longest(rng: Random, param: tuple[int, int, int]) -> int:
    """An accumulator whose result has its first bit next to the first one that an activation has no place for, or
    anywhere above."""
    m, s, _ = param
    low, high = -(1 << CONFIG.acc_width - 1), (1 << CONFIG.acc_width - 1) - 1
    beyond = rng.randint(-1, 3) if rng.random() < 0.5 else rng.randint(0, max(0, _PLACES - s))
    top = 1 << CONFIG.guard + s + CONFIG.act.bits + beyond
    return clip(rng.choice([-1, 1]) * (top + rng.getrandbits(40)) // (m or 1), low, high)


def _param(rng: Random, shift: int) -> tuple[int, int, int]:
    """Anything, often with a given shift, or a mantissa that brings products to the highest places."""
    m, s, b = random_param(CONFIG, rng)
    wide = rng.random() < 0.5
    while wide and abs(m) < 1 << MANTISSA_BITS - 3:
        m = random_mantissa(CONFIG, rng)
    return m, shift % (63 - CONFIG.guard) if rng.random() < 0.5 else s, b


def _cycles(rng: Random, part: int) -> Cycles:
    """A table, in any order, and steps with pauses under the same bounds."""
    tiles, beats = CONFIG.param_tiles, CONFIG.param_beats
    table = [[_param(rng, part * tiles + tile) for _ in range(_COLUMNS)] for tile in range(tiles)]
    quiet: dict = {"valid": 0, "param_write": {"en": 0}}
    words = [sum(encode_param(CONFIG, *param) << _ENTRY * column for column, param in enumerate(row))
             for row in table]  # fmt: skip
    for address in rng.sample(range(tiles * beats), tiles * beats):
        tile, beat = divmod(address, beats)
        data = words[tile] >> beat * CONFIG.bus_width & (1 << CONFIG.bus_width) - 1
        yield quiet | {"param_write": {"en": 1, "address": address, "data": data}}, {}
    bounds = random_bounds(CONFIG, rng)
    steps: list = [None] * 2
    for _ in range(_STEPS):
        if rng.random() < 0.1:
            steps.append(None)
            continue
        tile = rng.randrange(CONFIG.param_tiles)
        residual = [rng.choice([0, rng.randint(-99, 99), rng.randint(CONFIG.act.min, CONFIG.act.max)])
                    for _ in range(_COLUMNS)]  # fmt: skip
        acc = [_acc(rng, param, bounds, add) for param, add in zip(table[tile], residual, strict=True)]
        control = random_control(CONFIG, rng, bounds)
        y = [epilogue(CONFIG, a, p, control, r) for a, p, r in zip(acc, table[tile], residual, strict=True)]
        steps.append((tile, control, acc, residual, y))
    steps += [None] * (_LATENCY + 2)
    for at in range(len(steps) - 2):
        now, addressed = steps[at], steps[at + 2]
        adding = steps[at - _RESIDUAL] if at >= _RESIDUAL else None
        done = steps[at - _LATENCY] if at >= _LATENCY else None
        inputs = quiet | {"valid": int(now is not None), "control": bounds}
        if now:
            inputs |= {"acc": [now[2]], "control": now[1]}
        if addressed:
            inputs["read__addr"] = addressed[0]
        if adding:
            inputs["residual_data"] = [adding[3]]
        yield inputs, {"y": [done[4]] if done else None}


BLOCKS = (
    Block(
        "engine.datapath.epilogue",
        {"param_write": param_write(CONFIG), "control": epilogue_control(CONFIG),
         "acc": map_layout(acc_shape(CONFIG), 1, _COLUMNS), "residual_data": map_layout(act_shape(CONFIG), 1, _COLUMNS),
         "y": map_layout(act_shape(CONFIG), 1, _COLUMNS)},
        _cycles, parts=20,
    ),
)  # fmt: skip
