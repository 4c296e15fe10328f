"""When port B of the shift buffer is written and read by the epilogue, and when that collides."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hwshift.timing import Timing

__all__ = ["EpilogueStep", "collisions", "issue", "read_sub_banks", "rows_of_steps"]


@dataclass(frozen=True)
class EpilogueStep:
    """What port B must know about a step: its half, whether it writes, whether it reads a residual."""

    half: int
    last: bool = True
    residual: bool = False


def read_sub_banks(pixels: int, x: int, stride: int, lanes: int) -> list[int]:
    """Sub-banks that the first ``lanes`` pixel lanes of a step at column ``x`` read."""
    return [(x + lane * stride) % (2 * pixels) for lane in range(lanes)]


def rows_of_steps(
    pixels: int, x0: int, out_step: int, row_steps: Sequence[int], *, last: bool = True, residual: bool = True
) -> list[EpilogueStep]:
    """Steps of successive rows, each of which starts at column ``x0`` again."""
    return [
        EpilogueStep((x0 + step * out_step) // pixels % 2, last, last and residual)
        for steps in row_steps
        for step in range(steps)
    ]


def issue(
    steps: Iterable[EpilogueStep], timing: Timing, ready: Iterable[int], *, port_rule: bool = True
) -> list[int]:
    """Cycle in which each step issues: one per cycle, in order, none before ``ready``, by the PORT rule.

    The rule: a last step with a residual does not issue ``write_stage - residual_stage`` cycles after a last
    step on the same half.
    """
    distance = timing.write_stage - timing.residual_stage
    written: dict[int, int] = {}
    cycles, cycle = [], -1
    for step, earliest in zip(steps, ready, strict=True):
        cycle = max(cycle + 1, earliest)
        while port_rule and step.residual and written.get(cycle - distance) == step.half:
            cycle += 1
        if step.last:
            written[cycle] = step.half
        cycles.append(cycle)
    return cycles


def collisions(steps: Sequence[EpilogueStep], cycles: Sequence[int], timing: Timing) -> list[tuple[int, int]]:
    """Cycles and halves in which one step is written and the residual of another is read."""
    issued = list(zip(steps, cycles, strict=True))
    writes = {(cycle + timing.write_stage, step.half) for step, cycle in issued if step.last}
    reads = {(cycle + timing.residual_stage, step.half) for step, cycle in issued if step.residual}
    return sorted(writes & reads)
