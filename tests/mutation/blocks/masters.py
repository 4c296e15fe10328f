"""Vectors of fetch and the two masters: bursts inside and outside of their regions, against models by the cycle."""

from dataclasses import dataclass, field
from random import Random

from hwshift.program.isa import INSTRUCTION_BYTES
from hwshift.program.registers import ErrorCode
from hwshift.rtl.axi import burst_layout
from hwshift.timing import timing

from ...sim.cases import SMALL as CONFIG
from ..replay import Block, Cycles
from .bursts import near_power

_TIMES = timing(CONFIG)
_WIDTH, _BEAT, _PAGE = CONFIG.address_width, CONFIG.beat_bytes, 4096
_PER = INSTRUCTION_BYTES // _BEAT


def _fetch(rng: Random, part: int) -> Cycles:
    """A program somewhere, fetched from a memory that takes its time; in the first parts one bit of its length is 1."""
    most = _TIMES.fetch_burst
    count, base = 1 << part if part < 32 else near_power(rng, 32, 20), rng.getrandbits(_WIDTH)
    if rng.random() < 0.5:
        base = (1 << rng.randint(11, _WIDTH)) - rng.randint(1, 2000)
    start_at = base >> 8 << 8
    left, asked_at, due, given = count, 0, 0, []
    queue: list[int] = []
    owed = 0
    quick = [rng.choice([0.3, 1.0]) for _ in range(3)]
    yield {"reset": 1, "start": 1, "base": base, "count": count, "beats__valid": 0}, {"o__valid": 0}
    for _ in range(200):
        ready, comes, pop = (int(rng.random() < rate) for rate in quick)
        asked = min(left, most)
        valid = int(asked > 0 and owed + asked <= _TIMES.instruction_queue)
        comes = int(comes and due > 0)
        beat = rng.getrandbits(CONFIG.bus_width)
        address = start_at + asked_at * most * INSTRUCTION_BYTES
        beyond = address >> _WIDTH != 0
        burst = {"address": None if beyond else address, "beats": asked * _PER, "beyond": int(beyond),
                 "last": int(asked == left)}  # fmt: skip
        yield {
            "start": 0, "burst__ready": ready, "beats__valid": comes, "beats__payload": beat, "o__ready": pop,
        }, {
            "burst__valid": valid, "burst__payload": burst if valid else None, "o__valid": int(bool(queue)),
            "o__payload": queue[0] if queue else None, "exhausted": int(left == 0 and owed == 0),
            "watch": {"beyond": max(0, left - 2 * most)},
        }  # fmt: skip
        if queue and pop:
            queue.pop(0)
            owed -= 1
        if comes:
            given.append(beat)
            due -= 1
            if len(given) == _PER:
                queue.append(sum(value << CONFIG.bus_width * index for index, value in enumerate(given)))
                given = []
        if valid and ready:
            left, asked_at, owed, due = left - asked, asked_at + 1, owed + asked, due + asked * _PER


def _region(rng: Random) -> tuple[int, int]:
    """First and last byte, of a region that need not begin or end with a beat."""
    base = rng.getrandbits(_WIDTH)
    if rng.random() < 0.5:
        base = min((1 << _WIDTH) - 1, max(0, (1 << rng.randint(3, _WIDTH)) + rng.randint(-600, 600)))
    limit = rng.choice(
        [base + rng.randint(0, 9000), base + (1 << rng.randint(3, _WIDTH)) - 1, (1 << _WIDTH) - 1]
    )
    return base, min(limit, (1 << _WIDTH) - 1)


def _burst(rng: Random, region: tuple[int, int]) -> dict[str, int]:
    """At an end of the region, inside or just outside of it, or anywhere; never over the end of a page."""
    base, limit = region
    kind = rng.random()
    if kind < 0.3:
        address = base + rng.randint(-3, 3) * _BEAT
    elif kind < 0.6:
        address = limit - rng.randint(-2, 70) * _BEAT
    elif kind < 0.95:
        address = rng.randint(base, limit)
    else:
        address = rng.getrandbits(_WIDTH)
    if rng.random() < 0.1:
        address ^= 1 << rng.randrange(3, _WIDTH)
    address = min(max(0, address), (1 << _WIDTH) - _BEAT) // _BEAT * _BEAT
    room = (_PAGE - address % _PAGE) // _BEAT
    beats = rng.choice(
        [
            1,
            min(64, room),
            rng.randint(1, min(64, room)),
            max(1, min(64, room, (limit + 1 - address) // _BEAT)),
        ]
    )
    if rng.random() < 0.02:
        beats = 0
    return {
        "address": address,
        "beats": beats,
        "beyond": int(rng.random() < 0.01),
        "last": rng.getrandbits(1),
    }


def allowed(burst: dict[str, int], region: tuple[int, int]) -> bool:
    """Whether a burst has bytes, all of them in a region."""
    base, limit = region
    end = burst["address"] + burst["beats"] * _BEAT - 1
    return burst["beats"] > 0 and not burst["beyond"] and base <= burst["address"] and end <= limit


@dataclass
class _Bus:
    """Bursts that are decided and not over, and the address register."""

    waiting: dict[str, int] | None = None
    issued: list[dict] = field(default_factory=list)
    outstanding: int = 0
    stuck: bool = False
    refused: ErrorCode | None = None
    """Told in this cycle, of a burst of the one before."""

    def decides(self, ready: int, halt: int) -> bool:
        """Whether a burst may be decided in this cycle."""
        return (self.waiting is None or bool(ready)) and not halt and not self.stuck and self.outstanding < 4


def _inside_or_not(rng: Random, region: tuple[int, int]) -> dict[str, int]:
    """Mostly inside, so that not every part ends at once."""
    burst = _burst(rng, region)
    for _ in range(rng.choice([0, 20, 20])):
        if allowed(burst, region):
            break
        burst = _burst(rng, region)
    return burst


def _reads(rng: Random, _part: int) -> Cycles:
    program, data = _region(rng), _region(rng)
    bus, sent = _Bus(), 0
    quick = [rng.choice([0.4, 1.0]) for _ in range(4)]
    regions = sum(value << _WIDTH * index for index, value in enumerate([*program, *data]))
    for _ in range(60):
        ready, fetching, loading, comes = (int(rng.random() < rate) for rate in quick)
        halt = int(rng.random() < 0.05)
        fetch, load = _inside_or_not(rng, program), _inside_or_not(rng, data)
        comes = int(comes and bool(bus.issued))
        last = int(bool(comes) and sent + 1 == bus.issued[0]["beats"])
        response = rng.choice([0, 0, 0, rng.randrange(4)])
        decide = bus.decides(ready, halt)
        chosen, region = (fetch, program) if fetching else (load, data)
        taken = decide and (fetching or loading) and allowed(chosen, region)
        refused = decide and (fetching or loading) and not taken
        failed = comes and response != 0
        out = {
            "bus__arvalid": int(bus.waiting is not None), "drained": int(bus.outstanding == 0),
            "fetch__ready": int(decide), "load__ready": int(decide and not fetching),
            "fetch_beats__valid": int(comes and bus.issued[0]["fetch"]),
            "load_beats__valid": int(comes and not bus.issued[0]["fetch"]),
            "error": int(failed or bus.refused is not None),
        }  # fmt: skip
        if bus.waiting is not None:
            out |= {"bus__araddr": bus.waiting["address"], "bus__arlen": bus.waiting["beats"] - 1}
        if failed or bus.refused is not None:
            out["error_code"] = ErrorCode.READ_RESPONSE if failed else bus.refused
        yield {
            "bus__arready": ready, "fetch__valid": fetching, "fetch__payload": fetch, "load__valid": loading,
            "load__payload": load, "bus__rvalid": comes, "bus__rlast": last if comes else None,
            "bus__rresp": response if comes else None, "halt": halt, "in_160": regions,
        }, out  # fmt: skip
        if bus.waiting is not None and ready:
            bus.issued.append(bus.waiting)
            bus.waiting = None
        if comes:
            sent = 0 if last else sent + 1
            if last:
                bus.issued.pop(0)
                bus.outstanding -= 1
        if taken:
            bus.waiting = {**chosen, "fetch": int(bool(fetching))}
            bus.outstanding += 1
        bus.stuck = bus.stuck or refused
        bus.refused = None
        if refused:
            bus.refused = ErrorCode.PROGRAM_REGION if fetching else ErrorCode.READ_REGION


def _writes(rng: Random, _part: int) -> Cycles:
    region = _region(rng)
    bus, sent, done = _Bus(), 0, 0
    quick = [rng.choice([0.4, 1.0]) for _ in range(5)]
    regions = region[0] | region[1] << _WIDTH
    missing = False
    halting = rng.random() < 0.3
    for cycle in range(80):
        aw, w, asking, there, answers = (int(rng.random() < rate) for rate in quick)
        halt = int(halting and cycle > 40)
        burst, beat = _inside_or_not(rng, region), rng.getrandbits(CONFIG.bus_width)
        answers = int(answers and done > 0)
        response = rng.choice([0, 0, 0, rng.randrange(4)])
        decide = bus.decides(aw, halt)
        taken = decide and asking and allowed(burst, region)
        refused = decide and asking and not taken
        failed = answers and response != 0
        owed = bool(bus.issued)
        valid = owed and (there or missing)
        last = owed and sent + 1 == bus.issued[0]["beats"]
        out = {
            "bus__awvalid": int(bus.waiting is not None), "drained": int(bus.outstanding == 0),
            "burst__ready": int(decide), "bus__wvalid": int(valid), "error": int(failed or bus.refused is not None),
            "beats__ready": int(owed and w and not missing),
        }  # fmt: skip
        if bus.waiting is not None:
            out |= {"bus__awaddr": bus.waiting["address"], "bus__awlen": bus.waiting["beats"] - 1}
        if valid:
            out |= {
                "bus__wlast": int(last),
                "out_2": 0 if missing else 3,
                "bus__wdata": 0 if missing else beat,
            }
        if failed or bus.refused is not None:
            out["out_4"] = ErrorCode.WRITE_RESPONSE if failed else bus.refused
        yield {
            "bus__awready": aw, "bus__wready": w, "burst__valid": asking, "burst__payload": burst,
            "beats__valid": there, "beats__payload": beat, "responded": answers,
            "bus__bresp": response if answers else None, "halt": halt, "in_80": regions,
        }, out  # fmt: skip
        missing = missing or bool(halt and owed and not there)
        if valid and w:
            sent = 0 if last else sent + 1
            if last:
                bus.issued.pop(0)
                done += 1
        if bus.waiting is not None and aw:
            bus.issued.append(bus.waiting)
            bus.waiting = None
        if answers:
            done -= 1
            bus.outstanding -= 1
        if taken:
            bus.waiting = burst
            bus.outstanding += 1
        bus.stuck = bus.stuck or refused
        bus.refused = ErrorCode.WRITE_REGION if refused else None


_BURSTS = {name: burst_layout(CONFIG) for name in ("fetch__payload", "load__payload", "burst__payload")}
BLOCKS = (
    Block("engine.fetch", _BURSTS, _fetch, parts=92, parted={"o__payload": ("out_17", "out_495")},
          watched={"beyond": 32}),
    Block("engine.read_master", _BURSTS, _reads, parts=400, names={"fetch__ready": "decide"}),
    Block("engine.write_master", _BURSTS, _writes, parts=300, names={"burst__ready": "decide"}),
)  # fmt: skip
