"""The compiled engine: all steps of a plan in one call, by one thread or by several that share the work.

A step's parts are taken one by one by whichever thread is free; a step begins when all threads have left the one
before it. Sums are built in float64 where they are proven to be integers below 2**53, whatever the order, and in
int64 otherwise; the proof is the largest input found while the input was written, times the weights.
"""

import numpy as np
from numba import njit, types

from hwshift.golden.epilogue import scale_floor
from hwshift.golden.sigmoid import SIGMOID_ENTRIES
from hwshift.golden.steps import CONVOLVE, COPY, DIRECT, NORM, PARAMETERS, POOL, SCALE, SHIFT, SUM, UPSAMPLE
from hwshift.golden.vector import (
    COLUMNS,
    ROWS,
    direct_block,
    fetch_add,
    integer_block,
    product_block,
    read_shared,
    term_block,
)

__all__ = ["execute", "scratch_size"]

_EXACT = float(1 << 52)  # sums of integers are exact in float64 below 2**53
_BEYOND = 1 << 40  # outside every format, and exact in float64
_SPINS = 2000  # looks at the others before the core is given away

# A thread's scratch: sums of a block, flags of a row, residuals of a row, then packed panels.
_FLAGS = ROWS * COLUMNS
_ADDED = _FLAGS + COLUMNS
_PANELS = _ADDED + COLUMNS

_yield_core = types.ExternalFunction("sched_yield", types.int32())


def scratch_size(taps: int, panels: int, width: int) -> int:
    """Words of a thread's scratch for steps with so many taps, panels a part, and pixels a row."""
    return max(_PANELS + taps * panels * COLUMNS, width)


@njit(cache=True, nogil=True)
def execute(
    steps, begin, end, tables, x, memory, floats, wide, scales, peaks, saturated, shared, thread, threads
):
    """Run the steps ``begin..end``.

    Parameters
    ----------
    steps : record array of STEP
    begin, end : int
    tables : (ints, reals, weights, terms)
        Of the plan and of its recipe: int64, float64, float64, int64.
    x : ndarray of int32, shape (images, channels, pixels)
        The input.
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
    shared : ndarray of int64, shape (1 + steps,)
        Arrivals, and parts taken of each step; starts as zeros.
    thread, threads : int
    """
    ints, reals, weights, terms = tables
    own = peaks[thread]
    for i in range(begin, end):
        step = steps[i]
        fits = True
        if step.kind == CONVOLVE or step.kind == DIRECT:
            fits = step.largest * _peak(step, ints, peaks) <= _EXACT
        part = fetch_add(shared, 1 + i, 1)
        while part < step.parts:
            if step.kind == CONVOLVE:
                over = _convolve(step, part, fits, ints, reals, weights, terms, memory, floats, wide, own)
            elif step.kind == DIRECT:
                over = _direct(step, part, fits, ints, reals, weights, terms, memory, floats, wide, own)
            elif step.kind == COPY:
                over = _copy(step, part, ints, x, memory, own)
            elif step.kind == SHIFT or step.kind == UPSAMPLE:
                over = _move(step, part, ints, memory, own)
            else:
                over = _by_rows(step, part, ints, reals, memory, floats, wide, scales, own)
            saturated[thread, i] += over
            part = fetch_add(shared, 1 + i, 1)
        if threads > 1:
            _wait_for_all(shared, (i - begin + 1) * threads)


@njit(cache=True, nogil=True)
def _wait_for_all(shared, arrivals):
    fetch_add(shared, 0, 1)
    spins = 0
    while read_shared(shared, 0) < arrivals:
        spins += 1
        if spins > _SPINS:
            _yield_core()


@njit(cache=True, nogil=True)
def _peak(step, ints, peaks):
    """Largest magnitude in the maps that the step reads."""
    largest = 0.0
    for j in range(step.source_count):
        for t in range(len(peaks)):
            largest = max(largest, peaks[t, ints[step.sources + j]])
    return largest


@njit(cache=True, nogil=True)
def _copy(step, part, ints, x, memory, peaks):
    """One channel of the input into its plane."""
    plane = ints[step.target + part]
    largest = 0
    for n in range(step.images):
        for y in range(step.height):
            at = plane + step.first + n * step.step + y * step.pitch
            row = x[n, part, y * step.width : (y + 1) * step.width]
            out = memory[at : at + step.width]
            for j in range(len(row)):
                out[j] = row[j]
                largest = max(largest, abs(np.int64(row[j])))
    peaks[step.map] = max(peaks[step.map], float(largest))
    return 0


@njit(cache=True, nogil=True)
def _move(step, part, ints, memory, peaks):
    """One channel of a spatial shift or of an upsampling."""
    source, target = ints[step.source + part], ints[step.target + part]
    dy, dx = 0, 0
    if step.kind == SHIFT:
        dy, dx = ints[step.offsets + 2 * part], ints[step.offsets + 2 * part + 1]
    largest = 0
    for n in range(step.images):
        for y in range(step.height):
            iy = y // step.stride_y + dy
            at = target + step.first + n * step.step + y * step.pitch
            begin = source + step.in_first + n * step.in_step + iy * step.in_pitch
            for j in range(step.width):
                ix = j // step.stride_x + dx
                inside = 0 <= iy < step.in_height and 0 <= ix < step.in_width
                value = memory[begin + ix] if inside else np.int32(0)
                memory[at + j] = value
                largest = max(largest, abs(np.int64(value)))
    peaks[step.map] = max(peaks[step.map], float(largest))
    return 0


@njit(cache=True, nogil=True)
def _convolve(step, part, fits, ints, reals, weights, terms, memory, floats, wide, peaks):
    """Some positions of one group, for all its outputs or a share of them."""
    tile = step.panels * COLUMNS
    tiles = (step.count + tile - 1) // tile
    split, rest = part % step.splits, part // step.splits
    group, begin = rest // tiles, rest % tiles * tile
    count = min(tile, step.count - begin)
    panels = (count + COLUMNS - 1) // COLUMNS
    taps = step.tap_at + group * step.taps
    if fits:
        _pack(step, taps, begin, panels, ints, memory, floats)
    else:
        _pack(step, taps, begin, panels, ints, memory, wide)
    blocks = (step.per_group + ROWS - 1) // ROWS
    one = step.taps * ROWS
    over = 0
    for block in range(blocks * split // step.splits, blocks * (split + 1) // step.splits):
        number = group * blocks + block
        at_weights = step.weights + number * one * (1 if step.exact else 2)
        channel = group * step.per_group + block * ROWS
        rows = min(ROWS, step.per_group - block * ROWS)
        for panel in range(panels):
            at = _PANELS + panel * step.taps * COLUMNS
            if fits and step.exact:
                product_block(weights, at_weights, floats, at, floats, 0, step.taps)
            elif fits:
                term_block(weights, at_weights, floats, at, floats, 0, step.taps)
            elif step.terms < 0:
                integer_block(weights, at_weights, wide, at, wide, 0, step.taps)
            else:
                _integer_terms(step, terms, step.terms + 3 * number * one, wide, at)
            first = begin + panel * COLUMNS
            mask = reals[step.mask + first : step.mask + first + COLUMNS]
            for r in range(rows):
                sums = floats[r * COLUMNS : (r + 1) * COLUMNS]
                if fits:
                    _scale(step, channel + r, reals, sums)
                else:
                    _scale_integers(step, channel + r, reals, wide[r * COLUMNS : (r + 1) * COLUMNS], sums)
                count = min(COLUMNS, step.count - first)
                place = step.first + first if step.linear else first
                over += _finish(
                    step, channel + r, place, step.linear, count, mask, floats, r * COLUMNS, ints, memory, peaks
                )
    return over


@njit(cache=True, nogil=True)
def _pack(step, taps, begin, panels, ints, memory, packed):
    """What each tap reads for some positions, panel by panel: (panels, taps, COLUMNS)."""
    for k in range(step.taps):
        tap = ints[taps + k]
        for panel in range(panels):
            at = _PANELS + (panel * step.taps + k) * COLUMNS
            out = packed[at : at + COLUMNS]
            first = begin + panel * COLUMNS
            if step.linear:
                row = memory[tap + step.first + first : tap + step.first + first + COLUMNS]
                for j in range(COLUMNS):
                    out[j] = row[j]
            else:
                where = ints[step.read_at + first : step.read_at + first + COLUMNS]
                for j in range(COLUMNS):
                    out[j] = memory[tap + where[j]]


@njit(cache=True, nogil=True)
def _integer_terms(step, terms, first, wide, at):
    """``sums[r, c] = sum over k of sign * ((panel[k, c] * factor) >> right)`` in int64."""
    size = step.taps * ROWS
    wide[: ROWS * COLUMNS] = 0
    for k in range(step.taps):
        x = wide[at + k * COLUMNS : at + (k + 1) * COLUMNS]
        for r in range(ROWS):
            item = first + k * ROWS + r
            factor, right, sign = terms[item], terms[item + size], terms[item + 2 * size]
            sums = wide[r * COLUMNS : (r + 1) * COLUMNS]
            for j in range(COLUMNS):
                sums[j] += sign * ((x[j] * factor) >> right)


@njit(cache=True, nogil=True)
def _direct(step, part, fits, ints, reals, weights, terms, memory, floats, wide, peaks):
    """One output channel of a convolution with few outputs per group, tap by tap."""
    taps = step.tap_at + part // step.per_group * step.taps
    own = step.weights + part * step.taps * (1 if step.exact else 2)
    sums, exact_sums = floats[:COLUMNS], wide[:COLUMNS]
    over = 0
    for first in range(0, step.count, COLUMNS):
        count = min(COLUMNS, step.count - first)
        if fits and step.exact and step.linear:
            direct_block(weights, own, ints, taps, memory, step.first + first, floats, 0, step.taps)
        else:
            _direct_terms(step, part, fits, ints, weights, terms, memory, first, taps, own, sums, exact_sums)
        if fits:
            _scale(step, part, reals, sums)
        else:
            _scale_integers(step, part, reals, exact_sums, sums)
        mask = reals[step.mask + first : step.mask + first + COLUMNS]
        place = step.first + first if step.linear else first
        over += _finish(step, part, place, step.linear, count, mask, floats, 0, ints, memory, peaks)
    return over


@njit(cache=True, nogil=True)
def _direct_terms(step, part, fits, ints, weights, terms, memory, first, taps, own, sums, exact_sums):
    sums[:] = 0
    exact_sums[:] = 0
    for k in range(step.taps):
        tap = ints[taps + k]
        item = step.terms + 3 * part * step.taps + k
        factor, right, sign = terms[item], terms[item + step.taps], terms[item + 2 * step.taps]
        scale = weights[own + k]
        for j in range(COLUMNS):
            at = step.first + first + j if step.linear else ints[step.read_at + first + j]
            x = memory[tap + at]
            if not fits:
                exact_sums[j] += sign * ((np.int64(x) * factor) >> right)
            elif step.exact:
                sums[j] += x * scale
            else:
                sums[j] += sign * np.floor(x * scale)


@njit(cache=True, nogil=True)
def _by_rows(step, part, ints, reals, memory, floats, wide, scales, peaks):
    """One channel of a pool, a sum or a scale: accumulators in int64, row by row."""
    acc = wide[: step.width]
    source = ints[step.source + part]
    second = ints[step.second + part] if step.second >= 0 else 0
    at = step.parameters + part * PARAMETERS
    m, b, places = np.int64(reals[at]), reals[at + 4], np.int64(reals[at + 5])
    over = 0
    for n in range(step.images):
        if step.kind == SCALE:
            gate = np.int64(memory[second + step.gate_first + n * step.gate_step])
            m = gate << step.gate_up if step.gate_up >= 0 else gate >> -step.gate_up
        elif step.kind == NORM:
            m, places, b = scales[n, part, 0], scales[n, part, 1], float(scales[n, part, 2])
        for y in range(step.height):
            begin = step.in_first + n * step.in_step + y * step.in_pitch
            if step.kind == POOL:
                _pool_row(step, source + step.in_first + n * step.in_step, y, memory, acc)
            else:
                _sum_row(step, source + begin, second + begin, memory, acc)
            own = step.pixel_scales + 2 * y * step.width if step.pixel_scales >= 0 else -1
            place = step.first + n * step.step + y * step.pitch
            for first in range(0, step.width, COLUMNS):
                count = min(COLUMNS, step.width - first)
                _scale_row(acc[first : first + count], m, b, places, own, first, ints, floats)
                mask = reals[COLUMNS - count : 2 * COLUMNS - count]
                over += _finish(step, part, place + first, 1, count, mask, floats, 0, ints, memory, peaks)
    return over


@njit(cache=True, nogil=True)
def _scale_row(acc, m, b, places, own, first, ints, floats):
    """Scale and bias of up to COLUMNS accumulators; with ``own`` >= 0 each pixel has its own (m, t)."""
    floats[:COLUMNS] = 0.0
    for j in range(len(acc)):
        if own >= 0:
            m, places = ints[own + 2 * (first + j)], ints[own + 2 * (first + j) + 1]
        floats[j] = _scaled(acc[j], m, places) + b


@njit(cache=True, nogil=True)
def _pool_row(step, source, y, memory, acc):
    """Sum or maximum of the windows of one output row, on the guarded grid."""
    acc[:] = step.outside
    for u in range(step.kernel_y):
        iy = y * step.stride_y - step.top + u
        if not 0 <= iy < step.in_height:
            continue
        for v in range(step.kernel_x):
            dx = v - step.left
            begin = max(0, -(dx // step.stride_x))
            end = min(len(acc), (step.in_width - 1 - dx) // step.stride_x + 1)
            at = source + iy * step.in_pitch + dx
            for j in range(begin, end):
                value = np.int64(memory[at + j * step.stride_x])
                acc[j] = max(acc[j], value) if step.maximum else acc[j] + value
    for j in range(len(acc)):
        acc[j] <<= step.up


@njit(cache=True, nogil=True)
def _sum_row(step, first, second, memory, acc):
    """One operand or two, each on the accumulator's grid."""
    a = memory[first : first + len(acc)]
    for j in range(len(acc)):
        acc[j] = np.int64(a[j]) << step.up
    if step.kind == SUM and step.second >= 0:
        b = memory[second : second + len(acc)]
        for j in range(len(acc)):
            acc[j] += np.int64(b[j]) << step.second_up


@njit(cache=True, nogil=True)
def _scaled(acc, m, places):
    """``floor(acc * m / 2**places)`` where it is inside a format, and outside every format otherwise."""
    y = acc >> places if m == 1 else scale_floor(acc, m, places)
    return float(min(max(y, -_BEYOND), _BEYOND))


@njit(cache=True, nogil=True)
def _scale_integers(step, channel, reals, sums, out):
    """Scale and bias of a row of int64 accumulators."""
    at = step.parameters + channel * PARAMETERS
    m, b, places = np.int64(reals[at]), reals[at + 4], np.int64(reals[at + 5])
    for j in range(COLUMNS):
        out[j] = _scaled(sums[j], m, places) + b


@njit(cache=True, nogil=True)
def _scale(step, channel, reals, sums):
    """``floor(acc * m / 2**t) + b`` of a row of float64 accumulators below 2**53, in place.

    acc is cut at bit k = min(t, 24): the upper part times m has at most 29 + 17 bits and is exact, or, where t is
    small, it is so large that the value saturates however it is rounded. The lower part times m is exact.
    """
    at = step.parameters + channel * PARAMETERS
    m, up, down, rest, b = reals[at], reals[at + 1], reals[at + 2], reals[at + 3], reals[at + 4]
    if not step.scaled:
        down *= rest
        for j in range(COLUMNS):
            sums[j] = np.floor(sums[j] * down) + b
        return
    for j in range(COLUMNS):
        high = np.floor(sums[j] * down)
        low = sums[j] - high * up
        sums[j] = np.floor((high * m + np.floor(low * m * down)) * rest) + b


@njit(cache=True, nogil=True)
def _finish(step, channel, place, linear, count, mask, floats, row, ints, memory, peaks):
    """Saturation, activation, residual, activation of a row of values; write them; count what saturated.

    ``floats[row : row + COLUMNS]`` holds the values; ``count`` of them belong to positions, and where ``mask`` is 0
    they are junk. ``place`` is the first target position if ``linear``, else an index into ``write_at``.
    """
    y = floats[row : row + COLUMNS]
    flags = floats[_FLAGS : _FLAGS + COLUMNS]
    for j in range(COLUMNS):
        v = y[j]
        flags[j] = 1.0 if (v < step.low) | (v > step.high) else 0.0
        v = step.floor if v < step.floor else v
        y[j] = step.ceiling if v > step.ceiling else v
    if step.table >= 0:
        _sigmoid(step, step.table, ints, mask, y)
    if step.residual >= 0:
        _add_residual(step, ints[step.residual + channel], place, linear, mask, floats, row, ints, memory)
    over, peak = 0, 0
    values = memory[ints[step.target + channel] + (place if linear else 0) :]
    for j in range(COLUMNS):
        over += np.int64(flags[j] * mask[j])
        value = np.int32(y[j] * mask[j])
        peak = max(peak, abs(np.int64(value)))
        flags[j] = value
    if not linear:
        where = ints[step.write_at + place : step.write_at + place + count]
        for j in range(count):
            values[where[j]] = np.int32(flags[j])
    elif count == COLUMNS:
        out = values[:COLUMNS]
        for j in range(COLUMNS):
            out[j] = np.int32(flags[j])
    else:
        for j in range(count):
            values[j] = np.int32(flags[j])
    peaks[step.map] = max(peaks[step.map], float(peak))
    return over


@njit(cache=True, nogil=True)
def _add_residual(step, plane, place, linear, mask, floats, row, ints, memory):
    y, flags = floats[row : row + COLUMNS], floats[_FLAGS : _FLAGS + COLUMNS]
    added = floats[_ADDED : _ADDED + COLUMNS]
    if linear:
        source = memory[plane + place : plane + place + COLUMNS]
        for j in range(COLUMNS):
            added[j] = source[j]
    else:
        where = ints[step.write_at + place : step.write_at + place + COLUMNS]
        for j in range(COLUMNS):
            added[j] = memory[plane + where[j]]
    for j in range(COLUMNS):
        v = y[j] + np.floor(added[j] * step.residual_factor)
        flags[j] = 1.0 if (v < step.low) | (v > step.high) else flags[j]
        v = step.residual_floor if v < step.residual_floor else v
        y[j] = step.residual_ceiling if v > step.residual_ceiling else v
    if step.residual_table >= 0:
        _sigmoid(step, step.residual_table, ints, mask, y)


@njit(cache=True, nogil=True)
def _sigmoid(step, table, ints, mask, y):
    for j in range(COLUMNS):
        index = np.int64(np.floor(y[j] * mask[j] * step.table_scale)) + SIGMOID_ENTRIES // 2
        y[j] = ints[table + min(max(index, 0), SIGMOID_ENTRIES - 1)]
