"""The whole accelerator on random networks: RTL, functional simulator, golden model and cycle model agree."""

import pytest

from hwshift.config import PRESETS
from hwshift.network.random import csc_network, mixed_network
from hwshift.program.isa import LoadKind, Opcode
from hwshift.sim.cycle.model import MemoryTiming
from hwshift.sim.rtl_run import run_rtl
from hwshift.sim.stalls import StallPattern

from ..seeds import offset
from .cases import Case, make_case, small_csc

STALLS = {
    "none": None,
    "half": StallPattern.random(0.5, seed=11 + offset()),
    "dense": StallPattern.random(0.95, seed=12 + offset()),
    "bursts": StallPattern.bursty(0.5, run=40, seed=13 + offset()),
    **{
        f"bursts on {name}": StallPattern.bursty({name: 0.7}, run=60, seed=14 + offset())
        for name in ("ar", "r", "aw", "w", "b")
    },
}


FEW = ("none", "half", "bursts")


@pytest.mark.parametrize(("preset", "changes", "patterns"), [
    ("4x4", {}, tuple(STALLS)),
    ("4x4-mac", {}, tuple(STALLS)),
    ("4x4", {"pixels": 2, "weight_rows": 2}, FEW),
    ("4x4-mac", {"guard": 0, "acc_width": 48, "bus_width": 32}, FEW),
], ids=["4x4", "4x4-mac", "4x4x2", "mac-g0"])  # fmt: skip
def test_csc_on_icarus(preset, changes, patterns, rtl_builds) -> None:
    config = PRESETS[preset].with_(**changes)
    _check(make_case(small_csc(1), config, seed=5), "icarus", rtl_builds, patterns)


def test_every_operation_on_verilator(rtl_builds) -> None:
    _check(make_case(mixed_network(1), PRESETS["4x4"], seed=7), "verilator", rtl_builds, FEW)


def test_csc_on_8x8_on_verilator(rtl_builds) -> None:
    network = csc_network(16, 12, 12, 2, stride2=(1,), seed=3)
    _check(make_case(network, PRESETS["8x8"], seed=6), "verilator", rtl_builds, tuple(STALLS))


def test_layers_that_take_turns_on_icarus(rtl_builds) -> None:
    """Circular buffers of a few rows, outputs in the place of residuals, a depth that is no power of two."""
    case = make_case(
        csc_network(4, 8, 8, 3, classes=5, seed=3), PRESETS["4x4"].with_(feature_depth=48), seed=5
    )
    assert any(layer.get("strips", 1) > 1 and len(layer["together"]) > 1 for layer in case.program.layers)
    computes = [item for item in case.program.instructions if item.opcode == Opcode.COMPUTE]
    assert any(item["keep_weights"] and item["weight_offset"] for item in computes)
    assert any(item["residual"] and item["res_base"] == item["out_base"] for item in computes)
    _check(case, "icarus", rtl_builds, FEW)


@pytest.mark.parametrize(("preset", "patterns"), [
    ("4x4", tuple(STALLS)), ("4x4-mac", FEW), pytest.param("8x8", FEW, marks=pytest.mark.slow),
])  # fmt: skip
def test_rows_of_pixels_that_begin_inside_a_beat_on_icarus(preset, patterns, rtl_builds) -> None:
    """An image of three channels and seven columns in strips: 21 values a row, two a beat."""
    case = make_case(
        csc_network(4, 8, 7, 2, classes=5, seed=3), PRESETS[preset].with_(feature_depth=48), seed=5
    )
    config, items = case.program.config, case.program.instructions
    loads = [item for item in items if item.opcode == Opcode.LOAD and item["kind"] == LoadKind.INPUT]
    assert len(loads) > 1 and all(item["channels"] == 3 for item in loads)
    assert any(item["address"] % config.beat_bytes for item in loads)
    assert any(item["row_beats"] * config.beat_elements != item["count"] * 7 * 3 for item in loads)
    _check(case, "icarus", rtl_builds, patterns)


def test_a_wrong_expectation_is_noticed(rtl_builds) -> None:
    case = make_case(small_csc(2), PRESETS["4x4"], seed=5)
    name = case.program.output
    case.maps[name] = case.maps[name].copy()
    case.maps[name].flat[0] ^= 1
    with pytest.raises(AssertionError, match=name):
        _check(case, "icarus", rtl_builds, ("none",))


def _check(case: Case, simulator: str, build_dir, patterns: tuple[str, ...]) -> None:
    times = [MemoryTiming(stalls=STALLS[name]) for name in patterns]
    runs = [case.run(time) for time in times]
    results = run_rtl(case.program.config, runs, simulator=simulator, build_dir=build_dir)
    for name, time, result in zip(patterns, times, results, strict=True):
        case.check(result, time, name)
