"""Networks in strips (`hwshift.golden.strips`): a thread's stretches of positions through all layers."""

from hwshift.golden.blocks import COLUMNS
from hwshift.golden.by_tiles import convolve_by_tiles, largest_read, limbs_of, stays_inside
from hwshift.golden.channels import rows_of
from hwshift.golden.compiled import kernel
from hwshift.golden.llvm import fetch_add
from hwshift.golden.x86 import PIXELS

__all__ = ["by_strips"]


@kernel
def by_strips(call, steps, arena, ints, reals, tiles, edges, memory, x, out, floats, wide, shared, peaks):
    """Stretches that nobody has taken; ``arena`` is where the thread's begins in memory."""
    count = steps[0].count
    while True:
        begin = fetch_add(shared, 0, 1) * call.stretch
        if begin >= count:
            return
        end = min(begin + call.stretch, count)
        for done in range(begin, end, call.strip):
            upto = min(done + call.strip, end)
            for i in range(len(steps)):
                step, last = steps[i], i == len(steps) - 1
                start = 0 if last else _start(steps, i, begin, done)
                if done > begin and not last:
                    _keep(
                        steps, i, _start(steps, i, begin, done - call.strip), start, done, arena, ints, memory
                    )
                source, s_at = x, 0
                if i > 0:
                    source, s_at = memory, arena - _start(steps, i - 1, begin, done)
                target, t_at = (out, 0) if last else (memory, arena - start)
                _layer(
                    step, _left(steps, i, begin, done), _end(steps, i, upto), i == 0, ints, reals, tiles, edges,
                    source, s_at, target, t_at, floats, wide, peaks,
                )  # fmt: skip


@kernel
def _end(steps, i, end):
    """Up to which position layer ``i`` is needed for the last layer's up to ``end``."""
    for j in range(len(steps) - 1, i, -1):
        end = min(steps[j].count, (end + steps[j].behind + PIXELS - 1) // PIXELS * PIXELS)
    return end


@kernel
def _left(steps, i, begin, done):
    """The first position of layer ``i`` that is still to be computed, of a stretch of which the last has ``done``."""
    if done > begin:
        return _end(steps, i, done)
    for j in range(len(steps) - 1, i, -1):
        begin = max(0, (begin - steps[j].before) // PIXELS * PIXELS)
    return begin


@kernel
def _start(steps, i, begin, done):
    """The position of layer ``i`` with which its planes begin then: the first that the next layer will read."""
    return max(0, (_left(steps, i + 1, begin, done) - steps[i + 1].before) // PIXELS * PIXELS)


@kernel
def _keep(steps, i, before, start, done, arena, ints, memory):
    """What of layer ``i`` the next strip will read moves to the beginning of its planes."""
    step = steps[i]
    first = arena + ints[step.target]
    pitch = ints[step.target + 1] - ints[step.target] if step.channels > 1 else 0
    rows_of(
        memory,
        first + start - before,
        pitch,
        memory,
        first,
        pitch,
        step.channels,
        _end(steps, i, done) - start,
    )


@kernel
def _layer(
    step, begin, end, of_input, ints, reals, tiles, edges, source, s_at, target, t_at, floats, wide, peaks
):
    """Positions of a layer, as many at a time as packed pixels stay in the cache."""
    size, peak = step.panels * COLUMNS, peaks[ints[step.sources]]
    for first in range(begin, end, size):
        behind = min(first + size, end)
        for group in range(step.groups):
            if of_input:
                peak = largest_read(step, group, first, behind, ints, source)
            limbs, calm = limbs_of(peak, step.tile_signed), stays_inside(step, peak, 0.0)
            convolve_by_tiles(
                step, group, first, behind, 0, 1, limbs, calm, ints, reals, tiles, edges, source, s_at, target, t_at,
                floats, wide, peaks,
            )  # fmt: skip
