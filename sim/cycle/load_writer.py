"""Cycle model of the load writer: beats of load data into shift buffer, weight ring and tables."""

from hwshift.program.isa import INPUT_CHANNELS, LoadKind
from hwshift.sim.compiled import bare_njit as njit
from hwshift.sim.cycle.columns import F
from hwshift.sim.cycle.memory_state import LOADER, QUEUE
from hwshift.sim.cycle.transfers import begin_walk, next_place, walk_half, walk_is_last

__all__ = ["cuts_beats", "write_load", "writes_map"]

_MAP, _INPUT, _WEIGHTS = int(LoadKind.MAP), int(LoadKind.INPUT), int(LoadKind.WEIGHTS)
_PARAMS, _LANES = int(LoadKind.PARAMS), int(LoadKind.LANES)
_HELD = INPUT_CHANNELS - 1  # values of earlier beats that the pixel cutter holds


@njit(cache=True, forceinline=True)
def writes_map(s, program):
    """Whether the load writer works on a job that needs port B."""
    kind = program[s.job, F.kind]
    return s.busy == 1 and (kind == _MAP or kind == _INPUT)


@njit(cache=True, forceinline=True)
def cuts_beats(s, program):
    """Whether the load writer works on a job that needs the gearbox or the pixel cutter."""
    kind = program[s.job, F.kind]
    return s.busy == 1 and (kind == _WEIGHTS or kind == _INPUT)


@njit(cache=True, forceinline=True)
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
    s.works |= emit
    return accept, tile_ends and last


@njit(cache=True, forceinline=True)
def _cut_pixel(s, program, full, blocked):
    """One cycle of an INPUT job with a beat: whether that is taken, the half it asks for, whether the job ends."""
    walk, channels, end = s.walks[LOADER], program[s.job, F.channels], _HELD + s.beat_elements
    channels = channels if 1 <= channels < INPUT_CHANNELS else INPUT_CHANNELS
    last, half = False, 0
    if s.place + channels <= end:
        last = walk_is_last(walk)
        if last and full:
            return False, 0, False
        half = walk_half(walk, s.pixel_bits)
        s.works = 1
        if half & blocked:
            return False, half, False
        s.load_half = half
        s.place += channels
        next_place(walk)
    taken = last or s.place + channels > end
    if taken:
        s.place -= s.beat_elements
    return taken, half, last


@njit(cache=True)
def _begin_job(s, program):
    """The head of the job queue goes into the job register."""
    s.busy = 1 if s.job_level > 0 else 0
    if s.busy == 0:
        return
    s.job = s.jobs[s.job_head]
    s.job_head = (s.job_head + 1) % QUEUE
    s.job_level -= 1
    kind, count = program[s.job, F.kind], program[s.job, F.count]
    if kind == _MAP:
        rows, slots = program[s.job, F.rows], program[s.job, F.slots]
        begin_walk(s.walks[LOADER], program, s.job, s.vector_beats, slots, rows)
    elif kind == _INPUT:
        begin_walk(s.walks[LOADER], program, s.job, 1, 1, count)
        before = program[s.job, F.address] % s.beat_bytes  # of the first beat: values of others
        s.place = _HELD + before * s.beat_elements // s.beat_bytes
    elif kind == _WEIGHTS:
        s.tile_word, s.tile_left, s.tiles_left = 0, s.tile_beats, count
    elif kind == _PARAMS:
        s.table_left = count * s.param_beats
    elif kind == _LANES:
        s.table_left = count * s.lane_beats
    else:
        s.table_left = -(-count * 4 // s.beat_bytes)


@njit(cache=True, forceinline=True)
def write_load(s, program, at_limit, room, blocked):
    """Load writer: ``taken``, and the half it asks port B for."""
    s.taken, s.works, half, end = 0, 0, 0, False
    if s.busy == 1:
        kind, full = program[s.job, F.kind], (program[s.job, F.push] & at_limit) != 0
        if kind == _WEIGHTS:
            s.taken, end = _gearbox(s, program, at_limit, room)
        elif s.beat_valid == 1 and kind == _INPUT:
            s.taken, half, end = _cut_pixel(s, program, full, blocked)
        elif s.beat_valid == 1 and kind == _MAP:
            walk = s.walks[LOADER]
            last = walk_is_last(walk)
            if not (last and full):
                half = walk_half(walk, s.pixel_bits)
                s.taken = (half & blocked) == 0
                s.works |= s.taken == 0
            if s.taken:
                s.load_half, end = half, last
                next_place(walk)
        elif s.beat_valid == 1 and not (s.table_left == 1 and full):
            s.taken, end = 1, s.table_left == 1
            s.table_left -= 1
    if end:
        s.load_pushes, s.load_end = program[s.job, F.push], s.job
    if s.busy == 0 or end:
        _begin_job(s, program)
        s.turns |= end or s.busy
    return half
