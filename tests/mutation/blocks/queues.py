"""Vectors of the queues: any entries, against a list."""

from random import Random

from hwshift.program.isa import LOAD, STORE
from hwshift.rtl.instruction import EARLY
from hwshift.rtl.load_writer import early_bits
from hwshift.timing import COMMAND_QUEUE, timing

from ...sim.cases import SMALL as CONFIG
from ..replay import Block, Cycles

_TIMES = timing(CONFIG)
_CYCLES = 60
_NARROW = ("read_master.owners", "storer.pushes", "storer.fifo", "write_master.lengths")
"""Those whose users keep an account, so that they have no ``i.ready``."""


def _queue(rng: Random, depth: int, width: int, ready: bool, name: str) -> Cycles:
    entries: list[int] = []
    filling, emptying = rng.choice([(1.0, 0.3), (0.5, 0.5), (0.3, 1.0), (1.0, 1.0)])
    for _ in range(_CYCLES):
        push, pop, entry = rng.random() < filling, rng.random() < emptying, rng.getrandbits(width)
        room = len(entries) < depth
        push = push and (room or ready)
        out: dict = {"o__valid": int(bool(entries)), "o__payload": entries[0] if entries else None}
        if ready:
            out["i__ready"] = int(room)
        yield {"i__valid": int(push), name: entry, "o__ready": int(pop)}, out
        if entries and pop:
            entries.pop(0)
        if push and room:
            entries.append(entry)


def _block_queue(rng: Random, depth: int, width: int) -> Cycles:
    """An entry is there two cycles after it was pushed; one more than the depth fits. Its users keep an account."""
    stored: list[tuple[int, int]] = []
    head: int | None = None
    filling, emptying = rng.choice([(1.0, 0.1), (0.5, 0.5), (1.0, 1.0)])
    for cycle in range(_CYCLES if rng.random() < 0.8 else 2 * depth):
        push, pop, entry = rng.random() < filling, rng.random() < emptying, rng.getrandbits(width)
        push = push and len(stored) < depth
        inputs = {"i__valid": int(push), "i__payload": entry, "o__ready": int(pop)}
        yield inputs, {"o__valid": int(head is not None), "o__payload": head}
        if head is None or pop:
            head = stored.pop(0)[1] if stored and stored[0][0] < cycle else None
        if push:
            stored.append((cycle, entry))


def _of(module: str, depth: int, width: int, early: int = 0, before: int = 0) -> Block:
    """A queue with ``early`` low bits in registers, as ``before`` of what comes are in the queue before it."""
    ready, name = not module.endswith(_NARROW), "write__data"
    cut = {"o__payload": ("early", f"out_{width - early}")} if early else {}
    if before:
        cut[name] = f"in_{before}", f"in_{width - before}"
    return Block(
        f"engine.{module}", {}, lambda rng, _part: _queue(rng, depth, width, ready, name), 40, parted=cut
    )


def _commands(rng: Random, _part: int) -> Cycles:
    """A queue that can be emptied at once."""
    for _ in range(10):
        cycles = _queue(rng, COMMAND_QUEUE, 272, True, "write__data")
        for _ in range(rng.randint(1, _CYCLES)):
            if (found := next(cycles, None)) is None:
                break
            yield found[0] | {"drop": 0}, found[1]
        yield {"drop": 1}, {}


BLOCKS = (
    Block("control.commands.queue", {}, _commands, parts=20),
    _of("compute.compute_queue", _TIMES.unit_queue, 512, EARLY, EARLY),
    _of("compute.load_queue", _TIMES.unit_queue, 512, LOAD.offsets["base"], EARLY),
    _of("compute.store_queue", _TIMES.unit_queue, 512, STORE.offsets["last_lanes"], EARLY),
    _of("compute.pass_queue", _TIMES.pass_queue, 433),
    _of("compute.weight_queue", _TIMES.weight_queue, 66),
    _of("loader.jobs", _TIMES.job_queue, 189, early_bits(CONFIG)),
    _of("storer.fifo", _TIMES.store_fifo, CONFIG.bus_width),
    _of("storer.pushes", _TIMES.write_bursts, 5),
    _of("read_master.owners", _TIMES.read_bursts, 1),
    _of("write_master.lengths", _TIMES.write_bursts, 7),
    Block(
        "engine.loader.fifo",
        {},
        lambda rng, _part: _block_queue(rng, _TIMES.load_fifo, CONFIG.bus_width),
        parts=30,
    ),
)
