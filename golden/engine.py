"""The compiled engine: all steps of a plan in one call, by one thread or by several that share the work.

Each thread has a share of a step's parts, and takes parts of the others' when its own are done; a step begins when all
parts of the one before it are done. So a thread that comes late skips what is done, and nobody waits for one that never
comes. Sums are built in float64 where they are proven to be integers below 2**53, whatever the order, and in int64
otherwise; the proof is the largest input found while the input was written, times the weights.
"""

from numba import types

from hwshift.golden.by_tiles import convolve_by_tiles, direct_channels, limbs_of, stays_inside
from hwshift.golden.channels import by_rows, copy, leave, move
from hwshift.golden.compiled import kernel
from hwshift.golden.llvm import fetch_add, read_shared
from hwshift.golden.steps import CONVOLVE, COPY, DIRECT, LEAVE, SHIFT, STEP, UPSAMPLE
from hwshift.golden.taps import convolve

__all__ = ["execute"]

_EXACT = float(1 << 52)  # sums of integers are exact in float64 below 2**53
_SPINS = 2000  # looks at the others before the core is given away

_yield_core = types.ExternalFunction("sched_yield", types.int32())


@kernel
def execute(
    records, begin, end, tables, x, out, memory, floats, wide, scales, peaks, saturated, shared, thread
):
    """Run the steps ``begin..end``.

    Parameters
    ----------
    records : ndarray of uint8
        The bytes of an array of STEP, which are quicker to hand over than the array.
    begin, end : int
    tables : (ints, reals, weights, terms, tiles)
        Of the plan and of its recipe: int64, float64, float64, int64, uint8.
    x : ndarray of int32, (images, channels, pixels) in one row
        The input.
    out : ndarray of int32, (images, channels, pixels) in one row
        The output, if there is a step that writes it.
    memory : ndarray of int32
        The arena; its gaps are zero.
    floats, wide : ndarray of float64, of int64
        This thread's scratch: sums of a block, then packed panels.
    scales : ndarray of int64, shape (images, channels, 3)
        (m, t, b) of the instance normalisation, if there is one among the steps.
    peaks : ndarray of float64, shape (threads, maps)
        Largest magnitude each thread has written to each map; starts as zeros.
    saturated : ndarray of int64, shape (threads, steps)
        Values that saturation changed; added to.
    shared : ndarray of int64, shape ((threads + 1) * steps,)
        Parts of each step that are taken from each thread's share, then those that are done; starts as zeros.
    thread : int
    """
    steps = records.view(STEP)
    ints, reals, weights, terms, tiles = tables
    own = peaks[thread]
    for i in range(begin, end):
        step, done = steps[i], len(peaks) * len(steps) + i
        part = _next_part(shared, i, step.parts, thread, len(peaks))
        if part < 0:
            _wait_until(shared, done, step.parts)
            continue
        peak = _peak(ints, peaks, step.sources, step.source_count)
        fits = step.largest * peak <= _EXACT
        limbs = limbs_of(peak)
        calm = stays_inside(step, peak, _peak(ints, peaks, step.residual_sources, step.residual_source_count))
        while part >= 0:
            if fits and step.kind == CONVOLVE and limbs <= (step.tile_limbs if calm else step.tile_wild):
                over = convolve_by_tiles(
                    step, part, limbs, calm, ints, reals, tiles, memory, floats, wide, own
                )
            elif step.kind == CONVOLVE:
                over = convolve(step, part, fits, ints, reals, weights, terms, memory, floats, wide, own)
            elif step.kind == DIRECT:
                over = direct_channels(
                    step, part, fits, calm, ints, reals, weights, terms, memory, floats, wide, own
                )
            elif step.kind == COPY:
                over = copy(step, part, ints, x, memory, own)
            elif step.kind == LEAVE:
                over = leave(step, part, ints, memory, out)
            elif step.kind == SHIFT or step.kind == UPSAMPLE:
                over = move(step, part, ints, memory, own)
            else:
                over = by_rows(step, part, fits, ints, reals, memory, floats, wide, scales, own)
            saturated[thread, i] += over
            fetch_add(shared, done, 1)
            part = _next_part(shared, i, step.parts, thread, len(peaks))
        _wait_until(shared, done, step.parts)


@kernel
def _next_part(shared, i, parts, thread, threads):
    """A part of step ``i`` that nobody has taken, from the thread's own share first; -1 if there is none.

    Neighbouring parts of one step work where neighbouring parts of the next do: a thread finds its own results in its
    own cache.
    """
    for behind in range(threads):
        owner = (thread + behind) % threads
        begin, end = parts * owner // threads, parts * (owner + 1) // threads
        place = i * threads + owner
        if read_shared(shared, place) < end - begin:
            taken = fetch_add(shared, place, 1)
            if taken < end - begin:
                return begin + taken
    return -1


@kernel
def _wait_until(shared, place, least):
    spins = 0
    while read_shared(shared, place) < least:
        spins += 1
        if spins > _SPINS:
            _yield_core()


@kernel
def _peak(ints, peaks, maps, count):
    """Largest magnitude in ``count`` maps, whose numbers begin at ``maps``."""
    largest = 0.0
    for j in range(count):
        for t in range(len(peaks)):
            largest = max(largest, peaks[t, ints[maps + j]])
    return largest
