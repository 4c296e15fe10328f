"""Functional coverage of the whole core: every bin is reached by a program whose run equals the models, bit and cycle.

Causes of stalls, ends of instruction fields, values of weights, what the epilogue does to a value, where reads go. Bins
that cannot be reached are listed with the rule that forbids them, and the verifier is asked.
"""

from dataclasses import replace

import numpy as np
import pytest

from hwshift.compiler import compile as compile_network
from hwshift.network import ops
from hwshift.network.random import NetworkBuilder
from hwshift.program.counters import Cause
from hwshift.program.expected import launch_of
from hwshift.program.isa import FORMATS, Opcode
from hwshift.resolve import prepare
from hwshift.sim.cycle.model import MemoryTiming, simulate_cycles
from hwshift.sim.native import run_natives
from hwshift.sim.rtl_run import RtlRun
from hwshift.sim.stalls import StallPattern

from ..seeds import generator, offset, seed_of
from .cases import SMALL, Case, case_of
from .ends import FIXED, all_bins, changed, limits
from .extremes import extremes, recipes, run
from .observed import HALO, VALUES, every_power, halo_of, saturating, values_of

TIMES = (
    MemoryTiming(),
    MemoryTiming(1, 400),
    MemoryTiming(3, 40, StallPattern.bursty({"b": 0.8}, 60, 1 + offset())),
    MemoryTiming(2, 2, StallPattern.random(0.6, 2 + offset())),
)


@pytest.fixture(scope="module")
def pushed():
    """Programs that reach the ends of fields."""
    return list(extremes(SMALL, 80, seed_of("ends of fields", 3), 2000))


def _case(network, rng) -> Case:
    fixed = prepare(network, SMALL)
    act = SMALL.act
    wide = rng.integers(act.min, act.max + 1, fixed.input.shape)
    near = rng.integers(-250 << act.n, 250 << act.n, fixed.input.shape)
    x = np.where(rng.random(fixed.input.shape) < 0.5, wide, near)
    return case_of(compile_network(fixed, SMALL), fixed, x), fixed, x


def _equal(cases: list[Case], builds) -> None:
    """The RTL gives what the golden model and the cycle model say."""
    runs = [case.run() for case in cases]
    for case, (result, _) in zip(cases, run_natives(SMALL, runs, build_dir=builds), strict=True):
        assert case.check_memory(result.check().memory) > 0
        assert result.counters == simulate_cycles(case.program)


@pytest.mark.soak
def test_ends_of_fields_and_causes(pushed, rtl_builds) -> None:
    """All ends of all fields, and all causes a cycle can have."""
    chosen = [(item, time) for index, item in enumerate(pushed)
              for time in (TIMES if item.expected()["total"] < 5000 else TIMES[index % 2 : index % 2 + 1])]  # fmt: skip
    runs = [
        RtlRun(
            launch_of(item.program), item.before.tobytes(), time.read_latency, time.write_latency, time.stalls
        )
        for item, time in chosen
    ]
    causes: set[str] = set()
    for (item, time), (result, _) in zip(chosen, run_natives(SMALL, runs, build_dir=rtl_builds), strict=True):
        assert np.array_equal(np.frombuffer(result.check().memory, np.uint8), item.after)
        expected = item.expected(time)
        assert result.counters == expected and result.irq_cycle == expected["total"]
        causes |= {cause.name for cause in Cause if expected[cause.name.lower()]}
    assert causes == {cause.name for cause in Cause}
    reached = set().union(*(item.bins for item in pushed))
    assert not all_bins(SMALL) - reached
    print(f"{len(reached)} ends of fields, {len(causes)} causes, {len(runs)} runs")


@pytest.mark.soak
def test_ends_that_are_not_reached_are_refused(pushed) -> None:
    """Where a field's legal values end before its bits do, the verifier takes no program beyond."""
    listed = limits(SMALL)
    for (name, field), (low, high, reason) in listed.items():
        item = FORMATS[Opcode[name]].by_name[field]
        beyond = [value for value, end in ((item.low, low), (item.high, high)) if value != end]
        assert reason
        places = [(each.program, index) for each in pushed
                  for index, instruction in enumerate(each.program.instructions)
                  if instruction.opcode == Opcode[name]][:3]  # fmt: skip
        for value in beyond:
            for program, index in places:
                for fields in recipes(SMALL, program.instructions[index], field, value):
                    assert fields.get(field) != value or changed(program, index, fields) is None, (
                        name,
                        field,
                        value,
                    )
    assert all(FIXED.values())


@pytest.mark.slow
def test_every_weight_value(rtl_builds) -> None:
    """Every power of two with both signs, and zero beside them."""
    rng, cases = np.random.default_rng(seed_of("weights", 4)), []
    p_min, p_max = SMALL.weights.p_min, SMALL.weights.p_max
    seen: set[float] = set()
    for network, values in every_power(p_min, p_max):
        case, fixed, _ = _case(network, rng)
        conv = fixed.layers[1].op
        powers = np.where(
            conv.weights.values == 0, 0.0, np.sign(conv.weights.values) * 2.0**conv.weights.powers
        )
        assert set(powers.ravel().tolist()) == values
        seen |= values
        cases.append(case)
    assert seen == {0.0} | {sign * 2.0**p for p in range(p_min, p_max + 1) for sign in (1, -1)}
    _equal(cases, rtl_builds)


@pytest.mark.soak
def test_values_and_halo(pushed, monkeypatch, rtl_builds) -> None:
    """Saturation both ways, every activation both ways, on both sides of the residual; reads all around the map."""
    rng, cases = np.random.default_rng(seed_of("values and halo", 5)), []
    values: set[tuple[str, str]] = set()
    halo: set[tuple[str, ...]] = set()
    for number in range(3):
        case, fixed, x = _case(saturating(number), rng)
        values |= values_of(fixed, SMALL.arithmetic, x, monkeypatch)
        halo |= halo_of(case.program, case.image)
        cases.append(case)
    for item in pushed:
        if item.expected()["total"] < 5000:
            halo |= halo_of(item.program, item.before)
    assert values == VALUES
    assert halo == HALO
    _equal(cases, rtl_builds)


def test_a_bin_that_is_not_reached_is_noticed() -> None:
    """A network without activations, borders or large sums leaves most bins empty."""
    network, _ = next(every_power(-15, 0))
    case, fixed, x = _case(network, generator(1))
    monkeypatch = pytest.MonkeyPatch()
    assert values_of(fixed, SMALL.arithmetic, x, monkeypatch) < VALUES
    assert halo_of(case.program, case.image) == {
        ("beside or inside", "over or inside", "zeros"), ("buffer does not go round",),
    }  # fmt: skip


def test_a_program_that_uses_what_a_run_before_has_left_is_none_of_them() -> None:
    """Maxima over a row that nothing has written: only large values there change what is stored."""
    build = NetworkBuilder(1, 4, 4, 4)
    build.add("pool", ops.MaxPool((2, 2), (2, 2), (0, 0, 0, 0)), "input")
    program = compile_network(prepare(build.network("pool"), SMALL), SMALL)
    x = np.full((4, 4, 4), 5 << SMALL.act.n)
    assert run(program, x, 3000) is not None
    items = list(program.instructions)
    source = next(index for index, item in enumerate(items) if item.opcode is Opcode.DESCRIPTOR)
    row = items[source]["row_step"] // 2
    items[source] = items[source].with_(base=items[source]["base"] + row)
    assert run(replace(program, instructions=tuple(items)), x, 3000) is None
