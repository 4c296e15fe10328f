"""Cycle model of the memory side: fetch, loader, storer, read master, write master.

One record holds the registers. `memory_cycle` is called once per cycle and mirrors the RTL handshake by
handshake: every function reads what other blocks' registers held at the start of the cycle, and levels that two
blocks share change at its end. What happened in the cycle stands in the fields of the first group.
"""

from math import gcd

import numpy as np
from numba import njit

from hwshift.config import AcceleratorConfig
from hwshift.program.isa import INSTRUCTION_BYTES, LoadKind
from hwshift.sim.cycle.axi_memory import (
    AR,
    AW,
    W,
    axi_accept_read,
    axi_held,
    axi_last_write,
    axi_open,
    axi_read_beat,
    axi_response,
)
from hwshift.sim.cycle.columns import F
from hwshift.sim.cycle.transfers import (
    ACTIVE,
    BEATS,
    BURST_COLUMNS,
    WALK_COLUMNS,
    begin_bursts,
    begin_walk,
    burst_is_last,
    next_burst,
    next_place,
    walk_half,
    walk_is_last,
)
from hwshift.timing import Timing

__all__ = ["MEMORY_STATE", "cycle_is_seen", "instructions_ready", "memory_cycle", "memory_idle", "new_memory_state",
           "wants_port_b"]  # fmt: skip

_MAP, _INPUT, _WEIGHTS = int(LoadKind.MAP), int(LoadKind.INPUT), int(LoadKind.WEIGHTS)
_PARAMS, _LANES = int(LoadKind.PARAMS), int(LoadKind.LANES)
_FETCH, _LOAD = 0, 1  # owners of read bursts
_LOADER, _STORER = 0, 1  # rows of ``bursts`` and ``walks``
_QUEUE = 16  # longer than any queue

_I = np.int64
MEMORY_STATE = np.dtype([
    # what happens in the cycle: queue pops, token masks, ring strobes
    ("load_pop", _I), ("store_pop", _I), ("load_tokens", _I), ("load_pushes", _I),
    ("store_tokens", _I), ("store_reserves", _I), ("store_pushes", _I), ("take_room", _I), ("tile_done", _I),
    # port B as a mask of halves: granted to the loader, to the storer
    ("load_half", _I), ("store_half", _I),
    # whether anything moves in the cycle, or waits for port B
    ("moves", _I),
    # totals, named after the counters
    ("fetch_beats", _I), ("load_beats", _I), ("store_beats", _I), ("read_bursts", _I), ("write_bursts", _I),
    # constants of the configuration
    ("beat_bytes", _I), ("instruction_beats", _I), ("vector_beats", _I), ("input_beats", _I), ("lane_beats", _I),
    ("param_beats", _I), ("tile_words", _I), ("tile_beats", _I), ("pixel_bits", _I),
    ("word", _I), ("beat", _I), ("capacity", _I),
    ("instruction_queue", _I), ("fetch_burst", _I), ("outstanding_reads", _I), ("outstanding_writes", _I),
    ("job_queue", _I),
    # fetch: instructions left to ask for, asked for and not popped, beats of the next one, instructions queued
    ("remaining", _I), ("owed", _I), ("collected", _I), ("queued", _I),
    # read master: AR register; bursts outstanding
    ("ar_valid", _I), ("ar_beats", _I), ("ar_owner", _I), ("reads", _I),
    # loader: addresses, job queue of program indices, data FIFO
    ("bursts", _I, (2, BURST_COLUMNS)), ("load_credit", _I), ("jobs", _I, _QUEUE), ("job_head", _I), ("job_level", _I),
    ("stored", _I), ("beat_valid", _I),
    # load writer: job register, places, beats of a table, gearbox
    ("busy", _I), ("job", _I), ("walks", _I, (2, WALK_COLUMNS)), ("table_left", _I),
    ("used", _I), ("tile_word", _I), ("tile_left", _I), ("tiles_left", _I),
    # storer: reads, data FIFO, tokens to push by burst
    ("reading", _I), ("store", _I), ("store_credit", _I), ("granted", _I), ("store_level", _I),
    ("pushes", _I, _QUEUE), ("push_head", _I), ("writes", _I),
    # write master: AW register; lengths of bursts whose beats go, and beats sent of the first
    ("aw_valid", _I), ("aw_beats", _I), ("lengths", _I, _QUEUE), ("length_head", _I), ("length_level", _I),
    ("w_sent", _I),
])  # fmt: skip


def new_memory_state(config: AcceleratorConfig, timing: Timing, instructions: int) -> np.ndarray:
    """Registers at cycle 0 of a run of ``instructions`` instructions, as an array of one record."""
    state = np.zeros(1, MEMORY_STATE)
    for name in (
        "beat_bytes",
        "vector_beats",
        "input_beats",
        "lane_beats",
        "param_beats",
        "tile_words",
        "tile_beats",
    ):
        state[name] = getattr(config, name)
    for name in ("instruction_queue", "fetch_burst", "job_queue"):
        state[name] = getattr(timing, name)
    state["outstanding_reads"], state["outstanding_writes"] = timing.read_bursts, timing.write_bursts
    state["pixel_bits"] = config.pixels.bit_length() - 1
    state["instruction_beats"] = INSTRUCTION_BYTES // config.beat_bytes
    unit = gcd(config.weight_word_bits, config.bus_width)
    state["word"], state["beat"] = config.weight_word_bits // unit, config.bus_width // unit
    state["capacity"] = state["word"] + state["beat"] - 1
    state["load_credit"], state["store_credit"] = timing.load_fifo, timing.store_fifo
    state["remaining"] = instructions
    return state


@njit(cache=True)
def instructions_ready(s):
    """Instructions that can be popped."""
    return s.queued


@njit(cache=True)
def memory_idle(s):
    """Whether loader and storer have nothing left to do but what waits in the load and the store queue."""
    loader = s.bursts[_LOADER, ACTIVE] == 0 and s.job_level == 0 and s.busy == 0
    return loader and s.bursts[_STORER, ACTIVE] == 0 and s.reading == 0 and s.writes == 0


@njit(cache=True)
def wants_port_b(s, program):
    """Whether loader or storer may ask for port B in the next cycle."""
    kind = program[s.job, F.kind]
    return s.reading == 1 or (s.busy == 1 and (kind == _MAP or kind == _INPUT))


@njit(cache=True)
def cycle_is_seen(s):
    """Whether the compute side sees anything of the cycle, instructions that arrive apart."""
    tokens = s.load_pushes | s.store_reserves | s.store_pushes
    return (s.load_pop | s.store_pop | s.take_room | s.tile_done | tokens) != 0


@njit(cache=True)
def _fetch_asks(s):
    """Instructions of the burst that fetch asks for, 0 if none."""
    asked = min(s.remaining, s.fetch_burst)
    return asked if s.owed + asked <= s.instruction_queue else 0


@njit(cache=True)
def _decide_read(s, m, held, cycle):
    """AR: the register's handshake, and what is taken into it. Returns instructions and beats of load asked for."""
    handshake = s.ar_valid == 1 and axi_open(held, AR)
    if handshake:
        axi_accept_read(m, s.ar_beats, s.ar_owner, cycle)
        s.read_bursts += 1
        s.moves = 1
    if (s.ar_valid == 1 and not handshake) or s.reads == s.outstanding_reads:
        s.ar_valid = 1 if s.ar_valid == 1 and not handshake else 0
        return 0, 0
    asked, beats = _fetch_asks(s), 0
    bursts = s.bursts[_LOADER]
    if asked == 0 and bursts[ACTIVE] == 1:
        beats = bursts[BEATS] if bursts[BEATS] <= s.load_credit else 0
    s.ar_valid = 1 if asked + beats > 0 else 0
    s.moves |= s.ar_valid
    if asked > 0:
        s.ar_beats, s.ar_owner = asked * s.instruction_beats, _FETCH
    elif beats > 0:
        s.ar_beats, s.ar_owner = beats, _LOAD
        next_burst(bursts, s.beat_bytes)
    return asked, beats


@njit(cache=True)
def _gearbox(s, program, at_limit, room):
    """One cycle of a WEIGHTS job: returns whether a beat is taken, whether the job ends."""
    first, tile_last = s.tile_word == 0, s.tile_word == s.tile_words - 1
    last = tile_last and s.tiles_left == 1
    emit = s.used >= s.word and not (first and room == 0) and not (last and program[s.job, F.push] & at_limit)
    tile_ends = emit and tile_last
    more = s.tile_left != 0
    if tile_ends:
        s.used, s.tile_word = 0, 0
        s.tiles_left -= 1
        more = s.tiles_left != 0
        s.tile_left = s.tile_beats if more else 0
    elif emit:
        s.used -= s.word
        s.tile_word += 1
    accept = s.beat_valid == 1 and more and s.used + s.beat <= s.capacity
    if accept:
        s.used += s.beat
        s.tile_left -= 1
    s.take_room, s.tile_done = 1 if emit and first else 0, 1 if tile_ends else 0
    s.moves |= emit
    return accept, tile_ends and last


@njit(cache=True)
def _begin_job(s, program):
    """The head of the job queue goes into the job register."""
    s.busy = 1 if s.job_level > 0 else 0
    if s.busy == 0:
        return
    s.job = s.jobs[s.job_head]
    kind, count = program[s.job, F.kind], program[s.job, F.count]
    if kind == _MAP:
        begin_walk(s.walks[_LOADER], program, s.job, s.vector_beats, program[s.job, F.slots])
    elif kind == _INPUT:
        begin_walk(s.walks[_LOADER], program, s.job, s.input_beats, 1)
    elif kind == _WEIGHTS:
        s.tile_word, s.tile_left, s.tiles_left = 0, s.tile_beats, count
    elif kind == _PARAMS:
        s.table_left = count * s.param_beats
    elif kind == _LANES:
        s.table_left = count * s.lane_beats
    else:
        s.table_left = -(-count * 4 // s.beat_bytes)


@njit(cache=True)
def _write_loads(s, program, at_limit, room, blocked):
    """Load writer. Returns whether it takes a beat, whether it takes a job, and the half it asks port B for."""
    taken, end, half = False, False, 0
    if s.busy == 1:
        kind, full = program[s.job, F.kind], (program[s.job, F.push] & at_limit) != 0
        if kind == _WEIGHTS:
            taken, end = _gearbox(s, program, at_limit, room)
        elif s.beat_valid == 1 and (kind == _MAP or kind == _INPUT):
            walk = s.walks[_LOADER]
            last = walk_is_last(walk)
            if not (last and full):
                half = walk_half(walk, s.pixel_bits)
                taken = (half & blocked) == 0
                s.moves = 1
            if taken:
                s.load_half, end = half, last
                next_place(walk)
        elif s.beat_valid == 1 and not (s.table_left == 1 and full):
            taken, end = True, s.table_left == 1
            s.table_left -= 1
    if end:
        s.load_pushes = program[s.job, F.push]
    if s.busy == 1 and not end:
        return taken, False, half
    _begin_job(s, program)
    return taken, s.busy == 1, half


@njit(cache=True)
def _read_stores(s, blocked):
    """Storer: one beat from port B if it may."""
    if s.reading == 0 or s.store_credit == 0:
        return False
    walk = s.walks[_STORER]
    half = walk_half(walk, s.pixel_bits)
    s.moves = 1
    if half & blocked:
        return False
    s.store_half = half
    s.reading = 0 if walk_is_last(walk) else 1
    next_place(walk)
    return True


@njit(cache=True)
def _decide_write(s, program, at_limit, held):
    """AW: the register's handshake, and the burst that is taken into it. Returns whether each happened."""
    handshake = s.aw_valid == 1 and axi_open(held, AW)
    if handshake:
        s.lengths[(s.length_head + s.length_level) % _QUEUE] = s.aw_beats
        s.write_bursts += 1
    if s.aw_valid == 1 and not handshake:
        return False, False
    s.aw_valid = 0
    bursts = s.bursts[_STORER]
    if bursts[ACTIVE] == 0 or s.writes == s.outstanding_writes:
        return handshake, False
    push = program[s.store, F.push] if burst_is_last(bursts) else 0
    if push & at_limit:
        return handshake, False
    s.aw_valid, s.aw_beats, s.store_reserves = 1, bursts[BEATS], push
    s.pushes[(s.push_head + s.writes) % _QUEUE] = push
    next_burst(bursts, s.beat_bytes)
    return handshake, True


@njit(cache=True)
def _send_write(s, m, held, cycle):
    """W: returns whether a beat goes, whether it is the last of its burst."""
    if s.length_level == 0 or s.store_level == 0 or not axi_open(held, W):
        return False, False
    s.store_beats += 1
    s.w_sent += 1
    last = s.w_sent == s.lengths[s.length_head]
    if last:
        s.w_sent = 0
        axi_last_write(m, cycle)
    return True, last


@njit(cache=True)
def _fetch_and_read(s, m, held, cycle, fetched_pop, beat_taken):
    """Read master, fetch, the loader's addresses and its data FIFO."""
    beat = axi_read_beat(m, held, cycle)
    asked, load_beats = _decide_read(s, m, held, cycle)
    s.remaining -= asked
    s.owed += asked - fetched_pop
    s.queued -= fetched_pop
    s.load_credit += beat_taken - load_beats
    s.reads += (1 if asked + load_beats > 0 else 0) - (1 if beat >= 0 and beat & 1 else 0)
    arrived = 0
    if beat >> 1 == _FETCH:
        s.fetch_beats += 1
        s.collected += 1
        if s.collected == s.instruction_beats:
            s.collected = 0
            s.queued += 1
    elif beat >> 1 == _LOAD:
        s.load_beats += 1
        arrived = 1
    ahead = s.stored > 0 and (s.beat_valid == 0 or beat_taken)
    s.moves |= beat >= 0 or ahead or beat_taken
    s.stored += arrived - ahead
    s.beat_valid = 1 if ahead or (s.beat_valid == 1 and not beat_taken) else 0


@njit(cache=True)
def _write_stores(s, m, program, held, cycle, at_limit, blocked):
    """Storer and write master."""
    response = axi_response(m, held, cycle)
    sent, last = _send_write(s, m, held, cycle)
    granted = _read_stores(s, blocked)
    handshake, decided = _decide_write(s, program, at_limit, held)
    if response:
        s.store_pushes = s.pushes[s.push_head]
        s.push_head = (s.push_head + 1) % _QUEUE
    s.writes += decided - response
    s.length_head = (s.length_head + last) % _QUEUE
    s.length_level += handshake - last
    s.store_credit += sent - granted
    s.store_level += s.granted - sent
    s.moves |= response or sent or handshake or decided or s.granted
    s.granted = 1 if granted else 0


@njit(cache=True)
def memory_cycle(
    s, m, program, stalls, cycle, load_head, store_head, fetched_pop, available, at_limit, room, blocked
):
    """One cycle of the memory side; `cycle_is_seen` says whether it matters to the compute side.

    ``moves`` is 0 afterwards if the next cycle is the same: as long as no other input changes and, if nothing is
    held up, for the cycles of `axi_rest`.

    Parameters
    ----------
    s, m : records of `MEMORY_STATE` and `AXI_STATE`
    program : ndarray of int64
        From `program_table`.
    stalls : ndarray of uint8, shape (length,)
        `StallPattern.masks`.
    cycle : int
        0 is the first cycle of the run.
    load_head, store_head : int
        Program index of the head of the load and the store queue, -1 if it is empty.
    fetched_pop : int
        1 if the head of the instruction queue is popped in this cycle.
    available, at_limit : int
        Masks of the token counters above zero and at their limits.
    room : int
        Ring tiles the loader may start.
    blocked : int
        Mask of the halves of port B that the epilogue uses.
    """
    s.load_tokens, s.load_pushes, s.store_tokens, s.store_reserves, s.store_pushes = 0, 0, 0, 0, 0
    s.take_room, s.tile_done, s.load_half, s.store_half = 0, 0, 0, 0
    s.load_pop, s.store_pop, s.moves = 0, 0, 0
    held = axi_held(stalls, cycle)
    if load_head >= 0 and s.bursts[_LOADER, ACTIVE] == 0 and s.job_level < s.job_queue:
        s.load_pop = (program[load_head, F.pop] & ~available) == 0
    if store_head >= 0 and s.bursts[_STORER, ACTIVE] == 0 and s.reading == 0:
        s.store_pop = (program[store_head, F.pop] & ~available) == 0
    beat_taken, job_taken, half = _write_loads(s, program, at_limit, room, blocked)
    _fetch_and_read(s, m, held, cycle, fetched_pop, beat_taken)
    _write_stores(s, m, program, held, cycle, at_limit, blocked | half)
    s.job_head = (s.job_head + job_taken) % _QUEUE
    s.moves |= job_taken | s.load_pop | s.store_pop
    if s.load_pop:
        s.load_tokens = program[load_head, F.pop]
        begin_bursts(s.bursts[_LOADER], program, load_head, s.beat_bytes)
        s.jobs[(s.job_head + s.job_level - job_taken) % _QUEUE] = load_head
    s.job_level += s.load_pop - job_taken
    if s.store_pop:
        s.store, s.store_tokens = store_head, program[store_head, F.pop]
        begin_bursts(s.bursts[_STORER], program, store_head, s.beat_bytes)
        begin_walk(s.walks[_STORER], program, store_head, s.vector_beats, program[store_head, F.slots])
        s.reading = 1
