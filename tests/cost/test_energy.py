import math

import pytest

from hwshift.config import PRESETS
from hwshift.cost.counting import count_program
from hwshift.cost.counts import ArrayCounts, LayerCounts, MemoryCounts, ProgramCounts
from hwshift.cost.energy import NOT_CHARGED, PARTS, energy_of, rates_of
from hwshift.cost.tables import load_table
from hwshift.golden.formats import QFormat

from .examples import CASES, example


def rate(config, count, label=None):
    found = [item for item in rates_of(config, load_table()) if item.count == count]
    found = [item for item in found if label is None or label in item.label]
    assert len(found) == 1
    return found[0]


@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_total_is_the_sum_of_parts(case):
    _, program, _ = example(*case)
    counts = count_program(program)
    energy = energy_of(counts, program.config, load_table())
    assert set(energy.by_layer_pj) == {layer.name for layer in counts.layers}
    assert energy.total_pj == pytest.approx(sum(energy.by_part_pj.values()))
    assert energy.total_pj == pytest.approx(sum(sum(parts.values()) for parts in energy.by_layer_pj.values()))
    assert energy.total_pj == pytest.approx(sum(rate.energy_pj * count for rate, count in energy.by_rate))
    whole = energy_of(ProgramCounts((counts.total,)), program.config, load_table())
    assert whole.total_pj == pytest.approx(energy.total_pj)


@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_no_layer_with_instructions_costs_nothing(case):
    _, program, _ = example(*case)
    counts = count_program(program)
    energy = energy_of(counts, program.config, load_table())
    for layer in counts.layers:
        parts = energy.by_layer_pj[layer.name]
        assert (parts["memory"] > 0) == (layer.instructions > 0)
        if layer.array.steps:
            needed = set(PARTS) - {"accumulator"} if not layer.accumulator.adds else set(PARTS)
            assert {part for part, value in parts.items() if value > 0} >= needed


@pytest.mark.parametrize("config", ["8x8", "8x8-mac", "16x16x4"])
def test_every_count_is_charged_or_says_why_not(config):
    rates = rates_of(PRESETS[config], load_table())
    charged = {item.count for item in rates}
    assert charged | set(NOT_CHARGED) == set(LayerCounts("").paths())
    assert not charged & set(NOT_CHARGED)
    assert {item.part for item in rates} == set(PARTS)
    assert all(item.energy_pj > 0 for item in rates)
    assert len({(item.part, item.count, item.label) for item in rates}) == len(rates)


def test_array_rates_by_hand():
    shift, mac = PRESETS["8x8"], PRESETS["8x8-mac"]
    # 32 bits with 15 guard bits; 8 of them summed take 3 bits more
    assert rate(shift, "array.operations").label == "shift, 47 bits"
    assert rate(shift, "array.operations").energy_pj == pytest.approx(0.13 * (47 / 32) ** 1.22)
    assert rate(shift, "array.tree_adds").energy_pj == pytest.approx(0.1 * 50 / 32)
    assert rate(mac, "array.operations").label == "multiply, 32 x 32 bits"
    assert rate(mac, "array.operations").energy_pj == pytest.approx(3.1)
    assert rate(mac, "array.tree_adds").label == "add, 64 bits"  # no wider than the accumulator
    rough = shift.with_(guard=0)
    assert rate(rough, "array.operations").energy_pj == pytest.approx(0.13)
    small = mac.with_(act=QFormat(4, 4), weights=QFormat(4, 4), acc_width=32)
    assert rate(small, "array.operations").energy_pj == pytest.approx(0.2)


def test_other_rates_by_hand():
    config = PRESETS["8x8"]
    assert rate(config, "shift_buffer.residual_reads").energy_pj == pytest.approx(10 * math.sqrt(2) / 2)
    assert rate(config, "accumulator.words_read").energy_pj == pytest.approx(7 * 10 / math.sqrt(2))
    assert rate(config, "weight_buffer.words_read").label == "memory, 2048 x 48 bits"  # 5 bits and a zero bit
    assert rate(config, "tables.lane_reads").energy_pj == pytest.approx(4 * 5)
    assert rate(config, "memory.weight_bits").energy_pj == pytest.approx(20)
    assert rate(config, "epilogue.outputs", "adds").label == "scale: 4 shifts, 3 adds, 74 bits"
    mac = PRESETS["8x8-mac"]
    assert rate(mac, "epilogue.outputs", "multiply").label == "scale: multiply, 64 x 18 bits"


def test_energy_by_hand():
    """Ten shifts of 47 bits and three DRAM words."""
    layer = LayerCounts("a", array=ArrayCounts(operations=10), memory=MemoryCounts(weight_bits=96))
    energy = energy_of(ProgramCounts((layer,)), PRESETS["8x8"], load_table())
    shifts = 10 * 0.13 * (47 / 32) ** 1.22
    assert energy.by_layer_pj["a"]["array"] == pytest.approx(shifts)
    assert energy.by_layer_pj["a"]["memory"] == pytest.approx(3 * 640)
    assert energy.total_pj == pytest.approx(shifts + 1920)
