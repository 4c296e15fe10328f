"""Vectors of what counts and what is written: counters, tokens, registers, the beginning and end of runs."""

from dataclasses import dataclass, field
from random import Random

from hwshift.program.counters import COUNTER_BITS, COUNTERS
from hwshift.program.isa import ISA_VERSION, Token
from hwshift.program.registers import ADDRESS_BITS, REGISTER, REGISTERS, Access, ErrorCode
from hwshift.rtl.commands import ADDRESSES, settings_layout
from hwshift.timing import COMMAND_QUEUE, timing

from ...sim.cases import SMALL as CONFIG
from ..replay import Block, Cycles
from .bursts import near_power

_LIMIT = timing(CONFIG).token_limit
_TOKENS = len(Token)
_WORDS = 1 << ADDRESS_BITS - 2
_EVENTS = [item.name for item in COUNTERS if item.cause is None and item.name != "total"]


def _counters(rng: Random, _part: int) -> Cycles:
    """Counters that stand anywhere, cycles of every cause, and copies of them."""
    values = [
        rng.getrandbits(COUNTER_BITS) | rng.choice([0, (1 << rng.randrange(COUNTER_BITS)) - 1])
        for _ in COUNTERS
    ]
    copy: list[int] | None = None
    counted = happened = cause = 0
    deposit: dict | None = {f"{item.name}_value": value for item, value in zip(COUNTERS, values, strict=True)}
    yield {"enable": 0, "capture": 0, "clear": 0, "cause": 0, "events": 0}, {}
    for _ in range(30):
        now = [rng.random() < share for share in (0.8, 0.3, 0.03)]
        inputs = {"enable": int(now[0]), "capture": int(now[1]), "clear": int(now[2]),
                  "cause": rng.randrange(16), "events": rng.getrandbits(len(_EVENTS))}  # fmt: skip
        if deposit is not None:
            inputs["deposit"] = deposit
            deposit = None
        yield (
            inputs,
            {"values": None if copy is None else sum(v << COUNTER_BITS * i for i, v in enumerate(copy))},
        )
        following = []
        for item, value in zip(COUNTERS, values, strict=True):
            if item.cause is not None:
                one = cause == item.cause
            else:
                one = item.name == "total" or bool(happened >> _EVENTS.index(item.name) & 1)
            following.append((value + int(bool(counted) and one)) % (1 << COUNTER_BITS))
        copy = following if now[1] else copy
        values = [0] * len(values) if now[2] else following
        counted, cause, happened = inputs["enable"], inputs["cause"], inputs["events"]


def _tokens(rng: Random, _part: int) -> Cycles:
    """Each token is reserved where that is allowed, pushed later or at once, and popped where there is one."""
    there, owed = [0] * _TOKENS, [0] * _TOKENS
    rates = [rng.choice([(0.9, 0.9, 0.2), (0.5, 0.5, 0.5), (0.3, 0.9, 0.9), (1.0, 1.0, 1.0)]) for _ in there]
    for _ in range(200):
        masks = {"reserve": 0, "push": 0, "pop": 0}
        full = sum(1 << index for index, value in enumerate(owed) if value == _LIMIT)
        some = sum(1 << index for index, value in enumerate(there) if value)
        for index in range(_TOKENS):
            reserve, push, pop = (rng.random() < rate for rate in rates[index])
            reserve = reserve and owed[index] < _LIMIT
            pop = pop and there[index] > 0
            push = push and there[index] < owed[index] + reserve
            for name, value in (("reserve", reserve), ("push", push), ("pop", pop)):
                masks[name] |= int(value) << index
            owed[index] += reserve - pop
            there[index] += push - pop
        yield masks, {"available": some, "at_limit": full}


@dataclass
class _Registers:
    """What every register holds."""

    values: dict[str, int] = field(default_factory=dict)
    ran: int = 0
    """Whether a run came to its end in the cycle before: RUNS counts it now."""

    def __post_init__(self) -> None:
        fixed = {"ISA_VERSION": ISA_VERSION, "CONFIG_HASH": CONFIG.hash}
        self.values = {item.name: fixed.get(item.name, item.reset) or 0 for item in REGISTERS}
        self.at = {item.offset // 4: item for item in REGISTERS}

    def settings(self) -> dict[str, int]:
        both = {
            name: self.values[f"{name.upper()}_HI"] << 32 | self.values[f"{name.upper()}_LO"]
            for name in ADDRESSES
        }
        return both | {"program_count": self.values["PROGRAM_COUNT"]}

    def kept(self, name: str) -> int:
        mask = REGISTER[name].mask
        return mask & (1 << CONFIG.address_width - 32) - 1 if name.endswith("_HI") else mask


def _mask(rng: Random) -> int:
    strobes = rng.choice([0b1111, rng.getrandbits(4)])
    return sum(0xFF << 8 * byte for byte in range(4) if strobes >> byte & 1)


def _registers(rng: Random, part: int) -> Cycles:
    """Every address is read and written, mapped or not."""
    file = _Registers()
    reads, writes = rng.sample(range(_WORDS), _WORDS), rng.sample(range(_WORDS), _WORDS)
    known = list(file.at)
    answer: dict = {"access__read_data": None, "access__read_error": None}
    for cycle in range(_WORDS):
        read = reads[cycle] if part % 2 else rng.choice(known)
        address = writes[cycle] if part % 2 else rng.choice(known)
        write, data, mask = rng.random() < 0.8, rng.getrandbits(32), _mask(rng)
        status, ended, refused = (
            rng.getrandbits(32),
            rng.choice([0, 0, rng.getrandbits(3)]),
            rng.getrandbits(1),
        )
        counts = [rng.getrandbits(COUNTER_BITS) for _ in COUNTERS]
        inputs = {
            "access__write": int(write), "access__write_mask": mask, "access__write_address": address,
            "access__write_data": data, "access__read_address": read, "STATUS": status, "ended": ended,
            "refused": refused, "counters": sum(value << COUNTER_BITS * i for i, value in enumerate(counts)),
        }  # fmt: skip
        shown = file.values | {"STATUS": status}
        for index, item in enumerate(COUNTERS):
            shown[f"COUNT_{item.name.upper()}_LO"] = counts[index] & 0xFFFFFFFF
            shown[f"COUNT_{item.name.upper()}_HI"] = counts[index] >> 32
        strobes, error = _strobes(file, address, write, data & mask, bool(refused))
        pending = file.values["IRQ_STATUS"]
        yield inputs, {
            **answer, "access__write_error": error if write else None,
            "irq": int(bool(pending & file.values["IRQ_ENABLE"])), "settings": file.settings(),
            "watchdog": file.values["WATCHDOG"], "cycle_limit": file.values["CYCLE_LIMIT"], **strobes,
        }  # fmt: skip
        answer = {
            "access__read_data": shown[file.at[read].name] if read in file.at else 0,
            "access__read_error": int(read not in file.at),
        }
        _write(file, address, write, data, mask, ended)


def _strobes(file: _Registers, address: int, write: bool, written: int, refused: bool) -> tuple[dict, int]:
    """What a write of CONTROL asks for, and whether a write is answered with an error."""
    item = file.at.get(address)
    asked = dict.fromkeys(("start_request", "queue_request", "soft_reset", "snapshot"), 0)
    if item is None or item.access is Access.RO:
        return asked, 1
    if item.name != "CONTROL":
        return asked, 0
    bits = {
        name: written >> item.by_name[name].low & int(write)
        for name in ("start", "soft_reset", "queue", "snapshot")
    }
    soft = bits["soft_reset"]
    return {
        "soft_reset": soft, "snapshot": bits["snapshot"], "start_request": bits["start"] & ~soft & 1,
        "queue_request": bits["queue"] & ~bits["start"] & ~soft & 1,
    }, int(refused)  # fmt: skip


def _write(file: _Registers, address: int, write: bool, data: int, mask: int, ended: int) -> None:
    item, values = file.at.get(address), file.values
    if write and item is not None and item.access is Access.RW:
        values[item.name] = (values[item.name] & ~mask | data & mask) & file.kept(item.name)
    clear = data & mask if write and item is not None and item.name == "IRQ_STATUS" else 0
    values["IRQ_STATUS"] = values["IRQ_STATUS"] & ~clear & 7 | ended
    values["RUNS"] = (values["RUNS"] + file.ran) % (1 << 32)
    file.ran = ended & 1


_STATUS = REGISTER["STATUS"]


def _run(rng: Random, part: int) -> Cycles:
    """Runs that end in every way; in the first parts with a limit of one bit, counted towards from just below."""
    long = 1 << part // 2 if part < 64 else 0
    limits = {"watchdog": 0, "cycle_limit": 0}
    if long:
        limits[("watchdog", "cycle_limit")[part % 2]] = long
    state, flags, quiet, age = (
        "idle",
        dict.fromkeys(("done", "refused", "aborted", "undrained", "error"), 0),
        0,
        1,
    )
    rate = 0.0 if long else rng.choice([0.0, 0.02, 0.1])
    for cycle in range(20 if long else 150):
        if not long and rng.random() < 0.1:
            limits = {name: rng.choice([0, rng.randint(1, 9), near_power(rng, 32, 4)]) for name in limits}
        soft, error, done, drained = (int(rng.random() < rate) for _ in range(4))
        progress = int(not long and rng.random() < rng.choice([0.1, 0.8]))
        start = int(state == "idle" and not soft and (rng.random() < 0.4 or cycle == 0))
        queued, code = rng.choice([0, rng.randrange(5)]), rng.randint(1, 255)
        refused = int(rng.random() < 0.1)
        running, halting = state == "run", state == "halt"
        expired = limits["watchdog"] != 0 and quiet >= limits["watchdog"]
        late = limits["cycle_limit"] != 0 and age == limits["cycle_limit"]
        ended = 0
        if running and done and not error and not soft:
            ended = 1
        if halting and (drained or expired or soft):
            ended = (2 if flags["error"] else 0) | (4 if flags["aborted"] else 0)
        fields = flags | {
            "busy": int(state != "idle" or queued != 0),
            "queued": queued,
            "halting": int(halting),
        }
        deposit = {}
        if long and cycle == 2:
            quiet = age = max(2, long - 9)
            deposit = {"deposit": {"quiet": quiet, "age": age}}
            expired = limits["watchdog"] != 0 and quiet >= limits["watchdog"]
            late = limits["cycle_limit"] != 0 and age == limits["cycle_limit"]
        yield deposit | {
            "start": start, "refused": refused, "queued": queued, "soft_reset": soft, **limits, "done": done,
            "drained": drained, "error": error, "error_code": code, "progress": progress,
        }, {
            "ready": int(state == "idle" and not soft), "running": int(running), "halting": int(halting),
            "reset_engine": int(not (running or halting)), "ended": ended,
            "status": sum(fields[item.name] << item.low for item in _STATUS.fields),
        }  # fmt: skip
        active = running or halting
        quiet = 0 if progress or not active or expired else quiet + 1
        age = age + 1 if running else 1
        if start or (soft and state == "idle"):
            flags = dict.fromkeys(flags, 0)
        flags |= {"refused": 1} if refused else {}
        if state == "idle":
            state = "run" if start else "idle"
        elif running:
            if error:
                state, flags["error"] = "halt", code
            elif soft:
                state, flags["aborted"] = "halt", 1
            elif done:
                state, flags["done"] = "reset", 1
            elif expired:
                state, flags["error"] = "halt", int(ErrorCode.WATCHDOG)
            elif late:
                state, flags["error"] = "halt", int(ErrorCode.CYCLE_LIMIT)
        elif halting:
            if drained or expired or soft:
                state, flags["undrained"] = "reset", int(not drained)
        else:
            state = "idle"


def _commands(rng: Random, _part: int) -> Cycles:
    """Requests to start and to queue, runs that begin when they can, and now and then all is forgotten."""
    waiting: list[int] = []
    active: int | None = None
    rates = [rng.choice([0.1, 0.5, 0.9]) for _ in range(3)]
    bits = settings_layout(CONFIG).size
    for _ in range(100):
        start, queue, ready = (rng.random() < rate for rate in rates)
        queue, drop, between = queue and not start, rng.random() < 0.02, rng.random() < 0.5
        staged = rng.getrandbits(bits)
        at_once = ready and not waiting and (start or queue)
        pop = ready and bool(waiting)
        push = queue and not at_once and len(waiting) < COMMAND_QUEUE and not drop
        following = waiting[0] if waiting else staged
        yield {
            "staged": staged, "start_request": int(start), "queue_request": int(queue), "ready": int(ready),
            "between": int(between), "drop": int(drop),
        }, {
            "start": int(at_once or pop), "next": following, "active": active, "waiting": len(waiting),
            "refused": int((start or queue) and not at_once and not push),
        }  # fmt: skip
        active = following if between else active
        waiting = [*waiting[pop:], *([staged] if push else [])]
        waiting = [] if drop else waiting


BLOCKS = (
    Block("control.counters", {}, _counters, parts=100,
          deposits={f"{item.name}_value": COUNTER_BITS for item in COUNTERS}),
    Block("control.commands", {}, _commands, parts=60, names={"staged": "i__payload"}),
    Block("control.run", {}, _run, parts=150, deposits={"quiet": 32, "age": 32}),
    Block("control.registers", {"settings": settings_layout(CONFIG)}, _registers, parts=6),
    Block("engine.compute.tokens", {}, _tokens, parts=40),
)  # fmt: skip
