"""Vectors of dispatch, weight fetcher and sequencer, against models of their contracts by the cycle."""

from dataclasses import dataclass, field
from random import Random

from hwshift.program import isa
from hwshift.program.counters import Cause
from hwshift.program.isa import Opcode
from hwshift.program.registers import ErrorCode
from hwshift.rtl.dispatch import weight_record
from hwshift.rtl.interfaces import step_layout, weight_command
from hwshift.rtl.pass_generator import CONSTANTS, pass_layout
from hwshift.timing import timing

from ...sim.cases import SMALL as CONFIG
from ..replay import Block, Cycles
from .bursts import near_power
from .passes import drawn, word

_TIMES = timing(CONFIG)
_TILES, _WORDS = CONFIG.weight_tiles, CONFIG.tile_words


def _header(rng: Random) -> dict[str, int]:
    """A header that is right, or wrong in one or two bits of one field."""
    fields = {
        "opcode": Opcode.HEADER,
        "version": isa.ISA_VERSION,
        "magic": isa.MAGIC,
        "config_hash": CONFIG.hash,
    }
    if rng.random() < 0.8:
        name = rng.choice(["version", "magic", "config_hash"])
        width = isa.HEADER.by_name[name].width
        fields[name] ^= 1 << rng.randrange(width) | 1 << rng.randrange(width)
    return fields


def _dispatch(rng: Random, _part: int) -> Cycles:
    """Any word, as it comes: what it is for, and whether there is room."""
    late: dict = {"error": 0}
    for _ in range(200):
        code = rng.randrange(16)
        layout = isa.FORMATS.get(Opcode(code)) if code in list(Opcode) else None
        fields = _header(rng) if code == Opcode.HEADER else {"opcode": code}
        payload = word(rng, layout or isa.END, fields)
        load, compute, store, weight = (int(rng.random() < 0.7) for _ in range(4))
        valid = int(rng.random() < 0.9)
        out = dict.fromkeys(
            ("i__ready", "load__valid", "compute__valid", "store__valid", "weight__valid", "end", "error"), 0
        )
        if valid:
            out |= _target(code, fields, load, compute, store, weight)
        if out["weight__valid"]:
            record = isa.COMPUTE.unpack(payload)
            out["weight__payload"] = {name: record[name] for name in weight_record().members}  # type: ignore[assignment]
        inputs = {"i__valid": valid, "i__payload": payload, "load__ready": load, "compute__ready": compute,
                  "store__ready": store, "weight__ready": weight}  # fmt: skip
        # an error is told a cycle later
        found = {name: out.pop(name, None) for name in ("error", "error_code")}
        yield inputs, out | late
        late = found | {"error": found["error"] or 0}


def _target(code: int, fields: dict, load: int, compute: int, store: int, weight: int) -> dict[str, int]:
    if code == Opcode.END:
        return {"end": 1}
    if code == Opcode.HEADER:
        if fields["magic"] != isa.MAGIC or fields["version"] != isa.ISA_VERSION:
            return {"i__ready": 1, "error": 1, "error_code": ErrorCode.BAD_HEADER}
        wrong = fields["config_hash"] != CONFIG.hash
        return {"i__ready": 1, "error": int(wrong)} | (
            {"error_code": ErrorCode.CONFIG_MISMATCH} if wrong else {}
        )
    if code == Opcode.LOAD:
        return {"load__valid": 1, "i__ready": load}
    if code in (Opcode.DESCRIPTOR, Opcode.ACTIVATION):
        return {"compute__valid": 1, "i__ready": compute}
    if code == Opcode.COMPUTE:
        return dict.fromkeys(("compute__valid", "weight__valid", "i__ready"), compute & weight)
    if code == Opcode.STORE:
        return {"store__valid": 1, "i__ready": store}
    return {"error": 1, "error_code": ErrorCode.BAD_OPCODE}


def _record(rng: Random) -> dict[str, int]:
    keep = rng.getrandbits(1)
    counts = [rng.randint(1, _TILES), rng.randint(1, 3), rng.randint(1, 3)]
    if rng.random() < 0.3:
        counts = [near_power(rng, 16, 3) for _ in range(3)]
    elif rng.random() < 0.3:
        counts = [1, 1, 1]
        counts[rng.randrange(3)] = rng.randint(1, 20)
    offset = rng.choice([0, 1, 2, 1 << rng.randrange(16)]) if keep else 0
    return dict(zip(("ktile_count", "tiles", "chunks"), counts, strict=True)) | {
        "weight_offset": offset, "hold_weights": int(rng.random() < 0.2), "keep_weights": keep,
    }  # fmt: skip


def _reads(record: dict[str, int]):
    """Of every tile that an instruction reads: its place from the head, None for the head itself, which it frees.

    With what counters have to hold then, whose ends no run reaches.
    """
    if record["hold_weights"]:
        yield record["weight_offset"] if record["keep_weights"] else None, {}
        return
    for tile in range(record["tiles"]):
        for chunk in range(record["chunks"]):
            for ktile in range(record["ktile_count"]):
                if record["keep_weights"]:
                    place = record["weight_offset"] + tile * record["ktile_count"] + ktile
                else:
                    place = None if chunk == record["chunks"] - 1 else ktile
                left = {"ktile_left": record["ktile_count"] - ktile, "chunk_left": record["chunks"] - chunk,
                        "tile_left": record["tiles"] - tile}  # fmt: skip
                yield place, left if place is None else left | {"ahead": place % (1 << 16)}


def _weights(rng: Random, _part: int) -> Cycles:
    """A loader that fills the ring, a sequencer that takes tiles."""
    reads, wanted, busy = iter(()), None, False  # type: ignore[var-annotated]
    counters: dict[str, int] = {}
    full = loading = row = head = there = 0
    room, writing, freed = _TILES, False, [0] * (_TIMES.weight_release - 1)
    quick = rng.choice([0.2, 0.8, 1.0])
    for _ in range(120):
        record, offered = _record(rng), rng.random() < 0.9
        take = int(bool(full) and rng.random() < quick)
        begin = int(not writing and room > 0 and rng.random() < 0.7)
        finish = int((writing or (begin and _WORDS == 1)) and rng.random() < 0.5)
        ready = busy and (there > 0 if wanted is None else wanted < there)
        valid = bool(loading or ((not full or take) and ready))
        last_row = loading and row == _WORDS - 1
        following, then = next(reads, ("none", {})) if last_row else ("none", {})
        done = last_row and following == "none"
        command = {"tile": (head + (wanted or 0)) % _TILES, "row": row} if valid else None
        yield {
            "i__valid": int(offered), "i__payload": record, "take": take, "take_room": begin, "tile_done": finish,
        }, {
            "i__ready": int(not busy or done), "command_valid": int(valid), "command": command, "full": full,
            "loading": loading, "room": room, "has_room": int(room > 0), "watch": counters,
        }  # fmt: skip
        release = int(last_row and wanted is None)
        freed.append(release)
        room += freed.pop(0) - begin
        there += finish - release
        head = (head + release) % _TILES
        writing = (writing or bool(begin)) and not finish
        if last_row:
            full, loading, row, wanted, counters = 1, 0, 0, following, then
        elif valid:
            full, loading, row = 0, 1, row + 1
        elif take:
            full = 0
        if not busy or done:
            busy = offered
            reads = _reads(record)
            wanted, counters = next(reads) if offered else (None, {})


@dataclass
class _Steps:
    """What the sequencer knows: the current pass and where it is, rows of output and residual, last steps issued."""

    item: dict | None = None
    row: int = 0
    column: int = 0
    rows: dict[str, int] = field(default_factory=lambda: {"out": 0, "res": 0})
    wrote: list[tuple[int, int]] = field(default_factory=list)
    """Cycle and half of the last steps issued."""


_SHORT, _MANY = 150, 500
_SAME = ("base", "length", "height", "width", "stride_x", "relu_fetch", "pad_min", "maximum", "first", "last",
         "residual_act", "residual", "act", "group", "columns", "param", "lane_row")  # fmt: skip
_OUTPUT = [name for name in CONSTANTS if name.startswith(("out_", "res_"))]


def _pass(rng: Random, before: dict | None) -> dict[str, int]:
    """A pass with offsets below lengths; output and residual rows go on, except in a first chunk."""
    fields = drawn(rng, isa.COMPUTE)
    item = {name: fields[name] for name in CONSTANTS} | {
        "offset": 0, "ktile_offset": rng.getrandbits(16), "base": rng.getrandbits(16),
        "length": rng.choice([rng.randint(1, 0xFFFF), 1 << rng.randrange(16), rng.randint(1, 9)]),
        "lane_row": rng.getrandbits(12), "y": rng.getrandbits(18), "rows": rng.randint(1, 3),
        "first": rng.getrandbits(1), "last": int(rng.random() < 0.7), "swap": rng.getrandbits(1),
        "chunk_start": int(before is None or rng.random() < 0.3), "final": int(rng.random() < 0.3),
        "drain": int(rng.random() < 0.2), "out_slot": rng.getrandbits(16), "res_slot": rng.getrandbits(16),
        "group": 0, "param": rng.getrandbits(12), "columns": rng.getrandbits(CONFIG.columns),
        "steps": rng.randint(1, 4), "push": rng.choice([0, rng.getrandbits(5)]), "row_step": 0,
    }  # fmt: skip
    if rng.random() < 0.3:
        item |= {"rows": near_power(rng, 16, 2), "steps": near_power(rng, 16, 2)}
    for prefix in ("", "out_", "res_"):
        length = item[f"{prefix}length"] = max(1, item[f"{prefix}length"])
        if prefix and rng.random() < 0.3:
            length = item[f"{prefix}length"] = rng.choice([rng.randint(1, 9), 1 << rng.randrange(16)])
        item[f"{prefix}offset"] = rng.choice([0, length - 1, rng.randrange(length)])
        item[f"{prefix}row_step"] = rng.choice([0, length - 1, rng.randrange(length), length // 2])
    if before is not None and not item["chunk_start"]:
        item |= {name: before[name] for name in _OUTPUT}
    return item


def _step(now: _Steps, item: dict, end: bool) -> dict:
    """What goes down the pipeline; of output and residual, what a last step needs."""
    pixel = item["out_x0"] + now.column * item["out_step"]
    count = item["last_pixels"] if end else item["out_step"]
    step = {name: item[name] for name in _SAME} | {
        "offset": (item["offset"] + now.row * item["row_step"]) % item["length"] + item["ktile_offset"],
        "y": item["y"] + now.row * item["stride_y"], "x": item["x0"] + now.column * item["x_step"],
        "acc": now.row * item["steps"] + now.column, "swap": int(item["swap"] and now.row == now.column == 0),
    }  # fmt: skip
    step |= dict.fromkeys(("acc",), step["acc"] % CONFIG.acc_depth)
    if not item["last"]:
        return step
    pixel %= 1 << 16
    for name in ("out", "res"):
        step |= {f"{name}_sum": now.rows[name] + item[f"{name}_slot"] + pixel // CONFIG.sub_banks,
                 f"{name}_base": item[f"{name}_base"], f"{name}_length": item[f"{name}_length"]}  # fmt: skip
    lanes = sum(1 << lane for lane in range(CONFIG.pixels) if count > lane)
    return step | {
        "half": pixel % CONFIG.sub_banks // CONFIG.pixels,
        "lane0": pixel % CONFIG.pixels,
        "pixels": lanes,
    }


def _sequencer(rng: Random, part: int) -> Cycles:
    """Passes as they come; in the last parts such whose rows or steps are many."""
    now, pushes, before = _Steps(), [0] * (_TIMES.retire - 1), None
    long = part >= _SHORT
    rates = [0.0 if long else rng.choice([0.0, 0.0, 0.3]) for _ in range(4)]
    for cycle in range(_MANY if long else 100):
        coming, offered = _pass(rng, before), rng.random() < 0.9
        if long:
            coming |= {"rows": 1, "steps": 1} | {rng.choice(["rows", "steps"]): rng.randint(1, _MANY)}
        halt, empty, limited, loading = (int(rng.random() < rate) for rate in rates)
        at_limit = rng.getrandbits(5) if limited else 0
        front = {name: rng.getrandbits(1) for name in ("tail", "wait_load", "wait_store", "front_empty")}
        if not offered:  # stale rows would be those of no pass
            coming["chunk_start"] = 0
        inputs = {"i__valid": int(offered), "i__payload": coming, "weights_full": 1 - empty,
                  "weights_loading": loading, "at_limit": at_limit, "halt": halt, **front}  # fmt: skip
        issue, end, last, out = False, False, False, {}
        if now.item is None:
            cause = _idle(front, offered)
        else:
            item = now.item
            end = now.column == item["steps"] - 1
            last = end and now.row == item["rows"] - 1
            cause = _why(now, item, cycle, last, at_limit, bool(empty), bool(loading))
            issue = cause is Cause.BUSY and not halt
            if issue:
                out["step"] = _step(now, item, end)
        item = now.item or {}
        first = now.row == now.column == 0
        reserved = item["push"] if issue and last and item["final"] else 0
        taken = now.item is None or (issue and last)
        settled = not now.wrote or cycle - now.wrote[-1][0] >= _TIMES.retire
        yield inputs, out | {
            "issue": int(issue), "cause": Cause.TAIL if halt else cause, "reserve": reserved,
            f"push_{_TIMES.retire - 1}": pushes[0],
            "take": int(issue and first and bool(item["swap"])), "_take": int(taken),
            "quiet": int(now.item is None and not offered and settled),
        }  # fmt: skip
        pushes = [*pushes[1:], reserved]
        if issue:
            _advance(now, item, cycle, end)
        if taken:
            now.item, now.row, now.column = (coming if offered else None), 0, 0
            if offered:
                before = coming
            if coming["chunk_start"]:
                now.rows = {name: coming[f"{name}_offset"] for name in now.rows}


def _advance(now: _Steps, item: dict, cycle: int, end: bool) -> None:
    if item["last"]:
        pixel = (item["out_x0"] + now.column * item["out_step"]) % (1 << 16)
        now.wrote.append((cycle, pixel % CONFIG.sub_banks // CONFIG.pixels))
        if end:
            now.rows = {
                name: (now.rows[name] + item[f"{name}_row_step"]) % item[f"{name}_length"]
                for name in now.rows
            }
    now.row, now.column = (now.row + 1, 0) if end else (now.row, now.column + 1)


def _idle(front: dict[str, int], offered: bool) -> Cause:
    if front["tail"] and not offered:
        return Cause.TAIL
    if front["wait_load"]:
        return Cause.WAIT_LOAD
    if front["wait_store"]:
        return Cause.WAIT_STORE
    return Cause.FETCH if front["front_empty"] and not offered else Cause.SETUP


def _why(now: _Steps, item: dict, cycle: int, last: bool, at_limit: int, empty: bool, loading: bool) -> Cause:
    first = now.row == now.column == 0
    pixel = (item["out_x0"] + now.column * item["out_step"]) % (1 << 16)
    half = pixel % CONFIG.sub_banks // CONFIG.pixels
    if first and item["drain"] and now.wrote and cycle - now.wrote[-1][0] < _TIMES.raw_distance:
        return Cause.DRAIN
    if first and item["swap"] and empty:
        return Cause.WEIGHT_LOAD if loading else Cause.WEIGHT_WAIT
    if item["final"] and last and item["push"] & at_limit:
        return Cause.TOKEN_FULL
    distance = _TIMES.write_stage - _TIMES.residual_stage
    if item["last"] and item["residual"] and (cycle - distance, half) in now.wrote:
        return Cause.PORT
    return Cause.BUSY


BLOCKS = (
    Block("engine.compute.dispatch", {"weight__payload": weight_record()}, _dispatch, parts=20,
          parted={"i__payload": ("in_17", "in_495")}),
    Block("engine.compute.weights", {"i__payload": weight_record(), "command": weight_command(CONFIG)},
          _weights, parts=120, watched=dict.fromkeys(("ktile_left", "chunk_left", "tile_left", "ahead"), 16)),
    Block("engine.compute.sequencer", {"i__payload": pass_layout(CONFIG), "step": step_layout(CONFIG)},
          _sequencer, parts=_SHORT + 6),
)  # fmt: skip
