"""How a step ends: scale, saturation, activation, residual, activation; what a thread keeps while it works."""

import numpy as np

from hwshift.golden.blocks import COLUMNS, ROWS
from hwshift.golden.compiled import kernel
from hwshift.golden.epilogue import scale_floor
from hwshift.golden.llvm import LANES
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
from hwshift.golden.sigmoid import SIGMOID_ENTRIES
from hwshift.golden.steps import PARAMETERS

__all__ = [
    "OWN",
    "PANELS",
    "TOTALS",
    "clear_totals",
    "finish",
    "scale_integers",
    "scaled",
    "scratch_size",
    "totals",
]

# A thread's scratch: sums and residuals of a block, flags of a row, totals of a part, parameters of a channel, and
# then packed panels or a row of accumulators.
_ADDED = ROWS * COLUMNS
_FLAGS = 2 * _ADDED
TOTALS = _FLAGS + COLUMNS
OWN = TOTALS + 2 * LANES
PANELS = OWN + -(-PARAMETERS // LANES) * LANES


_BEYOND = 1 << 40  # outside every format, and exact in float64


def scratch_size(taps: int, panels: int, width: int) -> int:
    """Words of a thread's scratch for steps with so many taps, panels a part, and pixels a row."""
    return PANELS + max(taps * panels * COLUMNS, width)


@kernel
def clear_totals(floats):
    """Begin a part."""
    for j in range(2 * LANES):
        floats[TOTALS + j] = 0.0


@kernel
def totals(step, floats, peaks):
    """Values of a part that saturated; their largest magnitude goes to the peaks."""
    over, peak = 0.0, 0.0
    for j in range(LANES):
        over += floats[TOTALS + j]
        peak = max(peak, floats[TOTALS + LANES + j])
    peaks[step.map] = max(peaks[step.map], peak)
    return np.int64(over)


@kernel
def scaled(acc, m, places):
    """``floor(acc * m / 2**places)`` where it is inside a format, and outside every format otherwise."""
    y = acc >> places if m == 1 else scale_floor(acc, m, places)
    return float(min(max(y, -_BEYOND), _BEYOND))


@kernel
def scale_integers(step, channel, rows, reals, floats, wide):
    """Scale and bias of rows of int64 accumulators; the scale left to do."""
    for r in range(rows):
        at = step.parameters + (channel + r) * PARAMETERS
        m, b, places = np.int64(reals[at]), reals[at + 4], np.int64(reals[at + 5])
        for j in range(r * COLUMNS, (r + 1) * COLUMNS):
            floats[j] = scaled(wide[j], m, places) + b
    return AS_IT_IS


@kernel
def finish(
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
            floats, 0, parameters, own, floats, _ADDED, reals, mask, floats, TOTALS, memory, ints, targets, place,
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


@kernel
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
        settle_row(floats, row, floats, _FLAGS, reals, mask, floats, TOTALS)


@kernel
def _sigmoid(step, table, ints, reals, mask, floats, row):
    for j in range(COLUMNS):
        index = (
            np.int64(np.floor(floats[row + j] * reals[mask + j] * step.table_scale)) + SIGMOID_ENTRIES // 2
        )
        floats[row + j] = ints[table + min(max(index, 0), SIGMOID_ENTRIES - 1)]
