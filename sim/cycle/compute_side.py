"""Cycle model of the compute side: dispatch, pass generator, weight fetcher, sequencer, tokens.

One record holds the registers; the functions below are called once per cycle in the order of `compute_cycle` and
mirror `rtl/dispatch.py`, `rtl/pass_generator.py`, `rtl/weight_fetch.py` and `rtl/sequencer.py` decision by decision.
A function reads what the registers held at the start of the cycle; queue levels and counters change in `commit`.
"""

from hwshift.program.counters import Cause
from hwshift.program.isa import Opcode, Token
from hwshift.program.row_taps import LEAD_STEPS
from hwshift.sim.compiled import bare_njit as njit
from hwshift.sim.cycle.columns import F
from hwshift.sim.cycle.compute_state import QUEUE, RING, TOKENS

__all__ = ["PIPELINE", "commit", "compute_cycle", "issues", "later_in_pipeline", "port_b", "port_b_is_free", "ring",
           "sequencer", "weight_fetcher", "weight_record_ends"]  # fmt: skip

IDLE, PREP, RUN = 0, 1, 2
_END, _LOAD, _DESCRIPTOR = int(Opcode.END), int(Opcode.LOAD), int(Opcode.DESCRIPTOR)
_ACTIVATION, _COMPUTE, _STORE, _HEADER = (
    int(op) for op in (Opcode.ACTIVATION, Opcode.COMPUTE, Opcode.STORE, Opcode.HEADER)
)
_BUSY, _PORT, _DRAIN = int(Cause.BUSY), int(Cause.PORT), int(Cause.DRAIN)
_WEIGHT_LOAD, _WEIGHT_WAIT = int(Cause.WEIGHT_LOAD), int(Cause.WEIGHT_WAIT)
_TOKEN_FULL, _WAIT_LOAD, _WAIT_STORE = int(Cause.TOKEN_FULL), int(Cause.WAIT_LOAD), int(Cause.WAIT_STORE)
_SETUP, _FETCH, _TAIL = int(Cause.SETUP), int(Cause.FETCH), int(Cause.TAIL)
_LOAD_COMPUTE, _STORE_COMPUTE = int(Token.LOAD_COMPUTE), int(Token.STORE_COMPUTE)
_RESIDUAL_TO_WRITE = 3
PIPELINE = 31
"""Cycles for which issues are remembered: more than the pipeline has stages."""


@njit(cache=True, forceinline=True)
def _dispatch(s, program, fetched):
    """Pop the head of the instruction queue (``fetched`` entries) if its target has room."""
    s.fetched_pop, s.load_push, s.compute_push, s.store_push, s.weight_push, s.end = 0, 0, 0, 0, 0, 0
    if fetched == 0:
        return
    opcode = program[s.next, F.opcode]
    if opcode == _END:
        s.end = 1
    elif opcode == _HEADER:
        s.fetched_pop = 1
    elif opcode == _LOAD:
        s.load_push = s.load_level < s.unit_queue
    elif opcode == _STORE:
        s.store_push = s.store_level < s.unit_queue
    elif opcode == _COMPUTE:
        s.weight_push = s.compute_level < s.unit_queue and s.weight_level < s.weight_queue
        s.compute_push = s.weight_push
    else:
        s.compute_push = s.compute_level < s.unit_queue
    if s.load_push or s.store_push or s.compute_push:
        s.fetched_pop = 1


@njit(cache=True, forceinline=True)
def _quiet(s):
    return s.valid == 0 and s.pass_level == 0 and s.since == s.retire


@njit(cache=True, forceinline=True)
def _front_waits(s, program):
    """Token mask the pass generator misses in IDLE, 0 if none."""
    if s.front != IDLE or s.compute_level == 0:
        return 0
    head = s.compute_queue[s.compute_head]
    if program[head, F.opcode] != _COMPUTE:
        return 0
    return program[head, F.pop] & ~s.available


@njit(cache=True, forceinline=True)
def _pass_generator(s, program, missing, quiet):
    s.compute_pop, s.pass_push, s.compute_tokens = 0, 0, 0
    if s.front == IDLE:
        if s.compute_level == 0:
            return
        head = s.compute_queue[s.compute_head]
        opcode = program[head, F.opcode]
        if opcode == _DESCRIPTOR:
            s.compute_pop = 1
        elif opcode == _ACTIVATION:
            s.compute_pop = 1 if quiet else 0
        elif missing == 0:
            s.compute_pop, s.compute_tokens = 1, program[head, F.pop]
            s.work, s.k, s.chunk, s.tile, s.rows_left = head, 0, 0, 0, program[head, F.rows]
            s.front = PREP
    elif s.front == PREP:
        s.front, s.changed = RUN, 1
    elif s.pass_level < s.pass_queue:
        _push_pass(s, program)


@njit(cache=True)
def _push_pass(s, program):
    work = s.work
    last = s.k + 1 == program[work, F.ktile_count]
    last_chunk = s.chunk + 1 == program[work, F.chunks]
    last_tile = s.tile + 1 == program[work, F.tiles]
    begin = s.k == 0 and s.chunk == 0 and s.tile == 0
    slot = (s.pass_head + s.pass_level) % QUEUE
    s.pass_push = 1
    s.pass_work[slot] = work
    s.pass_rows[slot] = s.rows_left if last_chunk else program[work, F.chunk_rows]
    s.pass_last[slot] = last
    s.pass_swap[slot] = program[work, F.hold_weights] == 0 or begin
    s.pass_final[slot] = last and last_chunk and last_tile
    s.pass_drain[slot] = program[work, F.drain] == 1 and begin
    s.k += 1
    if last:
        s.k = 0
        s.rows_left -= program[work, F.chunk_rows]
        s.chunk += 1
        if last_chunk:
            s.chunk, s.rows_left = 0, program[work, F.rows]
            s.tile += 1
            if last_tile:
                s.front = IDLE


@njit(cache=True, forceinline=True)
def weight_fetcher(s, program, take, cycle):
    """One cycle of the loading of tiles into the array; ``take``: a step takes the tile that is loaded."""
    s.w_release, s.weight_pop = 0, 0
    final_use = program[s.w_work, F.hold_weights] == 1 or s.w_chunk + 1 == program[s.w_work, F.chunks]
    if program[s.w_work, F.keep_weights] == 1:
        final_use = False
    offset = 0 if final_use else s.w_ahead
    issue = s.w_loading == 1 or ((s.w_full == 0 or take) and s.w_busy == 1 and offset < s.avail)
    last_row = issue and s.w_row == s.tile_words - 1
    done = False
    s.changed |= last_row or (issue and s.w_row == 0)
    if last_row:
        s.w_full, s.w_loading, s.w_row = 1, 0, 0
        done = _next_weight_tile(s, program)
        if final_use:
            s.w_release = 1
            s.release_due[(s.release_head + s.release_level) % QUEUE] = cycle + s.weight_release - 1
            s.release_level += 1
    elif issue:
        s.w_full, s.w_loading, s.w_row = 0, 1, s.w_row + 1
    elif take:
        s.w_full = 0
    if s.w_busy == 0 or done:
        s.w_busy = 1 if s.weight_level > 0 else 0
        if s.w_busy:
            s.w_work, s.weight_pop = s.weight_records[s.weight_head], 1
            s.w_k, s.w_chunk, s.w_tile = 0, 0, 0
            s.w_first = s.w_ahead = program[s.w_work, F.weight_offset]


@njit(cache=True, forceinline=True)
def _next_weight_tile(s, program):
    """Advance the loops after a tile; True after the record's last."""
    if weight_record_ends(s, program):
        return True
    s.w_k += 1
    s.w_ahead += 1
    if s.w_k == program[s.w_work, F.ktile_count]:
        s.w_k, s.w_chunk = 0, s.w_chunk + 1
        if s.w_chunk == program[s.w_work, F.chunks]:
            s.w_chunk, s.w_tile = 0, s.w_tile + 1
            if program[s.w_work, F.keep_weights] == 1:
                s.w_first = s.w_ahead
        s.w_ahead = s.w_first
    return False


@njit(cache=True, forceinline=True)
def weight_record_ends(s, program):
    """Whether the weight fetcher's tile is the last of its record."""
    work = s.w_work
    last = s.w_k + 1 == program[work, F.ktile_count] and s.w_chunk + 1 == program[work, F.chunks]
    return program[work, F.hold_weights] == 1 or (last and s.w_tile + 1 == program[work, F.tiles])


@njit(cache=True, forceinline=True)
def later_in_pipeline(s, cycles):
    """What has issued is ``cycles`` later in the pipeline."""
    if cycles >= PIPELINE:
        s.writes, s.residuals = 0, 0
    else:
        kept = (1 << 2 * (PIPELINE - cycles)) - 1
        s.writes, s.residuals = (s.writes & kept) << 2 * cycles, (s.residuals & kept) << 2 * cycles


@njit(cache=True, forceinline=True)
def sequencer(s, program, missing, cycle):
    """Decide, count the cause, advance. Returns whether the pass's last step issued."""
    s.reserve, s.take = 0, 0
    later_in_pipeline(s, 1)
    last_step = False
    if s.valid == 0:
        cause = _idle_cause(s, missing)
    else:
        work = s.cur_work
        first_step = s.row == 0 and s.column == 0
        last_column = s.column + 1 == program[work, F.steps]
        last_step = last_column and s.row + 1 == s.cur_rows
        final = s.cur_final == 1 and last_step
        lead = LEAD_STEPS * program[work, F.row_taps]
        pixel = program[work, F.out_x0] + max(s.column - lead, 0) * program[work, F.out_step]
        half = pixel >> s.pixel_bits & 1
        residual = program[work, F.residual]
        if first_step and s.cur_drain and s.since < s.raw_distance:
            cause = _DRAIN
        elif first_step and s.cur_swap and s.w_full == 0:
            cause = _WEIGHT_LOAD if s.w_loading else _WEIGHT_WAIT
        elif final and program[work, F.push] & s.at_limit:
            cause = _TOKEN_FULL
        elif s.cur_last and residual and s.writes >> 2 * _RESIDUAL_TO_WRITE + half & 1:
            cause = _PORT
        else:
            cause = _BUSY
            s.take = 1 if first_step and s.cur_swap else 0
            if s.cur_last:
                s.writes |= 1 << half
                s.residuals |= residual << half
            if final and program[work, F.push]:
                s.reserve = program[work, F.push]
                slot = (s.push_head + s.push_level) % RING
                s.push_mask[slot], s.push_due[slot] = s.reserve, cycle + s.retire - 1
                s.push_level += 1
            s.steps += 1
            s.column += 1
            if last_column:
                s.column, s.row = 0, 0 if last_step else s.row + 1
    s.cause = cause
    s.causes[cause] += 1
    if s.writes & 3:
        s.since = 1
    elif s.since < s.retire:
        s.since += 1
        s.changed |= s.since == s.retire
    return cause == _BUSY and last_step


@njit(cache=True, forceinline=True)
def issues(s):
    """Whether a step issued in the cycle, or would have but for port B."""
    return s.cause == _BUSY or s.cause == _PORT


@njit(cache=True, forceinline=True)
def _idle_cause(s, missing):
    empty = s.compute_level == 0 and s.front == IDLE and s.pass_level == 0
    if s.end and empty:
        return _TAIL
    if missing & _LOAD_COMPUTE:
        return _WAIT_LOAD
    if missing & _STORE_COMPUTE:
        return _WAIT_STORE
    return _FETCH if empty else _SETUP


@njit(cache=True, forceinline=True)
def _next_pass(s, finished):
    s.pass_pop = 0
    if s.valid == 0 or finished:
        s.valid = 1 if s.pass_level > 0 else 0
        if s.valid:
            head = s.pass_head
            s.cur_work, s.cur_rows, s.cur_last = s.pass_work[head], s.pass_rows[head], s.pass_last[head]
            s.cur_swap, s.cur_final, s.cur_drain = s.pass_swap[head], s.pass_final[head], s.pass_drain[head]
            s.pass_pop = 1


@njit(cache=True)
def compute_cycle(s, program, fetched, cycle):
    """One cycle of the compute side; ``fetched`` is the level of the instruction queue.

    Returns whether the engine's compute side was idle (nothing waits, every last step has retired) at its start.
    """
    s.changed = 0
    _dispatch(s, program, fetched)
    quiet = _quiet(s)
    missing = _front_waits(s, program)
    idle = quiet and s.compute_level == 0 and s.front == IDLE
    finished = sequencer(s, program, missing, cycle)
    weight_fetcher(s, program, s.take, cycle)
    _pass_generator(s, program, missing, quiet)
    _next_pass(s, finished)
    return idle


@njit(cache=True, forceinline=True)
def port_b(s, after):
    """Halves (bit mask) of port B that loads and stores leave to the epilogue.

    That is for what has issued up to now, ``after`` cycles later than the cycle whose issue was the last; 0: in that
    cycle.
    """
    mask = 0
    if after <= s.yield_to_write:
        mask |= s.writes >> 2 * (s.yield_to_write - after)
    if after <= s.yield_to_residual:
        mask |= s.residuals >> 2 * (s.yield_to_residual - after)
    return mask & 3


@njit(cache=True, forceinline=True)
def port_b_is_free(s, after):
    """Whether nothing that has issued up to now is on port B from ``after`` cycles later on."""
    writes, residuals = s.yield_to_write - after + 1, s.yield_to_residual - after + 1
    used = s.writes & ((1 << 2 * writes) - 1) if writes > 0 else 0
    return used == 0 and (residuals <= 0 or s.residuals & ((1 << 2 * residuals) - 1) == 0)


@njit(cache=True)
def commit(s, cycle, unit_pops, unit_reserves, unit_pushes, take_room, tile_done):
    """End of the cycle: queues, token counters, ring. The masks are tokens of loader and storer together.

    Afterwards ``changed`` says whether anything is different from the cycle before but counters of cycles, of steps
    and of rows, and what is in the pipeline.
    """
    pops, pushes, reserves = s.compute_tokens | unit_pops, unit_pushes, s.reserve | unit_reserves
    if s.push_level > 0 and s.push_due[s.push_head] == cycle:
        pushes |= s.push_mask[s.push_head]
        s.push_head = (s.push_head + 1) % RING
        s.push_level -= 1
    if pops | pushes | reserves:
        _count_tokens(s, pops, pushes, reserves)
    s.avail -= s.w_release
    s.changed |= ring(s, cycle, take_room, tile_done)
    queues = (
        s.fetched_pop | s.load_pop | s.store_pop | s.compute_pop | s.weight_pop | s.pass_push | s.pass_pop
    )
    if queues:
        _move_queues(s)
    s.changed |= queues | s.take | s.w_release | (pops | pushes | reserves != 0)


@njit(cache=True, forceinline=True)
def ring(s, cycle, take_room, tile_done):
    """End of the cycle for the weight ring. Returns whether the weight fetcher sees it: it waited for the tile."""
    if s.release_level > 0 and s.release_due[s.release_head] == cycle:
        s.room += 1
        s.release_head = (s.release_head + 1) % QUEUE
        s.release_level -= 1
    s.room -= take_room
    s.avail += tile_done
    return tile_done == 1 and s.w_busy == 1 and s.w_loading == 0 and s.w_full == 0


@njit(cache=True, forceinline=True)
def _move_queues(s):
    if s.fetched_pop:
        index = s.next
        s.next += 1
        if s.load_push:
            s.load_queue[(s.load_head + s.load_level) % QUEUE] = index
        if s.compute_push:
            s.compute_queue[(s.compute_head + s.compute_level) % QUEUE] = index
        if s.weight_push:
            s.weight_records[(s.weight_head + s.weight_level) % QUEUE] = index
        if s.store_push:
            s.store_queue[(s.store_head + s.store_level) % QUEUE] = index
    s.load_level += s.load_push - s.load_pop
    s.load_head = (s.load_head + s.load_pop) % QUEUE
    s.compute_level += s.compute_push - s.compute_pop
    s.compute_head = (s.compute_head + s.compute_pop) % QUEUE
    s.weight_level += s.weight_push - s.weight_pop
    s.weight_head = (s.weight_head + s.weight_pop) % QUEUE
    s.store_level += s.store_push - s.store_pop
    s.store_head = (s.store_head + s.store_pop) % QUEUE
    s.pass_level += s.pass_push - s.pass_pop
    s.pass_head = (s.pass_head + s.pass_pop) % QUEUE


@njit(cache=True)
def _count_tokens(s, pops, pushes, reserves):
    s.available, s.at_limit = 0, 0
    for index in range(TOKENS):
        popped = pops >> index & 1
        s.count[index] += (pushes >> index & 1) - popped
        s.owed[index] += (reserves >> index & 1) - popped
        s.available |= (s.count[index] > 0) << index
        s.at_limit |= (s.owed[index] == s.token_limit) << index
