"""Convolutions on the matrix unit (`hwshift.golden.tiles`), where terms are exact."""

import numpy as np

from hwshift.golden.blocks import COLUMNS, ROWS
from hwshift.golden.compiled import ZERO, inlined, kernel
from hwshift.golden.finish import TOTALS, clear_totals, finish, totals
from hwshift.golden.limbs import ROW, largest_signed
from hwshift.golden.llvm import LANES
from hwshift.golden.steps import PARAMETERS
from hwshift.golden.taps import FEW, direct
from hwshift.golden.tile_finish import direct_tile, finish_tile
from hwshift.golden.tiles import (
    MASKED,
    PANEL,
    combine_rows,
    configure,
    merged_product,
    pack_tile,
    product_tile,
    release,
)
from hwshift.golden.x86 import PIXELS

__all__ = [
    "convolve_by_tiles",
    "convolve_part",
    "direct_channels",
    "largest_read",
    "limbs_of",
    "stays_inside",
]


_MOST_SIGNED = tuple(float(largest_signed(limbs)) for limbs in (2, 3, 4))


@kernel
def limbs_of(peak, signed):
    """Bytes that hold integers of a magnitude; 5 where 4 signed ones do not hold an int32."""
    if signed:
        return 2 + (peak > _MOST_SIGNED[0]) + (peak > _MOST_SIGNED[1]) + (peak > _MOST_SIGNED[2])
    return 2 if peak < 1 << 15 else 3 if peak < 1 << 23 else 4


@kernel
def stays_inside(step, peak, residual_peak):
    """Whether no value of the step can saturate."""
    scaled = step.reach * peak + step.bias + 4.0
    clipped = max(scaled, step.floor, -step.ceiling)  # a clamp beside zero makes small values large
    bound = clipped + residual_peak * step.residual_factor
    return bound < min(step.high, -step.low) and step.table < 0 and step.residual_table < 0


@kernel
def _stride(step, ints, first):
    """The stride at which the 16 positions from ``first`` on, a multiple of LANES, read: 1, 2, or 0 for others."""
    return 1 if step.linear else ints[step.read_strides + first // LANES]


@inlined
def convolve_part(step, part, limbs, calm, ints, reals, table, edges, memory, floats, wide, peaks):
    """As `hwshift.golden.taps.convolve`, with inputs of so many bytes."""
    size = step.panels * COLUMNS
    split, rest = part % step.splits, part // step.splits
    begin = rest // step.groups * size
    return convolve_by_tiles(
        step, rest % step.groups, begin, min(begin + size, step.count), split, step.splits, limbs, calm, ints, reals,
        table, edges, memory, ZERO, memory, ZERO, floats, wide, peaks,
    )  # fmt: skip


@kernel
def convolve_by_tiles(
    step, group, begin, end, split, splits, limbs, calm, ints, reals, table, edges, source, s_at, target, t_at, floats,
    wide, peaks,
):  # fmt: skip
    """Positions ``begin..end`` of a group, for a share of its outputs, with inputs of so many bytes.

    Planes lie ``s_at`` and ``t_at`` behind where the step says.
    """
    tiles = (end - begin + PIXELS - 1) // PIXELS
    taps = group * step.tile_chunk * step.tile_chunks
    for tile in range(tiles):
        first = begin + tile * PIXELS
        where, stride = step.read_at + first, _stride(step, ints, first)
        place = s_at + (step.first + first if step.linear else ints[where])
        if step.tap_edges >= 0:
            where, stride = step.tap_edges + taps, MASKED
        pack_tile(
            wide, tile, source, place, ints, step.tile_taps + taps, step.tile_chunk, step.tile_chunks, limbs, ints,
            where, stride, step.ahead, step.tile_signed, edges, first // 8,
        )  # fmt: skip
    clear_totals(floats)
    blocks = (step.per_group + step.tile_rows - 1) // step.tile_rows
    merged = step.tile_signed and limbs * step.tile_chunk <= ROW
    configure(table, step.tiles + ROW * (limbs - 1) if merged else step.tiles)
    for block in range(blocks * split // splits, blocks * (split + 1) // splits):
        item = step.tile_blocks + 2 * (group * blocks + block)
        for panel in range(0, tiles, PANEL):
            for slot in range(min(PANEL, tiles - panel)):
                if merged:
                    merged_product(
                        wide, panel + slot, slot, table, step.tiles + ints[item], step.tile_chunk, 1, ints[item + 1],
                        limbs,
                    )  # fmt: skip
                else:
                    product_tile(
                        wide, panel + slot, slot, table, step.tiles + ints[item], step.tile_chunk, step.tile_chunks,
                        ints[item + 1], limbs, step.tile_signed,
                    )  # fmt: skip
            first, sums = begin + panel * PIXELS, ints[item + 1] + limbs - 1
            if calm:
                _finish_tiles(step, group, block, first, end, sums, ints, reals, target, t_at, floats, wide)
            else:
                _finish_panel(step, group, block, first, end, sums, ints, reals, target, t_at, floats, wide)
    release()
    return totals(step, floats, peaks)


@kernel
def largest_read(step, group, begin, end, ints, x):
    """The largest magnitude that positions ``begin..end`` of a group read of the caller's input."""
    taps = group * step.tile_chunk * step.tile_chunks
    low, high = np.int32(0), np.int32(0)
    for k in range(taps, taps + step.taps):
        at, plane = ints[step.tile_taps + k], ints[step.tap_planes + k]
        first = max(at + begin, plane)
        row = x[first : max(first, min(at + end, plane + step.count))]
        for j in range(len(row)):  # so written, the compiler takes many at a time
            value = row[j]
            low = value if value < low else low
            high = value if value > high else high
    return max(-float(low), float(high))


@kernel
def direct_channels(step, part, fits, calm, ints, reals, weights, terms, memory, floats, wide, peaks):
    """Some output channels, at some positions, of a convolution with few outputs per group."""
    size = step.panels * COLUMNS
    channel, begin = part % step.splits * step.tile_rows, part // step.splits * size
    rows, end = min(step.tile_rows, step.channels - channel), min(begin + size, step.count)
    if fits and calm and step.exact and step.tile_limbs and step.count > FEW:
        return _direct_tiles(step, channel, rows, begin, end, ints, reals, weights, memory, floats, peaks)
    over = 0
    for one in range(channel, channel + rows):
        over += direct(step, one, begin, end, fits, ints, reals, weights, terms, memory, floats, wide, peaks)
    return over


@kernel
def _direct_tiles(step, channel, rows, begin, end, ints, reals, weights, memory, floats, peaks):
    clear_totals(floats)
    for first in range(begin, end, PIXELS):
        where, stride = step.read_at + first, _stride(step, ints, first)
        place = step.first + first if step.linear else ints[where]
        direct_tile(
            weights, step.weights + channel * step.weights_step, step.weights_step, ints, step.tap_at, channel,
            step.per_group, step.taps, step.maximum, place, ints, where, stride, reals,
            step.parameters + channel * PARAMETERS, memory, ints, step.target + channel, ints,
            step.residual + channel, step.first + first, ints, step.write_at + first, step.linear, reals,
            step.mask + first, min(PIXELS, end - first), np.int64(step.floor), np.int64(step.ceiling),
            np.int64(step.residual_floor), np.int64(step.residual_ceiling), step.residual_up, step.residual_down,
            floats, TOTALS, rows, np.int64(step.residual >= 0), step.ahead,
        )  # fmt: skip
    return totals(step, floats, peaks)


@kernel
def _finish_tiles(step, group, block, begin, end, sums, ints, reals, memory, at, floats, wide):
    """The block's sums at the positions of a panel from ``begin`` on, as far as ``end``, where none can saturate."""
    row = block * step.tile_rows
    rows = min(step.tile_rows, step.per_group - row)
    channel = group * step.per_group + row
    slot = 0
    for first in range(begin, min(begin + PANEL * PIXELS, end), PIXELS):
        pixels = min(PIXELS, end - first)
        mask = step.mask + first if step.mask >= 0 else COLUMNS - pixels
        finish_tile(
            wide, slot, sums, step.tile_cut, step.tile_rest, step.tile_lift, reals,
            step.parameters + channel * PARAMETERS, memory, ints, step.target + channel, ints, step.residual + channel,
            at + step.first + first, ints, step.write_at + first, step.linear, reals,
            mask, pixels, np.int64(step.floor), np.int64(step.ceiling), np.int64(step.residual_floor),
            np.int64(step.residual_ceiling), step.residual_up, step.residual_down, floats, TOTALS, rows,
            np.int64(step.residual >= 0), step.ahead,
        )  # fmt: skip
        slot += 1


@kernel
def _finish_panel(step, group, block, begin, end, sums, ints, reals, memory, at, floats, wide):
    """The block's sums at two rows of positions from ``begin`` on, as far as ``end``."""
    channels = min(step.tile_rows, step.per_group - block * step.tile_rows)
    for half in range(2):
        first = begin + half * COLUMNS
        count = min(COLUMNS, end - first)
        if count <= 0:
            return
        place = at + step.first + first if step.linear else first
        mask = step.mask + first if step.mask >= 0 else COLUMNS - count
        for row in range(0, channels, ROWS):
            rows = min(ROWS, channels - row)
            channel = group * step.per_group + block * step.tile_rows + row
            combine_rows(wide, row, half, sums, floats, 0, rows)
            finish(
                step, channel, rows, place, step.linear, count, mask, step.scale, reals,
                step.parameters + channel * PARAMETERS, floats, ints, reals, memory,
            )  # fmt: skip
