"""Sums over taps: convolutions in blocks of output channels, or channel by channel, and averages."""

import numpy as np

from hwshift.golden.blocks import (
    COLUMNS,
    ROWS,
    direct_block,
    gather_panel,
    integer_block,
    pack_panel,
    product_block,
    scattered_block,
    tap_sum,
    term_block,
)
from hwshift.golden.compiled import kernel
from hwshift.golden.finish import PANELS, clear_totals, finish, scale_integers, totals
from hwshift.golden.llvm import LANES
from hwshift.golden.steps import PARAMETERS

__all__ = ["FEW", "convolve", "direct", "direct_few"]

FEW = 4
"""Positions of a plane, up to which each is done by itself."""


@kernel
def convolve(step, part, fits, ints, reals, weights, terms, memory, floats, wide, peaks):
    """Some positions of one group, for all its outputs or a share of them."""
    tile = step.panels * COLUMNS
    split, rest = part % step.splits, part // step.splits
    group, begin = rest % step.groups, rest // step.groups * tile
    count = min(tile, step.count - begin)
    panels = (count + COLUMNS - 1) // COLUMNS
    taps = step.tap_at + group * step.taps
    for panel in range(panels):
        at, first = PANELS + panel * step.taps * COLUMNS, begin + panel * COLUMNS
        if fits and step.linear:
            pack_panel(floats, at, memory, step.first + first, ints, taps, step.taps)
        elif fits:
            gather_panel(floats, at, memory, 0, ints, taps, step.taps, ints, step.read_at + first)
        elif step.linear:
            pack_panel(wide, at, memory, step.first + first, ints, taps, step.taps)
        else:
            gather_panel(wide, at, memory, 0, ints, taps, step.taps, ints, step.read_at + first)
    clear_totals(floats)
    blocks = (step.per_group + ROWS - 1) // ROWS
    one = step.taps * ROWS
    for block in range(blocks * split // step.splits, blocks * (split + 1) // step.splits):
        number = group * blocks + block
        at_weights = step.weights + number * one * (1 if step.exact else 2)
        channel = group * step.per_group + block * ROWS
        rows = min(ROWS, step.per_group - block * ROWS)
        for panel in range(panels):
            at = PANELS + panel * step.taps * COLUMNS
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
            mode = step.scale if fits else scale_integers(step, channel, rows, reals, floats, wide)
            own = step.parameters + channel * PARAMETERS
            finish(
                step, channel, rows, place, step.linear, count, step.mask + first, mode, reals, own, floats, ints,
                reals, memory,
            )  # fmt: skip
    return totals(step, floats, peaks)


@kernel
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


@kernel
def direct(step, part, begin, end, fits, ints, reals, weights, terms, memory, floats, wide, peaks):
    """One output channel of a convolution with few outputs per group, at positions ``begin..end``, tap by tap."""
    taps = step.tap_at + part // step.per_group * step.taps
    own = step.weights + part * step.weights_step
    sums, exact_sums = floats[:COLUMNS], wide[:COLUMNS]
    clear_totals(floats)
    for first in range(begin, end, COLUMNS):
        if step.maximum:
            _largest(step, ints, weights, memory, first, taps, own, sums, exact_sums)
        elif fits and step.exact and step.linear:
            direct_block(weights, own, ints, taps, memory, step.first + first, floats, 0, step.taps)
        elif fits and step.exact:
            scattered_block(
                weights, own, ints, taps, memory, 0, floats, 0, step.taps, ints, step.read_at + first
            )
        else:
            _direct_terms(step, part, fits, ints, weights, terms, memory, first, taps, own, sums, exact_sums)
        mode = step.scale if fits else scale_integers(step, part, 1, reals, floats, wide)
        place = step.first + first if step.linear else first
        count = min(COLUMNS, end - first)
        finish(
            step, part, 1, place, step.linear, count, step.mask + first, mode, reals,
            step.parameters + part * PARAMETERS, floats, ints, reals, memory,
        )  # fmt: skip
    return totals(step, floats, peaks)


@kernel
def _largest(step, ints, weights, memory, first, taps, own, sums, exact_sums):
    """The largest of the pixels that a window reads, in both kinds of sums."""
    for j in range(COLUMNS):
        at = step.first + first + j if step.linear else ints[step.read_at + first + j]
        largest = np.int64(memory[ints[taps] + at])
        for k in range(1, step.taps):
            largest = max(largest, np.int64(memory[ints[taps + k] + at]))
        sums[j] = largest * weights[own]
        exact_sums[j] = largest * np.int64(weights[own])


@kernel
def direct_few(step, channel, rows, ints, reals, weights, memory, floats, peaks):
    """Output channels of planes of a few pixels, with sums that float64 holds, as many at a time as `finish` takes."""
    clear_totals(floats)
    for first in range(channel, channel + rows, ROWS):
        count = min(ROWS, channel + rows - first)
        for one in range(first, first + count):
            taps = step.tap_at + one // step.per_group * step.taps
            sums = floats[(one - first) * COLUMNS : (one - first + 1) * COLUMNS]
            _few(step, ints, weights, memory, taps, step.weights + one * step.weights_step, sums)
        finish(
            step, first, count, step.first if step.linear else 0, step.linear, step.count, step.mask, step.scale,
            reals, step.parameters + first * PARAMETERS, floats, ints, reals, memory,
        )  # fmt: skip
    return totals(step, floats, peaks)


@kernel
def _few(step, ints, weights, memory, taps, own, sums):
    """Sums of a plane of a few pixels, each over many taps at a time."""
    sums[:] = 0
    whole = step.taps // LANES
    for j in range(step.count):
        at = step.first + j if step.linear else ints[step.read_at + j]
        total = tap_sum(weights, own, ints, taps, memory, at, whole)
        for k in range(whole * LANES, step.taps):
            total += memory[ints[taps + k] + at] * weights[own + k]
        sums[j] = total


@kernel
def _direct_terms(step, part, fits, ints, weights, terms, memory, first, taps, own, sums, exact_sums):
    """Terms that lose bits in float64, or any in int64."""
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
            else:
                sums[j] += sign * np.floor(x * scale)
