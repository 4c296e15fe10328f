"""The compiled engine: all steps of a plan in one call, by one thread or by several that share the work.

Each thread has a share of a step's parts, and takes parts of the others' when its own are done; a step begins when all
parts of the one before it are done. So a thread that comes late skips what is done, and nobody waits for one that never
comes. Sums are built in float64 where they are proven to be integers below 2**53, whatever the order, and in int64
otherwise; the proof is the largest input found while the input was written, times the weights.
"""

import numpy as np

from hwshift.golden.by_strips import by_strips
from hwshift.golden.by_tiles import convolve_part, direct_channels, limbs_of, stays_inside
from hwshift.golden.calls import CALL
from hwshift.golden.channels import by_rows, copy, leave, move
from hwshift.golden.compiled import kernel
from hwshift.golden.llvm import array_at, fetch_add, read_shared
from hwshift.golden.posts import await_call, helpers, leave_call, post_call, relax, settle
from hwshift.golden.steps import CONVOLVE, COPY, DIRECT, LEAVE, SHIFT, STEP, UPSAMPLE
from hwshift.golden.taps import convolve

__all__ = ["execute"]

_EXACT = float(1 << 52)  # sums of integers are exact in float64 below 2**53


@kernel
def execute(address, posts, number, looks, x, out):
    """Run a call, with helpers if they come; or be one of them for a while.

    Parameters
    ----------
    address : int
        Of a caller's CALL.
    posts : ndarray of int64
        Of all helpers (`hwshift.golden.posts`).
    number : int
        0: the caller, who returns when nobody works on its call any more. Otherwise the helper of this number, who
        returns when it has looked at its post ``looks`` times without finding a call.
    looks : int
    x, out : ndarray of int32
        A caller's input and output.

    Returns
    -------
    int
        Helpers that failed.
    """
    if number:
        address = await_call(posts, number, looks)
        while address:
            _run(array_at(address, 1, CALL)[0], number)
            leave_call(posts, number)
            address = await_call(posts, number, looks)
        return 0
    call = array_at(address, 1, CALL)[0]
    call.x, call.x_size, call.out, call.out_size = x.ctypes.data, len(x), out.ctypes.data, len(out)
    array_at(call.shared, call.shared_size, np.int64)[:] = 0
    if call.begin == 0:
        array_at(call.peaks, call.peaks_size, np.float64)[:] = 0.0
    for helper in helpers(posts, call.threads):
        post_call(posts, helper, address)
    _run(call, 0)
    return settle(posts, call.threads, address)


@kernel
def _run(call, thread):
    """A thread's share of the steps."""
    steps = array_at(call.steps, call.steps_size, STEP)
    ints, reals = (
        array_at(call.ints, call.ints_size, np.int64),
        array_at(call.reals, call.reals_size, np.float64),
    )
    weights, terms = (
        array_at(call.weights, call.weights_size, np.float64),
        array_at(call.terms, call.terms_size, np.int64),
    )
    tiles, edges = (
        array_at(call.tiles, call.tiles_size, np.uint8),
        array_at(call.edges, call.edges_size, np.uint8),
    )
    memory, x, out = (
        array_at(call.memory, call.memory_size, np.int32),
        array_at(call.x, call.x_size, np.int32),
        array_at(call.out, call.out_size, np.int32),
    )
    scratch = array_at(call.scratch + 32 * thread, 4, np.int64)
    floats, wide = array_at(scratch[0], scratch[1], np.float64), array_at(scratch[2], scratch[3], np.int64)
    scales = array_at(call.scales, call.scales_size, np.int64).reshape((call.images, call.channels, 3))
    peaks = array_at(call.peaks, call.peaks_size, np.float64).reshape(
        (call.threads, call.peaks_size // call.threads)
    )
    saturated = array_at(call.saturated, call.saturated_size, np.int64).reshape((call.threads, len(steps)))
    shared = array_at(call.shared, call.shared_size, np.int64)
    own = peaks[thread]
    if call.strip:
        by_strips(
            call,
            steps,
            thread * call.strip_words,
            ints,
            reals,
            tiles,
            edges,
            memory,
            x,
            out,
            floats,
            wide,
            shared,
            own,
        )
        return
    for i in range(call.begin, call.end):
        step, done = steps[i], len(peaks) * len(steps) + i
        part = _next_part(shared, i, step.parts, thread, len(peaks))
        if part < 0:
            _wait_until(shared, done, step.parts)
            continue
        peak = _peak(ints, peaks, step.sources, step.source_count)
        fits = step.largest * peak <= _EXACT
        limbs = limbs_of(peak, step.tile_signed)
        calm = stays_inside(step, peak, _peak(ints, peaks, step.residual_sources, step.residual_source_count))
        while part >= 0:
            if fits and step.kind == CONVOLVE and limbs <= (step.tile_limbs if calm else step.tile_wild):
                over = convolve_part(
                    step, part, limbs, calm, ints, reals, tiles, edges, memory, floats, wide, own
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
        relax(spins)


@kernel
def _peak(ints, peaks, maps, count):
    """Largest magnitude in ``count`` maps, whose numbers begin at ``maps``."""
    largest = 0.0
    for j in range(count):
        for t in range(len(peaks)):
            largest = max(largest, peaks[t, ints[maps + j]])
    return largest
