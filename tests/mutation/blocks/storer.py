"""Vectors of `hwshift.rtl.storer.Storer`: stores of any region to any rows, against lists of places and bursts."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

from amaranth.lib import data

from hwshift.program import isa
from hwshift.program.isa import Opcode
from hwshift.rtl.axi import burst_layout
from hwshift.rtl.interfaces import act_shape, store_request
from hwshift.timing import timing

from ...sim.cases import SMALL as CONFIG
from ..replay import Block, Cycles
from .bursts import cut, transfer
from .passes import word
from .walks import places, region

_TIMES = timing(CONFIG)
_ELEMENTS, _STORAGE = CONFIG.beat_elements, CONFIG.act.storage_bits


def _store(rng: Random) -> dict[str, int]:
    """Region and rows have nothing to do with each other here: the storer walks each by itself."""
    fields = transfer(rng) | region(rng)
    tokens = rng.choice([0, rng.getrandbits(5)]), rng.choice([0, rng.getrandbits(5)])
    return fields | {"opcode": Opcode.STORE, "pop": tokens[0], "push": tokens[1],
                     "last_lanes": rng.getrandbits(CONFIG.rows)}  # fmt: skip


@dataclass
class _State:
    """What is left to read, to ask for and to answer, and the data on its way."""

    reads: Iterator[dict] | None = None
    place: dict | None = None
    bursts: Iterator[dict] | None = None
    burst: dict | None = None
    item: dict = field(default_factory=dict)
    fifo: list[int] = field(default_factory=list)
    granted: list[dict | None] = field(
        default_factory=lambda: [None] * _TIMES.store_data
    )  # the youngest first
    credit: int = _TIMES.store_fifo
    pushes: list[int] = field(default_factory=list)
    stuck: bool = False


def _beat(granted: dict, lanes: int, values: list[int]) -> int:
    """Elements of a beat; 0 for lanes of the last slot that hold nothing."""
    out = 0
    for element in range(_ELEMENTS):
        bank = granted["beat"] * _ELEMENTS + element
        value = values[bank] if not granted["last_slot"] or lanes >> bank & 1 else 0
        out |= (value & (1 << _STORAGE) - 1) << element * _STORAGE
    return out


def _cycles(rng: Random, _part: int) -> Cycles:
    """Stores as they come; the master has as many bursts outstanding as it may."""
    now = _State()
    quick = [rng.choice([0.3, 0.8, 1.0]) for _ in range(5)]
    for _ in range(120):
        offered, port, asks, takes, answers = (int(rng.random() < rate) for rate in quick)
        item, available = _store(rng), rng.getrandbits(5) | rng.choice([0, 31])
        at_limit = rng.choice([0, rng.getrandbits(5)])
        values = [rng.getrandbits(CONFIG.act.bits) for _ in range(CONFIG.rows)]
        answers = int(bool(answers and now.pushes))
        asks = int(bool(asks and len(now.pushes) < _TIMES.write_bursts))
        start = bool(offered and now.place is None and now.burst is None and not item["pop"] & ~available)
        reading = now.place is not None and now.credit > 0
        last = bool(now.burst and now.burst["last"])
        may = now.burst is not None and not (last and now.item["push"] & at_limit)
        asked = may and asks
        reserved = now.item["push"] if asked and last else 0
        idle = not (offered or now.place is not None or now.burst is not None or now.pushes)
        yield {
            "i__valid": offered, "i__payload": word(rng, isa.STORE, item), "available": available,
            "at_limit": at_limit, "port__ready": port, "burst__ready": asks, "beats_taken": takes,
            "responded": answers, "store_data": values,
        }, {
            "i__ready": int(start), "pop": item["pop"] if start else 0, "idle": int(idle),
            "port__valid": int(reading), "port__payload": now.place["place"] if reading and now.place else None,
            "burst__valid": int(may), "burst__payload": now.burst if may else None, "reserve": reserved,
            "push": now.pushes[0] if answers else 0, "beats__valid": int(bool(now.fifo)),
            "beats__payload": now.fifo[0] if now.fifo else None,
        }  # fmt: skip
        _advance(
            now,
            item if start else None,
            bool(reading and port),
            bool(takes),
            asked,
            reserved,
            answers,
            values,
        )
        if now.stuck:
            return


def _advance(
    now: _State, item: dict | None, grant: bool, takes: bool, asked: bool, reserved: int, answers: int,
    values: list[int],
) -> None:  # fmt: skip
    """To the next cycle."""
    popped = bool(now.fifo) and takes
    if popped:
        now.fifo.pop(0)
    arrives = now.granted.pop()
    if arrives is not None:
        now.fifo.append(_beat(arrives, arrives["lanes"], values))
    now.credit += popped - grant
    if answers:
        now.pushes.pop(0)
    if asked:
        now.pushes.append(reserved)
        assert now.bursts is not None
        now.burst = next(now.bursts, None)
    now.granted.insert(0, None)
    if grant:
        assert now.place is not None and now.reads is not None
        now.granted[0] = now.place | {"lanes": now.item["last_lanes"]}
        ended = now.place["last"]
        now.place = next(now.reads, None)
        now.stuck = now.place is None and not ended
    if item is not None:
        now.item, now.reads, now.bursts = item, places(item, CONFIG.vector_beats), cut(item)
        now.place, now.burst = next(now.reads, None), next(now.bursts, None)
        now.stuck = now.place is None


BLOCKS = (
    Block(
        "engine.storer",
        {"port__payload": store_request(CONFIG), "burst__payload": burst_layout(CONFIG),
         "store_data": data.ArrayLayout(act_shape(CONFIG), CONFIG.rows)},
        _cycles, parts=200,
        names={"i__ready": "start", "burst__payload": "o__payload", "beats_taken": "o__ready",
               "responded": "o__ready 2"},
        parted={"i__payload": ("in_320", "in_192")},
    ),
)  # fmt: skip
