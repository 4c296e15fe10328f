"""Vectors of `hwshift.rtl.pass_generator.PassGenerator`: fields over all their bits, against nested loops."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

from hwshift.program import isa
from hwshift.program.isa import Opcode, Token
from hwshift.rtl.pass_generator import CONSTANTS, bounds_layout, ktile_write, pass_layout

from ...sim.cases import SMALL as CONFIG
from ..replay import Block, Cycles
from .bursts import near_power
from .walks import turns

_PER_BEAT = CONFIG.bus_width // 32
_ENTRIES = CONFIG.ktile_entries
_LATER = 60
_LOAD, _STORE = Token.LOAD_COMPUTE, Token.STORE_COMPUTE
_BITS = isa.INSTRUCTION_BYTES * 8


def word(rng: Random, layout: isa.Layout, fields: dict[str, int]) -> int:
    """An instruction; unused bits and fields that are not given are random."""
    given = layout.pack(fields)
    used = sum(((1 << layout.by_name[name].width) - 1) << layout.offsets[name] for name in fields)
    return given | rng.getrandbits(layout.bits) & ~used


def drawn(rng: Random, layout: isa.Layout) -> dict[str, int]:
    """Any value in every field."""
    return {item.name: rng.randint(item.low, item.high) for item in layout.fields}


@dataclass
class _State:
    """What the generator keeps from one instruction to the next."""

    rng: Random
    sources: list[dict[str, int] | None] = field(default_factory=lambda: [None] * isa.DESCRIPTORS)
    bounds: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(("lo", "hi", "residual_lo", "residual_hi"), 0)
    )
    table: list[int] = field(default_factory=lambda: [0] * _ENTRIES)

    def idle(self, **outputs: object) -> dict:
        return {"idle": 1, "o__valid": 0, "i__ready": 0, "pop": 0, "bounds": dict(self.bounds), "wait_load": 0,
                "wait_store": 0} | outputs  # fmt: skip


_NO_WRITE = {"en": 0}


def _fill(state: _State, sources: list[int]) -> Cycles:
    """The k-tile table, in beats, and nothing else."""
    rng = state.rng
    for address in range(_ENTRIES // _PER_BEAT):
        entries = []
        for _ in range(_PER_BEAT):
            entry = drawn(rng, isa.KTILE_ENTRY) | {"descriptor": rng.choice(sources)}
            entries.append(isa.KTILE_ENTRY.pack(entry) | rng.getrandbits(1) << 31)
        state.table[address * _PER_BEAT : (address + 1) * _PER_BEAT] = entries
        beat = sum(entry << 32 * index for index, entry in enumerate(entries))
        yield {"i__valid": 0, "ktile_write": {"en": 1, "address": address, "data": beat}}, state.idle()


def _descriptor(state: _State, index: int) -> Cycles:
    rng = state.rng
    length = rng.choice([rng.randint(1, 0xFFFF), 1 << rng.randrange(16), rng.randint(1, 9)])
    fields = {"opcode": Opcode.DESCRIPTOR, "id": index, "length": length, "base": rng.getrandbits(16),
              "offset": rng.choice([rng.randrange(length), length - 1]), "row_step": rng.getrandbits(16),
              "chunk_step": rng.choice([rng.randrange(length), length - 1, length // 2])}  # fmt: skip
    state.sources[index] = fields
    inputs = {"i__valid": 1, "i__payload": word(rng, isa.DESCRIPTOR, fields), "ktile_write": _NO_WRITE}
    yield inputs, state.idle(i__ready=1)


def _activation(state: _State) -> Cycles:
    rng = state.rng
    limits = {name: rng.randint(-(1 << 31), (1 << 31) - 1) for name in state.bounds}
    payload = word(rng, isa.ACTIVATION, {"opcode": Opcode.ACTIVATION, **limits})
    inputs = {"i__valid": 1, "i__payload": payload, "ktile_write": _NO_WRITE}
    for _ in range(rng.randrange(3)):
        yield inputs | {"quiet": 0}, state.idle()
    yield inputs | {"quiet": 1}, state.idle(i__ready=1)
    state.bounds = limits


def _waits(state: _State, inputs: dict, pop: int) -> Cycles:
    """Cycles without a token that is wanted, and the one in which all are there."""
    rng = state.rng
    while rng.random() < 0.3:
        available = rng.getrandbits(5)
        if missing := pop & ~available:
            load = bool(missing & _LOAD)
            yield inputs | {"available": available}, state.idle(
                wait_load=int(load), wait_store=int(not load and bool(missing & _STORE)))  # fmt: skip
    yield inputs | {"available": pop | rng.getrandbits(5)}, state.idle(i__ready=1, pop=pop)


def _fields(rng: Random) -> dict[str, int]:
    """Loops whose k-tiles fit the table; everything else anything."""
    advance = rng.getrandbits(1)
    ktiles, chunks, tiles = rng.randint(1, 4), rng.randint(1, 4), rng.randint(1, 3)
    if rng.random() < 0.3:
        chunks = near_power(rng, 16, 3)
    if rng.random() < 0.3:
        tiles, advance = near_power(rng, 16, 3), 0
    if rng.random() < 0.2:
        ktiles, tiles = rng.randint(1, _ENTRIES), 1
    used = ktiles * (tiles if advance else 1)
    return drawn(rng, isa.COMPUTE) | {
        "opcode": Opcode.COMPUTE, "ktile_base": rng.randint(0, max(0, _ENTRIES - used)), "ktile_count": ktiles,
        "ktile_advance": advance, "chunks": chunks, "tiles": tiles, "group0": 0,
        "drain": rng.getrandbits(1), "hold_weights": rng.getrandbits(1),
    }  # fmt: skip


def _passes(state: _State, work: dict[str, int]) -> Iterator[dict]:
    """The passes of an instruction, by the contract."""
    counts = work["tiles"], work["chunks"], work["ktile_count"]
    groups = CONFIG.groups
    for tile, chunk, ktile in turns(*counts):
        entry = isa.KTILE_ENTRY.unpack(
            state.table[work["ktile_base"] + ktile + (tile * counts[2] if work["ktile_advance"] else 0)]
        )
        source = state.sources[entry["descriptor"]]
        assert source is not None
        ends = (tile == counts[0] - 1, chunk == counts[1] - 1, ktile == counts[2] - 1)
        begins = tile == chunk == ktile == 0
        slot = (work["group0"] + tile) // groups
        yield {name: work[name] for name in CONSTANTS} | {
            "offset": (source["offset"] + chunk * source["chunk_step"]) % source["length"],
            "ktile_offset": entry["offset"], "base": source["base"], "length": source["length"],
            "row_step": source["row_step"], "lane_row": entry["lane_row"], "y": work["y0"] + chunk * work["chunk_y"],
            "rows": work["rows"] - chunk * work["chunk_rows"] if ends[1] else work["chunk_rows"],
            "first": int(ktile == 0), "last": int(ends[2]), "swap": int(begins or not work["hold_weights"]),
            "chunk_start": int(chunk == 0), "final": int(all(ends)), "drain": int(begins and work["drain"]),
            "out_slot": slot * work["out_pitch"], "res_slot": slot * work["res_pitch"],
            "group": (work["group0"] + tile) % groups, "param": work["param_base"] + tile,
            "columns": work["last_columns"] if ends[0] else -1,
        }  # fmt: skip


def _compute(state: _State) -> Cycles:
    """One instruction, whole or cut off."""
    rng, work = state.rng, _fields(state.rng)
    inputs = {"i__valid": 1, "i__payload": word(rng, isa.COMPUTE, work), "ktile_write": _NO_WRITE}
    yield from _waits(state, inputs, work["pop"])
    busy = {"idle": 0, "i__ready": 0, "pop": 0, "wait_load": 0, "wait_store": 0, "bounds": dict(state.bounds)}
    yield {"ktile_write": _NO_WRITE}, busy | {"o__valid": 0}
    left, eager = _LATER, rng.choice([1.0, 0.5])
    for item in _passes(state, work):
        shown = busy | {"o__valid": 1, "o__payload": item}
        while rng.random() >= eager:
            yield {"o__ready": 0, "ktile_write": _NO_WRITE}, shown
        yield {"o__ready": 1, "ktile_write": _NO_WRITE}, shown
        left -= 1
        if not left:
            yield {"reset": 1, "o__ready": 0, "ktile_write": _NO_WRITE}, {}
            state.bounds = dict.fromkeys(state.bounds, 0)
            return


def _cycles(rng: Random, _part: int) -> Cycles:
    """A table, descriptors, and instructions that use them, in any order."""
    state = _State(rng)
    used = rng.sample(range(isa.DESCRIPTORS), rng.randint(1, isa.DESCRIPTORS))
    yield from _fill(state, used)
    for index in used:
        yield from _descriptor(state, index)
    for _ in range(6):
        kind = rng.randrange(6)
        if kind == 0:
            yield from _activation(state)
        elif kind == 1:
            yield from _descriptor(state, rng.choice(used))
        elif kind == 2:
            yield {"i__valid": 0, "ktile_write": _NO_WRITE}, state.idle()
        else:
            yield from _compute(state)
            if state.bounds == dict.fromkeys(state.bounds, 0):
                for index in used:
                    yield from _descriptor(state, index)


BLOCKS = (
    Block(
        "engine.compute.passes",
        {"o__payload": pass_layout(CONFIG), "bounds": bounds_layout(CONFIG), "ktile_write": ktile_write(CONFIG)},
        _cycles, parts=60, parted={"i__payload": ("in_17", "in_495")},
    ),
)  # fmt: skip
