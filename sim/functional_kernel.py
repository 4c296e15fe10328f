"""The compiled loops of the functional simulator: one COMPUTE instruction, step by step."""

import numpy as np
from numba import njit

from hwshift.golden.epilogue import scale_floor

__all__ = ["ADDRESS", "OVERFLOW", "RACE", "compute_kernel"]

ADDRESS, RACE, OVERFLOW = 1, 2, 3
"""Faults: word outside buffer or memory; read of a word whose write is not visible yet; accumulator too large."""


@njit(cache=True, nogil=True)
def multiply(weight, right, sign, x, lanes, sums):
    """``sums[c] += term(x[lane], weight[lane, c])`` over lanes."""
    for c in range(sums.shape[0]):
        total = np.int64(0)
        for lane in lanes:
            total += sign[lane, c] * ((x[lane] * weight[lane, c]) >> right[lane, c])
        sums[c] += total


@njit(cache=True, nogil=True)
def compute_kernel(
    f, limits, sources, ktiles, lane_table, params, weight, right, sign, buffer, written, acc, clock, counts
):
    """Execute one instruction.

    Parameters
    ----------
    f : int64 record of the instruction's fields (see `hwshift.sim.functional`)
    limits : int64 (format min, max, first low, high, residual low, high, guard, acc max, raw distance, residual distance)
    sources : int64, shape (8, 5): base, length, offset, row_step, chunk_step
    ktiles : int64, shape (entries, 3): offset, descriptor, lane row
    lane_table : int64, shape (rows, R, 4): offset, dy, dx, enable
    params : int64, shape (tiles, C, 3): m, s, b
    weight, right, sign : int64, shape (tiles, R, C)
    buffer, written : shape (R, 2P, depth): values, and when they were written
    acc : int64, shape (P, T, C)
    clock : int64 (steps so far, time of the last last step)
    counts : int64 (port A reads, residual reads, epilogue writes, operations, nonzero operations, accumulations)

    Returns
    -------
    (fault, tile, row, pixel)
    """
    rows_banks, sub_banks, depth = buffer.shape
    columns = acc.shape[2]
    x = np.zeros(rows_banks, np.int64)
    sums = np.zeros(columns, np.int64)
    start = np.zeros(8, np.int64)
    slot_out = slot_res = 0
    group = f.group0
    table = f.ktile_base
    position = 0
    if f.drain:
        clock[0] = max(clock[0], clock[1] + limits[8])
    for tile in range(f.tiles):
        mask = f.last_columns if tile == f.tiles - 1 else (1 << columns) - 1
        y0, rows_left = f.y0, f.rows
        start[:] = sources[:, 2]
        out_row, res_row = f.out_offset, f.res_offset
        for _ in range(f.chunks):
            rows = min(f.chunk_rows, rows_left)
            for k in range(f.ktile_count):
                ktile_offset, d, lane_row = ktiles[table + k, 0], ktiles[table + k, 1], ktiles[table + k, 2]
                lane_entries = lane_table[lane_row]
                lanes = np.flatnonzero(lane_entries[:, 3])
                index = 0 if f.hold_weights else position + k
                w, q, s = weight[index], right[index], sign[index]
                base, length = sources[d, 0], sources[d, 1]
                row_offset, y_in = start[d], y0
                last = k == f.ktile_count - 1
                pairs = nonzero = written_columns = 0
                for c in range(columns):
                    if mask >> c & 1:
                        written_columns += 1
                        pairs += len(lanes)
                        for lane in lanes:
                            nonzero += s[lane, c] != 0 and w[lane, c] != 0
                for row in range(rows):
                    for step in range(f.steps):
                        valid = f.last_pixels if step == f.steps - 1 else f.out_step
                        counts[3] += pairs * valid
                        counts[4] += nonzero * valid
                        counts[5] += written_columns * valid
                        pixel = f.out_x0 + step * f.out_step
                        for p in range(f.out_step):
                            for lane in lanes:
                                entry = lane_entries[lane]
                                px = f.x0 + step * f.x_step + p * f.stride_x + entry[2]
                                py = y_in + entry[1]
                                if not (0 <= px < f.width and 0 <= py < f.height):
                                    x[lane] = limits[0] if f.pad_min else 0
                                    continue
                                offset = row_offset + ktile_offset + entry[0] + px // sub_banks
                                if offset >= length:
                                    offset -= length
                                word = base + offset
                                if offset >= length or word >= depth:
                                    return ADDRESS, tile, row, pixel + p
                                if clock[0] - written[lane, px % sub_banks, word] < limits[8] and p < valid:
                                    return RACE, tile, row, pixel + p
                                value = np.int64(buffer[lane, px % sub_banks, word])
                                x[lane] = max(value, 0) if f.relu_fetch else value
                                counts[0] += p < valid
                            sums[:] = 0
                            multiply(w, q, s, x, lanes, sums)
                            place = acc[p, row * f.steps + step]
                            for c in range(columns):
                                if k == 0:
                                    place[c] = sums[c]
                                elif f.maximum:
                                    place[c] = max(place[c], sums[c])
                                else:
                                    place[c] += sums[c]
                        if last:
                            for p in range(valid):
                                half_pixel = pixel % sub_banks + p
                                word_out = out_row + slot_out + pixel // sub_banks
                                word_out = f.out_base + (
                                    word_out - f.out_length if word_out >= f.out_length else word_out
                                )
                                word_res = res_row + slot_res + pixel // sub_banks
                                word_res = f.res_base + (
                                    word_res - f.res_length if word_res >= f.res_length else word_res
                                )
                                if (
                                    half_pixel >= sub_banks
                                    or word_out >= depth
                                    or (f.residual and word_res >= depth)
                                ):
                                    return ADDRESS, tile, row, pixel + p
                                for c in range(columns):
                                    if not mask >> c & 1:
                                        continue
                                    bank = group * columns + c
                                    value = acc[p, row * f.steps + step, c]
                                    if abs(value) > limits[7]:
                                        return OVERFLOW, tile, row, pixel + p
                                    m, shift, b = params[f.param_base + tile, c]
                                    y = scale_floor(value, m, limits[6] + shift) + b
                                    y = min(max(y, limits[2]), limits[3])
                                    if f.residual:
                                        if clock[0] - written[bank, half_pixel, word_res] < limits[9]:
                                            return RACE, tile, row, pixel + p
                                        y += buffer[bank, half_pixel, word_res]
                                        y = min(max(y, limits[4]), limits[5])
                                        counts[1] += 1
                                    buffer[bank, half_pixel, word_out] = y
                                    written[bank, half_pixel, word_out] = clock[0]
                                    counts[2] += 1
                            clock[1] = clock[0]
                        clock[0] += 1
                    row_offset += sources[d, 3]
                    if row_offset >= length:
                        row_offset -= length
                    y_in += f.stride_y
                    if last:
                        out_row += f.out_row_step
                        if out_row >= f.out_length:
                            out_row -= f.out_length
                        res_row += f.res_row_step
                        if res_row >= f.res_length:
                            res_row -= f.res_length
            for d in range(8):
                start[d] += sources[d, 4]
                if start[d] >= sources[d, 1]:
                    start[d] -= sources[d, 1]
            y0 += f.chunk_y
            rows_left -= f.chunk_rows
        position += f.ktile_count
        if f.ktile_advance:
            table += f.ktile_count
        group += 1
        if group == rows_banks // columns:
            group = 0
            slot_out += f.out_pitch
            slot_res += f.res_pitch
    return 0, 0, 0, 0
