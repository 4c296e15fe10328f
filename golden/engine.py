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
from hwshift.golden.blocks import (
    COLUMNS,
    ROWS,
    direct_block,
    gather_panel,
    integer_block,
    pack_panel,
    product_block,
    scattered_block,
    term_block,
)
from hwshift.golden.llvm import LANES, fetch_add, read_shared
from hwshift.golden.rows import (
    AS_IT_IS,
    add_row,
    clip_row,
    finish_rows,
    gather_row,
    pack_row,
    scale_row,
    settle_row,
)

__all__ = ["execute", "read_map", "scratch_size"]

_EXACT = float(1 << 52)  # sums of integers are exact in float64 below 2**53
_BEYOND = 1 << 40  # outside every format, and exact in float64
_SPINS = 2000  # looks at the others before the core is given away

# A thread's scratch: sums and residuals of a block, flags of a row, totals of a part, parameters of a channel, and
# then packed panels or a row of accumulators.
_ADDED = ROWS * COLUMNS
_FLAGS = 2 * _ADDED
_TOTALS = _FLAGS + COLUMNS
_OWN = _TOTALS + 2 * LANES
_PANELS = _OWN + -(-PARAMETERS // LANES) * LANES

_yield_core = types.ExternalFunction("sched_yield", types.int32())


def scratch_size(taps: int, panels: int, width: int) -> int:
    """Words of a thread's scratch for steps with so many taps, panels a part, and pixels a row."""
    return _PANELS + max(taps * panels * COLUMNS, width)


@njit(cache=True, nogil=True, _nrt=False)
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
                over = _by_rows(step, part, fits, ints, reals, memory, floats, wide, scales, own)
            saturated[thread, i] += over
            part = fetch_add(shared, 1 + i, 1)
        if threads > 1:
            _wait_for_all(shared, (i - begin + 1) * threads)


@njit(cache=True, nogil=True, _nrt=False)
def read_map(memory, planes, first, image_step, pitch, out):
    """Copy planes out of the arena into ``out`` of shape (images, channels, height, width)."""
    images, channels, height, width = out.shape
    for n in range(images):
        for c in range(channels):
            for y in range(height):
                at = planes[c] + first + n * image_step + y * pitch
                row, source = out[n, c, y], memory[at : at + width]
                for j in range(width):
                    row[j] = source[j]


@njit(cache=True, nogil=True, _nrt=False)
def _wait_for_all(shared, arrivals):
    fetch_add(shared, 0, 1)
    spins = 0
    while read_shared(shared, 0) < arrivals:
        spins += 1
        if spins > _SPINS:
            _yield_core()


@njit(cache=True, nogil=True, _nrt=False)
def _peak(step, ints, peaks):
    """Largest magnitude in the maps that the step reads."""
    largest = 0.0
    for j in range(step.source_count):
        for t in range(len(peaks)):
            largest = max(largest, peaks[t, ints[step.sources + j]])
    return largest


@njit(cache=True, nogil=True, _nrt=False)
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


@njit(cache=True, nogil=True, _nrt=False)
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


@njit(cache=True, nogil=True, _nrt=False)
def _convolve(step, part, fits, ints, reals, weights, terms, memory, floats, wide, peaks):
    """Some positions of one group, for all its outputs or a share of them."""
    tile = step.panels * COLUMNS
    tiles = (step.count + tile - 1) // tile
    split, rest = part % step.splits, part // step.splits
    group, begin = rest // tiles, rest % tiles * tile
    count = min(tile, step.count - begin)
    panels = (count + COLUMNS - 1) // COLUMNS
    taps = step.tap_at + group * step.taps
    for panel in range(panels):
        at, first = _PANELS + panel * step.taps * COLUMNS, begin + panel * COLUMNS
        if fits and step.linear:
            pack_panel(floats, at, memory, step.first + first, ints, taps, step.taps)
        elif fits:
            gather_panel(floats, at, memory, 0, ints, taps, step.taps, ints, step.read_at + first)
        elif step.linear:
            pack_panel(wide, at, memory, step.first + first, ints, taps, step.taps)
        else:
            gather_panel(wide, at, memory, 0, ints, taps, step.taps, ints, step.read_at + first)
    _clear_totals(floats)
    blocks = (step.per_group + ROWS - 1) // ROWS
    one = step.taps * ROWS
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
            place = step.first + first if step.linear else first
            count = min(COLUMNS, step.count - first)
            mode = step.scale if fits else _scale_integers(step, channel, rows, reals, floats, wide)
            own = step.parameters + channel * PARAMETERS
            _finish(
                step, channel, rows, place, step.linear, count, step.mask + first, mode, reals, own, floats, ints,
                reals, memory,
            )  # fmt: skip
    return _totals(step, floats, peaks)


@njit(cache=True, nogil=True, _nrt=False)
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


@njit(cache=True, nogil=True, _nrt=False)
def _direct(step, part, fits, ints, reals, weights, terms, memory, floats, wide, peaks):
    """One output channel of a convolution with few outputs per group, tap by tap."""
    taps = step.tap_at + part // step.per_group * step.taps
    own = step.weights + part * step.weights_step
    sums, exact_sums = floats[:COLUMNS], wide[:COLUMNS]
    _clear_totals(floats)
    for first in range(0, step.count, COLUMNS):
        if fits and step.exact and step.linear:
            direct_block(weights, own, ints, taps, memory, step.first + first, floats, 0, step.taps)
        elif fits and step.exact:
            scattered_block(weights, own, ints, taps, memory, 0, floats, 0, step.taps, ints, step.read_at + first)
        else:
            _direct_terms(step, part, fits, ints, weights, terms, memory, first, taps, own, sums, exact_sums)
        mode = step.scale if fits else _scale_integers(step, part, 1, reals, floats, wide)
        place = step.first + first if step.linear else first
        count = min(COLUMNS, step.count - first)
        _finish(
            step, part, 1, place, step.linear, count, step.mask + first, mode, reals,
            step.parameters + part * PARAMETERS, floats, ints, reals, memory,
        )  # fmt: skip
    return _totals(step, floats, peaks)


@njit(cache=True, nogil=True, _nrt=False)
def _direct_terms(step, part, fits, ints, weights, terms, memory, first, taps, own, sums, exact_sums):
    sums[:] = 0
    exact_sums[:] = 0
    for k in range(step.taps):
        tap = ints[taps + k]
        item = step.terms + part * step.terms_step + k
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


@njit(cache=True, nogil=True, _nrt=False)
def _by_rows(step, part, fits, ints, reals, memory, floats, wide, scales, peaks):
    """One channel of a pool, a sum or a scale, row by row."""
    source = ints[step.source + part]
    second = ints[step.second + part] if step.second >= 0 else 0
    for i in range(PARAMETERS):
        floats[_OWN + i] = reals[step.parameters + part * PARAMETERS + i]
    _clear_totals(floats)
    for n in range(step.images):
        if step.kind == SCALE:
            gate = np.int64(memory[second + step.gate_first + n * step.gate_step])
            floats[_OWN] = gate << step.gate_up if step.gate_up >= 0 else gate >> -step.gate_up
        elif step.kind == NORM:
            floats[_OWN], floats[_OWN + 5], floats[_OWN + 4] = scales[n, part, 0], scales[n, part, 1], scales[n, part, 2]
        for y in range(step.height):
            begin = step.in_first + n * step.in_step + y * step.in_pitch
            if step.kind == POOL and fits:
                _pool_row(step, source + step.in_first + n * step.in_step, y, memory, floats)
            elif step.kind == POOL:
                _pool_row(step, source + step.in_first + n * step.in_step, y, memory, wide)
            elif fits:
                _sum_row(step, source + begin, second + begin, memory, floats)
            else:
                _sum_row(step, source + begin, second + begin, memory, wide)
            place = step.first + n * step.step + y * step.pitch
            for first in range(0, step.width, COLUMNS):
                count = min(COLUMNS, step.width - first)
                mode = _take_row(step, y, first, count, fits, ints, floats, wide)
                _finish(
                    step, part, 1, place + first, 1, count, COLUMNS - count, mode, floats, _OWN, floats, ints, reals,
                    memory,
                )  # fmt: skip
    return _totals(step, floats, peaks)


@njit(cache=True, nogil=True, _nrt=False)
def _take_row(step, y, first, count, fits, ints, floats, wide):
    """Up to COLUMNS accumulators of a row to where sums are, scaled where they are integers; the scale left to do."""
    for j in range(count, COLUMNS):
        floats[j] = 0.0
    if fits:
        for j in range(count):
            floats[j] = floats[_PANELS + first + j]
        return step.scale
    m, b, places = np.int64(floats[_OWN]), floats[_OWN + 4], np.int64(floats[_OWN + 5])
    for j in range(count):
        if step.pixel_scales >= 0:
            at = step.pixel_scales + 2 * (y * step.width + first + j)
            m, places = ints[at], ints[at + 1]
        floats[j] = _scaled(wide[_PANELS + first + j], m, places) + b
    return AS_IT_IS


@njit(cache=True, nogil=True, _nrt=False)
def _pool_row(step, source, y, memory, out):
    """Sum or maximum of the windows of one output row, on the guarded grid."""
    for j in range(step.width):
        out[_PANELS + j] = step.outside
    for u in range(step.kernel_y):
        iy = y * step.stride_y - step.top + u
        if not 0 <= iy < step.in_height:
            continue
        row = source + iy * step.in_pitch
        if step.width == 1:
            begin, end = max(0, -step.left), min(step.in_width, step.kernel_x - step.left)
            out[_PANELS] = _reduced(memory[row + begin : row + end], out[_PANELS], step.maximum)
            continue
        for v in range(step.kernel_x):
            dx = v - step.left
            begin = max(0, -(dx // step.stride_x))
            end = min(step.width, (step.in_width - 1 - dx) // step.stride_x + 1)
            if step.stride_x == 1:
                _pool_tap(memory, row + dx, 1, out, begin, end, step.maximum)
            elif step.stride_x == 2:
                _pool_tap(memory, row + dx, 2, out, begin, end, step.maximum)
            else:
                _pool_tap(memory, row + dx, step.stride_x, out, begin, end, step.maximum)
    for j in range(step.width):
        out[_PANELS + j] *= 1 << step.up


@njit(cache=True, nogil=True, _nrt=False, inline="always")
def _reduced(row, start, maximum):
    """Sum or maximum of a row and what was before."""
    total, largest = np.int64(0), np.int64(row[0])
    for j in range(len(row)):
        total += row[j]
        largest = max(largest, np.int64(row[j]))
    return max(start, largest) if maximum else start + total


@njit(cache=True, nogil=True, _nrt=False, inline="always")
def _pool_tap(memory, at, stride, out, begin, end, maximum):
    """One position of the windows; slices let the compiler see that no index is negative, so that it vectorises."""
    count = end - begin
    if count < 1:
        return
    totals = out[_PANELS + begin : _PANELS + end]
    first = at + begin * stride
    row = memory[first : first + (count - 1) * stride + 1]
    if maximum:
        for j in range(count):
            totals[j] = max(totals[j], row[j * stride])
    else:
        for j in range(count):
            totals[j] += row[j * stride]


@njit(cache=True, nogil=True, _nrt=False)
def _sum_row(step, first, second, memory, out):
    """One operand or two, each on the accumulator's grid."""
    up = 1 << step.up
    for j in range(step.width):
        out[_PANELS + j] = np.int64(memory[first + j]) * up
    if step.kind == SUM and step.second >= 0:
        up = 1 << step.second_up
        for j in range(step.width):
            out[_PANELS + j] += np.int64(memory[second + j]) * up


@njit(cache=True, nogil=True, _nrt=False)
def _scaled(acc, m, places):
    """``floor(acc * m / 2**places)`` where it is inside a format, and outside every format otherwise."""
    y = acc >> places if m == 1 else scale_floor(acc, m, places)
    return float(min(max(y, -_BEYOND), _BEYOND))


@njit(cache=True, nogil=True, _nrt=False)
def _scale_integers(step, channel, rows, reals, floats, wide):
    """Scale and bias of rows of int64 accumulators; the scale left to do."""
    for r in range(rows):
        at = step.parameters + (channel + r) * PARAMETERS
        m, b, places = np.int64(reals[at]), reals[at + 4], np.int64(reals[at + 5])
        for j in range(r * COLUMNS, (r + 1) * COLUMNS):
            floats[j] = _scaled(wide[j], m, places) + b
    return AS_IT_IS


@njit(cache=True, nogil=True, _nrt=False)
def _finish(
    step, channel, rows, place, linear, count, mask, mode, parameters, own, floats, ints, reals, memory
):
    """Scale (``mode``), saturation, activation, residual, activation of rows of sums; write them, add to the totals.

    ``floats[r * COLUMNS + j]`` are the sums of channel + r; the first ``count`` belong to positions, and where
    ``reals[mask + j]`` is 0 they are junk. ``place`` is the first target position if ``linear``, else an index into
    ``write_at``. ``parameters[own:]`` are the rows' scales.
    """
    targets = step.target + channel
    if step.residual >= 0:
        for r in range(rows):
            plane = ints[step.residual + channel + r]
            if linear:
                pack_row(floats, _ADDED + r * COLUMNS, memory, plane + place)
            else:
                gather_row(floats, _ADDED + r * COLUMNS, memory, plane, ints, step.write_at + place)
    whole = linear and count == COLUMNS and step.table < 0 and step.residual_table < 0
    if step.table < 0 and step.residual_table < 0:
        finish_rows(
            floats, 0, parameters, own, floats, _ADDED, reals, mask, floats, _TOTALS, memory, ints, targets, place,
            rows, step.low, step.high, step.floor, step.ceiling, step.residual_factor, step.residual_floor,
            step.residual_ceiling, mode, int(step.residual >= 0), int(whole),
        )  # fmt: skip
        if whole:
            return
    else:
        _finish_with_tables(step, rows, mask, mode, parameters, own, floats, ints, reals)
    for r in range(rows):
        target, row = ints[targets + r], r * COLUMNS
        for j in range(count):
            at = place + j if linear else ints[step.write_at + place + j]
            memory[target + at] = np.int32(floats[row + j])


@njit(cache=True, nogil=True, _nrt=False)
def _finish_with_tables(step, rows, mask, mode, parameters, own, floats, ints, reals):
    """As `finish_rows` back to the sums, with a sigmoid before the residual, behind it, or both."""
    for r in range(rows):
        row = r * COLUMNS
        if mode != AS_IT_IS:
            scale_row(floats, row, parameters, own + r * PARAMETERS)
        clip_row(floats, row, floats, _FLAGS, step.low, step.high, step.floor, step.ceiling)
        if step.table >= 0:
            _sigmoid(step, step.table, ints, reals, mask, floats, row)
        if step.residual >= 0:
            add_row(
                floats, row, floats, _FLAGS, floats, _ADDED + row, step.residual_factor, step.low, step.high,
                step.residual_floor, step.residual_ceiling,
            )  # fmt: skip
            if step.residual_table >= 0:
                _sigmoid(step, step.residual_table, ints, reals, mask, floats, row)
        settle_row(floats, row, floats, _FLAGS, reals, mask, floats, _TOTALS)


@njit(cache=True, nogil=True, _nrt=False)
def _sigmoid(step, table, ints, reals, mask, floats, row):
    for j in range(COLUMNS):
        index = np.int64(np.floor(floats[row + j] * reals[mask + j] * step.table_scale)) + SIGMOID_ENTRIES // 2
        floats[row + j] = ints[table + min(max(index, 0), SIGMOID_ENTRIES - 1)]


@njit(cache=True, nogil=True, _nrt=False)
def _clear_totals(floats):
    for j in range(2 * LANES):
        floats[_TOTALS + j] = 0.0


@njit(cache=True, nogil=True, _nrt=False)
def _totals(step, floats, peaks):
    """Values of a part that saturated; their largest magnitude goes to the peaks."""
    over, peak = 0.0, 0.0
    for j in range(LANES):
        over += floats[_TOTALS + j]
        peak = max(peak, floats[_TOTALS + LANES + j])
    peaks[step.map] = max(peaks[step.map], peak)
    return np.int64(over)
