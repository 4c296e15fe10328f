"""Networks in strips (`hwshift.golden.strips`): a thread's stretches of positions through all layers."""

from hwshift.golden.blocks import COLUMNS
from hwshift.golden.by_tiles import convolve_by_tiles, largest_read, limbs_of, stays_inside
from hwshift.golden.channels import rows_of
from hwshift.golden.compiled import ONE, ZERO, inlined, kernel
from hwshift.golden.llvm import fetch_add
from hwshift.golden.x86 import PIXELS

__all__ = ["by_strips"]


@inlined
def by_strips(call, steps, arena, ints, reals, tiles, edges, memory, x, out, floats, wide, shared, peaks):
    """Stretches that nobody has taken; ``arena`` is where the thread's begins in memory."""
    count = steps[0].count
    begin = fetch_add(shared, 0, 1) * call.stretch
    while begin < count:
        end = min(begin + call.stretch, count)
        for done in range(begin, end, call.strip):
            for i in range(len(steps)):
                _layer(
                    steps, i, begin, done, min(done + call.strip, end), call.strip, arena, ints, reals, tiles, edges,
                    memory, x, out, floats, wide, peaks,
                )  # fmt: skip
        begin = fetch_add(shared, 0, 1) * call.stretch


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


@inlined
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


@inlined
def _layer(
    steps, i, begin, done, upto, strip, arena, ints, reals, tiles, edges, memory, x, out, floats, wide, peaks
):
    """What a layer adds for the last one's positions ``done..upto``, as many as packed pixels stay in the cache."""
    step, last = steps[i], i == len(steps) - 1
    source, s_at, target, t_at = x, ZERO, out, ZERO
    if i > 0:
        source, s_at = memory, arena - _start(steps, i - 1, begin, done)
    if not last:
        start = _start(steps, i, begin, done)
        target, t_at = memory, arena - start
        if done > begin:
            _keep(steps, i, _start(steps, i, begin, done - strip), start, done, arena, ints, memory)
    size, peak, end = step.panels * COLUMNS, peaks[ints[step.sources]], _end(steps, i, upto)
    for first in range(_left(steps, i, begin, done), end, size):
        behind = min(first + size, end)
        for group in range(step.groups):
            if i == 0:
                peak = largest_read(step, group, first, behind, ints, source)
            limbs, calm = limbs_of(peak, step.tile_signed), stays_inside(step, peak, 0.0)
            convolve_by_tiles(
                step, group, first, behind, ZERO, ONE, limbs, calm, ints, reals, tiles, edges, source, s_at, target,
                t_at, floats, wide, peaks,
            )  # fmt: skip
