"""Steps that go through a channel row by row: the input, moves, pools, sums and scales."""

import numpy as np

from hwshift.golden.blocks import COLUMNS
from hwshift.golden.compiled import inlined, kernel
from hwshift.golden.copies import copy_rows
from hwshift.golden.finish import OWN, PANELS, clear_totals, finish, scaled, totals
from hwshift.golden.rows import AS_IT_IS
from hwshift.golden.steps import NORM, PARAMETERS, POOL, SCALE, SHIFT, SUM

__all__ = ["by_rows", "copy", "leave", "move", "read_map"]


@inlined
def rows_of(source, s_at, s_pitch, target, t_at, t_pitch, rows, width):
    """`copy_rows`; both ends of both are indexed, so that bounds checks, where they are on, see all it touches."""
    if rows > 0 and width > 0:
        source[s_at], source[s_at + (rows - 1) * s_pitch + width - 1]
        target[t_at], target[t_at + (rows - 1) * t_pitch + width - 1]
    return copy_rows(source, s_at, s_pitch, target, t_at, t_pitch, rows, width)


@kernel
def copy(step, part, ints, x, memory, peaks):
    """Some rows of the input, of shape (images, channels, pixels) in one row, into its planes."""
    first = part * step.rows
    rows, largest = min(step.rows, step.height - first), 0.0
    for channel in range(step.channels):
        place = ints[step.target + channel] + step.first + first * step.pitch
        for n in range(step.images):
            found = rows_of(
                x, ((n * step.channels + channel) * step.height + first) * step.width, step.width, memory,
                place + n * step.step, step.pitch, rows, step.width,
            )  # fmt: skip
            largest = max(largest, found)
    peaks[step.map] = max(peaks[step.map], largest)
    return 0


@kernel
def leave(step, part, ints, memory, out):
    """Some rows from their planes into the output, as the input of `copy`."""
    first = part * step.rows
    rows = min(step.rows, step.in_height - first)
    for channel in range(step.channels):
        place = ints[step.source + channel] + step.in_first + first * step.in_pitch
        for n in range(step.images):
            rows_of(
                memory, place + n * step.in_step, step.in_pitch, out,
                ((n * step.channels + channel) * step.in_height + first) * step.in_width, step.in_width, rows,
                step.in_width,
            )  # fmt: skip
    return 0


@kernel
def read_map(memory, planes, first, image_step, pitch, height, width, images, out):
    """Copy planes out of the arena into ``out``: (images, channels, height, width) in one row."""
    channels = len(planes)
    for n in range(images):
        for c in range(channels):
            rows_of(
                memory, planes[c] + first + n * image_step, pitch, out, (n * channels + c) * height * width, width,
                height, width,
            )  # fmt: skip


@kernel
def move(step, part, ints, memory, peaks):
    """One channel of a spatial shift or of an upsampling."""
    source, target = ints[step.source + part], ints[step.target + part]
    dy, dx = 0, 0
    if step.kind == SHIFT:
        dy, dx = ints[step.offsets + 2 * part], ints[step.offsets + 2 * part + 1]
    largest = np.int64(0)
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


@kernel
def by_rows(step, part, fits, ints, reals, memory, floats, wide, scales, peaks):
    """One channel of a pool, a sum or a scale, row by row."""
    source = ints[step.source + part]
    second = ints[step.second + part] if step.second >= 0 else 0
    for i in range(PARAMETERS):
        floats[OWN + i] = reals[step.parameters + part * PARAMETERS + i]
    clear_totals(floats)
    for n in range(step.images):
        if step.kind == SCALE:
            gate = np.int64(memory[second + step.gate_first + n * step.gate_step])
            floats[OWN] = gate << step.gate_up if step.gate_up >= 0 else gate >> -step.gate_up
            peaks[step.gate_map] = max(peaks[step.gate_map], abs(floats[OWN]))
        elif step.kind == NORM:
            floats[OWN], floats[OWN + 5], floats[OWN + 4] = (
                scales[n, part, 0],
                scales[n, part, 1],
                scales[n, part, 2],
            )
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
                finish(
                    step, part, 1, place + first, 1, count, COLUMNS - count, mode, floats, OWN, floats, ints, reals,
                    memory,
                )  # fmt: skip
    return totals(step, floats, peaks)


@kernel
def _take_row(step, y, first, count, fits, ints, floats, wide):
    """Up to COLUMNS accumulators of a row to where sums are, scaled where they are integers; the scale left to do."""
    for j in range(count, COLUMNS):
        floats[j] = 0.0
    if fits:
        for j in range(count):
            floats[j] = floats[PANELS + first + j]
        return step.scale
    m, b, places = np.int64(floats[OWN]), floats[OWN + 4], np.int64(floats[OWN + 5])
    for j in range(count):
        if step.pixel_scales >= 0:
            at = step.pixel_scales + 2 * (y * step.width + first + j)
            m, places = ints[at], ints[at + 1]
        floats[j] = scaled(wide[PANELS + first + j], m, places) + b
    return AS_IT_IS


@kernel
def _pool_row(step, source, y, memory, out):
    """Sum or maximum of the windows of one output row, on the guarded grid."""
    for j in range(step.width):
        out[PANELS + j] = step.outside
    for u in range(step.kernel_y):
        iy = y * step.stride_y - step.top + u
        if not 0 <= iy < step.in_height:
            continue
        row = source + iy * step.in_pitch
        if step.width == 1:
            begin, end = max(0, -step.left), min(step.in_width, step.kernel_x - step.left)
            out[PANELS] = _reduced(memory[row + begin : row + end], out[PANELS], step.maximum)
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
        out[PANELS + j] *= 1 << step.up


@inlined
def _reduced(row, start, maximum):
    """Sum or maximum of a row and what was before."""
    total, largest = np.int64(0), np.int64(row[0])
    for j in range(len(row)):
        total += row[j]
        largest = max(largest, np.int64(row[j]))
    return max(start, largest) if maximum else start + total


@inlined
def _pool_tap(memory, at, stride, out, begin, end, maximum):
    """One position of the windows; slices let the compiler see that no index is negative, so that it vectorises."""
    count = end - begin
    if count < 1:
        return
    totals = out[PANELS + begin : PANELS + end]
    first = at + begin * stride
    row = memory[first : first + (count - 1) * stride + 1]
    if maximum:
        for j in range(count):
            totals[j] = max(totals[j], row[j * stride])
    else:
        for j in range(count):
            totals[j] += row[j * stride]


@kernel
def _sum_row(step, first, second, memory, out):
    """One operand or two, each on the accumulator's grid."""
    up = 1 << step.up
    for j in range(step.width):
        out[PANELS + j] = np.int64(memory[first + j]) * up
    if step.kind == SUM and step.second >= 0:
        up = 1 << step.second_up
        for j in range(step.width):
            out[PANELS + j] += np.int64(memory[second + j]) * up
