"""Cycle model of the memory side: fetch, loader, storer, read master, write master.

One record holds the registers. `memory_cycle` is called once per cycle and mirrors the RTL handshake by
handshake: every function reads what other blocks' registers held at the start of the cycle, and levels that two
blocks share change at its end. What happened in the cycle stands in the fields of the first group.
"""

from hwshift.sim.compiled import bare_njit as njit
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
    axi_rest,
)
from hwshift.sim.cycle.columns import F
from hwshift.sim.cycle.load_writer import write_load
from hwshift.sim.cycle.memory_state import LOADER, QUEUE, STORER
from hwshift.sim.cycle.transfers import (
    ACTIVE,
    BEATS,
    begin_bursts,
    begin_walk,
    burst_is_last,
    next_burst,
    next_place,
    walk_half,
    walk_is_last,
)

__all__ = ["cycle_is_seen", "instructions_ready", "load_fifo", "memory_cycle", "memory_idle", "memory_rests",
           "move_stores"]  # fmt: skip

_FETCH, _LOAD = 0, 1  # owners of read bursts


@njit(cache=True, forceinline=True)
def instructions_ready(s):
    """Instructions that can be popped."""
    return s.queued


@njit(cache=True, forceinline=True)
def memory_idle(s):
    """Whether loader and storer have nothing left to do but what waits in the load and the store queue."""
    loader = s.bursts[LOADER, ACTIVE] == 0 and s.job_level == 0 and s.busy == 0
    return loader and s.bursts[STORER, ACTIVE] == 0 and s.reading == 0 and s.writes == 0


@njit(cache=True, forceinline=True)
def cycle_is_seen(s):
    """Whether an instruction begins or ends, or a token counter changes."""
    begins = s.load_pop | s.store_pop | s.load_pushes | s.store_reserves | s.store_pushes
    return begins != 0 or s.load_end >= 0 or s.store_end >= 0


@njit(cache=True, forceinline=True)
def memory_rests(s, m, cycle, load_head, store_head, fetched_pop, available, at_limit, room):
    """Whether a cycle without stalls changes nothing: the one before did not, and was given the same."""
    if s.turns | s.arrives | s.ahead | s.taken | s.granted | s.fetched | s.sent | s.works | fetched_pop:
        return False
    if load_head != s.given_load or store_head != s.given_store or room != s.given_room:
        return False
    return available == s.given_available and at_limit == s.given_at_limit and axi_rest(m, cycle) > 0


@njit(cache=True, forceinline=True)
def _fetch_asks(s):
    """Instructions of the burst that fetch asks for, 0 if none."""
    asked = min(s.remaining, s.fetch_burst)
    return asked if s.owed + asked <= s.instruction_queue else 0


@njit(cache=True, forceinline=True)
def _decide_read(s, m, held, cycle):
    """AR: the register's handshake, and what is taken into it. Returns instructions and beats of load asked for."""
    handshake = s.ar_valid == 1 and axi_open(held, AR)
    if handshake:
        axi_accept_read(m, s.ar_beats, s.ar_owner, cycle)
        s.read_bursts += 1
        s.turns = 1
    if (s.ar_valid == 1 and not handshake) or s.reads == s.outstanding_reads:
        s.ar_valid = 1 if s.ar_valid == 1 and not handshake else 0
        return 0, 0
    asked, beats = _fetch_asks(s), 0
    bursts = s.bursts[LOADER]
    if asked == 0 and bursts[ACTIVE] == 1:
        beats = bursts[BEATS] if bursts[BEATS] <= s.load_credit else 0
    s.ar_valid = 1 if asked + beats > 0 else 0
    s.turns |= s.ar_valid
    if asked > 0:
        s.ar_beats, s.ar_owner = asked * s.instruction_beats, _FETCH
    elif beats > 0:
        s.ar_beats, s.ar_owner = beats, _LOAD
        next_burst(bursts, s.beat_bytes)
    return asked, beats


@njit(cache=True, forceinline=True)
def _read_stores(s, blocked):
    """Storer: one beat from port B if it may."""
    if s.reading == 0 or s.store_credit == 0:
        return False
    walk = s.walks[STORER]
    half = walk_half(walk, s.pixel_bits)
    if half & blocked:
        s.works = 1
        return False
    s.store_half = half
    if walk_is_last(walk):
        s.reading, s.turns = 0, 1
    next_place(walk)
    return True


@njit(cache=True, forceinline=True)
def _decide_write(s, program, at_limit, held):
    """AW: the register's handshake, and the burst that is taken into it. Returns whether each happened."""
    handshake = s.aw_valid == 1 and axi_open(held, AW)
    if handshake:
        s.lengths[(s.length_head + s.length_level) % QUEUE] = s.aw_beats
        s.write_bursts += 1
    if s.aw_valid == 1 and not handshake:
        return False, False
    s.aw_valid = 0
    bursts = s.bursts[STORER]
    if bursts[ACTIVE] == 0 or s.writes == s.outstanding_writes:
        return handshake, False
    ends = burst_is_last(bursts)
    push = program[s.store, F.push] if ends else 0
    if push & at_limit:
        return handshake, False
    s.aw_valid, s.aw_beats, s.store_reserves = 1, bursts[BEATS], push
    slot = (s.push_head + s.writes) % QUEUE
    s.pushes[slot], s.ends[slot] = push, s.store if ends else -1
    next_burst(bursts, s.beat_bytes)
    return handshake, True


@njit(cache=True, forceinline=True)
def move_stores(s, m, held, cycle, blocked):
    """Storer's reads, its data FIFO and W: ``granted``, ``sent``."""
    s.sent, arrives = 0, s.fetched > s.fetched_all >> 1
    s.fetched = (s.fetched << 1 | s.granted) & s.fetched_all
    if s.length_level > 0 and s.store_level > 0 and axi_open(held, W):
        s.sent = 1
        s.store_beats += 1
        s.w_sent += 1
        if s.w_sent == s.lengths[s.length_head]:
            s.w_sent, s.turns = 0, 1
            s.length_head = (s.length_head + 1) % QUEUE
            s.length_level -= 1
            axi_last_write(m, cycle)
    s.granted = _read_stores(s, blocked)
    if not s.granted:
        s.turns |= arrives or s.fetched > 0  # until the last data is there, and can be sent
    s.store_credit += s.sent - s.granted
    s.store_level += arrives - s.sent


@njit(cache=True, forceinline=True)
def _read(s, m, held, cycle, fetched_pop):
    """Read master, fetch, and the loader's addresses: ``arrives``."""
    beat = axi_read_beat(m, held, cycle)
    asked, load_beats = _decide_read(s, m, held, cycle)
    s.arrives = 0
    if beat >= 0:
        if beat & 1:
            s.reads, s.turns = s.reads - 1, 1
        if beat >> 1 == _LOAD:
            s.load_beats, s.arrives = s.load_beats + 1, 1
        else:
            _collect(s)
    if asked + load_beats > 0:
        s.reads += 1
        s.remaining -= asked
        s.owed += asked
        s.load_credit -= load_beats
    if fetched_pop:
        s.owed, s.queued, s.turns = s.owed - 1, s.queued - 1, 1


@njit(cache=True)
def _collect(s):
    """A beat of instructions."""
    s.turns = 1
    s.fetch_beats += 1
    s.collected += 1
    if s.collected == s.instruction_beats:
        s.collected = 0
        s.queued += 1


@njit(cache=True, forceinline=True)
def load_fifo(s):
    """Data FIFO of the loads, with what ``arrives`` and what is ``taken``."""
    s.ahead = s.stored > 0 and (s.beat_valid == 0 or s.taken)
    s.stored += s.arrives - s.ahead
    s.beat_valid = s.ahead or (s.beat_valid == 1 and not s.taken)
    s.load_credit += s.taken


@njit(cache=True, forceinline=True)
def _stores_rest(s, m):
    """Whether storer and write master have nothing under way."""
    ahead = s.bursts[STORER, ACTIVE] | s.reading | s.granted | s.fetched | s.store_level
    return (ahead | s.aw_valid | s.length_level | m.responses) == 0


@njit(cache=True, forceinline=True)
def _write_stores(s, m, program, held, cycle, at_limit, blocked):
    """Storer and write master."""
    response = axi_response(m, held, cycle)
    move_stores(s, m, held, cycle, blocked)
    handshake, decided = _decide_write(s, program, at_limit, held)
    if response:
        s.store_pushes, s.store_end = s.pushes[s.push_head], s.ends[s.push_head]
        s.push_head = (s.push_head + 1) % QUEUE
    s.writes += decided - response
    s.length_level += handshake
    s.turns |= response or handshake or decided


@njit(cache=True)
def memory_cycle(
    s, m, program, stalls, cycle, load_head, store_head, fetched_pop, available, at_limit, room, blocked
):
    """One cycle of the memory side; `cycle_is_seen` says whether it matters to the compute side.

    What else happens stands in ``arrives``, ``ahead``, ``taken``, ``granted``, ``sent``, ``works`` and ``turns``.

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
        Mask of the halves of port B that are left to the epilogue.
    """
    s.load_tokens, s.load_pushes, s.store_tokens, s.store_reserves, s.store_pushes = 0, 0, 0, 0, 0
    s.take_room, s.tile_done, s.load_half, s.store_half = 0, 0, 0, 0
    s.load_pop, s.store_pop, s.turns = 0, 0, 0
    s.load_end, s.store_end = -1, -1
    s.given_load, s.given_store, s.given_room = load_head, store_head, room
    s.given_available, s.given_at_limit = available, at_limit
    held = axi_held(stalls, cycle)
    if load_head >= 0 and s.bursts[LOADER, ACTIVE] == 0 and s.job_level < s.job_queue:
        s.load_pop = (program[load_head, F.pop] & ~available) == 0
    if store_head >= 0 and s.bursts[STORER, ACTIVE] == 0 and s.reading == 0:
        s.store_pop = (program[store_head, F.pop] & ~available) == 0
    half = write_load(s, program, at_limit, room, blocked)
    _read(s, m, held, cycle, fetched_pop)
    load_fifo(s)
    if _stores_rest(s, m):
        s.sent = 0
    else:
        _write_stores(s, m, program, held, cycle, at_limit, blocked | half)
    if s.load_pop:
        s.load_tokens, s.turns = program[load_head, F.pop], 1
        begin_bursts(s.bursts[LOADER], program, load_head, s.beat_bytes)
        s.jobs[(s.job_head + s.job_level) % QUEUE] = load_head
        s.job_level += 1
    if s.store_pop:
        s.store, s.store_tokens, s.turns = store_head, program[store_head, F.pop], 1
        begin_bursts(s.bursts[STORER], program, store_head, s.beat_bytes)
        beats = s.gate_beats if program[store_head, F.gates] else s.vector_beats
        rows, slots = program[store_head, F.rows], program[store_head, F.slots]
        begin_walk(s.walks[STORER], program, store_head, beats, slots, rows)
        s.reading = 1
