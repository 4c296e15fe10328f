"""The compiled loops of the functional simulator: one COMPUTE instruction, step by step."""

import numpy as np

from hwshift.golden.epilogue import scale_floor
from hwshift.program.isa import Act
from hwshift.program.row_taps import LEAD_STEPS, ROW_TAPS
from hwshift.sim.compiled import njit

__all__ = ["ADDRESS", "OVERFLOW", "RACE", "compute_kernel"]

ADDRESS, RACE, OVERFLOW = 1, 2, 3
"""Faults: word outside buffer or memory; read of a word whose write is not visible yet; accumulator too large."""

_SIGMOID = int(Act.SIGMOID)
# Places in ``limits``
MIN, LOW, RESIDUAL_LOW, GUARD, ACC_MAX, RAW, RESIDUAL_RAW, FRACTION = 0, 2, 4, 6, 7, 8, 9, 10
# Places in ``counts``
READS, RESIDUALS, WRITES, OPERATIONS, NONZERO, SUMS = 0, 1, 2, 3, 4, 5
# Places in ``clock``
NOW, LAST = 0, 1


@njit(cache=True, nogil=True)
def wrap(value, length):
    """One conditional subtraction."""
    return value - length if value >= length else value


@njit(cache=True, nogil=True)
def gather(f, limits, source, offset, entries, lanes, y, first_x, now, counted, buffer, written, counts, x):
    """What one pixel lane of the array gets: ``x[lane]`` for all lanes that are on; returns a fault."""
    sub_banks, depth = buffer.shape[1], buffer.shape[2]
    for lane in lanes:
        px, py = first_x + entries[lane, 2], y + entries[lane, 1]
        if not (0 <= px < f.width and 0 <= py < f.height):
            x[lane] = limits[MIN] if f.pad_min and not f.relu_fetch else 0
            continue
        inner = wrap(offset + entries[lane, 0] + px // sub_banks, source[1])
        word = source[0] + inner
        if inner >= source[1] or word >= depth:
            return ADDRESS
        if counted:
            counts[READS] += 1
            if now - written[lane, px % sub_banks, word] < limits[RAW]:
                return RACE
        value = np.int64(buffer[lane, px % sub_banks, word])
        x[lane] = max(value, 0) if f.relu_fetch else value
    return 0


@njit(cache=True, nogil=True)
def column_sums(weight, right, sign, x, lanes, sums):
    """Column sums of one pixel; a term is ``sign * ((x * weight) >> right)``."""
    for c in range(sums.shape[0]):
        total = np.int64(0)
        for lane in lanes:
            total += sign[lane, c] * ((x[lane] * weight[lane, c]) >> right[lane, c])
        sums[c] = total


@njit(cache=True, nogil=True)
def column_sums_of_taps(weight, right, sign, recent, ages, sums):
    """The same where elements take what a lane before theirs read some steps ago: ``recent[age, lane]``."""
    for c in range(sums.shape[0]):
        total = np.int64(0)
        for row in range(recent.shape[1]):
            x = recent[ages[row, c], row - ages[row, c]]
            total += sign[row, c] * ((x * weight[row, c]) >> right[row, c])
        sums[c] = total


@njit(cache=True, nogil=True)
def accumulate(first, maximum, sums, place):
    """Column sums of one pixel into its accumulators."""
    for c in range(place.shape[0]):
        if first:
            place[c] = sums[c]
        elif maximum:
            place[c] = max(place[c], sums[c])
        else:
            place[c] += sums[c]


@njit(cache=True, nogil=True)
def look_up(table, fraction, y):
    """The sigmoid's entry for a code with ``fraction`` fraction bits."""
    bins = y >> (fraction - 6) if fraction >= 6 else y << (6 - fraction)
    return table[min(max(bins + len(table) // 2, 0), len(table) - 1)]


@njit(cache=True, nogil=True)
def write_pixel(
    f, limits, params, table, place, mask, bank, sub, word_out, word_res, now, buffer, written, counts
):
    """The epilogue of one pixel: accumulators to the shift buffer; returns a fault."""
    for c in range(place.shape[0]):
        if not mask >> c & 1:
            continue
        if abs(place[c]) > limits[ACC_MAX]:
            return OVERFLOW
        m, shift, b = params[c]
        y = scale_floor(place[c], m, limits[GUARD] + shift) + b
        y = min(max(y, limits[LOW]), limits[LOW + 1])
        if f.residual:
            if now - written[bank + c, sub, word_res] < limits[RESIDUAL_RAW]:
                return RACE
            y += buffer[bank + c, sub, word_res]
            y = min(max(y, limits[RESIDUAL_LOW]), limits[RESIDUAL_LOW + 1])
            counts[RESIDUALS] += 1
        if (f.residual_act if f.residual else f.act) == _SIGMOID:
            y = look_up(table, limits[FRACTION], y)
        buffer[bank + c, sub, word_out] = y
        written[bank + c, sub, word_out] = now
        counts[WRITES] += 1
    return 0


@njit(cache=True, nogil=True)
def count_products(on, ages, weight, sign, mask):
    """(products per pixel, those with a weight other than zero, columns that are written); ``on``: of each lane."""
    products = nonzero = written = 0
    for c in range(ages.shape[1]):
        if mask >> c & 1:
            written += 1
            for row in range(ages.shape[0]):
                if on[row - ages[row, c]]:
                    products += 1
                    nonzero += sign[row, c] != 0 and weight[row, c] != 0
    return products, nonzero, written


@njit(cache=True, nogil=True)
def compute_kernel(
    f,
    limits,
    sources,
    ktiles,
    lane_table,
    params,
    table,
    weight,
    right,
    sign,
    ages,
    buffer,
    written,
    acc,
    clock,
    counts,
):
    """Execute one instruction.

    Parameters
    ----------
    f : int64 record of the instruction's fields (see `hwshift.sim.functional`)
    limits : int64
        Format minimum and maximum, first activation low and high, second low and high, guard bits, largest
        accumulator, least distance of a read and of a residual read from the write, fraction bits.
    sources : int64, shape (8, 5): base, length, offset, row_step, chunk_step
    ktiles : int64, shape (entries, 3): offset, descriptor, lane row
    lane_table : int64, shape (rows, R, 4): offset, dy, dx, enable
    params : int64, shape (tiles, C, 3): m, s, b
    table : int64, shape (1024,): the sigmoid
    weight, right, sign : int64, shape (tiles, R, C)
    ages : int64, shape (R, C)
        How many steps ago every element's value was read: zeros without ``row_taps``.
    buffer, written : shape (R, 2P, depth): values, and when they were written
    acc : int64, shape (P, T, C)
    clock : int64 (steps so far, time of the last step that wrote)
    counts : int64 (port A reads, residual reads, epilogue writes, products, nonzero products, column sums)

    Returns
    -------
    (fault, tile, row, pixel)
    """
    rows_banks, sub_banks, depth = buffer.shape
    columns = acc.shape[2]
    lanes_used = min(f.out_step, acc.shape[0])
    lead = LEAD_STEPS if f.row_taps else 0
    recent = np.zeros((ROW_TAPS, rows_banks), np.int64)
    x = recent[0]
    sums = np.zeros(columns, np.int64)
    start = np.zeros(8, np.int64)
    slot_out, slot_res, group, entry, position = 0, 0, f.group0, f.ktile_base, 0
    if f.drain:
        clock[NOW] = max(clock[NOW], clock[LAST] + limits[RAW])
    for tile in range(f.tiles):
        mask = f.last_columns if tile == f.tiles - 1 else (1 << columns) - 1
        y0, rows_left = f.y0, f.rows
        start[:] = sources[:, 2]
        out_row, res_row = f.out_offset, f.res_offset
        for _ in range(f.chunks):
            rows = min(f.chunk_rows, rows_left)
            for k in range(f.ktile_count):
                ktile_offset, d, lane_row = ktiles[entry + k, 0], ktiles[entry + k, 1], ktiles[entry + k, 2]
                entries = lane_table[lane_row]
                lanes = np.flatnonzero(entries[:, 3])
                index = 0 if f.hold_weights else position + k
                products = count_products(entries[:, 3], ages, weight[index], sign[index], mask)
                recent[:] = 0
                row_offset, y = start[d], y0
                last = k == f.ktile_count - 1
                for row in range(rows):
                    for step in range(f.steps):
                        valid = f.last_pixels if step == f.steps - 1 else lanes_used
                        pixel = f.out_x0 + max(step - lead, 0) * f.out_step
                        if f.row_taps:
                            for age in range(ROW_TAPS - 1, 0, -1):
                                recent[age] = recent[age - 1]
                        if step >= lead:
                            counts[OPERATIONS] += products[0] * valid
                            counts[NONZERO] += products[1] * valid
                            counts[SUMS] += products[2] * valid
                        word_out = f.out_base + wrap(out_row + slot_out + pixel // sub_banks, f.out_length)
                        word_res = f.res_base + wrap(res_row + slot_res + pixel // sub_banks, f.res_length)
                        for p in range(lanes_used):
                            first_x = f.x0 + step * f.x_step + p * f.stride_x
                            place = acc[p, row * f.steps + step]
                            fault = gather(f, limits, sources[d], row_offset + ktile_offset, entries, lanes, y,
                                           first_x, clock[NOW], p < valid, buffer, written, counts, x)  # fmt: skip
                            if fault:
                                return fault, tile, row, pixel + p
                            if step < lead:
                                continue
                            if f.row_taps:
                                column_sums_of_taps(
                                    weight[index], right[index], sign[index], recent, ages, sums
                                )
                            else:
                                column_sums(weight[index], right[index], sign[index], x, lanes, sums)
                            accumulate(k == 0, f.maximum, sums, place)
                            if last and p < valid:
                                sub = pixel % sub_banks + p
                                if (
                                    sub >= sub_banks
                                    or word_out >= depth
                                    or (f.residual and word_res >= depth)
                                ):
                                    return ADDRESS, tile, row, pixel + p
                                fault = write_pixel(f, limits, params[f.param_base + tile], table, place, mask,
                                                    group * columns, sub, word_out, word_res, clock[NOW], buffer,
                                                    written, counts)  # fmt: skip
                                if fault:
                                    return fault, tile, row, pixel + p
                        if last:
                            clock[LAST] = clock[NOW]
                        clock[NOW] += 1
                    row_offset = wrap(row_offset + sources[d, 3], sources[d, 1])
                    y += f.stride_y
                    if last:
                        out_row = wrap(out_row + f.out_row_step, f.out_length)
                        res_row = wrap(res_row + f.res_row_step, f.res_length)
            for d in range(8):
                start[d] = wrap(start[d] + sources[d, 4], sources[d, 1])
            y0 += f.chunk_y
            rows_left -= f.chunk_rows
        position += f.ktile_count
        if f.ktile_advance:
            entry += f.ktile_count
        group += 1
        if group == rows_banks // columns:
            group = 0
            slot_out += f.out_pitch
            slot_res += f.res_pitch
    return 0, 0, 0, 0
