"""The port-conflict model: which reads and writes of the shift buffer can share a cycle."""

import pytest

from hwshift.config import AcceleratorConfig
from hwshift.program.ports import lanes_per_step
from hwshift.sim.models.ports import EpilogueStep, collisions, issue, read_sub_banks, rows_of_steps
from hwshift.timing import timing

from ..seeds import python_random

PIXELS = [1, 2, 4]


def distinct(pixels, x, stride, lanes):
    """Whether each word that is read has a sub-bank to itself."""
    words = {x + lane * stride for lane in range(lanes)}
    return len(set(read_sub_banks(pixels, x, stride, lanes))) == len(words)


@pytest.mark.parametrize("pixels", PIXELS)
@pytest.mark.parametrize("stride", range(0, 33))
def test_lanes_per_step_is_the_largest_power_of_two_without_conflict(pixels, stride):
    columns = range(-2 * pixels - 64, 2 * pixels + 64)  # every sub-bank to start from, with any dx
    fits = [lanes for lanes in (1, 2, 4) if lanes <= pixels
            and all(distinct(pixels, x, stride, lanes) for x in columns)]  # fmt: skip
    assert lanes_per_step(pixels, stride) == max(fits)
    if stride % 4:
        assert lanes_per_step(pixels, stride) == pixels


@pytest.mark.parametrize(
    ("pixels", "stride", "lanes"),
    [(1, 4, 1), (2, 1, 2), (2, 2, 2), (2, 3, 2), (2, 4, 1), (4, 1, 4), (4, 2, 4), (4, 3, 4), (4, 4, 2),
     (4, 6, 4), (4, 8, 1), (4, 12, 2), (4, 0, 4)],
)  # fmt: skip
def test_lanes_per_step(pixels, stride, lanes):
    assert lanes_per_step(pixels, stride) == lanes


def times(pixels=1):
    return timing(AcceleratorConfig(pixels=pixels))


def chunks(rng, pixels, out_step):
    """Steps of several passes: rows restart at the first column, chunks and tiles restart anywhere."""
    steps = []
    for _ in range(rng.randint(1, 6)):
        first = rng.randrange(2 * pixels // out_step) * out_step
        rows = [rng.randint(1, 9)] * rng.randint(1, 6)
        last = rng.random() < 0.7
        steps += rows_of_steps(pixels, first, out_step, rows, last=last, residual=rng.random() < 0.8)
    return steps


def ready(rng, steps):
    """Earliest cycles: the stalls of other causes."""
    earliest, cycle = [], 0
    for _ in steps:
        cycle += rng.choice([0, 0, 0, 0, 1, 2, 5])
        earliest.append(cycle)
    return earliest


@pytest.mark.parametrize("pixels", PIXELS)
def test_the_port_rule_prevents_every_collision(pixels):
    rng = python_random(pixels)
    without = 0
    for out_step in [step for step in PIXELS if step <= pixels]:
        for _ in range(400):
            steps = chunks(rng, pixels, out_step)
            earliest = ready(rng, steps)
            cycles = issue(steps, times(pixels), earliest)
            assert all(a < b for a, b in zip(cycles, cycles[1:], strict=False))
            assert collisions(steps, cycles, times(pixels)) == []
            cycles = issue(steps, times(pixels), earliest, port_rule=False)
            without += bool(collisions(steps, cycles, times(pixels)))
    assert without > 100, "the schedules hardly need the rule"


@pytest.mark.parametrize("row_steps", range(1, 10))
def test_rows_of_any_length(row_steps):
    """Halves alternate inside a row; back-to-back rows of odd length start on the half they end with."""
    steps = rows_of_steps(1, 0, 1, [row_steps] * 20)
    every_cycle = [0] * len(steps)
    free = collisions(steps, issue(steps, times(), every_cycle, port_rule=False), times())
    assert bool(free) == (row_steps % 2 == 1)
    cycles = issue(steps, times(), every_cycle)
    assert collisions(steps, cycles, times()) == []
    if row_steps % 2 == 0:
        assert cycles == list(range(len(steps)))


def test_the_rule_waits_one_cycle_where_that_is_enough():
    steps = [EpilogueStep(0), EpilogueStep(1), EpilogueStep(1), EpilogueStep(0, residual=True)]
    assert issue(steps, times(), [0] * 4) == [0, 1, 2, 4]
    assert issue(steps, times(), [0] * 4, port_rule=False) == [0, 1, 2, 3]
    assert collisions(steps, [0, 1, 2, 3], times()) == [(times().write_stage, 0)]


def test_steps_that_do_not_write_or_read_are_free():
    quiet = [EpilogueStep(0, last=False)] * 10
    assert issue(quiet, times(), [0] * 10) == list(range(10))
    writes = [EpilogueStep(0)] * 10
    assert issue(writes, times(), [0] * 10) == list(range(10))
    assert collisions(writes, list(range(10)), times()) == []


@pytest.mark.parametrize("rows", [4, 8, 16, 32])
@pytest.mark.parametrize("pixels", PIXELS)
def test_the_distance_is_three_in_every_configuration(rows, pixels):
    config = AcceleratorConfig(rows=rows, columns=4, pixels=pixels)
    assert timing(config).write_stage - timing(config).residual_stage == 3
