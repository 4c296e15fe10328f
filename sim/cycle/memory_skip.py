"""Cycle model: the memory side beside a compute side that goes on alike, many cycles at a time where beats just flow.

After a cycle in which nothing turned, the bus goes on alike until a burst ends or a response comes. Loads and stores
then flow until a transfer or a queue ends; where they meet on port B or beats are cut, into words or pixels, they have
their own cycles, but the rest has not. Nothing is taken together under stalls.
"""

from hwshift.sim.compiled import bare_njit as njit
from hwshift.sim.cycle.axi_memory import FOREVER, axi_rest
from hwshift.sim.cycle.compute_side import issues, port_b, port_b_is_free, ring
from hwshift.sim.cycle.load_writer import cuts_beats, write_load, writes_map
from hwshift.sim.cycle.memory_side import (
    cycle_is_seen,
    instructions_ready,
    load_fifo,
    memory_cycle,
    memory_idle,
    move_stores,
)
from hwshift.sim.cycle.memory_state import LOADER, STORER
from hwshift.sim.cycle.transfers import ACTIVE, BEATS, PLACES, later_place, places_left, walk_half

__all__ = ["memory_cycles"]


@njit(cache=True)
def memory_cycles(s, memory, axi, program, stalls, cycle, count, load_head, store_head):
    """Up to ``count`` cycles of the memory side beside a compute side ``s`` that goes on alike, from ``cycle`` on.

    Returns how many. The last may be one that the compute side sees; no other is.
    """
    done, waiting = 0, load_head >= 0 or store_head >= 0
    fetched = instructions_ready(memory)
    known = (
        s.yield_to_residual if s.cur_last and issues(s) else FOREVER
    )  # cycles until steps to come are on port B
    while done < count and (done < known or not (memory.reading or writes_map(memory, program))):
        memory_cycle(memory, axi, program, stalls, cycle + done, load_head, store_head, 0,
                     s.available, s.at_limit, s.room, port_b(s, done + 1))  # fmt: skip
        done += 1
        if _is_seen(s, memory, cycle + done - 1) or instructions_ready(memory) != fetched:
            break
        if s.end and not waiting and memory_idle(memory):
            break
        if len(stalls) == 1 and memory.turns == 0:
            more, seen = _more(s, memory, axi, program, cycle + done, count - done, done, known - done)
            done += more
            if seen:
                break
    return done


@njit(cache=True, forceinline=True)
def _is_seen(s, memory, cycle):
    """End of ``cycle`` for the weight ring. Returns whether the compute side sees anything of the cycle."""
    tile = ring(s, cycle, memory.take_room, memory.tile_done)
    memory.take_room, memory.tile_done = 0, 0
    return tile or cycle_is_seen(memory)


@njit(cache=True)
def _more(s, memory, axi, program, cycle, count, after, known):
    """Takes cycles from ``cycle`` on together, at most ``count``. Returns how many; whether the last one is seen.

    ``cycle`` is ``after`` + 1 cycles after the last of the compute side; ``known`` as in `memory_cycles`.
    """
    loads = writes_map(memory, program)
    shares = memory.reading or loads
    if shares:
        count = min(count, known)
    count = min(count, _bus_alike(memory, axi, cycle))
    if cuts_beats(memory, program) or (shares and not port_b_is_free(s, after + 1)):
        return _cycle_by_cycle(s, memory, axi, program, cycle, count, after)
    count = min(count, _loads_alike(memory, program), _stores_alike(memory, loads and memory.taken == 1))
    if s.release_level > 0:
        count = min(count, s.release_due[s.release_head] - cycle)
    if count <= 0:
        return 0, False
    _advance_loads(memory, program, count)
    _advance_stores(memory, count)
    _advance_bus(memory, axi, count)
    return count, False


@njit(cache=True, forceinline=True)
def _bus_alike(memory, axi, cycle):
    """Cycles in which R and B go on as in the last: beats of a burst, or nothing."""
    if not memory.arrives:
        return axi_rest(axi, cycle)
    left = axi.beats[axi.read_head] - axi.sent - 1
    return left if axi.responses == 0 else min(left, axi.response_due[axi.response_head] - cycle)


@njit(cache=True, forceinline=True)
def _advance_bus(memory, axi, count):
    """``count`` cycles of `_bus_alike`."""
    axi.sent += count * memory.arrives
    memory.load_beats += count * memory.arrives


@njit(cache=True, forceinline=True)
def _stores_alike(memory, loads):
    """Cycles in which stores flow as in the last, beside a loader that uses port B (``loads``) or does not.

    The epilogue leaves port B alone.
    """
    count, reads = FOREVER, memory.reading and memory.store_credit > 0
    if memory.granted and memory.fetched != memory.fetched_all:
        return 0
    if memory.granted:
        count = places_left(memory.walks[STORER]) - 1
    elif reads and not loads:
        return 0
    if reads and loads:
        walk, loader = memory.walks[STORER], memory.walks[LOADER]
        refused = walk_half(walk, memory.pixel_bits) == walk_half(loader, memory.pixel_bits)
        if refused == memory.granted:
            return 0
        count = min(count, loader[PLACES], loader[PLACES] if refused else walk[PLACES])
    if memory.sent:
        count = min(count, memory.lengths[memory.length_head] - memory.w_sent - 1)
    elif memory.length_level > 0 and memory.store_level + memory.granted > 0:
        return 0
    if memory.granted > memory.sent or (memory.granted and memory.store_credit == 0):
        count = min(count, memory.store_credit)
    if memory.sent > memory.granted or (memory.sent and memory.store_level == 0):
        count = min(count, memory.store_level)
    return count


@njit(cache=True, forceinline=True)
def _advance_stores(memory, count):
    """``count`` cycles of `_stores_alike`."""
    if memory.granted:
        later_place(memory.walks[STORER], count)
    memory.store_credit += count * (memory.sent - memory.granted)
    memory.store_level += count * (memory.granted - memory.sent)
    memory.w_sent += count * memory.sent
    memory.store_beats += count * memory.sent


@njit(cache=True, forceinline=True)
def _loads_alike(memory, program):
    """Cycles in which loads flow as in the last; the epilogue leaves port B alone."""
    ahead = memory.stored > 0 and (memory.beat_valid == 0 or memory.taken)
    if ahead != memory.ahead or ahead != memory.taken:
        return 0
    if not memory.taken:
        return 0 if memory.works else FOREVER
    count = FOREVER if memory.arrives else memory.stored
    bursts = memory.bursts[LOADER]
    if bursts[ACTIVE] and memory.reads < memory.outstanding_reads:
        count = min(count, bursts[BEATS] - memory.load_credit)
    if not writes_map(memory, program):
        return min(count, memory.table_left - 1)
    return min(count, places_left(memory.walks[LOADER]) - 1)


@njit(cache=True, forceinline=True)
def _advance_loads(memory, program, count):
    """``count`` cycles of `_loads_alike`."""
    memory.stored += count * (memory.arrives - memory.ahead)
    if memory.taken:
        memory.load_credit += count
        if writes_map(memory, program):
            later_place(memory.walks[LOADER], count)
        else:
            memory.table_left -= count


@njit(cache=True)
def _cycle_by_cycle(s, memory, axi, program, cycle, count, after):
    """At most ``count`` cycles, one by one, of what shares port B or cuts beats, beside a bus that goes on alike.

    Takes and returns what `_more` does.
    """
    bursts, done, seen = memory.bursts[LOADER], 0, False
    asks = bursts[ACTIVE] == 1 and memory.reads < memory.outstanding_reads
    while (
        done < count and not seen and memory.turns == 0 and not (asks and memory.load_credit >= bursts[BEATS])
    ):
        blocked = port_b(s, after + done + 1)
        half = write_load(memory, program, s.at_limit, s.room, blocked)
        load_fifo(memory)
        move_stores(memory, axi, 0, cycle + done, blocked | half)
        seen = _is_seen(s, memory, cycle + done)
        done += 1
    _advance_bus(memory, axi, done)
    return done, seen
