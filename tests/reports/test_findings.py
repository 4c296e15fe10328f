from dataclasses import replace

import pytest

from hwshift.cost.bound import compulsory_bytes
from hwshift.program.counters import CAUSES, Cause
from hwshift.reports.findings import ADVICE, findings

from .build import report_of, with_everything


def by_topic(report):
    return {item.topic: item for item in findings(report)}


def with_counters(report, **counters):
    analysis = report.analysis
    simulation = replace(analysis.simulation, counters=analysis.simulation.counters | counters)
    return replace(report, analysis=replace(analysis, simulation=simulation))


def test_there_is_advice_on_every_stall():
    assert set(ADVICE) == set(CAUSES) - {Cause.BUSY}


@pytest.mark.parametrize("case", [("csc", "8x8"), ("mixed", "8x8-mac")], ids="-".join)
def test_energy(case):
    report = report_of(*case)
    parts = report.energy.by_part_pj
    assert max(parts.values()) == parts["memory"]
    layer = max(report.energy.by_layer_pj.items(), key=lambda item: item[1]["memory"])[0]
    text = by_topic(report)["energy"].text
    assert text.startswith(
        f"external memory takes {parts['memory'] / report.energy.total_pj:.0%} of the energy, "
    )
    assert text.endswith(f" in {layer}")


def test_stalls_are_told_when_they_are_many():
    report = report_of("csc", "8x8")
    quiet = dict.fromkeys((cause.name.lower() for cause in ADVICE), 0)
    assert "stalls" not in by_topic(with_counters(report, **quiet, total=1000))
    told = by_topic(with_counters(report, **quiet | {"weight_wait": 300}, total=1000))["stalls"]
    assert told.text == "30.0% of the cycles: the weight tile is not on the chip yet"
    assert told.change == ADVICE[Cause.WEIGHT_WAIT]


def test_the_array_is_told_when_it_is_not_used_well():
    report = report_of("csc", "8x8")
    low = replace(report.simulation, utilisation=report.simulation.utilisation | {"busy": 0.4})
    told = by_topic(replace(report, analysis=replace(report.analysis, simulation=low)))["array"]
    assert told.text.startswith("60% of the multiplications")
    high = replace(report.simulation, utilisation=report.simulation.utilisation | {"busy": 0.95})
    assert "array" not in by_topic(replace(report, analysis=replace(report.analysis, simulation=high)))


def test_traffic():
    report = report_of("csc", "8x8", "all")
    total = report.counts.total.memory.total_bits // 8
    least = compulsory_bytes(report.analysis.network, report.config)
    told = by_topic(report)["traffic"]
    assert f" are {total / least:.1f} times what has to move" in told.text
    assert (
        told.text.endswith("most of the rest are maps") and told.change == "a larger feature_depth"
    )  # all are kept
    assert by_topic(report_of("csc", "8x8"))["traffic"].text.endswith("are tables and instructions")


def test_other_hardware():
    report = with_everything()
    first, second, refused = report.styles
    assert "other hardware" not in by_topic(replace(report, styles=(first, refused)))
    better = replace(second, energy_pj=first.energy_pj / 2, cycles=first.cycles)
    told = by_topic(replace(report, styles=(first, better, refused)))["other hardware"]
    assert (
        told.text == f"{second.title} ({second.array}) takes 0.50 times the energy and 1.00 times the cycles"
    )
