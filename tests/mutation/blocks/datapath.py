"""Vectors of array, accumulators, lane addresses and port B: any values, against sums, lists and a memory map."""

from random import Random

from amaranth.lib import data

from hwshift.program import isa
from hwshift.rtl.array import map_layout, sum_shape
from hwshift.rtl.instruction import layout_of
from hwshift.rtl.interfaces import (
    acc_shape,
    act_shape,
    load_request,
    residual_request,
    store_request,
    write_data,
    write_request,
)
from hwshift.rtl.lane_address import lane_pixels, lane_region, lane_step
from hwshift.rtl.weight_buffer import shadow_write
from hwshift.timing import timing

from ...sim.cases import SMALL as CONFIG
from ..replay import Block, Cycles

_ROWS, _COLUMNS, _GUARD = CONFIG.rows, CONFIG.columns, CONFIG.guard
_TIMES = timing(CONFIG)
_ACT = CONFIG.act.bits


def signed(value: int, bits: int) -> int:
    """The low bits of a value, as two's complement."""
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> bits - 1 else value


def activation(rng: Random, bits: int = _ACT) -> int:
    """Any value, of any size, or an extreme."""
    if rng.random() < 0.1:
        return rng.choice([-(1 << bits - 1), (1 << bits - 1) - 1, 0, -1, 1])
    return signed(rng.getrandbits(bits), bits) >> rng.choice([0, 0, rng.randrange(bits)])


# -- array -------------------------------------------------------------------------------------------------


def _term(x: int, code: dict[str, int]) -> int:
    """The term of one PE, in plain integers."""
    if code["zero"]:
        return 0
    value = (x << _GUARD + CONFIG.weights.p_max) >> code["q"]
    return -value if code["sign"] else value


def _array(rng: Random, _part: int) -> Cycles:
    """Shadow rows are written in any order; the active weights take them with a swap."""
    shadow: list = [[None] * _COLUMNS for _ in range(_ROWS)]
    active: list = [[None] * _COLUMNS for _ in range(_ROWS)]
    delayed: list = [None] * (_TIMES.sum_stage - _TIMES.x_stage)
    for _ in range(120):
        row, write, swap = rng.randrange(_ROWS), rng.random() < 0.7, rng.random() < 0.3
        codes = [{"q": rng.randrange(16), "sign": rng.getrandbits(1), "zero": int(rng.random() < 0.1)}
                 for _ in range(_COLUMNS)]  # fmt: skip
        x = [activation(rng) for _ in range(_ROWS)]
        sums: list | None = None
        if all(code is not None for line in active for code in line):
            sums = [sum(_term(x[r], active[r][c]) for r in range(_ROWS)) for c in range(_COLUMNS)]
        inputs = {"swap": int(swap), "shadow": {"en": int(write), "row": row, "data": [codes]}, "x": [x]}
        yield inputs, {"sums": None if delayed[0] is None else [delayed[0]]}
        delayed = [*delayed[1:], sums]
        if swap:
            active = [list(line) for line in shadow]
        if write:
            shadow[row] = codes


# -- accumulators ------------------------------------------------------------------------------------------


def _accumulator(rng: Random, _part: int) -> Cycles:
    """Steps on any indices, with pauses; an index begins with a first step."""
    depth, bits = CONFIG.acc_depth, CONFIG.acc_width
    steps: list[dict] = []
    begun: dict[int, int] = {}
    few = rng.choice([1, 2, 3, depth])
    for _ in range(150):
        index = rng.randrange(few)
        first = index not in begun or rng.random() < 0.2
        maximum = begun[index] if not first else rng.getrandbits(1)
        begun[index] = maximum
        steps.append({"valid": int(rng.random() < 0.9), "acc": index, "first": int(first), "maximum": maximum,
                      "last": int(rng.random() < 0.2),
                      "sums": [activation(rng, 48) for _ in range(_COLUMNS)]})  # fmt: skip
        if first and (steps[-1]["last"] or not steps[-1]["valid"]):  # nothing has been written
            del begun[index]
    table = [[0] * _COLUMNS for _ in range(depth)]
    acc: list[int] | None = None
    idle = {"valid": 0, "acc": 0, "first": 0, "maximum": 0, "last": 0, "sums": [0] * _COLUMNS}
    queue = [*[idle] * 4, *steps, idle, idle]
    for at in range(2, len(queue) - 2):
        now, coming, ahead = queue[at], queue[at + 1], queue[at + 2]
        yield {
            "valid": now["valid"], "sums": [now["sums"]], "address_ahead": ahead["acc"],
            "in_4": coming["acc"] | coming["first"] << 3,
            "writes_next": int(coming["valid"] and not coming["last"]),
            "in_6": now["acc"] | now["first"] << 3 | now["last"] << 4 | now["maximum"] << 5,
        }, {"acc": None if acc is None else [acc]}  # fmt: skip
        if not now["valid"]:
            continue
        values = now["sums"]
        if not now["first"]:
            before = table[now["acc"]]
            if now["maximum"]:
                values = [max(old, new) for old, new in zip(before, values, strict=True)]
            else:
                values = [signed(old + new, bits) for old, new in zip(before, values, strict=True)]
        if now["last"]:
            acc = values
        else:
            table[now["acc"]] = values


# -- lane addresses ----------------------------------------------------------------------------------------


def _lane(rng: Random, _part: int) -> Cycles:
    """Positions in and around maps of any size, in buffers anywhere."""
    depth, subs = CONFIG.feature_depth, CONFIG.sub_banks
    region, summed, pixels = None, None, None
    for _ in range(300):
        length = rng.randint(1, depth)
        base = rng.randint(0, depth - length)
        height, width = (
            rng.choice([rng.randint(1, 9), rng.getrandbits(16), 1 << rng.randrange(16)]) for _ in range(2)
        )
        y, x = (rng.choice([rng.randint(-70, 70), size + rng.randint(-70, 70), rng.randint(-(1 << 17), (1 << 17) - 1)])
                for size in (height, width))  # fmt: skip
        dy, dx = rng.randint(-64, 63), rng.randint(-64, 63)
        y, x = (min((1 << 17) - 64, max(64 - (1 << 17), value)) for value in (y, x))
        enable, pad = int(rng.random() < 0.9), rng.getrandbits(1)
        row, column = y + dy, x + dx
        inside = enable and 0 <= row < height and 0 <= column < width
        whole = rng.randint(0, 2 * length - 1)  # of offsets and word, where the pixel is inside
        word = column // subs
        offset = rng.randint(0, 2 * depth - 1)
        entry_offset = (whole - word - offset) % (1 << 16) if inside else rng.getrandbits(16)
        yield {
            "entry": {"offset": entry_offset, "dy": dy, "dx": dx, "enable": enable},
            "step": {"x": [x], "y": y, "offset": offset, "width": width, "height": height, "pad_min": pad},
            "region": region,
        }, {"pixels": pixels}  # fmt: skip
        if summed is not None and region is not None:
            there, place, sub, fill = summed
            pixels = [{"inside": int(there), "fill": fill, "word": region["base"] + place % region["length"] if there
                       else None, "sub": sub if there else None}]  # fmt: skip
        summed = (inside, whole, column % subs, int(enable and not inside and pad))
        region = {"base": base, "length": length, "wrapped": (base - length) % depth}


# -- port B ------------------------------------------------------------------------------------------------


def _port_b(rng: Random, _part: int) -> Cycles:
    """Requests of all four users, of which each half takes the first: in the banks a cycle later, data after that."""
    vector = None  # of the storer, whose data are there another cycle later
    residual_at, store_at = [None, None], [None, None]  # of the cycle before, and of the one before that
    late: dict = {}  # what the banks see of the cycle before
    written: list = [[0] * _COLUMNS]
    before: tuple[dict, dict] = {"load__valid": 0, "store__valid": 0}, {}
    halves, subs = 2, CONFIG.sub_banks
    for _ in range(200):
        write, residual, load, store = (rng.random() < 0.5 for _ in range(4))
        half = rng.randrange(halves)
        words = [rng.getrandbits(5) for _ in range(4)]
        values = [rng.getrandbits(_ACT) for _ in range(_COLUMNS)]
        loaded = [rng.getrandbits(_ACT) for _ in range(_ROWS)]
        columns, banks, pixel = rng.getrandbits(_COLUMNS), rng.getrandbits(_ROWS), rng.getrandbits(1)
        load_sub, store_sub = rng.randrange(subs), rng.randrange(subs)
        other = 1 - half  # a residual may not meet a write on its half
        q = [[rng.getrandbits(_ACT) for _ in range(subs)] for _ in range(_ROWS)]
        user: list[str | None] = [None] * halves
        if write:
            user[half] = "write"
        if residual:
            user[other] = "residual"
        load_ready = user[load_sub] is None
        if load and load_ready:
            user[load_sub] = "load"
        store_ready = user[store_sub] is None
        if store and store_ready:
            user[store_sub] = "store"
        by = dict(zip(("write", "residual", "load", "store"), words, strict=True))
        out: dict = {"load__ready": int(load_ready), "store__ready": int(store_ready)}
        banks_late: dict = {}
        for bank in range(_ROWS):
            wrote, read, stored, word = 0, 0, [None] * subs, [None] * halves
            for sub in range(subs):
                name = user[sub]
                word[sub] = by[name] if name else None  # type: ignore[call-overload]
                if name == "write" and pixel and columns >> bank & 1:
                    wrote, stored[sub] = wrote | 1 << sub, values[bank]  # type: ignore[call-overload]
                if name == "load" and banks >> bank & 1:
                    wrote, stored[sub] = wrote | 1 << sub, loaded[bank]  # type: ignore[call-overload]
                read |= int(name in ("residual", "store")) << sub
            banks_late |= {f"banks__{bank}__write": wrote, f"banks__{bank}__read": read}
            banks_late[f"banks__{bank}__data"] = stored
            banks_late[f"banks__{bank}__word"] = word
        out |= late
        late = banks_late
        (old_residual, old_store) = residual_at[1], store_at[1]
        out["residual_data"] = (
            None if old_residual is None else [[q[bank][old_residual] for bank in range(_ROWS)]]
        )
        out["store_data"] = vector
        vector = None if old_store is None else [q[bank][old_store] for bank in range(_ROWS)]
        place = {"half": half, "lane0": 0, "group": 0}
        inputs: dict = {
            "write__valid": int(write), "residual__valid": int(residual), "load__valid": int(load),
            "store__valid": int(store),
            "write__payload": {**place, "word": words[0], "pixels": pixel, "columns": columns}, "write_data": written,
            "residual__payload": {**place, "half": other, "word": words[1]},
            "load__payload": {"sub": load_sub, "word": words[2], "banks": banks, "data": loaded},
            "store__payload": {"sub": store_sub, "word": words[3]},
        }  # fmt: skip
        inputs |= {f"banks__{bank}__q": q[bank] for bank in range(_ROWS)}
        # write and residual are asked for a cycle ahead
        ahead = {
            name: inputs.pop(name) for name in list(inputs) if name.startswith(("write__", "residual__"))
        }
        yield before[0] | ahead, before[1]
        before = inputs, out
        written = [values]
        residual_at = [other if residual else None, residual_at[0]]
        store_at = [store_sub if store and store_ready else None, store_at[0]]


_BANK = {f"banks__{bank}__{name}": data.ArrayLayout(shape, 2) for bank in range(_ROWS)
         for name, shape in (("data", act_shape(CONFIG)), ("q", act_shape(CONFIG)), ("word", 5))}  # fmt: skip
_PORT_B = _BANK | {
    "write__payload": write_request(CONFIG), "write_data": write_data(CONFIG),
    "residual__payload": residual_request(CONFIG), "load__payload": load_request(CONFIG),
    "store__payload": store_request(CONFIG),
    "residual_data": map_layout(act_shape(CONFIG), 1, _COLUMNS),
    "store_data": data.ArrayLayout(act_shape(CONFIG), _ROWS),
}  # fmt: skip
_LANE = {"entry": layout_of(isa.LANE_ENTRY), "step": lane_step(CONFIG), "region": lane_region(CONFIG),
         "pixels": lane_pixels(CONFIG)}  # fmt: skip
BLOCKS = (
    Block(
        "engine.datapath.array",
        {"x": map_layout(act_shape(CONFIG), 1, _ROWS), "shadow": shadow_write(CONFIG),
         "sums": map_layout(sum_shape(CONFIG), 1, _COLUMNS)},
        _array, parts=40,
    ),
    Block(
        "engine.datapath.accumulator",
        {"sums": map_layout(sum_shape(CONFIG), 1, _COLUMNS), "acc": map_layout(acc_shape(CONFIG), 1, _COLUMNS)},
        _accumulator, parts=40,
    ),
    Block("engine.datapath.shift_buffer.port_b", _PORT_B, _port_b, parts=20,
          names={"write_data": "values_0", "store_data": "store_vector"}),
    *(Block(f"engine.datapath.shift_buffer.lane_{lane}", _LANE, _lane, parts=20) for lane in range(_ROWS)),
)  # fmt: skip
