"""Vectors of `hwshift.rtl.load_writer.LoadWriter`: loads of every kind, against a model by the cycle."""

from dataclasses import dataclass, field
from math import gcd
from random import Random

from hwshift.program.isa import INPUT_CHANNELS, LoadKind, Token
from hwshift.rtl.epilogue import param_write
from hwshift.rtl.interfaces import load_request
from hwshift.rtl.load_writer import early_bits, job_layout
from hwshift.rtl.pass_generator import ktile_write
from hwshift.rtl.weight_buffer import weight_write

from ...sim.cases import SMALL as CONFIG
from ..replay import Block, Cycles
from .bursts import near_power
from .walks import places, region

_ELEMENTS = CONFIG.beat_elements
_ACT, _BUS = CONFIG.act.bits, CONFIG.bus_width
_WORD, _TILE = CONFIG.weight_word_bits, CONFIG.tile_words
_LATER = 60
_TABLES = {
    LoadKind.LANES: ("lane_write__en", CONFIG.lane_beats, 1),
    LoadKind.PARAMS: ("param_write", CONFIG.param_beats, 1),
    LoadKind.KTILES: ("ktile_write", 1, _BUS // 32),
}
"""Output, and beats per entry or entries per beat."""


def elements(beat: int) -> list[int]:
    """The values in a beat."""
    return [beat >> CONFIG.act.storage_bits * index & (1 << _ACT) - 1 for index in range(_ELEMENTS)]


@dataclass
class _Cycle:
    """What a job sees of a cycle."""

    beats: bool
    beat: int
    full: bool
    room: bool
    ready: bool


@dataclass
class _Map:
    """Beats of a map, each to some of the banks of its place."""

    job: dict
    done: bool = False

    def __post_init__(self) -> None:
        self._places = places(self.job["region"], CONFIG.vector_beats)
        self._place = next(self._places, None)

    @property
    def stuck(self) -> bool:
        return self._place is None

    def cycle(self, now: _Cycle) -> dict:
        assert self._place is not None
        place = self._place
        last = bool(place["last"])
        valid = now.beats and not (last and now.full)
        taken = valid and now.ready
        banks = [int(bank // _ELEMENTS == place["beat"]) for bank in range(CONFIG.rows)]
        values = elements(now.beat)
        data = [values[bank % _ELEMENTS] if banks[bank] else None for bank in range(CONFIG.rows)]
        self.done = taken and last
        if taken and not last:
            self._place = next(self._places, None)
        return {"port__valid": int(valid), "beats__ready": int(taken),
                "port__payload": {**place["place"], "banks": sum(b << i for i, b in enumerate(banks)), "data": data}
                if valid else None}  # fmt: skip


@dataclass
class _Input:
    """Pixels without gaps, each spread over the banks."""

    job: dict
    done: bool = False
    stuck: bool = False

    def __post_init__(self) -> None:
        fields = self.job["region"] | {"slots": 1, "rows": self.job["count"]}
        self._places = places(fields, 1)
        self._place = next(self._places, None)
        self.stuck = self._place is None
        channels = self.job["channels"]
        self._size = channels if 1 <= channels <= INPUT_CHANNELS else INPUT_CHANNELS
        self._values: dict[int, int] = {}
        self._begin, self._next = 0, self.job["first"]  # of the beat that is there, of the next pixel

    def cycle(self, now: _Cycle) -> dict:
        assert self._place is not None
        place, end = self._place, self._begin + _ELEMENTS
        there = self._next + self._size <= end
        last = bool(place["last"])
        valid = now.beats and there and not (last and now.full)
        taken = valid and now.ready
        after = self._next + self._size if there else self._next
        whole = after + self._size > end or (there and last)
        if not now.beats:
            return {"port__valid": 0}
        for index, value in enumerate(elements(now.beat)):
            self._values[self._begin + index] = value
        out = {"port__valid": int(valid), "beats__ready": int((taken and whole) if there else 1)}
        if valid:
            pixel = [self._values[self._next + index] for index in range(self._size)]
            whole_copies = CONFIG.rows // self._size * self._size
            data = [pixel[bank % self._size] if bank < whole_copies else 0 for bank in range(CONFIG.rows)]
            out["port__payload"] = {**place["place"], "banks": -1, "data": data}
        if out["beats__ready"]:
            self._begin = end
        if taken:
            self._next = after
            self.done = last
            if not last:
                self._place = next(self._places, None)
                self.stuck = self._place is None
        return out


@dataclass
class _Weights:
    """Words of tiles, each of which begins with a beat."""

    job: dict
    ring: list[int]
    done: bool = False
    stuck: bool = False

    def __post_init__(self) -> None:
        self._bits = self._used = self._row = 0
        self._tiles, self._beats = self.job["count"], CONFIG.tile_beats

    def _data(self, word: int) -> list[dict]:
        bits, weights = CONFIG.code_bits, CONFIG.weights
        codes = [word >> bits * index & (1 << bits) - 1 for index in range(CONFIG.columns)]
        smallest = 1 << bits - 1 | weights.p_max - weights.p_min
        zero = self.job["zero_code"]
        return [{"q": code & (1 << bits - 1) - 1, "sign": code >> bits - 1, "zero": int(zero and code == smallest)}
                for code in codes]  # fmt: skip

    def cycle(self, now: _Cycle) -> dict:
        first, tile_last = self._row == 0, self._row == _TILE - 1
        last = tile_last and self._tiles == 1
        emit = self._used >= _WORD and not (first and not now.room) and not (last and now.full)
        out: dict = {"weight_write": {"en": int(emit)}, "take_room": int(emit and first),
                     "tile_done": int(emit and tile_last)}  # fmt: skip
        if emit:
            out["weight_write"] |= {
                "address": self.ring[0] * _TILE + self._row,
                "data": [self._data(self._bits)],
            }
            self._bits, self._used, self._row = self._bits >> _WORD, self._used - _WORD, self._row + 1
        if emit and tile_last:
            self._bits = self._used = self._row = 0
            self._beats, self._tiles = (0 if last else CONFIG.tile_beats), self._tiles - 1
            self.ring[0] = (self.ring[0] + 1) % CONFIG.weight_tiles
        ready = self._beats != 0 and self._used + _BUS <= _CAPACITY
        if now.beats:
            out["beats__ready"] = int(ready)
        if ready and now.beats:
            self._bits |= now.beat << self._used
            self._used, self._beats = self._used + _BUS, self._beats - 1
        self.done = emit and last
        return out


_CAPACITY = _WORD + _BUS - gcd(_WORD, _BUS)


@dataclass
class _Table:
    """Beats of a table, at addresses that follow each other."""

    job: dict
    done: bool = False
    stuck: bool = False

    def __post_init__(self) -> None:
        self._name, times, parts = _TABLES[self.job["kind"]]
        self._address = self.job["dest"] * times // parts
        self._left = -(-self.job["count"] * times // parts)

    def cycle(self, now: _Cycle) -> dict:
        last = self._left == 1
        write = now.beats and not (last and now.full)
        place = {"address": self._address, "data": now.beat}
        out: dict = {"beats__ready": int(write)}
        if self._name == "lane_write__en":
            out |= {"lane_write__en": int(write), "lane_write__address": self._address if write else None}
        else:
            out[self._name] = {"en": int(write), **(place if write else {})}
        self.done = write and last
        if write:
            self._address, self._left = self._address + 1, self._left - 1
        return out


_QUIET = {
    "push": 0, "port__valid": 0, "weight_write": {"en": 0}, "take_room": 0, "tile_done": 0, "lane_write__en": 0,
    "param_write": {"en": 0}, "ktile_write": {"en": 0},
}  # fmt: skip


def _draw(rng: Random) -> dict:
    kind = LoadKind(rng.randrange(6))
    count = near_power(rng, 16, 3)
    return {
        "kind": kind, "zero_code": rng.getrandbits(1), "channels": rng.choice([1, 2, 3, 4, rng.randrange(8)]),
        "push": rng.choice([0, 1, rng.getrandbits(len(Token))]), "dest": rng.getrandbits(16), "count": count,
        "first": rng.randrange(_ELEMENTS) if kind is LoadKind.INPUT else 0, "region": region(rng),
    }  # fmt: skip


def _work(job: dict, ring: list[int]) -> "_Map | _Input | _Weights | _Table":
    if job["kind"] is LoadKind.MAP:
        return _Map(job)
    if job["kind"] is LoadKind.INPUT:
        return _Input(job)
    return _Weights(job, ring) if job["kind"] is LoadKind.WEIGHTS else _Table(job)


@dataclass
class _Writer:
    """The job register, and the inputs of every cycle."""

    rng: Random
    ring: list[int] = field(default_factory=lambda: [0])
    work: "_Map | _Input | _Weights | _Table | None" = None
    limits: float = 0.0

    def cycle(self, hold: float) -> tuple[dict, dict]:
        """One cycle: what goes in, what comes out."""
        rng = self.rng
        at_limit = rng.getrandbits(5) if rng.random() < self.limits else 0
        room = rng.random() >= hold
        beats, ready, offered = (rng.random() >= hold for _ in range(3))
        beat, job = rng.getrandbits(_BUS), _draw(rng)
        while _work(job, self.ring).stuck:
            job = _draw(rng)
        out: dict = {**_QUIET, "beats__ready": 0, "busy": int(self.work is not None)}
        taking = self.work is None
        if self.work is not None:
            push = self.work.job["push"]
            del out["beats__ready"]
            out |= self.work.cycle(_Cycle(beats, beat, bool(push & at_limit), room, ready))
            taking = self.work.done
            out["push"] = push if taking else 0
        out["i__ready"] = int(taking)
        inputs = {
            "i__valid": int(offered), "i__payload": job, "beats__valid": int(beats), "beats__payload": beat,
            "at_limit": at_limit, "has_room": int(room), "port__ready": int(ready),
        }  # fmt: skip
        if taking:
            self.work = _work(job, self.ring) if offered else None
        return inputs, out


def _cycles(rng: Random, _part: int) -> Cycles:
    writer = _Writer(rng, limits=rng.choice([0, 0, 0.5]))
    hold = rng.choice([0.0, 0.2, 0.5])
    for _ in range(_LATER):
        yield writer.cycle(hold)
        if writer.work is not None and writer.work.stuck:
            return


_EARLY = early_bits(CONFIG)
_JOB = f"in_{_EARLY}", f"in_{job_layout(CONFIG).size - _EARLY}"  # of two drivers in the job queue
BLOCKS = (
    Block(
        "engine.loader.writer",
        {"i__payload": job_layout(CONFIG), "port__payload": load_request(CONFIG), "param_write": param_write(CONFIG),
         "ktile_write": ktile_write(CONFIG), "weight_write": weight_write(CONFIG)},
        _cycles, parts=500, names={"beats__payload": "i__payload"}, parted={"i__payload": _JOB},
    ),
)  # fmt: skip
